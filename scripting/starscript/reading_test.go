package starscript_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// A rejected row says where it comes from, however the script gets at it, and
// says nothing where that is not sure.
func TestRejectsKnowTheirLine(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "n\n1\nx\n3\ny\n5\n")
	w.File("data/long.csv", "n\n"+strings.Repeat("1\n", 9000)+"x\n"+strings.Repeat("1\n", 100))
	w.File("data/n2.csv", "n\n1\nx\n3\ny\n5\n")
	w.File("data/m.csv", "m\n1\n\n2\n")
	w.File("data/n.jsonl", "{\"n\": \"1\"}\n\n{\"n\": \"x\"}\n{\"n\": \"y\"}\n")
	w.File("data/n.xml", "<a>\n<n>1</n>\n<n>x</n>\n\n<n>y</n>\n</a>")
	const csv = "x data/n.csv:3, y data/n.csv:5"
	for _, c := range []struct{ name, body, want string }{
		{"rows", `for r in csv.read("data/n.csv"): good(r)`, csv},
		{"another row than was read", `for r in csv.read("data/n.csv"): good({"n": r["n"]})`, csv},
		{"batches", `for rows in ctx.batches(csv.read("data/n.csv"), 2): [good(r) for r in rows]`, csv},
		{"rows of a long file", `for r in csv.read("data/long.csv"): good(r)`, "x data/long.csv:9002"},
		{"batches of a long file", `for rows in ctx.batches(csv.read("data/long.csv"), 2500): [good(r) for r in rows]`, "x data/long.csv:9002"},
		{"a large batch", `for rows in ctx.batches(csv.read("data/n.csv"), 100):
        for r in rows: good(r)`, csv},
		{"batches backwards", `for rows in ctx.batches(csv.read("data/n.csv"), 100): [good(r) for r in reversed(rows)]`, "y data/n.csv:5, x data/n.csv:3"},
		{"a batch that is changed", `for rows in ctx.batches(csv.read("data/n.csv"), 100):
        rows.pop(0)
        [good(r) for r in rows]`, csv},
		{"copies in a batch", `for rows in ctx.batches(csv.read("data/n.csv"), 100): [good(dict(r)) for r in rows]`, "x data/n.csv, y data/n.csv"},
		{"iter.batch", `for rows in iter.batch(csv.read("data/n.csv"), 3): [good(r) for r in rows]`, csv},
		{"a map that is written", `csv.write("data/out.csv", iter.map(good, csv.read("data/n.csv")))`, csv},
		{"a filter before batches", `for rows in ctx.batches(iter.filter(good, csv.read("data/n.csv")), 2): pass`, csv},
		{"after a filter", `for rows in ctx.batches(iter.filter(lambda r: r["n"] > "2", csv.read("data/n.csv")), 2): [good(r) for r in rows]`, csv},
		{"groups, which are read ahead", `for k, rows in iter.group(csv.read("data/n.csv"), "n"): [good(r) for r in rows]`, "x data/n.csv, y data/n.csv"},
		{"two that are joined", `for r, s in iter.join(csv.read("data/n.csv"), csv.read("data/n2.csv"), "n"): good(r)`, "x, y"},
		{"two side by side", `for r, s in iter.zip(csv.read("data/n.csv"), csv.read("data/n2.csv")): good(r)`, "x, y"},
		{"two side by side, in batches", `for rows in ctx.batches(iter.map(lambda p: p[0], iter.zip(csv.read("data/n.csv"), csv.read("data/n2.csv"))), 2): [good(r) for r in rows]`, "x, y"},
		{"one after the other", `for r in iter.chain(csv.read("data/n.csv"), csv.read("data/m.csv")): good(r, list(r.keys())[0])`, csv},
		{"joined with a list", `for r, s in iter.join(csv.read("data/n.csv"), [{"n": "x"}], "n"): good(r)`, "x data/n.csv"},
		{"JSON lines", `for rows in ctx.batches(json.lines("data/n.jsonl"), 100): [good(r) for r in rows]`, "x data/n.jsonl:3, y data/n.jsonl:4"},
		{"XML", `for p in xml.stream("data/n.xml", "a/n"): good({"n": p.text})`, "x data/n.xml:3, y data/n.xml:5"},
		{"XML as dicts", `for rows in ctx.batches(iter.map(lambda p: {"n": p.text}, xml.stream("data/n.xml", "a/n")), 9): [good(r) for r in rows]`, "x data/n.xml:3, y data/n.xml:5"},
		{"a loop in a loop", `for m in csv.read("data/m.csv"):
        for r in csv.read("data/n.csv"):
            if m["m"] == "1": good(r if r["n"] == "x" else {"n": r["n"]})`, "x data/n.csv:3, y"},
		{"batches within batches", `for ms in ctx.batches(csv.read("data/m.csv"), 9):
        for rows in iter.batch(csv.read("data/n.csv"), 9):
            good(ms[0], "m", ["1"]); [good(r) for r in rows]`, "1 data/m.csv:2, " + csv},
		{"a list", `rows = list(csv.read("data/n.csv"))
    [good(r) for r in rows]`, "x data/n.csv, y data/n.csv"},
		{"what the script says", `for n, r in iter.enumerate(csv.read("data/n.csv")): good(r, source = "feed", line = n + 100)`, "x feed:101, y feed:103"},
		{"a line alone", `for r in csv.read("data/n.csv"): good(r, line = 7)`, "x data/n.csv:7, y data/n.csv:7"},
		{"a source alone", `for r in csv.read("data/n.csv"): good(r, source = "feed")`, "x feed, y feed"},
		{"after the loop", `for r in csv.read("data/n.csv"): last = r
    for r in csv.read("data/m.csv"): pass
    reject({"n": "x"}, "x")`, "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.Forget("job")
			w.Script("job", `
job(needs = ["files:data/*"], rejects = "all")
def good(r, name = "n", bad = ["x", "y"], **where):
    if r[name] not in bad: return r
    return reject(r, r[name], **where)
def consume(ctx, item):
    `+c.body+"\n")
			j := w.Do("job", "1")
			var got []string
			for _, r := range rejects(t, w, j.ID) {
				_, after, _ := strings.Cut(r, "} ")
				got = append(got, strings.TrimSuffix(after, " open"))
			}
			same(t, "rejects of "+end(j), c.want, strings.Join(got, ", "))
		})
	}
}

