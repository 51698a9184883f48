package scripttest

import (
	"bytes"
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// by is a column that rows are sorted by.
type by struct {
	at      int // its place
	down    bool
	decimal bool // its values are texts of numbers
}

// orderOf reads columns as ORDER BY names them, and adds all others; false if it is
// something else, which the database has to sort by.
func orderOf(order string, columns []engine.Column) (keys []by, ok bool) {
	named := func(name string) int {
		return slices.IndexFunc(columns, func(c engine.Column) bool { return strings.EqualFold(c.Name, name) })
	}
	add := func(at int, down bool) {
		keys = append(keys, by{at, down, strings.HasPrefix(columns[at].Type, "decimal")})
	}
	if order != "" {
		for _, part := range strings.Split(order, ",") {
			words := append(strings.Fields(part), "ASC")
			direction := strings.ToUpper(words[1%len(words)])
			at := named(strings.Trim(words[0], "`\""))
			if at < 0 || len(words) > 3 || direction != "ASC" && direction != "DESC" {
				return nil, false
			}
			add(at, direction == "DESC")
		}
	}
	for i := range columns {
		add(i, false)
	}
	return keys, true
}

// sortRows sorts rows by the values of columns, the same on all databases, each of which
// sorts texts in a way of its own: NULL first, texts by their bytes.
func sortRows(rows []hostlib.Value, keys []by) {
	slices.SortStableFunc(rows, func(a, b hostlib.Value) int {
		x, y := a.(*hostlib.Dict).Values, b.(*hostlib.Dict).Values
		for _, k := range keys {
			n := compareCells(x[k.at], y[k.at], k.decimal)
			if k.down {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
}

// compareCells compares two values of a column; those of different kinds by their kinds.
func compareCells(a, b any, decimal bool) int {
	if x, y := numberIn(a, decimal), numberIn(b, decimal); x != nil && y != nil {
		return x.Cmp(y)
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y)
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y)
		}
	}
	return kindIn(a) - kindIn(b)
}

// numberIn is a number in a cell; nil if it is none.
func numberIn(v any, decimal bool) *big.Rat {
	switch x := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(x)
	case *big.Int:
		return new(big.Rat).SetInt(x)
	case float64:
		return new(big.Rat).SetFloat64(x)
	case string:
		if r, ok := new(big.Rat).SetString(x); ok && decimal {
			return r
		}
	}
	return nil
}

// kindIn is where values of a kind come, among others.
func kindIn(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case int64, *big.Int, float64:
		return 1
	case time.Time:
		return 2
	case string:
		return 3
	}
	return 4
}
