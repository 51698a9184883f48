package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/scripting/plan"
)

// planOptions say what is planned, and how far.
type planOptions struct {
	Payload  string
	Instance string
	Window   string
	Items    int
	Timeout  time.Duration
	JSON     bool

	window *engine.Window
}

const planHelp = `What the hooks would write to the job database is in one transaction that is never
committed, so they see what is there and what they have written. Requests that only read
(GET, HEAD) are made, under the same rules as in a run; those that write are listed, and
answered here with 200 and {}. Files are read from the files folder; what would be written,
moved or deleted there goes to a temporary folder. Mail, and files of other servers, are
not sent. State, variables, windows and records are the real ones, and stay as they are.
No job is claimed, locked or changed: servers may run meanwhile.

On SQLite, which has one writer, a copy of the file is worked on, so servers wait for
nothing; the copy takes as much room in the folder for temporary files. On MariaDB and
MySQL the transaction (READ COMMITTED) holds locks on the rows that it writes until the
plan ends, and jobs that want them wait: --timeout bounds that. A missing table is made as
a temporary one. Databases of db.connect are treated so, too.

What a rollback does not take back is refused on MariaDB and MySQL: writing to tables
without transactions, also by way of views, triggers and functions; CALL and DO. So is what
cannot be known: to write, the user needs the privilege TRIGGER, and SHOW VIEW and EXECUTE
where views, triggers and functions are used. Two things stay: numbers that a server has
given to new rows (AUTO_INCREMENT, sequences) are not given again, and what functions of its
plugins do is not seen.`

