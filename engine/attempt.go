package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// maxReruns is how often in a row a hook is run again because of a dead-lock,
// a lost connection or a value changed by another. After dead-locks the attempt fails
// then: the hook may be its own enemy. Values that others change say nothing against
// it: it is put off, and burns no attempt.
const maxReruns = 20

// conflictPause is how long a hook is put off at least, and up to twice as long, that
// others have left no time to end.
const conflictPause = 20 * time.Second

// maxPutOffs is how often in a row a hook is put off: about half an hour. Then the
// attempt fails, since a hook can change by itself, such as by a request, what it reads.
const maxPutOffs = 50

// maxPrepares is how often a hook is prepared again that cannot be, for another
// reason than that the database does not answer.
const maxPrepares = 5

// attempt runs the hook that is due for a job, and commits what becomes of it.
// A job that was lost meanwhile is left alone.
func (s *Server) attempt(ctx context.Context, l *lane, j *ClaimedJob) {
	if !s.claims.known(j.Claim) { // the incarnation that claimed it is gone
		s.outOfLease(j.JobRef)
		return
	}
	if ctx.Err() != nil {
		s.giveBack(context.WithoutCancel(ctx), j.Claim, []JobRef{j.JobRef})
		return
	}
	var rerun tries
	for points := j.Checkpoints; ; {
		if j.Checkpoints > points { // it came further: the count begins anew
			rerun, points = tries{}, j.Checkpoints
		}
		rerun.began, rerun.severed, rerun.away = s.eng.clock.Boot(), nil, false
		if again := s.once(ctx, l, j, &rerun); !again {
			return
		}
		if rerun.n == 0 {
			rerun.since = s.eng.clock.Boot()
		}
		pause := rerun.wait()
		for {
			if !sleep(ctx, s.eng.clock, pause) {
				s.cut(context.WithoutCancel(ctx), j)
				return
			}
			if !s.claims.known(j.Claim) {
				s.noteUnleased(j, rerun.began)
				s.unleased(j)
				return
			}
			reruns, waits := j.Reruns, j.Waits
			ours, err := s.eng.store.Refresh(ctx, j)
			j.Reruns, j.Waits = reruns, waits
			if err == nil && !ours {
				s.lost(j)
				return
			}
			if err != nil {
				s.tellTries("look again whether the job is still ours", j, l.typ, rerun, err)
			}
			if s.drains.Load() && (rerun.away || isAway(err)) { // the process does not wait for a database to run it once more
				s.unwait(context.WithoutCancel(ctx), j)
				return
			}
			if err == nil {
				s.ranInVain(j, l.typ, &rerun)
				break
			}
			pause = min(2*pause, time.Second)
		}
	}
}

