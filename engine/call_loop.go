package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
)

// position is what a checkpoint keeps: what the script gave it, and how far
// the loops are that keep their own count (ctx.batches, ctx.emit_all).
type position struct {
	User  Raw         `json:"p,omitempty"`
	Loops []loopCount `json:"l,omitempty"`
	// Kept is, in finish, the position of the phase that emitted and then failed
	// for good: where a retry of it goes on.
	Kept Raw `json:"k,omitempty"`
	// Before is, in consume, what produce had counted when it handed the job on. A
	// phase that begins anew counts from there.
	Before Stats `json:"s,omitempty"`
	// PutOffs is how often in a row the hook was put off, because of others.
	PutOffs int `json:"o,omitempty"`
}

// begun says that there is something to go on from.
func (p *position) begun() bool { return p.User != nil || len(p.Loops) > 0 || p.Kept != nil }

// PositionAnew is a position of a phase without what its checkpoints kept: where
// a retry of it begins anew. nil: nothing was counted before the phase.
func PositionAnew(of Raw) (Raw, error) {
	p, err := parsePosition(of)
	return position{Before: p.Before}.encode(), err
}

// CountedBefore is what a job had counted when the phase with this position began,
// and whether the phase has anything to go on from.
func CountedBefore(at Raw) (before Stats, begun bool, err error) {
	p, err := parsePosition(at)
	return p.Before, p.begun(), err
}

// LoopAt is how far one of the loops has come that keep their own count.
type LoopAt struct {
	Taken int64    // elements; AllTaken: all there were
	Over  LoopOver // "": it is not over
}

// LoopOver says how a loop is over.
type LoopOver string

// How loops are over.
const (
	LoopEnded LoopOver = "ended" // its source had no more
	LoopLeft  LoopOver = "left"  // the script left it
	LoopLast  LoopOver = "last"  // its source had ended with the last batch, after which the loop had not asked for more
)

// AllTaken is the count of a loop of which it is known only that it took all there was.
const AllTaken = allOf

// PositionAt is the position of a checkpoint that was given a value, nil for none, with
// loops that have come so far. What their last elements were is not known, and not
// compared.
func PositionAt(value Raw, loops []LoopAt) Raw {
	p := position{User: value}
	for _, l := range loops {
		p.Loops = append(p.Loops, loopCount{N: l.Taken, Done: l.Over == LoopEnded, Left: l.Over == LoopLeft, End: l.Over == LoopLast})
	}
	return p.encode()
}

// ReadPosition is the inverse of PositionAt.
func ReadPosition(at Raw) (value Raw, loops []LoopAt, err error) {
	p, err := parsePosition(at)
	for _, c := range p.Loops {
		l := LoopAt{Taken: c.N}
		switch {
		case c.Done:
			l.Over = LoopEnded
		case c.Left:
			l.Over = LoopLeft
		case c.End:
			l.Over = LoopLast
		}
		loops = append(loops, l)
	}
	return p.User, loops, err
}

// KeepPosition is the position with which finish begins after a phase that
// failed for good with this one. nil stays nil.
func KeepPosition(of Raw) Raw { return position{Kept: of}.encode() }

// KeptPosition is what KeepPosition was given, whatever finish made of it.
func KeptPosition(finish Raw) (Raw, error) {
	p, err := parsePosition(finish)
	return p.Kept, err
}

// loopCount is how many elements a loop has taken, fingerprints of the last one and of
// some of them, whether the loop is over: its source had ended, or the script left it, and
// whether its source had ended already when the last batch was taken.
type loopCount struct {
	N    int64  `json:"n"`
	Last uint64 `json:"h,omitempty"`
	Done bool   `json:"d,omitempty"`
	Left bool   `json:"b,omitempty"`
	End  bool   `json:"e,omitempty"`
	Many int    `json:"m,omitempty"` // stored only: so many loops of a place that are over
	Some uint64 `json:"f,omitempty"` // of the first, the second, the fourth and so on; 0: not known
	Each []byte `json:"i,omitempty"` // stored only: what each of these went through, or all if it is the same
	loopKey
	version
	Again bool `json:"a,omitempty"` // the hook may come to it again and again

	index int // in what the last run has left
}

// over says that the loop has taken all that it was to take.
func (c loopCount) over() bool { return c.Done || c.Left || c.End }

// Of so many loops the counts are stored; of those before them that are over,
// only that they are.
const exactLoops = 1000

func parsePosition(raw Raw) (position, error) {
	if raw == nil {
		return position{}, nil
	}
	p := new(position)
	err := json.Unmarshal(raw, p)
	if string(p.User) == "null" {
		p.User = nil
	}
	p.Loops = unfold(p.Loops)
	return *p, err
}

