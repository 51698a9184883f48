package engine

import (
	"context"
	"strings"
	"time"
)

// Session is a hook's own transaction on the job database: what the script's
// db module works on. It is used by one goroutine at a time. The transaction
// begins with the first statement (on SQLite: with the first write) and ends
// with Store.Commit or Rollback; after either the next statement begins a new
// one.
//
// Values go in and come out as nil, bool, int64, *big.Int, float64, string,
// []byte and time.Time (UTC). A placeholder takes a Decimal, too; it, and a *big.Int,
// is exact there.
type Session interface {
	// Query runs a reading statement. The rows are those of its start; what has
	// not been read is spooled when another statement needs the connection.
	Query(ctx context.Context, query string, args []any) (Rows, error)
	// MayWrite says whether a query may do more than read: lock rows, or call a function
	// that somebody has made, by a view too.
	MayWrite(ctx context.Context, query string) bool
	// Exec runs a writing statement and gives the number of rows it touched.
	Exec(ctx context.Context, query string, args []any) (int64, error)
	// Insert writes rows, many to a statement.
	Insert(ctx context.Context, table string, rows RowSource) (Stats, error)
	// Upsert inserts rows, or updates those whose key is there already.
	Upsert(ctx context.Context, table string, rows RowSource, spec Upsert) (Stats, error)
	// Bulk does what Insert does, or what Upsert does if spec is given, in the
	// fastest way that there is.
	Bulk(ctx context.Context, table string, rows RowSource, spec *Upsert) (Stats, error)
	// Merge upserts rows and deletes those that are not among them.
	Merge(ctx context.Context, table string, rows RowSource, spec Merge) (Stats, error)
	// Ensure creates the table if it is missing; it never alters one. It says
	// whether it created it. One that is there must have the columns, of types that
	// keep the same kind of values.
	Ensure(ctx context.Context, table string, columns []Column, key []string) (bool, error)
	// Columns describes a table; CodeNotFound if there is none.
	Columns(ctx context.Context, table string) ([]Column, error)

	// Mark sets a savepoint, under a number that grows.
	Mark(ctx context.Context) (int, error)
	// Undo takes back all since the mark and forgets it; Keep forgets it only.
	Undo(ctx context.Context, mark int) error
	Keep(ctx context.Context, mark int) error

	// Rollback takes back all since the transaction began. It never fails to
	// leave the session fit for another one.
	Rollback(ctx context.Context)
	// Close rolls back and gives the connection back.
	Close()
	// Wrote says whether a transaction is open in which something was written, or
	// may have been: a function that a query called may write.
	Wrote() bool
	// Changed says whether a statement that writes, or locks rows, was run in it.
	Changed() bool
}

// Rows is a result, read forwards once.
type Rows interface {
	Columns() []string
	// Next is the next row's values, or nil and io.EOF after the last.
	Next(ctx context.Context) ([]any, error)
	Close() error
}

// Row is a row to write: names and values of the same length. Rows of one
// source may share the Names slice; telling by its address saves comparing.
type Row struct {
	Names  []string
	Values []any
	At     int64 // its number in the source, for errors; 0: counted by the session
	// Bad is what its source knows to be wrong with it; nil: nothing. A Rejecter takes
	// it back as one that the database refuses. Its values may be of any type.
	Bad *Failure
}

// MaxRowsAhead is how many rows of a source a session takes at most before it has written
// the first of them, or given it back.
const MaxRowsAhead = 40_000

// RowSource gives rows until io.EOF. A session does not keep a row's values
// beyond the next call.
type RowSource interface {
	Next(ctx context.Context) (Row, error)
}

// Rejecter is a source that takes rows back which the database refuses. The others
// are written; those are not counted.
type Rejecter interface {
	RowSource
	// Reject takes a row back, as Next gave it, with what is wrong with it. An error
	// ends the writing.
	Reject(ctx context.Context, row Row, why *Failure) error
}

// Upsert says how rows meet those that are there.
type Upsert struct {
	Key    []string // columns of a unique index
	Update []string // columns to update; nil: all others
	// Newer is a column that tells versions: a row whose version is older than
	// the one that is there changes nothing, and counts as unchanged. An equal one
	// does; so does any, where there is none (NULL). "": all rows count.
	Newer string
}

// Merge says how a table, or the part of it that Where names, becomes what the
// rows are.
type Merge struct {
	Key   []string // columns of a unique index
	Where string   // SQL that holds for the part; "": the whole table
	Args  []any    // for the placeholders in Where
	// MaxDelete is how many rows may be deleted; with Share, how many of a
	// hundred. If more would be, nothing is changed.
	MaxDelete float64
	Share     bool
}