// once runs the hook one time. It says whether it must be run again. A fault of
// the engine's own ends the job, not the process.
func (s *Server) once(ctx context.Context, l *lane, j *ClaimedJob, rerun *tries) (again bool) {
	defer func() {
		if p := recover(); p != nil {
			s.fault(ctx, j, p, debug.Stack())
			again = false
		}
	}()
	c, err := s.newCall(ctx, l, j)
	if err != nil {
		switch CodeOf(err) {
		case CodeRetry, CodeUnreachable, CodeUnknown:
			s.tellTries("prepare the hook again", j, l.typ, *rerun, err)
			if rerun.n >= maxReruns { // others can use the slot, and perhaps run the job
				s.giveBack(context.WithoutCancel(ctx), j.Claim, []JobRef{j.JobRef})
				return false
			}
		default:
			s.log(slog.LevelWarn, "prepare the hook", err, "job", j.ID)
			if rerun.n >= maxPrepares {
				s.failForGood(ctx, j, fmt.Sprintf("its hook cannot be prepared: %v", err), "")
				return false
			}
		}
		return true
	}
	defer s.running.remove(c)
	defer c.end()
	commit := context.WithoutCancel(ctx)
	var result Raw
	if err = context.Cause(c.ctx); err == nil {
		err = c.poison // it cannot begin
	}
	if err == nil {
		// A hook's own error that wraps what ends it says where it was.
		if result, err = runHook(l.hookOf(j), c); c.poison != nil && !errors.Is(err, c.poison) {
			err = c.poison
		}
		if cause := context.Cause(c.ctx); cause != nil && !errors.Is(err, cause) {
			err = cause
		}
	}
	if err == nil {
		err = c.ends(result)
	}
	if err == nil || c.decided(err) {
		if again, err = s.succeed(commit, l, c, result, err); err == nil {
			return again
		}
		again = false
	}
	// From here on nothing of the hook's since its last checkpoint stays.
	c.end()
	var at *position // with how often in a row it was put off; nil: as it was
	if errors.Is(err, ErrSevered) || CodeOf(err) == CodeUnknown {
		rerun.severed = err
	}
	switch code := CodeOf(err); {
	case errors.Is(err, ErrLost):
		s.noteUnleased(j, rerun.began)
		s.unleased(j)
		return false
	case code == CodeLost:
		s.lost(j)
		return false
	case errors.Is(err, ErrDrained):
		if s.running.remove(c) {
			s.cut(commit, j)
		} else if left := s.claims.strangers(j.Claim, []JobRef{j.JobRef}); len(left) > 0 { // it was left behind, and may have held the writer that giving back waited for
			s.giveBack(commit, j.Claim, left)
		}
		return false
	case code == CodeUnreachable || code == CodeUnknown:
		rerun.away = code == CodeUnreachable
		s.tellTries("run the hook again", j, l.typ, *rerun, err)
		return true
	case code == CodeRetry || code == CodeConflict:
		if rerun.n < maxReruns {
			s.tellTries("run the hook again", j, l.typ, *rerun, err)
			if code == CodeConflict {
				c.runsAgain(err)
			}
			return true
		}
		// The fail hook leaves its decision to the policy: a verdict of it is about another phase.
		if code == CodeConflict && j.Phase != PhaseFail && !errors.Is(err, ErrLinked) {
			var v *Verdict
			if v, at = c.putOff(rerun.n+1, err); v != nil {
				err = v
				break
			}
		}
		err = &Failure{Kind: KindError, Code: "db." + string(code), Retryable: true, Cause: err,
			Message: fmt.Sprintf("the hook was run %d times, and each time its transaction was ended: %v", rerun.n+1, innermost(err))}
	}
	o := c.outcome()
	o.Items, o.Enqueue, o.Writes, o.Records = nil, nil, nil, RecordWrites{}
	o.Stats, o.NewStats = nil, nil
	if o.notPutOff(); at != nil {
		o.SetPosition, o.Position = true, at.encode()
	}
	s.failed(c, l, o, err)
	if o.Failure == nil || o.Failure.Kind != KindRejects {
		o.Rejects = nil // rolled back; too many are kept, for people to see
	}
	o.Logged = c.logged
	if err = s.settleFailure(ctx, c, o); err == nil {
		return false
	}
	switch {
	case errors.Is(err, ErrLost):
		s.noteUnleased(j, rerun.began)
		s.unleased(j)
		return false
	case CodeOf(err) == CodeLost:
		s.lost(j)
		return false
	}
	// The job is still ours, and what became of it cannot be written.
	s.eng.log.Error("settle a failed attempt", "job", j.ID, "error", err)
	sleep(ctx, s.eng.clock, time.Second)
	s.giveBack(commit, j.Claim, []JobRef{j.JobRef})
	return false
}

// putOff has a hook run again later, since others changed what it works on each time
// that it ran. It burns no attempt. After maxPutOffs without a checkpoint, v is nil: the
// attempt fails. at is the position that counts them.
func (c *Call) putOff(runs int, err error) (v *Verdict, at *position) {
	p, broken := parsePosition(c.job.Position)
	if broken != nil {
		return nil, nil // and no hook runs with it
	}
	if p.PutOffs++; p.PutOffs > maxPutOffs {
		return nil, nil
	}
	after := conflictPause + rand.N(conflictPause)
	c.Log(slog.LevelWarn, fmt.Sprintf("%s ran %d times, and each time others were faster: %v. It burns no attempt, and runs again in %s. If that goes on, have fewer jobs write that value, or checkpoint sooner after it is read",
		c.job.Phase, runs, innermost(err), FormatDuration(after.Round(time.Second))), nil)
	return &Verdict{Event: Snoozed, After: after, Wait: true}, &p
}

// notPutOff has the count of put-offs begin anew, if there is one, since the attempt ends
// in another way.
func (o *Outcome) notPutOff() {
	p, broken := parsePosition(o.Job.Position)
	if broken != nil || p.PutOffs == 0 {
		return
	}
	p.PutOffs = 0
	o.SetPosition, o.Position = true, p.encode()
}

// fault fails a job for good about which the engine itself has panicked.
func (s *Server) fault(ctx context.Context, j *ClaimedJob, p any, stack []byte) {
	s.eng.log.Error("a fault of the engine", "job", j.ID, "panic", p, "backtrace", string(stack))
	s.failForGood(ctx, j, fmt.Sprintf("a fault of the engine (please report it): %v", p), string(stack))
}

