package scripting_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/google/go-cmp/cmp"
)

// shipped loads the scripts of the jobs folder.
func shipped(t *testing.T, w *world.World) {
	t.Helper()
	r, err := scripting.Load("../jobs", scripting.Options{Files: ".."})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Errors {
		t.Error(e)
	}
	if len(r.Types) < 4 {
		t.Fatalf("got %d job types", len(r.Types))
	}
	for _, typ := range r.Types {
		if typ.Doc == "" {
			t.Errorf("%s says not what it does", typ.Name)
		}
		w.Add(typ)
	}
}

func TestTheImportersImportTheirFilesOnce(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		shipped(t, w)
		for range 2 {
			w.Run() // every importer fires when it is first seen
			for _, name := range []string{"airports", "countries", "regions"} {
				w.Do(name, "null")
			}
		}
		for _, c := range []struct{ query, want string }{
			{"SELECT count(*) FROM airports", "5210\n"},
			{"SELECT count(*) FROM countries", "248\n"},
			{"SELECT count(*) FROM regions", "3901\n"},
			{"SELECT count(*) FROM airports WHERE elevation_ft IS NULL", "176\n"},
			{"SELECT count(*) FROM airports WHERE iata_code IS NULL", "693\n"},
			{"SELECT count(*) FROM airports WHERE scheduled_service = 0", "1969\n"},
			{"SELECT name, latitude_deg, elevation_ft, continent FROM airports WHERE ident = 'CYVR'", "Vancouver International Airport|49.193901062|14|NA\n"},
			{"SELECT name FROM countries WHERE code = 'NA'", "Namibia\n"},
			{"SELECT local_code FROM regions WHERE code = 'AD-02'", "02\n"},
		} {
			if got := w.Query(c.query); got != c.want {
				t.Errorf("%s: got %q, want %q", c.query, got, c.want)
			}
		}
		var items, read int64
		for _, j := range w.Jobs() {
			if j.Error != nil {
				t.Errorf("job %d of %s: %s\n%s", j.ID, j.Type, j.Error.Message, j.Error.Backtrace)
			}
			if j.Parent != nil {
				items++
				read += j.Stats["read"]
			}
		}
		if items != 3 || read != 5210+248+3901 {
			t.Errorf("got %d items, %d rows read", items, read)
		}
	})
}

func TestTheExampleRuns(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		shipped(t, w)
		j := w.Do("example", `{"texts": ["To be, or not to be", "Be!"]}`)
		if j.Status != engine.StatusCompleted || string(j.Result) != `{"texts":2,"failed":0,"words":5}` {
			t.Fatalf("got %s %s %+v", j.Status, j.Result, j.Error)
		}
		if got := w.Query("SELECT number, word, n FROM example_words ORDER BY number, word"); got != "0|be|2\n0|not|1\n0|or|1\n0|to|2\n1|be|1\n" {
			t.Errorf("got\n%s", got)
		}
		w.Do("example", `{"texts": [7]}`)
		if done, err := w.Engine.Redrive(t.Context(), engine.RedriveRequest{Type: "example"}); err != nil || done.Rejects != 1 {
			t.Errorf("redriven: %+v, %v", done, err)
		}
		w.Run()
		if j := w.Do("example", `null`); string(j.Result) != `{"texts":2,"failed":0,"words":16}` {
			t.Errorf("without a payload: got %s %+v", j.Result, j.Error)
		}
	})
}

func TestTheImportersInLua(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		shipped(t, w)
		for i, inserted := range []int64{3901, 0} { // the second time no row has changed
			if j := w.Do("regions_changes", "null"); j.Status != engine.StatusCompleted || j.Stats["inserted"] != inserted || j.Stats["read"] != 3901 {
				t.Fatalf("run %d: got %s %v %+v", i+1, j.Status, j.Stats, j.Error)
			}
			j := w.Do("continents", "null")
			if j.Status != engine.StatusCompleted || string(j.Result) != `{"continents":7,"countries":248}` {
				t.Fatalf("run %d: got %s %s %+v", i+1, j.Status, j.Result, j.Error)
			}
		}
		for _, c := range []struct{ query, want string }{
			{"SELECT count(*), count(DISTINCT code), count(local_code) FROM region_directory", "3901|3901|3901\n"},
			{"SELECT local_code, name FROM region_directory WHERE code = 'AD-02'", "02|Canillo Parish\n"},
			{"SELECT count(*), sum(countries) FROM continents", "7|248\n"},
			{"SELECT name, longest FROM continents WHERE code = 'AF'", "Africa|Saint Helena, Ascension and Tristan da Cunha\n"},
		} {
			if got := w.Query(c.query); got != c.want {
				t.Errorf("%s: got %q, want %q", c.query, got, c.want)
			}
		}
	})
}

