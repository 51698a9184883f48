package sqlstore

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// notOfType says why a column does not hold a value.
const notOfType = "it is not of that type, or out of its range"

// written is a number as databases read one in a text.
var written = regexp.MustCompile(`^\s*[+-]?([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?\s*$`)

// fitsBoolean says whether a value, as ToDB gives it, is a whole number of one byte
// if it is a number or a text: a boolean of MySQL is a TINYINT(1), in which many
// programs keep other numbers than 0 and 1. What else there is is left to the database.
func fitsBoolean(v any) bool {
	var f float64
	switch x := v.(type) {
	case int64:
		f = float64(x)
	case uint64:
		f = float64(x)
	case float64:
		f = x
	case string:
		if !written.MatchString(x) {
			return false
		}
		var err error
		if f, err = strconv.ParseFloat(strings.TrimSpace(x), 64); err != nil {
			return false
		}
	}
	return f >= math.MinInt8 && f <= math.MaxInt8 && !hasFraction(v)
}

// hasFraction says whether a value, as ToDB gives it, is a number that is not
// whole: servers round one for a column of whole numbers.
func hasFraction(v any) bool {
	switch x := v.(type) {
	case float64:
		return x != math.Trunc(x) && !math.IsNaN(x)
	case string:
		if !strings.ContainsAny(x, ".eE") {
			return false
		}
		m := written.FindStringSubmatch(x)
		if m == nil {
			return false
		}
		digits := strings.TrimRight(m[1]+m[2], "0")
		if strings.Trim(digits, "0") == "" {
			return false // it is zero
		}
		scale := len(m[2]) - (len(m[1]) + len(m[2]) - len(digits)) // digits behind the point, without zeros at the end
		if m[3] == "" {
			return scale > 0
		}
		exponent, err := strconv.Atoi(m[3])
		if err != nil { // it is far too large, or far too small
			return strings.HasPrefix(m[3], "-")
		}
		return scale > exponent
	}
	return false
}

// inexact is where floats begin to stand for several whole numbers each.
const inexact = 1 << 53

// checked says which columns of a batch are looked at before they are written.
type checked struct {
	whole []bool // must not have fractions
	truth []bool // are of booleans
	needs int    // must be given, or the database invents it; -1: none
}

// check says what columns of a batch are looked at. An error is for a row
// without a column that must be given.
func (w *writer) check(b *batch, row engine.Row) error {
	b.checked.needs = -1
	b.checked.whole, b.checked.truth = b.checked.whole[:0], b.checked.truth[:0]
	if w.has != nil {
		if err := w.has(row); err != nil {
			return err
		}
	}
	for i, n := range b.names {
		if j := indexFold(b.names, n); j < i {
			return &engine.Failure{Kind: engine.KindError, Code: "db.column", Row: row.At, Message: fmt.Sprintf("row %d: %q and %q are the same column to the database", row.At, b.names[j], n)}
		}
	}
	if w.fits.Needs != "" {
		if b.checked.needs = indexFold(b.names, w.fits.Needs); b.checked.needs < 0 {
			return w.keyless(row.At, b.names)
		}
	}
	for _, n := range b.names {
		b.checked.whole = append(b.checked.whole, w.fits.Whole(n))
		b.checked.truth = append(b.checked.truth, w.fits.Truth(n))
	}
	if !slices.Contains(b.checked.whole, true) {
		b.checked.whole = nil
	}
	if !slices.Contains(b.checked.truth, true) {
		b.checked.truth = nil
	}
	return nil
}

// makeReady makes of a batch's values what the database is given. Rows that it must not
// be given are taken out, or are an error.
func (w *writer) makeReady(b *batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	n, kept := len(b.names), 0
	for i := range b.count {
		row := b.args[i*n : (i+1)*n]
		if err := w.fit(b, row, b.at[i]); err != nil {
			var f *engine.Failure // always of the row, whatever its code is
			if errors.As(err, &f) {
				f.Key = w.keyShown(b, i)
			}
			if w.rejects == nil || f == nil {
				return err
			}
			b.refused = append(b.refused, refusal{b.rows[i], f})
			continue
		}
		if kept != i {
			copy(b.args[kept*n:], row)
			b.at[kept], b.rows[kept] = b.at[i], b.rows[i]
		}
		kept++
	}
	b.count, b.args, b.at = kept, b.args[:kept*n], b.at[:kept]
	if w.rejects != nil {
		b.rows = b.rows[:kept]
	}
	if w.ready != nil && kept > 0 {
		w.ready(b)
	}
	return nil
}

// fit puts in the place of a row's values those that the database is given, or says why
// it must not be given one. at is the row's number.
func (w *writer) fit(b *batch, row []any, at int64) error {
	for i, v := range row {
		fit, why := w.value(b, i, v)
		if why != "" {
			name := b.names[i]
			return rowFailure(at, fmt.Sprintf("column %s is of type %s and cannot hold %s: %s", name, w.fits.Type(name), w.s.shown(v), why))
		}
		if err := w.refuse(b, i, fit, at); err != nil {
			return err
		}
		row[i] = fit
	}
	return nil
}

// value is a value as the database is given it, for the i-th column of a batch; why
// says that the column cannot hold it.
func (w *writer) value(b *batch, i int, v any) (fit any, why string) {
	if b.fit[i] != nil {
		if v, why = b.fit[i](v); why != "" {
			return nil, why
		}
	}
	return w.s.d.ToDB(v), ""
}

// refuse is why a value, as ToDB gives it, must not be written into the i-th
// column of a batch; nil if it may. at is the row's number.
func (w *writer) refuse(b *batch, i int, v any, at int64) error {
	if i < len(b.checked.truth) && b.checked.truth[i] && !fitsBoolean(v) {
		return rowFailure(at, fmt.Sprintf("column %s is of type boolean and cannot hold %s: it takes True, False and whole numbers from -128 to 127", b.names[i], w.s.shown(v)))
	}
	switch v.(type) {
	case int64:
		return nil
	case nil:
		if i == b.checked.needs {
			return w.keyless(at, nil)
		}
		return nil
	}
	if i >= len(b.checked.whole) || !b.checked.whole[i] {
		return nil
	}
	why := notOfType
	if x, ok := v.(float64); ok && math.Abs(x) >= inexact && math.Abs(x) <= math.MaxUint64 {
		why = "it is a float of 2^53 or more, and may stand for other whole numbers as well: calculate it by decimal.of(...), or give it as text"
	} else if !hasFraction(v) {
		return nil
	}
	return rowFailure(at, fmt.Sprintf("column %s is of type integer and cannot hold %s: %s", b.names[i], w.s.shown(v), why))
}

// keyless refuses a row whose key the database would invent; names are those of the
// row, nil if the key is among them.
func (w *writer) keyless(at int64, names []string) error {
	f := rowFailure(at, notNull(w.fits.Needs, w.table, names))
	f.Code = "db.constraint"
	return f
}

// notNull says that a row has nothing for a column; names are those of the row, nil
// if the column is among them.
func notNull(column, table string, names []string) string {
	if names == nil {
		return fmt.Sprintf("column %s of %s cannot be NULL, and it is NULL here", column, table)
	}
	return fmt.Sprintf("column %s of %s cannot be NULL, and the row does not have it%s", column, table, engine.SuggestColumn(column, names))
}

func rowFailure(at int64, message string) *engine.Failure {
	return &engine.Failure{Kind: engine.KindError, Code: "db.value", Retryable: true, Row: at, Message: fmt.Sprintf("row %d: %s", at, message)}
}