// The reason of a reject is what went wrong, without the place: reasons can be
// grouped.
func TestReasonsDoNotSayWhere(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/a (1).csv", "id,n\n1,n/a\n2\n3,n/a\n4,5\n5,n/a\n")
	w.Script("job", `
job(needs = ["files:data/*"], rejects = "all")
def consume(ctx, item):
    for rows in ctx.batches(csv.read("data/a (1).csv", on_bad = "reject"), 2):
        for r in rows:
            _, err = catch(decimal.of, r["n"])
            if err: reject(r, err if r["id"] != "5" else "no: %s!" % err.message)
`)
	j := w.Do("job", "1")
	same(t, "end", "consume completed ", end(j))
	want := map[string]string{}
	for _, r := range rejects(t, w, j.ID) {
		row, rest, _ := strings.Cut(r, "} ")
		want[row] = rest
	}
	const is = `decimal.of: "n/a" is no decimal number`
	for row, start := range map[string]string{`{"id":"1","n":"n/a"`: is, `{"id":"3","n":"n/a"`: is, `{"id":"5","n":"n/a"`: "no: " + is, `{"id":"2"`: "got 1 fields, wanted 2"} {
		line := map[byte]int{'1': 2, '2': 3, '3': 4, '5': 6}[row[7]]
		if !strings.HasPrefix(want[row], start) || strings.Contains(want[row], "while at") || !strings.HasSuffix(want[row], fmt.Sprintf(" data/a (1).csv:%d open", line)) {
			t.Errorf("%s: got %q, want %q and its line %d", row, want[row], start, line)
		}
	}
	if len(want) != 4 {
		t.Errorf("%d rejects: %v", len(want), want)
	}
}

