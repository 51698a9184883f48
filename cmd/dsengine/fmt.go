package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// formatOptions are the flags of fmt.
type formatOptions struct {
	check bool
	lua   bool // what standard input is
}

// formatted is what became of one file.
type formatted struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"` // it was not formatted
	Error   string `json:"error,omitempty"`
}

func newFormat(env *Env, g *globals) *cobra.Command {
	var o formatOptions
	c := &cobra.Command{
		Use:   "fmt [PATH...]",
		Short: "Format scripts",
		Long: `Format scripts: indentation, spaces, quotes, empty lines, the order of loads, as buildifier does;
in Lua indentation, spaces and empty lines. What a script says stays the same, and so do its comments.
PATH is a script, a folder, a glob, the name of a job type, or - for standard input, which is
formatted to standard output (in Lua with --lua); without one, all scripts of the jobs folder are
formatted, helper files and tests too. It prints the files that it has changed.`,
		Example: `  dsengine fmt
  dsengine fmt jobs/airports.star jobs/lib
  dsengine fmt --check             what CI runs: exit code 1 if a file is not formatted
  dsengine fmt - < draft.star`,
		RunE: func(_ *cobra.Command, args []string) error { return runFormat(env, g, o, args) },
	}
	c.Flags().BoolVar(&o.check, "check", false, "change nothing; list the files that are not formatted, and end with 1 if there are any")
	c.Flags().BoolVar(&o.lua, "lua", false, "what is formatted from standard input is Lua")
	return c
}

// formatters give scripts their form, by the endings of their names.
var formatters = map[string]func(shown string, source []byte) ([]byte, error){starscript.Ending: starscript.Format, luascript.Ending: luascript.Format}

// endings are those of the names of scripts, in the order in which they count.
var endings = []string{starscript.Ending, luascript.Ending}

func runFormat(env *Env, g *globals, o formatOptions, paths []string) error {
	if slices.Contains(paths, "-") {
		if len(paths) > 1 {
			return usage("- is standard input: give no other paths with it")
		}
		return formatInput(env, o)
	}
	files, err := scriptFiles(env, g, paths)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		env.say("there are no scripts (%s) in %s", strings.Join(endings, ", "), g.Jobs)
	}
	results := []formatted{}
	changed, wrong := 0, 0
	for _, file := range files {
		r := formatted{File: file}
		var err error
		if r.Changed, err = formatFile(env.path(file), file, o.check); err != nil {
			r.Error = err.Error()
			env.say("%s", r.Error)
			wrong++
		} else if r.Changed {
			changed++
		}
		results = append(results, r)
	}
	if g.json() {
		err = printJSON(env.Stdout, results)
	} else {
		p := &printer{w: env.Stdout}
		for _, r := range results {
			if r.Changed && r.Error == "" {
				p.line("%s", r.File)
			}
		}
		err = p.err
	}
	switch {
	case err != nil:
		return err
	case wrong > 0:
		return exit(exitUsage)
	case o.check && changed > 0:
		return &exitError{code: exitFailed, err: engine.Errorf(engine.CodeUsage, "not formatted: %s", plural(int64(changed), "script", "scripts")).WithHint("dsengine fmt mends that")}
	}
	return nil
}

// formatInput formats standard input.
func formatInput(env *Env, o formatOptions) error {
	source, err := io.ReadAll(env.Stdin)
	if err != nil {
		return err
	}
	ending := starscript.Ending
	if o.lua {
		ending = luascript.Ending
	}
	text, err := formatters[ending]("standard input", source)
	if err != nil {
		env.say("%v", err)
		return exit(exitUsage)
	}
	if o.check {
		if bytes.Equal(source, text) {
			return nil
		}
		return &exitError{code: exitFailed, err: usage("standard input is not formatted")}
	}
	_, err = env.Stdout.Write(text)
	return err
}

// formatFile formats a file in its place, unless it is only checked, and says
// whether it was not formatted.
func formatFile(file, shown string, check bool) (bool, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	text, err := formatters[filepath.Ext(file)](filepath.ToSlash(shown), source)
	if err != nil || bytes.Equal(source, text) {
		return false, err
	}
	if check {
		return true, nil
	}
	return true, replaceFile(file, text)
}

// scriptFiles are the scripts that paths name: files, all in folders,
// those that a glob finds, the script of a job type. No path: the jobs folder.
func scriptFiles(env *Env, g *globals, paths []string) ([]string, error) {
	if len(paths) == 0 {
		paths = []string{g.Jobs}
	}
	var files []string
	add := func(file string) {
		if !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	for _, given := range paths {
		found := []string{given}
		info, err := os.Stat(env.path(given))
		named := ""
		for _, ending := range slices.Backward(endings) {
			file := filepath.Join(g.Jobs, given+ending)
			if _, err := os.Stat(env.path(file)); err == nil {
				named = file
			}
		}
		switch {
		case err == nil && !(info.IsDir() && named != ""):
		case err != nil && strings.ContainsAny(given, "*?[{"):
			if found, err = doublestar.FilepathGlob(env.path(given)); err != nil {
				return nil, usage("%q is no glob", given)
			}
			if len(found) == 0 {
				return nil, usage("%q finds no file", given)
			}
		case named != "":
			found = []string{named}
		default:
			return nil, usage("there is no file %s", given)
		}
		for _, file := range found {
			info, err := os.Stat(env.path(file))
			if err != nil {
				return nil, err
			}
			if !info.IsDir() {
				if formatters[filepath.Ext(file)] == nil {
					return nil, usage("%s is no script: its name does not end in %s", file, strings.Join(endings, " or "))
				}
				add(file)
				continue
			}
			err = filepath.WalkDir(env.path(file), func(p string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				switch hidden := strings.HasPrefix(d.Name(), ".") && p != env.path(file); {
				case hidden && d.IsDir():
					return fs.SkipDir
				case !hidden && !d.IsDir() && formatters[filepath.Ext(p)] != nil:
					rel, err := filepath.Rel(env.path(file), p)
					if err != nil {
						return err
					}
					add(filepath.Join(file, rel))
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}
