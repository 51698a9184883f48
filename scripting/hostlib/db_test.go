package hostlib_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

const crmTable = `
def table(d):
    d.ensure("people", {"id": "integer", "name": "text"}, key = ["id"])
    return d
`

// inCRM is a query's result on the connection crm.
func inCRM(t *testing.T, w *world.World, query string) string {
	t.Helper()
	c, err := w.Connect(t.Context(), "crm", true)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Begin(engine.SessionOptions{})
	defer s.Close()
	rows, err := s.Query(t.Context(), query, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	text := ""
	for {
		row, err := rows.Next(t.Context())
		if err != nil {
			return text
		}
		for _, v := range row {
			text += fmt.Sprint(v, " ")
		}
	}
}

// A query may call a function that writes: catch undoes that too.
func TestCatchUndoesWhatAFunctionOfTheDatabaseWrote(t *testing.T) {
	t.Parallel()
	w, db := world.OnMariaDB(t)
	for _, q := range []string{
		"CREATE TABLE t (id INTEGER)",
		"CREATE FUNCTION writes(n INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO t VALUES (n); RETURN n; END",
		"CREATE VIEW v AS SELECT writes(4) AS n",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	w.Script("star", `
def consume(ctx, item):
    for read in [lambda: db.value("SELECT writes(?)", 1), lambda: db.one("SELECT writes(2) AS n"), lambda: list(db.query("SELECT writes(3) AS n")), lambda: db.value("SELECT n FROM v")]:
        catch(lambda: [read(), error("undo it")])
    catch(lambda: db.value("SELECT writes(5)"))
`)
	w.Lua("lua", `
function consume(ctx, item)
  for _, read in ipairs({
    function() db.value("SELECT writes(?)", 1) end, function() db.one("SELECT writes(2) AS n") end,
    function() for _ in db.query("SELECT writes(3) AS n") do end end, function() db.value("SELECT n FROM v") end,
  }) do
    pcall(function() read() error("undo it") end)
  end
  pcall(db.value, "SELECT writes(6)")
end
`)
	for _, name := range []string{"star", "lua"} {
		if j := w.Do(name, "null"); j.Error != nil {
			t.Fatal(j.Error)
		}
	}
	if got := w.Query("SELECT id FROM t ORDER BY id"); got != "5\n6\n" {
		t.Errorf("rows: got %q, want those of what ended well", got)
	}
}

func TestAConnectionCommitsAtEachCheckpointAndRollsBackWithTheHook(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("copy", `
job(needs = ["db:crm:write"])
`+crmTable+`
def add(crm, id):
    crm.insert("people", [{"id": id, "name": "in vain"}])
    error("no")

def consume(ctx, item):
    crm = table(db.connect("crm"))
    crm.upsert("people", [{"id": 1, "name": "one"}], key = ["id"])
    _, err = catch(add, crm, 2)
    if err == None or db.connect("crm").value("SELECT count(*) FROM people") != 1:
        error("what catch undid is there")
    ctx.checkpoint("half")
    crm.upsert("people", [{"id": 3, "name": "three"}], key = ["id"])
    if item == "fail":
        error("the rest is taken back")
`)
	if j := w.Do("copy", `"fail"`); j.Error == nil || j.Error.Message != "the rest is taken back" {
		t.Fatalf("got %+v", j.Error)
	}
	if got := inCRM(t, w, "SELECT id, name FROM people ORDER BY id"); got != "1 one " {
		t.Errorf("after the failure: got %q", got)
	}
	if j := w.Do("copy", `"well"`); j.Error != nil {
		t.Fatal(j.Error)
	}
	if got := inCRM(t, w, "SELECT id, name FROM people ORDER BY id"); got != "1 one 3 three " {
		t.Errorf("after the success: got %q", got)
	}
}

func TestAScanGoesOnWhereTheHookWasStopped(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("fill", "job(needs = [\"db:crm:write\"])\n"+crmTable+`
def consume(ctx, item):
    table(db.connect("crm")).bulk("people", [{"id": n, "name": "n%d" % n} for n in range(100)])
`)
	w.Script("copy", `
job(needs = ["db:crm"], retry = retry(max = 3, first = "1ms"))
`+crmTable+`
def consume(ctx, item):
    table(db)
    for rows in iter.batch(db.connect("crm").scan("people", by = "id", after = ctx.position, page = 7), 10):
        db.insert("people", rows)
        ctx.checkpoint(rows[-1]["id"])
        if rows[0]["id"] == 40:
            error("stopped half way")
`)
	if j := w.Do("fill", "1"); j.Error != nil {
		t.Fatal(j.Error)
	}
	j := w.Do("copy", "1")
	if j.Status != engine.StatusCompleted {
		t.Fatalf("got %s, %+v", j.Status, j.Error)
	}
	if got := w.Query("SELECT COUNT(*), MIN(id), MAX(id) FROM people"); got != "100|0|99\n" || j.Stats["read"] != 100 {
		t.Errorf("got %q, %v", got, j.Stats)
	}
}

func TestWhatIsWrongWithRowsIsSaid(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("setup", crmTable+`
def consume(ctx, item):
    table(db).insert("people", [{"id": n, "name": "x"} for n in range(20)])
`)
	if j := w.Do("setup", "1"); j.Error != nil {
		t.Fatal(j.Error)
	}
	for call, want := range map[string]string{
		`db.bulk("people", [], mode = "upsert")`:                                                        `db.bulk: mode = "upsert" needs the key`,
		`db.bulk("people", [], key = ["id"])`:                                                           `db.bulk: key and newer are for mode = "upsert"`,
		`db.bulk("people", [{"id": 100, "name": "x"}, None, {"id": 7, "name": "x"}])`:                   `db.bulk: row 3: `,
		`db.bulk("people", [{"id": 100, "name": ["x"]}])`:                                               `db.bulk: row 1, column "name": got list, wanted`,
		`db.bulk("people", [{"id": 100}, {"id": 101, "nme": "x"}])`:                                     `db.bulk: row 2: `,
		`db.merge("people", [], key = ["id"])`:                                                          `db.merge: it would delete 20 of 20 rows, because they are not among the ones that were given, and max_delete = "10%" allows fewer: nothing was changed`,
		`db.merge("people", [{"id": n, "name": "y"} for n in range(17)], key = ["id"], max_delete = 2)`: `db.merge: it would delete 3 rows`,
		`db.merge("people", [], key = ["id"], max_delete = 0.5)`:                                        `db.merge: max_delete: got 0.5, wanted a number of rows such as 100, a share such as "10%", or "all"`,
		`db.merge("people", [], key = ["id"], max_delete = "110%")`:                                     `db.merge: max_delete: got 110%, wanted`,
		`db.merge("people", [], key = ["id"], args = [1])`:                                              `db.merge: args are the values for where`,
		`db.merge("people", [], key = [])`:                                                              `db.merge: key: got an empty list`,
		`db.upsert("people", [], key = ["id"], newer = "versoin")`:                                      `db.upsert: table people has no column "versoin": it has id, name`,
		`db.connect("crm")`: `db.connect: "db:crm" is not among what job() says this script needs; add it there: needs = ["db:crm"]`,
	} {
		name := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, call)
		w.Script(name, "def consume(ctx, item):\n    "+call+"\n")
		if j := w.Do(name, "1"); j.Error == nil || !strings.Contains(j.Error.Message, want) {
			t.Errorf("%s: got %+v, want an error with %q", call, j.Error, want)
		}
	}
	if got := w.Query("SELECT COUNT(*), MAX(name) FROM people"); got != "20|x\n" {
		t.Errorf("rows: got %q", got)
	}
}
