package scripting_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// A hook that waits in a function of the host, within what catches errors, ends when its
// time is over and when a person cancels the job; and one ends that takes its steps in
// what such a function calls. In each language the same comes of it.
func TestAHookThatWaitsInAFunctionIsStopped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, star, lua, want string }{
		{"time",
			"job(timeout = \"300ms\", needs = [\"http:api.example.com\"])\ndef consume(ctx, item):\n    for _ in range(1000): catch(http.get, \"http://api.example.com/\", retry = 0, timeout = \"10m\")\n",
			"job({timeout = \"300ms\", needs = {\"http:api.example.com\"}})\nfunction consume(ctx, item)\n  while true do pcall(http.get, \"http://api.example.com/\", {retry = 0, timeout = \"10m\"}) end\nend\n",
			`failed, attempt 1: timeout "timeout": consume ran longer than its timeout of 300ms`},
		{"cancel",
			"job(timeout = \"5m\", needs = [\"http:api.example.com\"])\ndef consume(ctx, item):\n    for _ in range(1000): catch(http.get, \"http://api.example.com/\", retry = 0, timeout = \"10m\")\n",
			"job({timeout = \"5m\", needs = {\"http:api.example.com\"}})\nfunction consume(ctx, item)\n  local f = coroutine.wrap(function() pcall(http.get, \"http://api.example.com/\", {retry = 0, timeout = \"10m\"}) end)\n  while true do f() end\nend\n",
			`cancelled, attempt 1`},
		{"steps",
			"job(timeout = \"5m\", steps = 200000)\ndef work(x):\n    for _ in range(100): pass\n    return x\ndef consume(ctx, item):\n    catch(list, iter.map(work, range(1000000)))\n",
			"job({timeout = \"5m\", steps = 200000})\nlocal function work(x)\n  for _ = 1, 100 do end\n  return x\nend\nfunction consume(ctx, item)\n  local rows = {}\n  for i = 1, 5000 do rows[i] = i end\n  pcall(list, iter.map(work, rows))\nend\n",
			`failed, attempt 1: limit "limit.steps": consume took more than 200000 steps: raise the setting steps, or call ctx.checkpoint() now and then`},
	} {
		for _, language := range []string{"starlark", "lua"} {
			t.Run(c.name+" in "+language, func(t *testing.T) {
				t.Parallel()
				w := world.New(t)
				entered := make(chan struct{}, 1)
				w.Host.HTTP = roundTrip(func(r *http.Request) (*http.Response, error) {
					select {
					case entered <- struct{}{}:
					default:
					}
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				if language == "lua" {
					w.Lua("job", c.lua)
				} else {
					w.Script("job", c.star)
				}
				id := w.Enqueue(engine.NewJob{Type: "job", Payload: engine.Raw("1")})
				cancelled := make(chan error, 1)
				cancelled <- nil
				if c.name == "cancel" {
					<-cancelled
					go func() {
						<-entered
						_, err := w.Store.Cancel(t.Context(), id, "enough")
						cancelled <- err
					}()
				}
				w.Run()
				if err := <-cancelled; err != nil {
					t.Fatal(err)
				}
				j := w.Job(id)
				got := fmt.Sprintf("%s, attempt %d", j.Status, j.Attempt)
				if e := j.Error; e != nil {
					got += fmt.Sprintf(": %s %q: %s", e.Kind, e.Code, neutral(e.Message))
				}
				if got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			})
		}
	}
}
