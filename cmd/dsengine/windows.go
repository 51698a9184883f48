package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
)

// windowsOptions say what becomes of a type's windows.
type windowsOptions struct {
	Type     string
	Instance string
	Set      time.Time
	Forget   bool
}

// importedUntil is up to where all is imported.
type importedUntil struct {
	Instance *string   `json:"instance"`
	End      time.Time `json:"end"`
}

func newWindows(env *Env, g *globals) *cobra.Command {
	var o windowsOptions
	c := &cobra.Command{
		Use:   "windows TYPE",
		Short: "Show, or set, up to where a type's windows are imported",
		Long: `Show up to where the windows of a type, and of its instances, are imported: there the
next job's ctx.window begins. --set moves that, back too, and says what it was; jobs that have their window
already keep it.`,
		Example: `  dsengine windows orders
  dsengine windows orders --set 2025-03-01
  dsengine windows crm/customers --instance acme --set "2025-03-01 06:00"`,
		Args:              arguments("TYPE"),
		ValidArgsFunction: completeTypes(env, g),
		RunE: func(c *cobra.Command, args []string) error {
			o.Type = args[0]
			return runWindows(c.Context(), env, g, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Instance, "instance", "", "`name` of the type's instance; with --set and --forget")
	momentFlag(f, &o.Set, "set", "let the next window begin at this `time`: 2025-03-01T06:00:00Z, or 2025-03-01 for UTC")
	f.BoolVar(&o.Forget, "forget", false, "let the next window begin where the script says")
	return c
}

func runWindows(ctx context.Context, env *Env, g *globals, o windowsOptions) error {
	writes := o.Forget || !o.Set.IsZero()
	switch {
	case o.Forget && !o.Set.IsZero():
		return usage("give --set or --forget, not both")
	case o.Instance != "" && !writes:
		return usage("--instance goes with --set or --forget")
	}
	log, _ := newLogger(env, g)
	to := toLook
	var s scripts
	if writes {
		to = toChange
		var err error
		if s, err = loadScripts(ctx, env, g, log); err != nil {
			return err
		}
	}
	eng, done, err := openEngine(ctx, env, g, log, to)
	if err != nil {
		return err
	}
	defer done()
	t, err := typeNamed(ctx, eng, o.Type)
	if err != nil {
		return err
	}
	if script := s.of(o.Type); script != nil && !o.Forget { // what an instance that is no more has left can be forgotten
		if err := checkInstanceNow(ctx, eng.Store(), script, o.Instance); err != nil {
			return err
		}
	}
	if writes {
		before, err := eng.Store().WindowEnds(ctx, t.ID)
		if err != nil {
			return err
		}
		if err := eng.Store().SetWindowEnd(ctx, t.ID, engine.WindowEnd{Instance: o.Instance, End: o.Set}); err != nil {
			return err
		}
		if i := slices.IndexFunc(before, func(e engine.WindowEnd) bool { return e.Instance == o.Instance }); i >= 0 {
			env.say("it was %s", before[i].End.UTC().Format(time.RFC3339Nano))
		}
		now, err := eng.Store().Now(ctx)
		if err != nil {
			return err
		}
		if o.Set.After(now) {
			env.say("%s is still to come: until then no job has a window", o.Set.UTC().Format(time.RFC3339Nano))
		}
	}
	ends, err := eng.Store().WindowEnds(ctx, t.ID)
	if err != nil {
		return err
	}
	list := make([]importedUntil, len(ends))
	for i, e := range ends {
		list[i] = importedUntil{Instance: optional(e.Instance), End: e.End}
	}
	if g.json() {
		return printJSON(env.Stdout, list)
	}
	if len(list) == 0 {
		env.say("no job of %s that has a window has completed", o.Type)
		return nil
	}
	rows := make([][]string, len(list))
	for i, e := range list {
		rows[i] = []string{clean(orEmpty(e.Instance)), e.End.Format(time.RFC3339Nano)}
	}
	p := &printer{w: env.Stdout}
	if slices.ContainsFunc(list, func(e importedUntil) bool { return e.Instance != nil }) {
		p.table([]string{"instance", "imported until"}, rows)
	} else {
		p.line("%s", rows[0][1])
	}
	return p.err
}
