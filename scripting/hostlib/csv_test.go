package hostlib_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestWhatCSVIsReadAs(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("latin.csv", "n\xe4me;city\nJ\xfcrgen;K\xf6ln\n")
	w.File("euro.csv", "price\n5 \x80\n")
	w.File("dos.csv", "name\nJ\x81rgen\n")
	w.File("utf16le.csv", "\xff\xfea\x00,\x00b\x00\n\x001\x00,\x00\xe9\x00\n\x00")
	w.File("utf16be.csv", "\xfe\xff\x00a\x00,\x00b\x00\n\x001\x00,\x00\xe9\x00\n")
	w.File("mac.csv", "a;b\r1;2\r")
	w.File("macbig.csv", "a\r"+strings.Repeat("x", 70_000)+"\ry\r")
	w.File("half.csv", "\xff\xfea\x00\n\x001\x00\n\x00\x00\xd8\n\x00")
	w.File("odd.csv", "\xff\xfea\x00\n\x001\x00\n\x00\xe9")
	w.File("replaced.csv", "\xff\xfea\x00,\x00b\x00\n\x00\xfd\xff,\x00\x3d\xd8\x00\xde\n\x00")
	w.File("none.csv", "a,b\n\x81\x40,\x81\nx,\xa0\n")
	w.File("gb.csv", "a\n\x84\x31\xa4\x37\n")
	w.File("gbbad.csv", "a\n\x84\x31\xa4\n")
	w.File("bare16.csv", "a\x00;\x00b\x00\n\x001\x00;\x00\xe9\x00\n\x00")
	w.File("bare16be.csv", "\x00a\x00;\x00b\x00\n\x001\x00;\x00\xe9\x00\n")
	w.File("semi.csv", "id;name\n1;\"a;b,c\"\n2;x\n")
	for _, c := range []struct{ body, want string }{
		{`csv.parse("a,b\n1,2\n", quote = None)`, `[{"a":"1","b":"2"}]`},
		{`csv.parse('a,b\n"1,2"\n', quote = None)`, `[{"a":"\"1","b":"2\""}]`},
		{`csv.parse("a,b\n'1,''2','x\ny'\n", quote = "'")`, `[{"a":"1,'2","b":"x\ny"}]`},
		{`csv.parse("a,b\n1,2\n", quote = ",")`, "quote: wanted one character"},
		{`csv.parse("a\n1\n", quote = 7)`, "quote: wanted one character"},
		{`csv.parse("a,b\n 1 ,  \" 2 \" \n", trim = True)`, `[{"a":"1","b":" 2 "}]`},
		{`csv.parse("a\tb\n 1 \t\t\n", trim = True, sep = "\t", on_bad = "error")`, "line 2: got 3 fields, wanted 2"},
		{`csv.parse("a\tb\n 1 \t\"\"\n", trim = True, sep = "\t")`, `[{"a":"1","b":""}]`},
		{`csv.parse("# x\na\n#y\n1\n\"#2\"\n", comment = "#")`, `[{"a":"1"},{"a":"#2"}]`},
		{`csv.parse("Order ID, E-Mail ,Größe (cm),HTTPStatus2Code\n1,2,3,4\n", names = "snake")`, `[{"order_id":"1","e_mail":"2","große_cm":"3","http_status2_code":"4"}]`},
		{`csv.parse("Order ID, Mail \n1,2\n", names = "lower")`, `[{"order id":"1","mail":"2"}]`},
		{`csv.parse("A,a\n1,2\n", names = "lower")`, `columns 1 and 2 are both named "a"`},
		{`csv.parse("a,?\n1,2\n", names = "snake")`, "column 2 has no name"},
		{`csv.parse("a,b,c\n1,2,3\n", columns = ["c", "a"])`, `[{"c":"3","a":"1"}]`},
		{`csv.parse("a,b\n1,2\n", columns = ["bb"])`, `the text has no column "bb"`},
		{`csv.parse("a;b\n1;2\n", columns = ["b"])`, `the text has no column "b": its only column is "a;b", so the file seems to be separated by ";": csv.read(..., sep = ";")`},
		{`[hash.row(r, ["b"]) for r in csv.parse("a|b\n1|2\n")]`, `has no column "b": its only column is "a|b", so the file seems to be separated by "|": csv.read(..., sep = "|")`},
		{`list(iter.dedupe(csv.parse("a;b\n1;2\n"), "b"))`, `its only column is "a;b", so`},
		{`csv.parse("1,2\n", header = ["a", "b"], columns = ["b"])`, `[{"b":"2"}]`},
		{`csv.parse("1,2\n", header = ["a", "b"], columns = ["x"])`, `no column "x"`},
		{`csv.parse("1,2\n", header = [])`, "header: got no names"},
		{`csv.parse("1,2\n", header = False, columns = ["x"])`, "rows that are lists have no names"},
		{`csv.parse("a,b\n,-\n", nulls = ["", "-"], columns = ["b", "a"])`, `[{"b":null,"a":null}]`},
		{`csv.parse("a→b\n1→\"2→\"\n", sep = "→")`, `[{"a":"1","b":"2→"}]`},
		{`csv.parse("a\n\"x\r\ny\"\r\n")`, `[{"a":"x\r\ny"}]`},
		{`csv.parse("a,b\r1,2\r3,\"4\r\n5\n\"\r")`, `[{"a":"1","b":"2"},{"a":"3","b":"4\r\n5\n"}]`},
		{`csv.parse("a,\"x\ny\"\r1,2")`, `[{"a":"1","x\ny":"2"}]`},
		{`csv.parse("a,b\r1\r")`, `the text, line 2: got 1 fields, wanted 2`},
		{`csv.parse("a,b\r\n1,x\ry\n")`, `[{"a":"1","b":"x\ry"}]`},
		{`csv.parse("a\r1\r", line_end = "\n", header = False)`, `[["a\r1"]]`},
		{`csv.parse("a\r1\n2\r", line_end = "\r")`, `[{"a":"1\n2"}]`},
		{`csv.parse("a\r\n1\r\n", line_end = "\r\n")`, `[{"a":"1"}]`},
		{`csv.parse("a", line_end = "".join(["x"]))`, `csv.parse: line_end: got "x", wanted "\n", "\r\n" or "\r"`},
		{`list(csv.read("mac.csv", sep = ";"))`, `[{"a":"1","b":"2"}]`},
		{`[len(r["a"]) for r in csv.read("macbig.csv")]`, `[70000,1]`},
		{`csv.sniff("mac.csv")`, `{"sep":";","encoding":"utf-8","line_end":"\r"}`},
		{`list(csv.read("mac.csv", **csv.sniff("mac.csv")))`, `[{"a":"1","b":"2"}]`},
		{`csv.write("mac.csv", [{"a": 1, "b": 2}], append = True, sep = ";")`, `csv.write: the lines of mac.csv end in \r, and those that are written would in \n: write another file`},
		{`list(csv.read("half.csv"))`, `csv.read: half.csv, line 3: it has bytes that mean nothing in utf-16le; say which encoding it has`},
		{`list(csv.read("odd.csv"))`, `csv.read: odd.csv ends in the middle of a character of UTF-16: it is not complete`},
		{`list(csv.read("odd.csv", on_bad = "reject"))`, `csv.read: odd.csv ends in the middle of a character of UTF-16: it is not complete`},
		{`list(csv.read("replaced.csv"))`, `[{"a":"�","b":"😀"}]`},
		{`list(csv.read("none.csv", encoding = "windows-1252"))`, `csv.read: none.csv, line 2: it has bytes that mean nothing in windows-1252; say which encoding it has`},
		{`list(csv.read("none.csv", encoding = "shift_jis"))`, `none.csv, line 2: it has bytes that mean nothing in shift_jis`},
		{`list(csv.read("gb.csv", encoding = "gb18030"))`, `[{"a":"�"}]`},
		{`list(csv.read("gbbad.csv", encoding = "gb18030"))`, `gbbad.csv, line 2: it has bytes that mean nothing in gb18030`},
		{`csv.sniff("bare16.csv")`, `{"sep":";","encoding":"utf-16le"}`},
		{`csv.sniff("bare16be.csv")`, `{"sep":";","encoding":"utf-16be"}`},
		{`csv.parse("a\n\"x")`, `csv.parse: the text, line 2: a quote (") that is not closed`},
		{`csv.parse("a\n\"x\"y\n")`, `the text, line 2, column 3: a quote (") that is not closed, or is followed by something else than the separator`},
		{`csv.parse("a\né x\"y\n")`, `the text, line 2, column 4: a quote (") inside a field that does not begin with one`},
		{`list(csv.read("latin.csv", sep = ";", encoding = "latin-1"))`, `[{"näme":"Jürgen","city":"Köln"}]`},
		{`list(csv.read("euro.csv", encoding = "windows-1252"))`, `[{"price":"5 €"}]`},
		{`list(csv.read("dos.csv", encoding = "cp850"))`, `[{"name":"Jürgen"}]`},
		{`list(csv.read("utf16le.csv"))`, `[{"a":"1","b":"é"}]`},
		{`list(csv.read("utf16be.csv", encoding = "utf-16"))`, `[{"a":"1","b":"é"}]`},
		{`csv.sniff("semi.csv")`, `{"sep":";","encoding":"utf-8"}`},
		{`csv.sniff("latin.csv")`, `{"sep":";","encoding":"windows-1252"}`},
		{`csv.sniff("utf16be.csv")`, `{"sep":",","encoding":"utf-16be"}`},
		{`list(csv.read("latin.csv", **csv.sniff("latin.csv")))`, `[{"näme":"Jürgen","city":"Köln"}]`},
	} {
		if got := run(t, w, "return "+c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}

func TestARowOfCSVIsBounded(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("long.csv", "a\n1\n"+strings.Repeat("x", 17<<20)+"\n")
	w.File("quote.csv", "a,b\n1,2\n3,\"x\n"+strings.Repeat("x,y\n", 5<<20))
	for _, c := range []struct{ body, want string }{
		{`for r in csv.read("long.csv"): pass`, "csv.read: long.csv, line 3: it is longer than 16777216 bytes"},
		{`for r in csv.read("quote.csv"): pass`, `csv.read: quote.csv, line 3: a row that is longer than 16777216 bytes; maybe a quote (") is not closed`},
	} {
		if got := run(t, w, c.body); got != c.want {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}

func TestWhatIsWrittenAsCSVIsReadAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("has.csv", "b,a\n1,2\n")
	for _, c := range []struct{ body, want string }{
		{`rows = [{"a": "x,y", "b": "say \"hi\""}, {"a": " pad ", "b": "two\nlines"}, {"a": "", "b": "é"}]
s = csv.write("out.csv", rows)
return [s.rows, s.skipped, s.size, list(csv.read("out.csv")) == rows]`, `[3,0,47,true]`},
		{`csv.write("one.csv", [{"a": ""}, {"a": None}, {"a": "x"}])
return [r["a"] for r in csv.read("one.csv", nulls = [""])]`, `[null,null,"x"]`},
		{`csv.write("types.csv", [{"i": 12345678901234567890, "f": 1.5, "t": True, "d": time.parse("2020-01-02T03:04:05Z")}])
return files.read("types.csv")`, `"i,f,t,d\n12345678901234567890,1.5,true,2020-01-02T03:04:05Z\n"`},
		{`s = csv.write("skip.csv", [None, {"a": 1}, None])
return [s.rows, s.skipped]`, `[1,2]`},
		{`csv.write("miss.csv", [{"a": 1, "b": 2}, {"b": 3}])
return files.read("miss.csv")`, `"a,b\n1,2\n,3\n"`},
		{`csv.write("more.csv", [{"a": 1}, {"a": 1, "c": 2}])`, `csv.write: row 2 has the column "c", which the header does not: give all columns by header = [...]`},
		{`csv.write("head.csv", [{"a": 1, "b": 2}], header = ["b", "a"], sep = ";")
return files.read("head.csv")`, `"b;a\n2;1\n"`},
		{`csv.write("bare.csv", [{"a": 1}], header = False)
return files.read("bare.csv")`, `"1\n"`},
		{`csv.write("none.csv", [], header = ["a"])
return files.read("none.csv")`, `"a\n"`},
		{`csv.write("has.csv", [{"a": 4, "b": 3}], append = True)
return files.read("has.csv")`, `"b,a\n1,2\n3,4\n"`},
		{`csv.write("has.csv", [{"x": 4}], append = True)`, `row 1 has the column "x"`},
		{`csv.write("has.csv", [{"x": 4}], append = True, header = ["a", "b"])`, `has.csv has the columns b, a, not those of header`},
		{`csv.write("fresh.csv", [{"x": 4}], append = True)
return files.read("fresh.csv")`, `"x\n4\n"`},
		{`csv.write("bad.csv", [{"x": b"4"}])`, `row 1, column "x": bytes cannot be written to CSV`},
		{`csv.write("bad.csv", [{"x": [4]}])`, `row 1, column "x": got list`},
		{`csv.write("bad.csv", {"x": 4})`, `put a single row into a list`},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}

// rejected runs a script that reads text with on_bad = "reject", and gives the
// ids that it got and what was set aside: line, reason, row.
func rejected(t *testing.T, text, options string) (rows, set string, j *engine.Job) {
	t.Helper()
	w := world.New(t)
	w.File("a.csv", text)
	w.Script("job", `job(needs = ["files:*"], rejects = "all")
def consume(ctx, item):
    return [list(r.values()) if type(r) == "dict" else r for r in csv.read("a.csv", on_bad = "reject"`+options+`)]
`)
	j = w.Do("job", "1")
	if j.Error != nil {
		return "", j.Error.Message, j
	}
	err := w.Store.Rejects(t.Context(), engine.RejectFilter{}, func(r *engine.Reject) bool {
		set += fmt.Sprintf("%s:%d %s\n", *r.Source, *r.Line, r.Row)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(j.Result), set, j
}

func TestBadLinesOfJSONAreSetAside(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("a.jsonl", "{\"a\":1}\n{\"a\":\n\n\xff\n7\n8 9")
	w.File("latin.jsonl", "\"\xe9\"\n\"\n")
	w.File("latin.json", "[\"\xe9\"]")
	w.Script("job", `job(needs = ["files:*"], rejects = "all")
def consume(ctx, item):
    return [list(json.lines("a.jsonl", on_bad = "reject")), list(json.lines("latin.jsonl", encoding = "latin-1", on_bad = "reject")), list(json.stream("latin.json", "$[*]", encoding = "latin-1"))]
`)
	w.Lua("lua", `job({needs = {"files:*"}, rejects = "all"})
function consume(ctx, item) return list(json.lines("a.jsonl", {on_bad = "reject"})) end
`)
	if j := w.Do("job", "1"); string(j.Result) != `[[{"a":1},7],["é"],["é"]]` {
		t.Errorf("got %s, %+v", j.Result, j.Error)
	}
	if j := w.Do("lua", "1"); string(j.Result) != `[{"a":1},7]` {
		t.Errorf("got %s, %+v", j.Result, j.Error)
	}
	set := ""
	err := w.Store.Rejects(t.Context(), engine.RejectFilter{}, func(r *engine.Reject) bool {
		set += fmt.Sprintf("%s:%d %s %s\n", *r.Source, *r.Line, r.Row, r.Reason)
		return true
	})
	const bad = "a.jsonl:2 \"{\\\"a\\\":\" column 6: it ends too early (json.syntax)\na.jsonl:4 {\"_text\":\"\ufffd\",\"_bytes\":\"/w==\"} it is not UTF-8; say which encoding it has, such as encoding = \"windows-1252\" (file.encoding)\na.jsonl:6 \"8 9\" column 4: more than one value (json.syntax)\n"
	if want := bad + "latin.jsonl:2 \"\\\"\" column 2: it ends too early (json.syntax)\n" + bad; err != nil || set != want {
		t.Errorf("got\n%s%v, want\n%s", set, err, want)
	}
}

func TestBadRowsAreSetAside(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, options, rows, set string }{
		{"ragged", "a,b\n1,2\n3\n4,5,6,7\n8,9\n", "", `[["1","2"],["8","9"]]`,
			"a.csv:3 {\"a\":\"3\"}\na.csv:4 {\"a\":\"4\",\"b\":\"5\",\"_more\":[\"6\",\"7\"]}\n"},
		{"columns", "a,b\n1,2\n3\n", `, columns = ["b"]`, `[["2"]]`, "a.csv:3 {\"a\":\"3\"}\n"},
		{"lists", "1,2\n3\n", `, header = False`, `[["1","2"]]`, "a.csv:2 [\"3\"]\n"},
		{"no text", "\xff\xfea\x00\n\x00\x00\xd8x\x00\n\x001\x00\n\x00", "", `[["1"]]`, "a.csv:2 {\"_text\":\"\ufffdx\",\"_bytes\":\"ANh4AA==\"}\n"},
		{"no text in windows-1252", "a,b\r\n1,\"x\r\n\x81\"\r\n1,\x80\r\n", `, encoding = "windows-1252"`, `[["1","€"]]`, "a.csv:2 {\"_text\":\"1,\\\"x\\r\\n\ufffd\\\"\",\"_bytes\":\"MSwieA0KgSI=\"}\n"},
		{"lines that end in \\r", "a,b\r1,2\r3,\"x\r4,5\r6\r", "", `[["1","2"],["4","5"]]`, "a.csv:3 \"3,\\\"x\"\na.csv:5 {\"a\":\"6\"}\n"},
		{"a quote within", "a,b\n1,x\"y\n2,z\n", "", `[["2","z"]]`, `a.csv:2 "1,x\"y"` + "\n"},
		{"a quote that is not closed", "a,b\n1,\"x\n2,y\n3,\"z\"\n", "", `[["2","y"],["3","z"]]`, `a.csv:2 "1,\"x"` + "\n"},
		{"at the end", "a,b\n1,x\n2,\"y\n3,z", "", `[["1","x"],["3","z"]]`, `a.csv:3 "2,\"y"` + "\n"},
		{"twice", "a,b\n1,\"x\n2,\"y\n\n3,\"z\nw\"\n", "", `[["3","z\nw"]]`, "a.csv:2 \"1,\\\"x\"\na.csv:3 \"2,\\\"y\"\n"},
		{"no text", "a,b\n1,\xff\n2,y\n", "", `[["2","y"]]`, "a.csv:2 {\"_text\":\"1,\ufffd\",\"_bytes\":\"MSz/\"}\n"},
		{"no text in the second line", "a,b\n1,\"x\n\xff\"\n2,y\n", "", `[["2","y"]]`, "a.csv:2 {\"_text\":\"1,\\\"x\\n\ufffd\\\"\",\"_bytes\":\"MSwieAr/Ig==\"}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows, set, j := rejected(t, c.text, c.options)
			if rows != c.rows || set != c.set {
				t.Errorf("got %s and\n%swant %s and\n%s", rows, set, c.rows, c.set)
			}
			if want := int64(strings.Count(c.set, "\n")); j.Stats["rejected"] != want {
				t.Errorf("got %v, want %d rejected", j.Stats, want)
			}
		})
	}
	if _, set, _ := rejected(t, "a,a\n1,2\n", ""); !strings.Contains(set, "both named") {
		t.Errorf("a bad header: got %s", set)
	}
}

func TestAnOpenQuoteLosesNoRow(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var b strings.Builder
	b.WriteString("n,text\n")
	for n := range 200_000 {
		switch {
		case n%1000 == 7:
			fmt.Fprintf(&b, "%d,\"open\n", n)
		case n > 100_000:
			fmt.Fprintf(&b, "%d,%s\n", n, strings.Repeat("x", 250)) // beyond the bound of a row
		default:
			fmt.Fprintf(&b, "%d,\"x\"\n", n)
		}
	}
	w.File("a.csv", b.String())
	w.Script("job", `job(needs = ["files:*"], rejects = "all")
def consume(ctx, item):
    n = 0
    for r in csv.read("a.csv", on_bad = "reject"): n += 1
    return n
`)
	j := w.Do("job", "1")
	if string(j.Result) != "199800" || j.Stats["rejected"] != 200 || j.Stats["read"] != 200_000 {
		t.Errorf("got %s %v %+v", j.Result, j.Stats, j.Error)
	}
}

// TestAnErrorThatAnotherAttemptWouldMeetIsNotRetried: what stands in a file before
// its last line does not change when more is written to it.
func TestAnErrorThatAnotherAttemptWouldMeetIsNotRetried(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("middle.csv", "a,b\n1\n2,3\n")
	w.File("last.csv", "a,b\n1,2\n3")
	w.File("head.csv", "a,b\n1,2\n")
	w.File("head_only.csv", "a,b")
	w.File("quote.csv", "a,b\n1,x\"y\n2,3\n")
	w.File("open.csv", "a,b\n1,\"y\n2,3\n")
	w.File("latin.csv", "a\n\xe4\n1\n")
	w.File("cut.csv", "a\n1\n\xe4")
	for _, c := range []struct {
		body  string
		retry bool
	}{
		{`list(csv.read("middle.csv"))`, false},
		{`list(csv.read("last.csv"))`, true},
		{`list(csv.read("head.csv", columns = ["c"]))`, false},
		{`list(csv.read("head_only.csv", columns = ["c"]))`, true},
		{`list(csv.read("quote.csv"))`, false},
		{`list(csv.read("open.csv"))`, true}, // the quote may be closed by what is to come
		{`list(csv.read("latin.csv"))`, false},
		{`list(csv.read("cut.csv"))`, true},
		{`list(files.lines("latin.csv"))`, false},
		{`list(files.lines("cut.csv"))`, true},
		{`csv.parse("a,b\n1\n2,3\n")`, true}, // where the text comes from is not known
		{`list(csv.read("none.csv"))`, true},
		{`re.compile("(")`, false},
		{`"x".uper()`, false},
		{`"x".items()`, false},                     // nothing was given that may be otherwise
		{`[state.get("x"), "x"][1].items()`, true}, // a dict has it, and may come next time
		{`[state.get("x"), "x"][1].path`, true},
		{`[state.get("x"), "x"][1].uper()`, false},
		{`state.get("x").uper`, true},
	} {
		got := run(t, w, `return "%s" % catch(lambda: `+c.body+`)[1].retryable`)
		if want := map[bool]string{true: "True", false: "False"}[c.retry]; !strings.Contains(got, want) {
			t.Errorf("%s: retryable is %s, want %s", c.body, got, want)
		}
	}
}

// A file without a header is likely one whose upload was cut off.
func TestAnEmptyFileIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("empty.csv", "")
	w.File("head.csv", "a,b\n")
	for i, c := range []struct{ call, want string }{
		{`csv.read("empty.csv")`, "warn csv.read: empty.csv is empty, and has not even a header"},
		{`csv.read("head.csv")`, ""},
		{`csv.read("empty.csv", header = False)`, ""},
		{`csv.read("empty.csv", header = ["a"])`, ""},
	} {
		name := fmt.Sprintf("job%d", i)
		w.Script(name, "job(needs = [\"files:*\"])\ndef consume(ctx, item):\n    list("+c.call+")\n")
		j := w.Do(name, "1")
		if got := strings.Join(w.Logs(j.ID), "\n"); j.Status != engine.StatusCompleted || got != c.want {
			t.Errorf("%s: %s, got %q, want %q", c.call, j.Status, got, c.want)
		}
	}
}
