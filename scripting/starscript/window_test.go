package starscript_test

import (
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestWindowsAreImportedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("orders", `
load("lib/check.star", "eq", "fails")
job(retry = retry(max = 2, first = "1ms"))
def produce(ctx):
    w = ctx.window(time.date(2025), stop = time.date(2025, 1, ctx.payload["day"]), lag = "1h")
    eq(ctx.window(time.date(1999)), w)
    if ctx.attempt == 1:
        vars.set("day", 0)
        error("once more")
    if w.empty:
        return None
    ctx.emit({"window": w})
def consume(ctx, item):
    w = ctx.window(time.date(1999))
    eq(item["window"]["start"], w.start.format("%Y-%m-%dT%H:%M:%SZ"))
    db.ensure("got", {"day": "text", "stop": "text"}, key = ["day"])
    db.insert("got", [{"day": str(w.start.day), "stop": "%s%s" % (w.stop.day, " backfill" if w.backfill else "")}])
    ctx.checkpoint()
    eq(ctx.window(time.date(1999)).stop, w.stop)
`)
		for _, payload := range []string{`{"day": 3}`, `{"day": 2}`, `{"day": 5}`} {
			if j := w.Do("orders", payload); j.Status != engine.StatusCompleted {
				t.Fatalf("%s: %+v", payload, j.Error)
			}
		}
		day := func(n int) time.Time { return time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC) }
		id := w.Enqueue(engine.NewJob{Type: "orders", Payload: engine.Raw(`{"day": 9}`), Window: &engine.Window{Start: day(7), End: day(8), Backfill: true}})
		w.Run()
		if j := w.Job(id); j.Status != engine.StatusCompleted || !j.Window.Backfill {
			t.Fatalf("%+v: %+v", j, j.Error)
		}
		same(t, "imported", "1|3\n3|5\n7|8 backfill\n", w.Query("SELECT day, stop FROM got ORDER BY day"))
	})
}

func TestAWindowIsFixedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
load("lib/check.star", "eq", "fails")
def consume(ctx, item):
    fails("wanted time: see time.parse", ctx.window, "2025-01-01")
    fails("lag", ctx.window, time.date(2025), lag = "-1h")
    db.ensure("rows", {"id": "integer"}, key = ["id"])
    db.insert("rows", [{"id": 1}])
    fails("call it before anything is written to the database", ctx.window, time.date(2025))
    ctx.checkpoint()
    w = ctx.window(time.date(2025), stop = time.date(2025, 2))
    eq(str(w), "<window 2025-01-01T00:00:00Z to 2025-02-01T00:00:00Z>")
    eq([w["start"], w["stop"], w.backfill, w.empty], [time.date(2025), time.date(2025, 2), False, False])
`)
	if j := w.Do("job", `1`); j.Status != engine.StatusCompleted {
		t.Fatal(j.Error)
	}
}
