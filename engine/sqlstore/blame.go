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

// blame says in a failure of a row what is wrong, and which values it came of: b is
// the batch, i the row in it. x is the connection on which it failed.
func (w *writer) blame(ctx context.Context, x Execer, f *engine.Failure, err error, b *batch, i int) {
	t := &teller{s: w.s, ctx: ctx, x: x, Fault: w.s.fault(err)}
	t.Table, t.tables = w.table, []tableName{{w.table, bare(w.table)}}
	row := b.args[i*len(b.names) : (i+1)*len(b.names)]
	if len(t.Columns) == 1 && t.Columns[0] == TheKey || t.Kind == FaultDuplicate && len(t.Columns) == 0 && strings.EqualFold(t.Index, PrimaryIndex) {
		shape := t.shape(w.table)
		t.Columns = shape.keys()
	}
	var told []string
	for _, c := range t.Columns {
		if k := indexFold(b.names, c); k >= 0 {
			told = append(told, w.s.shown(row[k]))
		}
	}
	known := len(told) > 0 && len(told) == len(t.Columns)
	switch t.Kind {
	case FaultNoTable, FaultNoColumn:
		f.Message = t.statement("") + engine.OtherSeparator(b.names) + t.own()
	case FaultDuplicate:
		for n := range told {
			told[n] = t.Columns[n] + " = " + told[n]
		}
		if !known {
			told = nil
		}
		if said := t.duplicate(told); known || t.Index != "" {
			f.Message = said + t.own()
		}
	case FaultNull, FaultNotGiven:
		if len(t.Columns) == 1 {
			names := b.names
			if known {
				names = nil
			}
			f.Message = notNull(t.Columns[0], w.table, names) + t.own()
		}
	case FaultType, FaultLong, FaultRange:
		if !known || len(told) != 1 {
			return
		}
		column, shape := t.Columns[0], t.shape(w.table)
		typ := shape.typeOf(column)
		is := ""
		if typ != "" {
			is = " is of type " + typ + " and"
		}
		f.Message = fmt.Sprintf("column %s%s cannot hold %s: %s", column, is, told[0], t.why(typ))
	}
}

// keyShown is what the i-th row of a batch has in the columns of the key, as errors show
// it; "" where it is not known by any.
func (w *writer) keyShown(b *batch, i int) string {
	var told []string
	for _, c := range w.key {
		if k := indexFold(b.names, c); k >= 0 {
			told = append(told, c+" = "+w.s.shown(b.args[i*len(b.names)+k]))
		}
	}
	return strings.Join(told, ", ")
}

// shown is a value as an error shows it: its beginning, without secrets.
func (s *Session) shown(v any) string {
	switch x := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return fmt.Sprintf("%d bytes", len(x))
	case time.Time:
		v = x.UTC().Format("2006-01-02 15:04:05.000000")
	case int64, float64, bool:
		return fmt.Sprint(x)
	}
	text := s.strike(fmt.Sprint(v)) // of a secret that is cut, half would be left
	if r := []rune(text); len(r) > shownValue {
		text = string(r[:shownValue])
		return fmt.Sprintf("%q... (%d characters)", text, len(r))
	}
	return fmt.Sprintf("%q", text)
}
