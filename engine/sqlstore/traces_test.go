package sqlstore

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLeaving(t *testing.T) {
	on := func(name, body string) Object { return Object{Name: name, Body: body} }
	for name, c := range map[string]struct {
		list []Object
		want []string
	}{
		"nothing":                {nil, nil},
		"rows and settings only": {[]Object{on("t", "BEGIN DECLARE n DECIMAL(10, 2); IF (NEW.v IS NULL) THEN SET NEW.v = (SELECT COALESCE(MAX(v), 0) FROM u); ELSEIF (NEW.v > @@sql_mode) THEN INSERT INTO log (id, v) VALUES (NEW.id, CONCAT('@x', n)); END IF; END")}, nil},
		"a view of columns":      {[]Object{on("v", "select `t`.`id` AS `id`,max(`u`.`v`) AS `m` from (`t` join `u` on((`t`.`id` = `u`.`id`))) group by `t`.`id`")}, nil},
		"a variable":             {[]Object{on("T", "SET @x = 1"), on("u", "SET NEW.v = 1")}, []string{"t"}},
		"a lock":                 {[]Object{on("t", "SET NEW.v = get_lock('x', 0)")}, []string{"t"}},
		"a temporary table":      {[]Object{on("t", "CREATE TEMPORARY TABLE x (id INT)")}, []string{"t"}},
		"a routine":              {[]Object{on("t", "CALL p"), on("u", "SET NEW.v = f()"), on("v", "select `f`(1) AS `x`")}, []string{"t", "u", "v"}},
		"what is not shown":      {[]Object{{Name: "t", Hidden: "the user may not look into it"}}, []string{"t"}},
		"a chain": {[]Object{on("a", "INSERT INTO b VALUES (1)"), on("b", "INSERT INTO `C` VALUES (1)"), on("c", "SET @x = 1"), on("d", "INSERT INTO e VALUES (1)")},
			[]string{"a", "b", "c"}},
		"two triggers of a table": {[]Object{on("t", "SET NEW.v = 1"), on("t", "SET @x = 1")}, []string{"t"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := slices.Sorted(maps.Keys(leaving(c.list)))
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
