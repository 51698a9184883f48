package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// runOptions say what a process runs, and how long.
type runOptions struct {
	UntilIdle bool
	Once      string // a type
	Payload   string
	Instance  string

	Name   string
	Types  []string
	Phases []engine.Phase
	Slots  map[string]map[engine.Phase]int
	Drain  time.Duration
	Lease  time.Duration
	Poll   time.Duration
	Batch  int

	Connections int // of hooks at once
}

func newRunOptions() runOptions {
	return runOptions{Drain: 30 * time.Second, Lease: 15 * time.Second, Poll: time.Second, Batch: 1000, Connections: engine.DefaultConnections}
}

func newRun(env *Env, g *globals) *cobra.Command {
	o := newRunOptions()
	c := &cobra.Command{
		Use:   "run",
		Short: "Schedule and run jobs",
		Long: `Schedule and run jobs, until it is told to stop, or with --until-idle until nothing
is left to do. Start it on as many hosts as you like: they share the work.

With --until-idle it fires what is due once, and ends when no job is left that it can run: also
none that is due later (enqueue --at, --after, the next attempt of one that failed), and none that
other servers have in hand. While nothing runs it says what it waits for. To end without such a
job: stop it (the job stays, for the next run), or have the job run now by dsengine jobs retry ID,
or end it by dsengine jobs cancel ID.

With --once it runs one job to its end, and takes what else waits of that type, and of the
types that the job makes items of; jobs of other types are left alone, and no schedule fires.
If the job waits for what neither this process nor another one runs, that is said, and it ends.
An attempt that fails is told, and what comes next is waited for; Ctrl-C ends that, and the job
stays in the database, for the next run.
Other scripts that do not load are counted in one line, and do not decide the exit code.

When it is told to stop (Ctrl-C, SIGTERM, SIGHUP: its terminal has closed) it claims no more jobs,
lets running hooks end or hand over at their next checkpoint for as long as --drain says, and gives
back the rest. So it does when nobody reads its output any more. Started by nohup it goes on.

` + exitHelp + `

The settings from --name on can also stand in the environment (DSENGINE_NAME, ...) and in the
table [run] of dsengine.toml.`,
		Example: `  dsengine run
  dsengine run --until-idle
  dsengine run --once airports --payload '{"full": true}'
  dsengine run --types 'crm/*' --slots crm/customers.consume=8
  dsengine run --db mysql://user:password@db.example.com/imports --name importer-2`,
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error { return runRun(c.Context(), env, g, o) },
	}
	o.flags(c.Flags())
	completeFlags(env, g, c, "once", "types", "phases")
	return c
}

func (o *runOptions) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.BoolVar(&o.UntilIdle, "until-idle", false, "fire what is due once, and end when nothing is left to do; what is due later is waited for")
	f.StringVar(&o.Once, "once", "", "run one job of this `type`, and end when it and all its items are final")
	f.StringVar(&o.Payload, "payload", "", "the payload of that job, as `JSON`")
	f.StringVar(&o.Instance, "instance", "", "`name` of the type's instance for that job")
	f.StringVar(&o.Name, "name", "", "`name` of this server (default: the host's)")
	f.StringSliceVar(&o.Types, "types", nil, "run only job types whose names match these `globs`")
	phasesFlag(f, &o.Phases, "phases", "run only these `phases`: produce, consume, finish, fail")
	slotsFlag(f, &o.Slots, "slots", "how many hooks of a type's phase run at once: `TYPE.PHASE=N` (repeatable)")
	durationFlag(f, &o.Drain, "drain", "how long running hooks may go on when it stops: a `time` (default 30s)")
	durationFlag(f, &o.Lease, "lease", "for what `time` a server may be silent; others then take its jobs, within two thirds of it more; on SQLite within a third of it once the process is gone (default 15s)")
	numberFlag(f, &o.Batch, "batch", 1, "how many jobs are claimed or completed at once, at most: a `number` (default 1000)")
	durationFlag(f, &o.Poll, "poll", "longest `time` between looks at an idle database (default 1s)")
	numberFlag(f, &o.Connections, "connections", 1, fmt.Sprintf("how many hooks have connections to databases at once, at most; others wait: a `number` (default %d)", engine.DefaultConnections))
}

func (o *runOptions) validate() error {
	switch {
	case o.Once != "" && o.UntilIdle:
		return usage("give --once or --until-idle, not both")
	case o.Once == "" && (o.Payload != "" || o.Instance != ""):
		return usage("--payload and --instance go with --once").WithHint("to make a job for later: dsengine enqueue TYPE")
	case o.Poll <= 0:
		return usage("--poll must be longer than 0s")
	case o.Lease <= 0:
		return usage("--lease must be longer than 0s")
	}
	if err := checkPayload("--payload", o.Payload); err != nil {
		return err
	}
	return o.server(&scripts{}).WithDefaults().Validate()
}

