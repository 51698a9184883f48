package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
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

const (
	steerLines = 20   // jobs that get a line each; of more there is a summary
	steerBatch = 200  // jobs in one transaction
	steerPage  = 1000 // jobs that are listed at a time
)

// steering does something to the selected jobs. Among those that were selected
// by type or status, the ones that do not allow it are passed over, and counted.
type steering struct {
	*selection
	env  *Env
	json bool
	one  func(engine.JobID) (string, error)
	many func([]engine.JobID) ([]outcome, error)
	show progress
	none string // what is said when there is no job to do it to
	// back retries the items of cancelled emitters that were retried. They come before
	// what else is selected: each with all its items, and where it was cut off.
	back func() error

	p      *printer
	done   int64
	counts map[string]int64 // by outcome
	errs   []error          // of jobs that were named
	over   int64            // jobs that were passed over
	first  error            // why the first of them was; a wrong usage, if one was that
}

// outcome is what became of one of many jobs.
type outcome struct {
	words string
	err   error
}

// steer does something to each of the selected jobs, newest first, so that
// items come before their emitters: to one alone, or to many that emitted nothing,
// in one transaction.
func (s *selection) steer(ctx context.Context, env *Env, g *globals, eng *engine.Engine, statuses []engine.Status,
	one func(engine.JobID) (string, error), many func([]engine.JobID) ([]outcome, error)) error {
	return s.steerBack(ctx, env, g, eng, statuses, one, many, nil)
}

// steerBack is steer for a retry of cancelled jobs: see steering.back.
func (s *selection) steerBack(ctx context.Context, env *Env, g *globals, eng *engine.Engine, statuses []engine.Status,
	one func(engine.JobID) (string, error), many func([]engine.JobID) ([]outcome, error), back func() error) error {
	log, con := newLogger(env, g)
	t := &steering{selection: s, env: env, json: g.json(), one: one, many: many, back: back, p: &printer{w: con.data(env)}, counts: map[string]int64{}}
	if t.json {
		t.p.print("[")
	}
	var err error
	if len(s.IDs) > 0 {
		for _, id := range s.IDs {
			if err = t.alone(id); err != nil {
				break
			}
		}
	} else {
		if s.Status != 0 {
			statuses = []engine.Status{s.Status}
		}
		t.none = s.none(statuses)
		var typ engine.TypeRecord
		if s.Type != "" {
			typ, err = typeOfJobs(ctx, env, g, eng, log, s.Type)
		}
		if err == nil && (s.Type == "" || typ.ID != 0) {
			t.show = newProgress(env, log, con)
			err = t.all(ctx, eng, typ.ID, statuses)
			t.show.close()
		}
	}
	return t.end(err)
}

// none says that no job was selected by type and status.
func (s *selection) none(statuses []engine.Status) string {
	words := make([]string, len(statuses))
	for i, status := range statuses {
		words[i] = status.String()
	}
	last := len(words) - 1
	which := words[last]
	if last > 0 {
		which = strings.Join(words[:last], ", ") + " or " + which
	}
	if s.Type == "" {
		return "there is no " + which + " job"
	}
	return fmt.Sprintf("type %s has no %s job", clean(s.Type), which)
}

// end says what was done.
func (t *steering) end(err error) error {
	switch {
	case t.json && t.done > 0:
		t.p.print("\n]\n")
	case t.json:
		t.p.print("]\n")
	case len(t.IDs) == 0 && t.done > steerLines:
		for _, outcome := range slices.Sorted(maps.Keys(t.counts)) {
			t.p.line("%s: %s", plural(t.counts[outcome], "job", "jobs"), outcome)
		}
	}
	switch {
	case err != nil && t.done > 0:
		t.env.say("%s done before the error", plural(t.done, "job was", "jobs were"))
		return err
	case err != nil:
		return err
	case t.p.err != nil:
		return t.p.err
	case len(t.errs) == 1:
		return t.errs[0]
	case len(t.errs) > 1:
		// Of wrong usage and what could not be done, the worse one decides the exit code.
		var words []string
		worst := t.errs[0]
		for _, e := range t.errs {
			if words = append(words, e.Error()); codeOf(context.Background(), e) == exitFailed {
				worst = e
			}
		}
		return engine.Errorf(engine.CodeOf(worst), "%s", strings.Join(words, "; "))
	case t.over > 0:
		if t.done == 0 && engine.CodeOf(t.first) == engine.CodeUsage {
			return fmt.Errorf("%w (%s)", t.first, plural(t.over, "job was", "jobs were")+" passed over")
		}
		t.env.say("%s passed over: %v", plural(t.over, "job was", "jobs were"), t.first)
	case t.done == 0:
		t.env.say("%s: nothing was done", t.none)
	}
	return nil
}

