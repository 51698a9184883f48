package luascript_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/dsengine/dsengine/scripting/luascript"
)

const (
	late = "timeout: consume ran longer than its timeout of 300ms"
	many = "consume took more than 200000 steps"
)

type hostileScript struct{ name, top, code, want string }

// slowToRace are those that the race detector needs most of a minute for: long
// strings, deep stacks, many goroutines.
var slowToRace = map[string]bool{
	"pcall that tries again": true, "coroutines without end": true, "coroutines that wait": true, "coroutines within one another": true,
	"steps in pcall": true, "steps in a coroutine": true, "a string that doubles": true, "a string that is joined": true,
	"a gsub that grows": true, "bytes of a long string": true, "deep recursion of pcall": true, "values without end as arguments": true,
}

// hostile are scripts that take what they get. code is the body of consume; top
// is what comes before.
var hostile = []hostileScript{
	{"a loop without end", "", `while true do end`, late},
	{"a repeat without end", "", `repeat local x = 1 until false`, late},
	{"a goto without end", "", `::again:: goto again`, late},
	{"a for without end", "", `for i = 1, math.huge do end`, late},
	{"a for with step 0", "", `for i = 2, 1, 0 do end`, late},
	{"a for over a function without end", "", `for x in function() return 1 end do end`, late},
	{"tail calls without end", "", "local function f() return f() end\n  f()", late},
	{"two functions that call each other last", "", "local f, g\n  function f() return g() end\n  function g() return f() end\n  f()", late},
	{"a loop in pcall", "", `pcall(function() while true do end end)`, late},
	{"pcall in a loop", "", `while true do pcall(error, "x") end`, late},
	{"pcall that tries again", "", "local function f() pcall(f) while true do end end\n  f()", late},
	{"xpcall whose handler loops", "", `xpcall(function() error("x") end, function() while true do end end)`, late},
	{"catch that goes on", "", `while true do catch(function() while true do end end) end`, late},
	{"a loop in a coroutine", "", `coroutine.wrap(function() while true do end end)()`, late},
	{"a loop in pcall in a coroutine", "", `coroutine.wrap(function() pcall(function() while true do end end) end)()`, late},
	{"a coroutine that yields for ever", "", "local co = coroutine.wrap(function() while true do coroutine.yield(1) end end)\n  while true do co() end", late},
	{"coroutines without end", "", `for i = 1, 1e9 do coroutine.create(function() coroutine.yield() end) end`, "more than 1000 coroutines have not ended"},
	{"coroutines that wait", "", "local list = {}\n  for i = 1, 1e9 do list[i] = coroutine.wrap(function() coroutine.yield() end) list[i]() end", "more than 1000 coroutines have not ended"},
	{"coroutines within one another", "", "local function f() return coroutine.wrap(f)() end\n  f()", "more than 1000 coroutines have not ended"},
	{"a __index that loops", "", `return setmetatable({}, {__index = function() while true do end end}).x`, late},
	{"a __tostring that loops", "", `tostring(setmetatable({}, {__tostring = function() while true do end end}))`, late},
	{"a __concat that loops", "", `return setmetatable({}, {__concat = function() while true do end end}) .. "x"`, late},
	{"a sort that never ends", "", "local t = {}\n  for i = 1, 1e5 do t[i] = i end\n  table.sort(t, function(a, b) while true do end end)", late},
	{"a sort without an order", "", "local t = {}\n  for i = 1, 1000 do t[i] = i end\n  while true do table.sort(t, function() return true end) end", late},
	{"a gsub that calls for ever", "", `string.gsub(string.rep("x", 1e6), "x", function() while true do end end)`, late},
	{"a pattern that explodes", "", `string.find(string.rep("a", 30000), ".-.-.-.-b")`, late},
	{"a pattern that explodes in pcall", "", `pcall(string.find, string.rep("a", 30000), ".-.-.-.-b")`, late},
	{"a match that explodes", "", `string.match(string.rep("a", 30000), "(a*)*(a*)(a*)(a*)b")`, late},
	{"a gmatch that explodes", "", `for x in string.gmatch(string.rep("a", 30000), "a-a-a-a-b") do end`, late},
	{"a pattern too complex", "", `string.match(string.rep("x", 1000), string.rep("x?", 1000) .. string.rep("x", 1000))`, "it is too complex"},
	{"brackets without end", "", `while true do string.find(string.rep("(", 1e6), "%b()") end`, late},
	{"an iterator without end", "", "local n = 0\n  for x in iter.map(function() return 1 end, iter.chain(list({1, 2}))) do while true do end end", late},
	{"a callback that loops", "", `for x in iter.map(function() while true do end end, {1}) do end`, late},
	{"steps", "steps", `for i = 1, 1e9 do end`, many},
	{"steps in pcall", "steps", `for i = 1, 1e9 do pcall(function() for j = 1, 1e9 do end end) end`, many},
	{"steps in a coroutine", "steps", `coroutine.wrap(function() for i = 1, 1e9 do end end)()`, many},
	{"steps of a pattern", "steps", `string.find(string.rep("a", 3000), ".-.-.-b")`, many},
	{"a string that is repeated", "", `return #string.rep("x", 1e12)`, "is too long, at most 256 MB"},
	{"a string that doubles", "", "local s = \"x\"\n  while true do s = s .. s end", "a string of 512 MB is too long, at most 256 MB"},
	{"a string that is joined", "", "local t = {}\n  for i = 1, 100 do t[i] = string.rep(\"x\", 1e7) end\n  return #table.concat(t)", "is too long, at most 256 MB"},
	{"a gsub that grows", "", `local s = string.rep("x", 1e6) return #string.gsub(s, "x", s)`, "is too long, at most 256 MB"},
	{"a format that grows", "", `return string.format("%1000000000d", 1)`, "at most 99 are possible"},
	{"unpack of what is not there", "", `return select("#", unpack({}, 1, 1e9))`, "are too many at once"},
	{"bytes of a long string", "", `return select("#", string.byte(string.rep("x", 1e8), 1, -1))`, "are too many at once"},
	{"deep recursion", "", "local function f() return 1 + f() end\n  f()", "functions call each other more than 1000 deep"},
	{"deep recursion of metatables", "", "local t = {}\n  setmetatable(t, {__index = function(_, k) return t[k + 1] end})\n  return t[1]", "functions call each other more than 1000 deep"},
	{"deep recursion of pcall", "", "local function f() local ok, e = pcall(f) if not ok then error(e) end end\n  f()", "functions call each other more than 1000 deep"},
	{"metatables in a circle", "", "local t = {}\n  setmetatable(t, {__index = t})\n  return t.x", "too many recursions in gettable"},
	{"values without end as arguments", "", "local function f(...) return f(1, 2, 3, 4, 5, 6, 7, 8, ...) end\n  f()", "too many values at once"},
	{"a table that holds itself as data", "", "local t = {}\n  t[1] = t\n  ctx.emit(t)", "it is nested too deeply, or holds itself"},
	{"a module that is changed", "", `db.query = nil`, `"query" cannot be set: module db does not change`},
	{"a module that is changed by rawset", "", `rawset(db, "query", 1)`, `"query" cannot be set: module db does not change`},
	{"the metatable of a module", "", `setmetatable(db, {})`, "cannot be changed: module db does not change"},
	{"the metatable of strings", "", `getmetatable("").__index = {}`, `which has no "__index"`},
	{"the module string", "", `string.rep = nil`, `"rep" cannot be set: module string does not change`},
	{"a global as hidden state", "n = 0", `n = n + 1`, "globals are read-only once the script is loaded"},
	{"a new global", "", `n = 1`, "globals are read-only once the script is loaded"},
	{"a table as hidden state", "t = {n = 0}", `t.n = t.n + 1`, "is read-only once the script is loaded"},
	{"a deep table as hidden state", "t = {a = {b = {}}}", `t.a.b[1] = 1`, "is read-only once the script is loaded"},
	{"a list as hidden state", "t = {1, 2}", `table.insert(t, 3)`, "is read-only once the script is loaded"},
	{"a local table as hidden state", "local t = {}", `rawset(t, "n", 1)`, "is read-only once the script is loaded"},
	{"a key of metatables as hidden state", "c = {__n = 0}", `c.__n = c.__n + 1`, "is read-only once the script is loaded"},
	{"a class as hidden state", "Class = {}\nClass.__index = Class", `setmetatable({}, Class) Class.__index = {}`, "is read-only once the script is loaded"},
	{"a metatable as hidden state", "Class = {}\nClass.__index = Class", `getmetatable(setmetatable({}, Class)).__call = print`, "is read-only once the script is loaded"},
	{"the metatable of a table of the top level", "Class = {n = 1}\nClass.__index = Class\nlocal o = setmetatable({}, Class)", `if o.n == 1 and getmetatable(o) == Class then getmetatable(o).n = 2 end`, "is read-only once the script is loaded"},
	{"os", "", `os.exit(1)`, "there is no os in job scripts"},
	{"io", "", `io.open("/etc/passwd")`, "there is no io in job scripts: use files"},
	{"loadstring", "", `loadstring("return 1")()`, "there is no loadstring in job scripts"},
	{"collectgarbage", "", `collectgarbage()`, "there is no collectgarbage in job scripts"},
	{"getfenv", "", `getfenv(0).n = 1`, "there is no getfenv in job scripts"},
	{"require in a hook", "", `require("lib/other")`, "call require at the top level of the script"},
	{"a function that ends early", "", `ctx.fail("enough")`, "enough"},
	{"ctx.fail in pcall", "", `pcall(ctx.fail, "enough") while true do end`, "enough"},
	{"ctx.fail in a coroutine", "", `coroutine.wrap(function() pcall(ctx.fail, "enough") end)() while true do end`, "enough"},
}

