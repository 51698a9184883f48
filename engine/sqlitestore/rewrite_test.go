package sqlitestore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/sqlite"

	"github.com/dsengine/dsengine/engine"
)

// shop are the tables of the tests of this file.
const shop = `CREATE TABLE item (id INTEGER PRIMARY KEY, price DECIMAL(12,2), weight DECIMAL_TEXT(30,10), n INTEGER, x REAL, name VARCHAR(20), at TIMESTAMP, day DATE);
CREATE TABLE other (id INTEGER PRIMARY KEY, price INTEGER, doc TEXT);
CREATE TABLE code (id DECIMAL_KEY_TEXT(20,2) NOT NULL, price DECIMAL(12,2), PRIMARY KEY (id));
CREATE INDEX item_price ON item (price)`

func shopTables() map[string]relation {
	c := func(declared ...string) (rel relation) {
		for _, d := range declared {
			name, typ, _ := strings.Cut(d, " ")
			rel.columns = append(rel.columns, column{name: name, typ: columnTyp(typ)})
		}
		return rel
	}
	return map[string]relation{
		"item":  c("id INTEGER", "price DECIMAL(12,2)", "weight DECIMAL_TEXT(30,10)", "n INTEGER", "x REAL", "name VARCHAR(20)", "at TIMESTAMP", "day DATE"),
		"code":  c("id DECIMAL_KEY_TEXT(20,2)", "price DECIMAL(12,2)"),
		"other": c("id INTEGER", "price INTEGER", "doc TEXT"),
	}
}

// inShop rewrites a statement about those tables.
func inShop(sql string, args ...any) string {
	tables := shopTables()
	text, _ := rewrite(sql, args, func(table string) relation {
		if rel, ok := tables[table]; ok {
			return rel
		}
		return relation{open: true}
	})
	return text
}

func TestStatementsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"SELECT * FROM item WHERE id = ? AND price > 10 ORDER BY price, id LIMIT 10 OFFSET 2",
		"SELECT id, price, n + 1, n * n, x / 2, COUNT(*), MAX(n), MIN(name) FROM item GROUP BY id, price, n, x",
		"SELECT price + 1 FROM other",
		"SELECT t.* FROM item t JOIN other o USING (id) WHERE t.price = o.price",
		"SELECT price FROM (SELECT name AS price FROM item) ORDER BY price",
		"SELECT \"price\", [n], `name` FROM item -- SUM(price)",
		"SELECT 'SUM(price)' /* price * 2 */ FROM item",
		"INSERT INTO other (id, doc) VALUES (1, 'a'), (?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc WHERE doc IS NOT excluded.doc",
		"UPDATE other SET doc = doc || '!', price = price + 1 WHERE id IN (SELECT id FROM item WHERE price < 3)",
		"DELETE FROM other WHERE id NOT IN (1, 2) AND doc IS NULL",
		"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 10) SELECT i FROM c",
		"SELECT nothing + 1.5 FROM nowhere",
		"SELECT id FROM item WHERE name LIKE 'a%' ESCAPE '!' AND NOT EXISTS (SELECT 1 FROM other WHERE other.id = item.id)",
		// not understood
		"SELECT SUM(price) FROM item WINDOW w AS (ORDER BY id)", "SELECT price * 2 FROM item WHERE", "SELECT price * 2 FROM item; SELECT 1", "EXPLAIN SELECT price * 2 FROM item",
		"SELECT " + strings.Repeat("(", 3000) + "price * 2" + strings.Repeat(")", 3000) + " FROM item", "SELECT price * " + strings.Repeat("-", 100) + "\x01 FROM item", "SELECT 'price", "SELECT /* price", "",
	} {
		if got := inShop(sql); got != sql {
			t.Errorf("%.200s\nbecame %.400s", sql, got)
		}
	}
}

// shopDB is a database with the tables.
func shopDB(t testing.TB) *sql.DB {
	t.Helper()
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Handle().Exec(shop); err != nil {
		t.Fatal(err)
	}
	return s.Handle()
}

func TestColumnsAloneUseTheirIndex(t *testing.T) {
	t.Parallel()
	db := shopDB(t)
	var id, parent, unused int
	var plan string
	for _, sql := range []string{"SELECT price FROM code WHERE id = 1.5", "SELECT price FROM code WHERE id IN (2, '3.50', 7 / 2)", "SELECT o.price FROM code c JOIN code o ON c.id = o.id WHERE c.id = -2"} {
		if err := db.QueryRow("EXPLAIN QUERY PLAN "+inShop(sql)).Scan(&id, &parent, &unused, &plan); err != nil || !strings.Contains(plan, "sqlite_autoindex_code_1 (id=?)") {
			t.Errorf("%s: got %q, %v", sql, plan, err)
		}
	}
	if err := db.QueryRow("EXPLAIN QUERY PLAN "+inShop("SELECT id, price * 2 FROM item WHERE price BETWEEN 1.5 AND ? ORDER BY price"), 3).Scan(&id, &parent, &unused, &plan); err != nil || !strings.Contains(plan, "INDEX item_price (price>? AND price<?)") {
		t.Errorf("got %q, %v", plan, err)
	}
}

