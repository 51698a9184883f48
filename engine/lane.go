package engine

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// prefetch is how much work, in time, a process claims ahead of its slots.
const prefetch = 250 * time.Millisecond

// stallAfter is how long claimed jobs wait for a slot before they are given back:
// a few times what is claimed ahead, so that only hooks that take much longer
// than those before them have it so.
const stallAfter = 4 * prefetch

// lane is one queue in one process: a fetcher that claims, a loader that reads
// what was claimed, and slots that run the hook. A type's phase has two, the second
// one for what backfills bring: so that, however much that is and however long it
// takes, it holds no slot that the others wait for.
type lane struct {
	srv   *Server
	queue Queue
	typ   *Type
	hook  Hook
	hooks HookSet
	slots int
	made  time.Time

	taken    chan Claim // claimed, not read yet
	jobs     chan *ClaimedJob
	buffered atomic.Int64 // claimed, not begun
	working  atomic.Int64 // hooks that run
	spent    atomic.Int64 // ns per job, smoothed; 0: unknown
	moved    atomic.Int64 // when a hook began or jobs came last, since the lane was made
	last     atomic.Int64 // size of the last claim
	idle     atomic.Bool  // the last claim found nothing
	claims   atomic.Int64 // how often one found something
	open     atomic.Bool  // it claims
	wakeUp   chan struct{}
}

func newLane(s *Server, q Queue, t *Type) *lane {
	slots := t.Settings.Slots[q.Phase()]
	if n := s.opts.Slots[t.Name][q.Phase()]; n > 0 {
		slots = n
	}
	l := &lane{
		srv: s, queue: q, typ: t, hook: t.Hooks[q.Phase()], hooks: t.record().Hooks, slots: slots, made: s.eng.clock.Now(),
		taken: make(chan Claim, slots), jobs: make(chan *ClaimedJob, 4*s.opts.Batch+slots), wakeUp: make(chan struct{}, 1),
	}
	l.idle.Store(q.Backfill()) // the poller finds out whether there is anything
	return l
}

// hookOf is what to run for a job.
func (l *lane) hookOf(j *ClaimedJob) Hook {
	switch {
	case j.Phase == PhaseConsume && j.Redrive == RedriveRows:
		return redriveHook(l.typ)
	case l.hook == nil:
		return func(c *Call) (Raw, error) {
			return nil, &Failure{Kind: KindError, Code: "usage", Message: "the script has no " + j.Phase.String() + " hook"}
		}
	}
	return l.hook
}

// fetch claims whenever less than a claim is left, so that the next jobs are
// there before the slots run dry. Claiming, reading and completing go on at the
// same time, each on a connection of its own.
func (l *lane) fetch(ctx context.Context) {
	s := l.srv
	defer close(l.taken)
	if l.queue.Backfill() && !wait(ctx, s.eng.clock, -1, l.wakeUp) {
		return
	}
	s.keepTrying(ctx, "claim jobs of "+l.typ.Name, l.wakeUp, func(ctx context.Context) (time.Duration, error) {
		if s.suspended.Load() {
			return 100 * time.Millisecond, errNotAsked
		}
		if !l.open.Load() {
			return -1, errNotAsked // openLane wakes us
		}
		if s.done.behind() { // or it would claim and run without bound what cannot be completed
			return 50 * time.Millisecond, errNotAsked
		}
		if l.buffered.Load() > l.last.Load() {
			return -1, errNotAsked // a slot wakes us
		}
		n := l.size()
		if l.slow() { // nothing is claimed ahead: another server may have a slot for it
			if n = l.slots - int(l.working.Load()+l.buffered.Load()); n <= 0 {
				return -1, errNotAsked
			}
		}
		// A claim that is under way is not broken off: its answer would be lost.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Lease)
		defer cancel()
		var ids []ClaimID // known from now on, so that no claim of ours looks like a stranger
		claims, err := s.eng.store.Claim(ctx, ClaimRequest{
			Server: s.id(), Queue: l.queue, Max: n,
			NewID: func() ClaimID {
				ids = append(ids, s.claims.newID())
				return ids[len(ids)-1]
			},
			Alone: max(0, l.slots-int(l.buffered.Load()+l.working.Load())),
		})
		if err != nil {
			claims = nil // whatever came with it: nobody will work on it
		}
		// What was not taken after all is forgotten: if the database has it, it is
		// given back as a stranger.
		for _, id := range ids {
			if !slices.ContainsFunc(claims, func(c Claim) bool { return c.ID == id }) {
				s.claims.forget(id)
			}
		}
		if err != nil {
			return 0, err
		}
		claims = slices.DeleteFunc(claims, func(c Claim) bool { return !s.claims.taken(c.ID, c.Jobs) })
		got := 0
		for i := range claims {
			got += len(claims[i].Jobs)
		}
		if got == 0 {
			l.idle.Store(true)
			return -1, nil
		}
		l.last.Store(int64(got))
		l.claims.Add(1)
		l.idle.Store(false)
		l.move(s.eng.clock.Now())
		l.buffered.Add(int64(got))
		s.tally.claimed(s.eng.clock.Now())
		for _, c := range claims {
			l.taken <- c
		}
		return 0, nil
	})
}

