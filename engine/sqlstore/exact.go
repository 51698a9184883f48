package sqlstore

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// exactArgs has whole numbers of many digits be decimals, and refuses decimals that
// are none, or that no database calculates with.
func exactArgs(args []any) ([]any, error) {
	exact := args
	for i, a := range args {
		d, is := a.(engine.Decimal)
		if n, ok := a.(*big.Int); ok && !n.IsInt64() {
			if d, is = engine.Decimal(n.String()), true; &exact[0] == &args[0] {
				exact = slices.Clone(args)
			}
			exact[i] = d
		}
		if !is {
			continue
		}
		whole, scale, ok := d.Digits()
		switch {
		case !ok:
			return nil, &engine.Failure{Kind: engine.KindError, Code: "db.value", Message: fmt.Sprintf("value %d: %.40q is no decimal number", i+1, string(d))}
		case whole+scale > engine.DecimalDigits || scale > engine.DecimalScale:
			return nil, &engine.Failure{Kind: engine.KindError, Code: "db.value", Message: fmt.Sprintf(
				"value %d: it has %d digits, %d of them behind the point, and databases calculate with at most %d, %d of them behind the point: round it, or give its text",
				i+1, whole+scale, scale, engine.DecimalDigits, engine.DecimalScale)}
		}
	}
	return exact, nil
}

// spellOut writes decimals in the place of their placeholders: a server would
// calculate with their text as with a float. One without digits behind the point is
// written with the point all the same, or it would be an integer.
func spellOut(query string, args []any) (string, []any) {
	isDecimal := func(a any) bool { _, is := a.(engine.Decimal); return is }
	if !slices.ContainsFunc(args, isDecimal) {
		return query, args
	}
	places := placeholders(query)
	if len(places) != len(args) { // which the server tells of
		return query, args
	}
	var b strings.Builder
	var others []any
	at := 0
	for i, a := range args {
		d, is := a.(engine.Decimal)
		if !is {
			others = append(others, a)
			continue
		}
		b.WriteString(query[at:places[i]])
		b.WriteString("(" + string(d))
		if !strings.Contains(string(d), ".") {
			b.WriteByte('.')
		}
		b.WriteByte(')')
		at = places[i] + 1
	}
	return b.String() + query[at:], others
}

// placeholders are the places of the question marks of a statement for MySQL that
// stand for values. What is in an executable comment counts.
func placeholders(sql string) (places []int) {
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case c == '#', strings.HasPrefix(sql[i:], "--") && (i+2 == len(sql) || sql[i+2] <= ' '):
			i = skipTo(sql, i, "\n")
		case strings.HasPrefix(sql[i:], "/*!"), strings.HasPrefix(sql[i:], "/*M!"):
			i += 3
		case strings.HasPrefix(sql[i:], "/*"):
			i = skipTo(sql, i+2, "*/")
		case c == '\'' || c == '"':
			i = skipString(sql, i, true)
		case c == '`':
			i = skipString(sql, i, false)
		default:
			if c == '?' {
				places = append(places, i)
			}
			i++
		}
	}
	return places
}
