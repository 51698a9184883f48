package scripttest

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"sync"
)

// deps know which files of tests a change touches. Which scripts and helper
// files they load is known when they are loaded; which fixtures and golden files
// they read, when they have run.
type deps struct {
	jobs    string
	changed []string // absolute; nil: everything has
	mu      sync.Mutex
	reads   map[string][]string // absolute paths, by file of tests
}

func newDeps(o Options) *deps {
	d := &deps{jobs: o.Jobs, reads: map[string][]string{}}
	for _, p := range o.Changed {
		d.changed = append(d.changed, absolute(p))
	}
	if o.Changed != nil && d.changed == nil {
		d.changed = []string{}
	}
	if o.Before != nil {
		d.reads = maps.Clone(o.Before.deps.reads)
	}
	return d
}

func absolute(p string) string {
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}

// touched says whether a change touches a file of the jobs folder, which
// depends on others there.
func (d *deps) touched(p string, on []string) bool {
	if d.changed == nil {
		return true
	}
	shown := path.Join(filepath.ToSlash(d.jobs), p)
	return slices.ContainsFunc(append([]string{p}, on...), func(p string) bool {
		return slices.Contains(d.changed, absolute(filepath.Join(d.jobs, filepath.FromSlash(p))))
	}) || slices.ContainsFunc(d.reads[shown], func(p string) bool { return slices.Contains(d.changed, p) })
}

// scripts says whether a change touches any script or helper file: what does not load may
// have wanted it, though it is gone now.
func (d *deps) scripts() bool {
	return d.changed == nil || slices.ContainsFunc(d.changed, func(p string) bool { return slices.Contains(endings, filepath.Ext(p)) })
}

// note keeps which files the tests of a file have read.
func (d *deps) note(file string, reads []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range reads {
		if p = absolute(p); !slices.Contains(d.reads[file], p) {
			d.reads[file] = append(slices.Clip(d.reads[file]), p)
		}
	}
}

// Wrote says whether a file is a golden file that the suite has written, and
// with that content.
func (s *Suite) Wrote(file string, content []byte) bool {
	s.goldens.mu.Lock()
	defer s.goldens.mu.Unlock()
	for shown, g := range s.goldens.seen {
		if g.wrote && absolute(filepath.FromSlash(shown)) == absolute(file) {
			return string(g.content) == string(content)
		}
	}
	return false
}

// Empty says that nothing was found: no test, and no file that does not load.
func (s *Suite) Empty() bool { return len(s.tests) == 0 && len(s.Errors) == 0 }