func TestNoScriptTakesMoreThanItsShare(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	ids := map[string]engine.JobID{}
	hostile := slices.DeleteFunc(slices.Clone(hostile), func(c hostileScript) bool { return raceDetector && slowToRace[c.name] })
	for i, c := range hostile {
		settings := `timeout = "300ms"`
		if c.want != late {
			settings = `timeout = "5m"`
		}
		top := c.top
		if top == "steps" {
			settings, top = settings+", steps = 200000", ""
		}
		name := "job" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		w.Lua(name, top+"\njob({"+settings+", retry = retry({max = 1})})\nfunction consume(ctx, item)\n  "+c.code+"\nend\n")
		ids[c.name] = w.Enqueue(engine.NewJob{Type: name, Payload: engine.Raw("1")})
	}
	w.Lua("after", "function consume(ctx, item)\n  return 1\nend\n")
	begin := time.Now()
	w.Run()
	t.Logf("%d scripts in %s", len(hostile), time.Since(begin))
	if testing.Verbose() {
		for _, c := range hostile {
			if j := w.Job(ids[c.name]); j.FinishedAt != nil && j.StartedAt != nil {
				if d := j.FinishedAt.Sub(*j.StartedAt); d > 2*time.Second {
					t.Logf("%s: %s", c.name, d)
				}
			}
		}
	}
	for _, c := range hostile {
		j := w.Job(ids[c.name])
		if j.Error == nil || !strings.Contains(string(j.Error.Kind)+": "+j.Error.Message, c.want) {
			got := "no error"
			if j.Error != nil {
				got = fmt.Sprintf("%s: %s\n%.1500s", j.Error.Kind, j.Error.Message, j.Error.Backtrace)
			}
			t.Errorf("%s: got %s %s\nwant %s", c.name, j.Status, got, c.want)
		}
	}
	if j := w.Do("after", "1"); j.Status != engine.StatusCompleted {
		t.Errorf("a job after all these: %s %+v", j.Status, j.Error)
	}
}

