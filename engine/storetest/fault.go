package storetest

import (
	"context"
	"database/sql/driver"
	"io"
	"strings"
	"sync"
	"time"
)

// FaultMode is what becomes of a statement at which a fault strikes.
type FaultMode int

// The modes.
const (
	// Refuse: it is not sent, and the connection breaks.
	Refuse FaultMode = iota
	// Lose: it is carried out, and the connection breaks before the answer.
	Lose
	// Late: like Lose, but it is carried out only a while after the connection
	// broke. For COMMIT; elsewhere it is Refuse.
	Late
	// Fail: it is not carried out; connection and transaction live on.
	Fail
	// Undo: the server rolls the transaction back, as after a dead-lock.
	Undo
	// Die: the process ends before it is sent.
	Die
	// DieAfter: it is carried out, and the process ends.
	DieAfter
)

// Fault is something that can befall a statement.
type Fault struct {
	Name string
	Mode FaultMode
	Err  error // what the driver says then
}

// deadly says that the process ends with it.
func (f Fault) deadly() bool { return f.Mode == Die || f.Mode == DieAfter }

// Faults makes connections fail: give its Wrap to a store. It may be used by
// many goroutines at once.
type Faults struct {
	mu    sync.Mutex
	fault *Fault // armed; nil: none
	at    int    // it strikes at this statement, counted from 1; 0: at COMMIT
	seen  int    // statements since it was armed
	where string // the statement at which it struck
	dead  error  // the process has ended
	// Ended is called when a fault ends the process.
	Ended func()
	// Struck is called, if it is given, when a fault has struck, before the store
	// hears of it.
	Struck func()
	before func(q string)
	log    []string
	late   sync.WaitGroup
}

// Arm has the fault strike once, at the n-th statement from now on.
func (f *Faults) Arm(fault Fault, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.at, f.seen, f.where = &fault, n, 0, ""
}

// ArmCommit has the fault strike once, at the next COMMIT.
func (f *Faults) ArmCommit(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.at, f.seen, f.where = &fault, 0, 0, ""
}

// Disarm ends it and gives the statement at which it struck, or "". It waits
// for statements that are late.
func (f *Faults) Disarm() string {
	f.late.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = nil
	return f.where
}

// Revive ends the death of a fault that ended the process: it was the database that
// was away.
func (f *Faults) Revive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = nil
}

// Before has f called before each statement is sent, until it is called with nil.
func (f *Faults) Before(call func(q string)) {
	f.mu.Lock()
	f.before = call
	f.mu.Unlock()
}

// coming tells of a statement.
func (f *Faults) coming(q string) {
	f.mu.Lock()
	call := f.before
	f.mu.Unlock()
	if call != nil {
		call(q)
	}
}

// Listen begins to note statements; what it gives ends that and gives them.
func (f *Faults) Listen() func() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = []string{}
	return func() []string {
		f.mu.Lock()
		defer f.mu.Unlock()
		defer func() { f.log = nil }()
		return f.log
	}
}

// next counts a statement and says which fault strikes at it.
func (f *Faults) next(q string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.log != nil {
		f.log = append(f.log, q)
	}
	if f.dead != nil {
		return &Fault{Mode: Die, Err: f.dead}
	}
	if f.fault == nil || strings.HasPrefix(q, "SELECT CONNECTION_ID") {
		return nil
	}
	f.seen++
	if f.at > 0 && f.seen != f.at || f.at == 0 && (q != "COMMIT" || f.where != "") {
		return nil
	}
	fault := *f.fault
	if f.where = q; fault.deadly() {
		f.dead = fault.Err
		if f.Ended != nil {
			f.Ended()
		}
	}
	if fault.Mode == Late && q != "COMMIT" {
		fault.Mode = Refuse
	}
	return &fault
}

// Wrap makes connections that fail when they are told to.
func (f *Faults) Wrap(c driver.Connector) driver.Connector { return faultyConnector{c, f} }

type faultyConnector struct {
	driver.Connector
	f *Faults
}

func (c faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	c.f.mu.Lock()
	dead := c.f.dead
	c.f.mu.Unlock()
	if dead != nil {
		return nil, dead
	}
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: inner, f: c.f}, nil
}

// faultyConn is what the drivers' connections can do, with faults.
type faultyConn struct {
	driver.Conn
	f      *Faults
	broken error
}

// run sends a statement, unless a fault says otherwise. drop gives up an answer
// that nobody will hear.
func (c *faultyConn) run(q string, send func() error, drop func()) error {
	if c.broken != nil {
		return c.broken
	}
	c.f.coming(q)
	fault := c.f.next(q)
	if fault == nil {
		return send()
	}
	if c.f.Struck != nil {
		defer c.f.Struck()
	}
	switch fault.Mode {
	case Fail:
		return fault.Err
	case Undo:
		c.Conn.(driver.ExecerContext).ExecContext(context.Background(), "ROLLBACK", nil)
		return fault.Err
	case Late:
		c.broken = fault.Err
		c.f.late.Go(func() {
			<-time.After(30 * time.Millisecond)
			send()
			drop()
			c.Conn.Close()
		})
		return fault.Err
	case Lose, DieAfter:
		send()
		drop()
	}
	c.broken = fault.Err
	c.Conn.Close()
	return fault.Err
}

func (c *faultyConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (r driver.Result, err error) {
	err = c.run(q, func() (err error) {
		r, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args)
		return err
	}, nothing)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (c *faultyConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.run(q, func() (err error) {
		rows, err = c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args)
		return err
	}, func() {
		if rows != nil {
			rows.Close()
		}
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

func (c *faultyConn) PrepareContext(ctx context.Context, q string) (s driver.Stmt, err error) {
	err = c.run(q, func() (err error) {
		s, err = c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, q)
		return err
	}, nothing)
	return s, err
}

func nothing() {}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (tx driver.Tx, err error) {
	err = c.run("BEGIN", func() (err error) {
		tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		return err
	}, nothing)
	if err != nil {
		return nil, err
	}
	return faultyTx{c, tx}, nil
}

type faultyTx struct {
	c  *faultyConn
	tx driver.Tx
}

func (t faultyTx) Commit() error   { return t.c.run("COMMIT", t.tx.Commit, nothing) }
func (t faultyTx) Rollback() error { return t.c.run("ROLLBACK", t.tx.Rollback, nothing) }

func (c *faultyConn) Ping(ctx context.Context) error {
	if c.broken != nil {
		return c.broken
	}
	return c.Conn.(driver.Pinger).Ping(ctx)
}

func (c *faultyConn) ResetSession(ctx context.Context) error {
	if c.broken != nil {
		return driver.ErrBadConn
	}
	return c.Conn.(driver.SessionResetter).ResetSession(ctx)
}

func (c *faultyConn) IsValid() bool {
	return c.broken == nil && c.Conn.(driver.Validator).IsValid()
}

func (c *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.Conn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *faultyConn) Close() error {
	if c.broken != nil {
		return io.ErrClosedPipe // closed when it broke, or will be
	}
	return c.Conn.Close()
}
