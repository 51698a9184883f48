package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dsengine/dsengine/engine"
)

// notify puts into words what the run comes to, and what to try next. ctx is
// the one that ended the run, if it was told to stop.
func (s *runSummary) notify(ctx context.Context) {
	switch {
	case ctx.Err() != nil:
		s.Ended = "stopped"
	case s.Job != nil && !s.Job.Status.Final():
		s.Ended = "stranded"
	case s.Job != nil:
		s.Ended = "done"
	default:
		s.Ended = "idle"
	}
	s.Message = s.changed()
	if s.LeftOut.Jobs > 0 && s.Ended != "stopped" { // a run that goes on for long counts them again and again
		s.Message += ", but " + s.LeftOut.String()
	}
	hint := func(format string, args ...any) { s.Hints = append(s.Hints, fmt.Sprintf(format, args...)) }
	s.Hints = append(s.Hints, s.failures()...)
	for _, t := range s.Types {
		if t.Stats["rejected"] > 0 {
			hint("see what was rejected: dsengine rejects list --type %s", t.Type)
			break
		}
	}
	if len(s.NotLoaded) > 0 && (s.Job == nil || s.Ended == "stranded") {
		hint("mend what does not load: %s", s.NotLoaded[0])
	}
	if s.Ended == "stranded" {
		hint("job %d waits for a server that runs that; to end it: dsengine jobs cancel %d", s.Job.ID, s.Job.ID)
	}
	for _, w := range s.Waiting {
		if w.Reason == "no script of that name is here" {
			hint("run the waiting jobs where the script %s is, or name its folder with --jobs", w.Type)
			break
		}
	}
	if len(s.Delayed) > 0 {
		if d := s.Delayed[0]; d.Jobs > 1 {
			hint("run them now: dsengine jobs retry --type %s --now", d.Type)
		} else {
			hint("run it now: dsengine jobs retry %d", d.Job)
		}
	}
	if s.didNothing() && len(s.Hints) == 0 {
		if len(s.Next) > 0 {
			hint("run one now: dsengine run --once %s%s", s.Next[0].Type, instanceFlag(s.Next[0].Instance))
		} else {
			hint("make a job: dsengine enqueue TYPE; see the types: dsengine types")
		}
	}
	if len(s.Hints) == 0 && s.Completed > 0 {
		hint("see what was done: dsengine jobs list")
	}
}

// failures say where to see why jobs failed, and how to run them again once the cause
// is gone: by the one job that failed, with its items, or by their types.
func (s *runSummary) failures() []string {
	by := map[engine.JobID]failedJob{}
	for _, f := range s.FailedJobs {
		by[f.ID] = f
	}
	var roots, own []failedJob // those that are no item of another one, and those that did not fail by items
	for _, f := range s.FailedJobs {
		if _, ok := by[f.parent]; !ok {
			roots = append(roots, f)
		}
		if !f.items {
			own = append(own, f)
		}
	}
	switch {
	case len(own) == 0:
		return nil
	case !slices.ContainsFunc(own, func(f failedJob) bool { return f.kind != engine.KindRejects }): // its error says what is to be done
		return []string{fmt.Sprintf("see why, and what to do then: dsengine jobs show %d", own[len(own)-1].ID)}
	case len(roots) == 1 && int64(len(s.FailedJobs)) == s.Failed:
		return roots[0].advice()
	}
	// A job that failed because of its items is run again by them.
	var types []string
	for _, f := range own {
		if !slices.Contains(types, f.Type) {
			types = append(types, f.Type)
		}
	}
	slices.Sort(types)
	var list []string
	for _, t := range types[:min(len(types), shownTypes)] {
		list = append(list, fmt.Sprintf("see why: dsengine jobs list --type %s --status failed", t), fmt.Sprintf("once the cause is gone: dsengine jobs retry --type %s", t))
	}
	if len(types) > shownTypes {
		list = append(list, "see all that failed: dsengine jobs list --status failed")
	}
	return list
}

// advice says where to see why a job failed, and how to run it again.
func (f failedJob) advice() []string {
	if f.items {
		return []string{
			fmt.Sprintf("see why: dsengine jobs list --parent %d --status failed", f.ID),
			fmt.Sprintf("once the cause is gone, to run its failed items again: dsengine jobs retry %d", f.ID),
		}
	}
	return []string{fmt.Sprintf("see why: dsengine jobs show %d", f.ID), fmt.Sprintf("once the cause is gone: dsengine jobs retry %d", f.ID)}
}

// shownTypes is of how many types it is told how to run their failed jobs again.
const shownTypes = 3

// instanceFlag is the flag that names an instance, if there is one.
func instanceFlag(instance *string) string {
	if instance == nil {
		return ""
	}
	return " --instance " + quotedWord(*instance)
}

// didNothing says that no job came any further.
func (s *runSummary) didNothing() bool {
	return s.Completed+s.Failed+s.Cancelled+s.Retried == 0 && s.LastCommit == nil && len(s.HandedOver)+len(s.GaveBack) == 0
}

