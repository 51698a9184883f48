package scripttest

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// Point is a place at which a crash of the process matters: right before or after
// a commit, or an effect that no rollback undoes.
type Point struct {
	What  string `json:"what"` // such as "after http.post"
	Phase string `json:"phase"`
	File  string `json:"file,omitempty"` // of the script, where that is known
	Line  int    `json:"line,omitempty"`
	Func  string `json:"function,omitempty"` // the script's
}

// String says where it is.
func (p *Point) String() string {
	text := p.What
	if p.Func != "" && p.Func != p.Phase {
		text += " in " + p.Func
	}
	text += " in " + p.Phase
	if p.File != "" {
		text += fmt.Sprintf(" (%s:%d)", p.File, p.Line)
	}
	return text
}

// at takes a place, "file:line", and says whether it is one.
func (p *Point) at(place string) bool {
	i := strings.LastIndexByte(place, ':')
	if i <= 0 {
		return false
	}
	p.File = place[:i]
	p.Line, _ = strconv.Atoi(place[i+1:])
	return true
}

// crash counts the points that a test comes to, and kills the process at one of
// them: the hook ends there, as far as it did come is what the database has, and
// the job is due again.
type crash struct {
	way
	w      *world
	seen   int                // points so far
	runs   int                // of hooks that have begun
	began  int                // the run that was killed before its end; 0: none
	died   *Point             // where it was killed
	whose  engine.JobID       // the job whose hook ran then
	due    time.Time          // when its job is taken over; zero: none is to be
	others bool               // others ran before it was
	last   *hostlib.Call      // while its hook runs
	job    *engine.ClaimedJob // of that
	near   near               // what the hook that runs, or ran last, has called
	done   engine.JobRef      // whose hook has committed its end
	start  int                // the first request of the run of a hook
	mark   int                // the first one that is not committed
	in     *hostlib.Func      // that the hook has called and that goes on; nil: none

	handed  map[engine.JobID]engine.Raw // what produce has handed on
	stepped map[step]bool               // where ctx.checkpoint has committed
	apart   bool                        // another database has committed, and the hook's own has not since
	loose   []string                    // of the outcome: what may be another by right
	lost    bool                        // the hook that was killed is to be run again
	off     bool

	half    int     // the calls that the test had made where it did not come to its end; 0: it did
	picture picture // of the world
	outcome picture // of it
}

// way is how a test is run.
type way struct {
	at    int    // the point at which the process is killed, from 1; 0: none
	late  int    // the run of a hook, from 1, that is killed before it does anything, so that it merely begins later; 0: none
	slow  bool   // the job is taken over as late as servers do, not in the same moment
	alone bool   // it is taken over before anything else runs, as by the only server that there is; not behind what is due
	dice  string // "": those of the test's name
	upto  int    // the world is looked at when the test has made so many calls; 0: at its end
}

// step is a phase of a job.
type step struct {
	job   engine.JobID
	phase engine.Phase
}

// near is the last thing that a hook has called that has an effect; one outside of its
// transaction counts more than others.
type near struct {
	of      engine.JobRef
	fn, at  string // at is "file:line"
	outside bool
}

// watch has the crash see what a world's hooks do.
func (k *crash) watch(w *world) {
	k.w, w.crash = w, k
	k.handed, k.stepped = map[engine.JobID]engine.Raw{}, map[step]bool{}
}

// maxPassed bounds how many points a test comes to in all its runs with a crash, each of
// which takes as long as there are points.
const maxPassed = 100_000

// room is how many runs a test may have that comes to so many points.
func room(points int) int { return max(10, maxPassed/max(points, 1)) }

// called is told of each call of the test itself that ends.
func (k *crash) called(w *world) {
	if k != nil && k.upto > 0 && w.calls >= k.upto {
		k.looks()
	}
}

// looks takes the picture, once: of a test that goes on, too.
func (k *crash) looks() {
	if k.picture == nil {
		k.picture = k.w.picture()
		k.outcome = k.picture.outcome(k.w.http).sorted().without(k.loose)
	}
}

// ended is told of the end of the test: half that it did not come to its end.
func (k *crash) ended(w *world, half bool) {
	if k == nil {
		return
	}
	k.looks()
	if half {
		k.half = w.calls
	}
}

