package scripting_test

import (
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
	"github.com/dsengine/dsengine/scripting/internal/world"
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
		if j := w.Do("example", `null`); string(j.Result) != `{"texts":2,"failed":0,"words":16}` {
			t.Errorf("without a payload: got %s %+v", j.Result, j.Error)
		}
	})
}
