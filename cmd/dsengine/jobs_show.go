package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
)

func newJobsShow(env *Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show all about one job: why it waits, how it failed, what it logged",
		Example: `  dsengine jobs show 42
  dsengine jobs show 42 -o json`,
		Args: arguments("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseJobID(args[0])
			if err != nil {
				return err
			}
			return runJobsShow(c.Context(), env, g, id)
		},
	}
}

// How much a page shows of what may be long; of a payload, a position and a result on
// a terminal alone.
const (
	shownLogs  = 20
	shownItems = 10
	shownLines = 40
	shownText  = 4000 // bytes
)

func runJobsShow(ctx context.Context, env *Env, g *globals, id engine.JobID) error {
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toLook)
	if err != nil {
		return err
	}
	defer done()
	store := eng.Store()
	j, err := store.Job(ctx, id)
	if err != nil {
		return err
	}
	page := jobPage{job: j, calls: env.calls}
	if page.script, page.absent = scriptOf(env, g, j.Type); page.absent != "" {
		if page.known, err = knownOf(ctx, eng, j.Type); err != nil {
			return err
		}
	}
	if env.IsTerminal(env.Stdout) {
		page.most = 70
	}
	if page.now, err = store.Now(ctx); err != nil {
		return err
	}
	if page.attempts, err = store.Attempts(ctx, id); err != nil {
		return err
	}
	if page.logs, err = store.Logs(ctx, id, 0, 0, true, shownLogs); err != nil {
		return err
	}
	if j.Children != nil && j.Children.Failed > 0 {
		if page.failed, err = store.Jobs(ctx, engine.JobFilter{Parent: id, Status: engine.StatusFailed, Limit: shownItems}); err != nil {
			return err
		}
	}
	if page.rejects, err = store.RejectCounts(ctx, id); err != nil {
		return err
	}
	if g.json() {
		return printJSON(env.Stdout, page.details())
	}
	p := &printer{w: env.Stdout}
	page.print(p)
	return p.err
}

// jobPage is all about a job.
type jobPage struct {
	job      *engine.Job
	attempts []engine.Attempt
	logs     []engine.LogLine
	failed   []*engine.Job // of its items
	rejects  engine.RejectCounts
	script   string // of its type, here; "" if there is none
	absent   string // what is not there instead; "" if that is not known
	known    string // of its type, where its script is absent
	now      time.Time
	calls    func(text string) string // see Env.calls
	most     int                      // where errors in the table are cut; 0: nowhere
}

// losses are the attempts that were lost with their process.
func (g *jobPage) losses() []engine.Attempt {
	return slices.DeleteFunc(slices.Clone(g.attempts), func(a engine.Attempt) bool { return !a.Lost() })
}

// lastFailure is that of the last attempt, if it failed by an error of its hook.
func (g *jobPage) lastFailure() *engine.Failure {
	for _, a := range slices.Backward(g.attempts) {
		if a.Failure != nil && !a.Lost() && a.Phase != engine.PhaseFail {
			return a.Failure
		}
	}
	return nil
}

// jobDetails is a job as JSON, with its attempts that failed, were lost or
// logged something, and its last lines of log.
type jobDetails struct {
	*engine.Job
	// Script is that of its type in the jobs folder; null if none is there.
	Script *string `json:"script"`
	// Losses counts the attempts that were lost with their process.
	Losses int `json:"losses"`
	// ServerStopping says that the server that runs it takes no more jobs.
	ServerStopping bool          `json:"server_stopping"`
	Attempts       []attemptInfo `json:"attempts"`
	Log            []logLine     `json:"log"`
	// Rejects counts the rows that it set aside.
	Rejects engine.RejectCounts `json:"rejects"`
}

// attemptInfo is one attempt.
type attemptInfo struct {
	Phase      engine.Phase     `json:"phase"`
	Attempt    int              `json:"attempt"`
	Server     string           `json:"server"`
	StartedAt  time.Time        `json:"started_at"`
	FinishedAt time.Time        `json:"finished_at"`
	Error      *engine.JobError `json:"error"`
	// Retryable says whether another attempt might have helped; null if it did not fail.
	Retryable *bool `json:"retryable"`
}

func (g *jobPage) details() jobDetails {
	d := jobDetails{Job: told(g.job), Script: optional(filepath.ToSlash(g.script)), Losses: len(g.losses()), ServerStopping: g.job.ServerStops != nil, Attempts: []attemptInfo{}, Log: []logLine{}, Rejects: g.rejects}
	for _, a := range g.attempts {
		d.Attempts = append(d.Attempts, infoOf(a))
	}
	for _, l := range g.logs {
		d.Log = append(d.Log, logLine{g.job.Type, l})
	}
	return d
}

func infoOf(a engine.Attempt) attemptInfo {
	x := attemptInfo{Phase: a.Phase, Attempt: a.Attempt, Server: a.Server, StartedAt: a.StartedAt, FinishedAt: a.FinishedAt}
	if f := a.Failure; f != nil {
		x.Error = &engine.JobError{Message: f.Message, Kind: f.Kind, Code: f.Code, Backtrace: f.Backtrace, Phase: f.Phase}
		x.Retryable = &f.Retryable
	}
	return x
}

