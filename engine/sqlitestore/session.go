package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	if class == sqlstore.ClassRetry || class == sqlstore.ClassUnreachable {
		return err, true
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return &engine.Failure{Kind: engine.KindError, Code: "db.error", Message: err.Error(), Retryable: true, Cause: err}, false
	}
	message := strings.TrimSuffix(strings.TrimPrefix(e.Error(), "SQL logic error: "), fmt.Sprintf(" (%d)", e.Code()))
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
	case strings.Contains(message, "no such column"), strings.Contains(message, "has no column named"):
		code, retryable = "db.column", false
	case e.Code()&0xff == lib.SQLITE_MISMATCH:
		code, message = "db.value", "a value of an integer primary key is no whole number, or out of its range"
	case e.Code()&0xff == lib.SQLITE_TOOBIG:
		code = "db.value"
	}
	return &engine.Failure{Kind: engine.KindError, Code: code, Message: message, Retryable: retryable, Cause: err}, false
}

// Blamed names the columns that an error of a row is about.
func (s *Store) Blamed(err error) (columns []string, why string) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return nil, ""
	}
	if e.Code()&0xff == lib.SQLITE_MISMATCH {
		return []string{sqlstore.TheKey}, "it is not of that type, or out of its range"
	}
	message := strings.TrimSuffix(e.Error(), fmt.Sprintf(" (%d)", e.Code()))
	if _, column, ok := strings.Cut(message, "CHECK constraint failed: "+valueConstraint); ok {
		return []string{column}, "it is not of that type, or out of its range"
	}
	if _, list, ok := strings.Cut(message, "UNIQUE constraint failed: "); ok {
		for _, name := range strings.Split(list, ", ") {
			columns = append(columns, name[strings.LastIndex(name, ".")+1:])
		}
	}
	return columns, ""
}

// NoSavepoint says that a savepoint does not exist.
func (s *Store) NoSavepoint(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no such savepoint")
}
