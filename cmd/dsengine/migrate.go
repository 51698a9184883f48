package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

// migrated says what became of the tables.
type migrated struct {
	From    int64    `json:"from"`
	To      int64    `json:"to"`
	Applied []string `json:"applied"`
}

func newMigrate(env *Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Make the engine's tables, or bring them to this program's version",
		Long: `Make the engine's tables, or bring them to this program's version.

It is safe to call at every start, by many hosts at once. run and enqueue do it too.`,
		Example: `  dsengine migrate
  DSENGINE_DB=mysql://user:password@db.example.com/imports dsengine migrate`,
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error { return runMigrate(c.Context(), env, g) },
	}
}

func runMigrate(ctx context.Context, env *Env, g *globals) error {
	log, _ := newLogger(env, g)
	store, err := openStore(ctx, env, g, log, toMake, 0)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := store.Migrate(ctx)
	if err != nil {
		return err
	}
	done := migrated{From: m.From, To: m.To, Applied: append([]string{}, m.Applied...)}
	if g.json() {
		return printJSON(env.Stdout, done)
	}
	p := printer{w: env.Stdout}
	if len(done.Applied) == 0 {
		p.line("the tables are of version %d: nothing to do", done.To)
	} else {
		p.line("the tables are of version %d now: %s", done.To, strings.Join(done.Applied, ", "))
	}
	return p.err
}