func (p position) encode() Raw {
	if !p.begun() && len(p.Before) == 0 && p.PutOffs == 0 {
		return nil
	}
	p.Loops = fold(p.Loops)
	b, _ := json.Marshal(p)
	return b
}

// passage is what is kept of the source of a loop of Many.
type passage struct {
	Source uint64
	Size   int64
	Stamp  uint32
	Sum    uint32
}

const passageSize = 24

// fold makes one of older loops of a place that are over, one after the other: little is
// to be stored of each loop of a hook that has very many.
func fold(all []loopCount) []loopCount {
	old := len(all) - exactLoops
	if old <= 0 {
		return all
	}
	var short []loopCount
	for _, c := range all[:old] {
		if !c.Done && !c.Left {
			short = append(short, c)
			continue
		}
		place := loopKey{Site: c.Site, Sites: c.Sites}
		each, _ := binary.Append(nil, binary.BigEndian, passage{c.Source, c.Size, c.Stamp, c.Sum})
		var many *loopCount
		if n := len(short); n > 0 && short[n-1].Many > 0 && short[n-1].loopKey == place {
			many = &short[n-1]
		}
		switch {
		case many != nil && bytes.Equal(many.Each, each):
			many.Many++
		case many != nil && len(many.Each) == passageSize*many.Many:
			many.Many++
			many.Each = append(many.Each, each...)
		default:
			short = append(short, loopCount{Many: 1, loopKey: place, Each: each})
		}
	}
	return append(short, all[old:]...)
}

// unfold is the inverse of fold: loops of which it is known only that they are
// over have taken allOf their sources.
func unfold(short []loopCount) []loopCount {
	var all []loopCount
	for _, c := range short {
		for i := range c.Many {
			if at := i * passageSize; at < len(c.Each) {
				var p passage
				if _, err := binary.Decode(c.Each[at:], binary.BigEndian, &p); err == nil {
					c.Source, c.version = p.Source, version{Stamp: p.Stamp, Size: p.Size, Sum: p.Sum}
				}
			}
			all = append(all, loopCount{N: allOf, Done: true, loopKey: c.loopKey, version: c.version})
		}
		if c.Many == 0 {
			all = append(all, c)
		}
	}
	return all
}

// allOf is the count of a loop that took all there was.
const allOf = 1<<63 - 1

// loops counts the elements that counting loops have taken, in the order in
// which the hook enters them. After a crash the hook starts again, and a loop leaves
// out as many elements as it had taken: see enterLoop for how it is known again.
//
// Whatever else the hook did before it entered a loop that has a saved count
// was committed with that count; done again, it is rolled back when the loop is
// entered. So a hook that writes, then loops in batches, does each exactly once.
//
// A checkpoint with a position, in a hook that has asked for its position, begins
// the numbers anew: started again, such a hook goes on after the checkpoint and
// does not come to the loops before it.
//
// A loop that catch took back keeps its number: the hook comes to it again.
//
// Loops inside the pass of another have the numbers after it, the same ones in
// each pass. When the pass is over they are forgotten: what they did is part of
// it, and the loop that follows takes the number of the first of them.
type loops struct {
	counts []loopCount  // of the loops that were entered, as of now
	keys   []loopKey    // of the same, also where catch took them back
	next   int          // number of the loop that is entered next
	before []loopCount  // those of the last run that were not entered again yet, in their order
	again  map[int]bool // indexes of those that were, also where catch took them back
	high   int          // index, one more, of the last of those that were entered
	passes int          // batches whose pass is running, nested ones too
	era    int          // how often the numbers began anew
}

// loopsOf are the loops of a hook that starts with a position. In fail that is the one of
// the phase that failed, and there are no loops.
func loopsOf(saved []loopCount, phase Phase) loops {
	if phase == PhaseFail {
		return loops{}
	}
	for i := range saved {
		saved[i].index = i
	}
	return loops{before: saved}
}

func (ls loops) copy() loops {
	ls.counts, ls.before = slices.Clone(ls.counts), slices.Clone(ls.before)
	return ls
}

// all are the counts to save: those of loops that were not entered again come first,
// as they did.
func (ls *loops) all() []loopCount { return slices.Concat(ls.before, ls.counts) }

// anew begins the numbers anew.
func (ls *loops) anew() { *ls = loops{passes: ls.passes, era: ls.era + 1} }

