package hostlib

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// Leaks says what becomes of a hook that ends well and has opened an iterator
// over a file, an answer or a result that it neither read to its end nor left.
type Leaks int

// What there is.
const (
	LeaksWarn Leaks = iota // a line in the job's log
	LeaksFail              // the hook fails
)

// maxLeaksTold bounds how many a hook's log, or its failure, tells of.
const maxLeaksTold = 10

// source is an Iterator made of functions. A resource is one that holds
// something open, or is over one that does: the loop that leaves it closes it,
// and there is no other loop over it. All others can be gone on with.
type source struct {
	name   string // of the function that made it, for errors; "" for none
	next   func() (Value, error)
	close  func() error // may be nil
	c      *Call        // nil: needs no closing, and does not look at the context
	err    error        // how it ended
	over   []Iterator   // what it goes through
	origin origin       // see originOf
	nested int          // how many others are below it
	roots  int          // how many iterators that read something it goes through at once

	resource bool
	single   bool   // no resource, but a second loop after its end is an error too
	steady   bool   // see Steady
	at       string // where a resource was opened: file:line
	owned    bool   // it is not told of as a leak: another one is in its place, or nothing is open before it is read
}

// iterator makes the Iterator that a host function returns. What close gives
// up is given up at the end of the hook at the latest; it may be nil.
func (c *Call) iterator(name string, next func() (Value, error), close func() error) *source {
	s := &source{name: name, next: next, close: close, c: c, roots: 1}
	if close != nil {
		c.keep(s)
	}
	return s
}

// openedBy makes an iterator over something that is open.
func (c *Call) openedBy(name string, next func() (Value, error), close func() error) *source {
	s := c.iterator(name, next, close)
	s.resource = true
	if c.Lang != nil {
		s.at = c.Lang.Where()
	}
	return s
}

// reading is an iterator over an input, which it closes.
func (c *Call) reading(name string, in *input, next func() (Value, error)) *source {
	if in.open {
		s := c.openedBy(name, next, in.close)
		s.origin = in.origin
		return s
	}
	s := c.iterator(name, next, in.close)
	s.single = true
	return s
}

// derived makes an iterator over others. It closes those that are resources.
func (c *Call) derived(name string, next func() (Value, error), over ...Iterator) Iterator {
	s := c.iterator(name, next, nil)
	s.over, s.roots = over, 0
	for _, it := range over {
		if o := sourceOf(it); o != nil {
			s.roots += o.roots
			s.nested = max(s.nested, o.nested+1)
			s.resource = s.resource || o.resource
		}
	}
	if s.nested > maxNested {
		s.nested = 0
		s.next = func() (Value, error) {
			return nil, Errorf("usage", "more than %d iterators go through one another: make a list in between by list(...)", maxNested)
		}
	}
	return s
}

// passing makes an iterator over others that gives their elements on one by one,
// as they come or as a function makes them, without reading ahead.
func (c *Call) passing(name string, next func() (Value, error), over ...Iterator) Iterator {
	s := c.derived(name, next, over...).(*source)
	s.steady, s.roots = len(over) > 0, 0
	for _, it := range over {
		s.steady = s.steady && Steady(it)
		if o := sourceOf(it); o != nil {
			s.roots = max(s.roots, o.roots)
		}
	}
	return s
}

// rowsOf says that an iterator gives the rows that it reads, each just when it is
// noted by at.
func rowsOf(s *source) *source {
	s.steady = true
	return s
}

// maxNested bounds how many iterators go through one another: each asks the
// next, on the stack.
const maxNested = 1000

// sourceOf is the source that an iterator is made of, or nil.
func sourceOf(it Iterator) *source {
	switch it := it.(type) {
	case *source:
		return it
	case *batchLoop:
		return it.source
	}
	return nil
}

// through says whether rows come through what a function made, by its name.
func through(it Iterator, name string) bool {
	s := sourceOf(it)
	return s != nil && (s.name == name || slices.ContainsFunc(s.over, func(it Iterator) bool { return through(it, name) }))
}

// Next is the next value.
func (s *source) Next() (Value, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.c != nil && s.c.Hook != nil && s.c.Hook.Context().Err() != nil {
		return nil, s.fail(context.Cause(s.c.Hook.Context()))
	}
	v, err := s.next()
	if err != nil {
		return nil, s.fail(err)
	}
	return v, nil
}

func (s *source) fail(err error) error {
	s.err = err
	if s.name != "" {
		s.err = within(s.name, err)
	}
	s.Close()
	return s.err
}

// Close gives up what it holds.
func (s *source) Close() error {
	if s.err == nil {
		if s.err = io.EOF; s.resource {
			s.err = s.once("was closed before its end")
		}
	}
	over := s.over
	s.over = nil
	for _, it := range over {
		Leave(it)
	}
	if s.close == nil {
		return nil
	}
	f := s.close
	s.close = nil
	if s.c != nil {
		delete(s.c.open, s)
	}
	return f()
}

// once is the error about a second loop.
func (s *source) once(what string) error {
	return Errorf("usage", "what %s gave %s, and can be gone through once: make a list of it by list(...)", s.opener(), what)
}

// opener is the function that made it, and where.
func (s *source) opener() string {
	if s.at == "" {
		return s.name
	}
	return s.name + " at " + s.at
}

// Begin is called when a loop over an iterator begins, or a function is given it:
// the error says why it cannot be gone through.
func Begin(it Iterator) error {
	switch s := sourceOf(it); {
	case s == nil || s.err == nil || !s.resource && !(s.single && s.err == io.EOF):
		return nil
	case s.err == io.EOF:
		return s.once("was read to its end")
	default:
		return s.err
	}
}

// Leave is called when a loop over an iterator ends, however it does: a resource
// is closed.
func Leave(it Iterator) {
	switch it := it.(type) {
	case *source:
		if it.resource {
			it.Close()
		}
	case *batchLoop:
		it.b.Abandon()
		it.Close()
	default:
		it.Close()
	}
}

// leak is what a hook has opened and neither read to its end nor closed.
type leak struct{ text, at string }

// leaks are all of a hook.
func (c *Call) leaks() []leak {
	times := map[leak]int{}
	for r := range c.open {
		if s, ok := r.(*source); ok && s.resource && !s.owned && s.err == nil {
			times[leak{s.opener(), s.at}]++
		}
	}
	var list []leak
	for l, n := range times {
		text := l.text + " was opened and never read to its end"
		if n > 1 {
			text = fmt.Sprintf("%s was opened %d times and never read to its end", l.text, n)
		}
		list = append(list, leak{text, l.at})
	}
	slices.SortFunc(list, func(a, b leak) int { return cmp.Compare(a.text, b.text) })
	if n := len(list) - maxLeaksTold; n > 0 {
		list = append(list[:maxLeaksTold], leak{text: fmt.Sprintf("and %d more places", n)})
	}
	return list
}

// tellLeaks says what a hook that has ended well has left open.
func (c *Call) tellLeaks() error {
	list := c.leaks()
	for _, l := range list {
		if c.Host.Leaked != nil {
			c.Host.Leaked(l.text, l.at)
		}
		if c.Host.Leaks != LeaksFail {
			c.Log(slog.LevelWarn, l.text, nil)
		}
	}
	if len(list) > 0 && c.Host.Leaks == LeaksFail {
		return Errorf("leak", "%s", list[0].text)
	}
	return nil
}
