package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
)

// diagnosis is what doctor found.
type diagnosis struct {
	Program   versionInfo            `json:"program"`
	Database  string                 `json:"database"` // URL, without the password
	Jobs      string                 `json:"jobs"`
	Files     string                 `json:"files"`
	Config    string                 `json:"config"`        // file of settings that was read; "" for none
	Store     string                 `json:"store"`         // sqlite, mariadb, mysql; "": it cannot be used
	Version   string                 `json:"store_version"` // of the database server
	Schema    int64                  `json:"schema"`        // version of the tables; 0: none yet
	Known     int64                  `json:"known"`         // the version that this program makes
	Strategy  string                 `json:"strategy"`      // how jobs are claimed
	Reason    string                 `json:"reason"`        // why
	Types     []string               `json:"types"`         // that load
	NotLoaded []*scripting.LoadError `json:"not_loaded"`
	Checks    []engine.Check         `json:"checks"`
	OK        bool                   `json:"ok"`
}

func newDoctor(env *Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the database, the scripts and the settings",
		Long: `Check the database, the scripts and the settings, and say how jobs are claimed and why.
Of what scripts need (secrets, connections, servers of files and their keys, stores, mail) it looks
whether it is configured; it connects to databases, and to nothing else. It ends with 1 if a check fails.`,
		Example: "  dsengine doctor\n  dsengine doctor --db mysql://user:password@db.example.com/imports -o json",
		Args:    arguments(),
		RunE:    func(c *cobra.Command, _ []string) error { return runDoctor(c.Context(), env, g) },
	}
}

func runDoctor(ctx context.Context, env *Env, g *globals) error {
	log, _ := newLogger(env, g)
	d := diagnosis{
		Program: programVersion(), Database: shownURL(g.DB), Jobs: folder(env, g.Jobs), Files: folder(env, g.Files), Config: g.Config,
		Types: []string{}, NotLoaded: []*scripting.LoadError{}, Checks: []engine.Check{},
	}
	s, err := loadScripts(ctx, env, g, log)
	if err != nil {
		return err
	}
	d.scripts(&s)
	if err := checkFolder(env, g, "files", g.Files); err != nil {
		d.check("files", err.Error(), false, engine.HintOf(err))
	} else {
		d.check("files", d.Files, true, "")
	}
	hooks := d.settings(env, g, &s)
	d.needs(ctx, env, g, &s)
	unreachable := d.database(ctx, env, g, hooks)
	d.OK = true
	for _, c := range d.Checks {
		d.OK = d.OK && c.OK
	}
	if g.json() {
		err = printJSON(env.Stdout, d)
	} else {
		p := &printer{w: env.Stdout}
		d.print(p)
		err = p.err
	}
	switch {
	case err != nil:
		return err
	case unreachable != nil:
		return unreachable
	case !d.OK:
		return exit(exitFailed)
	}
	return nil
}

func (d *diagnosis) check(name, value string, ok bool, hint string) {
	if ok {
		hint = ""
	}
	d.Checks = append(d.Checks, engine.Check{Name: name, Value: strike(value), OK: ok, Hint: hint})
}

// scripts looks at the jobs folder.
func (d *diagnosis) scripts(s *scripts) {
	d.Types = append(d.Types, s.names()...)
	d.NotLoaded = append(d.NotLoaded, s.Errors...)
	switch broken := len(s.broken()); {
	case s.missing:
		d.check("scripts", "there is no folder "+d.Jobs, false, "make it, or name another one with --jobs or DSENGINE_JOBS")
	case broken > 0 || len(s.Errors) > 0:
		d.check("scripts", fmt.Sprintf("%d load, %d do not load", len(s.Types), broken), false, "mend what is listed below")
	default:
		d.check("scripts", plural(int64(len(s.Types)), "script loads", "scripts load"), true, "")
	}
}

// settings looks at those of run, in the environment and in the file. It gives how many
// connections its hooks may have.
func (d *diagnosis) settings(env *Env, g *globals, s *scripts) int {
	o := newRunOptions()
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	o.flags(flags)
	file := map[string][]string{}
	var err error
	if g.Config != "" {
		file, err = readConfig(env, g)
	}
	if err == nil {
		err = fill(env, flags, runSettings, file, g)
	}
	if err == nil {
		err = o.fit(g, s)
	}
	if err != nil {
		d.check("settings of run", err.Error(), false, engine.HintOf(err))
		return o.Connections
	}
	d.check("settings of run", "they can be used", true, "")
	return o.Connections
}

// database looks at the database; an error says that it cannot be used. Hooks of a server
// may have that many connections.
func (d *diagnosis) database(ctx context.Context, env *Env, g *globals, hooks int) error {
	log, _ := newLogger(env, g)
	store, err := openStore(ctx, env, g, log, toLook, 0)
	if errors.Is(err, errNoFile) {
		d.Store = "sqlite"
		d.check("database", "there is no file yet: the first run makes it", true, "")
		return nil
	}
	if err != nil {
		d.check("database", err.Error(), false, engine.HintOf(err))
		return err
	}
	defer store.Close()
	r, err := store.Describe(ctx)
	if err != nil {
		d.check("database", err.Error(), false, engine.HintOf(err))
		return err
	}
	d.check("database", r.Store+" "+r.Version, true, "")
	d.Store, d.Version, d.Schema, d.Known, d.Strategy, d.Reason = r.Store, r.Version, r.Schema, r.Known, r.Strategy, r.Reason
	d.Checks = append(d.Checks, r.Checks...)
	if r.Allowed > 0 {
		d.connections(ctx, store, r, hooks)
	}
	return nil
}

// connections compares those that the database server takes with those that the servers
// may want that run now, or one where none does.
func (d *diagnosis) connections(ctx context.Context, store engine.Store, r engine.Report, hooks int) {
	servers := 0
	if rows, err := store.Servers(ctx, false); err == nil { // else there are no tables yet
		for _, row := range rows {
			if row.Lives() || row.Stops() { // it has its connections until it is gone
				servers++
			}
		}
	}
	each, who := r.Own+hooks, "a server uses"
	if servers > 0 {
		who = plural(int64(servers), "server that runs uses", "servers that run use")
	}
	d.check("connections", fmt.Sprintf("the database takes %d; %s up to %d each (%d, and those of %d hooks)", r.Allowed, who, each, r.Own, hooks), r.Allowed >= max(1, servers)*each,
		fmt.Sprintf("let it take %d and a few more (max_connections, or max_user_connections of the user), or have hooks use fewer with --connections", max(1, servers)*each))
}

func (d *diagnosis) print(p *printer) {
	p.line("%s", d.Program.name())
	p.field("database", "%s", d.Database)
	if d.Strategy != "" {
		p.field("claims", "%s: %s", d.Strategy, clean(d.Reason))
	}
	p.field("jobs", "%s", d.Jobs)
	p.field("files", "%s", d.Files)
	if d.Config != "" {
		p.field("settings", "%s", d.Config)
	}
	p.line("")
	for _, c := range d.Checks {
		mark := "ok"
		if !c.OK {
			mark = "BAD"
		}
		p.line("%-4s %s: %s", mark, c.Name, strike(clean(c.Value)))
		if c.Hint != "" {
			p.line("     %s", clean(c.Hint))
		}
	}
	for _, e := range d.NotLoaded {
		p.line("%s", clean(e.Error()))
	}
}
