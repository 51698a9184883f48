package scripting_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/rogpeppe/go-internal/txtar"
)

// parityCase is a job, or several, in both languages. In the archive its files are
//
//	NAME.star NAME.lua            its type; NAME_x.star and NAME_x.lua are more of its types
//	NAME.jobs                     its jobs, a line each: [instance=I] [key=K] PAYLOAD; one with null if it is missing
//	NAME.sql                      what is asked of the database after all, a line each
//	NAME/...                      its files
//	NAME.want NAME.want.mariadb   what must come of it; the second one where servers say something else
type parityCase struct {
	kind, name string
	scripts    map[string][2]string // by type, in Starlark and in Lua
	jobs, sql  []string
	files      map[string]string
	want       map[string]string // by store, "" for all
}

// TestLanguagesDoTheSame runs each job of testdata/parity in Starlark and in Lua,
// on each store: results, log, errors, counts, items, values and database contents
// must be as written there. DSENGINE_TEST_UPDATE=1 writes down what Starlark does.
func TestLanguagesDoTheSame(t *testing.T) {
	t.Parallel()
	cases := parityCases(t)
	api := parityAPI(t)
	if len(cases) < 60 {
		t.Errorf("only %d cases", len(cases))
	}
	var mu sync.Mutex
	got := map[string]map[string]string{} // by store and language, by case
	t.Run("on", func(t *testing.T) {
		for i, language := range []string{"starlark", "lua"} {
			t.Run(language, func(t *testing.T) {
				world.Each(t, func(t *testing.T, w *world.World) {
					store := path.Base(t.Name())
					told := runParity(t, w, cases, i, api)
					mu.Lock()
					defer mu.Unlock()
					got[store+" "+language] = told
					if parityUpdate() {
						return
					}
					same := map[string]int{}
					for _, c := range cases {
						want := c.wanted(store)
						if language == "lua" {
							want = toCall.ReplaceAllString(toWrite.ReplaceAllString(want, "$1{$2}"), "$1{$2})")
						}
						if told[c.name] != want {
							t.Errorf("%s (%s):\ngot\n%s\nwant\n%s", c.name, c.kind, told[c.name], want)
							continue
						}
						same[c.kind]++
					}
					t.Logf("%s on %s: %d cases as they must be: %v", language, store, len(cases), same)
				})
			})
		}
	})
	if parityUpdate() {
		updateParity(t, got["sqlite starlark"], got["mariadb starlark"])
	}
}

// toWrite is what an error says to write, which each language has in its own way.
var (
	toWrite = regexp.MustCompile(`(needs = |key = )\[("[^\]]*")\]`)
	toCall  = regexp.MustCompile(`(rows, )(key = [^)]*)\)`)
)

func parityUpdate() bool { return os.Getenv("DSENGINE_TEST_UPDATE") != "" }

// wanted is what must come of the case on a store.
func (c *parityCase) wanted(store string) string {
	if own, ok := c.want[store]; ok {
		return own
	}
	return c.want[""]
}

// parityCases reads the archives.
func parityCases(t *testing.T) (cases []*parityCase) {
	t.Helper()
	archives, err := filepath.Glob("testdata/parity/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	byName := map[string]*parityCase{}
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kind := strings.TrimSuffix(filepath.Base(file), ".txtar")
		for _, f := range archive.Files {
			name, inFolder, folder := strings.Cut(f.Name, "/")
			name, ending, _ := strings.Cut(name, ".")
			base, _, _ := strings.Cut(name, "_")
			c := byName[base]
			if c == nil {
				c = &parityCase{kind: kind, name: base, scripts: map[string][2]string{}, files: map[string]string{}, want: map[string]string{}}
				byName[base] = c
				cases = append(cases, c)
			}
			if c.kind != kind {
				t.Fatalf("%s: there is a case %s of the kind %s", file, base, c.kind)
			}
			text := string(f.Data)
			pair := c.scripts[name]
			switch {
			case folder:
				c.files[inFolder] = text
			case ending == "star":
				c.scripts[name] = [2]string{text, pair[1]}
			case ending == "lua":
				c.scripts[name] = [2]string{pair[0], text}
			case ending == "jobs":
				c.jobs = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
				if c.jobs == nil {
					c.jobs = []string{}
				}
			case ending == "sql":
				c.sql = strings.Split(strings.TrimSpace(text), "\n")
			case ending == "want":
				c.want[""] = text
			case strings.HasPrefix(ending, "want."):
				c.want[strings.TrimPrefix(ending, "want.")] = text
			default:
				t.Fatalf("%s: what is %s?", file, f.Name)
			}
		}
	}
	for _, c := range cases {
		for typ, pair := range c.scripts {
			if pair[0] == "" || pair[1] == "" {
				t.Fatalf("%s: %s is in one language only", c.kind, typ)
			}
		}
		if c.want[""] == "" && !parityUpdate() {
			t.Fatalf("%s: nothing is said of what must come of %s", c.kind, c.name)
		}
		if c.jobs == nil {
			c.jobs = []string{"null"}
		}
	}
	return cases
}

