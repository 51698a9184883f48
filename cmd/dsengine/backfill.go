package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

// backfillOptions say which windows to import.
type backfillOptions struct {
	Type     string
	Start    string
	End      string
	By       string
	Timezone string
	Instance string
	Phase    engine.Phase
	Limit    int
	DryRun   bool
	NoWindow bool

	start, end time.Time
	step       engine.Step
}

// maxWindows is how many windows one call makes jobs of without a limit: so many
// are a mistake in --by.
const maxWindows = 100_000

func newBackfill(env *Env, g *globals) *cobra.Command {
	var o backfillOptions
	c := &cobra.Command{
		Use:   "backfill TYPE --start TIME --end TIME --by STEP",
		Short: "Import a stretch of the past, by one job for each window of it",
		Long: `Make one job for each window of a stretch of time, and print their ids. In each of
them the script's ctx.window gives that window.

The jobs run beside the live ones, which do not wait for them: each process works
them, and what they emit, in slots of their own, as many again as the type has. The
windows of the live jobs stay as they are. A window whose job is still under way gets
no second one.

Days, weeks, months and years of --by, and times that name no zone, are those of the
timezone that the script's job() has for its schedule, UTC if it has none or the script is
not in the jobs folder. A day on which the clocks change has 23 or 25 hours there; lengths
of time such as 24h are as long on every day.`,
		Example: `  dsengine backfill orders --start 2023-01-01 --end 2025-01-01 --by 1d
  dsengine backfill orders --start 2023-01-01 --end 2025-01-01 --by 1d --limit 100
  dsengine backfill orders --start 2024-01-01 --end 2025-01-01 --by month --timezone Europe/Berlin
  dsengine backfill orders --start 2024-01-01 --end 2024-01-08 --by 6h --dry-run`,
		Args:              arguments("TYPE"),
		ValidArgsFunction: completeTypes(env, g),
		RunE: func(c *cobra.Command, args []string) error {
			o.Type = args[0]
			return runBackfill(c.Context(), env, g, o)
		},
	}
	o.flags(c.Flags())
	return c
}

func (o *backfillOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Start, "start", "", "where the first window begins: a `time` such as 2024-01-01 or 2024-01-01T06:00:00Z")
	f.StringVar(&o.End, "end", "", "where the last window ends: a `time`, not after now")
	f.StringVar(&o.By, "by", "", "`step` from window to window: 1d, 1w, month, year, or a length of time such as 6h")
	f.StringVar(&o.Timezone, "timezone", "", "another time `zone` for times that have none, and for days and months: Europe/Berlin")
	f.StringVar(&o.Instance, "instance", "", "`name` of the type's instance")
	phaseFlag(f, &o.Phase, "phase", "first `phase`, produce or consume, where no script tells")
	numberFlag(f, &o.Limit, "limit", 1, "make jobs for this `many` windows, the oldest first, and say how to go on")
	f.BoolVar(&o.DryRun, "dry-run", false, "list the windows and make no jobs")
	f.BoolVar(&o.NoWindow, "no-window", false, "make jobs of a script that does not ask for ctx.window, too")
}

func (o *backfillOptions) validate() error {
	for _, x := range []struct{ flag, value string }{{"--start", o.Start}, {"--end", o.End}, {"--by", o.By}} {
		if x.value == "" {
			return usage("backfill needs %s", x.flag).WithHint("see: dsengine backfill --help")
		}
	}
	if o.Phase != 0 && o.Phase != engine.PhaseProduce && o.Phase != engine.PhaseConsume {
		return usage("--phase: a job begins in produce or consume, not in %s", o.Phase)
	}
	return engine.CheckTypeName(o.Type)
}