// An error in a loop over a batch says which row it was about.
func TestAnErrorSaysWhichRowOfABatchItIsAbout(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "n\n1\n2\nx\n4\n5\n")
	for _, c := range []struct{ name, body, want string }{
		{"a loop", `for r in rows:
            int(r["n"])`, "line 4"},
		{"a list of what it makes", `db.insert("t", [{"n": int(r["n"])} for r in rows])`, "line 4"},
		{"a function", `[clean(r) for r in rows]`, "line 4"},
		{"a loop in a function, which is left by then", `load_all(rows)`, "lines 2 to 5"},
		{"a function of the library", `[decimal.of(r["n"]) for r in rows]`, "line 4"},
		{"caught and raised again", `for r in rows:
            _, err = catch(clean, r)
            if err: error(err)`, "line 4"},
		{"after a loop", `for r in rows: pass
        error("stop")`, "lines 2 to 5"},
		{"another loop", `for r in rows: pass
        for x in [1]: error("stop")`, "lines 2 to 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.Forget("job")
			w.Script("job", `
job(needs = ["files:data/*"], retry = retry(max = 1))
def clean(r): return int(r["n"])
def load_all(rows):
    for r in rows: clean(r)
def consume(ctx, item):
    for rows in ctx.batches(csv.read("data/n.csv"), 4):
        `+c.body+"\n")
			j := w.Do("job", "1")
			if j.Error == nil || strings.Count(j.Error.Message, "while at") != 1 || !strings.HasSuffix(j.Error.Message, " (while at data/n.csv, "+c.want+")") {
				t.Errorf("want %s, got %s", c.want, end(j))
			}
		})
	}
}

// A row that is rejected again in a redrive keeps its source and line, and an
// error there says which reject it is about.
func TestARedriveSaysWhichRejectsItIsAbout(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/a.csv", "id,amount\n1,5\n2,x\n3\n4,6\n5,y\n")
	w.File("data/b.csv", "id,amount\n6,z\n")
	script := func(redrive string) {
		w.Forget("job")
		w.Script("job", `
job(needs = ["files:data/*"], rejects = "all", retry = retry(max = 1))
def consume(ctx, item):
    for r in csv.read(item, on_bad = "reject"):
        _, err = catch(float, r["amount"])
        if err: reject(r, err)
def redrive(ctx, rows):
    `+redrive+"\n")
	}
	script("pass")
	w.Do("job", `"data/a.csv"`)
	w.Do("job", `"data/b.csv"`)
	for _, c := range []struct{ body, want string }{
		{`for r in rows: r["amount"]`, `key "amount" not in dict, which has "id" (while at reject 2: data/a.csv, line 4)`},
		{`for rows in ctx.batches(rows, 100):
        for r in rows: r["amount"]`, `key "amount" not in dict, which has "id" (while at reject 2: data/a.csv, line 4)`},
		{`for rows in ctx.batches(rows, 100): error("no")`, `no (while at rejects 1 to 4)`},
	} {
		script(c.body)
		done, err := w.Engine.Redrive(t.Context(), engine.RedriveRequest{Type: "job"})
		if err != nil {
			t.Fatal(err)
		}
		w.Run()
		same(t, c.body, "consume failed  error: "+c.want, end(w.Job(done.Jobs[0])))
	}
	for _, body := range []string{
		`for r in rows: reject(r, "again")`,
		`for rows in ctx.batches(rows, 3): [reject(r, "again") for r in rows]`,
		`for rows in ctx.batches(iter.map(lambda r: reject(r, "again") or r, rows), 3): pass`,
	} {
		script(body)
		done := redrive(t, w, "job")
		j := w.Job(done.Jobs[0])
		same(t, "end", "consume completed ", end(j))
		same(t, "what the job redrives", int64(4), j.Redrives.Rejects)
		same(t, "rejected again", []string{
			`{"id":"2","amount":"x"} again data/a.csv:3 open`, `{"id":"3"} again data/a.csv:4 open`,
			`{"id":"5","amount":"y"} again data/a.csv:6 open`, `{"id":"6","amount":"z"} again data/b.csv:2 open`}, rejects(t, w, j.ID))
	}
}

