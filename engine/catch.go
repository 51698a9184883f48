package engine

import (
	"context"
	"errors"
	"slices"
)

// Catchable says whether catch may hold an error: it never holds verdicts,
// time-outs, limits, too many rejects, a lost claim, what ended the
// transaction, or what cannot be done in any catch.
func Catchable(err error) bool {
	var v *Verdict
	if errors.As(err, &v) {
		return false
	}
	var f *Failure
	if errors.As(err, &f) && (f.Kind == KindTimeout || f.Kind == KindLimit || f.Kind == KindRejects || f.Code == codeWaits || f.Code == codeCommits) {
		return false
	}
	for _, stop := range []error{ErrLost, ErrDrained, ErrCancelled, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, stop) {
			return false
		}
	}
	switch CodeOf(err) {
	case CodeRetry, CodeConflict, CodeLost, CodeUnknown, CodeUnreachable:
		return false
	}
	return true
}

// catch is one that is under way. What it takes to undo it is kept when the first
// thing is written in it, not when it begins: what is written outside of it while a
// coroutine waits in it is not its own.
type catch struct {
	keeps    func() (undo func()) // what the language must have undone; nil: nothing
	set      bool
	before   pending
	loops    loops
	restarts int
	logged   int
	scans    []*recordScan
	noted    []int // by each of these
	mark     savepoint
	undo     func()
}

// Catches are some that are under way, the outermost first.
type Catches []*catch

// Within gives the catches around what runs, and has others there: those of the
// coroutine that runs now.
func (c *Call) Within(now Catches) (before Catches) {
	before, c.catches = c.catches, slices.Clip(now)
	return before
}

// Catches are those around what runs.
func (c *Call) Catches() Catches { return slices.Clip(c.catches) }

// Catch runs fn on a savepoint: if it fails with an error that may be caught,
// what it wrote, emitted and set is undone, and the error is given as caught.
// err is an error that must end the hook.
func (c *Call) Catch(fn func() error) (caught, err error) {
	return c.CatchWrites(nil, func() error {
		if err := c.Writing(); err != nil {
			return err
		}
		return fn()
	})
}

// CatchWrites is Catch for what calls Writing before it writes. keeps, if it is
// given, is called with the first write, and what it gives when that is undone.
func (c *Call) CatchWrites(keeps func() (undo func()), fn func() error) (caught, err error) {
	if c.poison != nil {
		return nil, c.poison
	}
	if c.done {
		return c.catchDone(fn)
	}
	k := &catch{keeps: keeps}
	c.catches = append(c.Catches(), k)
	ferr := fn()
	if n := len(c.catches); n > 0 && c.catches[n-1] == k { // else a coroutine is ended from outside
		c.catches = c.catches[:n-1]
	}
	marked, i := len(c.marked), slices.Index(c.marked, k)
	if i >= 0 {
		c.marked = c.marked[:i]
	}
	if c.poison != nil {
		ferr, c.poison = c.poison, nil
	}
	counted := c.inCatch[k]
	delete(c.inCatch, k)
	if ferr == nil {
		for name, n := range counted {
			c.countWithin(name, n)
		}
	}
	switch {
	case ferr != nil && c.ctx.Err() != nil:
		return nil, context.Cause(c.ctx)
	case ferr != nil && !Catchable(ferr):
		return nil, ferr
	case !k.set:
		if ferr != nil {
			c.uncount(counted)
		}
		return ferr, nil
	case i < 0 || i < marked-1: // those of coroutines that wait are undone, or kept, with it
		return nil, c.waits()
	}
	// A loop that is gone on with after a crash takes back what was done before
	// it, and the savepoint went with that.
	restarted := c.restarts != k.restarts
	switch {
	case ferr == nil && restarted:
		return nil, nil
	case ferr == nil:
		if err := c.keep(k.mark); err != nil {
			return nil, err
		}
		return nil, c.boundRecords()
	}
	c.loops.undo(k.loops)
	c.records.undo(k.scans, k.noted)
	if k.undo != nil {
		k.undo()
	}
	if restarted {
		c.restart()
		return ferr, nil
	}
	if err := c.undo(k.mark); err != nil {
		return nil, err
	}
	c.uncount(counted)
	c.pend = k.before
	c.pend.keys = nil
	c.pend.records.undo(k.logged)
	return ferr, nil
}

// Writing is called before something is written that a catch undoes: those around it
// get a savepoint. A coroutine that waits in one that has it already would take what is
// written now with it.
func (c *Call) Writing() error {
	n := 0
	for n < len(c.catches) && c.catches[n].set {
		n++
	}
	if n != len(c.marked) {
		return c.waits()
	}
	for _, k := range c.catches[n:] {
		k.before, k.loops, k.restarts = c.pend, c.loops.copy(), c.restarts
		k.before.writes = append([]VariableWrite(nil), c.pend.writes...)
		k.logged, k.scans, k.noted = c.pend.records.len(), c.records.scans, noted(c.records.scans)
		var err error
		if k.mark, err = c.mark(); err != nil {
			return err
		}
		if k.keeps != nil {
			k.undo = k.keeps()
		}
		k.set = true
		c.marked = append(c.marked, k)
	}
	return nil
}

// Querying is Writing for a query that may do more than read.
func (c *Call) Querying(s Session, query string) error {
	if !s.MayWrite(c.ctx, query) {
		return nil
	}
	err := c.Writing()
	c.pend.called = true
	return err
}

// countWithin notes what was counted in the innermost catch.
func (c *Call) countWithin(name string, n int64) {
	if len(c.catches) == 0 {
		return
	}
	k := c.catches[len(c.catches)-1]
	if c.inCatch == nil {
		c.inCatch = map[*catch]Stats{}
	}
	if c.inCatch[k] == nil {
		c.inCatch[k] = Stats{}
	}
	c.inCatch[k][name] += n
}

// uncount takes back what was counted.
func (c *Call) uncount(s Stats) {
	for name, n := range s {
		if c.stats[name] -= n; c.stats[name] == 0 {
			delete(c.stats, name)
		}
	}
}

// codeCommits is of an error about what commits, which cannot be done in a catch: one
// that held it would leave the hook to go on without what it is there for.
const codeCommits = "usage.catch"

// commits refuses what commits, in a catch.
func (c *Call) commits(what string) error {
	return &Failure{Kind: KindError, Code: codeCommits, Message: what + ", so it cannot be used inside catch"}
}

// codeWaits is of an error that no catch holds: it would be one of those that are
// entangled, and what it undoes were lost without a word.
const codeWaits = "usage.coroutine"

func (c *Call) waits() error {
	return &Failure{Kind: KindError, Code: codeWaits, Message: "a coroutine waits within pcall where it has written something: what is written outside of it now would be undone with that. Resume it until that pcall has ended, or write outside of it, where its values are taken"}
}

// catchDone is Catch after a commit, where nothing is written that could be undone.
func (c *Call) catchDone(fn func() error) (caught, err error) {
	caught = fn()
	if c.poison != nil {
		caught, c.poison = c.poison, nil
	}
	switch {
	case caught != nil && c.ctx.Err() != nil:
		return nil, context.Cause(c.ctx)
	case caught != nil && !Catchable(caught):
		return nil, caught
	}
	return caught, nil
}
