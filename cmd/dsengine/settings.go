package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// The flags that the environment and dsengine.toml can set too: on top, and in
// its table [run]. Lists and tables may only stand where several values can.
var (
	globalSettings = []string{"db", "jobs", "files", "output", "prefix", "verbose"}
	runSettings    = []string{"name", "types", "phases", "slots", "drain", "lease", "batch", "poll"}
	listSettings   = []string{"types", "phases", "slots"}
	pathSettings   = []string{"db", "jobs", "files"}
)

// settle gives each setting that no flag has set its value: from the
// environment, else from the file.
func settle(env *Env, c *cobra.Command, g *globals) error {
	file, err := readConfig(env, c, g)
	if err != nil {
		return err
	}
	names := globalSettings
	isRun := c.Parent() == c.Root() && c.Name() == "run"
	if isRun {
		names = slices.Concat(globalSettings, runSettings)
	}
	for _, name := range names {
		f := c.Flags().Lookup(name)
		if f.Changed {
			continue
		}
		key := name
		if slices.Contains(runSettings, name) {
			key = "run." + name
		}
		if v, ok := env.lookup("DSENGINE_" + strings.ToUpper(name)); ok {
			err = set(c.Flags(), name, v, "DSENGINE_"+strings.ToUpper(name))
		} else {
			for _, v := range file[key] {
				err = errors.Join(err, set(c.Flags(), name, v, g.Config+": "+key))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func set(f *pflag.FlagSet, name, value, source string) error {
	err := f.Set(name, value)
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return usage("%s: %s", source, wrong(value, invalid.Unwrap()))
	}
	return err
}

// wrong words why a value cannot be read.
func wrong(value string, err error) string {
	if engine.CodeOf(err) != "" {
		return err.Error()
	}
	return fmt.Sprintf("%q cannot be read here: %v", value, errors.Unwrap(err))
}

// readConfig reads the file of settings: for each, by its name with its table,
// the values as a flag would be given them.
func readConfig(env *Env, c *cobra.Command, g *globals) (map[string][]string, error) {
	name, asked := g.Config, true
	if name == "" {
		if name, asked = env.lookup("DSENGINE_CONFIG"); !asked {
			name = defaultConfig
		}
	}
	text, err := os.ReadFile(env.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("there is no file %s of settings", name)
	case err != nil:
		return nil, engine.Wrapf(engine.CodeUsage, err, "read the settings")
	}
	g.Config = name
	var tree map[string]any
	if _, err := toml.Decode(string(text), &tree); err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) {
			return nil, usage("%s:%d:%d: %s", name, parse.Position.Line, parse.Position.Col, parse.Message)
		}
		return nil, usage("%s: %v", name, err)
	}
	if g.tables, err = readTables(env, name, string(text), tree); err != nil {
		return nil, err
	}
	settings, known := map[string][]string{}, slices.Clone(globalSettings)
	for _, s := range runSettings {
		known = append(known, "run."+s)
	}
	table, isTable := tree["run"].(map[string]any)
	if isTable {
		delete(tree, "run")
		for k, v := range table {
			tree["run."+k] = v
		}
	}
	if v, ok := tree["connections"]; ok {
		if g.Connections, err = connectionSettings(name, v); err != nil {
			return nil, err
		}
		delete(tree, "connections")
	}
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		if !slices.Contains(known, key) {
			return nil, usage("%s: there is no setting %q%s", name, key, hostlib.Suggest(key, known)).
				WithHint("there are: %s; and the tables %s", strings.Join(known, ", "), strings.Join(tableNames, ", "))
		}
		plain := strings.TrimPrefix(key, "run.")
		values := settingValues("", tree[key])
		if _, single := tree[key].(string); !slices.Contains(listSettings, plain) && !single && len(values) != 1 {
			return nil, usage("%s: %s must be one value", name, key)
		}
		if slices.Contains(pathSettings, plain) {
			values[0] = besideConfig(name, plain, values[0])
		}
		settings[key] = values
	}
	return settings, nil
}

// settingValues are the values of a list, or of a table as name=value.
func settingValues(prefix string, v any) (values []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			values = append(values, settingValues(prefix, e)...)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			name := k
			if prefix != "" {
				name = prefix + "." + k
			}
			values = append(values, settingValues(name, v[k])...)
		}
	default:
		if prefix != "" {
			return []string{fmt.Sprintf("%s=%v", prefix, v)}
		}
		return []string{fmt.Sprint(v)}
	}
	return values
}

// besideConfig is a path of the file of settings: relative to that file.
func besideConfig(config, setting, value string) string {
	scheme := ""
	if setting == "db" {
		var isFile bool
		if value, isFile = strings.CutPrefix(value, "sqlite:"); !isFile {
			return value
		}
		scheme = "sqlite:"
	}
	if filepath.IsAbs(value) || value == "" {
		return scheme + value
	}
	return scheme + filepath.Join(filepath.Dir(config), value)
}
