package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

func newState(env *Env, g *globals) *cobra.Command {
	return newTypeVerbs(env, g, "state", valueVerbs, "List, get, set and delete what a job type keeps in its state",
		`The state of a job type holds its own durable values; each instance has its own. Its scripts
read and write it by state.get and state.set, people by these commands:`, setHelp)
}

// newTypeVerbs is a command that is followed by a type, and then by what to do.
func newTypeVerbs(env *Env, g *globals, name string, list verbs, short, intro, more string) *cobra.Command {
	o := valueOptions{Command: name}
	c := &cobra.Command{
		Use:   name + " TYPE COMMAND",
		Short: short,
		Args:  cobra.ArbitraryArgs,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			switch len(args) {
			case 0:
				names = typesHere(env, g, c)
			case 1:
				names = list.names()
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	var help, examples, own []string
	for _, v := range list {
		help = append(help, fmt.Sprintf("  %-34s  %s", "dsengine "+name+" TYPE "+v.use(), v.short))
		examples = append(examples, v.examples(name+" airports"))
		own = append(own, v.own...)
		v.flags(&o, c.Flags())
	}
	c.Long = intro + "\n\n" + strings.Join(help, "\n") + "\n\n" + more
	c.Example = strings.Join(examples, "\n")
	c.Flags().StringVar(&o.Instance, "instance", "", "`name` of the type's instance")
	c.SetFlagErrorFunc(valueFlagError)
	c.RunE = func(c *cobra.Command, args []string) error {
		see := "see: " + c.CommandPath() + " --help"
		names := strings.Join(list.names(), ", ")
		switch {
		case len(args) == 0:
			return usage("%s needs a TYPE and a command: %s", c.CommandPath(), names).WithHint("%s", see)
		case len(args) == 1:
			return usage("%s %s needs a command: %s", c.CommandPath(), args[0], names).WithHint("%s", see)
		}
		v := list.find(args[1])
		switch {
		case v == nil && list.find(args[0]) != nil:
			return usage("the type comes first: %s %s %s", c.CommandPath(), args[1], args[0]).WithHint("%s", see)
		case v == nil:
			return usage("%s TYPE has no command %q%s", c.CommandPath(), args[1], hostlib.Suggest(args[1], list.names())).WithHint("%s", see)
		}
		for _, f := range own {
			if c.Flags().Changed(f) && !v.has(f) {
				return usage("--%s does not go with %s", f, v.name).WithHint("%s", see)
			}
		}
		o.Type, args = args[0], args[2:]
		if len(args) < len(v.needs) || len(args) > len(v.needs)+len(v.may) {
			return usage("write: %s %s %s", c.CommandPath(), o.Type, v.use()).WithHint("%s", see)
		}
		return v.call(c.Context(), env, g, o, args)
	}
	return c
}