func TestAnItemThatIsRejectedAgainKeepsItsSource(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
def consume(ctx, item):
    if vars.get("seen") == None:
        vars.set("seen", True)
        return reject(item, "first", source = "feed.csv", line = 17)
    reject(item, "again")
`)
	w.Do("job", `{"n":1}`)
	done := redrive(t, w, "job")
	same(t, "rejected again", []string{`{"n":1} again feed.csv:17 item open`}, rejects(t, w, done.Jobs[0]))
}

// Lines that the engine finds out itself do not make rows of different inputs
// with one name the same.
func TestRowsOfStreamsAreNotTakenForOneAnother(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(rejects = "all", retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    begin = ctx.position or 0
    for n in range(begin, 3):
        for r in csv.read(["n", "bad %d" % n], on_bad = "reject"): reject(r, "no")
        for r in csv.read(["a,b", "odd %d" % n], on_bad = "reject"): pass
        ctx.checkpoint(n + 1)
        if ctx.attempt == 1 and n == 0: error("stop")
`)
	j := w.Do("job", "1")
	same(t, "end", "consume completed ", end(j))
	same(t, "rejects", 6, len(rejects(t, w, j.ID)))
}

// An error about a row that is written as it is read says where it is, though no loop
// of the script goes through the rows.
func TestAnErrorSaysWhichRowOfALazyPipelineItIsAbout(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("data/n.csv", "id,n\n1,1\n2,\"2\n\"\n3,x\n4,4\n5,5\n")
	w.File("data/long.csv", "id,n\n"+strings.Repeat("1,1\n", 9000)+"x,1\n"+strings.Repeat("1,1\n", 9000))
	w.File("data/m.csv", "m\n1\n2\n")
	w.File("data/n.jsonl", "{\"id\": 1, \"n\": \"1\"}\n\n{\"id\": 2, \"n\": \"x\"}\n")
	for _, c := range []struct{ name, body, want string }{
		{"a conversion", `db.bulk("t", iter.map(clean, csv.read("data/n.csv")))`, "data/n.csv, line 5"},
		{"a lambda, behind a filter", `db.upsert("t", iter.map(lambda r: {"id": int(r["id"]), "n": int(r["n"].strip())}, iter.filter(lambda r: r["id"] > "1", csv.read("data/n.csv"))), key = ["id"])`, "data/n.csv, line 5"},
		{"a function of the library", `db.insert("t", iter.map(lambda r: {"id": int(r["id"]), "n": decimal.of(r["n"])}, csv.read("data/n.csv")))`, "data/n.csv, line 5"},
		{"a file that is written", `csv.write("data/out.csv", iter.map(clean, csv.read("data/n.csv")))`, "data/n.csv, line 5"},
		{"in a loop over another file", `for m in csv.read("data/m.csv"): db.bulk("t", iter.map(clean, csv.read("data/n.csv")))`, "data/n.csv, line 5"},
		{"caught", `_, err = catch(db.bulk, "t", iter.map(clean, csv.read("data/n.csv")))
    error(err.message)`, "data/n.csv, line 5"},
		{"JSON lines", `db.insert("t", iter.map(clean, json.lines("data/n.jsonl")))`, "data/n.jsonl, line 3"},
		{"a column that cannot hold it", `db.bulk("t", csv.read("data/n.csv"))`, "data/n.csv, line 5"},
		{"inserted", `db.insert("t", csv.read("data/n.csv"))`, "data/n.csv, line 5"},
		{"merged", `db.merge("t", iter.map(lambda r: {"id": int(r["id"]), "n": int(r["n"].strip()) if r["id"] != "3" else "?"}, csv.read("data/n.csv")), key = ["id"])`, "data/n.csv, line 5"},
		{"a row that is left out", `db.insert("t", iter.map(lambda r: None if r["id"] == "2" else {"id": int(r["id"]), "n": r["n"]}, csv.read("data/n.csv")))`, "data/n.csv, line 5"},
		{"no row of a table", `db.insert("t", iter.map(lambda r: r["n"], csv.read("data/n.csv")))`, "data/n.csv, line 2"},
		{"a value of no column", `db.insert("t", iter.map(lambda r: {"id": int(r["id"]), "n": [] if r["id"] == "3" else 1}, csv.read("data/n.csv")))`, "data/n.csv, line 5"},
		{"one of many", `db.upsert("t", iter.map(lambda r: {"id": r["id"], "n": 1}, csv.read("data/long.csv")), key = ["id"])`, "data/long.csv, line 9002"},
		{"a list, which is read", `db.insert("t", list(csv.read("data/n.csv")))`, ""},
		{"read ahead", `db.insert("t", iter.map(lambda g: {"id": 1, "n": g[0]}, iter.group(csv.read("data/n.csv"), "n")))`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.Forget("job")
			w.Script("job", `
job(needs = ["files:data/*"], retry = retry(max = 1))
def clean(r): return {"id": int(r["id"]), "n": int(r["n"].strip())}
def consume(ctx, item):
    db.ensure("t", {"id": "integer", "n": "integer"}, key = ["id"])
    `+c.body+"\n")
			j := w.Do("job", "1")
			if j.Error == nil {
				t.Fatal("it did not fail")
			}
			want, n := "", 0
			if c.want != "" {
				want, n = " (while at "+c.want+")", 1
			}
			if strings.Count(j.Error.Message, "while at") != n || !strings.HasSuffix(j.Error.Message, want) {
				t.Errorf("want %q, got %s", want, end(j))
			}
		})
	}
}

