package starscript_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// end is how a job ended, in one line.
func end(j *engine.Job) string {
	s := fmt.Sprintf("%s %s %s", j.Phase, j.Status, j.Result)
	if j.Error != nil {
		s += fmt.Sprintf(" %s: %s", j.Error.Kind, j.Error.Message)
	}
	return s
}

func TestAWholeLifeWithItemsAndFinish(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
load("lib/check.star", "eq")

def produce(ctx):
    for n in range(5):
        eq(ctx.emit({"n": n}, key = "k%d" % (n % 4)), n < 4)  # the last one has a key that is taken
    ctx.count("produced", 4)

def consume(ctx, item):
    eq(ctx.key, "k%d" % item["n"])
    ctx.count("seen")
    return item["n"] * 10

def finish(ctx, summary):
    results = sorted(summary.results)
    eq((summary.total, summary.completed, summary.failed, summary.cancelled), (4, 4, 0, 0))
    eq(summary.stats["seen"], 4)
    eq(summary.error, None)
    return {"results": results, "payload": ctx.payload}
`)
		j := w.Do("job", `{"from": "test"}`)
		if got, want := end(j), `finish completed {"results":[0,10,20,30],"payload":{"from":"test"}}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestAFailedItemFailsItsJob(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
load("lib/check.star", "eq")
def produce(ctx):
    ctx.emit_all(range(3))
def consume(ctx, item):
    if item == 1:
        ctx.fail("not this one")
    return item
def finish(ctx, summary):
    eq((summary.total, summary.completed, summary.failed), (3, 2, 1))
    return list(summary.results)
`)
		if got, want := end(w.Do("job", "1")), `finish failed [0,2] error: 1 of 3 items failed`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got, want := end(w.Jobs()[2]), "consume failed  error: not this one"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestAPayloadIsHandedOn(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
def produce(ctx):
    return {"from": ctx.payload, "big": 9007199254740993}
def consume(ctx, item):
    return [ctx.payload, item]
`)
		if got, want := end(w.Do("job", `"p"`)), `consume completed ["p",{"from":"p","big":9007199254740993}]`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestTheFailHookDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, fail, want string }{
		{"the policy applies", `log.info("failed", attempt = err.attempt, final = err.final, item = item, code = err.code)`,
			"consume failed  error: no 2 | info failed {\"attempt\":1,\"code\":\"my.code\",\"final\":false,\"item\":{\"n\":1}} | info failed {\"attempt\":2,\"code\":\"my.code\",\"final\":true,\"item\":{\"n\":1}}"},
		{"it cancels", `ctx.cancel("enough")`, "consume cancelled  | info ctx.cancel: enough"},
		{"it gives up", `ctx.fail("enough")`, "consume failed  error: enough | info ctx.fail: enough"},
		{"it retries", `ctx.retry(after = "1ms") if err.attempt < 4 else ctx.fail("at last")`, "consume failed  error: at last | info ctx.fail: at last"},
		{"its own error is logged", `error("in fail")`, "consume failed  error: no 2 | error the fail hook failed: in fail | error the fail hook failed: in fail"},
		{"what it returns is ignored", `return iter.chain([1])`, "consume failed  error: no 2 | error the fail hook failed: what fail returned cannot be kept: an iterator is no data: make a list of it by list(...) | error the fail hook failed: what fail returned cannot be kept: an iterator is no data: make a list of it by list(...)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			world.Each(t, func(t *testing.T, w *world.World) {
				w.Script("job", `
job(retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    error("no %d" % ctx.attempt, code = "my.code")
def fail(ctx, item, err):
    `+c.fail+`
`)
				j := w.Do("job", `{"n": 1}`)
				got := end(j)
				for _, line := range w.Logs(j.ID) {
					line, _, _ = strings.Cut(line, ` {"backtrace"`)
					got += " | " + line
				}
				if got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

func TestVerdictsEndTheHookAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, call, want string }{
		{"retry", `ctx.retry(after = "1ms", reason = "not yet")`, "consume failed  error: not yet"},
		{"retry inside catch", `catch(ctx.retry, "1ms")`, "consume failed  error: the hook asked for another attempt"},
		{"retry inside a lazy iterator", `list(iter.map(lambda x: ctx.retry("1ms", "lazy"), [1]))`, "consume failed  error: lazy"},
		{"cancel", `ctx.cancel("gone")`, "consume cancelled "},
		{"fail", `ctx.fail("never")`, "consume failed  error: never"},
		{"snooze", `ctx.snooze("1ms") if vars.get("n", 0) == 0 and not woken(ctx) else None`, "consume completed 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			world.Each(t, func(t *testing.T, w *world.World) {
				w.Script("job", `
job(retry = retry(max = 2, first = "1ms"))
def woken(ctx):
    if db.ensure("calls", {"n": "integer"}, key = ["n"]):
        ctx.checkpoint()  # the table stays
        return False
    return True
def consume(ctx, item):
    state.set("lost", 1)
    `+c.call+`
    if ctx.phase != "consume" or ctx.attempt != 1:
        error("not reached")
    return 0
`)
				if got := end(w.Do("job", `1`)); got != c.want {
					t.Errorf("got  %q\nwant %q", got, c.want)
				}
			})
		})
	}
}

