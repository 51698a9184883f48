package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// valueOptions are those of the commands vars, state and records, which differ by
// whose values, or rows, are meant.
type valueOptions struct {
	Command  string // vars, state or records
	Type     string // "" for vars
	Instance string
	All      bool
	File     string
	Text     bool
	JSON     bool
}

// valueVerb is one of these commands.
type valueVerb struct {
	name       string
	needs, may []string // arguments
	short      string
	long       string
	example    []string // what follows the command's name
	own        []string // flags
	all        string   // what --all does
	run        func(ctx context.Context, env *Env, g *globals, o valueOptions, args []string) error
}

const setHelp = `VALUE is JSON where it can be read as that: 42, true, null, '"text"', '{"id": 42}'. Anything
else is a text: Berlin, 2026-03-28, 007. --string makes it a text whatever it looks like, and
--json refuses what is no JSON. - or --file reads the value from standard input or a file, in the
same way; the line end at its end is no part of a text. A hook that has read a value and sets
it, and finds at its commit that it was changed meanwhile, runs again.`

var valueVerbs = verbs{
	{
		name: "list", short: "List names and values", own: []string{"all"}, all: "list too what http remembers of answers (cache = True)", run: runValuesList,
		example: []string{"list", "list -o json"},
	},
	{
		name: "get", needs: []string{"NAME"}, short: "Print a value as JSON", run: runValuesGet,
		long:    "Print a value as JSON, on one line. Without a value of that name it prints nothing and ends with 1.",
		example: []string{"get since"},
	},
	{
		name: "set", needs: []string{"NAME"}, may: []string{"VALUE"}, short: "Set a value", long: "Set a value.\n\n" + setHelp,
		own: []string{"file", "string", "json"}, run: runValuesSet,
		example: []string{"set since 2026-03-28", "set limits '{\"pages\": 10}'", "set zip 10115 --string", "set offset -- -5"},
	},
	{
		name: "delete", needs: []string{"NAME"}, short: "Delete a value", run: runValuesDelete,
		example: []string{"delete since"},
	},
}

// verbs are the commands that something has.
type verbs []*valueVerb

func (list verbs) find(name string) *valueVerb {
	for _, v := range list {
		if v.name == name {
			return v
		}
	}
	return nil
}

func (list verbs) names() (names []string) {
	for _, v := range list {
		names = append(names, v.name)
	}
	return names
}

// use is how the command is written.
func (v *valueVerb) use() string {
	s := strings.Join(append([]string{v.name}, v.needs...), " ")
	for _, m := range v.may {
		s += " [" + m + "]"
	}
	return s
}

func (v *valueVerb) examples(command string) string {
	var lines []string
	for _, e := range v.example {
		lines = append(lines, "  dsengine "+command+" "+e)
	}
	return strings.Join(lines, "\n")
}

func (v *valueVerb) has(flag string) bool { return slices.Contains(v.own, flag) }

func (v *valueVerb) flags(o *valueOptions, f *pflag.FlagSet) {
	if v.has("all") {
		f.BoolVar(&o.All, "all", false, v.all)
	}
	if v.has("file") {
		f.StringVar(&o.File, "file", "", "a `file` that holds the value; - for standard input")
		f.BoolVar(&o.Text, "string", false, "the value is a text, whatever it looks like")
		f.BoolVar(&o.JSON, "json", false, "the value is JSON, and wrong if it is none")
	}
}

func (v *valueVerb) call(ctx context.Context, env *Env, g *globals, o valueOptions, args []string) error {
	if n := len(v.needs) + len(v.may); len(args) < len(v.needs) || len(args) > n {
		return usage("write: %s %s", o.command(), v.use()).WithHint("a VALUE with spaces is quoted: %s set name 'two words'", o.command())
	}
	return v.run(ctx, env, g, o, args)
}

// valueFlagError is flagError for commands to which a negative number may be given.
func valueFlagError(c *cobra.Command, err error) error {
	var none *pflag.NotExistError
	if errors.As(err, &none) && strings.Trim(none.GetSpecifiedShortnames(), "0123456789.") != none.GetSpecifiedShortnames() {
		return usage("%s has no flag -%s", c.CommandPath(), none.GetSpecifiedShortnames()).
			WithHint("a value that begins with - stands behind --, as in: ... -- -%s", none.GetSpecifiedShortnames())
	}
	return flagError(c, err)
}

// command is how the command begins.
func (o *valueOptions) command() string {
	return strings.TrimSpace("dsengine " + o.Command + " " + o.Type)
}

// whose says whose values are meant.
func (o *valueOptions) whose() string {
	switch {
	case o.Type == "":
		return "vars"
	case o.Command == "records" && o.Instance != "":
		return fmt.Sprintf("%s, instance %q,", o.Type, o.Instance)
	case o.Command == "records":
		return o.Type
	case o.Instance != "":
		return fmt.Sprintf("the state of %s, instance %q,", o.Type, o.Instance)
	}
	return "the state of " + o.Type
}

