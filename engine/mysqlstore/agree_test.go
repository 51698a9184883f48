package mysqlstore

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/engine/storetest"
)

// expressions makes random expressions. Left out is what servers themselves do
// not agree on, or is no use: zeros with a sign (remainders of negative numbers),
// types of bare NULLs, floats rounded at a half, columns that are in no group.
type expressions struct {
	*rand.Rand
	grouped bool // columns are in aggregates only
	given   bool // numbers are given as values for placeholders, too
}

func (x *expressions) pick(list ...string) string { return list[x.Intn(len(list))] }

// leaf is a column or a literal.
func (x *expressions) leaf() string {
	if x.given && x.Intn(3) == 0 { // in the place of a placeholder: see asked
		return x.pick("{0.10}", "{1}", "{-2.50}", "{1.005}", "{0.000001}", "{123456789012345678.25}", "{-98765432109876543210}", "{7.25}", "{12345678901234567890.123456}")
	}
	if x.grouped {
		return x.pick("1", "2", "1.5", "-3", "SUM(a)", "COUNT(n)", "MAX(l)", "AVG(n)", "SUM(w)", "MIN(b)", "SUM(a * n)", "AVG(l)", "COUNT(DISTINCT n)", "SUM(DISTINCT b)")
	}
	return x.pick("a", "b", "n", "m", "l", "w", "e", "t.a", "1", "2", "0", "10", "1.5", "0.25", "-3", "-2.50", "100.125")
}

// number is an expression of so many levels.
func (x *expressions) number(depth int) string {
	if depth <= 0 || x.Intn(5) == 0 {
		return x.leaf()
	}
	sub := func() string { return x.number(depth - 1) }
	switch x.Intn(14) {
	case 0, 1, 2:
		return sub() + x.pick(" + ", " - ", " * ") + sub()
	case 3:
		return sub() + " / " + sub()
	case 4:
		return "ABS(" + sub() + ") % " + x.pick("3", "0.7", "7.25")
	case 5:
		return "(" + sub() + ")"
	case 6:
		return "-(" + sub() + ")"
	case 7:
		return "COALESCE(" + sub() + ", " + sub() + ")"
	case 8:
		return "CASE WHEN " + x.condition(depth-1) + " THEN " + sub() + " ELSE " + sub() + " END"
	case 9:
		return "ROUND(" + x.leaf() + x.pick(" + ", " * ", " / ") + x.leaf() + " + 0.1, " + x.pick("0", "1", "2", "3") + ")"
	case 10:
		return "NULLIF(" + sub() + ", " + sub() + ")"
	case 11:
		return x.pick("CEIL(", "FLOOR(") + sub() + ")"
	case 12:
		return "CAST(" + sub() + " AS DECIMAL(" + x.pick("40,2", "50,6", "40,0") + "))"
	}
	return "(SELECT " + x.pick("SUM(", "AVG(", "MIN(", "MAX(", "COUNT(") + x.pick("a", "b", "l", "n", "a * n", "w") + ") FROM t)"
}

func (x *expressions) condition(depth int) string {
	sub := func() string { return x.number(depth - 1) }
	switch x.Intn(8) {
	case 0:
		return sub() + " BETWEEN " + x.leaf() + " AND " + x.leaf()
	case 1:
		return x.leaf() + " IN (" + x.leaf() + ", " + x.leaf() + ")"
	case 2:
		return sub() + " IS NOT NULL"
	case 3:
		return "(" + x.condition(depth-1) + x.pick(" AND ", " OR ") + x.condition(depth-1) + ")"
	case 4:
		return "NOT (" + x.condition(depth-1) + ")"
	}
	return sub() + x.pick(" = ", " < ", " > ", " <= ", " >= ", " <> ") + sub()
}

