package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Begin opens a hook's session.
func (s *Store) Begin(o engine.SessionOptions) engine.Session {
	return sqlstore.NewSession(s.Store, s, o)
}

// Session is one that its caller commits.
func (s *Store) Session(o engine.SessionOptions) engine.Joined {
	return sqlstore.NewJoined(s.Store, s, o)
}

// BeginHook takes the writer for a hook, at its first write. The wait is not
// part of the hook's own time.
func (s *Store) BeginHook(ctx context.Context, o engine.SessionOptions) (*sql.Conn, func(bool), error) {
	if o.Waiting != nil {
		o.Waiting(true)
		defer o.Waiting(false)
	}
	c, free, err := s.writer.conn(ctx, fmt.Sprintf("job %d (%s)", o.Job, o.Type), o.Busy)
	if err != nil {
		return nil, nil, err
	}
	if _, err := c.ExecContext(ctx, "SAVEPOINT "+sqlstore.Canary); err != nil {
		free(true)
		return nil, nil, err
	}
	return c, free, nil
}

// ReadHook is a connection for reading before the first write: it waits for nobody.
func (s *Store) ReadHook(ctx context.Context) (*sql.Conn, func(bool), error) {
	if s.noReader {
		return nil, nil, nil
	}
	c, err := s.hookReader.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	return c, func(bool) { c.Close() }, nil
}

// PingEvery is never: nothing ends an idle transaction but the process's end.
func (s *Store) PingEvery() time.Duration { return 0 }

// Abandon has nothing to end elsewhere.
func (s *Store) Abandon(*sql.Conn) {}

// OwnConnection is not needed: making a table is part of the transaction.
func (s *Store) OwnConnection(context.Context) (sqlstore.Execer, func(), error) {
	return nil, nil, nil
}

// HookError makes an error of a script's statement one for its author.
func (s *Store) HookError(err error) (f error, ended bool) {
	class := s.D.Class(err)
	if class == sqlstore.ClassRetry || class == sqlstore.ClassUnreachable || class == sqlstore.ClassFull {
		return err, true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return &engine.Failure{Kind: engine.KindError, Code: "db.error", Message: err.Error(), Retryable: true, Cause: err}, false
	}
	message := plainWords(e)
	code, retryable := "db.error", true
	switch {
	case class == sqlstore.ClassDuplicate:
		code = "db.duplicate"
	case strings.Contains(message, "CHECK constraint failed: "+valueConstraint):
		_, column, _ := strings.Cut(message, valueConstraint)
		code, message = "db.value", fmt.Sprintf("column %s cannot hold the value: it is not of the column's type, or out of its range", column)
	case class == sqlstore.ClassNoTable:
		code, retryable = "db.missing", false
	case e.Code()&0xff == lib.SQLITE_CONSTRAINT:
		code = "db.constraint"
	case strings.Contains(message, "syntax error"), strings.Contains(message, "incomplete input"), strings.Contains(message, "unrecognized token"):
		code, retryable = "db.syntax", false
	case strings.Contains(message, "no such column"), strings.Contains(message, "has no column named"), strings.HasPrefix(message, "ambiguous column name"), valuesNumber.MatchString(message):
		code, retryable = "db.column", false
	case strings.HasPrefix(message, "no such function"):
		code, retryable = "db.missing", false
	case e.Code()&0xff == lib.SQLITE_MISMATCH:
		code, message = "db.value", "a value of an integer primary key is no whole number, or out of its range"
	case e.Code()&0xff == lib.SQLITE_TOOBIG, message == "integer overflow":
		code = "db.value"
	}
	return &engine.Failure{Kind: engine.KindError, Code: code, Message: message, Retryable: retryable, Cause: err}, false
}

