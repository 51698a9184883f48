package engine

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// ServerOptions say what a process runs, and how. Zero values are defaults.
type ServerOptions struct {
	Types   []*Type
	Name    string   // default: the host's name
	Version string   // of the program, for servers list
	Phases  []Phase  // default: all
	Only    []string // globs of type names; default: all
	// Slots overrides how many hooks of a type's phase run at once.
	Slots map[string]map[Phase]int

	Lease time.Duration // after which others take a silent process's jobs; default 15 s
	Drain time.Duration // how long running hooks may go on when the process stops; default 30 s
	Poll  time.Duration // the longest pause between looks at an idle database; default 1 s
	Batch int           // jobs claimed or completed at once, at most; default 1000
	// Connections is how many hooks may have connections to databases at once, one to
	// each; others wait for their turn. Default: DefaultConnections.
	Connections int

	// UntilIdle fires what is due once and ends when nothing is left to do.
	UntilIdle bool
	// Once fires no schedule and ends when the jobs, and all their items, are
	// final, or wait for what neither this process nor another one runs. Only the
	// types of the jobs, and of items that they make, are worked.
	Once []JobID
	// NotLoaded names types that would be run here if their code could be loaded.
	NotLoaded []string
}

// WithDefaults is a copy with every zero value replaced by its default.
func (o ServerOptions) WithDefaults() ServerOptions {
	if o.Name == "" {
		o.Name, _ = os.Hostname()
		o.Name = orElse(o.Name, "localhost")
	}
	if len(o.Phases) == 0 {
		o.Phases = Phases
	}
	o.Lease = orElse(o.Lease, 15*time.Second)
	o.Drain = orElse(o.Drain, 30*time.Second)
	o.Poll = orElse(o.Poll, time.Second)
	o.Batch = orElse(o.Batch, 1000)
	o.Connections = orElse(o.Connections, DefaultConnections)
	return o
}

// Validate reports the first option that cannot be, by its name.
func (o ServerOptions) Validate() error {
	switch {
	case o.Lease < time.Second || o.Lease > time.Hour:
		return Errorf(CodeUsage, "lease must be from 1s to 1h, not %s", FormatDuration(o.Lease))
	case o.Drain < 0:
		return Errorf(CodeUsage, "drain must not be negative")
	case o.Batch < 1 || o.Batch > 10_000:
		return Errorf(CodeUsage, "batch must be from 1 to 10000, not %d", o.Batch)
	case o.Connections < 1 || o.Connections > 10_000:
		return Errorf(CodeUsage, "connections must be from 1 to 10000, not %d", o.Connections)
	case len(o.Name) > MaxNameLen:
		return Errorf(CodeUsage, "the server's name has at most %d bytes", MaxNameLen)
	case !utf8.ValidString(o.Name):
		return Errorf(CodeUsage, "the server's name is no valid UTF-8: %q", o.Name)
	}
	for _, g := range o.Only {
		if _, err := path.Match(g, ""); err != nil {
			return Errorf(CodeUsage, "types: %q is no glob", g)
		}
	}
	seen := map[string]bool{}
	for _, t := range o.Types {
		if err := t.Validate(); err != nil {
			return err
		}
		if seen[t.Name] {
			return Errorf(CodeUsage, "job type %q is given twice", t.Name)
		}
		seen[t.Name] = true
	}
	return nil
}

// Server runs jobs: it is one incarnation of a named server after another,
// each with a lease. Make one with NewServer; Run it once.
type Server struct {
	eng  *Engine
	opts ServerOptions

	types map[TypeID]*Type
	ids   map[string]TypeID
	lanes map[Queue]*lane

	incarnation atomic.Int64
	offset      atomic.Int64 // database's clock minus ours, in ns
	drains      atomic.Bool
	suspended   atomic.Bool  // the lease could not be renewed: nothing is claimed
	lapsed      atomic.Int64 // when hooks were ended last because the lease was, or may have been, by Clock.Boot
	lease       leaseClock

	claims   *claimTable
	running  *runTable
	seats    seats // of hooks that have connections
	done     *completer
	logs     *logWriter
	progress *progressWriter
	notices  *noticeKeeper
	tally    tally
	away     outage
	stopped  atomic.Int64 // when it was told to stop, by the database's clock, in ns
	paramsOf paramsCache

	instancesSeen map[string]Raw    // by type: the variable's value that was saved last; the ticker's alone
	said          map[string]string // complaints, by what they are about; the ticker's alone

	wakeFold, wakePromote, wakeTick, wakePoll, wakeRescue chan struct{}

	firedOnce chan struct{} // closed when what was due has fired

	strandedMu sync.Mutex
	stranded   map[Queue]int64 // what Once waited for and nobody runs
}

