package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// scriptOf is the script of a job type as a person names it, "" if there is none in
// the jobs folder. absent names what is not there then; "" if the folder itself is not
// there, as where jobs are only looked at. Nothing is loaded.
func scriptOf(env *Env, g *globals, name string) (file, absent string) {
	if info, err := os.Stat(env.path(g.Jobs)); err != nil || !info.IsDir() {
		return "", ""
	}
	base := filepath.Join(g.Jobs, filepath.FromSlash(name))
	for _, ending := range endings {
		if info, err := os.Stat(env.path(base + ending)); err == nil && !info.IsDir() {
			return base + ending, ""
		}
	}
	return "", base + strings.Join(endings, " and no "+filepath.Base(base))
}

// gone is the error about a job type that has no script here: with what the database
// knows of it, if it ever had one.
func (s *scripts) gone(ctx context.Context, env *Env, g *globals, name string) error {
	none := unknownType(name, s.names())
	_, absent := scriptOf(env, g, name)
	if absent == "" || engine.CheckTypeName(name) != nil {
		return none
	}
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toLook)
	if err != nil {
		return none
	}
	defer done()
	known, err := knownOf(ctx, eng, name)
	if err != nil || known == "" {
		return none
	}
	return usage("the script of job type %q is gone: there is no %s", name, absent).
		WithHint("the database knows the type: %s; put its script back, or name the folder that has it with --jobs", known)
}

// knownOf says what the database knows of a job type: its hooks, its jobs, and who
// has it now; "" if it knows nothing of it.
func knownOf(ctx context.Context, eng *engine.Engine, name string) (string, error) {
	t, err := eng.Type(ctx, name)
	switch {
	case engine.CodeOf(err) == engine.CodeNotFound:
		return "", nil
	case err != nil:
		return "", err
	}
	words := []string{"its script had no hooks that are known"}
	if t.Hooks != 0 {
		words[0] = fmt.Sprintf("its script, version %s, had %s", clean(t.Version), listed(t.Hooks.List()))
	}
	jobs := plural(t.Counts.Created, "job was made", "jobs were made")
	var ends []string
	for _, c := range []struct {
		n    int64
		word string
	}{{t.Counts.Completed, "completed"}, {t.Counts.Failed, "failed"}, {t.Counts.Cancelled, "cancelled"}} {
		if c.n > 0 {
			ends = append(ends, number(c.n)+" "+c.word)
		}
	}
	if len(ends) > 0 {
		jobs += " (" + strings.Join(ends, ", ") + ")"
	}
	words = append(words, jobs)
	servers, err := eng.Store().Servers(ctx, false)
	if err != nil {
		return "", err
	}
	_, has := livingServers(servers, name)
	if len(has) > 0 {
		words = append(words, strings.Join(has, ", ")+" has it and runs its jobs")
	} else {
		words = append(words, "no server that runs has it")
	}
	return strings.Join(words, "; "), nil
}

// listed are phases in a sentence.
func listed(phases []engine.Phase) string {
	words := strings.Fields(phaseNames(phases))
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// livingServers are the names of the servers that run, and of those among them that
// have a job type, each once.
func livingServers(rows []engine.ServerRow, typ string) (all, has []string) {
	names, having := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		if !r.Lives() {
			continue
		}
		names[clean(r.Name)] = true
		if w, ok := r.Types[typ]; ok && !w.Broken {
			having[clean(r.Name)] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(having))
}

// tellUnrun warns of jobs of a type that nobody runs now: its script is not here, or
// does not load, and no server that lives has it; or it is here, and all servers that
// live have begun without it, or with another version of it. They load scripts when
// they start.
func tellUnrun(ctx context.Context, env *Env, g *globals, eng *engine.Engine, s *scripts, name string) error {
	rows, err := eng.Store().Servers(ctx, false)
	if err != nil {
		return err
	}
	all, has := livingServers(rows, name)
	t := s.of(name)
	switch {
	case t == nil && len(has) == 0:
		why := "there is no script of it in " + g.Jobs
		if s.isBroken(name) {
			why = "its script in " + g.Jobs + " does not load"
		}
		env.say("dsengine: warning: nobody runs job type %q now: %s, and no server that runs has one; its jobs wait until one has", name, why)
	case t == nil || len(all) == 0: // who starts later has it
	case len(has) == 0:
		env.say("dsengine: warning: no server that runs has job type %q: servers load scripts when they start, and %s has begun without %s, or leaves it out; its jobs wait until one has it: restart that server where the script is (on SIGTERM it ends its hooks first), or start another one: dsengine run",
			name, strings.Join(all, ", "), s.file(g, name))
	case !slices.ContainsFunc(rows, func(r engine.ServerRow) bool { return r.Lives() && r.Types[name].Version == t.Version }):
		env.say("dsengine: warning: %s has another version of %s than is here, and runs that: servers load scripts when they start; restart that server (on SIGTERM it ends its hooks first)",
			strings.Join(has, ", "), s.file(g, name))
	}
	return nil
}

// tellStale is tellUnrun for jobs of types that are to run again. What is not here, or
// does not load, is not told: they had a server before.
func tellStale(ctx context.Context, env *Env, g *globals, eng *engine.Engine, log *slog.Logger, types map[string]bool) error {
	rows, err := eng.Store().Servers(ctx, false)
	if err != nil || len(types) == 0 || !slices.ContainsFunc(rows, engine.ServerRow.Lives) {
		return err
	}
	s, err := loadScripts(ctx, env, g, log)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		if s.of(name) == nil {
			continue
		}
		if err := tellUnrun(ctx, env, g, eng, &s, name); err != nil {
			return err
		}
	}
	return nil
}
