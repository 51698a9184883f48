package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// globals are the settings that every command has.
type globals struct {
	DB      string // URL
	Jobs    string // folder of the scripts
	Files   string // folder that paths in scripts are relative to
	Prefix  string // of the tables
	Output  string // "text" or "json"
	Verbose bool
	Config  string            // the file that was read; "" for none
	tables  tables            // of that file
	sources map[string]string // of settings that no flag has set: see from
}

// The defaults of the global settings.
const (
	defaultDB     = "sqlite:dsengine.db"
	defaultJobs   = "jobs"
	defaultConfig = "dsengine.toml"
)

func (g *globals) flags(f *pflag.FlagSet) {
	f.StringVar(&g.DB, "db", defaultDB, "database `URL`: sqlite:PATH, mysql://user:password@host:3306/name\nor mysql://user@/name?socket=PATH")
	f.StringVar(&g.Jobs, "jobs", defaultJobs, "`folder` of the job scripts")
	f.StringVar(&g.Files, "files", ".", "`folder` that paths in scripts are relative to, and cannot leave")
	f.StringVarP(&g.Output, "output", "o", "text", "`form` of the output: text or json")
	f.StringVar(&g.Prefix, "prefix", "ds_", "what the names of the engine's `tables` begin with")
	f.BoolVarP(&g.Verbose, "verbose", "v", false, "log details too")
	f.StringVar(&g.Config, "config", "", "`file` of settings (default "+defaultConfig+", if it is there)")
}

// given are the settings of the command line that decide which database, scripts and
// files are meant, as they are written there; passwords are struck out.
func (g *globals) given(f *pflag.FlagSet) (list []givenFlag) {
	for _, name := range []string{"config", "db", "prefix", "jobs", "files"} {
		flag := f.Lookup(name)
		if flag == nil || !flag.Changed || flag.Value.String() == flag.DefValue {
			continue
		}
		value := flag.Value.String()
		if name == "db" {
			value = strike(shownURL(value))
		}
		list = append(list, givenFlag{name, "--" + name + " " + quotedWord(value)})
	}
	return list
}

func (g *globals) validate() error {
	if g.Output != "text" && g.Output != "json" {
		return usage("%s: there is no form of output %q: use text or json", g.from("output"), g.Output)
	}
	return checkPrefix(g.from("prefix"), g.Prefix)
}

// json says whether output is JSON.
func (g *globals) json() bool { return g.Output == "json" }

const rootHelp = `dsengine imports data reliably: a job is a script in a folder, its state is in a
database, and as many servers as there are work on it together.

A first look, with nothing to install:
  dsengine run --until-idle     do all that the scripts in jobs/ have to do now
  dsengine jobs list            what was done
  dsengine jobs show ID         all about one job

A setting comes from its flag, else from the environment (DSENGINE_DB, DSENGINE_JOBS, ...),
else from dsengine.toml (db = "...", [run] slots = {...}), else it has its default.
Paths in that file are relative to it. Data goes to standard output, all else to standard error.

` + exitHelp

func init() {
	cobra.EnableCommandSorting = false
	// pflag writes --all[=true|false], which tells nobody anything.
	const choice = "[=true|false]"
	cobra.AddTemplateFunc("withoutChoice", func(usages string) string {
		return strings.ReplaceAll(usages, choice, strings.Repeat(" ", len(choice)))
	})
}

// plainCommand marks commands that need no settings.
const plainCommand = "plain"

// newRoot wires all commands.
func newRoot(env *Env) *cobra.Command {
	var g globals
	root := &cobra.Command{
		Use:               "dsengine",
		Short:             "A job engine for reliable data imports",
		Long:              rootHelp,
		Version:           programVersion().Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			if c.Annotations[plainCommand] != "" || !c.HasParent() {
				return nil
			}
			given := g.given(c.Flags()) // before other sources fill in
			if err := settle(env, c, &g); err != nil {
				return err
			}
			env.Given = given
			return g.validate()
		},
	}
	g.flags(root.PersistentFlags())
	_ = root.RegisterFlagCompletionFunc("output", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp
	})
	root.SetFlagErrorFunc(flagError)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetVersionTemplate("dsengine {{.Version}}\n")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages |", ".FlagUsages | withoutChoice |"))
	for _, group := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Work:", []*cobra.Command{newRun(env, &g), newEnqueue(env, &g), newBackfill(env, &g)}},
		{"See and steer:", []*cobra.Command{newJobs(env, &g), newRejects(env, &g), newLogs(env, &g), newTypes(env, &g), newWindows(env, &g), newServers(env, &g), newVars(env, &g), newState(env, &g), newRecords(env, &g)}},
		{"Write scripts:", []*cobra.Command{newNew(env, &g), newTest(env, &g), newCheck(env, &g), newFormat(env, &g), newDocs(env, &g), newPlan(env, &g), newReplay(env, &g)}},
		{"Set up:", []*cobra.Command{newMigrate(env, &g), newDoctor(env, &g), newVersion(env, &g), newCompletion(env)}},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, c := range group.commands {
			c.GroupID = group.title
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID("Set up:")
	root.SetHelpCommand(newHelp(root))
	return root
}

