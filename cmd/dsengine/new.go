package main

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// The script and the tests that new writes. NAME stands for the job type, TABLE
// for its table, FOLDER for where its files are.
var (
	//go:embed new/script.star
	newScript string
	//go:embed new/test.star
	newScriptTest string
	//go:embed new/script.lua
	newLua string
	//go:embed new/test.lua
	newLuaTest string
)

func newNew(env *Env, g *globals) *cobra.Command {
	var dir string
	var lua bool
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a script and its tests, to begin with",
		Long: `Write a script and its tests, to begin with. NAME is the job type: its script becomes NAME.star
in the jobs folder, its tests NAME_test.star beside it; with --lua they are NAME.lua and
NAME_test.lua. The script imports CSV files; it is whole, and its tests pass. Change both into
what you need. Files that are there are never overwritten.`,
		Example: `  dsengine new quakes
  dsengine new crm/customers
  dsengine new quakes --lua
  dsengine new quakes --dir other/jobs`,
		Args: arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if dir == "" {
				dir = g.Jobs
			}
			return runNew(env, g, dir, args[0], lua)
		},
	}
	c.Flags().BoolVar(&lua, "lua", false, "write them in Lua")
	c.Flags().StringVar(&dir, "dir", "", "`folder` of the job scripts (default: that of --jobs)")
	return c
}

// madeFiles is what new prints as JSON.
type madeFiles struct {
	Type  string   `json:"type"`
	Files []string `json:"files"`
}

func runNew(env *Env, g *globals, dir, given string, lua bool) error {
	ending, other, scriptText, testText := starscript.Ending, luascript.Ending, newScript, newScriptTest
	if lua = lua || strings.HasSuffix(given, luascript.Ending); lua {
		ending, other, scriptText, testText = other, ending, newLua, newLuaTest
	}
	name := strings.TrimSuffix(given, ending)
	base := path.Base(name)
	switch {
	case engine.CheckTypeName(name) != nil:
		return engine.CheckTypeName(name)
	case hostlib.IsHelper(name+ending) || strings.HasSuffix(name, "_test"):
		return usage("%q would be no job type: files below lib/, those whose name begins with _, and tests (_test) are none", name)
	}
	fill := strings.NewReplacer("NAME", name, "BASE", base, "TABLE", tableOf(name, g.Prefix))
	script := filepath.Join(dir, filepath.FromSlash(name)+ending)
	test := filepath.Join(dir, filepath.FromSlash(name)+"_test"+ending)
	files := []string{script, test}
	for _, file := range append(files, strings.TrimSuffix(script, ending)+other) {
		if _, err := os.Lstat(env.path(file)); err == nil {
			return usage("%s is there already, and nothing is overwritten", file).WithHint("take another name, or remove it first")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(env.path(script)), 0o755); err != nil {
		return err
	}
	if err := makeFile(env.path(script), fill.Replace(scriptText)); err != nil {
		return err
	}
	if err := makeFile(env.path(test), fill.Replace(testText)); err != nil {
		return errors.Join(err, os.Remove(env.path(script)))
	}
	if g.json() {
		return printJSON(env.Stdout, madeFiles{name, files})
	}
	p := &printer{w: env.Stdout}
	for _, file := range files {
		p.line("%s", file)
	}
	env.say("\nWhat to do next:")
	steps := [][2]string{
		{"test " + name, "run its tests, which pass now; change them first, then the script"},
		{"docs", "see what scripts can call; dsengine docs t: what tests can do"},
		{"run --once " + name, "run the job itself, on files in " + path.Join("incoming", name)},
	}
	if lua {
		steps = append(steps, [2]string{"docs --stubs . --lua", "write _dsengine.lua and .luarc.json: by them editors with LuaLS complete all that scripts can call"})
	}
	width := 0
	for _, step := range steps {
		width = max(width, len("dsengine "+step[0]))
	}
	for _, step := range steps {
		env.say("  %-*s  %s", width, "dsengine "+step[0], step[1])
	}
	return p.err
}

// makeFile writes a file that is not there yet.
func makeFile(file, content string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// tableOf makes the name of a table of that of a job type. No table of scripts begins as
// the engine's own do, whose prefix is given; in tests that is the default.
func tableOf(name, prefix string) string {
	table := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	lower := strings.ToLower(table)
	if table[0] >= '0' && table[0] <= '9' || len(table) < 2 || strings.HasPrefix(lower, sqlstore.DefaultPrefix) || strings.HasPrefix(lower, strings.ToLower(prefix)) {
		table = "imported_" + table
	}
	return table[:min(len(table), 60)]
}
