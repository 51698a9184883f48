package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

// jobsCancelOptions say which jobs to end, and why.
type jobsCancelOptions struct {
	selection
	Reason string
}

func newJobsCancel(env *Env, g *globals) *cobra.Command {
	var o jobsCancelOptions
	c := &cobra.Command{
		Use:   "cancel [ID...]",
		Short: "End jobs that wait or run",
		Long: `End jobs that wait; have those stopped that run; cancel open jobs with all their items.
An open job whose items are cancelled one by one is completed when the others have completed.

With --type, all jobs of the type that are not final are cancelled; --status chooses among them.
One whose status is another one by then is passed over: with --status waiting, no job that has
begun to run is stopped.`,
		Example: `  dsengine jobs cancel 42 --reason "wrong file"
  dsengine jobs cancel --type geocode --status waiting`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.take(args); err != nil {
				return err
			}
			return runJobsCancel(c.Context(), env, g, o)
		},
	}
	o.flags(c.Flags())
	completeFlags(env, g, c, "type", "status")
	return c
}

func (o *jobsCancelOptions) flags(f *pflag.FlagSet) {
	o.selection.flags(f, ": waiting, running or open (default: all three)")
	f.StringVar(&o.Reason, "reason", "", "`why`, for the job's log")
}

func (o *jobsCancelOptions) validate() error {
	if o.Status.Final() {
		return usage("--status: %s jobs have ended: only waiting, running and open ones can be cancelled", o.Status)
	}
	return o.selection.validate("cancel")
}

const askedToStop = "asked to stop" // what runs

func runJobsCancel(ctx context.Context, env *Env, g *globals, o jobsCancelOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toChange)
	if err != nil {
		return err
	}
	defer done()
	many := func(ids []engine.JobID) ([]outcome, error) {
		results, err := eng.Store().CancelAll(ctx, ids, engine.CancelOptions{Reason: o.Reason, Only: o.Status})
		list := make([]outcome, len(results))
		for i, r := range results {
			switch r {
			case engine.CancelDone:
				list[i].words = "cancelled"
			case engine.CancelAsked:
				list[i].words = askedToStop
			case engine.CancelOther: // it has moved on since it was listed
				list[i].err = engine.Errorf(engine.CodeConflict, "job %d is not %s any more", ids[i], o.Status)
			case engine.CancelHeld:
				list[i].err = engine.Errorf(engine.CodeConflict, "job %d cannot be cancelled now: another transaction holds its row or its key; a program has enqueued it and not committed", ids[i])
			default: // it has ended since it was listed
				list[i].err = engine.Errorf(engine.CodeConflict, "job %d is final already", ids[i])
			}
		}
		return list, err
	}
	err = o.steer(ctx, env, g, eng, []engine.Status{engine.StatusOpen, engine.StatusWaiting, engine.StatusRunning}, func(id engine.JobID) (string, error) {
		if o.Status != 0 {
			list, err := many([]engine.JobID{id})
			switch {
			case err != nil:
				return "", err
			case list[0].err != nil:
				return "", list[0].err
			case list[0].words == askedToStop && o.Status != engine.StatusRunning: // it is open
				return "cancelled with its items", nil
			}
			return list[0].words, nil
		}
		result, err := eng.Store().Cancel(ctx, id, o.Reason)
		if err != nil || result == engine.CancelDone {
			return "cancelled", err
		}
		j, err := eng.Store().Job(ctx, id)
		switch {
		case err != nil:
			return "", err
		case result == engine.CancelTooLate:
			return "", engine.Errorf(engine.CodeConflict, "job %d is %s already", id, j.Status)
		case j.Status == engine.StatusOpen:
			return "cancelled with its items", nil
		}
		return askedToStop, nil
	}, many)
	if serr := sweep(ctx, eng.Store()); err == nil {
		err = serr
	}
	return err
}

// sweep cancels the items of open jobs that were cancelled, and adds up, so
// that it does not need a server that runs.
func sweep(ctx context.Context, store engine.Store) error {
	if err := sweepItems(ctx, store); err != nil {
		return err
	}
	for more := true; more; {
		var err error
		if _, _, more, err = store.Fold(ctx, sweepBatch); err != nil {
			return err
		}
	}
	return nil
}

const sweepBatch = 500 // items in one transaction

// sweepItems cancels the items of open jobs that were cancelled, and retries those of
// jobs that were retried.
func sweepItems(ctx context.Context, store engine.Store) error {
	for more := true; more; {
		var err error
		if more, err = store.Sweep(ctx, sweepBatch); err != nil {
			return err
		}
	}
	return nil
}
