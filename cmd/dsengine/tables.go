package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
	"github.com/bmatcuk/doublestar/v4"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// tables are the parts of the file of settings that no flag can set.
type tables struct {
	file    string // "" for none
	Needs   *hostlib.Limits
	Secrets map[string]secretRef
	Mail    mailTable
	// Connections are other databases and servers of files, by name.
	Connections map[string]connectionTable
	// S3 are stores of objects, by name.
	S3 map[string]s3Table
}

// connectionTable is [connections.NAME]. All but the URL is for servers of files.
type connectionTable struct {
	URL         string    `toml:"url"`
	Password    secretRef `toml:"password"`
	Key         secretRef `toml:"key"`
	Passphrase  secretRef `toml:"passphrase"`
	Fingerprint string    `toml:"fingerprint"`
	KnownHosts  string    `toml:"known_hosts"`
	TLS         string    `toml:"tls"`
}

// needsTable is [needs]: what scripts may need, and by globs of job types more
// of it.
type needsTable struct {
	Allow []string              `toml:"allow"`
	Deny  []string              `toml:"deny"`
	Types map[string]needsTable `toml:"types"`
}

func (t *needsTable) limits(from string) *hostlib.Limits {
	l := &hostlib.Limits{From: from, Allow: t.Allow, Deny: t.Deny, Types: map[string]*hostlib.Limits{}}
	for glob, more := range t.Types {
		l.Types[glob] = more.limits(strings.TrimSuffix(from, "]") + fmt.Sprintf(".types.%q]", glob))
	}
	return l
}

// secretRef is where a secret is: in a variable of the environment, in a file,
// or in the file of settings itself.
type secretRef struct {
	Env, File, Value string
}

// UnmarshalTOML reads {env = "X"}, {file = "path"} or the value itself.
func (r *secretRef) UnmarshalTOML(v any) error {
	if s, ok := v.(string); ok {
		if r.Value = s; s == "" {
			return fmt.Errorf("is empty")
		}
		return nil
	}
	table, ok := v.(map[string]any)
	if !ok || len(table) != 1 {
		return fmt.Errorf("must be {env = \"NAME\"}, {file = \"path\"} or a string")
	}
	for k, v := range table {
		s, isText := v.(string)
		switch {
		case isText && s != "" && k == "env":
			r.Env = s
		case isText && s != "" && k == "file":
			r.File = s
		default:
			return fmt.Errorf("must be {env = \"NAME\"}, {file = \"path\"} or a string, not {%s = ...}", k)
		}
	}
	return nil
}

// readTables reads the tables of the file of settings, and takes them out of tree.
func readTables(env *Env, name, text string, tree map[string]any) (tables, error) {
	var read struct {
		Needs       *needsTable                `toml:"needs"`
		Secrets     map[string]secretRef       `toml:"secrets"`
		Mail        mailTable                  `toml:"mail"`
		Connections map[string]connectionTable `toml:"connections"`
		S3          map[string]s3Table         `toml:"s3"`
	}
	t := tables{file: name}
	// Each by itself, so that an error can name it.
	for _, table := range tableNames[1:] {
		part, there := tree[table]
		delete(tree, table)
		if !there {
			continue
		}
		parts, ok := part.(map[string]any)
		if !ok {
			return t, usage("%s: %s must be a table: [%s]", name, table, table)
		}
		for _, n := range slices.Sorted(maps.Keys(parts)) {
			if _, ok := parts[n].(map[string]any); !ok && (table == "connections" || table == "s3") {
				return t, usage("%s: %s.%s must be a table, by the name that scripts use: [%[2]s.NAME]", at(name, text, table+"."+n), table, n).WithHint("%s", placeOf("["+table+"]"))
			}
		}
	}
	meta, err := toml.Decode(text, &read)
	if err != nil {
		return t, usage("%s: %s", name, strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "toml: ")), " "))
	}
	for _, key := range meta.Undecoded() {
		if slices.Contains(tableNames[1:], key[0]) && key[0] != "secrets" {
			return t, stray(at(name, text, key.String()), key.String(), nil)
		}
	}
	if read.Needs != nil {
		t.Needs = read.Needs.limits(filepath.Base(name) + ": [needs]")
		if err := t.Needs.Validate(); err != nil {
			return t, usage("%v", err)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(read.Connections)) {
		if read.Connections[n].URL == "" {
			return t, usage("%s: connections.%s has no url", name, n)
		}
	}
	t.Secrets, t.Mail, t.Connections, t.S3 = read.Secrets, read.Mail, read.Connections, read.S3
	db, _ := tree["db"].(string)
	return t, t.checkPrivate(env, name, db)
}

