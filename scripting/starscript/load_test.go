package starscript_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// load loads one script, and helper files besides.
func load(source string, helpers map[string]string) (*engine.Type, []*hostlib.LoadError) {
	files := fstest.MapFS{"job.star": {Data: []byte(source)}}
	for name, text := range helpers {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return starscript.NewLoader(files, "jobs", &hostlib.Host{}).Load("job", "job.star")
}

func TestEachMistakeIsFoundAtLoadOnItsLine(t *testing.T) {
	for _, c := range chunks(t, "testdata/load/*.star") {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, errs := load(c.source, nil)
			got := map[int]string{}
			for _, e := range errs {
				got[e.Line] += e.Message + "\n"
				if e.File != "jobs/job.star" || e.Line > 0 && e.Column < 1 {
					t.Errorf("an error without its place: %v", e)
				}
			}
			for line, want := range c.want {
				if !strings.Contains(got[line], want) {
					t.Errorf("%s:%d: got %q, want an error with %q", c.file, line, got[line], want)
				}
				delete(got, line)
			}
			for line, message := range got {
				t.Errorf("%s:%d: unexpected error: %s", c.file, line, message)
			}
		})
	}
}

const consume = "\ndef consume(ctx, item):\n    pass\n"

func TestSettingsComeThrough(t *testing.T) {
	typ, errs := load(`"""Import things.

More about it."""

job(
    {"every": "1h", "priority": 5},
    every = "15m",
    timezone = "Europe/Berlin",
    missed = "all",
    overlap = "queue",
    instances = {"acme": {"id": 9007199254740993, "every": "1m"}, "beta": {}},
    timeout = {"consume": "5m"},
    retry = retry(max = 3, first = "1s", factor = 1.5, cap = "1m", jitter = 0),
    slots = {"produce": 2, "consume": 8},
    keep = {"completed": "1d"},
    servers = ["import-*"],
    needs = ["files:in/{instance}/*.csv"],
    steps = 1e6,
)
def produce(ctx): pass
def consume(ctx, item, extra = None): pass
def fail(*args): pass
def finish(ctx, summary, **kwargs): pass
`, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	s := typ.Settings
	got := fmt.Sprint(typ.Doc, "|", s.Schedule.Every, s.Schedule.Timezone, s.Schedule.Missed, s.Schedule.Overlap, "|",
		string(s.Instances["acme"].Params), s.Instances["acme"].Schedule.Every, s.Instances["beta"].Schedule.Every, "|",
		s.Timeout, s.Retry, s.Slots, s.Priority, s.Keep, s.Servers, s.Needs, s.Steps, len(typ.Hooks))
	want := `Import things.

More about it.|15m0sEurope/Berlinallqueue|{"id":9007199254740993,"every":"1m"}1m0s 15m0s|` +
		`map[consume:5m0s] {3 1s 1.5 1m0s -1} map[produce:2 consume:8] 5 map[completed:24h0m0s] [import-*] [files:in/{instance}/*.csv] 1000000 4`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestVersionChangesWithWhateverIsLoaded(t *testing.T) {
	script := `load("lib/a.star", "a")` + consume
	version := func(script, a, b string) string {
		typ, errs := load(script, map[string]string{"lib/a.star": `load("lib/b.star", "b")` + "\n" + a, "lib/b.star": b})
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		return typ.Version
	}
	first := version(script, "a = 1", "b = 1")
	if again := version(script, "a = 1", "b = 1"); again != first {
		t.Errorf("the same files have versions %s and %s", first, again)
	}
	for _, v := range []string{version(script+" ", "a = 1", "b = 1"), version(script, "a = 2", "b = 1"), version(script, "a = 1", "b = 2")} {
		if v == first {
			t.Errorf("a change leaves the version at %s", v)
		}
	}
}

func TestHelperFiles(t *testing.T) {
	for _, c := range []struct {
		name    string
		script  string
		helpers map[string]string
		want    string // the first error; "" for none
	}{
		{"a helper gives its globals", `load("lib/a.star", "a", b = "a")` + "\njob(a, b)" + consume,
			map[string]string{"lib/a.star": `a = {"every": "1h", "retry": retry(max = 2)}`}, ""},
		{"a helper beside the script", `load("_a.star", "a")` + consume, map[string]string{"_a.star": `a = 1`}, ""},
		{"a helper that is not there", `load("lib/a.star", "a")` + consume, nil,
			"jobs/lib/a.star: there is no such file in the jobs folder"},
		{"a name that is not there", `load("lib/a.star", "b")` + consume, map[string]string{"lib/a.star": `a = 1`},
			"jobs/job.star:1:1: load: name b not found in module lib/a.star"},
		{"a job script is no helper", `load("other.star", "a")` + consume, map[string]string{"other.star": `a = 1`},
			"only helper files can be loaded"},
		{"nothing outside the folder", `load("../lib/a.star", "a")` + consume, nil, "cannot leave it"},
		{"nothing absolute", `load("/lib/a.star", "a")` + consume, nil, "cannot leave it"},
		{"only Starlark", `load("lib/a.lua", "a")` + consume, nil, "must end in .star"},
		{"no circles", `load("lib/a.star", "a")` + consume,
			map[string]string{"lib/a.star": `load("lib/b.star", "b")`, "lib/b.star": `load("lib/a.star", "a")`},
			"jobs/lib/b.star:1:1: cannot load lib/a.star: files load each other in a circle: job.star -> lib/a.star -> lib/b.star -> lib/a.star"},
		{"a mistake in a helper has its own place", `load("lib/a.star", "a")` + consume, map[string]string{"lib/a.star": "\n\na = csv.reed(1)"},
			`jobs/lib/a.star:3:9: csv has no "reed" (did you mean "read"?)`},
		{"a helper that fails has its own place", `load("lib/a.star", "a")` + consume, map[string]string{"lib/a.star": "\na = 1 // 0"},
			`jobs/lib/a.star:2:7: floored division by zero`},
		{"a function of a helper that fails has its own place", `load("lib/a.star", "a")` + "\na()" + consume, map[string]string{"lib/a.star": "\ndef a(): fail(\"no\")"},
			`jobs/lib/a.star:2:14: fail: no`},
		{"a helper that is not there, through another", `load("lib/a.star", "a")` + consume, map[string]string{"lib/a.star": "\nload(\"lib/nope.star\", \"x\")"},
			"jobs/lib/nope.star: there is no such file in the jobs folder (by way of jobs/lib/a.star:2:1, jobs/job.star:1:1)"},
		{"the whole way to an error", "load(\"lib/a.star\", \"a\")\ndef b(n):\n    return a(n)\nb(1)" + consume, map[string]string{"lib/a.star": "def a(n):\n    return n // 0"},
			"jobs/lib/a.star:2:14: floored division by zero (by way of jobs/job.star:3:13, jobs/job.star:4:2)"},
		{"job() has no place in a helper", `load("lib/a.star", "a")` + consume, map[string]string{"lib/a.star": "a = job()"},
			"job: it is called in the job's own script"},
		{"values of a helper are frozen", `load("lib/a.star", "a")` + "\na.append(1)" + consume, map[string]string{"lib/a.star": "a = []"},
			"jobs/job.star:2:9: append: cannot append to frozen list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, errs := load(c.script, c.helpers)
			got := ""
			if len(errs) > 0 {
				got = errs[0].Error()
			}
			if !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestATopLevelThatNeverEndsIsAnError(t *testing.T) {
	t.Parallel()
	const late = "the top level ran longer than 10s: what takes long belongs into a hook"
	for code, want := range map[string]string{
		"for i in range(20000000):\n    x = lambda: i\n":    "the top level took more than 20000000 steps: what takes long belongs into a hook",
		"x = [max(range(10000000)) for i in range(1000)]\n": late,
		"x = list(range(1000000000))\n":                     "range: 1000000000 numbers are too many, at most 20000000",
	} {
		_, errs := load(code+consume, nil)
		slow := len(errs) > 0 && errs[0].Message == late // a machine that does not come to the limit of steps
		if len(errs) == 0 || len(errs) > 1 && !slow || errs[0].Message != want && !slow || errs[0].Line == 0 {
			t.Errorf("%s: got %v", code, errs)
		}
	}
}

func TestLoadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to stop"))
	files := fstest.MapFS{"job.star": {Data: []byte("for i in range(1000000): pass\n" + consume)}}
	_, errs := starscript.NewLoader(files, "jobs", &hostlib.Host{Loading: ctx}).Load("job", "job.star")
	if len(errs) != 1 || errs[0].Message != "told to stop" {
		t.Errorf("got %v", errs)
	}
}

func TestARangeThatWasMadeAtLoadCanBeUsedInAHook(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", "R = range(100000)\ndef consume(ctx, item):\n    return [max(R), len([i for i in R])]\n")
	if got, want := end(w.Do("job", "1")), "consume completed [99999,100000]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAByteOrderMarkIsPassedOver(t *testing.T) {
	t.Parallel()
	if _, errs := load("\xef\xbb\xbf\"\"\"Doc.\"\"\""+consume, nil); len(errs) > 0 {
		t.Error(errs)
	}
}
