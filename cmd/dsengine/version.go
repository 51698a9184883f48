package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set when the program is linked: -ldflags "-X main.version=v1.2.3 -X main.commit=abc".
var version, commit string

// versionInfo says which program this is.
type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func newVersion(env *Env, g *globals) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Show the program's version",
		Example:     "  dsengine version\n  dsengine version -o json",
		Args:        arguments(),
		Annotations: map[string]string{plainCommand: "yes"},
		RunE:        func(*cobra.Command, []string) error { return runVersion(env, g) },
	}
}

func runVersion(env *Env, g *globals) error {
	if err := g.validate(); err != nil {
		return err
	}
	v := programVersion()
	if g.json() {
		return printJSON(env.Stdout, v)
	}
	p := printer{w: env.Stdout}
	p.line("%s %s %s/%s", v.name(), v.Go, v.OS, v.Arch)
	return p.err
}

// name is the program with its version, and the commit where that is known.
func (v versionInfo) name() string {
	if v.Commit == unknownCommit {
		return "dsengine " + v.Version
	}
	return fmt.Sprintf("dsengine %s (commit %s)", v.Version, v.Commit)
}

const unknownCommit = "unknown"

// programVersion is what the linker was told, else what Go noted in the binary.
func programVersion() versionInfo {
	v := versionInfo{Version: version, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	modified := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && commit == "":
				v.Commit = s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true" && commit == "":
				modified = "+changes"
			}
		}
	}
	v.Commit += modified
	if v.Version == "" {
		v.Version = "development"
	}
	if v.Commit == "" {
		v.Commit = unknownCommit
	}
	return v
}
