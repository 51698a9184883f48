package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

func newJobs(env *Env, g *globals) *cobra.Command {
	return newGroup("jobs", "List, show, retry and cancel jobs",
		newJobsList(env, g), newJobsShow(env, g), newJobsRetry(env, g), newJobsCancel(env, g))
}

// jobName is a job as messages name it: its id with its type.
func jobName(j *engine.Job) string {
	if j.Instance != nil {
		return fmt.Sprintf("%d (%s, %s)", j.ID, clean(j.Type), clean(*j.Instance))
	}
	return fmt.Sprintf("%d (%s)", j.ID, clean(j.Type))
}

// selection is the jobs that retry and cancel are about: ids, or all of a type
// or a status.
type selection struct {
	IDs    []engine.JobID
	Type   string
	Status engine.Status
}

func (s *selection) flags(f *pflag.FlagSet, statuses string) {
	f.StringVar(&s.Type, "type", "", "all jobs of this `type`, instead of ids")
	statusFlag(f, &s.Status, "status", "all jobs of this `status`, instead of ids"+statuses)
}

// take reads the ids that were given.
func (s *selection) take(args []string) error {
	for _, a := range args {
		id, err := parseJobID(a)
		if err != nil {
			return err
		}
		s.IDs = append(s.IDs, id)
	}
	return nil
}

func (s *selection) validate(what string) error {
	switch {
	case len(s.IDs) > 0 && (s.Type != "" || s.Status != 0):
		return usage("give ids, or --type and --status, not both")
	case len(s.IDs) == 0 && s.Type == "" && s.Status == 0:
		return usage("which jobs? Give ids, or --type and --status").WithHint("as in: dsengine jobs %s 42, or: dsengine jobs %s --type airports", what, what)
	}
	return nil
}

// steered says what became of one job.
type steered struct {
	ID      engine.JobID `json:"id"`
	Outcome string       `json:"outcome"`
	Error   *string      `json:"error"`
}

// steer does something to each of the selected jobs, newest first, so that
// items come before their emitters. Among jobs that were selected by type or
// status, those that do not allow it any more are passed over.
func (s *selection) steer(ctx context.Context, env *Env, g *globals, eng *engine.Engine, statuses []engine.Status, do func(engine.JobID) (string, error)) error {
	all := []steered{}
	p := &printer{w: env.Stdout}
	var failed []string
	one := func(id engine.JobID) error {
		outcome, err := do(id)
		code := engine.CodeOf(err)
		switch {
		case err == nil:
		case len(s.IDs) == 0 && (code == engine.CodeConflict || code == engine.CodeNotFound):
			return nil
		case len(s.IDs) > 1 && (code == engine.CodeConflict || code == engine.CodeNotFound || code == engine.CodeUsage):
			message := err.Error()
			failed = append(failed, message)
			all = append(all, steered{ID: id, Outcome: "failed", Error: &message})
			return nil
		default:
			return err
		}
		all = append(all, steered{ID: id, Outcome: outcome})
		if !g.json() {
			p.line("job %d: %s", id, outcome)
		}
		return p.err
	}
	err := s.each(ctx, eng, statuses, one)
	switch {
	case err != nil && len(all) > 0:
		env.say("%s done before the error", plural(int64(len(all)), "job was", "jobs were"))
		return err
	case err != nil:
		return err
	case g.json():
		if err := printJSON(env.Stdout, all); err != nil {
			return err
		}
	case len(all) == 0:
		env.say("there is no such job: nothing was done")
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, "; "))
	}
	return nil
}

// each calls do for the selected jobs.
func (s *selection) each(ctx context.Context, eng *engine.Engine, statuses []engine.Status, do func(engine.JobID) error) error {
	for _, id := range s.IDs {
		if err := do(id); err != nil {
			return err
		}
	}
	if len(s.IDs) > 0 {
		return nil
	}
	f := engine.JobFilter{Limit: 200}
	if s.Type != "" {
		t, err := typeNamed(ctx, eng, s.Type)
		if err != nil {
			return err
		}
		f.Type = t.ID
	}
	if s.Status != 0 {
		statuses = []engine.Status{s.Status}
	}
	for _, f.Status = range statuses {
		f.Before = 0
		for {
			jobs, err := eng.Store().Jobs(ctx, f)
			if err != nil {
				return err
			}
			for _, j := range jobs {
				f.Before = j.ID
				if err := do(j.ID); err != nil {
					return err
				}
			}
			if len(jobs) < f.Limit {
				break
			}
		}
	}
	return nil
}

// age is how long ago a job was made.
func age(j *engine.Job, now time.Time) string { return rough(max(0, now.Sub(j.CreatedAt))) }