// checkPrivate refuses secrets in a file of settings that others can read.
func (t *tables) checkPrivate(env *Env, name, db string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	held, instead := "", `name where the secret is: {env = "NAME"} or {file = "path"}`
	for _, n := range slices.Sorted(maps.Keys(t.Secrets)) {
		if t.Secrets[n].Value != "" {
			held = "secrets." + n
			break
		}
	}
	for _, n := range slices.Sorted(maps.Keys(t.S3)) {
		for part, ref := range map[string]secretRef{"secret_key": t.S3[n].SecretKey, "token": t.S3[n].Token} {
			if ref.Value != "" {
				held = "s3." + n + "." + part
			}
		}
	}
	if t.Mail.Password.Value != "" {
		held = "mail.password"
	}
	for _, n := range slices.Sorted(maps.Keys(t.Connections)) {
		c := t.Connections[n]
		for what, ref := range map[string]secretRef{"password": c.Password, "key": c.Key, "passphrase": c.Passphrase} {
			if ref.Value != "" {
				held = "connections." + n + "." + what
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(t.Connections)) {
		if url := t.Connections[n].URL; shownURL(url) != url {
			held, instead = "connections."+n+".url, with a password,", "set "+connectionVariable(n)+" in its place"
		}
	}
	if shownURL(db) != db {
		held, instead = "db, with a password,", "set DSENGINE_DB in its place"
	}
	if held == "" {
		return nil
	}
	info, err := os.Stat(env.path(name))
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	return usage("%s: %s is in it, and the file can be read by others (mode %04o)", name, held, info.Mode().Perm()).
		WithHint("chmod 600 %s, or %s", name, instead)
}

// path is a path of the file of settings: relative to that file.
func (t *tables) path(env *Env, p string) string {
	if !filepath.IsAbs(p) {
		p = filepath.Join(filepath.Dir(t.file), p)
	}
	return env.path(p)
}

// secretSource finds secrets: in the environment, else where [secrets] says.
func (t *tables) secretSource(env *Env) func(name string) (string, error) {
	return func(name string) (string, error) {
		variable := secretVariable(name)
		if v, ok := env.lookup(variable); ok {
			return withoutLineEnd(v), nil
		}
		ref, ok := t.Secrets[name]
		if !ok {
			return "", engine.Wrapf(engine.CodeNotFound, hostlib.ErrNoSecret, "secret %q", name).
				WithHint("set the environment variable %s, or add it to [secrets] of %s: %s = {file = \"path\"}", variable, defaultConfig, name)
		}
		return t.resolve(env, ref)
	}
}

// secretPrefix begins the variables of the environment that hold secrets.
const secretPrefix = "DSENGINE_SECRET_"

// secretVariable is the variable of the environment that holds a secret.
func secretVariable(name string) string { return inVariable(name, "") }

// inVariable is secretVariable, but for some letters that are kept.
func inVariable(name, kept string) string {
	return secretPrefix + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(kept, r):
			return r
		}
		return '_'
	}, name)
}

// class is one of letters in a glob: any letter, for what secrets are to be known.
var class = regexp.MustCompile(`\[[^\]]*\]`)

// knowSecrets makes all secrets known that globs of needs name and that can be had here
// and now, before a script gets one: somebody else may bring it.
func (t *tables) knowSecrets(env *Env, globs ...string) {
	for i, g := range globs {
		globs[i] = inVariable(class.ReplaceAllString(strings.ReplaceAll(g, "{instance}", "*"), "?"), `*?{},`)
	}
	named := func(variable string) bool {
		return slices.ContainsFunc(globs, func(g string) bool { return doublestar.MatchUnvalidated(g, variable) })
	}
	for _, v := range env.Environ() {
		if name, value, _ := strings.Cut(v, "="); named(name) {
			_ = env.Secrets.Add(withoutLineEnd(value)) // one that is too short is none
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var late []string
	for name, ref := range t.Secrets {
		if !named(secretVariable(name)) {
			continue
		}
		wg.Go(func() {
			value, err := t.find(env, ref, true)
			if err == nil {
				_ = env.Secrets.Add(value)
			} else if errors.Is(err, errNoAnswer) {
				mu.Lock()
				late = append(late, fmt.Sprintf("the secret %q cannot be had now: %v", name, err))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(late)
	for _, l := range late {
		env.say("%s", l)
	}
}

// resolve is the secret itself.
func (t *tables) resolve(env *Env, ref secretRef) (string, error) { return t.find(env, ref, false) }

// find is the secret; with regular, not one in a file that is a pipe.
func (t *tables) find(env *Env, ref secretRef, regular bool) (string, error) {
	switch {
	case ref.Env != "":
		v, ok := env.lookup(ref.Env)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set", ref.Env)
		}
		return withoutLineEnd(v), nil
	case ref.File != "":
		return env.secretFiles.read(secretFile{t.path(env, ref.File), regular})
	}
	return ref.Value, nil
}

// withoutLineEnd is a secret as it is meant: files have a line end, and variables that were
// set from one.
func withoutLineEnd(secret string) string { return strings.TrimRight(secret, "\r\n") }