// place finds the windows. of is the job's type, nil if its script is not here.
func (o *backfillOptions) place(of *engine.Type) error {
	zone, err := zoneOf(of)
	if o.Timezone != "" {
		zone, err = time.LoadLocation(o.Timezone)
	}
	if err != nil || o.Timezone == "Local" {
		return usage("--timezone: there is no time zone %q (write it like \"Europe/Berlin\")", o.Timezone)
	}
	if o.start, err = parseMomentIn(o.Start, zone); err != nil {
		return engine.Wrapf(engine.CodeUsage, err, "--start")
	}
	if o.end, err = parseMomentIn(o.End, zone); err != nil {
		return engine.Wrapf(engine.CodeUsage, err, "--end")
	}
	if o.step, err = engine.ParseStep(o.By); err != nil {
		return engine.Wrapf(engine.CodeUsage, err, "--by")
	}
	if o.step.Months > 0 && o.start.Day() > 28 {
		return usage("--by %s needs a --start on one of the days 1 to 28, which every month has", o.By)
	}
	if !o.start.Before(o.end) {
		return usage("--start must be before --end, and %s is not before %s", o.Start, o.End)
	}
	if o.Limit == 0 {
		steps := o.steps()
		for n := 0; ; n++ {
			if _, _, more := steps.Next(); !more {
				break
			}
			if n == maxWindows {
				return usage("--by %s makes more than %s windows", o.By, humanize.Comma(maxWindows)).
					WithHint("choose a longer step, or make a part of them by --limit")
			}
		}
	}
	return nil
}

// zoneOf is the time zone of a type's schedule; UTC for nil.
func zoneOf(t *engine.Type) (*time.Location, error) {
	if t == nil {
		return time.UTC, nil
	}
	return time.LoadLocation(t.Settings.Schedule.Timezone)
}

func (o *backfillOptions) steps() engine.Steps {
	return engine.Steps{Start: o.start, End: o.end, Step: o.step}
}

// backfilled says what became of a window.
type backfilled struct {
	ID      *engine.JobID `json:"id"`      // of its job; null in a dry run
	Created bool          `json:"created"` // else its job was under way already
	Window  engine.Window `json:"window"`
}

func runBackfill(ctx context.Context, env *Env, g *globals, o backfillOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	log, con := newLogger(env, g)
	s, err := loadScripts(ctx, env, g, log)
	if err != nil {
		return err
	}
	if err := o.place(s.of(o.Type)); err != nil {
		return err
	}
	b := &backfill{env: env, g: g, o: o, steps: o.steps(), next: o.start, out: newWindowList(con.data(env), g.json())}
	if !o.NoWindow && s.asksNoWindow(env, g, o.Type) {
		return usage("the script of %s does not ask for ctx.window, nor does it load another one: each of its jobs would do the same", o.Type).
			WithHint("have it import the window that ctx.window gives (see: dsengine docs ctx.window), or make the jobs all the same by --no-window")
	}
	if o.DryRun {
		return b.finish(ctx, b.each(b.out.add))
	}
	eng, done, err := openEngine(ctx, env, g, log, toMake)
	if err != nil {
		return err
	}
	defer done()
	now, err := eng.Store().Now(ctx)
	if err != nil {
		return err
	}
	if o.end.After(now) {
		return usage("--end must not be after now, %s: what is to come is imported by the live jobs", stamp(now))
	}
	if b.like, err = newJobOf(ctx, g, eng, &s, o.Type, o.Instance, o.Phase); err != nil {
		return err
	}
	if err := tellUnrun(ctx, env, g, eng, &s, o.Type); err != nil {
		return err
	}
	show := newProgress(env, log, con)
	err = b.each(func(list []backfilled) error {
		if err := b.enqueue(ctx, eng, list); err != nil {
			return err
		}
		show.show([]gauge{{Name: "backfill " + o.Type, Done: int64(b.done)}}, 0)
		return b.out.add(list)
	})
	show.close()
	return b.finish(ctx, err)
}

// backfill makes jobs of windows.
type backfill struct {
	env   *Env
	g     *globals
	o     backfillOptions
	like  engine.NewJob
	steps engine.Steps
	out   *windowList

	next    time.Time // where the first window begins that has no job yet
	done    int       // windows
	created int
	left    bool // the limit has left some
}

// each calls f with the windows, some at a time: as many as one transaction makes
// jobs of.
func (b *backfill) each(f func([]backfilled) error) error {
	const size = 1000
	var list []backfilled
	flush := func(next time.Time) error {
		if len(list) == 0 {
			return nil
		}
		if err := f(list); err != nil {
			return err
		}
		b.next, b.done, list = next, b.done+len(list), list[:0]
		return nil
	}
	for {
		from, to, more := b.steps.Next()
		if !more {
			return flush(b.o.end)
		}
		if b.left = b.o.Limit > 0 && b.done+len(list) == b.o.Limit; b.left {
			return flush(from)
		}
		if len(list) == size {
			if err := flush(from); err != nil {
				return err
			}
		}
		list = append(list, backfilled{Window: engine.Window{Start: from.UTC(), End: to.UTC(), Backfill: true}})
	}
}

