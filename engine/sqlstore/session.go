package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// SessionDialect is what hooks' transactions need of a database package.
type SessionDialect interface {
	// BeginHook gives a connection whose transaction has begun, with the
	// savepoint Canary set. free gives it back, or throws it away when broken.
	BeginHook(ctx context.Context, o engine.SessionOptions) (c *sql.Conn, free func(broken bool), err error)
	// ReadHook gives a connection for statements before the first write, or nil
	// where reading is part of the transaction.
	ReadHook(ctx context.Context) (c *sql.Conn, free func(broken bool), err error)
	// PingEvery is how often the connection of an open transaction must be used
	// so that the server does not end it; 0: never.
	PingEvery() time.Duration
	// Abandon ends on the server what a connection was doing when its statement
	// was given up.
	Abandon(c *sql.Conn)
	// HookError makes an error of a script's statement one that speaks to its
	// author. ended says that the transaction is over.
	HookError(err error) (f error, ended bool)
	// Fault takes to pieces what an error says of a statement or a row.
	Fault(err error) Fault
	// Tables are the names of the tables there, of some if there are very many.
	Tables(ctx context.Context, x Execer) ([]string, error)
	// NoSavepoint says that a savepoint does not exist; Ended what that comes from in
	// a hook, and what to do about it.
	NoSavepoint(err error) bool
	Ended() string
	// Quote writes a name so that it can be used in SQL.
	Quote(name string) string
	// FromDB makes a value of the driver's one that scripts know, by the column's
	// type, or says why there is none; ToDB is the inverse.
	FromDB(v any, column *sql.ColumnType) (any, error)
	ToDB(v any) any
	// Engines says that tables can be kept without transactions.
	Engines() bool
	// DescribeTable gives a table's shape; no columns if there is no such table.
	DescribeTable(ctx context.Context, x Execer, table string) (Shape, error)
	// DesignTable gives what a table has that CreateTable cannot say.
	DesignTable(ctx context.Context, x Execer, table string) (engine.TableDesign, error)
	// CreateTable is the statement that makes a table.
	CreateTable(table string, columns []engine.Column, key []string) (string, error)
	// ColumnSQL is a column of a table that CreateTable makes.
	ColumnSQL(c engine.Column, inKey bool) (string, error)
	// OwnConnection says that Ensure must not run inside the transaction, because
	// the server would commit it, and gives a connection for it.
	OwnConnection(ctx context.Context) (x Execer, free func(), err error)
	// UpsertSQL is the tail of an upsert.
	UpsertSQL(u UpsertTail) string
	// CountUpserts is a statement after which an upsert with a counting tail gives,
	// as LastInsertId, how many of its rows were there already, and a query that
	// gives it too; "": they do not.
	CountUpserts() (before, after string)
	// Updated tells from what an upsert of so many rows reported how many of them it
	// changed, when fresh of them were new.
	Updated(affected, fresh, rows int64) int64
	// KeyTable gives the statements that make, fill and drop a temporary table for a
	// table's keys, which no transaction is ended by: insert is up to VALUES, tail what
	// is behind them. A key that is there already is none of its errors, one that the
	// table's columns do not take as it is, is. typeOf is the type of a column.
	KeyTable(name, table string, key []string, typeOf func(column string) string) (create []string, insert, tail, drop string)
	// Comparable is the SQL for a column's value so that versions of the type are
	// compared the same way on every store.
	Comparable(sql, columnType string) string
}

// Shape is what is known of a script's table.
type Shape struct {
	Columns []engine.Column
	Unique  [][]string // the columns of each unique index that is a key
	Loose   bool       // it has other unique indexes: of expressions, or of the beginning of a text
	Auto    string     // the column that numbers new rows; "": none does
	Texts   bool       // its columns take the text of a value for the value
	Singles []string   // columns of numbers of single precision, of which results show six digits
	Open    []string   // columns of which the type does not tell what values they have
	Spans   bool       // a time in it may be a span of time: Ensure did not make it
	Engine  string     // of the server that keeps it, if that knows no transactions; else ""

	// Fits judge the values of columns whose type tells too little; of others FitOf does.
	Fits map[string]func(v any) (fit any, why string)

	at time.Duration // when it was looked at
}

