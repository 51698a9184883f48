package engine

import (
	"encoding/json"
	"fmt"
)

// position is what a checkpoint keeps: what the script gave it, and how far
// the loops are that keep their own count (ctx.batches, ctx.emit_all).
type position struct {
	User  Raw         `json:"p,omitempty"`
	Loops []loopCount `json:"l,omitempty"`
}

// loopCount is how many elements a loop has taken, a fingerprint of the last
// one, and whether its source had ended.
type loopCount struct {
	N    int64  `json:"n"`
	Last uint64 `json:"h,omitempty"`
	Done bool   `json:"d,omitempty"`
}

func parsePosition(raw Raw) (position, error) {
	if raw == nil {
		return position{}, nil
	}
	p := new(position)
	err := json.Unmarshal(raw, p)
	if string(p.User) == "null" {
		p.User = nil
	}
	return *p, err
}

func (p position) encode() Raw {
	if p.User == nil && len(p.Loops) == 0 {
		return nil
	}
	b, _ := json.Marshal(p)
	return b
}

// loops counts the elements that counting loops have taken, in the order in
// which the hook enters them. After a crash the hook starts again, and the
// n-th loop leaves out as many elements as the n-th saved count says.
//
// Whatever else the hook did before it entered a loop that has a saved count
// was committed with that count; done again, it is rolled back when the loop is
// entered. So a hook that writes, then loops in batches, does each exactly once.
type loops struct {
	counts []loopCount // as of now
	next   int         // number of the loop that is entered next
	saved  int         // so many counts are of the last run and not reached yet
	passes int         // batches whose pass is running, nested ones too
}

func (ls loops) copy() loops {
	ls.counts = append([]loopCount(nil), ls.counts...)
	return ls
}

// loop is one counting loop.
type loop struct {
	c    *Call
	n    int
	was  loopCount // at the last commit before a crash
	left int64     // elements to leave out still
}

// enterLoop begins a counting loop.
func (c *Call) enterLoop() (*loop, error) {
	if c.poison != nil {
		return nil, c.poison
	}
	ls := &c.loops
	l := &loop{c: c, n: ls.next}
	ls.next++
	if l.n >= ls.saved {
		ls.counts = append(ls.counts[:l.n], loopCount{})
		return l, nil
	}
	l.was = ls.counts[l.n]
	l.left = l.was.N
	if c.session != nil {
		c.session.Rollback(c.ctx)
	}
	c.rollbackJoined()
	c.pend = pending{}
	c.stats = c.saved.Copy()
	return l, nil
}

// skip says whether the element was taken before the crash. fingerprint is
// called for the last such element, and tells when the source has changed.
func (l *loop) skip(fingerprint func() uint64) (bool, error) {
	if l.left == 0 {
		if l.was.Done {
			return false, l.changed("it ended after %d elements, and now it has more", l.was.N)
		}
		return false, nil
	}
	if l.left--; l.left == 0 {
		l.c.stats = l.c.saved.Copy() // what reading them counted is counted already
	}
	if l.left == 0 && l.was.Last != 0 && fingerprint() != l.was.Last {
		return false, l.changed("element %d is another one now", l.was.N)
	}
	return true, nil
}

// advance counts n elements as taken, the last one with its fingerprint.
func (l *loop) advance(n int, last uint64) {
	ls := &l.c.loops
	ls.counts = append(ls.counts[:l.n], loopCount{N: ls.counts[l.n].N + int64(n), Last: last})
	ls.saved = min(ls.saved, l.n+1)
}

// exhausted is called at the end of the source.
func (l *loop) exhausted() error {
	if l.left > 0 {
		return l.changed("it ends after %d of them", l.was.N-l.left)
	}
	l.c.loops.counts[l.n].Done = true
	return nil
}

func (l *loop) changed(format string, args ...any) error {
	return &Failure{Kind: KindError, Code: "order", Message: fmt.Sprintf(
		"ctx.batches and ctx.emit_all go on after the %d elements that were committed before, so their source must give the same elements in the same order, but "+format+
			"; loop over something that does not change, or start from the beginning with: dsengine jobs retry %d --fresh",
		append([]any{l.was.N}, append(args, l.c.job.ID)...)...)}
}

// Batches is a loop that commits after each batch.
type Batches struct {
	c      *Call
	l      *loop
	inPass int
	last   uint64
}

// Batches begins a loop in batches. Ask Skip about each element, gather those
// for which it is false, call Pass before the script gets a batch and Commit
// when it asks for the next one, and Done at the end of the source.
func (c *Call) Batches() (*Batches, error) {
	if c.catching > 0 {
		return nil, c.misuse("ctx.batches commits after each pass, so it cannot be used inside catch")
	}
	if c.job.Phase == PhaseFail {
		return nil, c.misuse("ctx.batches is for produce, consume and finish")
	}
	l, err := c.enterLoop()
	if err != nil {
		return nil, err
	}
	return &Batches{c: c, l: l}, nil
}

// Skip says whether the element belongs to a batch that was committed before a
// crash. fingerprint is called now and then, and never gives 0.
func (b *Batches) Skip(fingerprint func() uint64) (bool, error) { return b.l.skip(fingerprint) }

// Pass begins the pass of a batch of n elements; last is the fingerprint of
// its last one.
func (b *Batches) Pass(n int, last uint64) {
	b.inPass, b.last = n, last
	b.c.loops.next = b.l.n + 1 // loops inside the pass count from there
	b.c.loops.passes++
}

// Commit ends a pass: what it did is committed, with the count.
func (b *Batches) Commit() error {
	if b.inPass == 0 {
		return nil
	}
	n := b.inPass
	b.Abandon()
	if b.c.poison != nil {
		return b.c.poison
	}
	b.l.advance(n, b.last)
	return b.c.commitPosition()
}

// Abandon ends a pass that the script left by break or by an error: it is not
// counted, and commits with whatever comes next.
func (b *Batches) Abandon() {
	if b.inPass > 0 {
		b.c.loops.passes--
		b.inPass = 0
	}
}

// Done is called at the end of the source.
func (b *Batches) Done() error { return b.l.exhausted() }