// enqueue makes the jobs of windows, in one transaction.
func (b *backfill) enqueue(ctx context.Context, eng *engine.Engine, list []backfilled) error {
	jobs := make([]engine.NewJob, len(list))
	for i := range list {
		w := list[i].Window
		jobs[i] = b.like
		jobs[i].Window = &w
		jobs[i].Key = "backfill:" + w.Start.Format(time.RFC3339Nano) + "/" + w.End.Format(time.RFC3339Nano)
	}
	made, err := eng.Enqueue(ctx, jobs...)
	if err != nil {
		return err
	}
	for i, m := range made {
		id := m.ID
		if list[i].ID, list[i].Created = &id, m.Created; m.Created {
			b.created++
		}
	}
	return nil
}

// finish says what was done, and how to go on.
func (b *backfill) finish(ctx context.Context, err error) error {
	if cerr := b.out.close(); err == nil {
		err = cerr
	}
	again := fmt.Sprintf("dsengine backfill %s --start %s --end %s --by %s", b.o.Type, b.next.Format(time.RFC3339Nano), b.o.end.Format(time.RFC3339Nano), quotedWord(b.o.By))
	for _, f := range []struct{ name, value string }{{"timezone", b.o.Timezone}, {"instance", b.o.Instance}} {
		if f.value != "" {
			again += " --" + f.name + " " + quotedWord(f.value)
		}
	}
	if b.o.Phase != 0 {
		again += " --phase " + b.o.Phase.String()
	}
	if b.o.NoWindow {
		again += " --no-window"
	}
	if b.o.Limit > 0 {
		again += fmt.Sprintf(" --limit %d", b.o.Limit)
	}
	if b.o.DryRun {
		again += " --dry-run"
	}
	soFar := plural(int64(b.done), "window", "windows")
	if b.done > 0 {
		soFar += " from " + b.o.start.Format(time.RFC3339) + " to " + b.next.Format(time.RFC3339)
	}
	if !b.o.DryRun {
		soFar += ": " + plural(int64(b.created), "job was made", "jobs were made")
		if under := b.done - b.created; under > 0 {
			soFar += fmt.Sprintf(", %s under way already", humanize.Comma(int64(under)))
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		b.env.say("dsengine: %v: %s; to go on: %s", context.Cause(ctx), soFar, again)
		return exit(exitInterrupted)
	case err != nil:
		code := engine.CodeOf(err)
		if code == "" {
			code = engine.CodeInternal
		}
		return engine.Wrapf(code, err, "backfill").WithHint("%s; to go on: %s", soFar, again)
	case b.left:
		b.env.say("%s; to go on: %s", soFar, again)
	default:
		b.env.say("%s", soFar)
	}
	return nil
}

// quotedWord is a word for the shell.
func quotedWord(s string) string {
	if strings.ContainsAny(s, " \t'\"\\$`!*?[](){}<>|&;#~") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// windowList prints windows as they come: the ids of their jobs, in a dry run the
// windows, or all as a JSON array.
type windowList struct {
	w    io.Writer
	json bool
	n    int
}

func newWindowList(w io.Writer, json bool) *windowList { return &windowList{w: w, json: json} }

func (l *windowList) add(list []backfilled) error {
	var b strings.Builder
	for _, x := range list {
		switch {
		case l.json:
			line, err := marshal(x)
			if err != nil {
				return err
			}
			if l.n == 0 {
				b.WriteString("[\n  ")
			} else {
				b.WriteString(",\n  ")
			}
			b.Write(line)
		case x.ID == nil:
			fmt.Fprintf(&b, "%s %s\n", x.Window.Start.Format(time.RFC3339Nano), x.Window.End.Format(time.RFC3339Nano))
		case x.Created:
			fmt.Fprintf(&b, "%d\n", *x.ID)
		}
		l.n++
	}
	_, err := io.WriteString(l.w, b.String())
	return err
}

// close ends the array.
func (l *windowList) close() error {
	end := ""
	switch {
	case l.json && l.n == 0:
		end = "[]\n"
	case l.json:
		end = "\n]\n"
	}
	_, err := io.WriteString(l.w, end)
	return err
}
