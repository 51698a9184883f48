package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

const (
	waitPause = time.Second     // between looks at a job that is waited for, at most
	waitHook  = 2 * time.Second // how long it is waited for what a fail hook decides, before the failure is told
	waitCalm  = 7 * time.Second // how long servers may take to be heard of again once the database is back
)

// waiter waits for the end of a job and tells what happens meanwhile.
type waiter struct {
	env   *Env
	store engine.Store
	id    engine.JobID
	old   bool // the job was there before: what it had behind it is not told

	attempts []attemptInfo // that failed or were lost
	seen     int           // rows of attempts that were looked at
	epoch    engine.Epoch  // of the job, when they were
	said     bool          // what it waits for

	away engine.Nag    // when it is told that the database does not answer
	lost time.Duration // since when it does not, by Clock.Boot; 0: it does
	told bool          // that it does not
}

// wait waits until the job is final. Each attempt that fails is told of, and once
// what the job waits for.
func (w *waiter) wait(ctx context.Context) (*engine.Job, error) {
	pause := 20 * time.Millisecond
	var waited, hook time.Duration // since the beginning, and since its fail hook is due
	for {
		began := w.env.Clock.Boot()
		j, err := w.look(ctx)
		if err == nil {
			if w.answers() {
				waited = -waitCalm
			}
			if hook += pause; j.Phase != engine.PhaseFail {
				hook = 0
			}
			if hook == 0 || hook >= waitHook {
				j, err = w.tellFailures(ctx, j)
			}
		}
		switch {
		case err != nil && (ctx.Err() != nil || engine.CodeOf(err) != engine.CodeRetry && engine.CodeOf(err) != engine.CodeUnreachable):
			return nil, err
		case err != nil:
			w.tellAway(began, err)
		case j.Status.Final():
			return j, nil
		case waited > 3*time.Second && !w.said && j.WaitingFor != nil:
			w.said = true
			w.env.say("job %d waits: %s", w.id, clean(*j.WaitingFor))
		}
		pause = min(2*pause, waitPause)
		if !w.env.wait(ctx, pause) {
			return nil, context.Cause(ctx)
		}
		waited += pause
	}
}

// tellAway says now and then that the database does not answer: at once where it cannot
// be reached, otherwise when that has gone on for a while.
func (w *waiter) tellAway(began time.Duration, err error) {
	if w.lost == 0 {
		w.lost = began
	}
	now := w.env.Clock.Boot()
	if engine.CodeOf(err) != engine.CodeUnreachable && now-w.lost < engine.TellAfter || !w.away.Due(now) {
		return
	}
	w.told = true
	w.env.say("the database does not answer: job %d is waited for until it does (%s)", w.id, clip(err.Error(), 200))
}

// answers notes that the database answers, and says whether it did not before.
func (w *waiter) answers() bool {
	if w.lost == 0 {
		return false
	}
	if w.told {
		w.env.say("the database answers again, after %s", rough(w.env.Clock.Boot()-w.lost))
	}
	w.lost, w.told, w.away = 0, false, engine.Nag{}
	return true
}

// look reads the job; the first time, what it has behind it, too.
func (w *waiter) look(ctx context.Context) (*engine.Job, error) {
	if w.old {
		list, err := w.store.Attempts(ctx, w.id)
		if err != nil {
			return nil, err
		}
		w.seen, w.old = len(list), false
	}
	return w.store.Job(ctx, w.id)
}

