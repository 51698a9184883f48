package mysqlstore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// clocked makes connections on which the server's clock is another one.
type clocked struct {
	driver.Connector
	clock engine.Clock
}

// Connect opens a connection.
func (k clocked) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	dc, ok := c.(driverConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("the driver's connection %T cannot have another clock", c)
	}
	return &clockedConn{driverConn: dc, clock: k.clock}, nil
}

type clockedConn struct {
	driverConn
	clock engine.Clock
	at    time.Time // what the server's clock is set to
}

// set sets the server's clock for the next statement, if the time has changed.
func (c *clockedConn) set(ctx context.Context) error {
	now := c.clock.Now()
	if now.Equal(c.at) {
		return nil
	}
	// The digit behind the microseconds keeps the server's own rounding away from them.
	_, err := c.driverConn.ExecContext(ctx, fmt.Sprintf("SET timestamp = %d.%06d3", now.Unix(), now.Nanosecond()/1000), nil)
	if err == nil {
		c.at = now
	}
	return err
}

// ExecContext runs a statement that gives no rows.
func (c *clockedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.set(ctx); err != nil {
		return nil, err
	}
	return c.driverConn.ExecContext(ctx, query, args)
}

// QueryContext runs a statement that gives rows.
func (c *clockedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.set(ctx); err != nil {
		return nil, err
	}
	return c.driverConn.QueryContext(ctx, query, args)
}

// PrepareContext prepares a statement.
func (c *clockedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := c.set(ctx); err != nil {
		return nil, err
	}
	return c.driverConn.PrepareContext(ctx, query)
}