// maxTold bounds how many of the crashes that fail a test are shown.
const maxTold = 3

// place is where in the script a crash was, whether before or after what is there; a
// commit is a place of its own.
func (p *Point) place() Point {
	at := *p
	if at.File != "" && !strings.Contains(at.What, theCommit) {
		at.What = ""
	}
	return at
}

// crashes runs a test again with a crash at each of its points, and adds to its
// result where it does not hold then: each place once. What is different then is
// looked for beside a run that is as far: first is that of the whole test.
func (w *worker) crashes(ctx context.Context, t *test, r *Result, first *crash) {
	told := map[Point]*Failure{}
	points := first.seen
	kills := &kills{w: w, t: t, runs: map[way]*lived{{}: {crash: first}}, room: room(points)}
	if w.suite.opts.Every {
		kills.room = math.MaxInt
	}
	var bad int
	r.Points = points
	defer func() { w.suite.crashing(r, points, points) }()
	for point := 1.0; point <= float64(points); point = kills.next(point, points) {
		if ctx.Err() != nil {
			return
		}
		w.suite.crashing(r, int(point)-1, points)
		k, beside := kills.at(ctx, int(point))
		if k.died != nil {
			r.Crashes++
		} else {
			r.Missed++ // nothing is shown by it, unless it fails
		}
		if killed := k.result; killed.Status == Skipped {
			killed.Failures = []*Failure{{File: r.File, Line: r.Line, Message: fmt.Sprintf("it is left out (%s), and without a crash it is not: nothing shows what came of the crash", killed.Reason)}}
		}
		if len(k.result.Failures) == 0 {
			if k.died != nil {
				r.differs(k.died, beside.later("it is the same where "), kills.difference(ctx, k, beside))
			}
			continue
		}
		r.Status = Failed
		if k.died == nil {
			k.died = &Point{What: fmt.Sprintf("at point %d of %d, which the test did not come to this time", k.at, points)}
		}
		at := k.died.place()
		if before := told[at]; before != nil {
			before.More++
			continue
		}
		if len(told) == maxTold {
			bad++
			continue
		}
		f := k.result.Failures[0]
		f.Crash = k.died
		told[at] = f
		if why := kills.why(ctx, k, beside); why != "" {
			f.Detail = strings.TrimLeft(f.Detail+"\nit holds where "+why, "\n")
		}
		if diff := k.picture.without(k.loose).difference(kills.upto(ctx, beside, k.far()).picture.without(k.loose)); diff != "" {
			f.Detail = strings.TrimLeft(f.Detail+"\nbeside the run without a crash:\n"+diff, "\n")
		}
		r.Failures = append(r.Failures, f)
		if len(r.Log) == 0 {
			r.Log = k.result.Log
		}
	}
	r.LeftOut = points - kills.tried
	if r.Crashes == 0 && points > 0 && r.Status == Passed {
		r.Status = Failed
		r.Failures = append(r.Failures, &Failure{File: r.File, Line: r.Line,
			Message: fmt.Sprintf("no crash was tried: none of the %d points came again; have the script, and the test, do the same each time", points)})
	}
	if r.Status == Failed { // which says more
		r.Differs = nil
	}
	if bad > 0 {
		lead := "lead"
		if bad == 1 {
			lead = "leads"
		}
		r.Failures = append(r.Failures, &Failure{Message: fmt.Sprintf("%d more of %d crashes, at other places, %s to another result", bad, kills.tried, lead)})
	}
}

// differs notes how the outcome is another after a crash with which the test passes:
// each place once.
func (r *Result) differs(died *Point, why, diff string) {
	if diff == "" {
		return
	}
	for _, f := range r.Differs {
		if f.Crash.place() == died.place() {
			f.More++
			return
		}
	}
	if diff = strings.TrimLeft(why+"\n"+diff, "\n"); len(r.Differs) >= maxTold {
		diff = ""
	}
	r.Differs = append(r.Differs, &Failure{Message: "the test passes, but the outcome is another", Detail: diff, Crash: died})
}

// again says, once, that a hook was killed before its end was committed.
func (k *crash) again() bool {
	if k == nil || !k.lost {
		return false
	}
	k.lost = false
	return true
}

