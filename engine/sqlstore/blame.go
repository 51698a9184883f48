package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// shownValue is how much of a value an error shows.
const shownValue = 60

// TheKey stands for the only column of a table's key: see Blamed.
const TheKey = "\x00key"

// blame says in a failure of a row which values it came of: b is the batch, i
// the row in it. x is the connection on which it failed.
func (w *writer) blame(ctx context.Context, x Execer, f *engine.Failure, err error, b *batch, i int) {
	row := b.args[i*len(b.names) : (i+1)*len(b.names)]
	columns, why := w.s.d.Blamed(err)
	if len(columns) == 1 && columns[0] == TheKey {
		columns = w.onlyKey(ctx, x)
	}
	var told []string
	for _, c := range columns {
		if k := indexFold(b.names, c); k >= 0 {
			told = append(told, w.s.shown(row[k]))
		}
	}
	switch {
	case len(told) != len(columns) || len(told) == 0:
	case f.Code == "db.value" && len(columns) == 1:
		typ := ""
		if shape, derr := w.s.d.DescribeTable(ctx, x, w.table); derr == nil {
			typ = shape.typeOf(columns[0])
		}
		if typ != "" {
			typ = " is of type " + typ + " and"
		}
		if why != "" {
			why = ": " + why
		}
		f.Message = fmt.Sprintf("column %s%s cannot hold %s%s", columns[0], typ, told[0], why)
	case f.Code == "db.duplicate":
		for n := range told {
			told[n] = columns[n] + " = " + told[n]
		}
		f.Message += " (" + strings.Join(told, ", ") + ")"
	}
}

// onlyKey is the column of a key of one, as a list.
func (w *writer) onlyKey(ctx context.Context, x Execer) (columns []string) {
	shape, err := w.s.d.DescribeTable(ctx, x, w.table)
	if err != nil {
		return nil
	}
	for _, c := range shape.Columns {
		if c.Key {
			columns = append(columns, c.Name)
		}
	}
	return columns
}

// shown is a value as an error shows it: its beginning, without secrets.
func (s *Session) shown(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case []byte:
		return fmt.Sprintf("%d bytes", len(x))
	case time.Time:
		v = x.UTC().Format("2006-01-02 15:04:05.000000")
	case int64, float64, bool:
		return fmt.Sprint(x)
	}
	text := fmt.Sprint(v)
	if s.opts.Strike != nil { // of a secret that is cut, half would be left
		text = s.opts.Strike(text)
	}
	if r := []rune(text); len(r) > shownValue {
		text = string(r[:shownValue])
		return fmt.Sprintf("%q... (%d characters)", text, len(r))
	}
	return fmt.Sprintf("%q", text)
}