// changed is one sentence on what became of the rows.
func (s *runSummary) changed() string {
	rows := s.Rows["inserted"] + s.Rows["updated"] + s.Rows["deleted"]
	switch {
	case rows > 0:
		var words []string
		for _, name := range []string{"inserted", "updated", "deleted"} {
			if n := s.Rows[name]; n > 0 {
				words = append(words, humanize.Comma(n)+" "+name)
			}
		}
		return plural(rows, "row was changed", "rows were changed") + ": " + strings.Join(words, ", ")
	case s.Rows["rejected"] > 0:
		return "no row was changed: " + plural(s.Rows["rejected"], "row was rejected", "rows were rejected")
	case s.didNothing() && len(s.NotLoaded) > 0:
		return "no row was changed: nothing was due of the scripts that load"
	case s.didNothing() && len(s.Waiting) > 0:
		return "no row was changed: nothing was due that this process can run"
	case s.didNothing() && len(s.Delayed) > 0:
		return "no row was changed: nothing was due yet"
	case s.didNothing():
		return "no row was changed: nothing was due"
	case s.Ended == "stopped" || s.Failed+s.Cancelled+s.Retried > 0 || s.Completed == 0:
		return "no row was changed"
	case s.Rows["unchanged"] > 0:
		return "no row was changed: everything was imported already"
	case s.Rows["read"] > 0:
		return "no change was counted: " + plural(s.Rows["read"], "row was", "rows were") + " read"
	}
	return "no row was counted as read or changed, and what db.exec changes is not counted"
}

// shownDelayed is of how many types it is told that their jobs wait for a time.
const shownDelayed = 5

// print prints the summary.
func (s *runSummary) print(env *Env, g *globals) error {
	if g.json() {
		return printJSON(env.Stdout, s)
	}
	p := &printer{w: env.Stdout}
	if s.Job != nil {
		p.line("%s", env.calls(endOf(s.Job, s.reason)))
		for _, line := range failureWords(s.Job, s.FailedItem) {
			p.line("%s", env.calls(line))
		}
	}
	s.printTypes(p)
	p.line("%s (%s).", clean(env.calls(s.Message)), rough(time.Duration(s.Seconds*float64(time.Second))))
	if s.Failed > 0 {
		list := make([]engine.JobID, len(s.FailedJobs))
		for i, f := range s.FailedJobs {
			list[i] = f.ID
		}
		if failed := plural(s.Failed, "job failed", "jobs failed"); s.CutOff {
			p.line("%s; which ones is not known here.", failed)
		} else if len(list) == 0 {
			p.line("%s, and none of them is there as failed any more: they were run again, or deleted.", failed)
		} else {
			p.line("%s: %s.", failed, ids(list, s.Failed))
		}
	}
	if n := int64(len(s.HandedOver)); n > 0 {
		p.line("handed over %s at a checkpoint: %s.", plural(n, "job", "jobs"), ids(s.HandedOver, n))
	}
	if n := int64(len(s.GaveBack)); n > 0 {
		p.line("gave back %s in %s: %s.", plural(n, "job whose hook did not end", "jobs whose hooks did not end"), engine.FormatDuration(s.run.Drain), ids(s.GaveBack, n))
	}
	s.printCutOff(p)
	for _, w := range s.Waiting {
		count := plural(int64(w.Jobs), "job", "jobs")
		if w.Jobs == waitingLimit {
			count = "at least " + count
		}
		p.line("not for this process: %s of type %q, phase %s: %s.", count, w.Type, w.Phase, w.Reason)
	}
	for _, d := range s.Delayed[:min(len(s.Delayed), shownDelayed)] {
		more := ""
		if d.Jobs > 1 {
			more = fmt.Sprintf(", the first of %s", plural(int64(d.Jobs), "job", "jobs"))
		}
		p.line("job %d of type %q waits in %s and is due %s (%s)%s.", d.Job, d.Type, d.Phase, distance(d.Next, env.Clock.Now()), stamp(d.Next), more)
	}
	if s.didNothing() && len(s.Next) > 0 {
		p.line("%s fires next %s (%s).", clean(s.Next[0].name()), distance(s.Next[0].At, env.Clock.Now()), stamp(s.Next[0].At))
	}
	for _, h := range s.Hints {
		p.line("  %s", clean(env.calls(h)))
	}
	return p.err
}

// printCutOff says what becomes of the jobs of a server that stopped without the
// database.
func (s *runSummary) printCutOff(p *printer) {
	if !s.CutOff {
		return
	}
	p.line("the database could not be used when this server stopped: the above is what it knows by itself.")
	what := "what it may still have"
	if n := int64(len(s.KeptBack)); n > 0 {
		what = fmt.Sprintf("%s that it could not give back (%s)", plural(n, "job", "jobs"), ids(s.KeptBack, n))
	}
	p.line("another server goes on with %s, within %s once the database can be used; if none runs, the next one that starts does. No attempt is burnt.",
		what, engine.FormatDuration(s.run.Lease+2*s.run.Lease/3))
}

func (s *runSummary) printTypes(p *printer) {
	head := []string{"type", "completed", "failed", "cancelled", "retried", "read", "inserted", "updated", "unchanged", "rejected", "other"}
	shown := []string{"read", "inserted", "updated", "unchanged", "rejected"}
	row := func(name string, completed, failed, cancelled, retried int64, stats map[string]int64) []string {
		cells := []string{clean(name), humanize.Comma(completed), humanize.Comma(failed), number(cancelled), number(retried)}
		for _, stat := range shown {
			cells = append(cells, number(stats[stat]))
		}
		return append(cells, statWords(stats, shown...))
	}
	var rows [][]string
	for _, t := range s.Types {
		rows = append(rows, row(t.Type, t.Completed, t.Failed, t.Cancelled, t.Retried, t.Stats))
	}
	if len(rows) > 1 {
		rows = append(rows, row("all", s.Completed, s.Failed, s.Cancelled, s.Retried, s.Rows))
	}
	p.table(head, rows, head[1:10]...)
}

// name is the type, with the instance if there is one.
func (n nextFiring) name() string {
	if n.Instance == nil {
		return n.Type
	}
	return n.Type + " (" + *n.Instance + ")"
}