// runRun runs jobs. What can be said of the command line alone is said before the
// scripts are loaded, of which there may be much to say.
func runRun(ctx context.Context, env *Env, g *globals, o runOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	if err := checkURL(env, g); err != nil {
		return err
	}
	return drained(ctx, o.run(ctx, env, g))
}

func (o *runOptions) run(ctx context.Context, env *Env, g *globals) error {
	log, con := newLogger(env, g)
	s, err := loadScripts(ctx, env, g, log)
	if err != nil {
		return err
	}
	defer s.others.Close()
	if err := ctx.Err(); err != nil { // then scripts may seem not to load
		return err
	}
	if err := o.check(ctx, env, g, &s); err != nil {
		return err
	}
	s.knowNeeded(env, g)
	opts := o.server(&s)
	eng, done, err := openLeased(ctx, env, g, log, toMake, o.Lease)
	if err != nil {
		return err
	}
	defer done()
	begun, err := eng.Store().Now(ctx)
	if err != nil {
		return err
	}
	if o.Once != "" {
		id, err := o.enqueue(ctx, env, g, eng, &s)
		if err != nil {
			return err
		}
		log.Info("made the job", "job", id, "type", o.Once)
		opts.Once = []engine.JobID{id}
	}
	srv, err := eng.NewServer(ctx, opts)
	if err != nil {
		return err
	}
	if !o.UntilIdle && o.Once == "" {
		log.Info("running", "server", opts.WithDefaults().Name, "database", shownURL(g.DB), "types", strings.Join(typeNames(srv.Types()), " "), "phases", phaseNames(opts.WithDefaults().Phases))
	}
	began := env.Clock.Boot()
	ended := serve(ctx, env, eng, srv, *o, opts.Once, log, con)
	cut := srv.Snapshot().CutOff // then the database is not asked for the summary
	if ended != nil && !cut {
		return ended
	}
	sum := summarize{env: env, eng: eng, srv: srv, opts: opts, scripts: &s, begun: begun, took: env.Clock.Boot() - began, run: *o}
	// What was done is told even if the process was told to stop.
	look, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	if cut {
		stop()
	}
	total := sum.make(look)
	total.notify(ctx)
	if err := total.print(env, g); err != nil {
		return err
	}
	if cut && errors.Is(context.Cause(ctx), errInterrupted) {
		return &exitError{exitInterrupted, ended}
	}
	if cut {
		return &exitError{exitUnreachable, ended}
	}
	return exit(o.exitCode(ctx, total))
}

// drained is why a server could not stop as it should. Told to stop by SIGTERM it
// was not interrupted: the database does not answer; or it was told before it had begun,
// and has nothing to drain.
func drained(ctx context.Context, err error) error {
	var x *exitError
	if !errors.Is(context.Cause(ctx), errTerminated) || errors.As(err, &x) {
		return err
	}
	switch code := engine.CodeOf(err); {
	case code != engine.CodeUnknown && errors.Is(err, context.Canceled):
		return nil // how a server ends that had begun is not cancelled
	case code == engine.CodeUnreachable, code == engine.CodeRetry, code == engine.CodeUnknown,
		errors.Is(err, context.DeadlineExceeded):
		return &exitError{code: exitUnreachable, err: err}
	}
	return err
}

// typeNames are the names of types.
func typeNames(types []*engine.Type) []string {
	var names []string
	for _, t := range types {
		names = append(names, t.Name)
	}
	return names
}

// phaseNames are the names of phases, in one text.
func phaseNames(phases []engine.Phase) string {
	var names []string
	for _, p := range phases {
		names = append(names, p.String())
	}
	return strings.Join(names, " ")
}

// server are the options of the server to run.
func (o *runOptions) server(s *scripts) engine.ServerOptions {
	drain := o.Drain
	if drain == 0 {
		drain = 1 // at once: 0 would be the default
	}
	return engine.ServerOptions{
		Types: s.Types, Name: o.Name, Version: programVersion().Version, Phases: o.Phases, Only: o.Types, Slots: o.Slots,
		Lease: o.Lease, Drain: drain, Poll: o.Poll, Batch: o.Batch, Connections: o.Connections, UntilIdle: o.UntilIdle, NotLoaded: s.broken(),
	}
}

