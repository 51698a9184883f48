package hostlib_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// completes runs a job and wants it to complete.
func completes(t *testing.T, w *world.World, typ, payload string) *engine.Job {
	t.Helper()
	j := w.Do(typ, payload)
	if j.Status != engine.StatusCompleted {
		if j.Error != nil {
			t.Fatalf("%s: %s\n%s", j.Status, j.Error.Message, j.Error.Backtrace)
		}
		t.Fatalf("it is %s", j.Status)
	}
	return j
}

// numbered is a CSV file with rows id,name for the numbers.
func numbered(from, to int, name func(i int) string) string {
	var b strings.Builder
	b.WriteString("id,name\n")
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%d,%s\n", i, name(i))
	}
	return b.String()
}

func plain(i int) string { return fmt.Sprint("n", i) }

func TestRecordsGiveWhatIsNewOrChanged(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("people", `
job(needs = ["files:people.csv"])
def consume(ctx, item):
    rows = records.changed("people", iter.map(lambda r: r if r["id"] != "7" else None, csv.read("people.csv")), key = "id")
    return [r["id"] + r["name"] for r in rows]
`)
		for _, c := range []struct{ file, want, stats string }{
			{numbered(1, 5, plain), `["1n1","2n2","3n3","4n4"]`, "0 unchanged, 0 skipped"},
			{numbered(1, 5, plain), `[]`, "4 unchanged, 0 skipped"},
			{"name,id\nn4,4\nx,3\n", `["3x"]`, "1 unchanged, 0 skipped"},
			{numbered(2, 9, plain), `["3n3","5n5","6n6","8n8"]`, "2 unchanged, 1 skipped"},
			// Of rows with the same key the last one counts.
			{"id,name\n1,n1\n1,a\n1,b\n1,b\n", `["1a","1b"]`, "2 unchanged, 0 skipped"},
			{"id,name\n1,b\n", `[]`, "1 unchanged, 0 skipped"},
		} {
			w.File("people.csv", c.file)
			j := completes(t, w, "people", "null")
			if got := fmt.Sprintf("%d unchanged, %d skipped", j.Stats["unchanged"], j.Stats["skipped"]); string(j.Result) != c.want || got != c.stats {
				t.Errorf("%s: got %s, %s", c.file, j.Result, got)
			}
		}
	})
}

func TestRecordsCompareWhatIsEqual(t *testing.T) {
	holds(t, `
    def given(rows, key = "id", **more):
        return list(records.changed("s", rows, key = key, **more))
    row = {"id": 1, "a": None, "b": decimal.of("1.50"), "c": time.parse("2024-01-01T12:00:00+02:00"), "d": [1, {"x": "y"}]}
    eq(len(given([row])), 1)
    eq(given([{"d": [1.0, {"x": "y"}], "c": time.parse("2024-01-01T10:00:00Z"), "b": 1.5, "a": None, "id": 1.0}]), [])
    for name, other in [("a", ""), ("b", "1.50"), ("d", [1, {"x": "z"}])]:
        changed = dict(row)
        changed[name] = other
        eq(records.status("s", 1, changed), "changed")
    eq(records.status("s", "1", row), "new")
    eq(records.status("other", 1, row), "new")
    eq(records.status("s", 1, row), "same")
    eq(len(given([{"id": 2, "n": 1, "at": 5}], fields = ["n"])), 1)
    eq(given([{"id": 2, "n": 1, "at": 6}], fields = ["n"]), [])
    eq(len(given([{"k": "a", "id": 1}, {"k": "b", "id": 1}], key = ["k", "id"])), 2)
    eq(given([{"id": 1, "k": "b"}], key = ["k", "id"]), [])
    eq(len(given([{"id": 1, "k": "b"}], key = ["id", "k"])), 1)
    eq(records.status("s", ["b", 1], {"id": 1, "k": "b"}), "same")
    def read(*args, **kwargs):
        list(records.changed(*args, **kwargs))
    fails("row 2: it has no column \"id\", which is part of the key", read, "s", [{"id": 1}, {"no": 1}], key = "id")
    fails("row 1: column \"id\": got None, wanted a string or a whole number", read, "s", [{"id": None}], key = "id")
    fails("got float", read, "s", [{"id": 1.5}], key = "id")
    fails("row 1: got int, wanted a dict by column", read, "s", [5], key = "id")
    fails("fields: the row has no column \"nn\"", read, "s", [{"id": 1, "n": 1}], key = "id", fields = ["nn"])
    fails("a key of 1002 bytes is too large", read, "s", [{"id": "x" * 1000}], key = "id")
    fails("the name of a source", records.id, "", 1)
    fails("key: got an empty list", records.id, "s", [])
    fails("id: got None", records.link, "s", 1, None)
    fails("an id of 502 bytes", records.link, "s", 1, "x" * 500)
    fails("max_missing", records.missing, "s", max_missing = "lots")
    fails("is a count of the engine's own", ctx.count, "unseen")
`)
}

