package starscript

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// trial runs the top level of a source, with probes or without.
type trial struct {
	steps   uint64
	globals string
	err     string
	lines   map[int]uint64 // how often the statements of a line ran
}

func try(t *testing.T, source string, probes bool) trial {
	t.Helper()
	f := &file{path: "x.star", shown: "x.star", source: []byte(source)}
	r := newRun("the top level", loadSteps)
	r.call.Host = &hostlib.Host{}
	var prog *starlark.Program
	var err error
	names := predeclared
	if probes {
		prog, names, err = f.probed(true, true, false)
	} else {
		_, prog, err = starlark.SourceProgramOptions(options, "x.star", source, predeclared.Has)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	began := r.thread.Steps
	globals, err := prog.Init(r.thread, names)
	out := trial{steps: r.thread.Steps - began, lines: map[int]uint64{}}
	for _, name := range globals.Keys() {
		out.globals += fmt.Sprintf("%s = %s\n", name, globals[name])
	}
	if err != nil {
		out.err = fmt.Sprint(err, "\n", backtrace(r.stack(err), err.Error()))
	}
	if probes {
		for _, p := range f.counted().Parts {
			out.lines[p.Start.Line] = p.Count
		}
	}
	return out
}

// same says how a run with probes differs from one without.
func same(t *testing.T, source string) trial {
	t.Helper()
	plain, probed := try(t, source, false), try(t, source, true)
	// A condition that fails has looked up its probe.
	spare := uint64(0)
	if plain.err != "" {
		spare = 2
	}
	if probed.steps > plain.steps+spare || probed.steps < plain.steps/2 || plain.globals != probed.globals || plain.err != probed.err {
		t.Errorf("with probes it is another run:\n%s\nsteps %d, with probes %d\n--- without\n%s%s\n--- with\n%s%s",
			source, plain.steps, probed.steps, plain.globals, plain.err, probed.globals, probed.err)
	}
	return probed
}

func TestProbesChangeNothing(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		"x = 1\n",
		"pass\n",
		"def f(a):\n    \"\"\"Doc.\"\"\"\n    if a: return 1\n    return 2\nx = [f(0), f(1)]\n",
		"def f(a):\n    for i in range(10):\n        if i == a: break\n        if i % 2: continue\n        if i: pass\n        else: pass\n    return i\nx = [f(3), f(99)]\n",
		"def f(a, b):\n    if a and not b or b not in [1, 2]: pass\n    elif not (a or b): return 0\n    if not a: pass\n    return (1 if a else 2) if not b else 3\nx = [f(a, b) for a in [0, 1] for b in [0, 1, 2] if a or b if not (a and b)]\n",
		"x = {k: v for k, v in [(1, 2), (3, 4)] if k not in [3]}\ny = {k: v for k, v in x.items()}\n",
		"f = lambda a, b = 1 if 0 else 2: a or b\nx = f(0)\ny = [f(i) for i in range(3)]\n",
		"def f(*args, **kwargs): return (args, kwargs)\nx = f(*[1, 2], **{\"a\": 1 if 1 else 2})\n",
		"def f():\n    x = 1\n    def g():\n        return x + 1\n    return g()\ny = f()\n",
		"def f(x):\n    return [i\n        for i in x\n        if i.y]\nf([1])\n",
		"def f(x):\n    if x:\n        y = 1\n    return y\nf(0)\n",
		"def f(x): return 1 // x\ndef g(x):\n    return (f(x) if x == 0\n            else 2)\nx = g(1)\ny = g(0)\n",
		"def f(x):\n    x += [1] + [2] + [3 if x else 4]\n    x[0] += 1\n    return x\nx = f([])\n",
		"for i in range(3):\n    for j in range(3):\n        if j == 1:\n            if i == 1:\n                break\n            else:\n                continue\n        pass\n",
		"x = catch\nfor i in range(20000): pass\n",
	} {
		same(t, source)
	}
}

// program writes random statements, and the same with a mark before each that
// counts how often it is reached.
type program struct {
	r             *rand.Rand
	plain, marked strings.Builder
	line          int
}

