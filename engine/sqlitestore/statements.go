package sqlitestore

import (
	"container/list"
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Reading and planning a statement takes longer than most of the engine's take to
// run. So each connection keeps the statements that it has run, prepared, the
// ones that were used last.
const (
	// keptStatements is how many a connection keeps. The engine has about two hundred.
	keptStatements = 300
	// keptText is how many bytes of SQL those have together: what is prepared takes
	// several times as much.
	keptText = 512 << 10
)

// keeping makes connections that keep their statements.
type keeping struct {
	driver.Connector
	gate *turnstile // before transactions; nil: the connections are for reading
}

// Connect opens a connection.
func (k keeping) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	dc, ok := c.(driverConn)
	if !ok {
		return c, nil
	}
	if k.gate != nil { // from now on: to be opened may take longer
		if _, err := dc.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout=%d", patience.Milliseconds()), nil); err != nil {
			c.Close()
			return nil, err
		}
	}
	return &keeper{driverConn: dc, gate: k.gate, kept: map[string]*list.Element{}}, nil
}

// driverConn is what the driver's connections can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// driverStmt is what its statements can do.
type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// driverRows is what its results can do.
type driverRows interface {
	driver.Rows
	driver.RowsColumnTypeScanType
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
}

// keeper is a connection that keeps its statements.
type keeper struct {
	driverConn
	gate *turnstile
	kept map[string]*list.Element // of *prepared, those that nobody uses just now
	used list.List                // the ones used last at the front
	text int                      // bytes of SQL that are kept
}

// prepared is a statement.
type prepared struct {
	sql string
	driverStmt
}

// Unwrap is the driver's own connection.
func (k *keeper) Unwrap() driver.Conn { return k.driverConn }

// BeginTx begins a transaction of whoever uses the pool by itself: a program that the
// engine is part of, or the migrations.
func (k *keeper) BeginTx(ctx context.Context, o driver.TxOptions) (tx driver.Tx, err error) {
	if k.gate == nil {
		return k.driverConn.BeginTx(ctx, o)
	}
	err = k.gate.pass(ctx, func() error {
		tx, err = k.driverConn.BeginTx(ctx, o)
		return err
	}, k.gate.others())
	return tx, err
}

// ExecContext runs a statement that gives no rows.
func (k *keeper) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	err = k.try(query, func() error {
		r, err = k.exec(ctx, query, args)
		return err
	})
	return r, err
}

// QueryContext runs a statement that gives rows.
func (k *keeper) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (r driver.Rows, err error) {
	err = k.try(query, func() error {
		r, err = k.query(ctx, query, args)
		return err
	})
	return r, err
}

// try runs a statement. A connection that may write is not patient: if the file is
// busy, the statement is tried again for a second, like that of a patient one. To
// begin is not, because others may wait for that.
func (k *keeper) try(query string, run func() error) error {
	err := run()
	if k.gate == nil || query == beginWriting {
		return err
	}
	for n := time.Duration(0); n < time.Second/patience && err != nil && isBusy(err); n++ {
		err = run()
	}
	return err
}

func (k *keeper) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	query, args = bindMoments(query, args)
	if !keepable(query) {
		return k.driverConn.ExecContext(ctx, query, args)
	}
	s, err := k.take(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(ctx, args)
	k.giveBack(s, err)
	return r, err
}

func (k *keeper) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	query, args = bindMoments(query, args)
	if !keepable(query) {
		return k.driverConn.QueryContext(ctx, query, args)
	}
	s, err := k.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		k.giveBack(s, err)
		return nil, err
	}
	r, ok := rows.(driverRows)
	if !ok { // its statement is closed with the connection
		return rows, nil
	}
	return &keptRows{r, k, s}, nil
}

// keptRows give their statement back when they are closed.
type keptRows struct {
	driverRows
	k *keeper
	s *prepared
}

// Close ends the result.
func (r *keptRows) Close() error {
	err := r.driverRows.Close()
	if r.s != nil {
		r.k.giveBack(r.s, err)
		r.s = nil
	}
	return err
}

// keepable says whether a statement may be kept: what reads and writes rows, and
// what steers transactions. The rest is rare, and some of it cannot be prepared
// before it is run.
func keepable(query string) bool {
	if len(query) > keptText/4 {
		return false
	}
	verb, _, _ := strings.Cut(query[:min(len(query), 12)], " ")
	switch strings.ToUpper(verb) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE":
		return true
	}
	return false
}

// take gives a statement that nobody uses.
func (k *keeper) take(ctx context.Context, query string) (*prepared, error) {
	if e := k.kept[query]; e != nil {
		return k.drop(e), nil
	}
	s, err := k.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &prepared{query, s.(driverStmt)}, nil
}

// drop takes a statement out of those that are kept.
func (k *keeper) drop(e *list.Element) *prepared {
	s := k.used.Remove(e).(*prepared)
	delete(k.kept, s.sql)
	k.text -= len(s.sql)
	return s
}

// giveBack keeps a statement that has been run. One that failed is not run again
// as it is.
func (k *keeper) giveBack(s *prepared, err error) {
	if err != nil || k.kept[s.sql] != nil {
		s.Close()
		return
	}
	k.kept[s.sql] = k.used.PushFront(s)
	k.text += len(s.sql)
	for k.used.Len() > keptStatements || k.text > keptText {
		k.drop(k.used.Back()).Close()
	}
}

// Close closes the connection, its statements first.
func (k *keeper) Close() error {
	for k.used.Len() > 0 {
		k.drop(k.used.Back()).Close()
	}
	return k.driverConn.Close()
}

// moment stands behind each point in time that the dialect writes into a
// statement: it makes the text another one each time it is run.
const moment = "/*t*/"

// bindMoments makes parameters of the points in time in the engine's own SQL, so
// that its text is the same each time. Equal ones are one parameter.
func bindMoments(query string, args []driver.NamedValue) (string, []driver.NamedValue) {
	if !strings.Contains(query, moment) {
		return query, args
	}
	var text strings.Builder
	text.Grow(len(query))
	bound := make([]driver.NamedValue, 0, len(args)+4)
	given := 0                 // of args, how many were met
	places := map[string]int{} // of points in time
	for rest := query; rest != ""; {
		i := strings.IndexAny(rest, `?'"`)
		if i < 0 {
			text.WriteString(rest)
			break
		}
		text.WriteString(rest[:i])
		if rest = rest[i:]; rest[0] == '?' {
			if given == len(args) || args[given].Name != "" || len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9' {
				return query, args // not the engine's
			}
			bound = append(bound, driver.NamedValue{Ordinal: len(bound) + 1, Value: args[given].Value})
			given++
			text.WriteByte('?')
			rest = rest[1:]
			continue
		}
		quote := rest[:1]
		end := strings.Index(rest[1:], quote)
		if end < 0 {
			return query, args
		}
		end += 2
		if at := rest[1 : end-1]; quote == "'" && len(at) == len(timestampLayout) && strings.HasPrefix(rest[end:], moment) {
			place, ok := places[at]
			if !ok {
				bound = append(bound, driver.NamedValue{Ordinal: len(bound) + 1, Value: at})
				place = len(bound)
				places[at] = place
			}
			text.WriteByte('?')
			text.WriteString(strconv.Itoa(place))
			rest = rest[end+len(moment):]
			continue
		}
		text.WriteString(rest[:end]) // a doubled quote begins the next text, which is as good
		rest = rest[end:]
	}
	if given != len(args) {
		return query, args
	}
	return text.String(), bound
}
