package hostlib_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestJSONValues(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Patience = 10 * time.Minute // with the race detector on a slow machine
	deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	w.File("deep.json", `{"items": [1, [`+deep+`]]}`)
	_, longest, _ := hostlib.Bounds()
	w.File("long.json", `{"skipped": [`+strings.Repeat(`"`+strings.Repeat("x", 1000)+`",`, longest/900)+`1], "items": [1, "`+strings.Repeat("x", longest+1<<20)+`"]}`)
	for _, c := range []struct{ body, want string }{
		{`x = json.decode('{"a": {"b": [1, {"c": null, "d.e": 2}]}}')
return [json.get(x, p, "no") for p in ["a.b[0]", "a.b[1].c", "a.b[1]['d.e']", "$.a.b[0]", "a.b[2]", "a.x.y", "a.b.c", "a[0]", "a.b[1].c.d"]]`, `[1,null,2,1,"no","no","no","no","no"]`},
		{`return [json.get([[7]], "[0][0]"), json.get({"a": 1}, "b"), json.get((1, 2), "[1]")]`, `[7,null,2]`},
		{`return json.get({"a": 1}, "a[*]")`, `"a[*]" has a *, but it is to lead to one value`},
		{`return json.get({"a": 1}, "")`, `has no name after a dot`},
		{`return json.get(iter.take([1], 1), "[0]", "no")`, `"no"`},
		{`return json.decode('[123456789012345678901234567890, 1e2, -0.5]')`, `[123456789012345678901234567890,100.0,-0.5]`},
		{`x = json.decode('[12345678901234567.89, 1.50, 1e2, 7, {"a": [-0.1]}]', decimals = True)
return [str(x[0]), str(x[1] + x[3]), str(x[2]), str(x[4]["a"][0]), type(x[3]), json.encode(x)]`, `["12345678901234567.89","8.50","100","-0.1","int","[12345678901234567.89,1.50,100,7,{\"a\":[-0.1]}]"]`},
		{`return str(json.decode('12345678901234567.89'))`, `1.2345678901234568e+16`},
		{`return json.decode('[1e5000]', decimals = True)`, `line 1, column 8: a decimal number has at most 10000 digits`},
		{`files.write("exact.json", '{"items": [12345678901234567.89]}')
files.write("exact.jsonl", '12345678901234567.89\n')
return [str(x) for x in list(json.stream("exact.json", decimals = True)) + list(json.lines("exact.jsonl", decimals = True))]`, `["12345678901234567.89","12345678901234567.89"]`},
		{`files.write("none.json", '{"items": null, "other": 7}')
return list(json.stream("none.json"))`, `[]`},
		{`return list(json.stream("none.json", "$.other[*]"))`, `there is nothing at $.other[*]`},
		{`return len(json.decode('` + deep + `'))`, `1`},
		{`return json.encode(json.decode('` + deep + `')) == '` + deep + `'`, `true`},
		{`return json.decode('[` + deep + `]')`, `line 1, column 502: it is nested more than 500 levels deep`},
		{`return catch(json.decode, '[1, [' * 300)[1].code + json.encode(json.decode('[1, [2]]'))`, `json.syntax[1,[2]]`},
		{`for x in json.stream("deep.json"): pass`, `json.stream: deep.json, at byte 515 (in /items/1/0`},
		{`for x in json.stream("long.json"): pass`, fmt.Sprintf("an element of long.json is longer than %d bytes", longest)},
		{`s = json.write_lines("out.jsonl", [{"b": 1, "a": "é\n"}, None, 12345678901234567890])
return [s.rows, s.skipped, s.path, files.read("out.jsonl")]`, `[2,1,"out.jsonl","{\"b\":1,\"a\":\"é\\n\"}\n12345678901234567890\n"]`},
		{`json.write_lines("out.jsonl", [{"c": 2}], append = True)
return list(json.lines("out.jsonl"))[-1]`, `{"c":2}`},
		{`json.write_lines("out.jsonl", [1, len])`, `json.write_lines: row 2: a function is no data`},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%.300s: got %.300s, want %s", c.body, got, c.want)
		}
	}
}