// failForGood fails a job without its hook. One that cannot even be failed is
// given back.
func (s *Server) failForGood(ctx context.Context, j *ClaimedJob, message, backtrace string) {
	commit := context.WithoutCancel(ctx)
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		f := (&Failure{Kind: KindError, Code: "internal", Message: s.eng.secrets.Strike(message), Phase: j.Phase, Attempt: j.Attempt(), Final: true, Backtrace: backtrace}).bounded()
		if j.Phase == PhaseFail {
			f.Phase = j.FailedPhase
		}
		o := &Outcome{Job: j, Server: s.id(), Verdict: j.Verdict, Failure: f}
		o.notPutOff()
		giveUp(o, GaveUp, f)
		if s.claims.rest(j.Claim, j.ID) {
			o.LastOf = &j.Claim
		}
		ours, cancel := s.whileOurs(commit)
		defer cancel()
		if err := s.eng.store.Commit(ours, nil, o); err != nil {
			return err
		}
		s.settled([]Outcome{*o})
		return nil
	}()
	if err != nil {
		s.eng.log.Error("fail the job", "job", j.ID, "error", err)
		sleep(ctx, s.eng.clock, time.Second)
		s.giveBack(commit, j.Claim, []JobRef{j.JobRef})
	}
}

// settleFailure commits a failed attempt. It tries again itself: that its answer
// is lost is no reason to run the hook once more.
func (s *Server) settleFailure(ctx context.Context, c *Call, o *Outcome) error {
	commit := context.WithoutCancel(ctx)
	pause := 10 * time.Millisecond
	var first tries
	for try := 1; ; try++ {
		again, err := s.settle(commit, c, nil, o)
		if err == nil || !again || try == maxReruns {
			return err
		}
		s.tellTries("settle a failed attempt again", c.job, c.typ, first, err)
		if first.n++; first.n == 1 {
			first.since = s.eng.clock.Boot()
		}
		sleep(commit, s.eng.clock, pause)
		if pause = min(2*pause, time.Second); !s.claims.known(c.job.Claim) {
			return ErrLost
		}
	}
}

// newCall prepares an execution of a hook.
func (s *Server) newCall(ctx context.Context, l *lane, j *ClaimedJob) (*Call, error) {
	c := &Call{eng: s.eng, srv: s, typ: l.typ, job: j, logLeft: maxLogLines, warnLeft: maxLogLines, began: s.eng.clock.Now()}
	var err error
	if c.position, err = parsePosition(j.Position); err != nil {
		c.poison = &Failure{Kind: KindError, Code: "position", Cause: err,
			Message: fmt.Sprintf("the position of its last checkpoint cannot be read (%v): start from the beginning, which does all again, what was committed too, with: dsengine jobs retry %d --fresh", err, j.ID)}
	}
	c.loops = loopsOf(c.position.Loops, j.Phase)
	c.records.pass = int64(j.Epoch)<<32 | int64(j.Checkpoints)
	c.resumed = j.Checkpoints > 0 || c.position.begun()
	if j.Reruns > 0 {
		c.stats, c.logged = Stats{RerunCount: j.Reruns}, true
	}
	switch j.Phase {
	case PhaseFail:
		if c.failure, err = s.eng.store.LastFailure(ctx, j.ID); err != nil {
			return nil, err
		}
	case PhaseFinish:
		if c.summary, err = s.eng.store.Summary(ctx, j.ID); err != nil {
			return nil, err
		}
	}
	c.attempt = c.Attempt()
	limit := l.typ.Settings.Timeout[j.Phase]
	// It is no child of ctx, for which it would be noted twice: Run stops what is in
	// running, and what comes there later ends below.
	c.ctx, c.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	c.watch = newStopwatch(s.eng.clock, limit, func() {
		c.stop(&Failure{Kind: KindTimeout, Code: "timeout", Retryable: true, Message: fmt.Sprintf("%s ran longer than its timeout of %s", j.Phase, FormatDuration(limit))})
	})
	if !s.running.add(c) {
		c.stop(ErrCancelled)
	}
	if ctx.Err() != nil {
		c.stop(context.Cause(ctx))
	}
	if !s.claims.known(j.Claim) {
		c.stop(ErrLost) // the lease ran out while it was being prepared
	}
	return c, nil
}