func (g *jobPage) print(p *printer) {
	j := g.job
	p.line("job %s: %s", jobName(j), j.Status)
	if j.WaitingFor != nil {
		p.field("waiting for", "%s", g.calls(clean(strings.TrimPrefix(*j.WaitingFor, "waiting for "))))
	}
	if j.Status == engine.StatusWaiting && j.RunAt != nil && j.RunAt.After(g.now) {
		p.field("", "%s", g.calls(fmt.Sprintf("to run it now: dsengine jobs retry %d", j.ID)))
		if f := g.lastFailure(); f != nil && f.Kind == engine.KindError && f.Code == "" {
			p.field("", "%s", g.calls(fmt.Sprintf("if the script is at fault, mend it before the next attempt, or stop the job: dsengine jobs cancel %d", j.ID)))
		}
	}
	if j.CancelAsked && !j.Status.Final() {
		p.field("asked to", "stop: somebody cancelled it")
	}
	p.field("phase", "%s", phaseWords(j))
	if j.Attempt > 0 {
		p.field("attempt", "%d of %d", j.Attempt, j.MaxAttempts)
	}
	if f := g.lastFailure(); f != nil && j.Status == engine.StatusFailed && j.Attempt < j.MaxAttempts {
		switch {
		case f.Hopeless():
			p.field("not retried", "%s", g.calls(fmt.Sprintf("another attempt would meet the same error; once that is mended: dsengine jobs retry %d", j.ID)))
		case f.Kind == engine.KindRejects:
			p.field("not retried", "what it reads has too many rows that are rejected")
		}
	}
	if lost := g.losses(); len(lost) > 0 {
		last := lost[len(lost)-1]
		p.field("losses", "%s the server that had it was gone, or cut off; the last time found %s", plural(int64(len(lost)), "time", "times"), clock(&last.FinishedAt, g.now))
	}
	if j.Progress != nil && *j.Progress != (engine.Progress{}) && !j.Status.Final() {
		p.field("progress", "%s", progressWords(j.Progress))
	}
	if j.Key != nil {
		p.field("key", "%s", clip(*j.Key, 300))
	}
	if j.Priority != 0 {
		p.field("priority", "%d", j.Priority)
	}
	if j.Parent != nil {
		p.field("item of", "job %d", *j.Parent)
	}
	switch w := j.Window; {
	case w != nil && w.Backfill:
		p.field("window", "%s to %s, of a backfill", stamp(w.Start), stamp(w.End))
	case w != nil:
		p.field("window", "%s to %s", stamp(w.Start), stamp(w.End))
	case j.Windowed.Has(engine.WindowBackfill):
		p.field("backfill", "made by a job of one")
	}
	g.times(p)
	switch {
	case j.Server != nil && j.ServerStops != nil:
		p.field("server", "%s, which is stopping since %s: the job ends there, or goes on from its last checkpoint on the next server", clean(*j.Server), clock(j.ServerStops, g.now))
	case j.Server != nil:
		p.field("server", "%s", clean(*j.Server))
	}
	if reason := reasonIn(g.logs); reason != "" && j.Status == engine.StatusCancelled {
		p.field("cancelled", "%s", clip(reason, 300))
	}
	if j.Version != nil {
		p.field("script", "version %s", clean(*j.Version))
	}
	if g.absent != "" {
		p.field("no script", "there is no %s here; %s", g.absent, g.known)
	}
	if n := j.Stats[engine.RerunCount]; n > 0 {
		p.field("reruns", "%s its hook ran again, because others changed what it had read; requests that it made were made again", plural(n, "time", "times"))
	}
	if words := statWords(j.Stats, engine.RerunCount); words != "" {
		p.field("counts", "%s", words)
	}
	if counted := j.Stats["rejected"]; g.rejects.Kept > 0 || counted > 0 {
		p.field("rejects", "%s", g.calls(rejectWords(j.ID, g.rejects, counted)))
	}
	if j.Redrives != nil {
		words := redriveWords(j.Redrives)
		if j.Redrives.Rejects > 0 {
			words += fmt.Sprintf(" (dsengine rejects list --redrive %d)", j.ID)
		}
		p.field("redrives", "%s", g.calls(words))
	}
	g.children(p)
	g.failure(p)
	g.data(p)
	if len(g.attempts) > 0 {
		g.tries(p)
	}
	if len(g.logs) > 0 {
		p.line("\n%s", g.calls(fmt.Sprintf("log (at most %d lines; all: dsengine logs %d)", shownLogs, j.ID)))
		for _, l := range g.logs {
			p.line("  %s", logText(l, ""))
		}
	}
}

// phaseWords is a job's phase: of one whose fail hook is due, or runs, also what
// failed.
func phaseWords(j *engine.Job) string {
	if j.Phase != engine.PhaseFail || j.FailedPhase == 0 {
		return j.Phase.String()
	}
	return fmt.Sprintf("%s, after %s", j.Phase, j.FailedPhase)
}