// NewServer registers the types and prepares to run their jobs.
func (e *Engine) NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	o = o.WithDefaults()
	var mine []*Type
	for _, t := range o.Types {
		c := *t
		c.Settings = c.Settings.WithDefaults()
		mine = append(mine, &c)
	}
	o.Types = mine
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := e.store.Prepare(ctx); err != nil {
		return nil, err
	}
	o.Types = slices.DeleteFunc(mine, func(t *Type) bool { return !t.Settings.RunsOn(o.Name) || !matchAny(o.Only, t.Name) })
	s := &Server{
		eng: e, opts: o, types: map[TypeID]*Type{}, lanes: map[Queue]*lane{}, seats: make(seats, o.Connections),
		wakeFold: make(chan struct{}, 1), wakePromote: make(chan struct{}, 1),
		wakeTick: make(chan struct{}, 1), wakePoll: make(chan struct{}, 1), wakeRescue: make(chan struct{}, 1),
		firedOnce:     make(chan struct{}),
		instancesSeen: map[string]Raw{}, said: map[string]string{},
	}
	ids, err := e.RegisterTypes(ctx, o.Types...)
	if err != nil {
		return nil, err
	}
	s.ids = ids
	for _, t := range o.Types {
		s.types[ids[t.Name]] = t
		for _, p := range o.Phases {
			if t.Works(p) {
				q := QueueOf(ids[t.Name], p)
				s.lanes[q], s.lanes[q.Apart()] = newLane(s, q, t), newLane(s, q.Apart(), t)
			}
		}
	}
	if err := s.openLanes(ctx); err != nil {
		return nil, err
	}
	s.claims = newClaimTable()
	s.running = newRunTable()
	s.done = newCompleter(s)
	s.logs = newLogWriter(s)
	s.progress = newProgressWriter(s)
	s.notices = newNoticeKeeper(s)
	s.tally.init(o.Types, ids, func(q Queue) bool { return s.lanes[q] != nil })
	return s, nil
}

// Types are the types that this server runs: those given, without the ones
// that its name or its options leave out.
func (s *Server) Types() []*Type { return s.opts.Types }

// Run runs jobs until ctx ends, and then drains: it claims no more, lets
// running hooks end or hand over at a checkpoint within Drain, stops the others,
// gives back what is left, and returns nil. A hook that does not stop in time is
// left behind: it goes on until the process ends, and commits nothing. With UntilIdle
// or Once it also ends by itself. A database that does not answer does not end it; if
// it still does not when the server stops, Run returns an error with CodeUnreachable,
// and what could not be given back is left to other servers. One that is not there any
// more, a file that was removed, ends it at once, with CodeEmpty.
func (s *Server) Run(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	// Hooks live longer than ctx: they drain. What serves them lives longer still.
	hooks, stopHooks := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopHooks(nil)
	serve, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	ctx, idle := context.WithCancel(ctx)
	defer idle()

	var fetching, serving, working sync.WaitGroup
	for _, duty := range []func(context.Context){func(ctx context.Context) { s.heartbeat(ctx, gone) }, s.compareClaims, s.watchLease, s.readSignals, s.logs.run, s.progress.run, s.notices.run} {
		serving.Go(func() { duty(serve) })
	}
	duties := []func(context.Context){s.unhoard, s.poll, s.promote, s.fold, s.bury, s.rescue, s.sweep}
	if len(s.opts.Once) == 0 { // one job's process keeps no other jobs
		duties = append(duties, s.tick, s.prune)
	}
	for _, duty := range duties {
		fetching.Go(func() { duty(ctx) })
	}
	var completing sync.WaitGroup
	completing.Go(func() { s.done.run(serve) })
	for _, l := range s.lanes {
		fetching.Go(func() { l.fetch(ctx) })
		fetching.Go(func() { l.load(serve) })
		for range l.slots {
			working.Go(func() { l.work(hooks) })
		}
	}
	if s.opts.UntilIdle || len(s.opts.Once) > 0 {
		fetching.Go(func() { s.watchIdle(ctx, idle) })
	}

	<-ctx.Done()
	s.stopped.Store(s.now().UnixNano())
	s.drains.Store(true)
	serving.Go(func() { s.tellDrain(serve) })
	ended := s.awaitHooks(&fetching, &working, func() {
		s.tally.overdue()
		stopHooks(ErrDrained)
		s.running.stopCalls(ErrDrained)
	})
	lost := context.Cause(ctx)
	if CodeOf(lost) == CodeEmpty {
		stopHooks(ErrLost)
		s.loseAll()
	} else {
		lost = nil
	}
	fetching.Wait()
	returning, back := context.WithTimeout(serve, s.opts.Lease)
	for _, l := range s.lanes {
		s.giveBackBuffered(returning, l)
	}
	back()
	for _, l := range s.lanes {
		close(l.jobs)
	}
	abandoned := !<-ended
	if abandoned {
		// Such a hook may hold what the rest here waits for: SQLite's only writer.
		defer s.eng.clock.After(drainGrace, stopServing).Stop()
		s.abandon(serve)
	}
	s.logDrained()
	s.done.close()
	completing.Wait()
	err := s.end(serve)
	stopServing()
	serving.Wait()
	return cmp.Or(lost, err)
}