// runHook calls the hook and turns a panic into a failure.
func runHook(hook Hook, c *Call) (result Raw, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Failure{Kind: KindError, Code: "panic", Message: fmt.Sprintf("panic: %v", p), Backtrace: string(debug.Stack()), Retryable: true}
		}
	}()
	return hook(c)
}

// decided says that the fail hook ended itself by a verdict: what it wrote is
// committed with it, unlike that of the hook that failed.
func (c *Call) decided(err error) bool {
	var v *Verdict
	return c.job.Phase == PhaseFail && c.poison == nil && errors.As(err, &v)
}

// succeed commits a hook that ended well; the fail hook, also one that ended
// itself by a verdict.
func (s *Server) succeed(ctx context.Context, l *lane, c *Call, result Raw, verdict error) (again bool, err error) {
	c.watch.stop()
	if err := c.judgeRejects(ctx, true); err != nil {
		return false, err
	}
	if err := c.remember(ctx); err != nil {
		return false, err
	}
	if err := c.tellImported(ctx); err != nil {
		return false, err
	}
	o := c.outcome()
	var v *Verdict
	if errors.As(verdict, &v) {
		c.logVerdict(v)
		obeyVerdict(o, l.hooks, l.typ.Settings.Retry, v, c.failure)
	} else if c.job.Phase == PhaseFail {
		obey(o, l.typ.Settings.Retry, c.failure)
	} else if f := success(o, l.hooks, result, c.job.Emitted+c.pend.created(), c.summary); f != nil {
		return false, f
	}
	if c.job.Phase == PhaseProduce && result != nil && !l.hooks.Has(PhaseConsume) {
		c.Log(slog.LevelWarn, "produce returned a payload, and there is no consume that works on it: define consume, or return nothing; it is kept as the job's result", nil)
	}
	if n := c.allSkipped(o.Stats); n > 0 {
		c.Log(slog.LevelWarn, fmt.Sprintf("all %d rows that the database was given are nothing, and are skipped: does the function that makes them return them?", n), nil)
	}
	c.settleRedriven(o)
	if o.Event == HandedOn {
		if err := c.recall(ctx); err != nil {
			return false, err
		}
		o.Position = position{Before: c.stats.Plus(c.before)}.encode()
	}
	c.strike(o)
	o.Logged = c.logged
	if len(c.joined) > 0 {
		ours, cancel := s.whileOurs(ctx)
		err := c.commitJoined(ours)
		if cancel(); err != nil {
			return false, err
		}
	}
	session := c.session
	if session != nil && !session.Wrote() {
		session.Rollback(ctx)
		session = nil
	}
	if session == nil && o.Plain() && len(c.pend.onCommit) == 0 && c.pend.left.Jobs == 0 {
		last := l.working.Load() == 1 && l.buffered.Load() == 0
		s.done.add(*o, last)
		return false, nil
	}
	if again, err = s.settle(ctx, c, session, o); err == nil && !again {
		c.committed()
	}
	return again, err
}

// failed decides about a hook that ended badly.
func (s *Server) failed(c *Call, l *lane, o *Outcome, err error) {
	policy := l.typ.Settings.Retry
	var v *Verdict
	switch {
	case errors.Is(err, ErrCancelled):
		giveUp(o, Withdrawn, nil)
	case errors.As(err, &v):
		c.logVerdict(v)
		obeyVerdict(o, l.hooks, policy, v, c.failure)
		if o.Failure != nil {
			level := slog.LevelInfo
			if v.Event == GaveUp {
				level = slog.LevelWarn
			}
			s.logFailed(level, c, o, policy)
		}
	case c.job.Phase == PhaseFail:
		f := AsFailure(err)
		c.Log(slog.LevelError, "the fail hook failed: "+f.Message, map[string]any{"backtrace": f.Backtrace})
		obey(o, policy, c.failure)
	default:
		f := AsFailure(err)
		failure(o, l.hooks, policy, f)
		s.logFailed(slog.LevelWarn, c, o, policy)
	}
}

// logVerdict keeps why a hook ended its job, where no failure tells it.
func (c *Call) logVerdict(v *Verdict) {
	if v.Reason != "" && (v.Event == Withdrawn || v.Event == GaveUp && c.job.Phase == PhaseFail) {
		c.Log(slog.LevelInfo, v.Error(), nil)
	}
}

