package main

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
)

// rejectsRedriveOptions say which rejects to redrive.
type rejectsRedriveOptions struct {
	rejectSelection
	Limit int
}

func newRejectsRedrive(env *Env, g *globals) *cobra.Command {
	var o rejectsRedriveOptions
	c := &cobra.Command{
		Use:   "redrive --type TYPE",
		Short: "Run rejected rows again, once the script is mended",
		Long: `Run rejected rows again, once the script is mended: exactly those that are open.

The hook redrive(ctx, rows) of the script gets them, in jobs of up to 10,000 rows. Without
that hook, rows that were whole items go to consume again, a job each. When such a job
completes, its rejects are redriven; if it fails for good, they are open again. A row that
is rejected again is a new reject. The jobs are run by dsengine run.

Batches that a job has committed stay, whatever became of the job. So of one that failed for
too many rejects those of its committed batches are redriven, and then it is retried; those
of its last attempt were rolled back with all else, and the retry meets their rows again.`,
		Example: `  dsengine rejects redrive --type airports
  dsengine rejects redrive --type airports --reason "*latitude*" --limit 10
  dsengine rejects redrive --type airports --job 42 && dsengine run --until-idle`,
		Args: arguments(),
		RunE: func(c *cobra.Command, _ []string) error { return runRejectsRedrive(c.Context(), env, g, o) },
	}
	o.flags(c.Flags())
	c.Flags().Lookup("job").Usage = "only rejects of the job of this `id`, and what their redrives rejected again"
	numberFlag(c.Flags(), &o.Limit, "limit", 1, "how many at most, oldest first: a `number` (default: all)")
	return c
}

func runRejectsRedrive(ctx context.Context, env *Env, g *globals, o rejectsRedriveOptions) error {
	if o.Type == "" {
		return usage("which rejects? Give their --type").WithHint("see which there are: dsengine rejects list --open")
	}
	log, _ := newLogger(env, g)
	s, err := loadScripts(ctx, env, g, log)
	if err != nil {
		return err
	}
	eng, done, err := openEngine(ctx, env, g, log, toChange)
	if err != nil {
		return err
	}
	defer done()
	known, err := typeNamed(ctx, eng, o.Type)
	if err != nil {
		return err
	}
	if s.isBroken(o.Type) {
		return s.notLoaded(o.Type)
	}
	// A script that was mended is registered, with its hooks.
	if t := s.of(o.Type); t != nil {
		if err := registerAnew(ctx, eng, t, known); err != nil {
			return err
		}
	}
	f, err := o.filter(ctx, eng)
	if err != nil {
		return err
	}
	r, err := eng.Redrive(ctx, engine.RedriveRequest{Type: o.Type, Job: o.Job, Since: f.Since, Before: f.Before, Reason: o.Reason, Limit: o.Limit})
	if err != nil {
		return err
	}
	if len(r.Jobs) > 0 {
		if err := tellUnrun(ctx, env, g, eng, &s, o.Type); err != nil {
			return err
		}
	}
	if g.json() {
		if err := printJSON(env.Stdout, r); err != nil {
			return err
		}
	} else if err := tellRedriven(env, r); err != nil {
		return err
	}
	if r.NoHook > 0 {
		return engine.Errorf(engine.CodeConflict, "%s, and the script has no hook redrive(ctx, rows)", plural(int64(r.NoHook), "reject cannot be redriven: it is no whole item", "rejects cannot be redriven: they are no whole items")).
			WithHint("the first was rejected because: %s. Once that is mended, its job does all again, what was committed too, by: dsengine jobs retry %d --fresh. To redo these rows alone, define the hook in %s; it gets them", clip(r.Reason, 300), *r.Again, s.file(g, o.Type))
	}
	return nil
}

func tellRedriven(env *Env, r engine.Redriven) error {
	p := &printer{w: env.Stdout}
	if r.Rejects == 0 {
		p.line("no reject is redriven: none is open that can be")
	} else {
		p.line("%s by %s: %s", plural(int64(r.Rejects), "reject is redriven", "rejects are redriven"), plural(int64(len(r.Jobs)), "job", "jobs"), ids(r.Jobs, int64(len(r.Jobs))))
		env.say("the jobs are run by: dsengine run")
	}
	if r.RolledBack > 0 {
		env.say("%s of attempts that failed for their rejects and were rolled back: their jobs meet them again, as in: dsengine jobs retry %d", plural(int64(r.RolledBack), "reject is", "rejects are"), *r.Retry)
	}
	if r.Cut > 0 {
		env.say("%s too large to be kept whole, and cannot be redriven", plural(int64(r.Cut), "row was", "rows were"))
	}
	return p.err
}

// redriveWords say which rejects a job redrives.
func redriveWords(r *engine.Redrives) string {
	switch what := plural(r.Rejects, "reject", "rejects"); {
	case r.Rejects == 0:
		return "rejects that others redrive now, or that are pruned"
	case r.WholeItem:
		return fmt.Sprintf("reject %d, a whole item", r.First)
	case r.Rejects == 1:
		return fmt.Sprintf("%s, %d", what, r.First)
	case r.Rejects == r.Last-r.First+1:
		return fmt.Sprintf("%s, %d to %d", what, r.First, r.Last)
	default:
		return fmt.Sprintf("%s between %d and %d", what, r.First, r.Last)
	}
}

// rejectWords say what became of a job's rejects, and where to see them.
func rejectWords(id engine.JobID, c engine.RejectCounts, counted int64) string {
	s := plural(c.Kept, "row is kept", "rows are kept")
	if counted += c.RolledBack; counted > c.Kept {
		s = fmt.Sprintf("%s of %s rows are kept", humanize.Comma(c.Kept), humanize.Comma(counted))
	}
	for _, n := range []struct {
		n    int64
		word string
	}{{c.Open, "open"}, {c.Redriving, "being redriven"}, {c.Redriven, "redriven"}, {c.Closed, "closed"}} {
		if n.n > 0 {
			s += fmt.Sprintf(", %s %s", number(n.n), n.word)
		}
	}
	if n := c.RolledBack; n > 0 {
		s += "; " + plural(n, "of them was rolled back with the attempt that failed, and is not counted: a retry meets it again",
			"of them were rolled back with the attempt that failed, and are not counted: a retry meets them again")
	}
	return fmt.Sprintf("%s (dsengine rejects list --job %d)", s, id)
}
