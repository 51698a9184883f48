package main

import (
	"strings"

	"github.com/spf13/cobra"
)

var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes commands in bash, zsh, fish or powershell",
		Example: `  source <(dsengine completion bash)
  dsengine completion zsh > "${fpath[1]}/_dsengine"
  dsengine completion fish > ~/.config/fish/completions/dsengine.fish`,
		Args:        arguments("SHELL"),
		ValidArgs:   shells,
		Annotations: map[string]string{plainCommand: "yes"},
		RunE:        func(c *cobra.Command, args []string) error { return runCompletion(env, c.Root(), args[0]) },
	}
}

func runCompletion(env *Env, root *cobra.Command, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(env.Stdout, true)
	case "zsh":
		return root.GenZshCompletion(env.Stdout)
	case "fish":
		return root.GenFishCompletion(env.Stdout, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(env.Stdout)
	}
	return usage("there is no completion for %q: choose %s", shell, strings.Join(shells, ", "))
}