// logFailed says how an attempt failed, and what comes next.
func (s *Server) logFailed(level slog.Level, c *Call, o *Outcome, policy RetryPolicy) {
	f := s.eng.secrets.strikeFailure(o.Failure).bounded()
	next := "none"
	switch {
	case o.Event == Failing:
		next = "its fail hook"
	case o.Event == Retried:
		next = "in " + FormatDuration(roughly(o.Delay))
	case f.Hopeless() && f.Attempt < policy.Max:
		next = "none: another attempt would meet the same"
	}
	s.eng.log.Log(context.Background(), level, "attempt failed", "job", c.job.ID, "type", c.typ.Name, "phase", f.Phase,
		"attempt", fmt.Sprintf("%d of %d", f.Attempt, policy.Max), "next", next, "error", f.Message, "backtrace", f.Backtrace)
}

// roughly is a pause as people are told of it.
func roughly(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// logAfterFail says what comes after a fail hook.
func (s *Server) logAfterFail(o *Outcome) {
	next := "none"
	if o.To.Status == StatusWaiting {
		next = "in " + FormatDuration(roughly(o.Delay))
	}
	name := ""
	if t := s.types[o.Job.Type]; t != nil {
		name = t.Name
	}
	s.eng.log.Info("its fail hook has ended", "job", o.Job.ID, "type", name, "next", next)
}

// settle commits an outcome, in the session's transaction if there is one. The
// claim is dropped with the last of its jobs.
func (s *Server) settle(ctx context.Context, c *Call, session Session, o *Outcome) (again bool, err error) {
	j := c.job
	s.eng.secrets.strikeOutcome(o)
	o.bound()
	ctx, cancel := s.whileOurs(ctx)
	defer cancel()
	if s.claims.rest(j.Claim, j.ID) {
		o.LastOf = &j.Claim
	}
	if err := s.eng.store.Commit(ctx, session, o); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		switch CodeOf(err) {
		case CodeConflict, CodeRetry, CodeUnreachable, CodeUnknown:
			return session == nil, err
		}
		return false, err
	}
	s.settled([]Outcome{*o})
	return false, nil
}

// settled tells all who want to know that outcomes were committed, and drops
// the claims that are done with.
func (s *Server) settled(outcomes []Outcome) {
	s.tally.settled(s.eng.clock.Now(), outcomes)
	var drop []ClaimID
	for i := range outcomes {
		o := &outcomes[i]
		if s.claims.settled(o.Job.Claim, o.Job.ID) && o.LastOf == nil {
			drop = append(drop, o.Job.Claim)
		}
		s.announce(o)
		if o.Job.Phase == PhaseFail {
			s.logAfterFail(o)
		}
	}
	if len(drop) > 0 {
		s.done.drop(drop)
	}
}

// announce wakes whoever has something to do after a commit.
func (s *Server) announce(o *Outcome) {
	if o.To.Status == StatusWaiting {
		s.due(o.Job.Queue(o.To.Phase), o.Delay > 0)
	}
	for _, list := range [][]JobInsert{o.Items, o.Enqueue} {
		for k := range list {
			s.due(list[k].Queue(), list[k].Delay > 0)
		}
	}
	for k := range o.Items {
		s.openLane(o.Items[k].Type) // with Once
	}
	if o.To.Status == StatusOpen || o.To.Status.Final() && o.Job.Parent != 0 {
		poke(s.wakeFold)
	}
	if o.To.Status.Final() && !o.Job.ScheduledFor.IsZero() {
		poke(s.wakeTick)
	}
}

// due wakes the queue's lane, or for a delayed job the promoter.
func (s *Server) due(q Queue, delayed bool) {
	if delayed {
		poke(s.wakePromote)
	} else {
		s.wake(q)
	}
}

// lost forgets a job that others have: its epoch has moved on.
func (s *Server) lost(j *ClaimedJob) {
	s.eng.log.Info("lost the claim of a job", "job", j.ID)
	if s.claims.settled(j.Claim, j.ID) {
		s.done.drop([]ClaimID{j.Claim})
	}
}

// unleased forgets the claim of a job that was to end when the lease may have. The job
// is not done with, so the claim is not to be dropped: if the database has it still in
// our name, it is given back as a stranger.
func (s *Server) unleased(j *ClaimedJob) {
	s.eng.log.Info("lost the claim of a job", "job", j.ID)
	s.outOfLease(j.JobRef)
	s.claims.forget(j.Claim)
}

// whileOurs gives a context that ends when the lease may have.
func (s *Server) whileOurs(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	undo := s.running.guard(stop)
	if s.suspended.Load() { // it ran out before: nobody stops this one any more
		stop(ErrLost)
	}
	return ctx, func() { undo(); stop(nil) }
}