// A hook that is ended in each pass, and begins again, does as one that is not:
// the rows that it marked in committed passes are given again, and left out by
// the loop. Nearly half of the rows were taken by an earlier job.
func TestRecordsInBatchesThatFailInEachPass(t *testing.T) {
	t.Parallel()
	const script = `
job(needs = ["files:rows.csv"], retry = retry(max = 3, first = "1ms"))
def consume(ctx, item):
    # In an attempt that follows a committed pass, attempts count from 1 again.
    for rows in ctx.batches(records.changed(item["source"], csv.read("rows.csv"), key = "id", whole = True), 70):
        db.insert(item["table"], [{"id": r["id"], "name": r["name"]} for r in rows])
        records.link(item["source"], rows[0]["id"], "first of a batch", replace = True)
        if item["fails"] and ctx.attempt == 1:
            error("crash")
    for rows in ctx.batches(records.missing(item["source"]), 7):
        db.insert(item["table"], [{"id": r["key"], "name": "gone %s" % r["id"]} for r in rows])
        records.forget(item["source"], [r["key"] for r in rows])
        if item["fails"] and ctx.attempt == 1:
            error("crash")
    if item["fails"] and ctx.attempt == 1:
        error("crash")
`
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("tables", `
def consume(ctx, item):
    for name in item:
        db.ensure(name, {"id": "text", "name": "text"})
`)
		w.Script("rows", script)
		completes(t, w, "tables", `["calm", "failing"]`)
		run := func(fails bool) {
			t.Helper()
			name := map[bool]string{false: "calm", true: "failing"}[fails]
			completes(t, w, "rows", fmt.Sprintf(`{"source": %q, "table": %q, "fails": %v}`, name, name, fails))
		}
		w.File("rows.csv", numbered(0, 600, plain))
		run(false)
		run(true)
		// Each third one is changed, and there are new ones; some keys are there
		// twice, with what they had at last and with other things; some are missing.
		rows := numbered(20, 900, func(i int) string {
			if i%3 == 0 {
				return "other"
			}
			return plain(i)
		})
		for i := 100; i < 140; i++ {
			rows += fmt.Sprintf("%d,%s\n%d,twice\n%d,%s\n", i, plain(i), i, i, plain(i))
		}
		w.File("rows.csv", rows)
		run(false)
		run(true)
		const all = "SELECT id, name, COUNT(*) FROM %s GROUP BY id, name ORDER BY id, name"
		calm, failing := w.Query(fmt.Sprintf(all, "calm")), w.Query(fmt.Sprintf(all, "failing"))
		if calm != failing {
			t.Errorf("the one that failed differs from the one that did not:\n%s\n%s", failing, calm)
		}
		if n := strings.Count(calm, "gone"); n != 20 {
			t.Errorf("%d rows are missing, want 20", n)
		}
		if n := strings.Count(w.Log.String(), "attempt failed"); n < 20 {
			t.Errorf("only %d attempts have failed", n)
		}
		// Both have left the same behind: a third run takes nothing but the keys
		// that are there twice.
		run(false)
		run(true)
		if calm, failing = w.Query(fmt.Sprintf(all, "calm")), w.Query(fmt.Sprintf(all, "failing")); calm != failing {
			t.Errorf("the third time they differ:\n%s\n%s", failing, calm)
		}
		sum := func(job int) map[string]int64 { return w.Jobs()[len(w.Jobs())-job].Stats }
		if a, b := fmt.Sprint(sum(2)), fmt.Sprint(sum(1)); a != b {
			t.Errorf("the one that failed counted %s, the other %s", b, a)
		}
	})
}

