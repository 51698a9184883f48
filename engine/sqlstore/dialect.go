package sqlstore

import "time"

// Dialect is what differs between the databases: a few words of SQL, and how
// errors are told apart. The statements themselves are in this package.
type Dialect interface {
	// Name is "mysql", "mariadb" or "sqlite".
	Name() string
	// Now is the SQL for the database's clock, in UTC with microseconds.
	Now() string
	// In is the SQL for that time plus d, which may be negative.
	In(d time.Duration) string
	// Lock and Skip end a SELECT whose rows are about to be written: Lock waits
	// for rows that others have locked, Skip leaves them out. Skip is the same as
	// Lock where nothing can be left out.
	Lock() string
	Skip() string
	// Claimable ends the SELECT of a claim's candidates: as Skip, or "" where a
	// claim is decided by the DELETE that follows alone.
	Claimable() string
	// ByKey follows the table's name in an UPDATE by primary key and keeps the
	// planner from scanning the table.
	ByKey() string
	// Upsert ends an INSERT so that a row whose key is there is updated: set is
	// a list of assignments in which VALUES(column) is the new value.
	Upsert(key, set string) string
	// DeleteIn deletes the rows of a table by key, without a scan, whatever their
	// number: where is a condition on the table (alias r) or "", and list a JSON
	// array: of values where cols has one column, else of arrays in the order of
	// cols.
	DeleteIn(table, where, list string, cols ...KeyColumn) (query string, args []any)
	// Class tells what an error of the driver means.
	Class(err error) Class
	// Locked says that a statement was given up because another transaction held
	// a row for too long.
	Locked(err error) bool
	// Hint says what to do about an error of the driver, or "".
	Hint(err error) string
	// Bounds says how a claim begins at the bounds of its queue.
	Bounds() BoundStyle
	// MaxParams bounds the placeholders of a statement.
	MaxParams() int
}

// BoundStyle is how a scan begins behind rows that are dead but not purged.
type BoundStyle int

// The styles.
const (
	// BoundsNone: a deleted row is gone.
	BoundsNone BoundStyle = iota
	// BoundsRanges: one statement with a range for each priority and for the gaps
	// between them. The server stops at the end of a range, dead rows or not.
	BoundsRanges
	// BoundsEach: a statement for each priority. The server stops at the end of a
	// range only at a living row: one with id 0, which no job has, is put behind
	// each priority, at the beginning of the next one (a milestone).
	BoundsEach
)

// KeyColumn is a column of a key and how JSON carries it.
type KeyColumn struct {
	Name string
	Type KeyType
}

// KeyType is how a key's column is carried in JSON.
type KeyType int

// The types of key columns.
const (
	KeyInt  KeyType = iota // a number
	KeyTime                // text, "2006-01-02 15:04:05.000000"
	KeyHex                 // bytes, as hexadecimal text
	KeyText                // text of a name
)

// Class is what an error of the driver means to the engine.
type Class int

// The classes of errors.
const (
	ClassOther       Class = iota
	ClassRetry             // dead-lock, lock time-out, busy: the transaction is over, do it again
	ClassConnection        // the connection is gone; a COMMIT may have happened or not
	ClassUnreachable       // no connection can be had
	ClassFull              // there is no room; the connection is whole, and its transaction may be
	ClassDuplicate         // a unique key is taken
	ClassNoTable           // a table is missing
)