// logDrained says which jobs the end of the process has interrupted.
func (s *Server) logDrained() {
	snap := s.Snapshot()
	if len(snap.HandedOver) > 0 {
		s.eng.log.Info("handed over jobs at their checkpoints", "jobs", snap.HandedOver)
	}
	if len(snap.GaveBack) > 0 {
		s.eng.log.Warn("gave back jobs whose hooks did not end in "+FormatDuration(s.opts.Drain), "jobs", snap.GaveBack)
	}
}

// begin makes the first incarnation, and the schedules of the types. If it cannot, as
// when ctx ends meanwhile, no server that lives is left behind.
func (s *Server) begin(ctx context.Context) (err error) {
	defer func() {
		if err == nil || s.id() == 0 {
			return
		}
		stopping, done := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Lease/3)
		defer done()
		if serr := s.eng.store.StopServer(stopping, s.id()); serr != nil {
			s.eng.log.Debug("stop the server: others see that it has ended when its lease is over", "error", serr)
		}
	}()
	if err := s.incarnate(ctx); err != nil {
		return err
	}
	if len(s.opts.Once) > 0 {
		return nil
	}
	return s.saveSchedules(ctx, s.opts.Types)
}

// incarnate makes a new incarnation of the server, with a lease of its own.
func (s *Server) incarnate(ctx context.Context) error {
	works := map[string]Works{}
	for _, name := range s.opts.NotLoaded {
		if matchAny(s.opts.Only, name) {
			works[name] = Works{Broken: true}
		}
	}
	for _, q := range s.queues() {
		if q.Backfill() {
			continue // of the same phases
		}
		t := s.types[q.Type()]
		w := works[t.Name]
		works[t.Name] = Works{Version: t.Version, Phases: append(w.Phases, q.Phase())}
	}
	host, _ := os.Hostname()
	sent := s.eng.clock.Boot()
	id, err := s.eng.store.StartServer(ctx, ServerInfo{
		Name: s.opts.Name, Host: host, PID: os.Getpid(), Version: s.opts.Version, Types: works,
	}, s.opts.Lease)
	if err != nil {
		return err
	}
	s.incarnation.Store(int64(id))
	if s.drains.Load() {
		if err := s.eng.store.DrainServer(ctx, id); err != nil {
			return err
		}
	}
	now, err := s.eng.store.Now(ctx)
	if err != nil {
		return err
	}
	s.renewed(sent, now)
	return nil
}

func (s *Server) id() ServerID { return ServerID(s.incarnation.Load()) }

// ID is the number of the server's present incarnation.
func (s *Server) ID() ServerID { return s.id() }

func (s *Server) typeID(name string) TypeID { return s.ids[name] }

// now is the database's time, as far as the last heartbeat told it.
func (s *Server) now() time.Time {
	return s.eng.clock.Now().Add(time.Duration(s.offset.Load())).UTC()
}