// tellFailures tells of attempts that failed since the last look, at which the job was
// as given, and gives it as it is after them: what comes after an attempt is not known
// from before it. A job's epoch rises with each of them.
func (w *waiter) tellFailures(ctx context.Context, was *engine.Job) (*engine.Job, error) {
	if was.Epoch == w.epoch && !was.Status.Final() {
		return was, nil
	}
	list, err := w.store.Attempts(ctx, w.id)
	if err != nil {
		return nil, err
	}
	j := was
	if !was.Status.Final() {
		if j, err = w.store.Job(ctx, w.id); err != nil {
			return nil, err
		}
		if j.Phase == engine.PhaseFail && was.Phase != engine.PhaseFail {
			return j, nil // what its fail hook decides is waited for first
		}
		if j.Status.Final() { // another one may have failed in between
			if list, err = w.store.Attempts(ctx, w.id); err != nil {
				return nil, err
			}
		}
	}
	now, err := w.store.Now(ctx)
	if err != nil {
		return nil, err
	}
	for i := w.seen; i < len(list); i++ {
		if list[i].Failure == nil {
			continue
		}
		w.attempts = append(w.attempts, infoOf(list[i]))
		last := i == len(list)-1
		if last && j.Status.Final() && !list[i].Lost() && list[i].Phase != engine.PhaseFail && j.Error != nil && j.Error.Message == list[i].Failure.Message {
			continue // the job's end tells it
		}
		next := ""
		if last && follows(j, &list[i]) {
			next = nextTry(j, now)
		}
		w.env.say("%s%s", failedWords(j, &list[i]), next)
	}
	w.seen, w.epoch = max(w.seen, len(list)), was.Epoch // what came after it is looked at once more
	return j, nil
}

// follows says that the job is as the attempt left it, or in the next one.
func follows(j *engine.Job, a *engine.Attempt) bool {
	return a.Lost() || j.Attempt == a.Attempt || j.Status == engine.StatusRunning && j.Attempt == a.Attempt+1
}

// failedWords say how an attempt failed.
func failedWords(j *engine.Job, a *engine.Attempt) string {
	if a.Lost() {
		return fmt.Sprintf("job %s: %s was lost: %s", jobName(j), a.Phase, clip(a.Failure.Message, 300))
	}
	if a.Phase == engine.PhaseFail {
		return fmt.Sprintf("job %s: its fail hook failed: %s", jobName(j), clip(a.Failure.Message, 300))
	}
	return fmt.Sprintf("job %s: attempt %d of %d failed in %s: %s", jobName(j), a.Attempt, j.MaxAttempts, a.Phase, clip(a.Failure.Message, 300))
}

// nextTry says when a job is tried again.
func nextTry(j *engine.Job, now time.Time) string {
	switch {
	case j.Status.Final():
		return ""
	case j.Phase == engine.PhaseFail:
		return "; its fail hook is to say what becomes of it"
	case j.Status == engine.StatusWaiting && j.RunAt != nil && j.RunAt.After(now):
		return fmt.Sprintf("; tried again %s (%s)", distance(*j.RunAt, now), stamp(*j.RunAt))
	case j.Status == engine.StatusOpen:
		return "; what it had emitted goes on"
	}
	return "; tried again now"
}

// Beginnings of the lines of a job's log that say why it was cancelled.
const (
	cancelledBecause = "cancelled: "  // a person said
	hookCancelled    = "ctx.cancel: " // its hook did
)

// reasonOf is why a job was cancelled, from its log, or "" if nobody said. What a hook
// said is written a moment later than the job's end.
func reasonOf(ctx context.Context, env *Env, store engine.Store, j *engine.Job) string {
	if j.Status != engine.StatusCancelled {
		return ""
	}
	const tries = 5
	for try := 0; ; try++ {
		lines, err := store.Logs(ctx, j.ID, 0, 0, true, shownLogs)
		if err != nil {
			return ""
		}
		if reason := reasonIn(lines); reason != "" {
			return reason
		}
		if try == tries || !env.wait(ctx, 100*time.Millisecond) {
			return ""
		}
	}
}

// reasonIn finds it in the last lines of the log.
func reasonIn(lines []engine.LogLine) string {
	for _, l := range slices.Backward(lines) {
		if reason, found := strings.CutPrefix(l.Message, cancelledBecause); found {
			return reason
		}
		if reason, found := strings.CutPrefix(l.Message, hookCancelled); found {
			return "by its own hook, " + reason
		}
	}
	return ""
}
