package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"slices"
)

// result is a query's rows: on the connection, or spooled.
type result struct {
	session *Session
	on      *sql.Conn
	query   string // as it was written
	names   []string
	types   []*sql.ColumnType
	give    map[int]func(any) any // see Statement
	rows    *sql.Rows             // nil: spooled or ended
	kept    *spool
	err     error // that the rest of the rows ended with
	unread  bool  // it is of a value that cannot be read
}

// Columns are the names of the columns.
func (r *result) Columns() []string { return r.names }

// Next is the next row.
func (r *result) Next(ctx context.Context) ([]any, error) {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	if r.rows != nil {
		return r.read(ctx)
	}
	if r.kept != nil {
		row, err := r.kept.next()
		if err != io.EOF {
			return row, err
		}
		r.kept.close()
		r.kept = nil
	}
	if r.err != nil {
		return nil, r.err
	}
	return nil, io.EOF
}

// read takes a row from the connection.
func (r *result) read(ctx context.Context) ([]any, error) {
	if !r.rows.Next() {
		err := r.rows.Err()
		r.rows.Close()
		r.rows = nil
		if err != nil {
			r.err = r.session.explain(ctx, r.session.told(ctx, r.on, r.query, err))
			return nil, r.err
		}
		return nil, io.EOF
	}
	row := make([]any, len(r.names))
	ptrs := make([]any, len(r.names))
	for i := range row {
		ptrs[i] = &row[i]
	}
	if err := r.rows.Scan(ptrs...); err != nil {
		return nil, r.session.explain(ctx, err)
	}
	for i := range row {
		var err error
		if row[i], err = r.session.d.FromDB(row[i], r.types[i]); err != nil {
			r.cut()
			r.err, r.unread = err, true
			return nil, err
		}
	}
	for i, give := range r.give {
		if i < len(row) {
			row[i] = give(row[i])
		}
	}
	return row, nil
}

// spool takes the remaining rows off the connection.
func (r *result) spool(ctx context.Context) error {
	if r.rows == nil {
		return nil
	}
	p := &spool{}
	for {
		row, err := r.read(ctx)
		if err == io.EOF {
			break
		}
		if r.unread { // which is for whoever comes to that row
			break
		}
		if err == nil {
			err = p.add(row)
		}
		if err != nil {
			p.close()
			r.cut()
			r.err = err
			return err
		}
	}
	r.kept = p
	return p.done()
}

// cut drops rows that are still on the connection.
func (r *result) cut() {
	if r.rows != nil {
		r.rows.Close()
		r.rows = nil
		r.err = errors.New("the result ended with its transaction")
	}
}

// Close gives up the rest of the rows.
func (r *result) Close() error {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	if r.rows != nil {
		r.rows.Close()
		r.rows = nil
	}
	if r.kept != nil {
		r.kept.close()
		r.kept = nil
	}
	r.session.open = slices.DeleteFunc(r.session.open, func(x *result) bool { return x == r })
	return nil
}