// UpsertTail is for the tail of an upsert.
type UpsertTail struct {
	Table       string
	Key, Update []string
	Guarded     bool   // there are other unique indexes, whose conflicts must be an error
	Newer       string // a column of Update: see engine.Upsert; "": none
	NewerType   string
	TypeOf      func(column string) string
	Counting    bool // see CountUpserts
}

// Canary is the savepoint that proves that a hook's transaction is still the
// one that was begun.
const Canary = "ds"

// Session is a hook's transaction.
type Session struct {
	store *Store
	d     SessionDialect
	opts  engine.SessionOptions

	mu     sync.Mutex
	conn   *sql.Conn // of the open transaction; nil: none
	free   func(bool)
	reader *sql.Conn
	freeR  func(bool)
	ended  error // why the transaction is over, until Rollback
	broken bool
	wrote  bool // by a statement that writes or locks
	effects
	marks  []savepoint
	marked int
	traces
	temps  int       // temporary tables on the connection
	tables int       // temporary tables that were made
	ends   int       // transactions that were ended
	open   []*result // results whose rows are still on a connection
	ping   engine.Timer

	rewriting Rewriting // nil: statements run as they are
	dry       dry       // of a session that is never committed
}

// savepoint is a mark; one that was set before the transaction began stands for
// its beginning.
type savepoint struct {
	n int
	point
}

// NewSession makes a session; it costs nothing until it is used.
func NewSession(s *Store, d SessionDialect, o engine.SessionOptions) *Session {
	session := &Session{store: s, d: d, opts: o}
	if r, ok := d.(Rewriter); ok {
		session.rewriting = r.Rewriting()
	}
	session.settings, _ = d.(Settings)
	return session
}

// Wrote says whether a transaction is open.
func (s *Session) Wrote() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn != nil || s.ended != nil
}

// Changed says whether a statement that writes, or locks rows, was run in the
// open transaction.
func (s *Session) Changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrote || s.ended != nil
}

// begin is the connection of the transaction, begun now if it is not open.
func (s *Session) begin(ctx context.Context) (*sql.Conn, error) {
	if s.ended != nil {
		return nil, s.ended
	}
	if s.conn != nil {
		return s.conn, nil
	}
	c, free, err := s.seated(ctx)
	if err != nil {
		return nil, s.store.wrap(err, "BEGIN")
	}
	s.conn, s.free, s.broken = c, free, false
	s.schedulePing()
	return c, nil
}

// run is one statement on the transaction's connection: results that are still
// on it are spooled first, and an error that ended the transaction is kept.
func (s *Session) run(ctx context.Context, f func(*sql.Conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.toWrite(ctx)
	if err != nil {
		return err
	}
	if err := f(c); err != nil {
		return s.explain(ctx, err)
	}
	return nil
}

// toWrite is the transaction's connection with nothing on it.
func (s *Session) toWrite(ctx context.Context) (*sql.Conn, error) {
	if s.store.ReadOnly {
		return nil, errReadOnly
	}
	if s.store.OneConnection && s.reader != nil {
		if err := s.spoolOn(ctx, s.reader); err != nil {
			return nil, err
		}
	}
	c, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.spoolOn(ctx, c); err != nil {
		return nil, err
	}
	s.wrote = true
	return c, nil
}

var errReadOnly = &engine.Failure{Kind: engine.KindError, Code: "db.read_only", Message: "the connection is for reading only"}

// launch does what run does while its caller goes on. Whatever else needs the session
// waits for the end. f is to guard what it does.
func (s *Session) launch(ctx context.Context, f func(*sql.Conn)) error {
	s.mu.Lock()
	c, err := s.toWrite(ctx)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	go func() {
		defer s.mu.Unlock()
		f(c)
	}()
	return nil
}

// guarded is the error of what uses the session, for a script's author.
func (s *Session) guarded(ctx context.Context, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.broken = true
			s.ended = panicked(p)
			err = s.ended
		}
	}()
	if err = f(); err != nil {
		err = s.explain(ctx, err)
	}
	return err
}

// panicked is the error of what a panic ended; to be called where it is recovered.
func panicked(p any) error {
	return &engine.Failure{Kind: engine.KindError, Code: "panic", Retryable: true, Message: fmt.Sprintf("panic: %v", p), Backtrace: string(debug.Stack())}
}

