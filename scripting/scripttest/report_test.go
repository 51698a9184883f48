package scripttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/coverage"
)

// reported runs a folder with a test of every status, and two files that do not
// load.
func reported(t *testing.T) *Summary {
	t.Helper()
	dir := folder(t, map[string]string{
		"x.star": "def consume(ctx, item):\n    log.info(\"at work \\x07 # é\")\n",
		"x_test.star": `def test_passes(t):
    pass

def test_fails(t):
    t.run()
    t.eq(["<a> & \"b\" # c\\d", "]]>"], 1)

def test_skipped(t):
    t.skip("# not \\ now")

def todo_test_later(t):
    pass
`,
		"y.lua":       "function consume(ctx, item) end\n",
		"y_test.lua":  "function test_of_lua(t) end\n",
		"broken.star": "job(\n",
		"two.star":    "job(evry = \"1h\")\n\ndef consume(a, b, c):\n    pass\n",
	})
	s, err := Find(Options{Jobs: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began := time.Now()
	sum := s.Summary(began, time.Since(began)+time.Second, s.Run(t.Context()))
	if len(sum.Errors) < 2 || sum.Passed != 2 || sum.Failed != 1 || sum.Skipped != 1 || sum.Todo != 1 {
		t.Fatalf("%+v", sum)
	}
	if line := sum.Line(); !strings.HasPrefix(line, "2 passed, 1 failed, 1 skipped, 1 to do; 2 files do not load in ") {
		t.Errorf("the line is %q", line)
	}
	return sum
}

// TestJSON decodes the documented form and nothing else: a field that is new is
// added here and in the README.
func TestJSON(t *testing.T) {
	t.Parallel()
	type loadError struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Message string `json:"message"`
		Via     string `json:"via"`
	}
	type failure struct {
		Message string      `json:"message"`
		Detail  string      `json:"detail"`
		File    string      `json:"file"`
		Line    int         `json:"line"`
		Via     []string    `json:"via"`
		Text    string      `json:"text"`
		Locals  [][2]string `json:"locals"`
		Inner   *struct {
			File     string      `json:"file"`
			Line     int         `json:"line"`
			Function string      `json:"function"`
			Locals   [][2]string `json:"locals"`
		} `json:"inner"`
		Crash *struct {
			What     string `json:"what"`
			Phase    string `json:"phase"`
			File     string `json:"file"`
			Line     int    `json:"line"`
			Function string `json:"function"`
		} `json:"crash"`
		More int `json:"more"`
	}
	type figures struct {
		Covered int      `json:"covered"`
		Total   int      `json:"total"`
		Percent float64  `json:"percent"`
		Missing []string `json:"missing"`
	}
	type form struct {
		StartedAt time.Time   `json:"started_at"`
		Millis    float64     `json:"ms"`
		Files     int         `json:"files"`
		Passed    int         `json:"passed"`
		Failed    int         `json:"failed"`
		Skipped   int         `json:"skipped"`
		Todo      int         `json:"todo"`
		NotRun    int         `json:"not_run"`
		Crashes   int         `json:"crashes"`
		Points    int         `json:"points"`
		Missed    int         `json:"missed"`
		LeftOut   int         `json:"left_out"`
		Errors    []loadError `json:"errors"`
		Tests     []struct {
			File     string    `json:"file"`
			Name     string    `json:"name"`
			Line     int       `json:"line"`
			Status   string    `json:"status"`
			Reason   string    `json:"reason"`
			Failures []failure `json:"failures"`
			Log      []string  `json:"log"`
			Crashes  int       `json:"crashes"`
			Points   int       `json:"points"`
			Missed   int       `json:"missed"`
			LeftOut  int       `json:"left_out"`
			Differs  []failure `json:"differs"`
			Golden   []string  `json:"golden"`
			Millis   float64   `json:"ms"`
		} `json:"tests"`
		Interrupted bool     `json:"interrupted"`
		UnderWay    []string `json:"under_way"`
		Coverage    *struct {
			figures
			Files []struct {
				File string `json:"file"`
				figures
				Hooks []struct {
					Hook string `json:"hook"`
					figures
				} `json:"hooks"`
			} `json:"files"`
		} `json:"coverage"`
	}
	var got, full form
	decode := func(raw []byte, into *form) {
		t.Helper()
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	// With a value in each field, it is in that form, and the form has no others.
	every := &Summary{}
	fill(reflect.ValueOf(every).Elem())
	raw, err := json.Marshal(every)
	if err != nil {
		t.Fatal(err)
	}
	decode(raw, &full)
	if again, _ := json.Marshal(full); string(again) != string(raw) {
		t.Errorf("the form is\n%s\nof\n%s", again, raw)
	}
	if raw, err = json.Marshal(reported(t)); err != nil {
		t.Fatal(err)
	}
	decode(raw, &got)
	if got.Millis < 1000 || got.StartedAt.IsZero() || got.Files != 2 || got.Passed != 2 || got.Failed != 1 || got.Skipped != 1 || got.Todo != 1 || got.NotRun != 0 {
		t.Errorf("the head is %+v", got)
	}
	if e := got.Errors[0]; !strings.HasSuffix(e.File, "jobs/broken.star") || e.Line != 2 || e.Message == "" {
		t.Errorf("the first error is %+v", e)
	}
	status := map[string]string{}
	for _, r := range got.Tests {
		status[r.Name] = r.Status
		if r.Name == "fails" && (r.Line != 4 || len(r.Failures) != 1 || r.Failures[0].Line != 6 || !strings.Contains(r.Failures[0].Text, "t.eq(") || len(r.Log) == 0) {
			t.Errorf("the failure is %+v", r)
		}
		if r.Name == "skipped" && r.Reason != `# not \ now` {
			t.Errorf("the reason is %q", r.Reason)
		}
	}
	if want := "map[fails:failed later:todo of_lua:passed passes:passed skipped:skipped]"; fmt.Sprint(status) != want {
		t.Errorf("%v, want %s", status, want)
	}
	// What is a list is never null, what is counted is always there.
	empty, _ := json.Marshal((&Suite{}).Summary(time.Now(), 0, nil))
	for _, want := range []string{`"errors":[]`, `"tests":[]`, `"failed":0`, `"todo":0`} {
		if !bytes.Contains(empty, []byte(want)) {
			t.Errorf("no %s in %s", want, empty)
		}
	}
	list, _ := json.Marshal((&Suite{}).List())
	if string(list) != `{"files":0,"errors":[],"tests":[]}` {
		t.Errorf("an empty list is %s", list)
	}
}

// fill gives each exported field of a value, and of what is in it, a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1.5)
	}
}