func (p *program) put(depth int, text string) {
	p.line++
	tab := strings.Repeat("    ", depth)
	fmt.Fprintf(&p.plain, "%s%s\n", tab, text)
	if !strings.HasPrefix(text, "el") {
		fmt.Fprintf(&p.marked, "%sreached.append(%d)\n", tab, p.line)
	}
	fmt.Fprintf(&p.marked, "%s%s\n", tab, text)
}

func (p *program) condition() string {
	leaf := func() string {
		return []string{"a", "b % 2", "a > b", "not b", "b in [1, 3]", "a not in [0, 2]", "(a or b)", "next() % 3", "True", "False"}[p.r.IntN(10)]
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

func (p *program) block(depth int, loop bool) {
	for range 1 + p.r.IntN(4) {
		switch p.r.IntN(11) {
		case 0:
			p.put(depth, "pass")
		case 1:
			if loop {
				p.put(depth, []string{"break", "continue"}[p.r.IntN(2)])
			} else {
				p.put(depth, "pass")
			}
		case 2:
			if p.r.IntN(3) == 0 {
				p.put(depth, "return b")
			} else {
				p.put(depth, "b = next()")
			}
		case 3:
			p.put(depth, "a = ["+p.condition()+" for a in range(b) if "+p.condition()+"]")
			p.put(depth, "a = len(a)")
		case 4:
			p.put(depth, "b = a if "+p.condition()+" else 1")
		case 5:
			p.put(depth, "1 // (next() % 50)")
		case 6, 7:
			if depth > 4 {
				p.put(depth, "pass")
				continue
			}
			p.put(depth, "for b in range("+[]string{"0", "2", "a", "3"}[p.r.IntN(4)]+" if type(a) == \"int\" else 1):")
			p.block(depth+1, true)
		default:
			if depth > 4 {
				p.put(depth, "pass")
				continue
			}
			p.put(depth, "if "+p.condition()+":")
			p.block(depth+1, loop)
			if p.r.IntN(2) == 0 {
				p.put(depth, "else:")
				p.block(depth+1, loop)
			}
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
	const head = "numbers = [0]\nreached = []\ndef next():\n    numbers[0] = (numbers[0] * 7 + 3) % 101\n    return numbers[0]\n"
	for range 120 {
		first := strings.Count(head, "\n") + 1
		p := &program{r: r, line: first}
		p.block(1, false)
		const tail = "x = [catch and run(a, b) for a in range(4) for b in range(4)]\n"
		source := head + "def run(a, b):\n" + p.plain.String() + tail
		last := strings.Count(source, "\n")
		ran := same(t, source)
		marked := try(t, head+"def run(a, b):\n"+p.marked.String()+tail, false)
		want := map[int]uint64{}
		_, list, _ := strings.Cut(marked.globals, "reached = [")
		list, _, _ = strings.Cut(list, "]")
		for _, n := range strings.Split(list, ", ") {
			var line int
			fmt.Sscan(n, &line)
			want[line]++
		}
		if marked.err != "" && ran.err == "" {
			t.Fatalf("the marks change the program: %s\n%s", marked.err, p.marked.String())
		}
		for line, n := range statements(t, source) {
			if n != want[line] && line > first && line < last {
				t.Errorf("line %d ran %d times, counted %d", line, want[line], n)
			}
		}
		if t.Failed() {
			t.Fatalf("the program:\n%s", source)
		}
	}
}

// statements is how often the statements of a source run that begin its lines.
func statements(t *testing.T, source string) map[int]uint64 {
	t.Helper()
	f := &file{path: "x.star", shown: "x.star", source: []byte(source)}
	r := newRun("the top level", loadSteps)
	r.call.Host = &hostlib.Host{}
	prog, names, err := f.probed(true, true, false)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = prog.Init(r.thread, names)
	lines, column := map[int]uint64{}, map[int]int{}
	for _, p := range f.counted().Parts {
		if c, ok := column[p.Start.Line]; !ok || p.Start.Column < c {
			lines[p.Start.Line], column[p.Start.Line] = p.Count, p.Start.Column
		}
	}
	return lines
}