// pause has points not count, until they do again.
func (k *crash) pause(off bool) {
	if k != nil {
		k.off = off
	}
}

// dies counts a point, and kills the process if it is the one. ended says that
// nothing of the hook is left to do; in is what the hook, which runs still, has called
// last: once it has ended, another may use its interpreter. Where it has called nothing,
// the place is that of its definition.
func (k *crash) dies(what string, j *engine.ClaimedJob, ended bool, in *hostlib.Call) bool {
	if k.off {
		return false
	}
	if k.seen++; k.seen != k.at {
		return false
	}
	k.died = &Point{What: what, Phase: j.Phase.String()}
	switch {
	case ended:
	case k.apart: // it finds there what it has written
		k.loose = []string{counted, returned}
	case k.stepped[step{j.ID, j.Phase}]: // it may read and write again what it has committed
		k.loose = []string{counted}
	}
	if in != nil {
		if lang, ok := in.Lang.(hostlib.Inspector); ok {
			c := lang.Caller()
			k.died.File, k.died.Line, k.died.Func = c.File, c.Line, c.Func
		}
		if k.died.File == "" {
			k.died.at(in.After())
		}
	}
	if k.died.File == "" {
		hook := j.Phase.String()
		if j.Phase == engine.PhaseConsume && j.Redrive == engine.RedriveRows {
			hook = hostlib.RedriveHook
		}
		k.died.at(k.w.tested.HookAt(hook))
	}
	if k.lost = !ended; k.lost {
		k.began = k.runs
	}
	k.w.step.Kill()
	k.w.http.forget(k.start, k.mark)
	if k.whose = j.ID; ended {
		k.w.http.anew()
	}
	return true
}

// around is called before and after each function that a hook calls.
func (k *crash) around(c *hostlib.Call, f *hostlib.Func, after bool) error {
	if c.Hook != nil {
		k.job = c.Hook.Job()
	}
	if k.last, k.in = c, f; after {
		k.in = nil
	}
	if !after && k.at > 0 && f.Effect != hostlib.Pure {
		k.calls(c, f)
	}
	if f.Effect != hostlib.Outside {
		return nil
	}
	when := early
	if after {
		when = late
	}
	j := c.Hook.Job() // of what runs after the commit nothing is run again
	if k.dies(when+f.String(), j, j.JobRef == k.done, c) {
		return engine.ErrLost
	}
	return nil
}

// calls remembers what a hook calls.
func (k *crash) calls(c *hostlib.Call, f *hostlib.Func) {
	of, outside := c.Hook.Job().JobRef, f.Effect == hostlib.Outside
	if k.near.of != of || outside || !k.near.outside {
		k.near = near{of, f.String(), c.Lang.Where(), outside}
	}
}

// theCommit is what the commit of a hook that has ended is called.
const theCommit = "the commit"

// commits is dies at the commit of a hook that has ended: its place is behind what it
// has called.
func (k *crash) commits(what string, j *engine.ClaimedJob, ended bool) bool {
	if !k.dies(what, j, ended, nil) {
		return false
	}
	if k.near.of == j.JobRef && k.died.at(k.near.at) {
		k.died.What += " behind " + k.near.fn
	}
	return true
}

// takeover is how late another process takes over the jobs of one that was killed.
const takeover = 20 * time.Second

// later says, of a run beside that of a crash, that the time makes the difference.
func (k *crash) later(same string) string {
	if k.late == 0 {
		return ""
	}
	return same + "the time stands still: the job is taken over " + engine.FormatDuration(takeover) + " later"
}

// over is told that the hook that was killed is over.
func (k *crash) over() error {
	k.due = k.w.clock.Now()
	if k.slow && k.lost {
		k.due = k.due.Add(takeover)
	}
	if !k.alone {
		return nil
	}
	return k.takeOver()
}

// pending is when the job of a hook that was killed is to be taken over; the zero time:
// none is.
func (k *crash) pending() (due time.Time) {
	if k != nil {
		due = k.due
	}
	return due
}