func TestRegionsThatAreGoneAreTakenAway(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	r, err := scripting.Load("../jobs", scripting.Options{Files: w.Files})
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range r.Types {
		typ.Settings.Retry = engine.RetryPolicy{Max: 1}
		w.Add(typ)
	}
	const head = "id,code,local_code,name,continent,iso_country,wikipedia_link,keywords\n"
	lines := make([]string, 20)
	for i := range lines {
		lines[i] = fmt.Sprintf("%d,AD-%02d,%02d,Parish %d,EU,AD,,\n", i, i, i, i)
	}
	w.File("testdata/regions.csv", head+strings.Join(lines, ""))
	if j := w.Do("regions_changes", "null"); j.Error != nil || j.Stats["inserted"] != 20 {
		t.Fatalf("got %v %+v", j.Stats, j.Error)
	}
	lines[3] = strings.Replace(lines[3], "Parish 3", "Canillo", 1)
	lines[4] = strings.Replace(lines[4], ",,\n", ",https://example.com/,\n", 1) // which is not shown
	w.File("testdata/regions.csv", head+strings.Join(lines[1:], ""))
	if j := w.Do("regions_changes", "null"); j.Error != nil || j.Stats["inserted"] != 0 || j.Stats["updated"] != 1 || j.Stats["gone"] != 1 {
		t.Fatalf("got %v %+v", j.Stats, j.Error)
	}
	if got := w.Query("SELECT count(*), min(code) FROM region_directory"); got != "19|AD-01\n" {
		t.Errorf("got %s", got)
	}
	w.File("testdata/regions.csv", head+strings.Join(lines[:5], "")) // half a file; the first one is back
	if j := w.Do("regions_changes", "null"); j.Error == nil || j.Error.Code != "records.max_missing" {
		t.Errorf("half a file: got %v %+v", j.Stats, j.Error)
	}
	if got := w.Query("SELECT count(*) FROM region_directory"); got != "20\n" {
		t.Errorf("got %s", got)
	}
}

// nordicRows are the rows in testdata/nordic.zip.
const nordicRows = 152

func TestTheWorldIsReadFromXML(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	shipped(t, w)
	for range 2 { // the second time no row is new
		if j := w.Do("world", "null"); j.Status != engine.StatusCompleted || string(j.Result) != `{"countries":248}` {
			t.Fatalf("got %s %s %+v", j.Status, j.Result, j.Error)
		}
	}
	for _, c := range []struct{ query, want string }{
		{"SELECT count(*), count(DISTINCT continent) FROM world_countries", "248|7\n"},
		{"SELECT count(*) FROM world_keywords", "259\n"},
		{"SELECT name, continent, link FROM world_countries WHERE code = 'NA'", "Namibia|AF|https://en.wikipedia.org/wiki/Namibia\n"},
		{"SELECT keyword FROM world_keywords WHERE code = 'AE' ORDER BY keyword", "UAE\nمطارات في الإمارات العربية المتحدة\n"},
	} {
		if got := w.Query(c.query); got != c.want {
			t.Errorf("%s: got %q, want %q", c.query, got, c.want)
		}
	}
}

