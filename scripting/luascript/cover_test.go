package luascript

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/coverage"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// trial runs the top level of a source, with probes or without.
type trial struct {
	steps   int64
	globals string
	err     string
	file    *coverage.File
}

func try(t *testing.T, source string, probes bool) trial {
	t.Helper()
	prepare()
	f := &file{path: "x.lua", shown: "x.lua", source: []byte(source)}
	if err := f.compile(probes, true); err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	s := &script{name: "x", file: f, files: map[string]*file{}, spare: 100_000 - loadSteps}
	s.add(f)
	r, err := s.open(&hostlib.Host{}, &hostlib.Declaration{Type: "x", Needs: &hostlib.Needs{}}, func(string) *file { return nil })
	r.account()
	r.call.Loading = t.Context()
	out := trial{steps: r.taken - r.base, file: f.counted()}
	if err != nil {
		out.err = err.Error()
		var th *thrown
		if errors.As(err, &th) && r.halt == nil { // else it may end at another step
			out.err += fmt.Sprint("\n", th.stack)
		}
	}
	for _, name := range []string{"x", "y", "reached"} {
		var v lua.LValue = lua.LNil
		if r.globals != nil {
			v = r.globals.RawGetString(name)
		}
		text := r.text(v)
		if data, err := r.Data(v); err == nil && data != nil { // all of it
			raw, _ := hostlib.EncodeJSON(data)
			text = string(raw)
		}
		out.globals += fmt.Sprintf("%s = %s\n", name, text)
	}
	return out
}

// same says how a run with probes differs from one without.
func same(t *testing.T, source string) trial {
	t.Helper()
	plain, probed := try(t, source, false), try(t, source, true)
	if probed.steps > plain.steps+plain.steps/10+2 || probed.steps < plain.steps/2 || plain.globals != probed.globals || plain.err != probed.err {
		t.Errorf("with probes it is another run:\n%s\nsteps %d, with probes %d\n--- without\n%s%s\n--- with\n%s%s",
			source, plain.steps, probed.steps, plain.globals, plain.err, probed.globals, probed.err)
	}
	return probed
}

func TestProbesChangeNothing(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"x = 1\n",
		"",
		"do end\n",
		"function f(a)\n  -- Doc.\n  if a == 0 then return 1 end\n  return 2\nend\nx = {f(0), f(1)}\n",
		"function f(a)\n  for i = 0, 9 do\n    if i == a then break end\n    if i % 2 == 1 then goto continue end\n    if i then else end\n    ::continue::\n  end\n  return a\nend\nx = {f(3), f(99)}\n",
		"function f(a, b)\n  if a and not b or b ~= 1 then elseif not (a or b) then return 0 end\n  if not a then end\n  return not b and (a and 1 or 2) or 3\nend\nx = {}\nfor _, a in ipairs({1, false}) do for _, b in ipairs({0, false, 1}) do x[#x + 1] = f(a, b) end end\n",
		"local n = 3\nwhile n > 0 do\n  n = n - 1\n  if n == 1 then break end\nend\nwhile true do n = n + 1 if n > 5 then break end end\nrepeat local m = n n = n - 1 until m < 2\nx = n\n",
		"local f = function(...) return ... end\nx = {f(1, nil, 3)}\ny = select(\"#\", f(nil, nil))\nlocal t = {a = {}}\nfunction t.a:b(v) return self == t.a and v or nil end\ny = t.a:b(5)\n",
		"x = {}\nfor k in iter.take({1, 2, 3}, 2) do x[#x + 1] = k end\nfunction f() for k in iter.take({1, 2}, 2) do return k end end\ny = f()\n",
		"function f(n) if n == 0 then return 0 end return f(n - 1) end\nx = f(5000)\n",
		"function f(x)\n  local a = {\n    x.y\n  }\n  return a\nend\nf(1)\n",
		"function f(x) return x == 0\n  and nil + 1 or 2 end\nx = f(1)\ny = f(0)\n",
		"x = {(\"a\"):rep(3), #\"ab\", -(1), [[\nlong\n]], (f or tostring)(1), 'q\\'\\\nr'} -- a comment\n--[==[ another\none ]==] y = x[1] .. x[2] .. ((x[3]))\n",
		"local f = coroutine.wrap(function(a) local b = coroutine.yield(a and 1 or 2) return b end)\nx = {f(true), f(5)}\n",
		"for i = 1, 3000 do end\nwhile true do end\n",
		"local s = \"\\0probe0.\"\nx = s == \"\\0probe0.\" and #s\n",
	} {
		same(t, source)
	}
}

