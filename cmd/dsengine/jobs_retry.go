package main

import (
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
}

func newJobsRetry(env *Env, g *globals) *cobra.Command {
	var o jobsRetryOptions
	c := &cobra.Command{
		Use:   "retry [ID...]",
		Short: "Run final jobs again",
		Long: `Run final jobs again, from the phase that failed and from its last checkpoint on.

An item that is retried opens its emitter again; while the emitter is being cancelled it
cannot be retried. A job that failed because of its items
is not run again: its failed items are. With --from or --fresh it is, and they are too
(but not with --from finish, which runs the finish hook again). With --type, all failed jobs of the type
are retried; --status chooses others. Those that cannot be retried, or not from there,
are passed over and counted.`,
		Example: `  dsengine jobs retry 42 43
  dsengine jobs retry --type airports
  dsengine jobs retry 42 --from produce
  dsengine jobs retry 42 --fresh`,
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
	o.selection.flags(f, ": completed, failed (the default) or cancelled")
	phaseFlag(f, &o.From, "from", "begin in this `phase`: produce, consume or finish")
	f.BoolVar(&o.Fresh, "fresh", false, "forget the position of the last checkpoint")
}

func (o *jobsRetryOptions) validate() error {
	switch {
	case o.Status != 0 && !o.Status.Final():
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
	options := engine.RetryOptions{From: o.From, Fresh: o.Fresh}
	return o.steer(ctx, env, g, eng, []engine.Status{engine.StatusFailed}, func(id engine.JobID) (string, error) {
		err := eng.Store().Retry(ctx, id, options)
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
		return fmt.Sprintf("%s in %s", j.Status, j.Phase), nil
	}, func(ids []engine.JobID) ([]outcome, error) {
		results, err := eng.Store().RetryAll(ctx, ids, options)
		list := make([]outcome, len(results))
		for i, r := range results {
			list[i] = outcome{fmt.Sprintf("%s in %s", engine.StatusWaiting, r.Phase), r.Err}
		}
		return list, err
	})
}