// alone does it to a job by itself.
func (t *steering) alone(id engine.JobID) error {
	words, err := t.one(id)
	return t.tell(id, words, err)
}

// tell says what became of a job; without words, nothing that is to be told. An
// error that is not about this job ends the whole.
func (t *steering) tell(id engine.JobID, words string, err error) error {
	r := steered{ID: id, Outcome: words}
	switch code := engine.CodeOf(err); {
	case err == nil && words == "":
		return nil
	case err == nil:
	case code != engine.CodeConflict && code != engine.CodeNotFound && code != engine.CodeUsage:
		return err
	case len(t.IDs) == 0:
		if t.over++; t.first == nil || code == engine.CodeUsage && engine.CodeOf(t.first) != code {
			t.first = err
		}
		return nil
	default:
		message := err.Error()
		r.Outcome, r.Error = "failed", &message
		t.errs = append(t.errs, err)
	}
	switch {
	case t.json:
		b, err := marshal(r)
		if err != nil {
			return err
		}
		comma := ","
		if t.done == 0 {
			comma = ""
		}
		t.p.print(comma + "\n  " + string(b))
	case r.Error == nil && (len(t.IDs) > 0 || t.done < steerLines):
		t.p.line("job %d: %s", id, words)
	case r.Error == nil && t.done == steerLines:
		t.p.line("...")
	}
	if r.Error == nil || t.json {
		t.done++
		t.counts[r.Outcome]++
	}
	return t.p.err
}

// all does it to the jobs of a type or a status: those that emitted nothing in
// batches, then the emitters.
func (t *steering) all(ctx context.Context, eng *engine.Engine, typ engine.TypeID, statuses []engine.Status) error {
	f := engine.JobFilter{Type: typ, Limit: steerPage}
	for _, f.Status = range statuses {
		before := t.back != nil && f.Status == engine.StatusCancelled
		if before {
			if err := t.emitters(ctx, eng, f); err != nil {
				return err
			}
		}
		f.Before = 0
		for {
			jobs, err := eng.Store().Select(ctx, f)
			if err != nil {
				return err
			}
			var plain, emitters []engine.JobID
			for _, j := range jobs {
				if f.Before = j.ID; j.Items == 0 {
					plain = append(plain, j.ID)
				} else if !before {
					emitters = append(emitters, j.ID)
				}
			}
			for batch := range slices.Chunk(plain, steerBatch) {
				if err := t.batch(batch); err != nil {
					return err
				}
			}
			for _, id := range emitters {
				if err := t.alone(id); err != nil {
					return err
				}
				t.shown()
			}
			if len(jobs) < f.Limit {
				break
			}
		}
	}
	return nil
}

// emitters does it to those that have emitted items, the oldest first, so that an emitter
// comes before items of it that are emitters.
func (t *steering) emitters(ctx context.Context, eng *engine.Engine, f engine.JobFilter) error {
	var list []engine.JobID
	for {
		jobs, err := eng.Store().Select(ctx, f)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if f.Before = j.ID; j.Items > 0 {
				list = append(list, j.ID)
			}
		}
		if len(jobs) < f.Limit {
			break
		}
	}
	for _, id := range slices.Backward(list) {
		if err := t.alone(id); err != nil {
			return err
		}
		t.shown()
	}
	return t.back()
}

// batch does it to some jobs in one transaction.
func (t *steering) batch(ids []engine.JobID) error {
	outcomes, err := t.many(ids)
	if err != nil {
		return err
	}
	for i, o := range outcomes {
		if err := t.tell(ids[i], o.words, o.err); err != nil {
			return err
		}
	}
	t.shown()
	return nil
}

// shown shows how far it is.
func (t *steering) shown() { t.show.show([]gauge{{Name: "jobs", Done: t.done}}, 0) }

// age is how long ago a job was made.
func age(j *engine.Job, now time.Time) string { return rough(max(0, now.Sub(j.CreatedAt))) }