// The interpreter's compiler had these loops end at once, or never.
func TestLoopsThatBeginWithAJump(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"local n = 0 while true do if false then x = 5 end n = n + 1 if n > 3 then break end end x = n":                                       "4",
		"local n = 0 repeat if nil and n then x = 5 end n = n + 1 until n > 3 x = n":                                                          "4",
		"local n = 0 repeat local y = false and n or 1 n = n + y until n > 3 x = n":                                                           "4",
		"local n = 0 ::top:: if not true then x = 5 end n = n + 1 if n < 4 then goto top end x = n":                                           "4",
		"local n = 0 for _, v in ipairs({1, 2, 3}) do if false then x = 5 end n = n + v end x = n":                                            "6",
		"local n = 0 for v in iter.take({1, 2, 3}, 3) do do do if false then end end end n = n + v end x = n":                                 "6",
		"local n = 0 for _, v in ipairs({1, 2}) do for _, v in ipairs({1, 2}) do do break end end n = n + v end x = n":                        "3",
		"local n = 0 while n < 3 do while true do do break end end n = n + 1 end x = n":                                                       "3",
		"local n = 0 repeat local y = not (false and n) n = n + 1 until n > 3 x = n":                                                          "4",
		"local n = 0 repeat if (nil and n) == nil then n = n + 1 end until n > 3 x = n":                                                       "4",
		"local n = 0 while n < 3 do repeat until true n = n + 1 end x = n":                                                                    "3",
		"local n = 0 while n < 3 do ::l:: ::m:: do end do break end end x = n":                                                                "0",
		"local n = 0 while true do do ::l:: end if false then x = 5 end n = n + 1 if n > 3 then break end end x = n":                          "4",
		"local n = 0 repeat n = n + (false and 5 or 1) until n > 3 x = n":                                                                     "4",
		"local n, t = 0, {} while true do t[false and 1 or 2] = n n = n + 1 if n > 3 then break end end x = n":                                "4",
		"local n = 4 n = n and n or 1 n = 0 while not (false and x) do n = n + 1 if n > 3 then break end end x = n":                           "4",
		"local n = 4 n = n and n or 1 n = 0 while (false and x) or n < 4 do n = n + 1 end x = n":                                              "4",
		"local n = 4 n = n and n or 1 n = 0 while (nil and x) == nil do n = n + 1 if n > 3 then break end end x = n":                          "4",
		"local n = 4 n = n and n or 1 n = 0 local function f() n = n + 1 return n end repeat until (false and x) or f() > 3 x = n":            "4",
		"local n = 4 n = n and n or 1 n = 0 local function f() n = n + 1 return n end repeat do ::l:: end until not (true and f() < 4) x = n": "4",
	} {
		if got := same(t, source).globals; !strings.HasPrefix(got, "x = "+want+"\n") {
			t.Errorf("%s: got %s", source, got)
		}
		if got := try(t, source, false).globals; !strings.HasPrefix(got, "x = "+want+"\n") {
			t.Errorf("%s: without probes: got %s", source, got)
		}
	}
}

