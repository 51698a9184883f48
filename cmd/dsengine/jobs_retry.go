package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

// jobsRetryOptions say which jobs to run again, and from where.
type jobsRetryOptions struct {
	selection
	From  engine.Phase
	Fresh bool
	Now   bool
}

func newJobsRetry(env *Env, g *globals) *cobra.Command {
	var o jobsRetryOptions
	c := &cobra.Command{
		Use:   "retry [ID...]",
		Short: "Run final jobs again, or make those due now that wait for their next attempt",
		Long: `Run final jobs again, from the phase that failed and from its last checkpoint on. What
a job had counted by then counts still, also what it rejected: but for rejects that were
redriven since. With --fresh it begins and counts anew; so does one that completed: all that it
did is done again. Of a hook finish that runs again, what it counts is added to that.

A job that waits for its next attempt is made due now. With --type, that is for --now.

An item that is retried opens its emitter again; while the emitter is being cancelled it
cannot be retried. A job that failed because of its items is not run again: its failed items
are. Nor is one that was cancelled while it waited for its items: those of them that failed or
were cancelled are. With --from or --fresh it is, and its failed items are too (but not with
--from finish, which runs the finish hook again); cancelled ones are not, since it emits anew.

With --type, all failed jobs of the type are retried; --status chooses others. Those that
cannot be retried, or not from there, or whose status is another one by then, are passed over
and counted.`,
		Example: `  dsengine jobs retry 42 43
  dsengine jobs retry --type airports
  dsengine jobs retry 42 --from produce
  dsengine jobs retry 42 --fresh
  dsengine jobs retry --type airports --now`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.take(args); err != nil {
				return err
			}
			return runJobsRetry(c.Context(), env, g, o)
		},
	}
	o.flags(c.Flags())
	completeFlags(env, g, c, "type", "status")
	return c
}

func (o *jobsRetryOptions) flags(f *pflag.FlagSet) {
	o.selection.flags(f, ": completed, failed (the default) or cancelled; waiting is for --now")
	phaseFlag(f, &o.From, "from", "begin in this `phase`: produce, consume or finish")
	f.BoolVar(&o.Fresh, "fresh", false, "forget the position of the last checkpoint, and what was counted")
	f.BoolVar(&o.Now, "now", false, "make jobs due now that wait for their next attempt")
}

func (o *jobsRetryOptions) validate() error {
	switch {
	case o.Now && o.Status != 0 && o.Status != engine.StatusWaiting:
		return usage("--now is for jobs that are waiting, not for %s ones: leave it out to run those again", o.Status)
	case o.Now && (o.From != 0 || o.Fresh):
		return usage("--now is for jobs that wait for their next attempt: --from and --fresh are for final ones")
	case o.Status == engine.StatusWaiting && !o.Now:
		return usage("--status waiting: to make jobs due now that wait for their next attempt, give --now")
	case o.Status != 0 && !o.Status.Final() && !o.Now:
		return usage("--status: only completed, failed and cancelled jobs can be retried, not %s ones", o.Status)
	case o.From == engine.PhaseFail:
		return usage("--from: a job can be retried from produce, consume or finish, not from fail")
	}
	return o.selection.validate("retry")
}