// FuzzRewrite: no statement breaks the rewriting, and what SQLite understands it
// understands afterwards.
func FuzzRewrite(f *testing.F) {
	for _, sql := range []string{
		"SELECT SUM(price * n) / COUNT(*) AS s, -weight FROM item GROUP BY n % 2 HAVING s > 1.5 ORDER BY s DESC", "SELECT MAX(at), COALESCE(day, '2026-01-01') FROM item WHERE at > '2026-01-01' AND day IN (?, '2026-01-02')",
		"SELECT CASE n WHEN 1 THEN price ELSE 0.5 END, CAST(x AS DECIMAL(10,2)), ROUND(price, 1), NULLIF(price, 0) FROM item", "UPDATE item SET price = price * 1.19, at = '2026-01-01', n = n / 2 WHERE weight <> 0",
		"INSERT INTO item (id, price, weight) SELECT id, price, 1 / 3 FROM item UNION SELECT 1, 2, 3 ON CONFLICT (id) DO UPDATE SET price = excluded.price + 1", "SELECT price, (SELECT AVG(weight) FROM item) FROM item UNION ALL SELECT 1.5, SUM(n) FROM other ORDER BY 1",
		"WITH t(a, b) AS (SELECT id, price * 2 FROM item) SELECT a, b * 2, SUM(b) OVER (PARTITION BY a ORDER BY b ROWS 1 PRECEDING) FROM t WHERE (a, b) = (1, 2.5) AND b LIKE '2%'", "DELETE FROM item WHERE price + 0.1 = 0.3 RETURNING id, price / 3",
		"SELECT CASE WHEN 0 THEN 000 END%CAST(0 AS )", "INSERT INTO item(priCe)SELECT+0",
	} {
		f.Add(sql)
	}
	db := shopDB(f)
	f.Fuzz(func(t *testing.T, text string) {
		understood := func(sql string) error {
			c, err := db.Conn(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			// The guard lets single statements through only.
			rows, err := c.QueryContext(context.Background(), "EXPLAIN "+sql)
			if err == nil {
				rows.Close()
			}
			return err
		}
		now := inShop(text)
		if now == text || strings.Contains(text, ";") || strings.Contains(text, "\x00") {
			return
		}
		if args := strings.Count(text, "?"); args > 0 {
			text, now = strings.ReplaceAll(text, "?", "1"), inShop(strings.ReplaceAll(text, "?", "1"))
		}
		if err := understood(text); err != nil {
			return
		}
		if err := understood(now); err != nil {
			t.Errorf("%s\nbecame %s: %v", text, now, err)
		}
	})
}

// oldTable is a session on a database of its own, with a table that was made as
// they were before decimals of many digits had an order.
func oldTable(t *testing.T) (h engine.Joined, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "db")
	s, err := Connect(context.Background(), path, false, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Handle().Exec(`CREATE TABLE old (id INTEGER NOT NULL PRIMARY KEY, v DECIMAL_TEXT(30,10), n DECIMAL_TEXT(20,0));
INSERT INTO old VALUES (1, '9.5', '9'), (2, '10', '10'), (3, '-1.50', '18446744073709551615'), (4, NULL, NULL)`); err != nil {
		t.Fatal(err)
	}
	h = s.Begin(engine.SessionOptions{})
	t.Cleanup(h.Close)
	return h, path
}

// valuesOf reads all rows of a query as one text.
func valuesOf(t *testing.T, h engine.Session, q string, args ...any) string {
	t.Helper()
	rows, err := h.Query(context.Background(), q, args)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	var list []string
	for {
		row, err := rows.Next(context.Background())
		if err == io.EOF {
			return strings.Join(list, " / ")
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range row {
			if b, ok := v.(*big.Int); ok {
				v = b.String()
			}
			list = append(list, fmt.Sprint(v))
		}
	}
}

func TestTablesOfBeforeGoOnWorking(t *testing.T) {
	t.Parallel()
	h, _ := oldTable(t)
	ctx := context.Background()
	for _, c := range []struct{ sql, want string }{
		{"SELECT v FROM old WHERE id = 1", "9.5000000000"},
		{"SELECT id FROM old WHERE v IS NOT NULL ORDER BY v", "3 / 1 / 2"},
		{"SELECT id FROM old WHERE v > 9.5 OR v = -1.5 OR n > 10 ORDER BY id", "2 / 3"},
		{"SELECT MAX(v), MIN(v), SUM(v), MAX(n) FROM old", "10.0000000000 / -1.5000000000 / 18.0000000000 / 18446744073709551615"},
		{"SELECT id FROM old WHERE v BETWEEN 9 AND 11 ORDER BY v DESC", "2 / 1"},
	} {
		if got := valuesOf(t, h, c.sql); got != c.want {
			t.Errorf("%s: got %s, want %s", c.sql, got, c.want)
		}
	}
	names := []string{"id", "v", "n"}
	row := func(id int64, v, n any) engine.Row { return engine.Row{Names: names, Values: []any{id, v, n}} }
	got, err := h.Upsert(ctx, "old", &rowList{row(1, "9.50", "9"), row(2, "11", int64(10)), row(3, -1.5, "18446744073709551615"), row(5, "1.5", "1")}, engine.Upsert{Key: []string{"id"}})
	if err != nil || got["unchanged"] != 2 || got["updated"] != 1 || got["inserted"] != 1 {
		t.Errorf("upsert: %v, %v", got, err)
	}
	got, err = h.Merge(ctx, "old", &rowList{row(1, "9.5", "9"), row(2, "11.0", "10")}, engine.Merge{Key: []string{"id"}, MaxDelete: 3})
	if err != nil || got["unchanged"] != 2 || got["deleted"] != 3 {
		t.Errorf("merge: %v, %v", got, err)
	}
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

func TestOtherProgramsReadTheFile(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h, path := oldTable(t)
	if _, err := h.Ensure(ctx, "sale", []engine.Column{{Name: "id", Type: "decimal(38,4)"}, {Name: "price", Type: "decimal(12,2)"}, {Name: "n", Type: "decimal(18,0)"}, {Name: "weight", Type: "decimal(30,7)"}}, []string{"id"}); err != nil {
		t.Fatal(err)
	}
	names := []string{"id", "price", "n", "weight"}
	rows := rowList{{Names: names, Values: []any{"10", "1.5", int64(1), 3.0}}, {Names: names, Values: []any{"9", "2.25", int64(2), "-1.5"}}}
	if _, err := h.Insert(ctx, "sale", &rows); err != nil {
		t.Fatal(err)
	}
	if err := h.CommitOwn(ctx); err != nil {
		t.Fatal(err)
	}
	other := sql.OpenDB(anotherProgram(path))
	defer other.Close()
	read := func(q string) (string, error) {
		rows, err := other.Query(q)
		if err != nil {
			return "", err
		}
		defer rows.Close()
		names, err := rows.Columns()
		if err != nil {
			return "", err
		}
		var list []string
		for rows.Next() {
			row, into := make([]any, len(names)), make([]any, len(names))
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				return "", err
			}
			for _, v := range row {
				list = append(list, fmt.Sprint(v))
			}
		}
		return strings.Join(list, " "), rows.Err()
	}
	for q, want := range map[string]string{
		"SELECT * FROM sale ORDER BY n":                               "10.0000 1.5 1 3.0000000 9.0000 2.25 2 -1.5000000",
		"SELECT COUNT(*) FROM sale":                                   "2",
		"SELECT SUM(price), MAX(price), SUM(id) FROM sale":            "3.75 2.25 19",
		"SELECT id FROM sale WHERE price > 2 AND n BETWEEN 2 AND 100": "9.0000",
		"SELECT n FROM sale ORDER BY weight COLLATE BINARY":           "2 1",
		"SELECT n FROM sale WHERE id = '9.0000'":                      "2",
		"PRAGMA quick_check":                                          "ok",
	} {
		if got, err := read(q); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", q, got, err, want)
		}
	}
	// What it cannot do, it is told, instead of being given a wrong order.
	if got, err := read("SELECT n FROM sale ORDER BY weight"); err == nil || !strings.Contains(err.Error(), "no such collation sequence: dsengine_decimal") {
		t.Errorf("ORDER BY a decimal of many digits: got %s, %v", got, err)
	}
}

// anotherProgram opens a file by a driver that has nothing of ours.
type anotherProgram string

func (p anotherProgram) Connect(context.Context) (driver.Conn, error) {
	return p.Driver().Open(string(p))
}
func (p anotherProgram) Driver() driver.Driver { return &sqlite.Driver{} }