func newPlan(env *Env, g *globals) *cobra.Command {
	o := planOptions{Items: 20}
	c := &cobra.Command{
		Use:   "plan NAME",
		Short: "Say what a job would do now, without doing it",
		Long: `Run the hooks of a job type and say what a job of it would do now: items, rows that would be
inserted, updated or deleted, requests, files, mail, state, jobs, rejects, what it needs, and
how it fails if it does. Nothing of it stays. What produce emits is worked too; jobs that would
be enqueued are not.

` + planHelp + `

It ends with 0 if no attempt fails, with 1 if one does, else as all commands do.`,
		Example: `  dsengine plan airports
  dsengine plan orders --payload '{"full": true}'
  dsengine plan crm/customers --instance acme --items 0
  dsengine plan orders --window 2024-01-01/2024-01-02
  dsengine plan airports -o json`,
		Args:              arguments("NAME"),
		ValidArgsFunction: completeTypes(env, g),
		RunE:              func(c *cobra.Command, args []string) error { return runPlan(c.Context(), env, g, o, args[0]) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.Payload, "payload", "", "the job's payload, as `JSON`")
	f.StringVar(&o.Instance, "instance", "", "`name` of the type's instance")
	f.StringVar(&o.Window, "window", "", "the stretch of time to import, in place of the next one: `START/END`,\nin the timezone of its schedule where they name none")
	o.flags(f)
	return c
}

// flags are those of plan and of replay.
func (o *planOptions) flags(f *pflag.FlagSet) {
	numberFlag(f, &o.Items, "items", 0, "run so `many` items at most; 0: all (default 20)")
	durationFlag(f, &o.Timeout, "timeout", "how long all of it may take, and hold locks: a `time` (default 1m)")
	f.BoolVar(&o.JSON, "json", false, "the same as --output json")
}

func (o *planOptions) validate() error {
	if o.Timeout < 0 {
		return usage("--timeout must not be negative")
	}
	if err := o.place(nil); err != nil {
		return err
	}
	return checkPayload("--payload", o.Payload)
}

// place finds the window, in the time zone that backfill takes it in. of is the job's type,
// nil if it is not known yet.
func (o *planOptions) place(of *engine.Type) error {
	if o.Window == "" {
		return nil
	}
	from, to, ok := strings.Cut(o.Window, "/")
	if !ok {
		return usage("--window: write it like 2024-01-01/2024-01-02, not %q", o.Window)
	}
	zone, err := zoneOf(of)
	if err != nil {
		return err
	}
	w := engine.Window{Backfill: true}
	if w.Start, err = parseMomentIn(from, zone); err != nil {
		return engine.Wrapf(engine.CodeUsage, err, "--window")
	}
	if w.End, err = parseMomentIn(to, zone); err != nil {
		return engine.Wrapf(engine.CodeUsage, err, "--window")
	}
	if w.End.Before(w.Start) {
		return usage("--window must not end before it starts")
	}
	w.Start, w.End = w.Start.UTC(), w.End.UTC()
	o.window = &w
	return nil
}

// planned is a world to plan in, with the scripts loaded into it.
type planned struct {
	*plan.World
	scripts scripts
}

// openPlan makes a world. Close it.
func openPlan(ctx context.Context, env *Env, g *globals, o planOptions, keep bool) (*planned, error) {
	if err := checkFolder(env, g, "jobs", g.Jobs); err != nil {
		return nil, err
	}
	if err := checkFolder(env, g, "files", g.Files); err != nil {
		return nil, err
	}
	g.tables.knowSecrets(env, "*")         // an earlier job may have stored one that this one does not get
	quiet := slog.New(slog.DiscardHandler) // how attempts fail is in the report
	if g.Verbose {
		quiet, _ = newLogger(env, g)
	}
	others := &connections{env: env, g: g, log: quiet}
	w, err := plan.New(ctx, plan.Options{
		Files: env.path(g.Files), Secrets: env.Secrets, Log: quiet, Items: o.Items, Timeout: o.Timeout, Keep: keep,
		Open: func(ctx context.Context, dir string) (engine.Store, error) {
			file, ok := strings.CutPrefix(g.DB, "sqlite:")
			if !ok {
				return openStore(ctx, env, g, quiet, toLook, 0)
			}
			if file != "" {
				file = env.path(file)
			}
			s, err := sqlitestore.OpenSnapshot(ctx, "sqlite:"+file, dir, sqlitestore.Options{Prefix: g.Prefix, Clock: env.Clock, Logger: quiet})
			return opened(s, badURL(g, err))
		},
		Connect: func(ctx context.Context, dir, name string, readOnly bool) (engine.Connection, error) {
			return others.openApart(ctx, dir, name, readOnly)
		},
	})
	if err != nil {
		return nil, err
	}
	p := &planned{World: w}
	if p.scripts, err = loadInto(w.Context(), env, g, quiet, others, w); err != nil {
		w.Close()
		return nil, err
	}
	return p, nil
}

// typeOf is the type of a name.
func (p *planned) typeOf(ctx context.Context, env *Env, g *globals, name string) (*engine.Type, error) {
	if t := p.scripts.of(name); t != nil {
		return t, nil
	}
	if p.scripts.isBroken(name) {
		return nil, p.scripts.notLoaded(name)
	}
	return nil, p.scripts.gone(ctx, env, g, name)
}

func runPlan(ctx context.Context, env *Env, g *globals, o planOptions, name string) error {
	if err := o.validate(); err != nil {
		return err
	}
	p, err := openPlan(ctx, env, g, o, false)
	if err != nil {
		return err
	}
	defer p.Close()
	t, err := p.typeOf(ctx, env, g, name)
	if err != nil {
		return err
	}
	if err := checkInstanceNow(ctx, p, t, o.Instance); err != nil {
		return err
	}
	if err := o.place(t); err != nil {
		return err
	}
	j := plan.Job{Type: t, Instance: o.Instance, Window: o.window}
	if o.Payload != "" {
		j.Payload = engine.Raw(o.Payload)
	}
	r, err := p.Plan(p.scripts.Types, j)
	if err != nil {
		return err
	}
	r.Idle = planIdle(t, r)
	return o.tell(env, g, r)
}

// planIdle says that produce had nothing for consume, and where to look for why; "" if
// it had.
func planIdle(t *engine.Type, r *plan.Report) string {
	if !r.OK || r.Waits != nil || t.Hooks[engine.PhaseProduce] == nil || t.Hooks[engine.PhaseConsume] == nil || r.Items.Count > 0 ||
		slices.ContainsFunc(r.Hooks, func(h *plan.Hook) bool { return h.Phase != engine.PhaseProduce && h.Phase != engine.PhaseFinish }) {
		return ""
	}
	if r.LeftOut.Jobs > 0 {
		return "produce ran and has nothing for consume: " + r.LeftOut.String()
	}
	return fmt.Sprintf("produce ran and found nothing to do: it returned no payload and emitted no item, so consume did not run. What it looks for may not be there, its items may have keys that are taken already, or its state may say that all is done: dsengine state %s list", r.Type)
}

// tell prints a report. A job that fails ends the program with 1.
func (o *planOptions) tell(env *Env, g *globals, r *plan.Report) error {
	if o.JSON || g.json() {
		if err := printJSON(env.Stdout, r); err != nil {
			return err
		}
	} else {
		p := &printer{w: env.Stdout}
		printPlan(p, r)
		if p.err != nil {
			return p.err
		}
	}
	if !r.OK {
		return exit(exitFailed)
	}
	return nil
}
