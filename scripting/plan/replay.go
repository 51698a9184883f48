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
	anew    bool         // the phase is begun anew, not at the last checkpoint

	run    engine.JobID          // at the root of the tree that the job is in
	began  time.Time             // when the phase was last begun; zero: never
	looked map[engine.JobID]bool // others that have changed records: whether they were at work after that
}

// maxLooked bounds how many other jobs are looked at.
const maxLooked = 1000

// sayChanged says of a source, where that is so, that its records may not be as the job
// that is replayed knew them: others have changed these since.
func (w *World) sayChanged(source string, list []*engine.Record) error {
	r := w.replay
	if r == nil || r.began.IsZero() {
		return nil
	}
	for _, rec := range list {
		if rec == nil || rec.Job == 0 || rec.Job == r.job.ID || rec.Pass < 0 { // by nobody else, or by the plan itself
			continue
		}
		after, known := r.looked[rec.Job]
		if !known && len(r.looked) < maxLooked {
			j, err := w.target.Job(w.ctx, rec.Job)
			switch {
			case engine.CodeOf(err) == engine.CodeNotFound:
				after = rec.Job > r.job.ID
			case err != nil:
				return err
			default:
				after = j.FinishedAt == nil || j.FinishedAt.After(r.began)
			}
			r.looked[rec.Job] = after
		}
		if after {
			w.say("job %d was at work on records of %q after job %d began: records may say something else here than they did then", rec.Job, source, r.job.ID)
			return nil
		}
	}
	return nil
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
// begins its phase anew, as a retry of it does, and so does one that rejected too many rows:
// the position is behind those that a checkpoint has committed.
func (w *World) Replay(types []*engine.Type, t *engine.Type, job *engine.Job) (*Report, error) {
	began := time.Now()
	r := &replayed{job: job, looked: map[engine.JobID]bool{}}
	var err error
	if r.run, err = w.target.Root(w.ctx, job.ID); err != nil {
		return nil, w.why(err)
	}
	if r.claimed, err = w.target.Peek(w.ctx, job.ID); err != nil {
		return nil, w.why(err)
	}
	if job.Redrive != 0 {
		return nil, engine.Errorf(engine.CodeUsage, "job %d redrives rejects, which it has taken: it cannot be replayed", job.ID).
			WithHint("look at them: dsengine rejects list --type %s", job.Type)
	}
	if err = w.phaseOf(r); err != nil {
		return nil, err
	}
	if t.Hooks[r.phase] == nil {
		return nil, engine.Errorf(engine.CodeUsage, "job %d was in %s, which the script of job type %q does not have any more", job.ID, r.phase, t.Name)
	}
	if w.opts.Keep && r.phase == engine.PhaseFinish {
		return nil, r.cannot("finish works on what its items have come to, which a test cannot set up")
	}
	before, begun, err := engine.CountedBefore(r.claimed.Position)
	r.anew = r.anew || job.Status == engine.StatusCompleted
	if r.phase == engine.PhaseFinish || !r.anew && (begun || err != nil) {
		before = job.Stats
	}
	if r.anew {
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

// phaseOf finds the phase whose hook is run: the one that failed last, else the one
// that is due or was run last.
func (w *World) phaseOf(r *replayed) error {
	attempts, err := w.target.Attempts(w.ctx, r.job.ID)
	if err != nil {
		return w.why(err)
	}
	if r.job.StartedAt != nil {
		r.began = *r.job.StartedAt
	}
	for i := len(attempts) - 1; i >= 0; i-- {
		if a := attempts[i]; a.Failure != nil && a.Phase != engine.PhaseFail {
			r.phase, r.began, r.anew = a.Phase, a.StartedAt, a.Failure.Kind == engine.KindRejects
			return nil
		}
	}
	if r.phase = r.job.Phase; r.phase == engine.PhaseFail {
		r.phase = r.job.FailedPhase
	}
	return nil
}