// The interpreter's compiler had these functions take other values.
func TestVariablesAreAssignedWhatIsWritten(t *testing.T) {
	t.Parallel()
	const head = "local function g(v) return v == nil and 7 or v, 8 end\n"
	for source, want := range map[string]string{
		"local function f(a, b) b, a = g(b), 1 return {a, b} end x = f(5, 6)":                                                                      "[1,6]",
		"local function f(a, b) b = (g()) return {a, b} end x = f(5, 6)":                                                                           "[5,7]",
		"local function f(a, b) b, a = (g(b)) return {a == nil, b} end x = f(5, 6)":                                                                "[true,6]",
		"local function f(a, b) a, b = g(b), (g(a)) return {a, b} end x = f(5, 6)":                                                                 "[6,5]",
		"local function f(a, b) b = g(b) return {a, b} end x = f(5, 6)":                                                                            "[5,6]",
		"local function f(a, b) b, a = g(a), g(b) return {a, b} end x = f(5, 6)":                                                                   "[6,5]",
		"local t = {v = 3} function t:f() self, y = g(self.v), 1 return self end x = t:f()":                                                        "3",
		"local function f(a, ...) a, y = g(a), ... return {a, y} end x = f(5, 6)":                                                                  "[5,6]",
		"local function f(i) local t = {} i, t[i] = g(i) + 1, 9 return {i, t[1]} end x = f(1)":                                                     "[2,9]",
		"local function f(b) return function() b, y = g(b), 2 return b end end x = f(4)()":                                                         "4",
		"local function f(a) a = a .. \"x\" return a end x = f(\"y\")":                                                                             `"yx"`,
		"local function f(a, b) b = 9007199254740993 return b end x = f(1)":                                                                        "9007199254740993",
		"local a, b = 1, 2 a, b = b and 5, a x = {a, b}":                                                                                           "[5,1]",
		"local a, b = 1, 2 a, b = b, a + b x = {a, b}":                                                                                             "[2,3]",
		"local a, b = 1, 2 a, b = 5, a x = {a, b}":                                                                                                 "[5,1]",
		"local a, b = 1, 2 a, b = b, a x = {a, b}":                                                                                                 "[2,1]",
		"local t, i = {}, 1 t[i], i = 7, 2 x = {t[1], i}":                                                                                          "[7,2]",
		"local t, i = {}, 1 i, t[i] = 2, 7 x = {t[1], i}":                                                                                          "[7,2]",
		"local t, i = {n = 1}, 1 t.n, i = i, 2 x = {t.n, i}":                                                                                       "[1,2]",
		"local t, u = {}, {} t, t.n = u, 7 x = {u.n == nil, t == u}":                                                                               "[true,true]",
		"local a = 1 a = g(false) and 5 x = a":                                                                                                     "false",
		"local a, t = 1, {} a = t.n and (true or a) x = a == nil":                                                                                  "true",
		"local a, t = 1, {n = false} a = t.n and t.n or nil x = a == nil":                                                                          "true",
		"local a, t = 1, {} a = t.n or t.m x = a == nil":                                                                                           "true",
		"local a = 1 a = a and a or 5 x = a":                                                                                                       "1",
		"local a, b = 1, 2 a, b = g(a) x = {a, b}":                                                                                                 "[1,8]",
		"local a, b = 1, 2 a, b = (g(a)) x = {a, b == nil}":                                                                                        "[1,true]",
		"local a, b, c = 1, 2, 3 a, b, c = 5, g(b) x = {a, b, c}":                                                                                  "[5,2,8]",
		"local a = 1 a = 5, g(a) x = a":                                                                                                            "5",
		"local function f(b) b, y, z = g(b), 1, 2, g() return {b, y, z} end x = f(4)":                                                              "[4,1,2]",
		"local o, k = {} k = o o.n, o = function() return 1 end x = {k.n(), o == nil}":                                                             "[1,true]",
		"local o = {} limit, o.size = 10, 20 x = {limit, o.size}":                                                                                  "[10,20]",
		"local o = {} o.size, limit = 10, 20 x = {limit, o.size}":                                                                                  "[20,10]",
		"local o, v = {} local function f() v, o.last = 1, 2 end f() x = {v, o.last}":                                                              "[1,2]",
		"local o, v, w = {} local function f() v, w, o.x = 1, 2, 3 end f() x = {v, w, o.x}":                                                        "[1,2,3]",
		"local o, v = {} local function f() v, o.x, y, o.z = g() end y = 1 f() x = {v, o.x, o.z == nil}":                                           "[7,8,true]",
		"local first local function push(v) local node = {v = v} first, node.next = node, first end push(1) push(2) x = {first.v, first.next.v}":   "[2,1]",
		"local s, t = {}, {} local function f(v) s[#s + 1] = v return v end t[f(\"k\")], t[f(\"l\")] = f(\"v\"), f(\"w\") x = {s, t.k, t.l}":       `[["k","l","v","w"],"v","w"]`,
		"local s = {} local function f(v) s[#s + 1] = v return s end f(1)[f(2)], f(3).n = f(4), f(5) x = {s[1], s[2], s[3], s[4], s[5], s.n == s}": "[1,2,3,4,5,true]",
		"local list, n = {}, 0 local function add(t) t[#t + 1] = 9 return 5 end list[#list + 1], n = add(list), n + 1 x = {list, n}":               "[[5],1]",
		"x = \"\" local t = setmetatable({}, {__newindex = function(t, k, v) x = x .. k .. v end}) t.a, t.b, t.c = 1, 2, 3":                        `"c3b2a1"`,
		"local t = {} t.a, t[1], t[true], t[g(2)], t.b = g(1), nil, g(3) x = {t.a, t[1] == nil, t[true], t[2], t.b == nil}":                        "[1,true,3,8,true]",
		"local function f(...) local t = {} t[...], y = ..., 4 return t[5] end x = f(5, 6)":                                                        "5",
		"local function f(...) local t = {} y, t[...] = ... return t[5] end x = f(5, 6)":                                                           "6",
	} {
		if got := same(t, head+source).globals; !strings.HasPrefix(got, "x = "+want+"\n") {
			t.Errorf("%s: got %s", source, got)
		}
		if got := try(t, head+source, false).globals; !strings.HasPrefix(got, "x = "+want+"\n") {
			t.Errorf("%s: without probes: got %s", source, got)
		}
	}
}

