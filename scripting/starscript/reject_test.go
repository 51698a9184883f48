package starscript_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// rejects are those of a job (0: all), "row reason source:line state".
func rejects(t *testing.T, w *world.World, job engine.JobID) []string {
	t.Helper()
	list := []string{}
	if err := w.Store.Rejects(t.Context(), engine.RejectFilter{Job: job}, func(r *engine.Reject) bool {
		s := fmt.Sprintf("%s %s", r.Row, r.Reason)
		if r.Source != nil {
			s += " " + *r.Source
		}
		if r.Line != nil {
			s += fmt.Sprintf(":%d", *r.Line)
		}
		if r.WholeItem {
			s += " item"
		}
		list = append(list, s+" "+string(r.State))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// redrive redrives what is open of a type, and runs that.
func redrive(t *testing.T, w *world.World, typ string) engine.Redriven {
	t.Helper()
	done, err := w.Engine.Redrive(t.Context(), engine.RedriveRequest{Type: typ})
	if err != nil {
		t.Fatal(err)
	}
	w.Run()
	return done
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestTooManyRejectsFailTheJobAndAreKept(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/people.csv", "id,name\n1,Ada\n2,Grace\n3,Edsger\n")
	w.Script("job", `
job(needs = ["files:data/*"], retry = retry(max = 5, first = "1ms"))
def consume(ctx, item):
    db.ensure("people", {"id": "text", "name": "text"}, key = ["id"])
    db.upsert("people", [r if r["id"] != "2" else reject(r, "two") for r in csv.read("data/people.csv")], key = ["id"])
def fail(ctx, item, err):
    log.info(err.kind, final = err.final)
`)
	j := w.Do("job", "1")
	same(t, "end", fmt.Sprintf(`consume failed  rejects: 1 of 3 rows were rejected, more than rejects = "10%%" allows; the first: two (data/people.csv, line 3); see them with: dsengine rejects list --job %d; once the script is mended: dsengine jobs retry %[1]d`, j.ID), end(j))
	same(t, "attempts", 1, j.Attempt)
	same(t, "log", []string{`info rejects {"final":true}`}, w.Logs(j.ID))
	same(t, "rejects", []string{`{"id":"2","name":"Grace"} two data/people.csv:3 open`}, rejects(t, w, j.ID))
	same(t, "rows", "", w.Query("SELECT name FROM people"))
	// The retry meets the rows again.
	if err := w.Store.Retry(t.Context(), j.ID, engine.RetryOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, "rejects of a job that is retried", []string{}, rejects(t, w, j.ID))
	w.Run()
	same(t, "rejects after the retry", 1, len(rejects(t, w, j.ID)))
}

func TestRejectsCommitWithTheirJob(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = "all", retry = retry(max = 3, first = "1ms"))
def consume(ctx, item):
    reject("in attempt %d" % ctx.attempt, "why")
    if ctx.attempt < 3:
        error("not yet")
`)
	j := w.Do("job", "1")
	same(t, "rejects", []string{`"in attempt 3" why open`}, rejects(t, w, j.ID))
	same(t, "counts", map[string]int64{"rejected": 1}, j.Stats)
}

func TestAFailHookThatRetriesDropsTheRejects(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = 1)
def consume(ctx, item):
    if ctx.attempt > 1:
        reject("b", "second")
        return
    reject("a", "first")
    reject("a", "first")
def fail(ctx, item, err):
    ctx.retry(after = "0s")
`)
	j := w.Do("job", "1")
	same(t, "status", engine.StatusCompleted, j.Status)
	same(t, "rejects", []string{`"b" second open`}, rejects(t, w, j.ID))
}

// Each row of the file is in one count: it was written, or rejected, or left out by a None
// of the script's own.
func TestEachRowIsCountedOnce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "n\n"+strings.ReplaceAll("x,x,1,2,-,3,x,4,x,-,5", ",", "\n")+"\n")
	for name, body := range map[string]string{
		"lazy":     "write(iter.map(clean, rows()))",
		"list":     "write([clean(r) for r in rows()])",
		"batches":  "for batch in ctx.batches(iter.map(clean, rows()), 2):\n        write(batch)\n        step()",
		"listed":   "for batch in ctx.batches([clean(r) for r in rows()], 3):\n        write(batch)\n        step()",
		"within":   "for batch in ctx.batches(rows(), 2):\n        write([clean(r) for r in batch])\n        step()",
		"filtered": "for batch in ctx.batches(iter.map(clean, iter.filter(good, rows())), 2):\n        write(batch)\n        step()",
		"caught":   "catch(spoilt)\n    write([clean(r) for r in rows()])",
		"looped":   "for batch in ctx.batches(csv.read(\"data/n.csv\"), 2):\n        list = []\n        for r in batch:\n            if r[\"n\"] == \"x\":\n                reject(r, \"x\")\n            else:\n                list.append(clean(r))\n        write(list)\n        step()",
		"spared":   "for batch in ctx.batches(csv.read(\"data/n.csv\"), 2):\n        write([clean(r) for r in batch if fine(r)])\n        step()",
		"said":     "write([tidy(r) for r in csv.read(\"data/n.csv\")])",
		"in_turn":  "for r in csv.read(\"data/n.csv\"):\n        if r[\"n\"] == \"x\":\n            tidy(r)\n            continue\n        write([tidy(r)])",
		"records":  "write(records.changed(name, iter.map(clean, rows()), key = [\"n\"]))",
		"goes_on":  "for n, r in enumerate(rows()):\n        write([clean(r, n + 2)])\n        ctx.checkpoint(n)\n        step()",
	} {
		w.Script(name, `
job(needs = ["files:data/*"], rejects = "all", retry = retry(max = 2, first = "1ms"))
name = "`+name+`"
def rows():
    return csv.read("data/n.csv")
def good(r):
    return r["n"] != "x" or bool(reject(r, "x"))
def clean(r, line = None):
    if r["n"] == "-":
        return None
    return {"n": int(r["n"])} if r["n"] != "x" else reject(r, "x", line = line)
def fine(r):
    if r["n"] == "x":
        reject(r, "x")
        return False
    return True
def tidy(r):
    if r["n"] != "x":
        return clean(r)
    reject(r, "x")
def write(rows):
    db.insert(name, rows)
def spoilt():
    reject({"n": 0}, "taken back")
    error("spoilt")
def consume(ctx, item):
    db.ensure(name, {"n": "integer"})
    first, passes = ctx.attempt == 1, []
    def step():
        passes.append(1)
        if first and len(passes) == item:
            error("stop")
    position = ctx.position if name == "goes_on" else None
    `+body+`
`)
		t.Run(name, func(t *testing.T) {
			for at := range 6 {
				if (name == "records" || name == "goes_on") && at > 0 {
					break // its second job finds no changes; or it writes again what it had written
				}
				j := w.Do(name, fmt.Sprint(at))
				same(t, fmt.Sprintf("counts, stopped in pass %d: %s", at, end(j)), "5 inserted, 4 rejected, 2 skipped",
					fmt.Sprintf("%d inserted, %d rejected, %d skipped", j.Stats["inserted"], j.Stats["rejected"], j.Stats["skipped"]))
			}
		})
	}
}

