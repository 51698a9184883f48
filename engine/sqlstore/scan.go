package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// Joined is a hook's session on another database than the job's.
type Joined struct {
	*Session
}

// NewJoined makes a session on another database; it costs nothing until it is used.
func NewJoined(s *Store, d SessionDialect, o engine.SessionOptions) *Joined {
	return &Joined{NewSession(s, d, o)}
}

// CommitOwn commits what is open.
func (j *Joined) CommitOwn(ctx context.Context) error {
	x, err := j.Ready(ctx)
	if err != nil {
		j.Rollback(ctx)
		return err
	}
	if x == nil {
		return nil
	}
	err = j.Session.Commit(ctx)
	var refused *engine.Failure
	if errors.As(err, &refused) {
		return err
	}
	return j.store.wrap(err, "COMMIT")
}

// scanTypes are the types whose values are, read and written again, the same
// place in the order of a column.
var scanTypes = []string{"integer", "text", "date", "timestamp", "bytes"}

// Scan reads a table in the order of a unique index, a page at a time, so that
// no statement takes long, whatever the size of the table.
func (j *Joined) Scan(ctx context.Context, table string, spec engine.Scan) (engine.Rows, error) {
	if err := j.store.CheckTable(table); err != nil {
		return nil, err
	}
	if err := j.checkDryTable(ctx, table, false); err != nil {
		return nil, err
	}
	shape, _, err := j.checkKey(ctx, table, engine.Upsert{Key: spec.By}, "scan")
	if err != nil {
		return nil, err
	}
	for _, k := range spec.By {
		c := shape.column(k)
		name, n, err := engine.ParseColumnType(c.Type)
		whole := err == nil && name == "decimal" && n[0] <= 15 && n[1] == 0
		switch {
		case c.Nullable:
			return nil, &engine.Failure{Kind: engine.KindError, Code: "db.key", Message: fmt.Sprintf("scan of %s: column %q may be NULL, and such rows have no place in an order: read by a key that cannot", table, k)}
		case !whole && !strings.HasPrefix(c.Type, "text") && !slices.Contains(scanTypes, name):
			return nil, &engine.Failure{Kind: engine.KindError, Code: "db.key", Message: fmt.Sprintf("scan of %s: column %q is of type %s: read by an integer, a decimal of at most 15 digits and none behind the point, a text, a date, a timestamp or bytes", table, k, c.Type)}
		}
	}
	for what, bound := range map[string][]any{"after": spec.After, "until": spec.Until} {
		if bound != nil && len(bound) != len(spec.By) {
			return nil, &engine.Failure{Kind: engine.KindError, Code: "usage", Message: fmt.Sprintf("%s: got %d values for %d columns of the key", what, len(bound), len(spec.By))}
		}
		if slices.Contains(bound, nil) {
			return nil, &engine.Failure{Kind: engine.KindError, Code: "usage", Message: what + ": a value is NULL, which no key is"}
		}
	}
	for what, bound := range map[string]*[]any{"after": &spec.After, "until": &spec.Until} {
		if *bound, err = fitKey(what, *bound, spec.By, &shape); err != nil {
			return nil, err
		}
	}
	fit, err := j.fits(ctx, table)
	if err != nil {
		return nil, err
	}
	r := &scan{j: j, table: table, spec: spec, singles: shape.Singles, after: spec.After}
	for _, k := range spec.By {
		by, typ := j.d.Quote(k), shape.typeOf(k)
		_, found, err := j.odd(ctx, table, k, fit)
		if err != nil {
			return nil, err
		}
		if found { // the index does not have the order of time
			by, r.spec.Page = j.d.Comparable(by, typ), math.MaxInt
		}
		if typ != "timestamp" && typ != "date" {
			typ = ""
		}
		r.by, r.times = append(r.by, by), append(r.times, typ)
	}
	return r, r.turn(ctx)
}

// fitKey makes values ones of the key's columns: a point in time, say, of the text as
// which a checkpoint keeps it.
func fitKey(what string, values []any, by []string, shape *Shape) ([]any, error) {
	values = slices.Clone(values)
	for i := range values {
		name, _, _ := strings.Cut(shape.typeOf(by[i]), "(") // a bound may be longer than what the column holds
		fit := FitOf(name)
		if fit == nil {
			continue
		}
		v, why := fit(values[i])
		if why != "" {
			return nil, &engine.Failure{Kind: engine.KindError, Code: "db.value", Message: fmt.Sprintf("%s: column %s is of type %s and cannot hold %.60q: %s", what, by[i], shape.typeOf(by[i]), fmt.Sprint(values[i]), why)}
		}
		values[i] = v
	}
	return values, nil
}

