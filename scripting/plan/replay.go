package plan

import (
	"context"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// replayed is a job of the database that is run once more.
type replayed struct {
	job     *engine.Job
	claimed *engine.ClaimedJob
	phase   engine.Phase // that is run
	done    bool         // it was handed over
}

// adjust makes of the plan's job the one that is replayed, as it was when its phase
// began last. It gives the hook that is to be run, nil for that which is due.
func (r *replayed) adjust(j *engine.ClaimedJob, t *engine.Type) engine.Hook {
	if r.done || j.Phase == engine.PhaseFail {
		return nil
	}
	r.done = true
	c := r.claimed
	j.ScheduledFor, j.Item = c.ScheduledFor, c.Item
	j.Position = c.Position // the checkpoints themselves are not in the plan's tables
	if r.phase != j.Phase {
		j.Phase = r.phase
		return t.Hooks[r.phase]
	}
	return nil
}

// Job is what the database knows of a job, and its type's name.
func (w *World) Job(id engine.JobID) (*engine.Job, error) {
	if w.bare {
		return nil, engine.Errorf(engine.CodeNotFound, "there is no job %d: the database has no tables of the engine yet", id)
	}
	return w.target.Job(w.ctx, id)
}

// Variable is a variable of the database.
func (w *World) Variable(ctx context.Context, scope engine.Scope, name string) (engine.Variable, error) {
	if w.bare {
		return engine.Variable{}, nil
	}
	return w.target.Variable(ctx, scope, name)
}

// Jobs are those of the database that a filter lets through.
func (w *World) Jobs(ctx context.Context, f engine.JobFilter) ([]*engine.Job, error) {
	return w.target.Jobs(ctx, f)
}

// Replay runs a job of the database once more, from where its last attempt began:
// with its payload, its item, and the position of its last checkpoint. One that completed
// begins its phase anew, as a retry of it does.
func (w *World) Replay(types []*engine.Type, t *engine.Type, job *engine.Job) (*Report, error) {
	began := time.Now()
	r := &replayed{job: job}
	var err error
	if r.claimed, err = w.target.Peek(w.ctx, job.ID); err != nil {
		return nil, w.why(err)
	}
	if job.Redrive != 0 {
		return nil, engine.Errorf(engine.CodeUsage, "job %d redrives rejects, which it has taken: it cannot be replayed", job.ID).
			WithHint("look at them: dsengine rejects list --type %s", job.Type)
	}
	if r.phase, err = w.phaseOf(job); err != nil {
		return nil, err
	}
	if t.Hooks[r.phase] == nil {
		return nil, engine.Errorf(engine.CodeUsage, "job %d was in %s, which the script of job type %q does not have any more", job.ID, r.phase, t.Name)
	}
	if w.opts.Keep && r.phase == engine.PhaseFinish {
		return nil, r.cannot("finish works on what its items have come to, which a test cannot set up")
	}
	before, begun, err := engine.CountedBefore(r.claimed.Position)
	completed := job.Status == engine.StatusCompleted
	if r.phase == engine.PhaseFinish || !completed && (begun || err != nil) {
		before = job.Stats
	}
	if completed {
		r.claimed.Position = nil
	}
	w.replay, w.report.Before = r, before
	eng, err := w.prepare(types, t)
	if err != nil {
		return nil, w.why(err)
	}
	n := engine.NewJob{Type: t.Name, Phase: r.phase, Payload: job.Payload, Key: r.claimed.Key, Window: job.Window}
	if r.phase == engine.PhaseFinish {
		n.Phase = t.First()
	}
	if job.Instance != nil {
		n.Instance = *job.Instance
	}
	for parent := job.Parent; parent != nil && n.Window == nil; {
		p, err := w.target.Job(w.ctx, *parent)
		if err != nil {
			break // pruned: nothing tells its window any more
		}
		n.Window, parent = p.Window, p.Parent
	}
	report, err := w.run(eng, n, began)
	if report != nil {
		report.Replays = job.ID
	}
	return report, err
}

// phaseOf is the phase whose hook is run: the one that failed last, else the one
// that is due or was run last.
func (w *World) phaseOf(job *engine.Job) (engine.Phase, error) {
	attempts, err := w.target.Attempts(w.ctx, job.ID)
	if err != nil {
		return 0, w.why(err)
	}
	for i := len(attempts) - 1; i >= 0; i-- {
		if a := attempts[i]; a.Failure != nil && a.Phase != engine.PhaseFail {
			return a.Phase, nil
		}
	}
	if job.Phase == engine.PhaseFail {
		return job.FailedPhase, nil
	}
	return job.Phase, nil
}