func TestRecordsAreUndoneByCatch(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("caught", `
load("lib/check.star", "eq")
def many(from_, to):
    return [{"id": i, "n": i} for i in range(from_, to)]

def take(rows, then):
    n = len(list(records.changed("s", rows, key = "id")))
    records.link("s", 0, then or "kept", replace = True)
    records.forget("s", [1])
    if then:
        error(then)
    return n

def consume(ctx, item):
    records.mark("s", 0, {"id": 0, "n": 0})
    records.mark("s", 1, {"id": 1, "n": 1})
    records.link("s", 0, "zero")
    for n in [10, 7000]:  # in memory, and in part in the transaction
        _, err = catch(take, many(0, n), "no")
        eq(err.message, "no")
        eq(records.status("s", 0, {"id": 0, "n": 0}), "same")
        eq(records.status("s", 1, {"id": 1, "n": 1}), "same")
        eq(records.status("s", 2, {"id": 2, "n": 2}), "new")
        eq(records.status("s", 6999, {"id": 6999, "n": 6999}), "new")
        eq(records.id("s", 0), "zero")
    n, err = catch(take, many(0, 7000), None)
    eq((n, err), (6998, None))
    eq(records.id("s", 0), "kept")
    eq(records.status("s", 1, {"id": 1, "n": 1}), "new")
    eq(list(records.changed("s", many(2, 7000), key = "id")), [])
    # What is caught within what is caught.
    def outer():
        records.mark("t", 1, {"a": 1})
        catch(take, many(8000, 14000), "inner")
        eq(records.status("t", 1, {"a": 1}), "same")
        eq(records.status("s", 8000, {"id": 8000, "n": 8000}), "new")
        error("outer")
    catch(outer)
    eq(records.status("t", 1, {"a": 1}), "new")
    eq(records.status("s", 2, {"id": 2, "n": 2}), "same")
`)
		completes(t, w, "caught", "null")
	})
}

// What writes rows, and what gives them, need the one connection by turns.
func TestRecordsFeedWhatWritesRows(t *testing.T) {
	t.Parallel()
	const rows = 6_000
	world.Each(t, func(t *testing.T, w *world.World) {
		w.File("rows.csv", numbered(0, rows, plain))
		w.Script("tables", `
def consume(ctx, item):
    for name in item:
        db.ensure(name, {"id": "integer", "name": "text"}, key = ["id"])
`)
		w.Script("feed", `
job(needs = ["files:rows.csv"])
def typed(r):
    return {"id": int(r["id"]), "name": r["name"]}

def consume(ctx, item):
    def rows():
        if item["from"] == "csv":
            return iter.map(typed, csv.read("rows.csv"))
        return db.query("SELECT id, name FROM bulked ORDER BY id")
    changed = records.changed(item["into"], rows(), key = "id")
    if item["by"] == "bulk":
        return db.bulk(item["into"], changed).inserted
    if item["by"] == "insert":
        return db.insert(item["into"], changed).inserted
    if item["by"] == "merge":
        return db.merge(item["into"], iter.map(dict, changed), key = ["id"]).inserted
    return db.upsert(item["into"], changed, key = ["id"]).inserted
`)
		completes(t, w, "tables", `["bulked", "inserted", "upserted", "merged", "copied"]`)
		for _, by := range []string{`"csv", "by": "bulk", "into": "bulked"`, `"csv", "by": "insert", "into": "inserted"`, `"db", "by": "upsert", "into": "upserted"`, `"db", "by": "bulk", "into": "copied"`} {
			for _, want := range []int{rows, 0} {
				if j := completes(t, w, "feed", `{"from": `+by+`}`); string(j.Result) != fmt.Sprint(want) {
					t.Errorf("%s: got %s, want %d", by, j.Result, want)
				}
			}
		}
		if j := w.Do("feed", `{"from": "csv", "by": "merge", "into": "merged"}`); j.Error == nil || !strings.Contains(j.Error.Message, "records.changed leaves out those that are unchanged") {
			t.Errorf("merge: %v", j.Error)
		}
		for _, table := range []string{"inserted", "upserted", "copied"} {
			if got, want := w.Query("SELECT COUNT(*), SUM(id), MIN(name), MAX(name) FROM "+table), w.Query("SELECT COUNT(*), SUM(id), MIN(name), MAX(name) FROM bulked"); got != want || !strings.HasPrefix(got, fmt.Sprint(rows)) {
				t.Errorf("%s: got %s, want %s", table, got, want)
			}
		}
	})
}

func TestRecordsTellWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("whole", `
def consume(ctx, item):
    list(records.changed("s", [{"id": i} for i in item["ids"]], key = "id", whole = item.get("whole", True)))
    gone = [m["key"] for m in records.missing("s", max_missing = item.get("most", "all"))]
    if item.get("forget"):
        records.forget("s", gone)
    return gone
`)
	for _, c := range []struct{ item, want string }{
		{`{"ids": [1, 2, 3]}`, `[]`},
		{`{"ids": [2, 3, 4], "forget": true}`, `[1]`},
		{`{"ids": [2, 3]}`, `[4]`},
		{`{"ids": [2, 3], "forget": true}`, `[4]`},
		{`{"ids": [2, 3]}`, `[]`},
		{`{"ids": [1, 2, 3]}`, `[]`},
		{`{"ids": [], "most": 3}`, ``},
		{`{"ids": [1], "most": "50%"}`, `2 of 3 rows of "s" are missing, and max_missing = "50%" allows fewer`},
		{`{"ids": [1], "most": 1}`, `2 rows of "s" are missing, and max_missing = 1 allows fewer`},
		{`{"ids": [1, 2, 3], "whole": false}`, `no records.changed("s", ..., whole = True) was read in this run`},
	} {
		j := w.Do("whole", c.item)
		got := string(j.Result)
		if j.Error != nil {
			got = j.Error.Message
		}
		if c.want == "" { // in no order that is promised
			if len(got) != len("[1,2,3]") {
				t.Errorf("%s: got %s", c.item, got)
			}
		} else if !strings.HasPrefix(strings.TrimPrefix(got, "records.missing: "), c.want) {
			t.Errorf("%s: got %s, want %s", c.item, got, c.want)
		}
	}
	w.Script("half", `
def consume(ctx, item):
    for r in records.changed("s", [{"id": 8}, {"id": 9}], key = "id", whole = True):
        break
    list(records.missing("s"))
`)
	if j := w.Do("half", "null"); j.Error == nil || !strings.Contains(j.Error.Message, "was not read to its end") {
		t.Errorf("got %+v", j.Error)
	}
	w.Script("torn", `
def consume(ctx, item):
    rows = records.changed("s", [{"id": 8}, {"id": 9}], key = "id", whole = True)
    def read():
        list(rows)
        if item == "fails":
            error("no")
    catch(read)
    return [m["key"] for m in records.missing("s")]
`)
	if j := w.Do("torn", `"reads"`); j.Error != nil || string(j.Result) != "[]" {
		t.Errorf("got %s and %+v", j.Result, j.Error)
	}
	if j := w.Do("torn", `"fails"`); j.Error == nil || !strings.Contains(j.Error.Message, `a catch has taken back some of what records.changed("s"`) {
		t.Errorf("got %s and %+v", j.Result, j.Error)
	}
}