func (g *jobPage) times(p *printer) {
	j := g.job
	p.field("created", "%s", clock(&j.CreatedAt, g.now))
	for _, t := range []struct {
		name string
		at   *time.Time
	}{{"scheduled", j.ScheduledFor}, {"due", j.RunAt}, {"started", j.StartedAt}, {"finished", j.FinishedAt}} {
		if t.at != nil && (t.name != "due" || !j.Status.Final()) {
			p.field(t.name, "%s", clock(t.at, g.now))
		}
	}
	if j.StartedAt != nil && j.FinishedAt != nil && !j.FinishedAt.Before(*j.StartedAt) {
		p.field("took", "%s", rough(j.FinishedAt.Sub(*j.StartedAt)))
	}
}

func (g *jobPage) children(p *printer) {
	c := g.job.Children
	if c == nil {
		return
	}
	var words []string
	for _, n := range []struct {
		word string
		n    int64
	}{{"waiting", c.Waiting}, {"running", c.Running}, {"completed", c.Completed}, {"failed", c.Failed}, {"cancelled", c.Cancelled}} {
		if n.n > 0 {
			words = append(words, number(n.n)+" "+n.word)
		}
	}
	p.field("items", "%s: %s", number(g.job.Items), strings.Join(words, ", "))
	if len(g.failed) > 0 {
		list := make([]engine.JobID, len(g.failed))
		for i, f := range g.failed {
			list[i] = f.ID
		}
		p.field("", "%s", g.calls(fmt.Sprintf("failed: %s (dsengine jobs list --parent %d --status failed)", ids(list, c.Failed), g.job.ID)))
	}
}

func (g *jobPage) failure(p *printer) {
	e := g.job.Error
	if e == nil {
		return
	}
	title := "error"
	if !g.job.Status.Final() {
		title = "last error"
	}
	kind := string(e.Kind)
	if e.Code != "" {
		kind += ", " + e.Code
	}
	p.line("\n%s (%s)", title, clean(kind))
	if !strings.HasSuffix(e.Backtrace, ": "+e.Message) { // else it stands at its end
		p.line("%s", g.calls(indented(e.Message)))
	}
	if e.Backtrace != "" {
		p.line("%s", g.calls(indented(e.Backtrace)))
	}
}

// data prints the JSON values.
func (g *jobPage) data(p *printer) {
	for _, v := range []struct {
		name  string
		value engine.Raw
	}{{"payload", g.job.Payload}, {"position", g.job.Position}, {"result", g.job.Result}} {
		if v.value == nil {
			continue
		}
		var b bytes.Buffer
		text := string(v.value)
		if len(v.value) <= 60 && json.Compact(&b, v.value) == nil {
			text = b.String()
		} else if b.Reset(); json.Indent(&b, v.value, "", "  ") == nil {
			text = b.String()
		}
		text = cleanJSON(text)
		if short := beginning(text, shownLines, shownText); g.most > 0 && short != text {
			text = short + "\n" + g.calls(fmt.Sprintf("... (of %s; all: dsengine jobs show %d -o json)", humanize.Bytes(uint64(len(v.value))), g.job.ID))
		}
		p.line("\n%s\n%s", v.name, indented(text))
	}
}

// beginning is a text, cut after so many lines and bytes.
func beginning(text string, lines, most int) string {
	end := 0
	for range lines {
		i := strings.IndexByte(text[end:], '\n')
		if i < 0 {
			end = len(text)
			break
		}
		end += i + 1
	}
	if end > most {
		for end = most; !utf8.RuneStart(text[end]); end-- {
		}
	}
	if end < len(text) {
		text = strings.TrimSuffix(text[:end], "\n")
	}
	return text
}

func (g *jobPage) tries(p *printer) {
	var rows [][]string
	for _, a := range g.attempts {
		message := ""
		if a.Failure != nil {
			message = string(a.Failure.Kind) + ": " + a.Failure.Message
		}
		rows = append(rows, []string{"", fmt.Sprint(a.Attempt), a.Phase.String(), clean(a.Server), stamp(a.StartedAt), rough(max(0, a.FinishedAt.Sub(a.StartedAt))), clip(message, g.most)})
	}
	counted := ""
	last := map[engine.Phase]engine.Attempt{}
	for _, a := range g.attempts {
		before, known := last[a.Phase]
		if known && (a.Attempt < before.Attempt || a.Attempt == before.Attempt && a.Failure != nil && before.Failure != nil && !before.Lost()) {
			counted = ", the oldest first; they are numbered anew after a checkpoint, and after a retry by hand"
		}
		last[a.Phase] = a
	}
	p.line("\nattempts that failed, were lost or logged something%s", counted)
	p.table([]string{" ", "attempt", "phase", "server", "started", "took", "error"}, rows, "attempt", "took")
}

// indented puts text of several lines below a heading.
func indented(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(clean(s), "\n"), "\n", "\n  ")
}