// newHelp replaces cobra's own command, which ends well for topics that are not there.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Show the help of a command", GroupID: "Set up:",
		Annotations: map[string]string{plainCommand: "yes"},
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c, args[len(args)-len(rest)])
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

// newGroup is a command that only has commands of its own.
func newGroup(name, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, RunE: func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		return usage("%s needs a command: %s", c.CommandPath(), strings.Join(commandNames(c), ", ")).WithHint("see: %s --help", c.CommandPath())
	}}
	c.AddCommand(commands...)
	return c
}

// execute runs a command line and says how the process is to end.
func execute(ctx context.Context, env *Env, args []string) exitCode {
	root := newRoot(env)
	root.SetArgs(args)
	err := helpOfNothing(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err != nil {
		tell(ctx, env, err, asksJSON(env, root, args))
	}
	return codeOf(ctx, err)
}

// asksJSON says whether output is to be JSON, also where the settings could not be
// read: then by what is written.
func asksJSON(env *Env, root *cobra.Command, args []string) bool {
	const asked = "json"
	flag := root.PersistentFlags().Lookup("output")
	if flag.Changed || flag.Value.String() == asked {
		return flag.Value.String() == asked
	}
	for i, arg := range args {
		value, given := strings.CutPrefix(arg, "--output=")
		if short, ok := strings.CutPrefix(arg, "-o"); ok && !given {
			value, given = strings.TrimPrefix(short, "="), short != ""
		}
		switch {
		case arg == "--":
			return false
		case given:
			return value == asked
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			return args[i+1] == asked
		}
	}
	value, _ := env.lookup("DSENGINE_OUTPUT")
	return value == asked
}

// helpOfNothing is an error where help is asked for of a command that is not
// there: cobra would show that of the one above it.
func helpOfNothing(root *cobra.Command, args []string) error {
	if !slices.Contains(args, "--help") && !slices.Contains(args, "-h") {
		return nil
	}
	c, rest, err := root.Find(args)
	if err != nil || !c.HasSubCommands() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil
	}
	return unknownCommand(c, rest[0])
}

func commandNames(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}

func unknownCommand(c *cobra.Command, name string) error {
	return usage("%s has no command %q%s", c.CommandPath(), name, hostlib.Suggest(name, commandNames(c))).
		WithHint("see: %s --help", c.CommandPath())
}

// flagError words what pflag says.
func flagError(c *cobra.Command, err error) error {
	see := fmt.Sprintf("see: %s --help", c.CommandPath())
	var none *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &none) && none.GetSpecifiedShortnames() != "":
		return usage("%s has no flag -%s", c.CommandPath(), none.GetSpecifiedName()).WithHint("%s", see)
	case errors.As(err, &none):
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		name := "--" + none.GetSpecifiedName()
		like := takes(c, none.GetSpecifiedName())
		if like == "" {
			like = hostlib.Suggest(name, names)
		}
		return usage("%s has no flag %q%s", c.CommandPath(), name, like).WithHint("%s", see)
	case errors.As(err, &invalid):
		return usage("--%s: %s", invalid.GetFlag().Name, wrong(invalid.GetValue(), invalid.Unwrap())).WithHint("%s", see)
	}
	return usage("%s", err).WithHint("%s", see)
}

// wordList is the end of a flag's help that lists the words which it takes.
var wordList = regexp.MustCompile(`: (\w+(?:, \w+)* or \w+)$`)

// takes says which flag of a command takes a word as its value, if its help lists it.
func takes(c *cobra.Command, word string) (like string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		words := strings.FieldsFunc(wordList.FindString(f.Usage), func(r rune) bool { return strings.ContainsRune(":, ", r) })
		if like == "" && word != "or" && slices.Contains(words, word) {
			like = fmt.Sprintf(" (did you mean --%s %s?)", f.Name, word)
		}
	})
	return like
}

// arguments checks the number of a command's arguments, which are named.
func arguments(names ...string) cobra.PositionalArgs { return argumentsBut("", names...) }

// argumentsBut is arguments where one too many is likely to be what a flag takes.
func argumentsBut(flag string, names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		see := fmt.Sprintf("see: %s --help", c.CommandPath())
		switch {
		case len(args) < len(names):
			return usage("%s needs %s", c.CommandPath(), strings.Join(names[len(args):], " and ")).WithHint("%s", see)
		case len(args) == len(names)+1 && flag != "" && !c.Flags().Changed(flag):
			return usage("%s does not know what to do with %q", c.CommandPath(), args[len(names)]).WithHint("give it as --%s %s", flag, quotedWord(args[len(names)]))
		case len(args) > len(names):
			return usage("%s does not know what to do with %q", c.CommandPath(), args[len(names)]).WithHint("%s", see)
		}
		return nil
	}
}