// runParity runs all cases in one language, at the same time, and tells what came
// of each.
func runParity(t *testing.T, w *world.World, cases []*parityCase, language int, api http.RoundTripper) map[string]string {
	t.Helper()
	w.Host.Leaks = hostlib.LeaksWarn
	w.Host.HTTP = api
	w.Host.Secret = func(name string) (string, error) {
		switch name {
		case "token":
			return "tok-3n-s3cr3t", nil
		case "account": // text that a message of ours might have
			return `key: {"pin": "83-41-77", "type": "service"}`, nil
		}
		return "", hostlib.ErrNoSecret
	}
	told := map[string]string{}
	types := map[string]*engine.Type{}
	for _, c := range cases {
		for name, content := range c.files {
			w.File(c.name+"/"+name, content)
		}
		for _, name := range sorted(c.scripts) {
			loads, add := w.Loads, w.Script
			if language == 1 {
				loads, add = w.LoadsLua, w.Lua
			}
			source := c.scripts[name][language]
			if errs := loads(name, source); len(errs) > 0 {
				for _, e := range errs {
					told[c.name] += "does not load: " + neutral(e) + "\n"
				}
				continue
			}
			types[name] = add(name, source)
			if c.kind == "settings" {
				told[c.name] += fmt.Sprintf("%s: %s\n", name, settingsText(types[name]))
			}
		}
	}
	ids := map[engine.JobID]bool{}
	for _, c := range cases {
		if types[c.name] == nil {
			continue
		}
		for _, line := range c.jobs {
			j := engine.NewJob{Type: c.name}
			for {
				word, rest, _ := strings.Cut(line, " ")
				if instance, ok := strings.CutPrefix(word, "instance="); ok {
					j.Instance, line = instance, rest
				} else if key, ok := strings.CutPrefix(word, "key="); ok {
					j.Key, line = key, rest
				} else {
					break
				}
			}
			j.Payload = engine.Raw(line)
			ids[w.Enqueue(j)] = true
		}
	}
	w.Run()
	all := w.Jobs()
	for _, c := range cases {
		told[c.name] += tellCase(t, w, c, all, types)
	}
	return told
}

func sorted[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// settingsText is what a script's settings are, where they are set.
func settingsText(t *engine.Type) string {
	var parts []string
	v := reflect.ValueOf(t.Settings)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			parts = append(parts, fmt.Sprintf("%s=%v", v.Type().Field(i).Name, v.Field(i).Interface()))
		}
	}
	return fmt.Sprintf("%q %s", t.Doc, strings.Join(parts, " "))
}

var (
	aPlace  = regexp.MustCompile(`(jobs/[\w/]+)\.(?:star|lua)(?::\d+)*`)
	aJob    = regexp.MustCompile(`(--job|jobs retry) \d+`)
	aType   = regexp.MustCompile(`got (?:dict|list|tuple|table|float|int|number|function|builtin_function_or_method)\b`)
	aCall   = regexp.MustCompile(`(there is no argument .*|argument "\w+" is missing|takes at most \d+): [\w.]+\(.*\)`)
	wholeAs = regexp.MustCompile(`^(-?\d+)\.0$`)
)

// neutral takes out of a message what is each language's own: places, what types
// and NULL are called, how functions are; and the numbers of jobs.
func neutral(message string) string {
	message = aPlace.ReplaceAllString(message, "$1")
	message = strings.Replace(aType.ReplaceAllString(message, "got TYPE"), "wanted null,", "wanted None,", 1)
	return aJob.ReplaceAllString(aCall.ReplaceAllString(message, "$1: CALL"), "$1 N")
}