// While a script goes on without end, what others do is done.
func TestOthersGoOnBesideAScriptWithoutEnd(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	endless := w.Lua("endless", `job({timeout = "5m"})
function consume(ctx, item)
  while true do pcall(string.rep, "x", 1000) end
end
`)
	other := w.Lua("other", "function consume(ctx, item)\n  return 1\nend\n")
	stuck := w.Enqueue(engine.NewJob{Type: "endless", Payload: engine.Raw("1")})
	s, err := w.Engine.NewServer(t.Context(), engine.ServerOptions{Types: []*engine.Type{endless, other}, Name: "here", Drain: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	status := func(id engine.JobID, want engine.Status) {
		t.Helper()
		for w.Job(id).Status != want {
			select {
			case err := <-ended:
				t.Fatalf("the server has ended: %v", err)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	status(stuck, engine.StatusRunning)
	for range 40 {
		status(w.Enqueue(engine.NewJob{Type: "other", Payload: engine.Raw("1")}), engine.StatusCompleted)
	}
	if j := w.Job(stuck); j.Status != engine.StatusRunning {
		t.Errorf("the one without end: %s %+v", j.Status, j.Error)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What is deep takes as long to load as the same beside each other.
func TestADeepScriptLoadsLikeAFlatOne(t *testing.T) {
	t.Parallel()
	const depth = 180 // of functions within functions, and of blocks in those
	lines := strings.Repeat("  x = {x, 2}\n", 1000)
	many := func(s string) string { return strings.Repeat(s+"\n", depth) }
	took := func(inner string) (least time.Duration) {
		source := "function consume(ctx, item)\n  local x = 1\n" + inner + "end\n"
		for range 3 {
			l := luascript.NewLoader(fstest.MapFS{"job.lua": {Data: []byte(source)}}, "jobs", &hostlib.Host{})
			begin := time.Now()
			if _, errs := l.Load("job", "job.lua"); len(errs) > 0 {
				t.Fatal(errs[0])
			}
			if d := time.Since(begin); least == 0 || d < least {
				least = d
			}
		}
		return least
	}
	for _, c := range []struct{ name, begin, end string }{
		{"blocks", "do", "end"},
		{"branches", "if x then", "end"},
		{"functions", "x = function()", "end"},
	} {
		flat, deep := took(many(c.begin+" "+c.end)+lines), took(many(c.begin)+lines+many(c.end))
		if t.Logf("%s: flat %s, deep %s", c.name, flat, deep); deep > 30*flat+time.Second {
			t.Errorf("%s: %d deep it took %s, beside each other %s", c.name, depth, deep, flat)
		}
	}
}