// Queues are those that this server works: types of which it runs a phase.
func (s *Server) Queues() []Queue { return s.queues() }

// queues are those that this server works.
func (s *Server) queues() []Queue {
	qs := make([]Queue, 0, len(s.lanes))
	for q, l := range s.lanes {
		if l.open.Load() {
			qs = append(qs, q)
		}
	}
	slices.Sort(qs)
	return qs
}

// openLanes has all queues worked, or with Once those of the jobs' types.
func (s *Server) openLanes(ctx context.Context) error {
	if len(s.opts.Once) == 0 {
		for t := range s.types {
			s.openLane(t)
		}
	}
	for _, id := range s.opts.Once {
		j, err := s.eng.store.Job(ctx, id)
		if err != nil {
			return err
		}
		s.openLane(j.TypeID)
	}
	return nil
}

// openLane has a type's queues worked from now on.
func (s *Server) openLane(t TypeID) {
	for _, p := range Phases {
		q := QueueOf(t, p)
		if l := s.lanes[q]; l != nil && !l.open.Swap(true) {
			poke(l.wakeUp)
			s.lanes[q.Apart()].open.Store(true)
		}
	}
}

// wake has a queue looked at, if this server works it.
func (s *Server) wake(qs ...Queue) {
	for _, q := range qs {
		if l := s.lanes[q]; l != nil {
			poke(l.wakeUp)
		}
	}
}

// poke makes the one waiting on the channel go on; a poke that finds nobody is kept.
func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// giveBackBuffered releases what a lane has claimed and not begun.
func (s *Server) giveBackBuffered(ctx context.Context, l *lane) {
	back := map[ClaimID][]JobRef{}
	for more := true; more; {
		select {
		case j := <-l.jobs:
			back[j.Claim] = append(back[j.Claim], j.JobRef)
			l.buffered.Add(-1)
		default:
			more = false
		}
	}
	for claim, jobs := range back {
		s.giveBack(ctx, claim, jobs)
	}
}

// unhoard gives back jobs that were claimed ahead and wait for hooks which take
// much longer than those before: other servers may have a slot for them.
func (s *Server) unhoard(ctx context.Context) {
	s.keepTrying(ctx, "give back jobs that wait", nil, func(ctx context.Context) (time.Duration, error) {
		for _, l := range s.lanes {
			if l.stalled(s.eng.clock.Now()) {
				s.giveBackBuffered(context.WithoutCancel(ctx), l)
			}
		}
		return stallAfter / 5, nil
	})
}

// giveBack releases jobs of a claim. What cannot be released now is found by
// the next look at our own claims, or rescued.
func (s *Server) giveBack(ctx context.Context, claim ClaimID, jobs []JobRef) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Lease)
	defer cancel()
	for try := 0; try < 5; try++ {
		back, left, err := s.release(ctx, claim, jobs)
		s.claims.settled(claim, back...)
		if jobs = left; len(jobs) == 0 {
			return
		}
		if err != nil {
			level := slog.LevelWarn
			if mayPass(err) {
				level = slog.LevelDebug // the duties tell, where it lasts
			}
			s.log(level, "give back jobs", err, "jobs", len(jobs))
		}
		if isAway(err) || !sleep(ctx, s.eng.clock, time.Duration(try+1)*100*time.Millisecond) {
			break
		}
	}
	s.tally.kept(jobs)
	s.claims.giveUp(claim, jobs)
}

// release gives back jobs of a claim. Those whose rows others hold are left; with an
// error all are.
func (s *Server) release(ctx context.Context, claim ClaimID, jobs []JobRef) (back []JobID, left []JobRef, err error) {
	err = s.eng.store.Release(ctx, claim, jobs)
	var locked *LockedError
	if err != nil && !errors.As(err, &locked) {
		return nil, jobs, err
	}
	for _, j := range jobs {
		if locked != nil && slices.Contains(locked.Jobs, j.ID) {
			left = append(left, j)
		} else {
			back = append(back, j.ID)
		}
	}
	return back, left, nil
}

func matchAny(globs []string, name string) bool {
	for _, g := range globs {
		if ok, _ := path.Match(g, name); ok {
			return true
		}
	}
	return len(globs) == 0
}
