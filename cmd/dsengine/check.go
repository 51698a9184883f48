package main

import (
	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine/sqlstore"
	"github.com/dsengine/dsengine/scripting"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// checked is what check tells.
type checked struct {
	Files    int                  `json:"files"` // looked at
	Problems []*scripting.Problem `json:"problems"`
}

func newCheck(env *Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check [PATH...]",
		Short: "Look for mistakes in job scripts, without running them",
		Long: `Look for mistakes in job scripts, their helper files and their tests: names and arguments that are
not there, settings and needs, hooks that never run, what is unused or never reached. Top levels are
run, which compute only; hooks are not. PATH is a script, a folder, a glob, or the name of a job type;
without one all of the jobs folder is looked at.

What is meant as it is can be said by a comment on its line: # check: ignore, or with the word that
stands in brackets: # check: ignore unused (in Lua -- check: ignore).

It ends with 0 if nothing was found, and with 1 if something was.`,
		Example: `  dsengine check
  dsengine check airports
  dsengine check jobs/airports.star jobs/lib
  dsengine check -o json`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := g.validate(); err != nil {
				return err
			}
			return runCheck(env, g, args)
		},
	}
}

func runCheck(env *Env, g *globals, paths []string) error {
	o := scripting.CheckOptions{Tests: scripttest.Types(), Limits: g.tables.Needs, Marks: sqlstore.Marks, Statement: sqlstore.Verb, Owned: func(sql string) error { return sqlstore.Owned(g.Prefix, sql) }}
	if len(paths) > 0 {
		wanted, err := scripttest.Targets(g.Jobs, paths)
		if err != nil {
			return err
		}
		o.Wanted = func(p string) bool { return wanted[p] }
	}
	problems, files, err := scripting.Check(g.Jobs, o)
	if err != nil {
		return err
	}
	if g.json() {
		if problems == nil {
			problems = []*scripting.Problem{}
		}
		if err := printJSON(env.Stdout, checked{files, problems}); err != nil {
			return err
		}
	} else if err := printProblems(env, problems, files); err != nil {
		return err
	}
	switch {
	case len(problems) > 0:
		return exit(exitFailed)
	case files == 0 && len(paths) > 0:
		return usage("there is no script among these paths")
	}
	return nil
}

func printProblems(env *Env, problems []*scripting.Problem, files int) error {
	p := &printer{w: env.Stdout}
	in := map[string]bool{}
	for _, one := range problems {
		in[one.File] = true
		p.line("%s [%s]", one.Text(), one.Code)
		if one.Hint != "" {
			p.line("    %s", one.Hint)
		}
	}
	if len(problems) == 0 {
		env.say("%s looked at, nothing found", plural(int64(files), "file was", "files were"))
		return p.err
	}
	env.say("%s in %s, %d looked at", plural(int64(len(problems)), "problem", "problems"), plural(int64(len(in)), "file", "files"), files)
	return p.err
}
