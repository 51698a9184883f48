package mysqlstore

import (
	"context"
	"database/sql/driver"

	"github.com/dsengine/dsengine/engine/sqlstore"
)

// maxSingle bounds how many statements a connection remembers.
const maxSingle = 1000

// QueryContext runs a statement that gives rows. Servers write numbers of single
// precision (FLOAT) with six digits where results are text. So a statement that gives
// such is run once more, as a prepared one, whose results have all of them; the
// connection remembers it, and then prepares it at once. One that may do more than read is
// run once, with what digits it gives.
func (c *numbered) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.single[query] {
		return nil, driver.ErrSkip // the sql package prepares it
	}
	rows, err := c.driverConn.QueryContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	types, ok := rows.(driver.RowsColumnTypeDatabaseTypeName)
	for i := range rows.Columns() {
		if !ok || types.ColumnTypeDatabaseTypeName(i) != "FLOAT" {
			continue
		}
		if sqlstore.CallsOwn(query) {
			break
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
		if c.single == nil || len(c.single) >= maxSingle {
			c.single = map[string]bool{}
		}
		c.single[query] = true
		return nil, driver.ErrSkip
	}
	return rows, nil
}
