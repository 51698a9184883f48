package luascript_test

import (
	"regexp"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/dsengine/dsengine/scripting/luascript"
)

// It runs alone: it is about all scripts of the process.
func TestAScriptThatHoldsTooMuchEndsWhenMemoryIsShort(t *testing.T) {
	defer luascript.MemoryIsShort()()
	w := world.New(t)
	for name, code := range map[string]string{
		"a list":            "local t = {} for i = 1, 1e9 do t[i] = i end",
		"a dict":            "local t = {} for i = 1, 1e9 do t[\"k\" .. i] = i end",
		"lists far from 1":  "local t = {} for i = 1, 1e9 do t[i] = {} t[i][1e6] = 1 end",
		"strings":           "local t = {} for i = 1, 1e9 do t[i] = string.rep(\"x\", 1e6) end",
		"functions":         "local t for i = 1, 1e9 do local before = t t = function() return before end end",
		"a coroutine's own": "coroutine.wrap(function() local t = {} for i = 1, 1e9 do t[i] = i end end)()",
		"metatables":        "local t for i = 1, 300 do t = setmetatable({}, {t, string.rep(\"x\", 1e6)}) end while true do end",
		"coroutines":        "for i = 1, 900 do local s = string.rep(\"x\", 1e6) coroutine.create(function() return s end) end while true do end",
		"gmatch":            "local t = {} for i = 1, 300 do t[i] = string.gmatch(string.rep(\"x\", 1e6), \"x\") end while true do end",
		"lists made empty":  "local t = {} for i = 1, 1e9 do t[i] = {} t[i][1e6] = 1 t[i][1e6] = nil end",
		"in pcall":          "while true do pcall(function() local t = {} for i = 1, 1e9 do t[i] = i end end) end",
	} {
		if raceDetector && name != "a list" && name != "in pcall" { // each takes it long, and the same way
			continue
		}
		w.Lua("job", "function consume(ctx, item)\n  "+code+"\nend\n")
		j := w.Do("job", "1")
		// On a machine that is busy it may not be counted in time.
		if j.Error == nil || j.Error.Code != "limit.memory" || !regexp.MustCompile(`^consume holds more (than 4 MB|values than can be counted in time), and memory is short`).MatchString(j.Error.Message) {
			t.Errorf("%s: got %+v", name, j.Error)
		}
		w.Forget("job")
	}
	w.Lua("job", "function consume(ctx, item)\n  local n = 0 for i = 1, 1e6 do local t = {i} n = n + #t end return n\nend\n")
	if j := w.Do("job", "1"); string(j.Result) != "1000000" {
		t.Errorf("a script that holds little: %+v", j.Error)
	}
}