func TestDecimalsAreExactInStatements(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(retry = retry(max = 1))
def consume(ctx, item):
    db.ensure("m", {"id": "integer", "b": "decimal(30,10)", "name": "text"}, key = ["id"])
    db.insert("m", [{"id": 1, "b": decimal.of("12345678901234567890.0123456789"), "name": decimal.of("1.50")}])
    step = decimal.of("0.0000000001")
    for i in range(3):
        db.exec("UPDATE m SET b = b + ? WHERE b - ? < ?", step, step, decimal.of("12345678901234567890.0123456791"))
    long = decimal.of(1) / 3000
    wide = 10000000000000000000000
    return [
        db.value("SELECT b FROM m"), db.value("SELECT COUNT(*) FROM m WHERE b + ? = ?", step, decimal.of("12345678901234567890.0123456793")),
        db.value("SELECT ?", long), db.value("SELECT ? - 1", wide), db.value("SELECT ? + ?", decimal.of("0.10"), decimal.of("0.20")),
        db.value("SELECT COUNT(*) FROM m WHERE name = ?", decimal.of("1.50")),
        db.value("SELECT ?", decimal.of("9" * 35 + "." + "9" * 31)),
        catch(db.value, "SELECT ?", decimal.of("9" * 66))[1].message,
        decimal.of("-12.50").scale,
    ]
`)
	j := w.Do("job", "1")
	same(t, "results", `["12345678901234567890.0123456792",1,"0.000333333333333333333333333333",9999999999999999999999,"0.30",1,"1`+strings.Repeat("0", 35)+"."+strings.Repeat("0", 29)+
		`","db.value: value 1: a decimal of 66 digits before the point is more than databases calculate with, which is 65: give its text, if that is what is meant",2]`, string(j.Result))
}

func TestMistakesWithOperatorsAreToldWithWhatToDo(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for body, want := range map[string]string{
		`"W%04d" % 7`:            `unknown conversion %0: there are no widths and no digits: ("0000" + str(n))[-5:] fills up, math.round(x, 2) rounds`,
		`decimal.of("1") > 0`:    `decimal > int not implemented: make both decimals, as in x > decimal.of("0.50"), or compare by x.compare(0) > 0`,
		`1.5 <= decimal.of("1")`: `float <= decimal not implemented: make both decimals, as in x <= decimal.of("0.50"), or compare by x.compare(0) <= 0`,
		`d = decimal
    d.new("1")`: `decimal has no "new" (did you mean "of"?); see: dsengine docs decimal`,
		`[] > 1`: `list > int not implemented`,
	} {
		w.Forget("job")
		w.Script("job", "job(retry = retry(max = 1))\ndef consume(ctx, item):\n    "+body+"\n")
		j := w.Do("job", "1")
		if j.Error == nil || j.Error.Message != want {
			t.Errorf("%s: want %s, got %s", body, want, end(j))
		}
	}
}