// canonical is JSON with the names of objects in order: tables of Lua have none.
func canonical(raw engine.Raw) string {
	if raw == nil {
		return "-"
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return string(raw)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(oneNumber(v)); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

// oneNumber makes 3 of 3.0: Lua has one type of numbers.
func oneNumber(v any) any {
	switch v := v.(type) {
	case json.Number:
		return json.Number(wholeAs.ReplaceAllString(v.String(), "$1"))
	case []any:
		for i := range v {
			v[i] = oneNumber(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = oneNumber(v[k])
		}
	}
	return v
}

// tellCase tells all that came of a case's jobs.
func tellCase(t *testing.T, w *world.World, c *parityCase, all []*engine.Job, types map[string]*engine.Type) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	var b strings.Builder
	number := map[engine.JobID]int{}
	scopes := map[string]engine.Scope{}
	for _, j := range all {
		if base, _, _ := strings.Cut(j.Type, "_"); base != c.name {
			continue
		}
		number[j.ID] = len(number) + 1
		fmt.Fprintf(&b, "job %d %s", number[j.ID], j.Type)
		scope := engine.Scope{Type: j.TypeID}
		if j.Instance != nil {
			fmt.Fprintf(&b, " instance=%s", *j.Instance)
			scope.Instance = *j.Instance
		}
		scopes[j.Type+" "+scope.Instance] = scope
		if j.Parent != nil {
			fmt.Fprintf(&b, " of %d", number[*j.Parent])
		}
		if j.Key != nil {
			fmt.Fprintf(&b, " key=%s", *j.Key)
		}
		fmt.Fprintf(&b, " payload=%s: %s in %s, attempt %d of %d, result %s", canonical(j.Payload), j.Status, j.Phase, j.Attempt, j.MaxAttempts, canonical(j.Result))
		if len(j.Stats) > 0 {
			fmt.Fprintf(&b, ", counts %v", j.Stats)
		}
		if j.Position != nil {
			fmt.Fprintf(&b, ", position %s", canonical(j.Position))
		}
		if j.Priority != 0 {
			fmt.Fprintf(&b, ", priority %d", j.Priority)
		}
		if j.Window != nil {
			fmt.Fprintf(&b, ", window %v", j.Window.Start.UTC())
		}
		b.WriteByte('\n')
		if e := j.Error; e != nil {
			fmt.Fprintf(&b, "  error %s %q: %s\n", e.Kind, e.Code, neutral(e.Message))
		}
		attempts, err := w.Store.Attempts(t.Context(), j.ID)
		must(err)
		for _, a := range attempts {
			if a.Failure != nil {
				fmt.Fprintf(&b, "  attempt %d of %s failed: %s %q: %s\n", a.Attempt, a.Phase, a.Failure.Kind, a.Failure.Code, neutral(a.Failure.Message))
			}
		}
		for _, line := range w.Logs(j.ID) {
			message, fields, ok := strings.Cut(line, " {")
			if ok {
				message += " " + canonical(engine.Raw("{"+fields))
			}
			fmt.Fprintf(&b, "  log %s\n", neutral(message))
		}
		must(w.Store.Rejects(t.Context(), engine.RejectFilter{Job: j.ID}, func(r *engine.Reject) bool {
			where := ""
			if r.Source != nil {
				where = " " + *r.Source
			}
			if r.Line != nil {
				where += fmt.Sprintf(":%d", *r.Line)
			}
			fmt.Fprintf(&b, "  reject%s %s: %s\n", where, canonical(r.Row), r.Reason)
			return true
		}))
	}
	for _, name := range sorted(scopes) {
		rows, err := w.Store.Variables(t.Context(), scopes[name], "")
		must(err)
		for _, r := range rows {
			if !engine.HiddenVariable(r.Name) {
				fmt.Fprintf(&b, "state of %s: %s = %s\n", strings.TrimSpace(name), r.Name, canonical(r.Value))
			}
		}
	}
	shared, err := w.Store.Variables(t.Context(), engine.Scope{}, "")
	must(err)
	for _, r := range shared {
		if base, _, _ := strings.Cut(r.Name, "."); base == c.name {
			fmt.Fprintf(&b, "var %s = %s\n", r.Name, canonical(r.Value))
		}
	}
	for _, q := range c.sql {
		fmt.Fprintf(&b, "%s\n", q)
		for _, row := range strings.Split(strings.TrimSuffix(w.Query(q), "\n"), "\n") {
			fmt.Fprintf(&b, "  %s\n", row)
		}
	}
	return b.String()
}

// updateParity writes what came of the cases into the archives.
func updateParity(t *testing.T, sqlite, mariadb map[string]string) {
	t.Helper()
	archives, _ := filepath.Glob("testdata/parity/*.txtar")
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var files []txtar.File
		flush := func(name string) {
			if name == "" {
				return
			}
			files = append(files, txtar.File{Name: name + ".want", Data: []byte(sqlite[name])})
			if mariadb[name] != sqlite[name] {
				files = append(files, txtar.File{Name: name + ".want.mariadb", Data: []byte(mariadb[name])})
			}
		}
		last := ""
		for _, f := range archive.Files {
			name, _, _ := strings.Cut(f.Name, "/")
			name, _, _ = strings.Cut(name, ".")
			name, _, _ = strings.Cut(name, "_")
			if strings.Contains(f.Name, ".want") {
				continue
			}
			if name != last {
				flush(last)
				last = name
			}
			files = append(files, f)
		}
		flush(last)
		archive.Files = files
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// parityAPI is a server on this machine, in place of api.example.com.
func parityAPI(t *testing.T) http.RoundTripper {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/people", func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("page")
		if page == "" || page == "1" {
			w.Header().Set("Link", `</people?page=2>; rel="next"`)
		}
		fmt.Fprintf(w, `{"page": "%s", "people": [{"id": 9007199254740993, "name": "Ada"}, {"id": 2, "name": null}]}`, page)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"method": r.Method, "query": r.URL.RawQuery, "body": string(body),
			"type": r.Header.Get("Content-Type"), "token": r.Header.Get("X-Token"), "auth": r.Header.Get("Authorization")})
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code := 0
		fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
		if code == 400 { // what others say stays as they say it
			fmt.Fprint(w, `{"error": "quota", "write": "keys = [1]"} by f(key = {"a": 1}), said to `+r.URL.Query().Get("by"))
			return
		}
		fmt.Fprintf(w, "this is %d", code)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host != "api.example.com" {
			return nil, errors.New("there is no host " + r.URL.Host)
		}
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host = at.Scheme, at.Host
		return server.Client().Transport.RoundTrip(out)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
