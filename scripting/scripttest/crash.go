package scripttest

import (
	"context"
	"fmt"
	"net/http"
	"strings"

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

// crash counts the points that a test comes to, and kills the process at one of
// them: the hook ends there, as far as it did come is what the database has, and
// the job is due again.
type crash struct {
	w    *world
	at   int    // the point, from 1; 0: none
	seen int    // points so far
	died *Point // where it was killed
	last *hostlib.Call
	mark int  // the first request that is not committed
	lost bool // the hook that was killed is to be run again
	off  bool
	look bool // take a picture at the end, also of a test that passes

	picture picture // of the world at the end
}

// watch has the crash see what a world's hooks do.
func (k *crash) watch(w *world) {
	k.w, w.crash, w.host.Around = w, k, k.around
}

// maxCrashes bounds how many crashes a test is run with; of more points, as many
// are taken, evenly.
const maxCrashes = 1000

// maxTold bounds how many of the crashes that fail a test are shown.
const maxTold = 3

// crashes runs a test again with a crash at each of its points, and adds to its
// result where it does not hold then.
func (w *worker) crashes(ctx context.Context, t *test, r *Result, points int) {
	var whole *crash
	var bad int
	r.Crashes = min(points, maxCrashes)
	for i := range r.Crashes {
		if ctx.Err() != nil {
			return
		}
		k := &crash{at: 1 + i*points/r.Crashes}
		killed := w.live(ctx, t, k)
		if len(killed.Failures) == 0 {
			continue
		}
		if bad++; bad > maxTold {
			continue
		}
		if whole == nil {
			whole = &crash{look: true}
			w.live(ctx, t, whole)
		}
		f := killed.Failures[0]
		f.Crash = k.died
		if diff := k.picture.difference(whole.picture); diff != "" {
			f.Detail = strings.TrimLeft(f.Detail+"\nbeside the run without a crash:\n"+diff, "\n")
		}
		r.Failures = append(r.Failures, f)
		if len(r.Log) == 0 {
			r.Log = killed.Log
		}
	}
	if bad > 0 {
		r.Status = Failed
	}
	if bad > maxTold {
		r.Failures = append(r.Failures, &Failure{File: t.File, Line: t.Line, Message: fmt.Sprintf("%d more of %d crashes lead to another result", bad-maxTold, r.Crashes)})
	}
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
// nothing of the hook is left to do.
func (k *crash) dies(what string, phase engine.Phase, ended bool) bool {
	if k.off {
		return false
	}
	if k.seen++; k.seen != k.at {
		return false
	}
	k.died = &Point{What: what, Phase: phase.String()}
	if k.last != nil {
		if in, ok := k.last.Lang.(hostlib.Inspector); ok {
			c := in.Caller()
			k.died.File, k.died.Line, k.died.Func = c.File, c.Line, c.Func
		}
	}
	k.lost = !ended
	k.w.step.Kill()
	k.w.http.forget(k.mark)
	return true
}

// around is called before and after each function that a hook calls.
func (k *crash) around(c *hostlib.Call, f *hostlib.Func, after bool) error {
	k.last = c
	if f.Effect != hostlib.Outside {
		return nil
	}
	when := "before "
	if after {
		when = "after "
	}
	if k.dies(when+f.String(), c.Hook.Job().Phase, false) {
		return engine.ErrLost
	}
	return nil
}

// committed says that what the hook has done so far stays.
func (k *crash) committed(ctx context.Context) error {
	k.mark = k.w.http.made()
	return k.w.step.SaveLogs(ctx)
}

// crashStore has a process die before and after what it commits for jobs.
type crashStore struct {
	engine.Store
	k *crash
}

// Commit commits what a hook did, or so far.
func (s *crashStore) Commit(ctx context.Context, session engine.Session, o *engine.Outcome) error {
	what, phase := "the commit", o.Job.Phase
	switch {
	case o.Checkpoint():
		what = "a checkpoint"
	case o.Failure != nil:
		what = "the commit of the failure"
	}
	if s.k.dies("before "+what, phase, false) {
		return engine.ErrLost
	}
	if err := s.Store.Commit(ctx, session, o); err != nil {
		return err
	}
	if err := s.k.committed(ctx); err != nil {
		return err
	}
	if s.k.dies("after "+what, phase, !o.Checkpoint()) {
		return engine.ErrLost
	}
	return nil
}

// Settle commits what became of hooks that wrote nothing.
func (s *crashStore) Settle(ctx context.Context, outcomes []engine.Outcome, done []engine.ClaimID) ([]engine.JobID, error) {
	if len(outcomes) == 0 {
		return s.Store.Settle(ctx, outcomes, done)
	}
	phase := outcomes[0].Job.Phase
	if s.k.dies("before the commit", phase, false) {
		return nil, engine.ErrLost
	}
	lost, err := s.Store.Settle(ctx, outcomes, done)
	if err != nil {
		return lost, err
	}
	if err := s.k.committed(ctx); err != nil {
		return lost, err
	}
	s.k.dies("after the commit", phase, true) // which nothing comes after
	return lost, nil
}

// made is how many requests there were.
func (s *stubs) made() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// forget takes back the requests from one on that only read: what a killed attempt
// has asked is asked again.
func (s *stubs) forget(from int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.calls[:from:from]
	for _, c := range s.calls[from:] {
		if c.method != http.MethodGet && c.method != http.MethodHead {
			kept = append(kept, c)
		} else if c.by != nil && c.by.times >= 0 {
			c.by.times++
		}
	}
	s.calls = kept
}