// scan reads a table by pages.
type scan struct {
	j     *Joined
	table string
	spec  engine.Scan
	by    []string // SQL of the key's columns
	times []string // their types, of dates and times; "": it is another
	after []any    // the key of the last row; nil: none was read
	page  engine.Rows
	// Columns of single precision are read once more as ones of double precision, behind
	// the others, which gives all their digits.
	singles []string
	at      []int // where the key's columns are in a row
	n       int   // rows of the page so far
	names   []string
	err     error
}

// Columns are the names of the columns.
func (c *scan) Columns() []string { return c.names }

// Next is the next row.
func (c *scan) Next(ctx context.Context) ([]any, error) {
	for c.err == nil {
		if c.page == nil {
			if c.err = c.turn(ctx); c.err != nil {
				break
			}
		}
		row, err := c.page.Next(ctx)
		if err == nil {
			c.n++
			key := make([]any, len(c.at))
			for i, k := range c.at {
				key[i] = row[k]
			}
			c.after = key
			for i, name := range c.singles {
				f, ok := row[len(c.names)+i].(float64)
				if at := indexFold(c.names, name); ok && at >= 0 { // it may be invisible
					row[at] = Single(f)
				}
			}
			return row[:len(c.names)], nil
		}
		c.page.Close()
		c.page = nil
		if c.err = err; err == io.EOF && c.n == c.spec.Page {
			c.err = nil // there may be another page
		}
	}
	return nil, c.err
}

// turn asks for the next page.
func (c *scan) turn(ctx context.Context) error {
	var conds []string
	var args []any
	for _, b := range []struct {
		values []any
		last   string // how the last column is compared
		all    string // and the others
	}{{c.after, ">", ">"}, {c.spec.Until, "<=", "<"}} {
		if b.values != nil {
			sql, more := c.beyond(b.values, b.last, b.all)
			conds, args = append(conds, sql), append(args, more...)
		}
	}
	q := "SELECT *"
	for _, name := range c.singles {
		q += ", " + c.j.d.Quote(name) + " + 0e0"
	}
	q += " FROM " + quoteTable(c.j.d, c.table)
	if len(conds) > 0 {
		q += " WHERE " + strings.Join(conds, " AND ")
	}
	q += " ORDER BY " + strings.Join(c.by, ", ") + fmt.Sprintf(" LIMIT %d", c.spec.Page)
	page, err := c.j.query(ctx, q, args, false)
	if err != nil {
		return err
	}
	c.page, c.n, c.names, c.at = page, 0, page.Columns(), nil
	c.names = c.names[:len(c.names)-len(c.singles)]
	for _, k := range c.spec.By {
		c.at = append(c.at, indexFold(c.names, k))
	}
	return nil
}

// Single is the number of the shortest digits that a number of single precision has; of
// the greatest these are too great to be written again.
func Single(f float64) float64 {
	f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	return max(-math.MaxFloat32, min(math.MaxFloat32, f))
}

// beyond is the condition that a key is on one side of values. The first column
// alone bounds what the index is read of.
func (c *scan) beyond(values []any, last, others string) (string, []any) {
	var ors []string
	var args []any
	for i := range values {
		var ands []string
		for k := range i {
			mark, arg := c.place(k, values[k])
			ands, args = append(ands, c.by[k]+" = "+mark), append(args, arg...)
		}
		op := others
		if i == len(values)-1 {
			op = last
		}
		mark, arg := c.place(i, values[i])
		ands, args = append(ands, c.by[i]+" "+op+" "+mark), append(args, arg...)
		ors = append(ors, "("+strings.Join(ands, " AND ")+")")
	}
	if len(values) == 1 {
		return ors[0], args
	}
	mark, arg := c.place(0, values[0])
	return c.by[0] + " " + others + "= " + mark + " AND (" + strings.Join(ors, " OR ") + ")", append(arg, args...)
}

// place writes a value of the i-th column: a whole number of many digits as itself, since
// as text it would be compared as a float.
func (c *scan) place(i int, v any) (mark string, args []any) {
	switch v := v.(type) {
	case *big.Int:
		return v.String(), nil
	case engine.Decimal: // as the text that the key may be
		return "?", []any{string(v)}
	}
	if c.times[i] != "" {
		return c.j.d.Comparable("?", c.times[i]), []any{v}
	}
	return "?", []any{v}
}

// Close ends the scan.
func (c *scan) Close() error {
	if c.err == nil {
		c.err = io.EOF
	}
	if c.page == nil {
		return nil
	}
	err := c.page.Close()
	c.page = nil
	return err
}