// The interpreter's compiler had a goto cut off variables that live on, and a break not
// cut off those that do not.
func TestAGotoLeavesVariablesAlone(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"local n = 0 local function add(i) n = n + i end for i = 1, 3 do if i == 2 then goto continue end add(i) ::continue:: end x = n":                                                                              "4",
		"local function f(n, ...) local function add() n = n + 1 end for _, v in ipairs({...}) do if v == 1 then goto next end add() ::next:: end return n end x = f(0, 1, 2, 3)":                                     "2",
		"local function f(n) local function add() n = n + 1 end for v in iter.take({1, 2, 3}, 3) do local m = v if v == 1 then goto next end add() ::next:: end return n end x = f(0)":                                "2",
		"local t = {n = 0} function t:f() local n = 0 local function add() n = n + 1 end ::again:: local k = n add() if k < 2 then goto again end return n end x = t:f()":                                             "3",
		"local list = {} for i = 1, 3 do local v = i list[i] = function() v = v + 1 return v end if i == 2 then goto continue end ::continue:: end x = {list[1](), list[1](), list[2](), list[3]()}":                  "[2,3,3,4]",
		"local list, i = {}, 0 ::top:: local v = i list[#list + 1] = function() return v end i = i + 1 if i < 3 then goto top end x = {list[1](), list[2](), list[3]()}":                                              "[0,1,2]",
		"local f while true do if true then local y = 1 f = function() return y end break end end local z, w, v = 7, 8, 9 x = {f(), z, w, v}":                                                                         "[1,7,8,9]",
		"local f for i = 1, 3 do do local y = i f = function() y = y + 1 return y end if i == 2 then break end end end local z, w, v, u, q, r = 7, 8, 9, 10, 11, 12 x = f()":                                          "3",
		"local f repeat local y = 3 if true then local k = y f = function() return k end break end until false local z, w, v, u, q, r = 7, 8, 9, 10, 11, 12 x = f()":                                                  "3",
		"local f for _, v in ipairs({1, 2}) do if v then local k = v f = function() return k end break end end local a, b, c, d, e, g, h, i, j, k, l = 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 x = f()":               "1",
		"local f for v in iter.take({1, 2}, 2) do if v then local k = v f = function() return k end break end end local a, b, c, d, e, g, h, i, j, k, l = 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 x = f()":            "1",
		"local f for i = 1, 2 do for j = 1, 2 do if j == 1 then local k = i f = function() return k end break end end end local a, b, c, d, e, g, h, i, j, k, l = 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 x = f()":    "2",
		"local n, i = 0, 0 local function add() n = n + 1 end while i < 3 do local k = i i = i + 1 do local j = k if j == 1 then goto continue end add() end ::continue:: end x = n":                                  "2",
		"local l = {} for i = 1, 4 do if i % 2 == 1 then local y = i l[#l + 1] = function() return y end goto continue end local z = i * 100 ::continue:: end x = {l[1](), l[2]()}":                                   "[1,3]",
		"local l = {} for i = 1, 3 do do local y = i l[i] = function() return y end if i < 4 then goto continue end end local a, b ::continue:: end x = {l[1](), l[2](), l[3]()}":                                     "[1,2,3]",
		"local l, i = {}, 0 while i < 3 do i = i + 1 if i then local y = i l[i] = function() return y end goto continue end local z = i ::continue:: end x = {l[1](), l[2](), l[3]()}":                                "[1,2,3]",
		"local l = {} for i = 1, 3 do local k = i for _ = 1, 1 do local y = k l[i] = function() k = k + 1 return y + k end goto continue end local a, b ::continue:: end x = {l[1](), l[2](), l[3](), l[1]()}":        "[3,5,7,4]",
		"local l = {} for i = 1, 3 do if i > 1 then local y = i l[#l + 1] = function() y = y + 1 return y end goto out end end ::out:: local a, b, c, d, e, f, g, h = 1, 2, 3, 4, 5, 6, 7, 8 x = {l[1](), l[1](), h}": "[3,4,8]",
	} {
		if got := same(t, source).globals; !strings.HasPrefix(got, "x = "+want+"\n") {
			t.Errorf("%s: got %s", source, got)
		}
		if got := try(t, source, false).globals; !strings.HasPrefix(got, "x = "+want+"\n") {
			t.Errorf("%s: without probes: got %s", source, got)
		}
	}
}