// A hook that is run again from a checkpoint meets rejected rows again: those of
// loops that keep their own count, and those that are known by their line.
func TestAHookThatGoesOnKeepsNoRejectTwice(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "n\n"+strings.ReplaceAll("x,x,1,2,x,3,4,x,5", ",", "\n")+"\n")
	for name, body := range map[string]string{
		"batches":     "for batch in ctx.batches(rows(), 2): step()",
		"one_batch":   "for batch in ctx.batches(rows(), 5): step()",
		"one_by_one":  "for batch in ctx.batches(rows(), 1): step()",
		"two_loops":   "for batch in ctx.batches(rows(), 2): step()\n    for batch in ctx.batches(range(4), 2): step()",
		"emit_all":    "ctx.emit_all(rows())\n    for batch in ctx.batches(range(4), 2): step()",
		"checkpoints": "for n, r in enumerate(csv.read(\"data/n.csv\")):\n        good(r, n + 1)\n        ctx.checkpoint(n)\n        step()",
	} {
		w.Script(name, `
job(needs = ["files:data/*"], rejects = 4, retry = retry(max = 2, first = "1ms"))
def good(r, line = None):
    return r if r["n"] != "x" else reject(r, "x", line = line)
def rows():
    return iter.filter(good, csv.read("data/n.csv"))
def consume(ctx, item):
    if type(item) == "dict":
        return # one that was emitted
    first, passes = ctx.attempt == 1, []
    def step():
        passes.append(1)
        if first and len(passes) == item:
            error("stop")
    `+body+`
    if first and item == 0:
        error("stop at the end")
`)
		t.Run(name, func(t *testing.T) {
			for at := range 6 {
				j := w.Do(name, fmt.Sprint(at))
				got := rejects(t, w, j.ID)
				if j.Status != engine.StatusCompleted || len(got) != 4 || j.Stats["rejected"] != 4 {
					t.Errorf("stopped in pass %d: got %d rejects, want 4: %v\n%s %v", at, len(got), got, end(j), j.Stats)
				}
			}
		})
	}
}

