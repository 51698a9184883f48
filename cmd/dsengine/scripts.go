package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/plan"
)

// scripts are those of the jobs folder.
type scripts struct {
	scripting.Result
	missing bool // there is no such folder
	others  *connections
}

// loadScripts loads the scripts of --jobs. A folder that is not there is no
// error: look at missing.
func loadScripts(ctx context.Context, env *Env, g *globals, log *slog.Logger) (scripts, error) {
	return loadInto(ctx, env, g, log, &connections{env: env, g: g, log: log}, nil)
}

// loadInto loads them into a plan's world, if there is one.
func loadInto(ctx context.Context, env *Env, g *globals, log *slog.Logger, others *connections, w *plan.World) (scripts, error) {
	dir := env.path(g.Jobs)
	var reach hostlib.Connector = others
	var dry *hostlib.Dry
	if w != nil {
		reach, dry = w, w.Dry()
	}
	secret := g.tables.secretSource(env)
	if w != nil {
		secret = w.Secret(secret)
	}
	r, err := scripting.Load(dir, scripting.Options{
		Files: env.path(g.Files), Own: ownFiles(env, g), Log: log, Connections: reach, Dry: dry, Secret: secret, Limits: g.tables.Needs, Mail: mailOf(env, g),
		S3: s3Source(env, g), Remotes: others.Remote, KnownHosts: knownHosts(env), Context: ctx,
	})
	if errors.Is(err, fs.ErrNotExist) {
		return scripts{missing: true, others: others}, nil
	}
	return scripts{Result: r, others: others}, err
}

// ownFiles are those that no script may touch: settings, secrets, and databases with what
// SQLite and, at the job database, its processes keep beside them.
func ownFiles(env *Env, g *globals) []string {
	var own []string
	if g.tables.file != "" {
		own = append(own, env.path(g.tables.file))
	}
	if rest, ok := strings.CutPrefix(g.DB, "sqlite:"); ok {
		if file, err := sqliteFile(env, g, rest); err == nil && file != "" {
			file = realPath(file)
			own = append(own, file, file+"-*")
		}
	}
	for _, url := range connectionURLs(env, g) {
		if file, ok := strings.CutPrefix(url, "sqlite:"); ok && file != "" {
			file = realPath(env.path(file))
			own = append(own, file, file+"-wal", file+"-shm", file+"-journal")
		}
	}
	refs := append(slices.Collect(maps.Values(g.tables.Secrets)), g.tables.Mail.Password)
	for _, c := range g.tables.Connections {
		refs = append(refs, c.Password, c.Key, c.Passphrase)
	}
	for _, s := range g.tables.S3 {
		refs = append(refs, s.AccessKey, s.SecretKey, s.Token)
	}
	for _, ref := range refs {
		if ref.File != "" {
			own = append(own, g.tables.path(env, ref.File))
		}
	}
	return own
}

// realPath is where a path leads to, if anything is there.
func realPath(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return p
}

// knowNeeded makes the secrets known that the needs of scripts name.
func (s *scripts) knowNeeded(env *Env, g *globals) {
	var globs []string
	for _, t := range s.Types {
		for _, line := range t.Settings.Needs {
			if glob, ok := strings.CutPrefix(line, "secret:"); ok {
				globs = append(globs, glob)
			}
		}
	}
	g.tables.knowSecrets(env, globs...)
}

