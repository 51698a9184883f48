package starscript_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// inHook runs f in a hook, with a real Call.
func inHook(b *testing.B, w *world.World, payload string, f func(c *engine.Call) error) {
	b.Helper()
	w.Add(&engine.Type{Name: "bench", Settings: engine.Settings{Retry: engine.RetryPolicy{Max: 1}}, Hooks: map[engine.Phase]engine.Hook{
		engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, f(c) },
	}})
	if j := w.Do("bench", payload); j.Error != nil {
		b.Fatal(j.Error)
	}
}

const smallPayload = `{"id": 12345, "name": "Jane Doe", "ok": true, "tags": ["a", "b"]}`

// BenchmarkConsume is one call of a hook that does nothing.
func BenchmarkConsume(b *testing.B) {
	for _, bm := range []struct{ name, body, payload string }{
		{"empty", "pass", `1`},
		{"small", "pass", smallPayload},
		{"fields", "x = item['id'] + 1; y = item['name'].strip().lower(); z = ctx.attempt", smallPayload},
		{"result", "return {'id': item['id'], 'ok': True}", smallPayload},
		{"count", "ctx.count('seen')", smallPayload},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := world.New(b)
			hook := w.Script("job", "def consume(ctx, item):\n    "+bm.body+"\n").Hooks[engine.PhaseConsume]
			inHook(b, w, bm.payload, func(c *engine.Call) error {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := hook(c); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

// people is a CSV file of n rows with ten columns.
func people(n int) string {
	var b strings.Builder
	b.WriteString("id,name,email,street,city,zip,country,phone,created,note\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,Jane Doe %d,jane%d@example.com,1 Long Street,Springfield,12345,US,+1 555 0100,2020-01-01T00:00:00Z,\n", i, i, i)
	}
	return b.String()
}

// BenchmarkRows reads a CSV file of ten columns; the figure is for one row.
func BenchmarkRows(b *testing.B) {
	const rows = 20_000
	for _, bm := range []struct{ name, body string }{
		{"loop", "for r in csv.read('people.csv'): pass"},
		{"clean", "for r in csv.read('people.csv'): clean(r)"},
		{"batches", "for rs in iter.batch(csv.read('people.csv'), 1000): [clean(r) for r in rs]"},
		{"emit_all", "ctx.count('n', len([r for r in iter.map(clean, csv.read('people.csv'))]))"},
		{"dedupe", "for r in iter.dedupe(csv.read('people.csv'), 'id'): pass"},
		{"encode", "for r in csv.read('people.csv'): json.encode(r)"},
		{"json lines", "for r in json.lines('people.jsonl'): pass"},
		{"json stream", "for r in json.stream('people.json'): pass"},
		{"lines", "for r in files.lines('people.csv'): pass"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := world.New(b)
			w.File("people.csv", people(rows))
			row := `{"id": 12345, "name": "Jane Doe", "email": "jane@example.com", "street": "1 Long Street", "city": "Springfield", "zip": "12345"}`
			w.File("people.jsonl", strings.Repeat(row+"\n", rows))
			w.File("people.json", `{"items": [`+row+strings.Repeat(",\n"+row, rows-1)+`]}`)
			hook := w.Script("job", "job(needs = ['files:*'])\ndef clean(r):\n    return {'id': int(r['id']), 'name': r['name'].strip(), 'email': r['email'].lower(), 'city': r['city']}\n"+
				"def consume(ctx, item):\n    "+bm.body+"\n").Hooks[engine.PhaseConsume]
			inHook(b, w, "1", func(c *engine.Call) error {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					n++
					if _, err := hook(c); err != nil {
						return err
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*rows), "ns/row")
				return nil
			})
		})
	}
}

// BenchmarkImport imports a CSV file as the shipped scripts do; the figure is
// for one row.
func BenchmarkImport(b *testing.B) {
	const rows = 50_000
	w := world.New(b)
	w.File("people.csv", people(rows))
	w.Script("job", `
job(needs = ["files:*"])
def clean(r):
    r["id"] = int(r["id"])
    return r
def consume(ctx, item):
    db.ensure("people", {c: "integer" if c == "id" else "text" for c in ["id", "name", "email", "street", "city", "zip", "country", "phone", "created", "note"]}, key = ["id"])
    db.exec("DELETE FROM people")
    for batch in ctx.batches(csv.read("people.csv", nulls = [""]), 1000):
        db.upsert("people", [clean(r) for r in batch], key = ["id"])
`)
	for b.Loop() {
		if j := w.Do("job", "1"); j.Error != nil {
			b.Fatal(j.Error)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}

// BenchmarkEmit emits items, and takes them back; the figure is for one item.
func BenchmarkEmit(b *testing.B) {
	const items = 2_000
	w := world.New(b)
	hook := w.Script("job", `
def emit(ctx):
    for n in range(2000):
        ctx.emit({"id": n, "name": "Jane Doe", "tags": ["a", "b"]})
    error("take them back")
def consume(ctx, item):
    catch(emit, ctx)
`).Hooks[engine.PhaseConsume]
	inHook(b, w, "1", func(c *engine.Call) error {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			n++
			if _, err := hook(c); err != nil {
				return err
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*items), "ns/item")
		return nil
	})
}
