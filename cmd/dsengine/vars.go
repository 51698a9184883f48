package main

import "github.com/spf13/cobra"

func newVars(env *Env, g *globals) *cobra.Command {
	var commands []*cobra.Command
	for _, v := range valueVerbs {
		o := valueOptions{Command: "vars"}
		c := &cobra.Command{
			Use:     v.use(),
			Short:   v.short,
			Long:    v.long,
			Example: v.examples("vars"),
			Args:    arguments(v.needs...),
			RunE: func(c *cobra.Command, args []string) error {
				return v.call(c.Context(), env, g, o, args)
			},
		}
		if v.name == "set" {
			c.Args = nil // its VALUE may be left out
		}
		v.flags(&o, c.Flags())
		c.SetFlagErrorFunc(valueFlagError)
		commands = append(commands, c)
	}
	c := newGroup("vars", "List, get, set and delete variables, which all job types share", commands...)
	c.Long = `Variables are durable values that all job types share: scripts read and write them by
vars.get and vars.set, people by these commands. What belongs to one job type is its state:
see dsengine state --help.`
	return c
}
