package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/plan"
	"github.com/dsengine/dsengine/scripting/scripttest"
	"github.com/dsengine/dsengine/scripting/starscript"
)

func newReplay(env *Env, g *globals) *cobra.Command {
	o := planOptions{Items: 20}
	var save bool
	c := &cobra.Command{
		Use:   "replay JOB",
		Short: "Run a job once more without doing what it does, to see how it fails",
		Long: `Take a job of the database, a failed one or any other, and run its hook here once more: the
phase that failed last, with the job's payload, its item, its state, its window, and the
position of its last checkpoint; one that completed, or rejected too many rows, begins that phase
anew. It says what dsengine plan says, and nothing of it stays. The counts are those that jobs show would have then, and those
of the items that were run; what the job had counted by where it begins is told beside them.

Tables, state, variables, records and files are as they are now, not as they were when the job
ran. Where another job has been at records since that the hook looks at, that is told.

` + planHelp + `

With --save it is written as a test in the script's language, at the end of NAME_test.star or
NAME_test.lua beside it: with the payload, the position, the answers to the requests that were
made, the files that were looked at, the state, the records, and the tables that the SQL names,
as they were before. It is run at once, and you are told whether it fails as the job did.
Secrets get values of the test's own, wherever they stand. Look at what is written before you
share it: it holds real data. Refused, with exit code 2 and as soon as it is met, are what is
too large (a table of more than 1000 rows, a file or an answer of more than 64 KB, a test of
more than 1 MB), and what works on files of S3, SFTP and FTP servers, or in finish: such a test
is written by hand.

It ends with 0 if no attempt fails, with 1 if one does, else as all commands do.`,
		Example: `  dsengine replay 42
  dsengine replay 42 --save
  dsengine replay 42 -o json`,
		Args: arguments("JOB"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseJobID(args[0])
			if err != nil {
				return err
			}
			return runReplay(c.Context(), env, g, o, id, save)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&save, "save", false, "write it as a test into NAME_test.star or NAME_test.lua")
	o.flags(c.Flags())
	return c
}

func runReplay(ctx context.Context, env *Env, g *globals, o planOptions, id engine.JobID, save bool) error {
	if err := o.validate(); err != nil {
		return err
	}
	p, err := openPlan(ctx, env, g, o, save)
	if err != nil {
		return err
	}
	defer p.Close()
	j, err := p.Job(id)
	if err != nil {
		return err
	}
	t, err := p.typeOf(ctx, env, g, j.Type)
	if err != nil {
		return err
	}
	r, err := p.Replay(p.scripts.Types, t, j)
	if err != nil {
		return err
	}
	item, err := firstFailed(ctx, p, j)
	if err != nil {
		return err
	}
	if save {
		file := filepath.FromSlash(j.Type) + "_test" + endingOf(env, g, j.Type)
		to := filepath.Join(env.path(g.Jobs), file)
		name, tests, err := p.Save(to)
		if err != nil {
			return err
		}
		if err := replaceFile(to, tests); err != nil {
			return err
		}
		shown := filepath.ToSlash(filepath.Join(g.Jobs, file))
		how, err := tryTest(ctx, env, g, file, name, r, j.Error, item)
		if err != nil {
			return err
		}
		env.say("wrote the test %s to %s, and ran it: %s", name, shown, how)
		for _, what := range p.LeftOut() {
			env.say("left out of the test: %s", what)
		}
		env.say("to run it: dsengine test %s --run %s", j.Type, strings.TrimPrefix(name, "test_"))
	}
	if j.Version != nil && *j.Version != t.Version {
		env.say("the script is another version now (%s) than the one that job %d ran with (%s)", clean(t.Version), id, clean(*j.Version))
	}
	if item != nil {
		env.say("job %d failed by its items; the first of them that failed: dsengine replay %d", id, item.ID)
	}
	return o.tell(env, g, r)
}

// endingOf is what the name of a type's script ends in.
func endingOf(env *Env, g *globals, typ string) string {
	if _, err := os.Stat(filepath.Join(env.path(g.Jobs), filepath.FromSlash(typ)+starscript.Ending)); err != nil {
		return luascript.Ending
	}
	return starscript.Ending
}

// tryTest runs a test that was written of a replay, and says whether it goes as the job
// did, whose error is given and the item by which it failed, or else as the replay.
func tryTest(ctx context.Context, env *Env, g *globals, file, name string, r *plan.Report, job *engine.JobError, item *failedItem) (string, error) {
	jobs := env.path(g.Jobs)
	suite, err := scripttest.Find(scripttest.Options{
		Jobs: jobs, Paths: []string{filepath.Join(jobs, file)}, Run: regexp.MustCompile(": " + strings.TrimPrefix(name, "test_") + "$"),
	})
	if err != nil {
		return "", err
	}
	defer suite.Close()
	for _, e := range suite.Errors {
		return "the file does not load: " + e.Error(), nil
	}
	results := suite.Run(ctx)
	if len(results) != 1 {
		return "it is not found there", nil
	}
	return comparedTo(job, item, r, results[0]), nil
}

// comparedTo says how a test goes that was written of a replay.
func comparedTo(job *engine.JobError, item *failedItem, r *plan.Report, got *scripttest.Result) string {
	as := "it fails as the job does"
	if item != nil && item.Error != nil {
		as, job = fmt.Sprintf("it fails as item %d of the job does", item.ID), item.Error
	}
	switch {
	case got.Status == scripttest.Passed && job == nil && r.OK:
		return "it passes, as the job does"
	case got.Status == scripttest.Passed && r.OK:
		return "it passes, as the replay does, though the job failed: " + clip(job.Message, 500)
	case got.Status == scripttest.Passed:
		return "it passes, though the replay failed: what it fails by is not among what a test can set up"
	case len(got.Failures) == 0:
		return "it ends as " + string(got.Status)
	}
	said, meant := got.Failures[0].Message, ""
	if job != nil {
		meant = plan.Unadvised(job.Message)
	}
	has := func(message string) bool { return strings.Contains(said, strings.TrimSpace(message)) }
	asReplay := slices.ContainsFunc(r.Failures, func(f *plan.Failed) bool { return has(f.Message) })
	switch {
	case job != nil && has(meant):
		return as
	case asReplay && job == nil:
		return "it fails as the replay does; the job has not failed"
	case asReplay:
		return "it fails as the replay does, and not as the job did: " + clip(meant, 500)
	}
	return "it fails in another way than the job: " + clip(said, 500)
}
