package scripttest

import "testing"

// everywhere are tests that pass on all databases.
var everywhere = map[string]string{
	"x.star": `
job()

def consume(ctx, item):
    db.ensure("t", {"id": "integer", "at": "timestamp", "day": "date", "text": "text"}, key = ["id"])
    db.exec("INSERT INTO t (id, at, day, text) VALUES (1, CURRENT_TIMESTAMP, CURRENT_DATE, CURRENT_DATE)")
    return {
        "now": db.value("SELECT CURRENT_TIMESTAMP") == ctx.now(),
        "day": db.value("SELECT current_date"),
        "time": db.value("SELECT CURRENT_TIME"),
        "row": db.one("SELECT CURRENT_TIMESTAMP AS moment, 7 AS n")["moment"] == ctx.now(),
        "names": list(db.one("SELECT CURRENT_DATE, 7 AS n").keys()),
        "due": db.value("SELECT COUNT(*) FROM t WHERE at = CURRENT_TIMESTAMP AND day = CURRENT_DATE AND at <= current_timestamp AND text = CURRENT_DATE"),
        "later": db.value("SELECT COUNT(*) FROM t WHERE at < CURRENT_TIMESTAMP"),
    }
`,
	"x_test.star": `
def test_time(t):
    for day in ["2020-01-01", "2020-03-04"]:
        t.clock.set(time.parse(day + "T05:06:07Z"))
        t.eq(t.run().result, {"now": True, "day": day, "time": "05:06:07", "row": True, "names": ["CURRENT_DATE", "n"], "due": 1, "later": 0})
        t.eq(t.db.value("SELECT CURRENT_DATE"), day)
        t.db.exec("DELETE FROM t")
`,
	"d.star": `
job(needs = ["db:dw:write"])

def consume(ctx, item):
    db.exec("INSERT INTO d (id) VALUES (1)")
    db.insert("d", [{"id": 2}])
    dw = db.connect("dw")
    dw.exec("INSERT INTO d (id) VALUES (1)")
    dw.upsert("d", [{"id": 2}], key = ["id"])
    return [[at == ctx.now() for at in [r["at"] for r in c.query("SELECT at FROM d")]] for c in [db, dw]]
`,
	"d_test.star": `
def test_defaults(t):
    for c in [t.db, t.connection("dw")]:
        c.exec("CREATE TABLE d (id INTEGER PRIMARY KEY, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)")
    for day in ["2020-01-01", "2020-03-04"]:
        t.clock.set(time.parse(day + "T05:06:07Z"))
        t.eq(t.run().result, [[True, True], [True, True]])
        for c in [t.db, t.connection("dw")]:
            c.exec("DELETE FROM d")
`,
	"o_test.star": `
def test_ties(t):
    t.db.exec("CREATE TABLE ties (n INTEGER, b INTEGER, a INTEGER PRIMARY KEY)")
    for n, b, a in [(1, 1, 3), (2, 9, 1), (2, 7, 4), (2, 7, 2)]:
        t.db.exec("INSERT INTO ties VALUES (?, ?, ?)", n, b, a)
    t.eq([r["a"] for r in t.table("ties", order_by = "n DESC")], [2, 4, 1, 3])
    t.eq([r["a"] for r in t.table("ties", order_by = "b DESC")], [1, 2, 4, 3])
`,
	"o.star": "job()\n\ndef consume(ctx, item):\n    pass\n",
	"z.star": `
job()

def consume(ctx, item):
    db.ensure("t", {"id": "integer", "n": "integer"}, key = ["id"])
    first = db.upsert("t", [{"id": 1, "n": 1}, {"id": 2, "n": 2}], key = ["id"])
    then = db.upsert("t", [{"id": 1, "n": 1}, {"id": 2, "n": 3}, {"id": 3, "n": 3}], key = ["id"])
    if not db.exec("UPDATE t SET n = 3 WHERE id = 3"):
        db.insert("t", [{"id": 3, "n": 3}])
    return [[s.inserted, s.updated, s.unchanged] for s in [first, then]] + [db.exec(sql) for sql in [
        "UPDATE t SET n = n", "UPDATE t SET n = 3", "UPDATE t SET n = 4 WHERE n = 5", "DELETE FROM t",
    ]]
`,
	"z_test.star": `
def test_counts(t):
    t.eq(t.run().result, [[2, 0, 0], [1, 1, 1], 3, 3, 0, 3])
`,
	"y.lua": `
job{}

function consume(ctx, item)
  db.ensure("t", {id = "integer", n = "integer"}, {key = {"id"}})
  db.upsert("t", {{id = 1, n = 1}}, {key = {"id"}})
  if db.exec("UPDATE t SET n = 1") == 0 then error("a row that stays is not counted") end
  return {now = db.value("SELECT CURRENT_TIMESTAMP") == ctx.now(), day = db.value("SELECT current_date"), time = db.value("SELECT CURRENT_TIME")}
end
`,
	"y_test.lua": `
function test_time(t)
  t.clock.set(time.parse("2020-03-04T05:06:07Z"))
  t.eq(t.run().result, {now = true, day = "2020-03-04", time = "05:06:07"})
end
`,
}

// TestTestsAreTheSameOnServers has what a test sees be the same on every database.
func TestTestsAreTheSameOnServers(t *testing.T) {
	onEach(t, func(t *testing.T, use func(*Suite)) {
		s := suite(t, Options{Jobs: folder(t, everywhere)})
		use(s)
		defer s.Close()
		for _, r := range s.Run(t.Context()) {
			if r.Status != Passed {
				t.Error(text(r))
			}
		}
	})
}
