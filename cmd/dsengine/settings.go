package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

// pathSettings are paths, or may have one in them.
var pathSettings = []string{"db", "jobs", "files"}

// settle gives each setting that no flag has set its value: from the
// environment, else from the file.
func settle(env *Env, c *cobra.Command, g *globals) error {
	file, err := readConfig(env, g)
	if err != nil {
		return err
	}
	names := globalSettings
	if c.Parent() == c.Root() && c.Name() == "run" {
		names = slices.Concat(globalSettings, runSettings)
	}
	return fill(env, c.Flags(), names, file, g)
}

// fill sets flags that were not given. Where their values come from is kept,
// for errors about them.
func fill(env *Env, flags *pflag.FlagSet, names []string, file map[string][]string, g *globals) (err error) {
	if g.sources == nil {
		g.sources = map[string]string{}
	}
	for _, name := range names {
		if flags.Lookup(name).Changed {
			continue
		}
		key := name
		if slices.Contains(runSettings, name) {
			key = "run." + name
		}
		if v, ok := env.lookup("DSENGINE_" + strings.ToUpper(name)); ok {
			g.sources[name] = "DSENGINE_" + strings.ToUpper(name)
			err = set(flags, name, v, g.sources[name])
		} else {
			for _, v := range file[key] {
				g.sources[name] = g.Config + ": " + key
				err = errors.Join(err, set(flags, name, v, g.sources[name]))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// from is where a setting's value stands: its flag, a variable of the
// environment, or a line of the file of settings.
func (g *globals) from(name string) string {
	if source := g.sources[name]; source != "" {
		return source
	}
	return "--" + name
}

func set(f *pflag.FlagSet, name, value, source string) error {
	err := f.Set(name, value)
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		wrong := usage("%s: %s", source, wrong(value, invalid.Unwrap()))
		if k := keyOf("run." + name); k != nil && strings.HasSuffix(source, ": run."+name) {
			return wrong.WithHint("in that file: [run] %s", k.Example)
		}
		return wrong
	}
	return err
}

// wrong words why a value cannot be read.
func wrong(value string, err error) string {
	if engine.CodeOf(err) != "" {
		return err.Error()
	}
	if cause := errors.Unwrap(err); cause != nil {
		err = cause
	}
	return fmt.Sprintf("%q cannot be read here: %v", value, err)
}

// readConfig reads the file of settings: for each, by its name with its table,
// the values as a flag would be given them.
func readConfig(env *Env, g *globals) (map[string][]string, error) {
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
			err := usage("%s:%d:%d: %s", name, parse.Position.Line, parse.Position.Col, parseMessage(parse))
			if strings.HasPrefix(parse.Message, "expected value but found") {
				err = err.WithHint("text stands in quotes: db = \"sqlite:x.db\"")
			}
			return nil, err
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
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		if !slices.Contains(known, key) {
			return nil, stray(at(name, string(text), key), key, tree[key])
		}
		plain, known := strings.TrimPrefix(key, "run."), keyOf(key)
		values := settingValues("", tree[key])
		_, table := tree[key].(map[string]any)
		if _, single := tree[key].(string); !known.Several && !single && len(values) != 1 || table && plain != "slots" {
			what := "one value"
			if known.Several {
				what = "a list of texts"
			}
			return nil, usage("%s: %s must be %s", at(name, string(text), key), key, what).WithHint("write it like %s", known.Example)
		}
		if slices.Contains(pathSettings, plain) {
			values[0] = besideConfig(name, plain, values[0])
		}
		settings[key] = values
	}
	return settings, nil
}

// quoted is a value in an error of the parser's.
var quoted = regexp.MustCompile(`"[^"]{2,}"|'[^']{2,}'|^\S*\d\S*`)

// parseMessage is an error of the parser's, without what it quotes of a value that may be a
// secret.
func parseMessage(e toml.ParseError) string {
	known := slices.Contains(globalSettings, e.LastKey) && e.LastKey != "db" || strings.HasPrefix(e.LastKey, "run.")
	if known || strings.HasPrefix(e.Message, "Key ") {
		return e.Message
	}
	return quoted.ReplaceAllString(e.Message, "***")
}

// at is a file of settings with the line in which a key, or its table, stands.
func at(file, text, key string) string {
	section := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[] \t")
			if section == key || strings.HasPrefix(section, key+".") {
				return fmt.Sprintf("%s:%d", file, i+1)
			}
			continue
		}
		word := strings.Trim(strings.TrimSpace(strings.SplitN(line, "=", 2)[0]), `"'`)
		if section != "" {
			word = section + "." + word
		}
		if word == key || strings.HasPrefix(word, key+".") {
			return fmt.Sprintf("%s:%d", file, i+1)
		}
	}
	return file
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