// of is the job type of a name, or nil.
func (s *scripts) of(name string) *engine.Type {
	for _, t := range s.Types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// asksNoWindow says whether a type's script surely never asks for the window of its
// jobs: it names none, and loads nothing that may.
func (s *scripts) asksNoWindow(env *Env, g *globals, name string) bool {
	if s.of(name) == nil {
		return false
	}
	text, err := os.ReadFile(env.path(s.file(g, name)))
	return err == nil && !asksWindow.Match(text)
}

// file is the script of a job type, as a person names it; where it would be, if it is
// not there.
func (s *scripts) file(g *globals, name string) string {
	for _, f := range s.Files {
		if strings.TrimSuffix(f, path.Ext(f)) == name {
			return filepath.Join(g.Jobs, filepath.FromSlash(f))
		}
	}
	return filepath.Join(g.Jobs, filepath.FromSlash(name)+".star")
}

// asksWindow finds what asks for a window, or loads what may.
var asksWindow = regexp.MustCompile(`window|\bload\s*\(|\brequire\b`)

// broken are the names of the job types whose scripts do not load.
func (s *scripts) broken() []string {
	var names []string
	for _, f := range s.Files {
		if name := strings.TrimSuffix(f, path.Ext(f)); s.of(name) == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// isBroken says whether the script of a job type is there and does not load.
func (s *scripts) isBroken(name string) bool { return slices.Contains(s.broken(), name) }

// names are those of the job types that are loaded.
func (s *scripts) names() []string {
	return typeNames(s.Types)
}

// tellErrors says why scripts do not load: file:line:column: message.
func (s *scripts) tellErrors(env *Env) {
	for _, e := range s.Errors {
		env.say("%s", e)
	}
}

// notLoaded is the error about a job type whose script does not load, with why it
// does not. Those of others are none of it.
type notLoaded struct {
	err *engine.Error
	why []*scripting.LoadError
}

// Error is the message.
func (e *notLoaded) Error() string { return e.err.Error() }

// Unwrap is the error without why.
func (e *notLoaded) Unwrap() error { return e.err }

func (s *scripts) notLoaded(name string) error {
	return &notLoaded{usage("the script of job type %q does not load", name), s.Why[name]}
}

// unknownType is the error about a job type that is not there.
func unknownType(name string, there []string) *engine.Error {
	err := usage("there is no job type %q%s", name, hostlib.Suggest(name, there))
	if len(there) == 0 {
		return err
	}
	return err.WithHint("there are: %s", clip(strings.Join(there, ", "), 300))
}

// typeNamed is what the database knows of a job type that a person named.
func typeNamed(ctx context.Context, eng *engine.Engine, name string) (engine.TypeRecord, error) {
	t, err := eng.Type(ctx, name)
	if engine.CodeOf(err) != engine.CodeNotFound {
		return t, err
	}
	records, lerr := eng.Store().Types(ctx)
	if lerr != nil {
		return t, lerr
	}
	var there []string
	for _, r := range records {
		there = append(there, r.Name)
	}
	return t, unknownType(name, there)
}

// typeOfJobs is what the database knows of a job type whose jobs a person asks for:
// nothing, and no error, of one that has a script here and never had a job.
func typeOfJobs(ctx context.Context, env *Env, g *globals, eng *engine.Engine, log *slog.Logger, name string) (engine.TypeRecord, error) {
	t, err := typeNamed(ctx, eng, name)
	if engine.CodeOf(err) != engine.CodeUsage {
		return t, err
	}
	s, lerr := loadScripts(ctx, env, g, log)
	switch {
	case lerr != nil:
		return t, err
	case s.of(name) != nil || s.isBroken(name):
		return engine.TypeRecord{}, nil
	}
	records, lerr := eng.Store().Types(ctx)
	if lerr != nil {
		return t, lerr
	}
	there := slices.Concat(s.names(), s.broken())
	for _, r := range records {
		there = append(there, r.Name)
	}
	slices.Sort(there)
	return t, unknownType(name, slices.Compact(there))
}

// newJobOf begins a job of a type that a person named. Its first phase comes
// from its script, else from what servers have registered, else from phase; a
// type that nobody knows is an error.
func newJobOf(ctx context.Context, g *globals, eng *engine.Engine, s *scripts, name, instance string, phase engine.Phase) (engine.NewJob, error) {
	job := engine.NewJob{Type: name, Instance: instance, Phase: phase}
	known, err := eng.Type(ctx, name)
	if err != nil && engine.CodeOf(err) != engine.CodeNotFound {
		return job, err
	}
	if t := s.of(name); t != nil {
		if err := checkInstanceNow(ctx, eng.Store(), t, instance); err != nil {
			return job, err
		}
		if err := registerAnew(ctx, eng, t, known); err != nil {
			return job, err
		}
		switch {
		case job.Phase == 0:
			job.Phase = t.First()
		case t.Hooks[job.Phase] == nil:
			return job, usage("--phase: the script of job type %q has no %s", name, job.Phase)
		}
		return job, nil
	}
	switch {
	case s.isBroken(name) && known.Hooks == 0 && phase == 0:
		return job, s.notLoaded(name)
	case known.Hooks != 0:
		return job, nil
	case phase != 0:
		return job, engine.CheckTypeName(name)
	}
	there := s.names()
	records, err := eng.Store().Types(ctx)
	if err != nil {
		return job, err
	}
	for _, r := range records {
		if !slices.Contains(there, r.Name) && r.Hooks != 0 {
			there = append(there, r.Name)
		}
	}
	slices.Sort(there)
	hint := "its script would be " + s.file(g, name) + "; if it is on another host only, give its first phase, as --phase consume"
	return job, usage("there is no job type %q%s", name, hostlib.Suggest(name, there)).WithHint("%s", hint)
}

// registerAnew registers a type of which another version is known, or none.
func registerAnew(ctx context.Context, eng *engine.Engine, t *engine.Type, known engine.TypeRecord) error {
	if known.Version == t.Version && known.Hooks != 0 {
		return nil
	}
	_, err := eng.RegisterTypes(ctx, t)
	return err
}

// variableReader reads variables.
type variableReader interface {
	Variable(ctx context.Context, scope engine.Scope, name string) (engine.Variable, error)
}

// checkInstanceNow is checkInstance that knows the instances which a variable holds.
func checkInstanceNow(ctx context.Context, store variableReader, t *engine.Type, instance string) error {
	if t.Settings.InstancesVar == "" {
		return checkInstance(t, instance)
	}
	v, err := store.Variable(ctx, engine.Scope{}, t.Settings.InstancesVar)
	if err != nil || v.Value == nil {
		return err
	}
	c := *t
	if c.Settings.Instances, err = engine.ParseInstances(v.Value, t.Settings.Schedule); err != nil {
		return nil // the hook tells
	}
	c.Settings.InstancesVar = ""
	return checkInstance(&c, instance)
}

// checkInstance says whether a job of a type can be of an instance, as far as
// its script tells.
func checkInstance(t *engine.Type, instance string) error {
	there := slices.Sorted(maps.Keys(t.Settings.Instances))
	switch {
	case t.Settings.InstancesVar != "" || slices.Contains(there, instance) || instance == "" && len(there) == 0:
		return nil
	case len(there) == 0:
		return usage("job type %q has no instances: leave out --instance", t.Name)
	case instance == "":
		return usage("job type %q has instances: say which by --instance", t.Name).WithHint("it has: %s", strings.Join(there, ", "))
	}
	return usage("job type %q has no instance %q%s", t.Name, instance, hostlib.Suggest(instance, there)).
		WithHint("it has: %s", strings.Join(there, ", "))
}

// completeTypes completes the name of a job type from the jobs folder.
func completeTypes(env *Env, g *globals) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return typesHere(env, g, c), cobra.ShellCompDirectiveNoFileComp
	}
}

// typesHere are the names of the job types of the jobs folder.
func typesHere(env *Env, g *globals, c *cobra.Command) []string {
	if settle(env, c, g) != nil {
		return nil
	}
	s, _ := loadScripts(c.Context(), env, g, slog.New(slog.DiscardHandler))
	return s.names()
}

// completeFlags completes values of flags: names of types, phases and statuses.
func completeFlags(env *Env, g *globals, c *cobra.Command, flags ...string) {
	var statuses []string
	for _, s := range engine.Statuses {
		statuses = append(statuses, s.String())
	}
	for _, name := range flags {
		_ = c.RegisterFlagCompletionFunc(name, func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			list := statuses
			switch name {
			case "type", "types", "once":
				list = typesHere(env, g, c)
			case "phase", "phases":
				list = strings.Fields(phaseNames(engine.Phases))
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		})
	}
}
