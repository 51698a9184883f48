package luascript_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// BenchmarkConsume is one call of a hook, in both languages.
func BenchmarkConsume(b *testing.B) {
	const payload = `{"id": 12345, "name": "Jane Doe", "ok": true, "tags": ["a", "b"]}`
	for _, bm := range []struct{ name, star, lua, rows string }{
		{"empty", "pass", "", ""},
		{"fields", "x = item['id'] + 1; y = item['name'].strip().lower(); z = ctx.attempt", "local x = item.id + 1 local y = item.name:match('^%s*(.-)%s*$'):lower() local z = ctx.attempt", ""},
		{"result", "return {'id': item['id'], 'ok': True}", "return {id = item.id, ok = true}", ""},
		{"steps", "n = 0\n    for i in range(100000): n += i % 7", "local n = 0 for i = 1, 100000 do n = n + i % 7 end", ""},
		{"concat", "s = ''\n    for i in range(1000): s = 'a' + 'b' + str(i)", "local s = '' for i = 1, 1000 do s = 'a' .. 'b' .. i end", ""},
		{"rows", "for r in csv.read('people.csv'): clean(r)", "for r in csv.read('people.csv') do clean(r) end", "people.csv"},
	} {
		for _, lang := range []string{"starlark", "lua"} {
			b.Run(bm.name+"/"+lang, func(b *testing.B) {
				w := world.New(b)
				if bm.rows != "" {
					var rows strings.Builder
					rows.WriteString("id,name,email,city\n")
					for i := range 10_000 {
						fmt.Fprintf(&rows, "%d,Jane Doe %d,jane%d@example.com,Springfield\n", i, i, i)
					}
					w.File(bm.rows, rows.String())
				}
				var hook engine.Hook
				if lang == "lua" {
					hook = w.Lua("job", "job({needs = {\"files:*\"}})\nfunction clean(r) return {id = tonumber(r.id), name = r.name:lower(), email = r.email, city = r.city} end\nfunction consume(ctx, item) "+bm.lua+" end\n").Hooks[engine.PhaseConsume]
				} else {
					hook = w.Script("job", "job(needs = [\"files:*\"])\ndef clean(r):\n    return {'id': int(r['id']), 'name': r['name'].lower(), 'email': r['email'], 'city': r['city']}\ndef consume(ctx, item):\n    "+bm.star+"\n").Hooks[engine.PhaseConsume]
				}
				w.Add(&engine.Type{Name: "bench", Settings: engine.Settings{Retry: engine.RetryPolicy{Max: 1}}, Hooks: map[engine.Phase]engine.Hook{
					engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
						b.ReportAllocs()
						for b.Loop() {
							if _, err := hook(c); err != nil {
								return nil, err
							}
						}
						return nil, nil
					},
				}})
				if j := w.Do("bench", payload); j.Error != nil {
					b.Fatal(j.Error)
				}
			})
		}
	}
}