// explain turns an error of a script's statement into one for its author, and
// notes when it ended the transaction.
func (s *Session) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		s.broken = true
		s.ended = context.Cause(ctx)
		if s.conn != nil {
			s.d.Abandon(s.conn)
		}
		return s.ended
	}
	var f *engine.Failure
	if errors.As(err, &f) {
		return err
	}
	said, ended := s.hookError(err)
	if ended {
		s.fail(err)
		return s.ended
	}
	return said
}

// fail notes that the transaction is over.
func (s *Session) fail(err error) {
	class := s.store.D.Class(err)
	// A server that is full answers: it is to have rolled back before the hook runs again.
	if class == ClassConnection || class == ClassUnreachable || class == ClassFull && s.store.D.Name() == "sqlite" {
		s.broken = true
	}
	if (class == ClassUnreachable || class == ClassFull) && !s.store.Foreign { // to run the hook again at once is no help
		if s.ended = s.store.wrap(err, ""); class == ClassUnreachable {
			s.ended = engine.Wrapf(engine.CodeUnreachable, engine.Severed(err), "reach the database").WithHint("%s", s.store.D.Hint(err))
		}
		return
	}
	if s.ended = engine.Wrapf(engine.CodeRetry, err, "the job's transaction was ended"); class == ClassConnection {
		s.ended = severed(err)
	}
}

// Exec runs a writing statement.
func (s *Session) Exec(ctx context.Context, query string, args []any) (n int64, err error) {
	if err := s.store.CheckExec(query); err != nil {
		return 0, err
	}
	if err := s.checkDry(ctx, query); err != nil {
		return 0, err
	}
	err = s.run(ctx, func(c *sql.Conn) error {
		st, err := s.rewrite(ctx, c, query, args)
		if err != nil {
			return err
		}
		s.sent(ctx, query, true)
		r, err := c.ExecContext(ctx, st.SQL, st.Args...)
		if err != nil {
			return s.told(ctx, c, query, err)
		}
		n, err = r.RowsAffected()
		s.did(n, s.store.Restarts && !s.store.changesRows(query))
		return err
	})
	return n, err
}

// locking is found in a SELECT that locks what it reads; it may match more.
var locking = regexp.MustCompile(`(?i)\bFOR\s+(UPDATE|SHARE)\b|\bLOCK\s+IN\s+SHARE\b`)

// Query runs a reading statement.
func (s *Session) Query(ctx context.Context, query string, args []any) (engine.Rows, error) {
	if err := s.store.CheckQuery(query); err != nil {
		return nil, err
	}
	if err := s.checkDry(ctx, query); err != nil {
		return nil, err
	}
	return s.query(ctx, query, args, true)
}

// query is Query for SQL that need not be looked at; written says that a script
// wrote it.
func (s *Session) query(ctx context.Context, query string, args []any, written bool) (engine.Rows, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.readConn(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.spoolOn(ctx, c); err != nil {
		return nil, err
	}
	if locking.MatchString(query) {
		s.wrote = true
		s.did(0, true)
	}
	st := Statement{SQL: query}
	if !written {
		st.Args = s.toDB(args)
	} else if st, err = s.rewrite(ctx, c, query, args); err != nil {
		return nil, s.explain(ctx, err)
	}
	s.sent(ctx, query, false)
	rows, err := c.QueryContext(ctx, st.SQL, st.Args...)
	if err != nil {
		return nil, s.explain(ctx, s.told(ctx, c, query, err))
	}
	r := &result{session: s, rows: rows, on: c, query: query, give: st.Give}
	if r.names, err = rows.Columns(); err == nil {
		r.types, err = rows.ColumnTypes()
	}
	if err != nil {
		rows.Close()
		return nil, s.explain(ctx, err)
	}
	s.open = append(s.open, r)
	return r, nil
}

// readConn is the connection for a reading statement.
func (s *Session) readConn(ctx context.Context) (*sql.Conn, error) {
	if s.conn != nil || s.ended != nil {
		return s.begin(ctx)
	}
	if s.reader == nil {
		c, free, err := s.d.ReadHook(ctx)
		if err != nil {
			return nil, s.store.wrap(err, "connect")
		}
		if c == nil {
			return s.begin(ctx)
		}
		s.reader, s.freeR = c, free
	}
	return s.reader, nil
}

// Mark sets a savepoint.
func (s *Session) Mark(ctx context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return 0, s.ended
	}
	s.marked++
	m := savepoint{n: s.marked}
	if s.conn != nil {
		m.point = s.newPoint(fmt.Sprintf("ds_mark%d", m.n))
	}
	if m.real {
		if err := s.spoolOn(ctx, s.conn); err != nil {
			return 0, err
		}
		if err := s.control(ctx, "SAVEPOINT "+m.name); err != nil {
			return 0, err
		}
	}
	s.marks = append(s.marks, m)
	return m.n, nil
}