// program writes random statements, and the same with a mark before each that
// notes that it is reached.
type program struct {
	r             *rand.Rand
	plain, marked strings.Builder
	line          int
	marks         map[int]bool
}

func (p *program) mark(line int) {
	p.marks[line] = true
	fmt.Fprintf(&p.marked, "reached[#reached + 1] = %d\n", line)
}

func (p *program) put(text string) {
	p.line++
	fmt.Fprintln(&p.plain, text)
	if !strings.HasPrefix(text, "e") && !strings.HasPrefix(text, "until") && !strings.HasPrefix(text, "::") {
		p.mark(p.line)
	}
	fmt.Fprintln(&p.marked, text)
}

func (p *program) condition() string {
	leaf := func() string {
		return []string{"a", "b % 2 == 0", "a > b", "not b", "b == 1", "a ~= 2", "(a or b)", "step() % 3 > 0", "true", "false", "nil"}[p.r.IntN(11)]
	}
	c := leaf()
	for p.r.IntN(3) == 0 {
		c += []string{" and ", " or "}[p.r.IntN(2)] + leaf()
	}
	if p.r.IntN(4) == 0 {
		c = "not (" + c + ")"
	}
	return c
}

func (p *program) block(depth int, loop string) {
	for range 1 + p.r.IntN(4) {
		kind := p.r.IntN(15)
		if depth > 4 && kind > 7 {
			kind = 2
		}
		switch kind {
		case 0:
			if loop != "" {
				p.put("do break end")
			}
		case 1:
			if loop != "" {
				p.put("do goto " + loop + " end")
			}
		case 2, 3:
			p.put("b = step()")
		case 4:
			if p.r.IntN(3) == 0 {
				p.put("do return b end")
			}
		case 5:
			p.put("b = " + p.condition() + " and a or 1")
		case 6:
			p.put("a = (function() return 1 end)() + step() % 3")
		case 7:
			p.put("assert(step() ~= 52)")
		case 8, 9, 10, 11:
			label := fmt.Sprintf("l%d", p.line)
			p.put([]string{"for i = 1, b % 4 do", "for _, v in ipairs({1, b}) do", "while step() % 4 > 1 do", "while step() % 3 > 0 and (" + p.condition() + ") do", "repeat"}[kind-8+p.r.IntN(2)])
			repeats := strings.HasSuffix(p.plain.String(), "repeat\n")
			p.block(depth+1, label)
			p.put("::" + label + "::")
			if repeats {
				p.mark(p.line + 1)
				p.put("until step() % 3 == 0")
			} else {
				p.put("end")
			}
		default:
			p.put("if " + p.condition() + " then")
			p.block(depth+1, loop)
			if p.r.IntN(3) == 0 {
				p.put("elseif " + p.condition() + " then")
				p.block(depth+1, loop)
			}
			if p.r.IntN(2) == 0 {
				p.put("else")
				p.block(depth+1, loop)
			}
			p.put("end")
		}
	}
}