// statement is a query of the table t.
func (x *expressions) statement() string {
	x.grouped = false
	where, depth := x.condition(2), 1+x.Intn(3)
	switch x.Intn(3) {
	case 0:
		return "SELECT id, " + x.number(depth) + ", " + x.number(depth) + " FROM t ORDER BY id"
	case 1:
		return "SELECT id FROM t WHERE " + where + " ORDER BY " + x.number(depth) + " + 0, id" // a number alone is a place
	}
	x.grouped = true
	return "SELECT n > 1, " + x.number(depth) + " FROM t WHERE " + where + " GROUP BY n > 1 HAVING " + x.condition(1) + " ORDER BY n > 1"
}

// given are the values in a statement that is made with them.
var given = regexp.MustCompile(`\{(-?[0-9.]+)\}`)

// asked is a statement with placeholders, and their values.
func asked(statement string) (q string, args []any) {
	return given.ReplaceAllStringFunc(statement, func(m string) string {
		args = append(args, engine.Decimal(m[1:len(m)-1]))
		return "?"
	}), args
}

// rowList is a source of rows.
type rowList []engine.Row

func (l *rowList) Next(context.Context) (engine.Row, error) {
	if len(*l) == 0 {
		return engine.Row{}, io.EOF
	}
	r := (*l)[0]
	*l = (*l)[1:]
	return r, nil
}

// TestSQLiteCalculatesAsServersDo runs random statements here and there.
func TestSQLiteCalculatesAsServersDo(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		const seed, statements = 7, 1500
		ctx := context.Background()
		here, err := sqlitestore.Connect(ctx, filepath.Join(t.TempDir(), "db"), false, sqlitestore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer here.Close()
		x := &expressions{Rand: rand.New(rand.NewSource(seed))}
		columns := []engine.Column{{Name: "id", Type: "integer"}}
		names := []string{"id"}
		for _, c := range []string{"a decimal(12,2)", "b decimal(8,3)", "n integer", "m integer", "l decimal(30,6)", "w decimal(20,0)", "e decimal(18,0)"} {
			name, typ, _ := strings.Cut(c, " ")
			columns, names = append(columns, engine.Column{Name: name, Type: typ, Nullable: true}), append(names, name)
		}
		var rows rowList
		for i := range 12 {
			v := []any{int64(i), fmt.Sprintf("%.2f", x.NormFloat64()*1000), fmt.Sprintf("%.3f", x.NormFloat64()*3), int64(x.Intn(9) - 3), int64(x.Intn(100000)),
				fmt.Sprintf("%d.%06d", x.Intn(1000000)-500000, x.Intn(1000000)), int64(x.Intn(2000) - 1000), int64(x.Intn(1e9))}
			for k := 1; k < len(v); k++ {
				if x.Intn(9) == 0 {
					v[k] = nil
				}
			}
			rows = append(rows, engine.Row{Names: names, Values: v})
		}
		var sessions []engine.Joined
		for _, c := range []engine.Connection{s.instance(t, StrategySkip).Connect(t, false), here} {
			h := c.Begin(engine.SessionOptions{})
			defer h.Close()
			source := rows
			if _, err := h.Ensure(ctx, "t", columns, []string{"id"}); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Insert(ctx, "t", &source); err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, h)
		}
		refused := 0
		for i := range statements {
			x.given = i%2 == 1
			made := x.statement()
			q, args := asked(made)
			want, err := resultOf(ctx, sessions[0], q, args)
			if err != nil {
				refused++
				continue
			}
			if got, err := resultOf(ctx, sessions[1], q, args); err != nil || got != want {
				t.Errorf("%s\n got %.600s, %v\nwant %.600s", made, got, err, want)
			}
		}
		if refused > statements/10 {
			t.Errorf("the server refused %d of %d statements", refused, statements)
		}
	})
}

// minusZero is how MariaDB writes some zeros.
var minusZero = regexp.MustCompile(`-(0\.0+")`)

// resultOf is all that a query gives, as text.
func resultOf(ctx context.Context, h engine.Session, q string, args []any) (string, error) {
	rows, err := h.Query(ctx, q, args)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var all [][]any
	for {
		row, err := rows.Next(ctx)
		if err == io.EOF {
			return minusZero.ReplaceAllString(storetest.Shown(all), "$1"), nil
		}
		if err != nil {
			return "", err
		}
		all = append(all, row)
	}
}