func TestTheHookRedriveGetsJustTheRejectedRows(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = "all")
def consume(ctx, item):
    for n in range(item): reject({"n": n}, "odd" if n % 2 else "even")
def redrive(ctx, rows):
    db.ensure("done", {"n": "integer"})
    for batch in ctx.batches(rows, 100):
        db.insert("done", [r if r["n"] != 7 else reject(r, "still bad") for r in batch])
`)
	j := w.Do("job", "500")
	w.Do("job", "3")
	done, err := w.Engine.Redrive(t.Context(), engine.RedriveRequest{Type: "job", Job: j.ID, Reason: "o*", Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rejects", 200, done.Rejects)
	w.Run()
	r := w.Job(done.Jobs[0])
	same(t, "end", "consume completed ", end(r))
	same(t, "counts", "read 200, inserted 199, rejected 1, skipped 0", fmt.Sprintf("read %d, inserted %d, rejected %d, skipped %d", r.Stats["read"], r.Stats["inserted"], r.Stats["rejected"], r.Stats["skipped"]))
	same(t, "rows", "199|1|399\n", w.Query("SELECT COUNT(*), MIN(n), MAX(n) FROM done"))
	same(t, "new rejects", []string{`{"n":7} still bad open`}, rejects(t, w, r.ID))
	counts, err := w.Store.RejectCounts(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rejects of the job", engine.RejectCounts{Kept: 500, Open: 300, Redriven: 200}, counts)
	same(t, "the rest", 304, redrive(t, w, "job").Rejects)
	same(t, "what is bad still", 1, redrive(t, w, "job").Rejects)
	same(t, "rows", "502\n", w.Query("SELECT COUNT(*) FROM done"))
}

func TestARedriveThatFailsLeavesOpenWhatItDidNotCommit(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = "all", retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    for n in range(10): reject(n, "x")
def redrive(ctx, rows):
    db.ensure("done", {"n": "integer"})
    for batch in ctx.batches(rows, 3):
        if batch[0] == 6 and vars.get("fixed") == None: error("no")
        db.insert("done", [{"n": n} for n in batch])
`)
	j := w.Do("job", "1")
	first := redrive(t, w, "job")
	same(t, "end", "consume failed  error: no (while at rejects 7 to 9)", end(w.Job(first.Jobs[0])))
	counts, err := w.Store.RejectCounts(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rejects", engine.RejectCounts{Kept: 10, Open: 4, Redriven: 6}, counts)
	if err := w.Store.SetVariables(t.Context(), []engine.VariableWrite{{Name: "fixed", Value: engine.Raw("1"), Seen: -1}}); err != nil {
		t.Fatal(err)
	}
	same(t, "redriven", 4, redrive(t, w, "job").Rejects)
	// The failed job has lost its rows to the other one.
	if err := w.Store.Retry(t.Context(), first.Jobs[0], engine.RetryOptions{}); err != nil {
		t.Fatal(err)
	}
	w.Run()
	same(t, "end", "consume completed ", end(w.Job(first.Jobs[0])))
	same(t, "rows", "10|10\n", w.Query("SELECT COUNT(*), COUNT(DISTINCT n) FROM done"))
}

func TestWholeItemsGoToConsumeAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	source := `
def consume(ctx, item):
    if item["n"] > %d: return reject({"tags": ["a"], "n": item["n"]}, "too large")
    return item["n"]
`
	w.Script("job", fmt.Sprintf(source, 1))
	var ids []engine.JobID
	for n := range 4 {
		ids = append(ids, w.Enqueue(engine.NewJob{Type: "job", Payload: engine.Raw(fmt.Sprintf(`{"n": %d, "tags": ["a"]}`, n))}))
	}
	w.Run()
	same(t, "the last one", "consume completed ", end(w.Job(ids[3])))
	same(t, "its reject", []string{`{"n": 3, "tags": ["a"]} too large item open`}, rejects(t, w, ids[3]))
	done := redrive(t, w, "job")
	same(t, "redriven", 2, done.Rejects)
	same(t, "jobs", 2, len(done.Jobs))
	anew := append(rejects(t, w, done.Jobs[0]), rejects(t, w, done.Jobs[1])...)
	slices.Sort(anew)
	same(t, "rejected anew", []string{`{"n": 2, "tags": ["a"]} too large item open`, `{"n": 3, "tags": ["a"]} too large item open`}, anew)
	same(t, "before", []string{`{"n": 3, "tags": ["a"]} too large item redriven`}, rejects(t, w, ids[3]))
}

func TestAFailHookMaySetTheItemAside(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
def consume(ctx, item): error("broken")
def fail(ctx, item, err):
    if err.final: reject(item, err)
`)
	j := w.Do("job", `{"n":1}`)
	same(t, "rejects", []string{`{"n":1} broken item open`}, rejects(t, w, j.ID))
	done := redrive(t, w, "job")
	same(t, "redriven", 1, done.Rejects)
	same(t, "before", []string{`{"n":1} broken item redriven`}, rejects(t, w, j.ID))
	same(t, "anew", []string{`{"n":1} broken item open`}, rejects(t, w, done.Jobs[0]))
}

func TestRowsOfFilesNeedTheHook(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = "all")
def consume(ctx, item):
    reject("row", "x")
    reject(item, "y")
`)
	w.Do("job", `"item"`)
	done := redrive(t, w, "job")
	same(t, "redriven", []int{1, 1}, []int{done.Rejects, done.NoHook})
}

func TestARedriveCommitsOnlyWhereItKnowsItsRows(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"ctx.checkpoint(1)": "ctx.checkpoint does not know which rows are done",
		"all = list(rows)\n    for b in ctx.batches(all, 10): pass":                                        "rows were read before ctx.batches",
		"for b in ctx.batches(iter.map(str, rows), 10): pass\n    for b in ctx.batches(range(5), 2): pass": "",
		"ctx.emit_all(rows)": "",
		"pass":               "",
	} {
		w := world.New(t)
		w.Script("job", `
job(rejects = "all")
def produce(ctx):
    for n in range(1600): reject(n, "x")
def consume(ctx, item): pass
def redrive(ctx, rows):
    `+body+`
`)
		j := w.Do("job", "1")
		r := w.Job(redrive(t, w, "job").Jobs[0])
		switch {
		case want == "" && r.Status != engine.StatusCompleted, want != "" && (r.Error == nil || !strings.Contains(r.Error.Message, want)):
			t.Errorf("%s: want %q, got %s", body, want, end(r))
		}
		counts, err := w.Store.RejectCounts(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" && counts.Redriven != 1600 || want != "" && counts.Open != 1600 {
			t.Errorf("%s: %+v", body, counts)
		}
	}
}

func TestAShareIsJudgedByTheRowsAtACheckpointToo(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = "20%")
def consume(ctx, item):
    for n in ctx.batches(range(len(item)), 1):
        rows, bad = item[n[0]]
        ctx.count("read", rows)
        for n in range(bad): reject(n, "x")