// TestProbesCountWhatRuns compares what probes count in random programs with what
// marks in the source say.
func TestProbesCountWhatRuns(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	const head = "numbers = {0}\nreached = {}\nfunction step()\n  numbers[1] = (numbers[1] * 7 + 3) % 101\n  return numbers[1]\nend\n"
	const tail = "return b\nend\nx = {}\nfor a = 0, 3 do for b = 0, 3 do x[#x + 1] = tostring(run(a, b)) end end\n"
	for range 100 {
		p := &program{r: r, line: strings.Count(head, "\n") + 1, marks: map[int]bool{}}
		p.block(1, "")
		source := head + "function run(a, b)\n" + p.plain.String() + tail
		ran := same(t, source)
		marked := try(t, head+"function run(a, b)\n"+p.marked.String()+tail, false)
		if marked.err != "" && ran.err == "" {
			continue // the marks take it beyond the limit
		}
		want := map[int]uint64{}
		_, list, _ := strings.Cut(marked.globals, "reached = [")
		list, _, _ = strings.Cut(list, "]")
		for _, n := range strings.Split(list, ",") {
			var line int
			fmt.Sscan(n, &line)
			want[line]++
		}
		for line, n := range firstOf(ran.file) {
			if p.marks[line] && ran.err == "" && n != want[line] {
				t.Errorf("line %d ran %d times, counted %d", line, want[line], n)
			}
		}
		for line := range p.marks {
			if _, ok := firstOf(ran.file)[line]; !ok {
				t.Errorf("line %d is not counted", line)
			}
		}
		if t.Failed() {
			t.Fatalf("the program:\n%s", source)
		}
	}
}

// firstOf is how often the first part of each line has run.
func firstOf(f *coverage.File) map[int]uint64 {
	lines, column := map[int]uint64{}, map[int]int{}
	for _, p := range f.Parts {
		if c, ok := column[p.Start.Line]; !ok || p.Start.Column < c {
			lines[p.Start.Line], column[p.Start.Line] = p.Count, p.Start.Column
		}
	}
	return lines
}

func TestPartsStandWhereTheyAreWritten(t *testing.T) {
	t.Parallel()
	const source = `local a, b = 1
function t.f(x,
    y)
  if (not x) and y() then x = (1) end
  local s = y and "ä" or {1, 2,
    z(), } -- more
  repeat local q until #s > 3
  for i = 1, y() do w:call() end
  goto done
  ::done::
  return function() return (f)(x) end, y "text";
end
`
	f := &file{path: "x.lua", shown: "x.lua", source: []byte(source)}
	if err := f.compile(true, true); err != nil {
		t.Fatal(err)
	}
	var got []string
	lines := strings.Split(source, "\n")
	for _, p := range f.counted().Parts {
		text := ""
		for n := p.Start.Line; n <= p.End.Line; n++ {
			runes := []rune(lines[n-1])
			from, to := 0, len(runes)
			if n == p.Start.Line {
				from = p.Start.Column - 1
			}
			if n == p.End.Line {
				to = p.End.Column - 1
			}
			text += string(runes[from:to]) + "|"
		}
		got = append(got, fmt.Sprintf("%d %s", p.Start.Line, text))
	}
	want := []string{
		"1 local a, b = 1|", "2 function t.f(x,|    y)|", "4 if (not x) and y()|", "4 x = (1)|",
		`5 local s = y and "ä" or {1, 2,|    z(), }|`, `5 "ä"|`, "5 {1, 2,|    z(), }|", "7 repeat|", "7 local q|", "7 until #s > 3|",
		"8 for i = 1, y()|", "8 w:call()|", "9 goto done|", `11 return function() return (f)(x) end, y "text"|`, "11 function()|", "11 return (f)(x)|",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The interpreter's own parser refuses these.
func TestWhatOnlyLuaItselfTakesForBlanks(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"#!/usr/bin/env lua\nx = 1":                          "1",
		byteOrderMark + "#!/usr/bin/env lua\r\nx = 1":        "1",
		"#\nx = #\"ab\"":                                     "2",
		"x =\f\v2":                                           "2",
		"\vx = \"\f\" == \"\\f\" and #[[\v\f]] -- \f\ny = 1": "2",
	} {
		if got := same(t, source).globals; !strings.HasPrefix(got, "x = "+want+"\n") {
			t.Errorf("%q: got %s", source, got)
		}
	}
	if got := try(t, "#!lua\n\n\ferror(\"no\")\n", true).err; !strings.HasSuffix(got, "[x.lua:3]") {
		t.Errorf("got %s", got)
	}
	if got := docOf([]string{"#!/usr/bin/env lua", "-- Does a thing."}); got != "Does a thing." {
		t.Errorf("got %q", got)
	}
}
