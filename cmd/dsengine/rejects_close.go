package main

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
)

// rejectsCloseOptions say which rejects to close, or to reopen: ids, or all that the
// selection fits.
type rejectsCloseOptions struct {
	rejectSelection
	IDs    []int64
	Reopen bool
}

func newRejectsClose(env *Env, g *globals) *cobra.Command {
	return rejectsCloser(env, g, &rejectsCloseOptions{}, &cobra.Command{
		Use:   "close [ID...]",
		Short: "Close rejects that need nothing more",
		Long: `Close rejects that somebody has looked at, and that need nothing more: those of the ids, or
all that the flags fit and rejects list --open shows with them. They are open no more,
rejects redrive leaves them out, and what a job may reject is judged without them. They can
be listed and exported still, for as long as their job is kept. One that is being redriven
stays as it is. A job that begins anew meets their rows again, and those are new rejects.`,
		Example: `  dsengine rejects close 17 18
  dsengine rejects close --type airports --reason "*latitude*"
  dsengine rejects close --type airports --before 7d -o json`,
	})
}

func newRejectsReopen(env *Env, g *globals) *cobra.Command {
	return rejectsCloser(env, g, &rejectsCloseOptions{Reopen: true}, &cobra.Command{
		Use:   "reopen [ID...]",
		Short: "Open rejects again that were closed",
		Example: `  dsengine rejects reopen 17 18
  dsengine rejects reopen --type airports --reason "*latitude*"`,
	})
}

func rejectsCloser(env *Env, g *globals, o *rejectsCloseOptions, c *cobra.Command) *cobra.Command {
	o.flags(c.Flags())
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		for _, a := range args {
			id, err := strconv.ParseInt(a, 10, 64)
			if err != nil || id < 1 {
				return usage("%q is no reject's id: an id is a number, as in dsengine rejects list", a)
			}
			o.IDs = append(o.IDs, id)
		}
		switch given := o.rejectSelection != (rejectSelection{}); {
		case len(o.IDs) > 0 && given:
			return usage("give ids, or --type and the like, not both")
		case len(o.IDs) == 0 && !given:
			return usage("which rejects? Give ids, or --type and the like").WithHint("see which there are: dsengine rejects list")
		}
		return runRejectsClose(c.Context(), env, g, *o)
	}
	return c
}

// rejectsClosed says what was done with rejects.
type rejectsClosed struct {
	Closed   int `json:"closed"`
	Reopened int `json:"reopened"`
	// Redriving and Redriven are left as they are.
	Redriving int `json:"redriving"`
	Redriven  int `json:"redriven"`
}

// closeBatch is how many rejects are closed in one transaction.
const closeBatch = 500

func runRejectsClose(ctx context.Context, env *Env, g *globals, o rejectsCloseOptions) error {
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toChange)
	if err != nil {
		return err
	}
	defer done()
	f, err := o.filter(ctx, eng)
	if err != nil {
		return err
	}
	f.IDs, f.NoRows = o.IDs, true
	from, write := engine.RejectOpen, eng.Store().CloseRejects
	if o.Reopen {
		from, write = engine.RejectClosed, eng.Store().ReopenRejects
	}
	var r rejectsClosed
	var chosen, there []int64
	err = eng.Store().Rejects(ctx, f, func(x *engine.Reject) bool {
		switch there = append(there, x.ID); x.State {
		case from:
			chosen = append(chosen, x.ID)
		case engine.RejectRedriving:
			r.Redriving++
		case engine.RejectRedriven:
			r.Redriven++
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, id := range o.IDs {
		if !slices.Contains(there, id) {
			return engine.Errorf(engine.CodeNotFound, "there is no reject %d", id).WithHint("see which there are: dsengine rejects list")
		}
	}
	n := 0
	for part := range slices.Chunk(chosen, closeBatch) {
		some, err := write(ctx, part)
		if err != nil {
			return err
		}
		n += some
	}
	word := "closed"
	if r.Closed = n; o.Reopen {
		word, r.Closed, r.Reopened = "opened again", 0, n
	}
	p := &printer{w: env.Stdout}
	switch {
	case g.json():
		p.err = printJSON(env.Stdout, r)
	case n > 0:
		p.line("%s %s", plural(int64(n), "reject was", "rejects were"), word)
	case o.Reopen && len(o.IDs) > 0:
		p.line("no reject was %s: none of them is closed", word)
	case o.Reopen:
		p.line("no reject was %s: none that is closed fits", word)
	case len(o.IDs) > 0:
		p.line("no reject was %s: none of them is open", word)
	default:
		p.line("no reject was %s: none that is open fits", word)
	}
	left := plural(int64(r.Redriving), "reject is being redriven, and left as it is", "rejects are being redriven, and left as they are")
	switch {
	case p.err != nil || o.Reopen || r.Redriving == 0:
		return p.err
	case len(o.IDs) > 0:
		return engine.Errorf(engine.CodeConflict, "%s", left).WithHint("once the job that redrives it has ended, or was cancelled, it can be closed if it is open")
	}
	env.say("%s", left)
	return nil
}