// Connection is another database, which scripts reach by a name.
type Connection interface {
	// Begin opens a hook's session on it. It costs nothing until it is used.
	Begin(o SessionOptions) Joined
	Close() error
}

// Joined is a hook's session on another database than the job's. It is
// committed just before the hook's own, so that what it writes is done at least
// once.
type Joined interface {
	Session
	// Scan reads a table in the order of a unique index, a page at a time.
	Scan(ctx context.Context, table string, spec Scan) (Rows, error)
	// CommitOwn commits what is open. CodeRetry: it may have been committed or not.
	CommitOwn(ctx context.Context) error
}

// Scan says what is read of a table: rows whose key is above After, and at most
// Until.
type Scan struct {
	By           []string // the columns of a unique index
	After, Until []any    // values of those columns; nil: no bound
	Page         int      // rows of one query
}

// Column is a column of a table, in the types that ensure knows.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // "text", "text(40)", "integer", "decimal(10,2)", ...
	Nullable bool   `json:"nullable"`
	Key      bool   `json:"key"` // part of the primary key
}

// TableDesign is what a table has that Ensure cannot say.
type TableDesign struct {
	Auto     string            // the column that numbers new rows; "": none does
	Required []string          // columns beside the primary key that must have a value
	Defaults map[string]string // by column: a value as SQL that every store reads
	Unique   [][]string        // unique keys beside the primary one
	// LeftOut is what it has besides, in words.
	LeftOut []string
}

// ColumnTypes are the types that Ensure takes; text may have a length, decimal
// has a precision and a scale.
var ColumnTypes = []string{"text", "integer", "float", "decimal", "boolean", "date", "time", "timestamp", "bytes", "json"}

// ParseColumnType splits a type as scripts write it into its name and its
// numbers: "text(40)" into "text" and [40].
func ParseColumnType(s string) (name string, n []int, err error) {
	name, rest, has := strings.Cut(strings.ToLower(strings.ReplaceAll(s, " ", "")), "(")
	known := false
	for _, t := range ColumnTypes {
		known = known || t == name
	}
	if !known {
		return "", nil, Errorf(CodeUsage, "there is no column type %q: use text, text(n), integer, float, decimal(p,s), boolean, date, time, timestamp, bytes or json", s)
	}
	if has {
		num, cur := 0, false
		for _, r := range rest {
			switch {
			case r >= '0' && r <= '9' && num < 100_000:
				num, cur = num*10+int(r-'0'), true
			case (r == ',' || r == ')') && cur:
				n, num, cur = append(n, num), 0, false
			default:
				return "", nil, badColumnType(s)
			}
		}
	}
	switch {
	case name == "text" && (len(n) == 0 && !has || len(n) == 1 && n[0] >= 1 && n[0] <= 16_000):
	case name == "decimal" && len(n) == 2 && n[0] >= 1 && n[0] <= 65 && n[1] >= 0 && n[1] <= min(n[0], 30):
	case name != "text" && name != "decimal" && !has:
	default:
		return "", nil, badColumnType(s)
	}
	return name, n, nil
}

func badColumnType(s string) error {
	return Errorf(CodeUsage, "column type %q: text may have a length (text(40)), decimal needs a precision and a scale (decimal(10,2)), no other type has numbers", s)
}

// SessionOptions are for one hook's session.
type SessionOptions struct {
	Job  JobID
	Type string
	// Waiting is called when the session begins and ceases to wait for the only
	// writer, so that the wait does not count as the hook's own time.
	Waiting func(waits bool)
	// Busy is called when a wait has grown long, with the job that holds the writer.
	Busy func(waited time.Duration, holder string)
	// Ended is called when the connection of the open transaction is found to be gone
	// while no statement runs on it: there is no use in going on. It is ErrSevered.
	Ended func(err error)
	// Seat is called before the session takes a connection for a transaction, and what
	// it gives when that is given back: how many hooks have connections is bounded. Of
	// a database's only writer it is called, with only, once the session has it. nil: it
	// is not.
	Seat func(ctx context.Context, only bool) (leave func(), err error)
	// Strike strikes secrets out of what an error shows of a row.
	Strike func(text string) string
	// StrikeParts strikes parts of secrets too: it is for a database's own words, in
	// which values may be cut.
	StrikeParts func(text string) string
	// Dry says that the session is never committed. Nothing in it may outlive its
	// rollback: a table that is missing is made for the session alone, and what no
	// rollback takes back is refused.
	Dry bool
}