func TestCheckpointsKeepWhatIsDone(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
load("lib/check.star", "eq")
job(retry = retry(max = 5, first = "1ms"), steps = 50000)
def consume(ctx, item):
    db.ensure("done", {"page": "integer"}, key = ["page"])
    first = (ctx.position or {"page": -1})["page"] + 1
    eq(ctx.attempt, 2 if first else 1)
    for page in range(first, 6):
        db.insert("done", [{"page": page}])
        for i in range(5000):  # the limit of steps begins anew
            pass
        if page == 3 and first < 3:
            error("once")
        ctx.checkpoint({"page": page})
        eq(ctx.position, {"page": page})
    return first
`)
		if got, want := end(w.Do("job", "1")), "consume completed 3"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := w.Query("SELECT count(*), sum(page) FROM done"); got != "6|15\n" {
			t.Errorf("got %s", got)
		}
	})
}

func TestBatchesDoEachRowOnce(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		var csv strings.Builder
		csv.WriteString("n\n")
		for n := range 95 {
			fmt.Fprintf(&csv, "%d\n", n)
		}
		w.File("rows.csv", csv.String())
		w.Script("job", `
load("lib/check.star", "eq")
job(needs = ["files:rows.csv"], retry = retry(max = 9, first = "1ms"))
def consume(ctx, item):
    db.ensure("done", {"n": "integer", "batch": "integer"}, key = ["n"])
    passes = 0
    for rows in ctx.batches(csv.read("rows.csv"), 10):
        db.insert("done", [{"n": int(r["n"]), "batch": len(rows)} for r in rows])
        ctx.emit({"first": rows[0]["n"]}, type = "item")
        passes += 1
        if passes == 3:
            error("again")
    return passes
def finish(ctx, summary):
    return {"items": summary.total}
`)
		w.Script("item", "def consume(ctx, item):\n    return item['first']\n")
		j := w.Do("job", "1")
		if got := w.Query("SELECT count(*), sum(n), min(batch), max(batch) FROM done"); got != "95|4465|5|10\n" {
			t.Errorf("got %s %+v", got, j.Error)
		}
		if string(j.Result) != `{"items":10}` || j.Stats["read"] != 95 || j.Stats["inserted"] != 95 {
			t.Errorf("got %s %v", end(j), j.Stats)
		}
	})
}

func TestABatchThatWasLeftCommitsWithTheRest(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
load("lib/check.star", "eq")
def consume(ctx, item):
    db.ensure("done", {"n": "integer"}, key = ["n"])
    for b in ctx.batches(range(10), 3):
        db.insert("done", [{"n": n} for n in b])
        if 4 in b:
            break
    ctx.checkpoint("after")  # allowed again
    for b in ctx.batches([], 3):
        error("no batch")
    return db.value("SELECT count(*) FROM done")
`)
		if got, want := end(w.Do("job", "1")), "consume completed 6"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestEmitAllKeysAndTypes(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
load("lib/check.star", "eq", "fails")
def produce(ctx):
    eq(ctx.emit_all([{"id": "a"}, {"id": "b"}, {"id": "a"}], key = lambda r: r["id"], unique = "forever", type = "other"), 2)
    eq(ctx.emit_all(iter.map(lambda n: {"id": str(n)}, range(2500)), type = "other", priority = 5), 2500)
    fails("the function gave int, wanted a string", ctx.emit_all, [1], key = lambda r: r)
    eq(ctx.enqueue("other", {"id": "c"}, key = "c", after = "1ms"), True)
    eq(ctx.enqueue("other", {"id": "c"}, key = "c", replace = True), False)
`)
		w.Script("other", "def consume(ctx, item):\n    return item['id']\n")
		j := w.Do("job", "1")
		if j.Status != engine.StatusCompleted || j.Items != 2502 {
			t.Errorf("got %s, %d items", end(j), j.Items)
		}
	})
}

func TestWhatRunsOnCommit(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
def note(ctx, what):
    log.info(what)
    if what == "bad":
        state.set("x", 1)
def consume(ctx, item):
    ctx.on_commit(note, ctx, "at the checkpoint")
    log.info("before")
    ctx.checkpoint()
    catch(undone, ctx)
    ctx.on_commit(note, ctx, "bad")
    ctx.on_commit(log.info, "at the end")
def undone(ctx):
    ctx.on_commit(log.info, "never")
    error("no")
`)
		j := w.Do("job", "1")
		got := strings.Join(w.Logs(j.ID), "\n")
		want := `info before
info at the checkpoint
info bad
error on_commit: state.set: a function given to ctx.on_commit runs after the commit: nothing commits what it writes here
info at the end`
		if got != want || j.Status != engine.StatusCompleted {
			t.Errorf("got\n%s\n%s", got, end(j))
		}
	})
}