`)
	for item, want := range map[string]string{
		"[[1000, 200]]":                      "consume completed ",
		"[[1000, 201]]":                      "201 of 1000 rows",
		"[[500, 400], [1000, 0], [500, 0]]":  "consume completed ", // few come first
		"[[12000, 10000], [100000, 0]]":      "10000 of 12000 rows",
		"[[500, 0], [500, 201]]":             "201 of 1000 rows",
		"[[100000, 0], [1, 10000], [10, 0]]": "consume completed ",
	} {
		if j := w.Do("job", item); !strings.Contains(end(j), want) {
			t.Errorf("%s: want %q, got %s", item, want, end(j))
		}
	}
}

// Records have marked a row as taken when it was rejected: it is given to a redrive all the
// same, to each, and once only.
func TestRecordsGiveRowsThatAreRedriven(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = "all", retry = retry(max = 2, first = "1ms"))
def load_rows(ctx, rows):
    for batch in ctx.batches(records.changed("people", rows, key = "id"), 4):
        db.insert("done", [clean(r) for r in batch])
        if vars.get("now") == 1 and ctx.attempt == 1 and batch[0]["id"] >= 15: error("once more")
def clean(r):
    if r["id"] % 5 == 0 and (vars.get("now") == None or r["id"] == 25): return reject(r, "bad")
    return {"id": r["id"]}
def consume(ctx, item):
    db.ensure("done", {"id": "integer"})
    load_rows(ctx, [{"id": i} for i in range(50)] + [{"id": 0}])
def redrive(ctx, rows):
    load_rows(ctx, rows)
`)
	w.Script("items", `
job(rejects = "all")
def produce(ctx):
    ctx.emit_all([{"id": i} for i in range(10)])
def consume(ctx, item):
    db.ensure("whole", {"id": "integer"})
    if item["id"] == 5: db.insert("whole", records.changed("items", [{"id": 1}], key = "id")) # another job's
    for r in records.changed("items", [item, item], key = "id"):
        if r["id"] % 5 == 0 and vars.get("now") == None: reject(item, "bad")
        else: db.insert("whole", [r])
`)
	same(t, "end", "consume completed ", end(w.Do("job", "1")))
	w.Do("items", "null")
	same(t, "rows", "40\n", w.Query("SELECT COUNT(*) FROM done"))
	if err := w.Store.SetVariables(t.Context(), []engine.VariableWrite{{Name: "now", Value: engine.Raw("1"), Seen: -1}}); err != nil {
		t.Fatal(err)
	}
	same(t, "redriven", 10, redrive(t, w, "job").Rejects)
	same(t, "rows", "49|49\n", w.Query("SELECT COUNT(*), COUNT(DISTINCT id) FROM done"))
	same(t, "redriven again", 1, redrive(t, w, "job").Rejects)
	same(t, "what is bad still", 1, redrive(t, w, "job").Rejects)
	same(t, "redriven", 2, redrive(t, w, "items").Rejects)
	same(t, "rows", "10|10\n", w.Query("SELECT COUNT(*), COUNT(DISTINCT id) FROM whole"))
	same(t, "taken", "0\n", w.Query("SELECT COUNT(*) FROM done WHERE id = 25"))
}

// A share is of the rows that were read, however many a script writes for each.
func TestAShareOfRejectsIsOfTheRowsRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, end string }{
		{`for r in csv.read("in.csv"): import_row(r, 9)`, "3 of 20 rows were rejected"},
		{`for r in json.decode(files.read("in.json")): import_row(r, 1)`, "3 of 20 rows were rejected"},
		{`[list(csv.read("map.csv")), [import_row(r, 1) for r in json.decode(files.read("in.json"))]]`, "3 of 20 rows were rejected"},
	} {
		w := world.New(t)
		w.File("in.csv", "n\n"+strings.Repeat("1\n", 17)+strings.Repeat("0\n", 3))
		w.File("map.csv", "n\n1\n2\n3\n4\n5\n6\n")
		w.File("in.json", "["+strings.Repeat(`{"n": "1"}, `, 17)+strings.Repeat(`{"n": "0"}, `, 2)+`{"n": "0"}]`)
		w.Script("job", `
job(needs = ["files:*"])
def import_row(r, times):
    if r["n"] == "0": return reject(r, "nought")
    for i in range(times): db.insert("t%d" % i, [r])
def consume(ctx, item):
    for i in range(9): db.ensure("t%d" % i, {"n": "text"})
    `+c.body+`
`)
		if got := end(w.Do("job", "1")); !strings.Contains(got, c.end) {
			t.Errorf("%s: got %s, wanted %s", c.body, got, c.end)
		}
	}
}