// element is XML as it was read.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e *element) attr(name string) (string, bool) {
	i := slices.IndexFunc(e.Attrs, func(a xml.Attr) bool { return a.Name.Local == name })
	if i < 0 {
		return "", false
	}
	return e.Attrs[i].Value, true
}

// junitSchema has the attributes that the schema of Ant's JUnit reports demands, and those
// that CI systems show, with the order of the elements in each.
var junitSchema = map[string]struct {
	required []string
	within   string // of these, in this order
}{
	"testsuites": {[]string{"name", "tests", "failures", "errors", "skipped", "time"}, "^(testsuite )*$"},
	"testsuite":  {[]string{"name", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time", "file"}, "^(testcase )+$"},
	"testcase":   {[]string{"name", "classname", "time", "file", "line"}, "^(skipped |error |failure )?(system-out )?$"},
	"failure":    {[]string{"message", "type"}, "^$"},
	"error":      {[]string{"message", "type"}, "^$"},
	"skipped":    {[]string{"message"}, "^$"},
	"system-out": {nil, "^$"},
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := reported(t).JUnit(&out); err != nil {
		t.Fatal(err)
	}
	var doc element
	if err := xml.Unmarshal(out.Bytes(), &doc); err != nil || !strings.HasSuffix(out.String(), "</testsuites>\n") {
		t.Fatalf("%v\n%s", err, &out)
	}
	found := map[string]*element{}
	counts := func(e *element, cases []element) {
		want := map[string]int{"tests": len(cases)}
		for _, c := range cases {
			for _, k := range c.Children {
				want[map[string]string{"failure": "failures", "error": "errors", "skipped": "skipped"}[k.XMLName.Local]]++
			}
		}
		for _, name := range []string{"tests", "failures", "errors", "skipped"} {
			if got, _ := e.attr(name); got != strconv.Itoa(want[name]) {
				t.Errorf("%s: %s=%s, there are %d", e.XMLName.Local, name, got, want[name])
			}
		}
	}
	var all []element
	var walk func(e *element)
	walk = func(e *element) {
		rule, ok := junitSchema[e.XMLName.Local]
		if !ok {
			t.Fatalf("there is an element %s", e.XMLName.Local)
		}
		for _, name := range rule.required {
			if v, ok := e.attr(name); !ok || v == "" {
				t.Errorf("%s %v has no %s", e.XMLName.Local, e.Attrs, name)
			} else if name == "time" && !regexp.MustCompile(`^\d+\.\d{3}$`).MatchString(v) || name == "timestamp" && !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`).MatchString(v) {
				t.Errorf("%s: %s=%q", e.XMLName.Local, name, v)
			}
		}
		var names string
		for i := range e.Children {
			names += e.Children[i].XMLName.Local + " "
			walk(&e.Children[i])
		}
		if !regexp.MustCompile(rule.within).MatchString(names) {
			t.Errorf("in %s there are %s", e.XMLName.Local, names)
		}
		switch e.XMLName.Local {
		case "testcase":
			name, _ := e.attr("name")
			class, _ := e.attr("classname")
			found[class[strings.LastIndex(class, "jobs."):]+" "+name] = e
		case "testsuite":
			counts(e, e.Children)
			all = append(all, e.Children...)
		}
	}
	walk(&doc)
	counts(&doc, all)
	if len(doc.Children) != 4 {
		t.Errorf("there are %d files", len(doc.Children))
	}
	fails := found["jobs.x_test fails"]
	if fails == nil || len(fails.Children) != 2 || !strings.Contains(fails.Children[0].Text, `<a> & \"b\" # c\\d`) || !strings.Contains(fails.Children[1].Text, "at work  # é") {
		t.Errorf("the failure is %+v", fails)
	}
	if line, _ := fails.attr("line"); line != "4" {
		t.Errorf("its line is %s", line)
	}
	for name, kind := range map[string]string{"jobs.x_test skipped": "skipped", "jobs.x_test later": "skipped", "jobs.broken load": "error", "jobs.two load": "error"} {
		if c := found[name]; c == nil || c.Children[0].XMLName.Local != kind {
			t.Errorf("%s: %+v, not %s", name, c, kind)
		}
	}
	if c := found["jobs.y_test of_lua"]; c == nil || len(c.Children) != 0 {
		t.Errorf("the test of Lua is %+v", c)
	}
	if c := found["jobs.two load"]; c != nil && !strings.Contains(c.Children[0].Text, "evry") {
		t.Errorf("the errors are %q", c.Children[0].Text)
	}
}

var (
	tapPlan  = regexp.MustCompile(`^1\.\.(\d+)( # .*)?$`)
	tapPoint = regexp.MustCompile(`^(ok|not ok) (\d+) - ((?:[^#\\]|\\[#\\])*?)(?: # (SKIP|TODO)(?: (.*))?)?$`)
	tapKey   = regexp.MustCompile(`^([a-z]+): (?:("(?:[^"\\]|\\.)*")|(\d+)|(fail)|(\|2))$`)
)

// tapResult is a test point.
type tapResult struct {
	ok              bool
	name, directive string
	reason          string
	block           map[string]string
}

// readTAP reads TAP by its grammar.
func readTAP(r io.Reader) (list []tapResult, err error) {
	s := bufio.NewScanner(r)
	s.Scan()
	if s.Text() != "TAP version 14" {
		return nil, fmt.Errorf("it begins with %q", s.Text())
	}
	plan := -1
	var inBlock, inText bool
	for s.Scan() {
		line := s.Text()
		last := len(list) - 1
		switch m := tapPoint.FindStringSubmatch(line); {
		case inBlock && line == "  ...":
			inBlock, inText = false, false
		case inBlock && inText:
			text, ok := strings.CutPrefix(line, "    ")
			if !ok {
				return nil, fmt.Errorf("%q is not indented", line)
			}
			list[last].block["text"] += text + "\n"
		case inBlock:
			m := tapKey.FindStringSubmatch(strings.TrimPrefix(line, "  "))
			if m == nil {
				return nil, fmt.Errorf("%q is no YAML", line)
			}
			value := m[3] + m[4]
			if m[2] != "" {
				if err := json.Unmarshal([]byte(m[2]), &value); err != nil {
					return nil, err
				}
			}
			inText = m[5] != ""
			list[last].block[m[1]] = value
		case line == "  ---" && last >= 0:
			inBlock, list[last].block = true, map[string]string{}
		case m != nil:
			if m[2] != strconv.Itoa(len(list)+1) {
				return nil, fmt.Errorf("%q has the wrong number", line)
			}
			plain := strings.NewReplacer(`\#`, "#", `\\`, `\`)
			list = append(list, tapResult{ok: m[1] == "ok", name: plain.Replace(m[3]), directive: m[4], reason: plain.Replace(m[5])})
		case tapPlan.MatchString(line) && plan < 0:
			plan, _ = strconv.Atoi(tapPlan.FindStringSubmatch(line)[1])
		case strings.HasPrefix(line, "#"):
		default:
			return nil, fmt.Errorf("%q is no TAP", line)
		}
	}
	if plan != len(list) || inBlock {
		return nil, fmt.Errorf("%d were planned, there are %d", plan, len(list))
	}
	return list, s.Err()
}

func TestTAP(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := reported(t).TAP(&out); err != nil {
		t.Fatal(err)
	}
	list, err := readTAP(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	by := map[string]tapResult{}
	for _, r := range list {
		by[r.name[strings.LastIndex(r.name, "/")+1:]] = r
	}
	for name, want := range map[string]tapResult{
		"x_test.star: passes":        {ok: true},
		"x_test.star: fails":         {},
		"x_test.star: skipped":       {ok: true, directive: "SKIP", reason: `# not \ now`},
		"x_test.star: later":         {directive: "TODO"},
		"y_test.lua: of_lua":         {ok: true},
		"broken.star: does not load": {},
		"two.star: does not load":    {},
	} {
		got, there := by[name]
		if !there || got.ok != want.ok || got.directive != want.directive || got.reason != want.reason {
			t.Errorf("%s: %+v\n%s", name, got, &out)
		}
		if hasBlock := got.block != nil; hasBlock != (!want.ok && want.directive == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	f := by["x_test.star: fails"].block
	if f["message"] != "not equal" || f["line"] != "6" || !strings.HasSuffix(f["file"], "x_test.star") || !strings.Contains(f["text"], `"]]>"`) {
		t.Errorf("the failure is %q", f)
	}
	out.Reset()
	if err := (&Suite{}).Summary(time.Now(), 0, nil).TAP(&out); err != nil {
		t.Fatal(err)
	}
	if list, err := readTAP(&out); err != nil || len(list) != 0 {
		t.Errorf("of no test: %v %v", list, err)
	}
}

// TestTheReadmeNamesEveryField of the JSON form.
func TestTheReadmeNamesEveryField(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var fields func(of reflect.Type)
	seen := map[reflect.Type]bool{}
	fields = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || seen[of] {
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			f := of.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "-" {
				continue
			}
			if name != "" && !strings.Contains(string(readme), "`"+name+"`") {
				t.Errorf("the README does not name %s.%s", of.Name(), name)
			}
			if options == "omitempty" && of != reflect.TypeFor[coverage.Report]() && !strings.Contains(string(readme), "`"+name+"`?") {
				t.Errorf("the README does not say that %s.%s may be left out", of.Name(), name)
			}
			fields(f.Type)
		}
	}
	fields(reflect.TypeFor[Summary]())
	fields(reflect.TypeFor[List]())
	if len(seen) < 9 {
		t.Errorf("only %d types were looked at", len(seen))
	}
}

// TestTheLogOfATestIsWrittenAsLogsWritesIt has values of all kinds as fields.
func TestTheLogOfATestIsWrittenAsLogsWritesIt(t *testing.T) {
	t.Parallel()
	r := results(t, Options{Jobs: folder(t, map[string]string{
		"x.star":      "def consume(ctx, item):\n    log.info(\"row\", item = {\"n\": 1}, lst = [1, {\"a\": None}], none = None, path = \"a.csv\", words = \"a <b>\", yes = True)\n    log.info(\"bare\")\n",
		"x_test.star": "def test_it(t):\n    t.run()\n    t.eq(1, 2)\n",
	})})["it"]
	if want := []string{`info  row item={"n":1} lst=[1,{"a":null}] none=null path=a.csv words="a <b>" yes=true`, "info  bare"}; !slices.Equal(r.Log, want) {
		t.Errorf("got  %q\nwant %q", r.Log, want)
	}
}