// undo takes the loops back to what they were before a catch.
func (ls *loops) undo(before loops) {
	before.next, before.keys, before.again, before.high = ls.next, ls.keys, ls.again, ls.high
	before.before = slices.DeleteFunc(slices.Clone(before.before), func(c loopCount) bool { return ls.again[c.index] })
	*ls = before
}

// put makes a loop's count the last one.
func (ls *loops) put(n int, c loopCount) {
	for i := len(ls.counts); i < n; i++ { // loops that were taken back
		ls.counts = append(ls.counts, loopCount{loopKey: ls.keys[i]})
	}
	ls.counts = append(ls.counts[:n], c)
}

// take gives a loop of the last run out.
func (ls *loops) take(i int) loopCount {
	was := ls.before[i]
	ls.before = slices.Delete(slices.Clone(ls.before), i, i+1)
	if ls.high = max(ls.high, was.index+1); ls.again == nil {
		ls.again = map[int]bool{}
	}
	ls.again[was.index] = true
	return was
}

// loop is one counting loop.
type loop struct {
	c    *Call
	n    int
	at   int // index of was; -1: the last run had not come to it
	era  int
	was  loopCount // at the last commit before a crash
	left int64     // elements to leave out still
	met  int64     // elements that were left out or taken
	some uint64    // of these: see loopCount
	lone bool      // no other can be taken for it
	sure bool      // no rejects were read outside of such a loop before it

	catches int        // how many were around it when it began
	kept    *savepoint // behind marks of records that are left out; nil: there are none in the transaction
}

// restart takes back what was done since the last commit.
func (c *Call) restart() {
	if c.session != nil {
		c.session.Rollback(c.ctx)
	}
	c.rollbackJoined()
	c.pend = pending{}
	c.records.gen++
	c.stats, c.inCatch = c.saved.Copy(), nil
	c.restarts++
}

// skip says whether the element was taken before the crash. fingerprint is
// called for the last such element, and tells when the source has changed.
func (l *loop) skip(fingerprint func() uint64) (bool, error) {
	if err := l.same(); err != nil {
		return false, err
	}
	if l.left == 0 {
		if l.was.Left {
			return true, nil // see Over
		}
		if l.was.Done {
			return false, l.changed("it ended after %d elements, and now it has more", l.was.N)
		}
		return false, nil
	}
	l.note(fingerprint)
	if l.left--; l.left == 0 {
		l.caughtUp()
		if err := l.forget(); err != nil {
			return false, err
		}
	}
	switch {
	case l.left > 0:
	case l.was.Last != 0 && fingerprint() != l.was.Last:
		return false, l.changed("element %d is another one now", l.was.N)
	case l.was.Some != 0 && l.some != l.was.Some && !l.lone:
		return false, l.changed("some of the first %d are other ones now; of a loop that stands in another one, over what has no name, it is not known otherwise which one it is", l.was.N)
	}
	return true, nil
}

// note notes an element that is left out or taken, in their order.
func (l *loop) note(fingerprint func() uint64) {
	if l.met++; !l.lone && l.met&(l.met-1) == 0 {
		l.some = max(l.some*31+fingerprint(), 1)
	}
}

// caughtUp says that the loop leaves out nothing more.
func (l *loop) caughtUp() {
	if l.c.skipping == l {
		l.c.skipping = nil
	}
}

// inCatch says whether a catch of the loop's source is under way.
func (l *loop) inCatch() bool { return len(l.c.catches) > l.catches }

// forget takes back what reading elements that are left out has counted, rejected and
// written: that was committed with them.
func (l *loop) forget() error {
	l.c.stats, l.c.inCatch = l.c.saved.Copy(), nil
	return l.retract()
}

// retract takes back what the source has written to give elements that are left out.
// Marks of records stay: they are of this execution.
func (l *loop) retract() error {
	c := l.c
	called := c.pend.called
	c.pend = pending{records: c.pend.records}
	if at := l.kept; at != nil {
		l.kept = nil
		return c.undo(*at)
	}
	changed := func(s Session) bool { return s.Changed() || called && s.Wrote() }
	if c.session != nil && changed(c.session) {
		c.session.Rollback(c.ctx)
		c.records.gen++
		c.restarts++
	}
	for _, j := range c.joined {
		if changed(j.session) {
			j.session.Rollback(c.ctx)
			c.restarts++
		}
	}
	return nil
}

// advance counts n elements as taken, the last one with its fingerprint; end
// says that the source had ended then.
func (l *loop) advance(n int, last uint64, end bool) {
	ls := &l.c.loops
	was := ls.counts[l.n]
	ls.put(l.n, loopCount{N: was.N + int64(n), Last: last, Some: l.some, End: end, loopKey: was.loopKey, version: was.version, Again: was.Again})
	if l.at >= 0 { // what came after it was inside of its passes
		ls.before = slices.DeleteFunc(slices.Clone(ls.before), func(c loopCount) bool { return c.index > l.at })
	}
}