// load reads claimed jobs and hands them to the slots, in their order.
func (l *lane) load(ctx context.Context) {
	s, what := l.srv, "read claimed jobs of "+l.typ.Name
	var t trouble
	for c := range l.taken {
		n := len(c.Jobs)
		refs := make([]JobRef, n)
		for i := range c.Jobs {
			refs[i] = c.Jobs[i].JobRef
		}
		if !s.claims.known(c.ID) { // the lease ran out meanwhile
			s.outOfLease(refs...)
			l.unbuffer(n)
			continue
		}
		began := s.eng.clock.Boot()
		reading, cancel := context.WithTimeout(ctx, s.opts.Lease)
		err := s.eng.store.Load(reading, l.queue, &c)
		cancel()
		if err != nil {
			t.failed(s, nil, what, began, time.Second, err)
			l.last.Store(0) // so that fewer are claimed: perhaps they are too large to be read in time
			s.giveBack(ctx, c.ID, refs)
			if !s.drains.Load() {
				sleep(ctx, s.eng.clock, t.pause)
			}
			l.unbuffer(n) // they are claimed again
			continue
		}
		t.worked(s, what)
		if len(c.Jobs) < n { // not ours any more, or read from a node that lags
			gone := missing(refs, c.Jobs)
			l.unbuffer(len(gone))
			s.giveBack(ctx, c.ID, gone)
		}
		for i := range c.Jobs {
			l.jobs <- &c.Jobs[i]
		}
	}
}

// missing are those of refs that are not among jobs.
func missing(refs []JobRef, jobs []ClaimedJob) []JobRef {
	found := make(map[JobRef]bool, len(jobs))
	for i := range jobs {
		found[jobs[i].JobRef] = true
	}
	return slices.DeleteFunc(refs, func(r JobRef) bool { return found[r] })
}

// unbuffer notes that n buffered jobs will not reach a slot.
func (l *lane) unbuffer(n int) {
	l.buffered.Add(-int64(n))
	poke(l.wakeUp)
}

// size is how many jobs to claim: what the slots work off in the time of
// prefetch, four times the last claim at most, and never fewer than the slots.
func (l *lane) size() int {
	n := l.slots
	if spent := l.spent.Load(); spent > 0 {
		n = int(int64(prefetch) * int64(l.slots) / spent)
		n = min(n, 4*max(int(l.last.Load()), l.slots))
	}
	return min(max(n, l.slots), l.srv.opts.Batch)
}

// work runs hooks, one after the other.
func (l *lane) work(ctx context.Context) {
	for j := range l.jobs {
		left := l.buffered.Add(-1)
		l.working.Add(1)
		if left == l.last.Load() || left == 0 {
			poke(l.wakeUp)
		}
		began := l.srv.eng.clock.Now()
		l.move(began)
		l.srv.attempt(ctx, l, j)
		l.sample(l.srv.eng.clock.Now().Sub(began))
		if l.working.Add(-1); l.buffered.Load() == 0 || l.slow() {
			poke(l.wakeUp) // for this slot
		}
	}
}

// slow says that a job takes longer than claiming ahead is worth, or may: how
// long is not known before the first one has ended.
func (l *lane) slow() bool {
	spent := l.spent.Load()
	return spent == 0 || spent > int64(prefetch)
}

// move notes that a hook begins or jobs have come.
func (l *lane) move(now time.Time) { l.moved.Store(int64(now.Sub(l.made))) }

// stalled says that claimed jobs have waited for long, and no slot came free:
// then hooks take longer than the last ones did.
func (l *lane) stalled(now time.Time) bool {
	waited := now.Sub(l.made) - time.Duration(l.moved.Load())
	if l.buffered.Load() == 0 || waited < stallAfter {
		return false
	}
	l.spent.Store(max(l.spent.Load(), int64(waited)))
	return true
}

// sample smooths the time per job.
func (l *lane) sample(d time.Duration) {
	old := l.spent.Load()
	if old == 0 {
		l.spent.Store(max(int64(d), 1))
		return
	}
	l.spent.Store(max(old+(int64(d)-old)/8, 1))
}

// quiet says that the lane has nothing in hand.
func (l *lane) quiet() bool {
	return !l.open.Load() || l.idle.Load() && l.buffered.Load() == 0 && l.working.Load() == 0
}

// empty throws away what was claimed and not begun.
func (l *lane) empty() {
	for {
		select {
		case j, ok := <-l.jobs:
			if !ok {
				return
			}
			l.unbuffer(1)
			l.srv.outOfLease(j.JobRef)
		default:
			return
		}
	}
}
