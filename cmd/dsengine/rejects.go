package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

func newRejects(env *Env, g *globals) *cobra.Command {
	return newGroup("rejects", "List, redrive, close and export the rows that scripts rejected",
		newRejectsList(env, g), newRejectsRedrive(env, g), newRejectsClose(env, g), newRejectsReopen(env, g), newRejectsExport(env, g))
}

// rejectSelection says which rejects are meant.
type rejectSelection struct {
	Type   string
	Job    engine.JobID
	Since  since
	Before since
	Reason string
	Open   bool
	// Redrive is a job that redrives them.
	Redrive engine.JobID
}

func (s *rejectSelection) flags(f *pflag.FlagSet) {
	f.StringVar(&s.Type, "type", "", "only rejects of this `type`")
	jobFlag(f, &s.Job, "job", "only rejects of the job of this `id`")
	sinceFlag(f, &s.Since, "since", "only rejects since this `time`: 1h, 7d, 2026-03-28")
	sinceFlag(f, &s.Before, "before", "only rejects from before this `time`: 7d, 2026-03-28")
	f.StringVar(&s.Reason, "reason", "", "only rejects whose reason fits this `glob`: \"*no e-mail*\"")
}

func (s *rejectSelection) openFlag(f *pflag.FlagSet) {
	f.BoolVar(&s.Open, "open", false, "only rejects that are neither redriven, being redriven nor closed")
	jobFlag(f, &s.Redrive, "redrive", "only rejects that the job of this `id` redrives, or did last")
}

// filter is the selection for the store.
func (s *rejectSelection) filter(ctx context.Context, eng *engine.Engine) (engine.RejectFilter, error) {
	f := engine.RejectFilter{Job: s.Job, Redrive: s.Redrive, Reason: s.Reason, Open: s.Open}
	now, err := eng.Store().Now(ctx)
	if err != nil {
		return f, err
	}
	f.Since, f.Before = s.Since.moment(now), s.Before.moment(now)
	if s.Type != "" {
		t, err := typeNamed(ctx, eng, s.Type)
		if err != nil {
			return f, err
		}
		f.Type = t.ID
	}
	for _, of := range []struct {
		job    engine.JobID
		filter engine.RejectFilter
	}{{s.Job, engine.RejectFilter{Job: s.Job}}, {s.Redrive, engine.RejectFilter{Redrive: s.Redrive}}} {
		if err := jobOfRejects(ctx, eng, of.job, of.filter); err != nil {
			return f, err
		}
	}
	return f, nil
}

// jobOfRejects says whether a job is there that a person named, if one was, or at
// least rejects of it.
func jobOfRejects(ctx context.Context, eng *engine.Engine, id engine.JobID, f engine.RejectFilter) error {
	if id == 0 {
		return nil
	}
	_, missing := eng.Store().Job(ctx, id)
	if engine.CodeOf(missing) != engine.CodeNotFound {
		return missing
	}
	kept := false
	f.NoRows = true
	if err := eng.Store().Rejects(ctx, f, func(*engine.Reject) bool { kept = true; return false }); err != nil || kept {
		return err
	}
	return missing
}
