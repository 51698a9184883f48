package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

// jobsListOptions say which jobs to list.
type jobsListOptions struct {
	Type     string
	Instance *string
	Status   engine.Status
	Phase    engine.Phase
	Parent   engine.JobID
	Since    since
	Limit    int
}

func newJobsList(env *Env, g *globals) *cobra.Command {
	o := jobsListOptions{Limit: 50}
	c := &cobra.Command{
		Use:   "list",
		Short: "List jobs, newest first",
		Long: `List jobs, newest first.

A job that emitted items is open until they have settled. Then it is failed if any of them
failed, else completed: also where some, or all, were cancelled, since somebody wanted that.`,
		Example: `  dsengine jobs list
  dsengine jobs list --type airports --status failed
  dsengine jobs list --parent 42 --limit 1000
  dsengine jobs list --since 1h -o json`,
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error { return runJobsList(c.Context(), env, g, o) },
	}
	o.flags(c.Flags())
	completeFlags(env, g, c, "type", "status", "phase")
	return c
}

func (o *jobsListOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Type, "type", "", "only jobs of this `type`")
	f.Func("instance", "only jobs of this `instance` (\"\": of none)", func(s string) error {
		o.Instance = &s
		return nil
	})
	statusFlag(f, &o.Status, "status", "only jobs of this `status`: waiting, running, open, completed, failed, cancelled")
	phaseFlag(f, &o.Phase, "phase", "only jobs in this `phase`: produce, consume, finish, fail")
	jobFlag(f, &o.Parent, "parent", "only items of the job of this `id`")
	sinceFlag(f, &o.Since, "since", "only jobs made since this `time`: 1h, 7d, 2026-03-28")
	numberFlag(f, &o.Limit, "limit", 1, "how many at most: a `number` (default 50)")
}

func runJobsList(ctx context.Context, env *Env, g *globals, o jobsListOptions) error {
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toLook)
	if err != nil {
		return err
	}
	defer done()
	now, err := eng.Store().Now(ctx)
	if err != nil {
		return err
	}
	f := engine.JobFilter{Instance: o.Instance, Status: o.Status, Phase: o.Phase, Parent: o.Parent, Since: o.Since.moment(now), Limit: o.Limit}
	var jobs []*engine.Job
	if o.Type != "" {
		t, err := typeOfJobs(ctx, env, g, eng, log, o.Type)
		if err != nil {
			return err
		}
		f.Type = t.ID
	}
	if o.Type == "" || f.Type != 0 {
		if jobs, err = eng.Store().Jobs(ctx, f); err != nil {
			return err
		}
	}
	if o.Parent != 0 && len(jobs) == 0 {
		if _, err := eng.Store().Job(ctx, o.Parent); err != nil {
			return err
		}
	}
	if g.json() {
		list := make([]*engine.Job, len(jobs))
		for i, j := range jobs {
			list[i] = told(j)
		}
		return printJSON(env.Stdout, list)
	}
	p := &printer{w: env.Stdout}
	most := 0 // for programs nothing is cut
	if env.IsTerminal(env.Stdout) {
		most = 70
	}
	printJobs(p, jobs, now, most)
	switch {
	case len(jobs) == 0 && o == (jobsListOptions{Limit: o.Limit}):
		env.say("there are no jobs; make one with: dsengine enqueue TYPE")
	case len(jobs) == 0:
		env.say("no job fits; see all with: dsengine jobs list")
	case len(jobs) == o.Limit:
		env.say("these are the newest %d; for more: --limit", o.Limit)
	}
	return p.err
}

// printJobs prints a table of jobs; what it is about is cut at most, 0: not.
func printJobs(p *printer, jobs []*engine.Job, now time.Time, most int) {
	head := []string{"id", "type", "instance", "phase", "status", "attempt", "items", "age", "about"}
	var rows [][]string
	for _, j := range jobs {
		attempt := ""
		if j.Attempt > 0 {
			attempt = fmt.Sprintf("%d/%d", j.Attempt, j.MaxAttempts)
		}
		rows = append(rows, []string{
			fmt.Sprint(j.ID), clean(j.Type), clean(orEmpty(j.Instance)), j.Phase.String(), j.Status.String(), attempt, number(j.Items), age(j, now), clip(about(j), most),
		})
	}
	p.table(head, rows, "id", "items", "age")
}

// about is what matters most of a job in a list.
func about(j *engine.Job) string {
	words := []string{}
	if w := j.Window; w != nil && w.Backfill {
		words = append(words, day(w.Start)+" to "+day(w.End))
	}
	if j.Redrives != nil {
		words = append(words, "redrive of "+redriveWords(j.Redrives))
	}
	if what := matters(j); what != "" {
		words = append(words, what)
	}
	return strings.Join(words, ": ")
}

// day is a time, in short where it is the beginning of a day.
func day(t time.Time) string {
	return strings.TrimSuffix(t.UTC().Format(time.RFC3339), "T00:00:00Z")
}

func matters(j *engine.Job) string {
	switch {
	case j.Status == engine.StatusFailed && j.Error != nil:
		return j.Error.Message
	case j.Status == engine.StatusRunning && j.Progress != nil && *j.Progress != (engine.Progress{}):
		return progressWords(j.Progress)
	case j.WaitingFor != nil && j.Error != nil:
		return *j.WaitingFor + "; last error: " + j.Error.Message
	case j.WaitingFor != nil:
		return *j.WaitingFor
	}
	return statWords(j.Stats)
}

// progressWords say how far a hook is.
func progressWords(p *engine.Progress) string {
	if p.Done == 0 && p.Total == nil && p.Note != "" {
		return clean(p.Note)
	}
	s := humanize.Comma(p.Done)
	if p.Total != nil {
		s += " of " + humanize.Comma(*p.Total)
	}
	if p.Note != "" {
		s += ", " + clean(p.Note)
	}
	return s
}
