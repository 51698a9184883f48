package sqlitestore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine/sqlstore"
)

func TestDeleteIn(t *testing.T) {
	t.Parallel()
	id := []sqlstore.KeyColumn{{Name: "id", Type: sqlstore.KeyInt}}
	two := []sqlstore.KeyColumn{{Name: "at", Type: sqlstore.KeyTime}, {Name: "h", Type: sqlstore.KeyHex}}
	long := "[" + strings.Repeat("1,", fewKeys) + "1]"
	for _, c := range []struct {
		where, list string
		cols        []sqlstore.KeyColumn
		want        string
		args        []any
	}{
		{"", "[7]", id, "DELETE FROM x WHERE id = ?", []any{int64(7)}},
		{"r.a = 1", "[7, 9007199254740993]", id, "DELETE FROM x WHERE id IN (?, ?) AND a = 1", []any{int64(7), int64(9007199254740993)}},
		{"", long, id, "DELETE FROM x WHERE (id) IN (SELECT value FROM json_each(CAST(? AS TEXT)))", []any{long}},
		{"", `[["2020-01-01 00:00:00.000000","ff00"]]`, two, "DELETE FROM x WHERE at = ? AND h = ?", []any{"2020-01-01 00:00:00.000000", []byte{255, 0}}},
		{"", `[["a","ff"],["b","ff"]]`, two, "DELETE FROM x WHERE (at, h) IN (SELECT json_extract(value, '$[0]'), unhex(json_extract(value, '$[1]')) FROM json_each(CAST(? AS TEXT)))", []any{`[["a","ff"],["b","ff"]]`}},
		{"", "[]", id, "DELETE FROM x WHERE (id) IN (SELECT value FROM json_each(CAST(? AS TEXT)))", []any{"[]"}},
	} {
		q, args := dialect{}.DeleteIn("x", c.where, c.list, c.cols...)
		if q != c.want || fmt.Sprintf("%#v", args) != fmt.Sprintf("%#v", c.args) {
			t.Errorf("%s:\n  got  %s %#v\n  want %s %#v", c.list, q, args, c.want, c.args)
		}
	}
}
