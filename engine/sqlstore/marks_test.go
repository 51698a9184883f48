package sqlstore

import "testing"

func TestMarks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sql          string
		sqlite, mine int // on SQLite, and on MySQL; -1: it numbers them
	}{
		{"SELECT 1", 0, 0},
		{"SELECT ?, ?", 2, 2},
		{"SELECT '?', ?, '''?' || ?", 2, 2},
		{`SELECT '\', ?`, 1, 0},
		{"SELECT \"?\", `?`, ? -- ?\n, ? /* ? */", 2, 2},
		{"SELECT ? --?", 1, 2},
		{"SELECT [?], ?", 1, 2},
		{"SELECT ? # ?", 2, 1},
		{"SELECT ?1, ?1", -1, 2},
		{"SELECT :a, @b, $c", -1, 0},
		{"SELECT a$b, ?", 1, 1},
		{"SELECT ? /* ?", 1, 1},
		{"SELECT 'é?', ?", 1, 1},
	} {
		n, numbered := Marks(c.sql, true)
		if numbered {
			n = -1
		}
		if n != c.sqlite {
			t.Errorf("%s: want %d on SQLite, got %d", c.sql, c.sqlite, n)
		}
		if n, _ := Marks(c.sql, false); n != c.mine {
			t.Errorf("%s: want %d on MySQL, got %d", c.sql, c.mine, n)
		}
	}
}