// open opens the database, and finds whose values are meant.
func (o *valueOptions) open(ctx context.Context, env *Env, g *globals, to access) (*engine.Engine, engine.Scope, func(), error) {
	log, _ := newLogger(env, g)
	var s scripts
	var err error
	if o.Type != "" {
		if s, err = loadScripts(ctx, env, g, log); err != nil {
			return nil, engine.Scope{}, nil, err
		}
	}
	eng, done, err := openEngine(ctx, env, g, log, to)
	if err != nil {
		return nil, engine.Scope{}, nil, err
	}
	scope, err := o.scope(ctx, eng, &s, to == toMake)
	if err != nil {
		done()
	}
	return eng, scope, done, err
}

// noType is the number of a type that the database does not know yet: it has no
// values.
const noType engine.TypeID = 1<<32 - 1

func (o *valueOptions) scope(ctx context.Context, eng *engine.Engine, s *scripts, makes bool) (engine.Scope, error) {
	scope := engine.Scope{Instance: o.Instance}
	if o.Type == "" {
		return scope, nil
	}
	known, err := eng.Type(ctx, o.Type)
	script := s.of(o.Type)
	switch {
	case err == nil:
		scope.Type = known.ID
	case engine.CodeOf(err) != engine.CodeNotFound:
		return scope, err
	case script == nil:
		records, err := eng.Store().Types(ctx)
		if err != nil {
			return scope, err
		}
		there := s.names()
		for _, r := range records {
			there = append(there, r.Name)
		}
		slices.Sort(there)
		return scope, unknownType(o.Type, slices.Compact(there))
	case makes:
		ids, err := eng.RegisterTypes(ctx, script)
		if err != nil {
			return scope, err
		}
		scope.Type = ids[o.Type]
	default:
		scope.Type = noType
	}
	if script == nil {
		return scope, nil
	}
	// What an instance that is no more has kept can still be looked at.
	err = checkInstanceNow(ctx, eng.Store(), script, o.Instance)
	if err != nil && !makes {
		names, lerr := eng.Store().VariableNames(ctx, scope)
		if lerr != nil || len(names) > 0 {
			return scope, lerr
		}
		sources, lerr := eng.Store().RecordSources(ctx, scope)
		if lerr != nil || len(sources) > 0 {
			return scope, lerr
		}
	}
	return scope, err
}

func runValuesList(ctx context.Context, env *Env, g *globals, o valueOptions, _ []string) error {
	eng, scope, done, err := o.open(ctx, env, g, toLook)
	if err != nil {
		return err
	}
	defer done()
	list, err := eng.Store().Variables(ctx, scope, "")
	if err != nil {
		return err
	}
	all := len(list)
	if !o.All {
		list = slices.DeleteFunc(list, func(v engine.VariableRow) bool { return engine.HiddenVariable(v.Name) })
	}
	if g.json() {
		return printJSON(env.Stdout, append([]engine.VariableRow{}, list...))
	}
	now, err := eng.Store().Now(ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, v := range list {
		rows = append(rows, []string{clean(v.Name), clip(string(v.Value), 60), rough(max(0, now.Sub(v.ChangedAt)))})
	}
	p := &printer{w: env.Stdout}
	p.table([]string{"name", "value", "age"}, rows, "age")
	if len(list) == 0 {
		env.say("%s has no value", strings.TrimSuffix(o.whose(), ","))
	}
	if hidden := all - len(list); hidden > 0 {
		env.say("http remembers %s beside: --all lists them", plural(int64(hidden), "answer", "answers"))
	}
	return p.err
}

func runValuesGet(ctx context.Context, env *Env, g *globals, o valueOptions, args []string) error {
	eng, scope, done, err := o.open(ctx, env, g, toLook)
	if err != nil {
		return err
	}
	defer done()
	v, err := o.find(ctx, eng, scope, args[0])
	if err != nil {
		return err
	}
	if g.json() {
		return printJSON(env.Stdout, v)
	}
	p := &printer{w: env.Stdout}
	p.line("%s", cleanJSON(string(v.Value)))
	return p.err
}

// find is the value of a name, which must be there.
func (o *valueOptions) find(ctx context.Context, eng *engine.Engine, scope engine.Scope, name string) (*engine.VariableRow, error) {
	if err := engine.CheckVariable(name, nil); err != nil {
		return nil, err
	}
	list, err := eng.Store().Variables(ctx, scope, name)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		return &list[0], nil
	}
	names, err := eng.Store().VariableNames(ctx, scope)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, engine.HiddenVariable)
	// As of grep: it is an answer, not wrong usage.
	e := engine.Errorf(engine.CodeNotFound, "%s has no value %q%s", strings.TrimSuffix(o.whose(), ","), name, hostlib.Suggest(name, names))
	if len(names) > 0 {
		e = e.WithHint("it has: %s", clip(strings.Join(names, ", "), 300))
	}
	return nil, &exitError{exitFailed, e}
}

func runValuesDelete(ctx context.Context, env *Env, g *globals, o valueOptions, args []string) error {
	eng, scope, done, err := o.open(ctx, env, g, toChange)
	if err != nil {
		return err
	}
	defer done()
	v, err := o.find(ctx, eng, scope, args[0])
	if err != nil {
		return err
	}
	if err := eng.SetVariable(ctx, scope, args[0], nil); err != nil {
		return err
	}
	if g.json() {
		return printJSON(env.Stdout, v)
	}
	env.say("%s is deleted; it was %s", clean(args[0]), clip(string(v.Value), 100))
	return nil
}