func TestTheNordicAirportsAreReadAndBadRowsSetAside(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	shipped(t, w)
	j := w.Do("nordic", "null")
	if j.Status != engine.StatusCompleted {
		t.Fatalf("got %s %+v", j.Status, j.Error)
	}
	if s := j.Stats; s["read"] != nordicRows || s["inserted"] != nordicRows-4 || s["rejected"] != 4 || s["skipped"] != 0 {
		t.Errorf("got %v", s)
	}
	for _, c := range []struct{ query, want string }{
		{"SELECT count(*), count(DISTINCT country) FROM nordic_airports", fmt.Sprintf("%d|5\n", nordicRows-4)},
		{"SELECT airport_name, latitude, elevation_ft, municipality, country FROM nordic_airports WHERE ident = 'BIHN'", "Hornafjörður Airport|64.295601|24|Höfn|iceland\n"},
	} {
		if got := w.Query(c.query); got != c.want {
			t.Errorf("%s: got %q, want %q", c.query, got, c.want)
		}
	}
	var got []string
	err := w.Store.Rejects(t.Context(), engine.RejectFilter{}, func(r *engine.Reject) bool {
		line := int64(0)
		if r.Line != nil {
			line = *r.Line
		}
		got = append(got, fmt.Sprintf("%s:%d %s", *r.Source, line, r.Row))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`airports/denmark.csv in testdata/nordic.zip:4 {"ident":"EKCH Copenhagen Kastrup Airport","airport_name":"55,617900848389","latitude":"12,656000137329","longitude":"17","elevation_ft":"Copenhagen"}`,
		`airports/finland.csv in testdata/nordic.zip:6 "EFIV;\"Ivalo Airport;68,607299804688;27,405300140381;481;Ivalo"`,
		`airports/norway.csv in testdata/nordic.zip:8 {"ident":"ENBS","airport_name":"Båtsfjord Airport","latitude":"ukjent","longitude":"29,691400527954","elevation_ft":"490","municipality":"Båtsfjord"}`,
		`airports/sweden.csv in testdata/nordic.zip:3 {"ident":"ESDF","airport_name":"Ronneby Airport","latitude":"56,266701","longitude":"15,265","elevation_ft":"191 m","municipality":"Ronneby"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rejects (-want +got):\n%s", diff)
	}
}

func TestOnlyChangesOfAirportsAreWritten(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, w *world.World) {
		file, err := os.ReadFile("../testdata/airports.csv")
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(file), "\n")
		load := func(content string) { w.File("testdata/airports.csv", content) }
		load(string(file))
		r, err := scripting.Load("../jobs", scripting.Options{Files: w.Files})
		if err != nil {
			t.Fatal(err)
		}
		for _, typ := range r.Types {
			if typ.Name == "airports_changes" {
				typ.Settings.Retry.Max = 1
				w.Add(typ)
			}
		}
		run := func(want string) {
			t.Helper()
			j := w.Do("airports_changes", "null")
			if j.Status != engine.StatusCompleted {
				t.Fatalf("got %s %+v", j.Status, j.Error)
			}
			s := j.Stats
			if got := fmt.Sprintf("read %d, inserted %d, updated %d, unchanged %d, closed %d", s["read"], s["inserted"], s["updated"], s["unchanged"], s["closed"]); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		run("read 5210, inserted 5210, updated 0, unchanged 0, closed 0")
		run("read 5210, inserted 0, updated 0, unchanged 5210, closed 0")
		// The first airport is gone, the second has another name, the third only
		// another link.
		changed := slices.Clone(lines)
		changed[2] = strings.Replace(changed[2], "Khost International", "Khost", 1)
		changed[3] = strings.Replace(changed[3], "wikipedia", "example", 1)
		changed = slices.Delete(changed, 1, 2)
		load(strings.Join(changed, ""))
		run("read 5209, inserted 0, updated 2, unchanged 5208, closed 1")
		run("read 5209, inserted 0, updated 0, unchanged 5209, closed 0")
		if got := w.Query("SELECT ident, name, closed FROM airport_directory WHERE ident IN ('5A8', 'AF-0005') ORDER BY ident"); got != "5A8|Aleknagik / New Airport|1\nAF-0005|Khost Airport|0\n" {
			t.Errorf("got %s", got)
		}
		load(string(file))
		run("read 5210, inserted 0, updated 2, unchanged 5208, closed 0")
		if got := w.Query("SELECT count(*) FROM airport_directory WHERE closed = 0"); got != "5210\n" {
			t.Errorf("open: got %s", got)
		}
		// Half a file closes nothing.
		load(strings.Join(lines[:2000], ""))
		j := w.Do("airports_changes", "null")
		if j.Error == nil || j.Error.Code != "records.max_missing" {
			t.Errorf("half a file: got %s %+v", j.Status, j.Error)
		}
		if got := w.Query("SELECT count(*) FROM airport_directory WHERE closed = 0"); got != "5210\n" {
			t.Errorf("open after half a file: got %s", got)
		}
	})
}