// check says which scripts do not load, and whether folders are there and the
// options can be used.
func (o *runOptions) check(ctx context.Context, env *Env, g *globals, s *scripts) error {
	if s.missing {
		return usage("there is no jobs folder %q", g.Jobs).
			WithHint("make it and put scripts into it, or name another one with --jobs or DSENGINE_JOBS")
	}
	if err := checkFolder(env, g, "files", g.Files); err != nil {
		return err
	}
	names, broken := s.names(), s.broken()
	if o.Once == "" {
		s.tellErrors(env)
	} else if s.of(o.Once) == nil && !s.isBroken(o.Once) {
		return s.gone(ctx, env, g, o.Once)
	} else {
		broken = slices.DeleteFunc(broken, func(name string) bool { return name == o.Once })
	}
	switch {
	case len(broken) > 0 && o.Once != "":
		env.say("dsengine: %s: dsengine check", plural(int64(len(broken)), "other script does not load", "other scripts do not load"))
	case o.Once != "":
	case len(names) == 0 && len(broken) > 0:
		return usage("no script of %s loads", g.Jobs)
	case len(names) == 0:
		env.say("dsengine: warning: there is no job script in %s", folder(env, g.Jobs))
	case len(broken) > 0:
		env.say("dsengine: warning: %s; the others run", plural(int64(len(broken)), "script does not load", "scripts do not load"))
	}
	return o.fit(g, s)
}

// fit says whether the options can be used with the scripts that load.
func (o *runOptions) fit(g *globals, s *scripts) error {
	names, broken := s.names(), s.broken()
	opts := o.server(s).WithDefaults()
	if err := opts.Validate(); err != nil {
		return err
	}
	if o.Once != "" {
		if err := o.checkOnce(s, opts); err != nil {
			return err
		}
	}
	for typ := range o.Slots {
		if !slices.Contains(names, typ) && !slices.Contains(broken, typ) {
			return usage("%s: there is no job type %q%s", g.from("slots"), typ, hostlib.Suggest(typ, names))
		}
	}
	for _, glob := range o.Types {
		match := func(name string) bool { ok, _ := path.Match(glob, name); return ok }
		if !slices.ContainsFunc(names, match) && !slices.ContainsFunc(broken, match) && len(names) > 0 {
			return usage("%s: no job type matches %q", g.from("types"), glob).WithHint("there are: %s", clip(strings.Join(names, ", "), 300))
		}
	}
	return nil
}

// checkOnce says whether the job of --once can run in this process.
func (o *runOptions) checkOnce(s *scripts, opts engine.ServerOptions) error {
	t := s.of(o.Once)
	switch {
	case t == nil:
		return s.notLoaded(o.Once)
	case !t.Settings.RunsOn(opts.Name):
		return usage("job type %q does not run on server %q: its script has servers = [%q]", o.Once, opts.Name, strings.Join(t.Settings.Servers, `", "`))
	case len(o.Types) > 0 && !slices.ContainsFunc(o.Types, func(glob string) bool { ok, _ := path.Match(glob, o.Once); return ok }):
		return usage("--types leaves out job type %q", o.Once)
	case !slices.Contains(opts.Phases, t.First()):
		return usage("--phases leaves out %s, in which job type %q begins", t.First(), o.Once)
	}
	return checkInstance(t, o.Instance)
}

// enqueue makes the job of --once.
func (o *runOptions) enqueue(ctx context.Context, env *Env, g *globals, eng *engine.Engine, s *scripts) (engine.JobID, error) {
	job, err := newJobOf(ctx, g, eng, s, o.Once, o.Instance, 0)
	if err != nil {
		return 0, err
	}
	if o.Payload != "" {
		job.Payload = engine.Raw(o.Payload)
	}
	made, err := eng.Enqueue(ctx, job)
	if err != nil {
		return 0, err
	}
	return made[0].ID, nil
}

// serve runs the server and shows how far it is.
func serve(ctx context.Context, env *Env, eng *engine.Engine, srv *engine.Server, o runOptions, once []engine.JobID, log *slog.Logger, con *console) error {
	looking, stop := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	w := watching{env: env, store: eng.Store(), srv: srv, show: newProgress(env, log, con), log: log, ends: o.UntilIdle || o.Once != "", once: once}
	go func() {
		defer close(watched)
		w.run(looking)
	}()
	quiet := context.AfterFunc(ctx, func() {
		again := ""
		if errors.Is(context.Cause(ctx), errInterrupted) {
			again = "; Ctrl-C again kills them"
		}
		log.Info("stopping: running hooks may go on for " + engine.FormatDuration(o.Drain) + again)
	})
	err := srv.Run(ctx)
	quiet()
	stop()
	<-watched
	return err
}

// exitCode is how a run ends that was not an error.
func (o *runOptions) exitCode(ctx context.Context, s *runSummary) exitCode {
	switch {
	case errors.Is(context.Cause(ctx), errInterrupted):
		return exitInterrupted
	case (o.UntilIdle || o.Once != "") && (s.Failed > 0 || s.Ended == "stranded" || s.Job != nil && (s.Job.Status == engine.StatusFailed || s.Job.Status == engine.StatusCancelled)):
		return exitJobFailed
	case len(s.NotLoaded) > 0 && o.Once == "": // if the job of --once waits for one of them, it is stranded
		return exitUsage
	}
	return exitDone
}
