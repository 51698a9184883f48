package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
)

// rejectsListOptions say which rejects to list.
type rejectsListOptions struct {
	rejectSelection
	Limit int
}

func newRejectsList(env *Env, g *globals) *cobra.Command {
	o := rejectsListOptions{Limit: 50}
	c := &cobra.Command{
		Use:   "list",
		Short: "List rejected rows, newest first",
		Example: `  dsengine rejects list --type airports
  dsengine rejects list --job 42 --reason "*latitude*"
  dsengine rejects list --open --since 1d --limit 1000 -o json`,
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error { return runRejectsList(c.Context(), env, g, o) },
	}
	o.flags(c.Flags())
	o.openFlag(c.Flags())
	numberFlag(c.Flags(), &o.Limit, "limit", 1, "how many at most: a `number` (default 50)")
	return c
}

func runRejectsList(ctx context.Context, env *Env, g *globals, o rejectsListOptions) error {
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
	f, err := o.filter(ctx, eng)
	if err != nil {
		return err
	}
	f.Newest = true
	list := []*engine.Reject{}
	if err := eng.Store().Rejects(ctx, f, func(r *engine.Reject) bool {
		list = append(list, r)
		return len(list) < o.Limit
	}); err != nil {
		return err
	}
	if g.json() {
		return printJSON(env.Stdout, list)
	}
	p := &printer{w: env.Stdout}
	printRejects(p, list, now)
	switch {
	case len(list) == 0 && o.rejectSelection == (rejectSelection{}):
		env.say("there are no rejects")
	case len(list) == 0:
		env.say("no reject fits; see all with: dsengine rejects list")
	case len(list) == o.Limit:
		env.say("these are the newest %d; for more: --limit, or dsengine rejects export", o.Limit)
	}
	return p.err
}

func printRejects(p *printer, list []*engine.Reject, now time.Time) {
	head := []string{"id", "type", "instance", "job", "age", "state", "where", "reason", "row"}
	var rows [][]string
	for _, r := range list {
		state := string(r.State)
		if r.Redrive != nil && r.State != engine.RejectOpen {
			state += fmt.Sprintf(" by %d", *r.Redrive)
		}
		if r.RolledBack {
			state += ", rolled back"
		}
		rows = append(rows, []string{
			fmt.Sprint(r.ID), clean(r.Type), clean(orEmpty(r.Instance)), fmt.Sprint(r.Job), rough(max(0, now.Sub(r.At))), state, whereOf(r), clip(r.Reason, 50), clip(string(r.Row), 60),
		})
	}
	p.table(head, rows, "id", "job", "age")
}

// whereOf is where a rejected row came from.
func whereOf(r *engine.Reject) string {
	where := clipPath(orEmpty(r.Source))
	switch {
	case r.Line != nil:
		return fmt.Sprintf("%s:%d", where, *r.Line)
	case r.WholeItem:
		return "item"
	}
	return where
}