func TestRejectedRowsAreNotMissing(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]struct{ whole, parts string }{
		"starlark": {`
job(rejects = "all", retry = retry(max = 1))
def mended(r):
    return reject(r, "no") if r["name"] == "bad" else r

def read(item):
    rows = csv.parse(item["text"], on_bad = "reject")
    rows = [mended(r) for r in rows] if item.get("before") else iter.map(mended, rows)
    for r in records.changed("s", rows, key = "id", whole = True):
        reject(r, "later")

def missing(item):
    return sorted([m["key"] for m in records.missing("s", max_missing = "all", new_rejects = item.get("new", False))])
`, `
def produce(ctx):
    for part in ctx.payload["parts"]:
        ctx.emit({"text": part})

def consume(ctx, item):
    read(item)

def finish(ctx, summary):
    return missing(ctx.payload)
`},
		"lua": {`
job({rejects = "all", retry = retry({max = 1})})
local function mended(r)
  if r.name == "bad" then return reject(r, "no") end
  return r
end

local function read(item)
  local rows = iter.map(mended, csv.parse(item.text, {on_bad = "reject"}))
  if item.before then rows = list(rows) end
  for r in records.changed("s", rows, {key = "id", whole = true}) do reject(r, "later") end
end

local function missing(item)
  local keys = list(iter.map(function(m) return m.key end, records.missing("s", {max_missing = "all", new_rejects = item.new or false})))
  table.sort(keys)
  return keys
end
`, `
function produce(ctx)
  for _, part in ipairs(ctx.payload.parts) do ctx.emit({text = part}) end
end

function consume(ctx, item) read(item) end

function finish(ctx, summary) return missing(ctx.payload) end
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			if name == "lua" {
				w.Lua("job", script.whole+"function consume(ctx, item) read(item) return missing(item) end\n")
				w.Lua("parts", script.whole+script.parts)
			} else {
				w.Script("job", script.whole+"def consume(ctx, item):\n    read(item)\n    return missing(item)\n")
				w.Script("parts", script.whole+script.parts)
			}
			const unknown = `rejected that are not known by their keys`
			for _, c := range []struct{ typ, payload, want string }{
				{"job", `{"text": "id,name\n1,a\n2,b\n3,c\n4,d\n"}`, ``},
				{"job", `{"text": "id,name\n1,a\n2,bad\n3,x\n"}`, `["4"]`},
				{"job", `{"text": "id,name\n1,a\n2,bad\n3,c\n", "before": true}`, `["4"]`},
				{"job", `{"text": "id,name\n1,a\n2\n3,c\n"}`, `["4"]`},
				{"job", `{"text": "id,name\n1,a\n\"2\"x,b\n3,c\n"}`, `2 rows of "s" are missing, and 1 were ` + unknown},
				{"job", `{"text": "id,name\n1,a\n\"2\"x,b\n3,c\n", "before": true}`, unknown},
				{"job", `{"text": "id,name\n1,a\n\"2\"x,b\n3,c\n", "new": true}`, `["2","4"]`},
				{"job", `{"text": "id,name\n1,a\n9,bad\n3,c\n"}`, unknown},
				{"job", `{"text": "id,name\n1,a\n9,bad\n2,b\n3,c\n4,d\n"}`, ``},
				{"parts", `{"parts": ["id,name\n1,a\n2,b\n", "id,name\n3,c\n4,d\n"]}`, ``},
				{"parts", `{"parts": ["id,name\n1,bad\n", "id,name\n2,b\n3,c\n"]}`, `["4"]`},
				{"parts", `{"parts": ["id,name\n\"1\"x,b\n", "id,name\n2,b\n3,c\n"]}`, unknown},
				{"parts", `{"parts": ["id,name\n\"1\"x,b\n", "id,name\n2,b\n3,c\n"], "new": true}`, `["1","4"]`},
				{"parts", `{"parts": ["id,name\n1,a\n", "id,name\n2,b\n3,c\n"]}`, `["4"]`},
			} {
				j := w.Do(c.typ, c.payload)
				got := strings.NewReplacer("{}", "", "[]", "").Replace(string(j.Result))
				if j.Error != nil {
					got = j.Error.Message
				}
				if !strings.Contains(got, c.want) || c.want == "" && got != "" {
					t.Errorf("%s: got %s, want %s", c.payload, got, c.want)
				}
			}
		})
	}
}

// What is rejected behind a scan that was left, or taken back by a catch, is of any source.
func TestScansThatAreLeftHideNoRejects(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]string{
		"left":       "for r in records.changed(\"a\", rows, key = \"id\", whole = True):\n        break",
		"taken back": "catch(lambda: db.upsert(\"nowhere\", records.changed(\"a\", rows, key = \"id\", whole = True), key = [\"id\"]))",
	} {
		w := world.New(t)
		w.Script("job", `
job(rejects = "all", retry = retry(max = 1))
def consume(ctx, item):
    rows = [{"id": "1"}, {"id": "2"}]
    if item["again"]:
        `+strings.ReplaceAll(left, "\n    ", "\n        ")+`
        list(records.changed("b", rows, key = "id", whole = True))
        reject(rows[0], "no")
        rows = rows[1:]
    list(records.changed("c", rows, key = "id", whole = True))
    return [m["key"] for m in records.missing("c", max_missing = "all")]
`)
		for _, payload := range []string{`{"again": false}`, `{"again": true}`} {
			if j := w.Do("job", payload); string(j.Result) != `[]` {
				t.Errorf("%s, %s: got %s %+v", name, payload, j.Result, j.Error)
			}
		}
	}
}

func TestARunIsTheJobWithItsItems(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("parts", `
load("lib/check.star", "fails")
job(retry = retry(max = 1))
def produce(ctx):
    for part in ctx.payload:
        ctx.emit(part)

def consume(ctx, item):
    if item == "fails":
        error("no")
    if type(item) == "list" and len(item) == 1:
        ctx.emit(item[0])  # an item of an item
        return
    list(records.changed("s", [{"id": i} for i in item], key = "id", whole = True))

def finish(ctx, summary):
    def missing():
        return sorted([m["key"] for m in records.missing("s", max_missing = "all")])
    if summary.failed:
        fails("1 items of this job were not completed", missing)
        return "unknown"
    if summary.total and ctx.payload[0] != "top":
        return missing()
`)
		for _, c := range []struct{ payload, want string }{
			{`[[1, 2], [3, 4], [[5, 6]]]`, `[]`},
			{`[[1, 2], [3, 7]]`, `[4,5,6]`},
			{`[[1, 2], "fails"]`, `"unknown"`},
		} {
			if j := w.Do("parts", c.payload); string(j.Result) != c.want {
				t.Errorf("%s: got %s %+v, want %s", c.payload, j.Result, j.Error, c.want)
			}
		}
	})
}

func TestARetriedJobTakesItsRowsAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("rows", `
def consume(ctx, item):
    given = []
    for rows in ctx.batches(records.changed("s", [{"id": i, "n": item} for i in range(5)], key = "id"), 2):
        given += [r["id"] for r in rows]
    return given
`)
	first := completes(t, w, "rows", "1")
	if string(first.Result) != "[0,1,2,3,4]" {
		t.Fatalf("got %s", first.Result)
	}
	if err := w.Store.Retry(t.Context(), first.ID, engine.RetryOptions{Fresh: true}); err != nil {
		t.Fatal(err)
	}
	w.Run()
	if j := w.Job(first.ID); string(j.Result) != "[0,1,2,3,4]" {
		t.Errorf("the retry gave %s", j.Result)
	}
	if j := completes(t, w, "rows", "1"); string(j.Result) != "[]" {
		t.Errorf("another job is given %s", j.Result)
	}
	if j := completes(t, w, "rows", "2"); string(j.Result) != "[0,1,2,3,4]" {
		t.Errorf("with other content it is given %s", j.Result)
	}
}

// Two jobs that look, create and link at once create each row once.
func TestTwoJobsLinkARowOnce(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		w.Script("tables", `
def consume(ctx, item):
    db.ensure("made", {"id": "text", "job": "integer"})
`)
		completes(t, w, "tables", "null")
		w.Script("link", `
job(slots = {"consume": 4})
def consume(ctx, item):
    for keys in ctx.batches(range(300), 50):
        found = records.ids("s", keys)
        for i, key in enumerate(keys):
            if found[i] == None:
                db.insert("made", [{"id": str(key), "job": ctx.id}])
                records.link("s", key, "%d of %d" % (key, ctx.id))
`)
		for range 4 {
			w.Enqueue(engine.NewJob{Type: "link"})
		}
		w.Run()
		for _, j := range w.Jobs() {
			if j.Status != engine.StatusCompleted {
				t.Errorf("job %d is %s: %+v", j.ID, j.Status, j.Error)
			}
		}
		if got := w.Query("SELECT COUNT(*), COUNT(DISTINCT id) FROM made"); got != "300|300\n" {
			t.Errorf("got %s", got)
		}
	})
}