func runJobsRetry(ctx context.Context, env *Env, g *globals, o jobsRetryOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toChange)
	if err != nil {
		return err
	}
	defer done()
	types := map[string]bool{} // of the jobs that were run again
	if o.Type != "" {
		types[o.Type] = true
	}
	if o.Now && len(o.IDs) == 0 {
		if err := o.hasten(ctx, env, g, eng); err != nil {
			return err
		}
		return tellStale(ctx, env, g, eng, log, types)
	}
	options := engine.RetryOptions{From: o.From, Fresh: o.Fresh}
	if len(o.IDs) == 0 { // one that has moved on since it was listed is left alone
		options.Only = cmp.Or(o.Status, engine.StatusFailed)
	}
	if o.Status == engine.StatusCompleted && !o.Fresh {
		env.say("jobs that completed begin anew: all that they did is done again")
	}
	back := func() error { return sweepItems(ctx, eng.Store()) }
	err = o.steerBack(ctx, env, g, eng, []engine.Status{engine.StatusFailed}, func(id engine.JobID) (string, error) {
		before, err := eng.Store().Job(ctx, id)
		if err != nil {
			return "", err
		}
		types[before.Type] = true
		if before.Status == engine.StatusWaiting && before.RunAt != nil && o.From == 0 && !o.Fresh {
			if words, err := hastenOne(ctx, eng, before); words != "" || err != nil {
				return words, err
			}
		}
		err = eng.Store().Retry(ctx, id, options)
		if err != nil && (engine.CodeOf(err) != engine.CodeConflict || len(o.IDs) > 0) {
			return "", err
		}
		j, jerr := eng.Store().Job(ctx, id)
		switch {
		case jerr != nil:
			return "", jerr
		case err != nil && !j.Status.Final(): // an item of it that was retried has opened it again
			return "", nil
		case err != nil:
			return "", err
		}
		if len(o.IDs) > 0 && before.Error != nil && before.Error.Kind == engine.KindRejects {
			if err := tellStanding(ctx, env, eng, j); err != nil {
				return "", err
			}
		}
		if len(o.IDs) > 0 && before.Status == engine.StatusCompleted {
			env.say("job %d had completed: it begins anew, and all that it did is done again", id)
			if before.Items > 0 {
				env.say("items that still count by their key (unique) are not made again: to run them again, retry them themselves (dsengine jobs list --parent %d)", id)
			}
		}
		if len(o.IDs) > 0 {
			if err := tellImported(ctx, env, eng, j); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%s in %s", j.Status, j.Phase), nil
	}, func(ids []engine.JobID) ([]outcome, error) {
		results, err := eng.Store().RetryAll(ctx, ids, options)
		list := make([]outcome, len(results))
		for i, r := range results {
			list[i] = outcome{fmt.Sprintf("%s in %s", engine.StatusWaiting, r.Phase), r.Err}
		}
		return list, err
	}, back)
	if berr := back(); err == nil {
		err = berr
	}
	if err != nil {
		return err
	}
	return tellStale(ctx, env, g, eng, log, types)
}

// hasten makes jobs of a type due now that wait for their next attempt.
func (o *jobsRetryOptions) hasten(ctx context.Context, env *Env, g *globals, eng *engine.Engine) error {
	many := func(ids []engine.JobID) ([]outcome, error) {
		results, err := eng.Store().Hasten(ctx, ids, true)
		list := make([]outcome, len(results))
		for i, r := range results {
			if list[i].words = "due now"; r != engine.HastenDone {
				list[i].err = engine.Errorf(engine.CodeConflict, "job %d does not wait for its next attempt: it was not tried yet, or is due already", ids[i])
			}
		}
		return list, err
	}
	return o.steer(ctx, env, g, eng, []engine.Status{engine.StatusWaiting}, func(id engine.JobID) (string, error) {
		list, err := many([]engine.JobID{id})
		if err != nil {
			return "", err
		}
		return list[0].words, list[0].err
	}, many)
}

// hastenOne makes a job due now; without words, it became due meanwhile.
func hastenOne(ctx context.Context, eng *engine.Engine, j *engine.Job) (string, error) {
	now, err := eng.Store().Now(ctx)
	if err != nil {
		return "", err
	}
	results, err := eng.Store().Hasten(ctx, []engine.JobID{j.ID}, false)
	if err != nil || results[0] != engine.HastenDone {
		return "", err
	}
	return fmt.Sprintf("due now in %s, not %s", j.Phase, distance(*j.RunAt, now)), nil
}

// tellStanding says what counts still of the rejects for which a retried job failed.
func tellStanding(ctx context.Context, env *Env, eng *engine.Engine, j *engine.Job) error {
	c, err := eng.Store().CommittedRejects(ctx, j.ID, j.Phase)
	if err != nil || c.Standing == 0 {
		return err
	}
	t, err := eng.Type(ctx, j.Type)
	if err != nil {
		return err
	}
	afresh := fmt.Sprintf("to begin anew: dsengine jobs retry %d --fresh", j.ID)
	if t.Hooks.Redrives() || c.Whole > 0 {
		afresh = fmt.Sprintf("to run them again: dsengine rejects redrive --type %s --job %d; %s", j.Type, j.ID, afresh)
	}
	env.say("job %d goes on where it was, and %s of before count still; %s", j.ID, plural(c.Standing, "reject", "rejects"), afresh)
	return nil
}

// tellImported says that other jobs have imported meanwhile what is in the window of a job
// that is retried.
func tellImported(ctx context.Context, env *Env, eng *engine.Engine, j *engine.Job) error {
	if j.Window == nil {
		return nil
	}
	ends, err := eng.Store().WindowEnds(ctx, j.TypeID)
	if err != nil {
		return err
	}
	instance := ""
	if j.Instance != nil {
		instance = *j.Instance
	}
	if upTo, some := j.Window.Imported(ends, instance); some {
		env.say("the window of job %d counts as imported up to %s already, by a job that has completed: what both insert is there twice, unless the script writes by key (db.upsert); not to run it: dsengine jobs cancel %[1]d", j.ID, stamp(upTo))
	}
	return nil
}