// Undo takes back all since the mark, and forgets it and those after it.
func (s *Session) Undo(ctx context.Context, mark int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.forget(mark)
	if err != nil || s.conn == nil {
		return err
	}
	if err := s.spoolOn(ctx, s.conn); err != nil {
		return err
	}
	s.forgetTables()
	switch {
	case m.real:
		return s.control(ctx, "ROLLBACK TO SAVEPOINT "+m.name)
	case s.store.Restarts:
		return s.restart(ctx, m.point)
	}
	return s.control(ctx, "ROLLBACK TO SAVEPOINT "+Canary)
}

// Keep forgets a mark.
func (s *Session) Keep(ctx context.Context, mark int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.forget(mark)
	if err != nil || s.conn == nil || !m.real {
		return err
	}
	if err := s.spoolOn(ctx, s.conn); err != nil {
		return err
	}
	return s.control(ctx, "RELEASE SAVEPOINT "+m.name)
}

func (s *Session) forget(mark int) (savepoint, error) {
	if s.ended != nil {
		return savepoint{}, s.ended
	}
	i := slices.IndexFunc(s.marks, func(m savepoint) bool { return m.n == mark })
	if i < 0 {
		return savepoint{}, engine.Errorf(engine.CodeInternal, "mark %d is gone", mark)
	}
	m := s.marks[i]
	s.marks = s.marks[:i]
	return m, nil
}

// Ready spools what is open and proves that the transaction is the one that
// was begun. x is nil if none is open.
func (s *Session) Ready(ctx context.Context) (Execer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return nil, s.ended
	}
	if s.conn == nil {
		return nil, nil
	}
	if err := s.spoolOn(ctx, s.conn); err != nil {
		return nil, err
	}
	s.stopPing()
	if err := s.control(ctx, "RELEASE SAVEPOINT "+Canary); err != nil {
		return nil, err
	}
	return s.conn, nil
}

// Commit commits; the next statement begins another transaction. It is a Failure if
// the server refuses because of what the transaction has written.
func (s *Session) Commit(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.ExecContext(ctx, "COMMIT")
	if err != nil {
		s.broken, err = true, s.refused(err)
	}
	s.release()
	return err
}

// Rollback takes back all since the transaction began.
func (s *Session) Rollback(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rollback(ctx)
}

func (s *Session) rollback(ctx context.Context) {
	if s.conn != nil {
		if !s.broken && s.ended == nil {
			if err := s.spoolOn(ctx, s.conn); err != nil {
				s.broken = true
			}
		}
		if !s.broken {
			c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			if _, err := s.conn.ExecContext(c, "ROLLBACK"); err != nil {
				s.broken = true
			}
			cancel()
		}
	}
	s.release()
}

// release gives the connection back and forgets the transaction.
func (s *Session) release() {
	s.ends++
	s.stopPing()
	s.forgetTables()
	s.marks, s.ended, s.wrote, s.effects, s.dry.made = nil, nil, false, effects{}, nil
	if s.conn == nil {
		return
	}
	for _, r := range s.open {
		if r.on == s.conn {
			r.cut() // none, unless the connection broke
		}
	}
	s.open = slices.DeleteFunc(s.open, func(r *result) bool { return r.rows == nil })
	if !s.again(s.conn) {
		_ = s.conn.Raw(func(any) error { return driver.ErrBadConn }) // has the pool throw it away
	}
	s.free(s.broken)
	s.conn, s.free, s.temps, s.left, s.proved = nil, nil, 0, false, false
}

// Close rolls back and gives all connections back.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.open {
		r.cut()
	}
	s.open = nil
	s.rollback(context.Background())
	if s.reader != nil {
		s.freeR(false)
		s.reader, s.freeR = nil, nil
	}
}

func (s *Session) toDB(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		out[i] = s.d.ToDB(a)
	}
	return out
}
