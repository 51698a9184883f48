package coverage

import "sync/atomic"

// Counter is what a probe counts by. Runs at the same time add to it.
type Counter = atomic.Uint64

// Reach says how often a place was reached: as often as the counters say
// together. nil: that is not known.
type Reach []*Counter

// Count is how often. What is taken off at one place may be added at another one
// that is reached later, if at all.
func (r Reach) Count() uint64 {
	var n int64
	for _, c := range r {
		n += int64(c.Load())
	}
	return uint64(max(n, 0))
}

// Never is the reach of what is behind a return.
var Never = Reach{}

// Probes are what is counted of a file, while a language puts probes into it.
type Probes struct {
	parts    []probedPart
	branches []probedBranch
	funcs    []probedFunc
}

type probedPart struct {
	start, end Place
	ran        Reach
}

type probedBranch struct {
	at          Place
	True, False Reach
}

type probedFunc struct {
	Func
	ran Reach
}

// Part notes what runs as one.
func (p *Probes) Part(start, end Place, ran Reach) {
	p.parts = append(p.parts, probedPart{start, end, ran})
}

// Branch notes a condition.
func (p *Probes) Branch(at Place, isTrue, isFalse Reach) {
	p.branches = append(p.branches, probedBranch{at, isTrue, isFalse})
}

// Func notes a function, whose Count is not looked at.
func (p *Probes) Func(f Func, ran Reach) { p.funcs = append(p.funcs, probedFunc{f, ran}) }

// File is what was counted up to now.
func (p *Probes) File(name, source string) *File {
	out := &File{Name: name, Source: source}
	for _, part := range p.parts {
		out.Parts = append(out.Parts, Part{Start: part.start, End: part.end, Count: part.ran.Count()})
	}
	for _, b := range p.branches {
		out.Branches = append(out.Branches, Branch{At: b.at, True: b.True.Count(), False: b.False.Count()})
	}
	for _, f := range p.funcs {
		f.Count = f.ran.Count()
		out.Funcs = append(out.Funcs, f.Func)
	}
	return out
}

// Collect gives what was counted of files and of all that they load, of each once.
// counted gives nil where nothing is.
func Collect[F comparable](files []F, loads func(F) []F, counted func(F) *File) (list []*File) {
	seen := map[F]bool{}
	var add func(f F)
	add = func(f F) {
		if seen[f] {
			return
		}
		seen[f] = true
		one := counted(f)
		if one == nil {
			return
		}
		list = append(list, one)
		for _, g := range loads(f) {
			add(g)
		}
	}
	for _, f := range files {
		add(f)
	}
	return list
}