// What SQLite says of statements and rows.
var (
	near         = regexp.MustCompile(`(?s)^near "(.*)": syntax error$|^unrecognized token: "(.*)"$`)
	noTable      = regexp.MustCompile(`^no such table: (.+)$`)
	noSuch       = regexp.MustCompile(`^no such (column|function): "?([^"\s]+)`)
	notNamed     = regexp.MustCompile(`^table (.+) has no column named (.+)$`)
	valuesNumber = regexp.MustCompile(`^(?:\d+ values for \d+ columns|table .* has \d+ columns but \d+ values were supplied)$`)
)

// Fault takes to pieces what an error says of a statement or a row.
func (s *Store) Fault(err error) (f sqlstore.Fault) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return f
	}
	f.Says = strings.TrimPrefix(plainWords(e), "constraint failed: ")
	if e.Code()&0xff == lib.SQLITE_MISMATCH {
		f.Kind, f.Columns = sqlstore.FaultType, []string{sqlstore.TheKey}
		return f
	}
	switch f.Says {
	case "incomplete input":
		f.Kind = sqlstore.FaultSyntax
		return f
	case "integer overflow":
		f.Kind = sqlstore.FaultOverflow
		return f
	}
	if m := near.FindStringSubmatch(f.Says); m != nil {
		f.Kind, f.Near = sqlstore.FaultSyntax, m[1]+m[2]
		f.Says, _, _ = strings.Cut(f.Says, ":") // what it shows may be half of a value
		if strings.HasPrefix(f.Says, "near ") {
			f.Says = "syntax error"
		}
		return f
	}
	if m := noTable.FindStringSubmatch(f.Says); m != nil {
		f.Kind, f.Table = sqlstore.FaultNoTable, m[1]
		return f
	}
	if m := noSuch.FindStringSubmatch(f.Says); m != nil {
		switch m[1] {
		case "column":
			f.Kind, f.Columns = sqlstore.FaultNoColumn, m[2:3]
		case "function":
			f.Kind, f.Value = sqlstore.FaultNoFunction, m[2]
		}
		return f
	}
	if m := notNamed.FindStringSubmatch(f.Says); m != nil {
		f.Kind, f.Table, f.Columns = sqlstore.FaultNoColumn, m[1], m[2:3]
		return f
	}
	if valuesNumber.MatchString(f.Says) {
		f.Kind = sqlstore.FaultCount
		return f
	}
	columns := func(list string) (names []string) {
		for _, name := range strings.Split(list, ", ") {
			at := strings.LastIndex(name, ".")
			f.Table, names = name[:max(at, 0)], append(names, name[at+1:])
		}
		return names
	}
	what, about, _ := strings.Cut(f.Says, ": ")
	switch what {
	case "CHECK constraint failed":
		if column, ok := strings.CutPrefix(about, valueConstraint); ok {
			f.Kind, f.Columns = sqlstore.FaultType, []string{column}
		}
	case "UNIQUE constraint failed":
		if index, of := strings.CutPrefix(about, "index '"); of { // one of expressions
			f.Kind, f.Index = sqlstore.FaultDuplicate, strings.TrimSuffix(index, "'")
		} else {
			f.Kind, f.Columns = sqlstore.FaultDuplicate, columns(about)
		}
	case "NOT NULL constraint failed":
		f.Kind, f.Columns = sqlstore.FaultNull, columns(about)
	case "ambiguous column name":
		f.Kind, f.Columns = sqlstore.FaultAmbiguous, columns(about)
		f.Table = ""
	}
	return f
}

// plainWords are what SQLite says, without what goes for all errors.
func plainWords(e *sqlite.Error) string {
	return strings.TrimSuffix(strings.TrimPrefix(e.Error(), "SQL logic error: "), fmt.Sprintf(" (%d)", e.Code()))
}

// NoSavepoint says that a savepoint does not exist.
func (s *Store) NoSavepoint(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no such savepoint")
}

// Ended is what ends a hook's transaction unnoticed.
func (s *Store) Ended() string {
	return "a statement of this hook ended the job's transaction (OR ROLLBACK, or RAISE(ROLLBACK, ...) in a trigger): all that was written since the last checkpoint was rolled back, so nothing is completed; write OR ABORT, or RAISE(ABORT, ...), which undo that statement alone"
}
