package scripttest

import "testing"

// outcomesStar shows that each way in which a hook can end is as the page of outcome
// says.
const outcomesStar = `job(retry = retry(max = 2))

def produce(ctx):
    return {"n": 1}

def consume(ctx, item):
    how = item["how"]
    if how == "data":
        return {"n": 1}
    elif how == "emit":
        ctx.emit({"how": "nothing"})
    elif how == "error":
        error("no", code = "x.y")
    elif how == "mistake":
        item["nothing"]
    elif how == "object":
        return ctx
    elif how == "retry":
        ctx.retry(after = "1m", reason = "later")
    elif how == "snooze":
        ctx.snooze("1h")
    elif how == "cancel":
        ctx.cancel("not for us")
    elif how == "fail":
        ctx.fail("never")

def fail(ctx, item, err):
    return "nothing that counts"

def test_produce(t):
    o = t.produce()
    t.eq([o.status, o.result, o.items], ["waiting", {"n": 1}, []])

def test_consume(t):
    def ends(how, status, error = None, result = None, expect = "completed"):
        o = t.consume({"how": how}, expect = expect)
        t.eq([o.status, o.result], [status, result])
        if error == None:
            t.eq(o.error, None)
        else:
            t.contains(o.error.message, error)
    ends("nothing", "completed")
    ends("data", "completed", result = {"n": 1})
    ends("emit", "open")
    ends("error", "waiting", "no", expect = "failed")
    ends("mistake", "waiting", "key \"nothing\" not in dict", expect = "failed")
    ends("retry", "waiting", "later", expect = "failed")
    ends("snooze", "waiting")
    ends("cancel", "cancelled", expect = "cancelled")
    ends("fail", "waiting", "never", expect = "failed")
    t.contains(t.consume({"how": "object"}, expect = "failed").error.message, "ctx")

def test_whole(t):
    t.eq(t.run(expect = "failed").attempts, 1)
`

func TestOutcomesAreAsTheirPageSays(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"star.star": outcomeType.Example, "lua.lua": outcomeType.Lua, "ends.star": outcomesStar})
	got := suite(t, Options{Jobs: dir}).Run(t.Context())
	for _, r := range got {
		if r.Status != Passed {
			t.Errorf("%s: %s: %s\n%s", r.File, r.Name, r.Status, failureTexts(r.Failures))
		}
	}
	if len(got) != 7 {
		t.Errorf("%d tests", len(got))
	}
}
