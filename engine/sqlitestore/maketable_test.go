package sqlitestore

import (
	"strings"
	"testing"
)

// TestStatementsThatMakeTables has what cannot be translated named, and what makes no table
// left alone. What tables hold is compared with servers in scripting/scripttest.
func TestStatementsThatMakeTables(t *testing.T) {
	t.Parallel()
	s, err := OpenScratch(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct{ sql, want string }{ // want is in the error; "": there is none
		{"CREATE TABLE a (id int, at geometry)", "the type geometry of the column at of table a"},
		{"CREATE TABLE a (id, name)", "the column id without a type of table a"},
		{"CREATE TABLE a (id int, d decimal(70,2))", "the type decimal(70,2) of the column d"},
		{"CREATE TABLE a (id int, n int AUTO_INCREMENT, PRIMARY KEY (n, id))", "AUTO_INCREMENT of n"},
		{"CREATE TABLE a (name text, PRIMARY KEY (name(10)))", "the primary key of the beginning of name"},
		{"CREATE TABLE a (id int) SELECT 1", `"SELECT 1" of table a`},
		{"CREATE TABLE a (id int NOPE)", `"NOPE)" of table a`},
		{"CREATE TABLE a (id int, ", "the end of the statement"},
		{"CREATE TABLE a (id int DEFAULT oops())", `"oops())"`},
		{"CREATE TABLE a (id int DEFAULT", "the end of the statement"},
		{"CREATE TABLE a (id int) ENGINE=", ""},
		{"CREATE TABLE b AS SELECT 1 AS one", ""},
		{"CREATE TABLE c (k varchar(3) PRIMARY KEY) WITHOUT ROWID;", ""},
		{"CREATE TEMPORARY TABLE d (id int)", ""},
		{"ALTER TABLE c RENAME TO e", ""},
		{"ALTER TABLE e ADD COLUMN at geometry", "the type geometry of the column at"},
		{"ALTER TABLE e ADD COLUMN n int UNIQUE", "a column that is a key from then on of table e"},
		{"ALTER TABLE e ADD COLUMN at datetime ON UPDATE now()", "ON UPDATE of a column that is added of table e"},
		{"ALTER TABLE e MODIFY k int", "syntax error"},
		{"CREATE TABLE IF NOT EXISTS g (a text, b text, at datetime ON UPDATE now(), UNIQUE (a(3)), UNIQUE (a(5)), UNIQUE (b(3)))", ""},
		{"CREATE TABLE IF NOT EXISTS `G` (c text, UNIQUE (c(3)))", ""}, // it stays as it is
		{"CREATE TABLE h (a text, b text, UNIQUE k (a(3)), UNIQUE k (b(3)))", "index h k already exists"},
		{"CREATE TABLE f (n int /*!80023 INVISIBLE */, at datetime/*!(6)*/) /*!50100 PARTITION BY HASH (n) */", ""},
		{"CREATE VIEW v AS SELECT * FROM b", ""},
		{"DROP TABLE b", ""},
	} {
		made, err := s.Make(t.Context(), c.sql)
		switch {
		case !made:
			t.Errorf("%s: it is said to make no table", c.sql)
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.sql, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "db.ensure") && !strings.Contains(c.want, "already")):
			t.Errorf("%s: got %v, want %s", c.sql, err, c.want)
		}
	}
	var keys, columns int
	if err := s.DB.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM pragma_index_list('g')), (SELECT COUNT(*) FROM pragma_table_info('g'))").Scan(&keys, &columns); err != nil || keys != 3 || columns != 3 {
		t.Errorf("g has %d keys, %d columns: %v", keys, columns, err)
	}
	if made, err := s.Make(t.Context(), "DELETE FROM a"); made || err != nil {
		t.Errorf("a DELETE: %v, %v", made, err)
	}
}

// FuzzMakeTable: no statement breaks the parser.
func FuzzMakeTable(f *testing.F) {
	f.Add("CREATE TABLE `t` (`id` int(11) unsigned NOT NULL AUTO_INCREMENT, `k` enum('a','b') DEFAULT b'0' ON UPDATE NOW(), UNIQUE KEY u (`k`(3)), CHECK (id > 0)) ENGINE=x AUTO_INCREMENT=4")
	f.Add("ALTER TABLE t ADD COLUMN n set('a') DEFAULT (1) AFTER id")
	s, err := OpenScratch(f.Context(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(_ *testing.T, sql string) { _, _, _ = s.makeTable(sql) })
}
