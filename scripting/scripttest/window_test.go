package scripttest

import (
	"strings"
	"testing"
)

const windowed = `
job(every = "1d")

def produce(ctx):
    w = ctx.window(time.parse("2019-12-30"))
    if w.empty:
        return None
    ctx.emit({"day": w.start.format("%Y-%m-%d")})
    return None

def consume(ctx, item):
    w = ctx.window(time.parse("2019-12-30"))
    db.ensure("days", {"day": "text", "stop": "text", "backfill": "integer"}, key = ["day"])
    db.insert("days", [{"day": item["day"], "stop": w.stop.format("%Y-%m-%d"), "backfill": 1 if w.backfill else 0}])
`

const windowing = `
def test_one_window(t):
    t.run(window = ["2019-03-01", "2019-03-02"])
    t.eq(t.table("days"), [{"day": "2019-03-01", "stop": "2019-03-02", "backfill": 1}])

def test_it_moves_nothing_on(t):
    t.run()
    t.run(window = [time.parse("2018-03-01"), "2018-03-02T00:00:00Z"])
    t.clock.advance("1d")
    t.eq([d["day"] for d in t.table("days", order_by = "day")], ["2018-03-01", "2019-12-30", "2020-01-01"])

def test_one_hook(t):
    t.eq(t.produce(window = ["2019-05-01", "2019-05-02"]).items, [{"day": "2019-05-01"}])
    t.consume({"day": "x"}, window = ["2019-05-01", "2019-05-02"])
    t.eq(t.table("days")[0]["stop"], "2019-05-02")

def test_empty(t):
    t.eq(t.run(window = ["2019-03-01", "2019-03-01"]).children["completed"], 0)

def test_backwards(t):
    t.run(window = ["2019-03-02", "2019-03-01"])

def test_no_time(t):
    t.run(window = ["2019-03-02", "tomorrow"])

def test_one_time(t):
    t.run(window = ["2019-03-02"])
`

func TestAJobIsRunForOneWindow(t *testing.T) {
	t.Parallel()
	wrong := map[string]string{
		"backwards": "a window must not end before it starts", "no_time": `"tomorrow" is no time like "2024-01-01"`, "one_time": "window: wanted a list of two times",
	}
	dir := folder(t, map[string]string{"w.star": windowed, "w_test.star": windowing})
	for name, r := range results(t, Options{Jobs: dir}) {
		switch want := wrong[name]; {
		case want == "" && r.Status != Passed:
			t.Error(text(r))
		case want != "" && (r.Status != Failed || !strings.Contains(text(r), want)):
			t.Errorf("%q is not told:\n%s", want, text(r))
		}
	}
}