func TestWhatRunsOnCommitCannotEndTheHook(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
job(timeout = "2s", steps = 1000000000000)
def bad(n):
    return 1 // n
def loop():
    for x in iter.map(bad, [1, 0]):
        pass
def spin():
    for i in range(1000000000): pass
def caught():
    value, err = catch(bad, 0)
    log.info("caught", message = err.message, rows = db.value("SELECT 7"))
def consume(ctx, item):
    ctx.on_commit(time.sleep, "1h")
    ctx.on_commit(loop)
    ctx.on_commit(spin)
    ctx.on_commit(caught)
    ctx.checkpoint()
    for i in range(10000): pass
    ctx.on_commit(time.sleep, "1h")
    ctx.on_commit(loop)
    ctx.on_commit(log.info, "at the end")
    return 1
`)
		j := w.Do("job", "1")
		var lines []string
		for _, l := range w.Logs(j.ID) {
			l, _, _ = strings.Cut(l, ` {"backtrace"`)
			lines = append(lines, l)
		}
		got := strings.Join(lines, "\n")
		want := `error on_commit: it ran longer than the hook's timeout of 2s
error on_commit: floored division by zero
error on_commit: it ran longer than the hook's timeout of 2s
info caught {"message":"floored division by zero","rows":7}
error on_commit: it ran longer than the hook's timeout of 2s
error on_commit: floored division by zero
info at the end`
		if got != want || end(j) != "consume completed 1" {
			t.Errorf("got\n%s\n%s", got, end(j))
		}
	})
}

func TestAnInstanceHasParametersAndAStateOfItsOwn(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.File("acme/x.txt", "acme's")
		w.Script("job", `
job(instances = {"acme": {"id": 9007199254740993}, "beta": {}}, needs = ["files:{instance}/*"])
def consume(ctx, item):
    state.set("n", state.get("n", 0) + 1)
    return [ctx.instance, ctx.params, state.get("n"), files.read(ctx.instance + "/x.txt")]
`)
		for range 2 {
			w.Enqueue(engine.NewJob{Type: "job", Instance: "acme", Payload: engine.Raw("1")})
			w.Run()
		}
		id := w.Enqueue(engine.NewJob{Type: "job", Instance: "beta", Payload: engine.Raw("1")})
		w.Run()
		if got, want := end(w.Jobs()[1]), `consume completed ["acme",{"id":9007199254740993},2,"acme's"]`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got, want := end(w.Job(id)), `consume failed  error: files.read: there is no file "beta/x.txt"`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestAComputingHookEndsSoonAfterItsTimeout(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", "job(timeout = '50ms', steps = 1000000000000)\ndef consume(ctx, item):\n    for i in range(1 << 29):\n        for j in range(1 << 29): pass\n")
		began := time.Now()
		j := w.Do("job", "1")
		if d := time.Since(began); d > time.Minute || j.Error == nil || j.Error.Kind != engine.KindTimeout || !strings.Contains(j.Error.Backtrace, "job.star:4:") {
			t.Errorf("it took %s: %s %+v", d, end(j), j.Error)
		}
	})
}

func TestHooksOfOneScriptRunAtTheSameTime(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
job(slots = {"consume": 16})
START = time.parse("2020-01-01")
TABLE = {"a": [1, 2, 3]}
def clean(row):
    return {"n": int(row["n"]), "at": START + "1h"}
def consume(ctx, item):
    rows = [clean(r) for r in csv.parse("n\n1\n2\n3\n")]
    s = sorted([r["n"] for r in rows] + TABLE["a"])
    return [s, START.year, str(rows[0]["at"]), item]
`)
		for n := range 200 {
			w.Enqueue(engine.NewJob{Type: "job", Payload: engine.Raw(fmt.Sprint(n))})
		}
		w.Run()
		for n, j := range w.Jobs() {
			if got, want := end(j), fmt.Sprintf(`consume completed [[1,1,2,2,3,3],2020,"2020-01-01T01:00:00Z",%d]`, n); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	})
}

func TestNamesThatAreTooManyFailTheJobThatCommitsThem(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("job", `
job(retry = retry(max = 3, first = "1ms"))
def consume(ctx, item):
    ctx.count("ran")
    state.set("last", item["from"])
    for n in range(400):
        state.set("row %d" % (item["from"] + n), n)
    ctx.checkpoint("set")
`)
		for i, want := range []string{"completed", "completed", "failed"} {
			j := w.Do("job", fmt.Sprintf(`{"from": %d}`, i*400))
			if j.Status.String() != want || j.Attempt != 1 {
				t.Errorf("job %d: %s at attempt %d: %v", i, j.Status, j.Attempt, j.Error)
			}
			if want == "failed" && (!strings.Contains(j.Error.Message, `state has 1000 names`) || !strings.Contains(j.Error.Backtrace, "job.star:8:")) {
				t.Errorf("%+v", j.Error)
			}
		}
	})
}