// takeOver has the job be due again, when it is time.
func (k *crash) takeOver() error {
	k.w.clock.advance(k.w.ctx, k.due)
	k.due, k.others = time.Time{}, k.lost && k.runs > k.began
	return k.w.step.Rescue(k.w.ctx)
}

// begins is told that a job's hook is to run, and gives what runs in its place.
func (k *crash) begins(j *engine.ClaimedJob, hook engine.Hook) engine.Hook {
	if k == nil || k.off {
		return hook
	}
	k.start = k.w.http.begins(j.ID == k.whose)
	if k.runs++; k.runs != k.late {
		return hook
	}
	return func(*engine.Call) (engine.Raw, error) {
		k.lost, k.began = true, k.runs
		k.w.step.Kill()
		return nil, engine.ErrLost
	}
}

// ends is told of the end of a hook that has committed.
func (k *crash) ends(j *engine.ClaimedJob) {
	if k.done = j.JobRef; j.ID == k.whose {
		k.w.http.anew()
	}
}

// committed says that what the hook has done so far stays.
func (k *crash) committed(ctx context.Context) error {
	k.mark, k.apart = k.w.http.made(), false
	return k.w.step.Save(ctx)
}

// crashStore has a process die before and after what it commits for jobs.
type crashStore struct {
	engine.Store
	k *crash
}

// Commit commits what a hook did, or so far.
func (s *crashStore) Commit(ctx context.Context, session engine.Session, o *engine.Outcome) error {
	dies := func(when string) bool { return s.k.dies(when+"a checkpoint", o.Job, false, s.k.last) }
	if !o.Checkpoint() {
		what := theCommit
		if o.Failure != nil {
			what += " of the failure"
		}
		dies = func(when string) bool { return s.k.commits(when+what, o.Job, when == late) }
	}
	if dies(early) {
		return engine.ErrLost
	}
	if err := s.Store.Commit(ctx, session, o); err != nil {
		return err
	}
	if err := s.k.committed(ctx); err != nil {
		return err
	}
	switch at := (step{o.Job.ID, o.Job.Phase}); {
	case !o.Checkpoint():
		s.k.ends(o.Job)
		if o.HandsOn() {
			s.k.handed[at.job] = o.Item
		}
	case s.k.in != nil && s.k.in.String() == "ctx.checkpoint":
		s.k.stepped[at] = true
	}
	if dies(late) {
		return engine.ErrLost
	}
	return nil
}

// crashConnection has a process die before and after what it commits on another database.
type crashConnection struct {
	engine.Connection
	k    *crash
	name string
}

// Begin opens a hook's session.
func (c *crashConnection) Begin(o engine.SessionOptions) engine.Joined {
	return &crashJoined{c.Connection.Begin(o), c}
}

type crashJoined struct {
	engine.Joined
	on *crashConnection
}

// CommitOwn commits what is open.
func (s *crashJoined) CommitOwn(ctx context.Context) error {
	if !s.Wrote() {
		return s.Joined.CommitOwn(ctx)
	}
	k, what := s.on.k, fmt.Sprintf("the commit on connection %q", s.on.name)
	j := k.job // that has called db.connect; its hook is over, maybe, and the call another's
	if k.commits(early+what, j, false) {
		return engine.ErrLost
	}
	if err := s.Joined.CommitOwn(ctx); err != nil {
		return err
	}
	k.apart = true
	if k.commits(late+what, j, false) {
		return engine.ErrLost
	}
	return nil
}

// When a process is killed, beside what it does.
const early, late = "before ", "after "

// Settle commits what became of hooks that wrote nothing.
func (s *crashStore) Settle(ctx context.Context, outcomes []engine.Outcome, done []engine.ClaimID) ([]engine.JobID, error) {
	if len(outcomes) == 0 {
		return s.Store.Settle(ctx, outcomes, done)
	}
	j := outcomes[0].Job
	if s.k.commits(early+theCommit, j, false) {
		return nil, engine.ErrLost
	}
	lost, err := s.Store.Settle(ctx, outcomes, done)
	if err != nil {
		return lost, err
	}
	if err := s.k.committed(ctx); err != nil {
		return lost, err
	}
	s.k.ends(outcomes[len(outcomes)-1].Job)
	s.k.commits(late+theCommit, j, true)
	return lost, nil
}