// passed forgets the loops inside a pass that is over: what comes next has
// their numbers, as it has when the pass is left out after a crash.
func (l *loop) passed(n int, last uint64, end bool) {
	l.advance(n, last, end)
	l.c.loops.next = l.n + 1
}

// exhausted is called at the end of the source.
func (l *loop) exhausted() error {
	if err := l.same(); err != nil {
		return err
	}
	if l.left > 0 && l.was.N != allOf {
		return l.changed("it ends after %d of them", l.was.N-l.left)
	}
	l.caughtUp()
	now := &l.c.loops.counts[l.n]
	if now.N == l.was.N && (l.was.Done || l.was.End) { // what follows the last element
		if err := l.forget(); err != nil {
			return err
		}
	}
	now.Done = true
	if l.sure {
		l.c.redriven.done = l.c.redriven.read
	}
	return nil
}

// same says whether the loop has its number still.
func (l *loop) same() error {
	if l.era != l.c.loops.era {
		return l.c.misuse("ctx.checkpoint(position) was called while ctx.batches or ctx.emit_all read its elements, so nobody could tell where to go on: call it before or after the loop")
	}
	return nil
}

func (l *loop) changed(format string, args ...any) error {
	return &Failure{Kind: KindError, Code: "order", Message: fmt.Sprintf(
		"ctx.batches and ctx.emit_all go on after the %d elements that were committed before, so their source must give the same elements in the same order, but "+format+
			"; loop over something that does not change, or start from the beginning, which does all again, what was committed too, with: dsengine jobs retry %d --fresh",
		append([]any{l.was.N}, append(args, l.c.job.ID)...)...)}
}

// Batches is a loop that commits after each batch.
type Batches struct {
	c      *Call
	l      *loop
	inPass int
	last   uint64
	ended  bool
}

// Batches begins a loop in batches, which id tells from others. Ask Over before and Skip
// about each element, gather those for which it is false and call Take for each, call Pass
// before the script gets a batch and Commit when it asks for the next one, Abandon when it
// leaves the loop in a pass, and Done at the end of the source.
func (c *Call) Batches(id LoopID) (*Batches, error) {
	if len(c.catches) > 0 {
		return nil, c.commits("it commits after each pass")
	}
	if c.job.Phase == PhaseFail {
		return nil, c.misuse("ctx.batches is for produce, consume and finish")
	}
	l, err := c.enterLoop(id)
	if err != nil {
		return nil, err
	}
	if c.job.Redrive == RedriveRows && c.job.Phase == PhaseConsume && !l.sure {
		return nil, c.misuse("rows were read before ctx.batches, which cannot know then which of them are done when it commits: in redrive give it the rows themselves, as in ctx.batches(rows, 1000)")
	}
	return &Batches{c: c, l: l}, nil
}

// Skip says whether the element belongs to a batch that was committed before a
// crash. fingerprint is called now and then, and never gives 0.
func (b *Batches) Skip(fingerprint func() uint64) (bool, error) { return b.l.skip(fingerprint) }

// Take is called for each element that is gathered for the next pass.
func (b *Batches) Take(fingerprint func() uint64) { b.l.note(fingerprint) }

// Ended says that the source has ended: the pass that follows is the last one.
func (b *Batches) Ended() { b.ended = true }

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
	b.end()
	if b.c.poison != nil {
		return b.c.poison
	}
	b.l.passed(n, b.last, b.ended)
	return b.c.commitPosition()
}

// Abandon ends the loop in a pass that the script left by break. What the pass
// did is committed with whatever comes next, and so is that the loop is over.
func (b *Batches) Abandon() {
	if b.inPass > 0 {
		n := b.inPass
		b.end()
		b.l.passed(n, b.last, b.ended)
		b.c.loops.counts[b.l.n].Left = true
	}
}

// end ends a pass.
func (b *Batches) end() {
	b.c.loops.passes--
	b.inPass = 0
}

// Over says that the script left the loop by break before a crash, and that the
// elements up to there have been left out: there are no more passes.
func (b *Batches) Over() bool { return b.l.left == 0 && b.l.was.Left }

// Done is called at the end of the source. Rows that it rejected behind the last pass are
// committed: the script may do away with the source now.
func (b *Batches) Done() error {
	if err := b.l.exhausted(); err != nil || len(b.c.pend.rejects) == 0 {
		return err
	}
	return b.c.commitPosition()
}
