package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// needs looks whether what scripts need is configured: secrets, connections, servers of
// files with their keys, stores of objects, mail. Globs say nothing of names, and are
// left out; nothing is connected to.
func (d *diagnosis) needs(env *Env, g *globals, s *scripts) {
	checked, missing := 0, 0
	for _, t := range s.Types {
		told := map[string]bool{}
		for _, need := range t.Settings.Needs {
			for _, line := range ofInstances(need, t) {
				kind, name, _ := strings.Cut(line, ":")
				look := needLooks[kind]
				if kind == "mail" {
					line, name = kind, "" // to whomever
				}
				if look == nil || told[line] || strings.ContainsAny(name, `*?[{\`) {
					continue
				}
				told[line] = true
				checked++
				if err := look(env, g, s, strings.TrimSuffix(name, ":write")); err != nil {
					missing++
					d.check("needs of "+t.Name, fmt.Sprintf("%s: %v", line, err), false, engine.HintOf(err))
				}
			}
		}
	}
	if checked > 0 && missing == 0 {
		d.check("needs", "the secrets, connections and servers that scripts need are configured", true, "")
	}
}

// ofInstances is a line of needs for each instance of a type: as it is, if it names none.
func ofInstances(line string, t *engine.Type) []string {
	const instance = "{instance}"
	if !strings.Contains(line, instance) {
		return []string{line}
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(t.Settings.Instances)) {
		list = append(list, strings.ReplaceAll(line, instance, name))
	}
	return list // none where a variable holds the instances
}

// needLooks say, by kinds of needs, whether what has a name is configured.
var needLooks = map[string]func(env *Env, g *globals, s *scripts, name string) error{
	"secret": func(env *Env, g *globals, _ *scripts, name string) error {
		_, err := g.tables.secretSource(env)(name)
		return g.placed(err, "secrets."+name)
	},
	"db": func(_ *Env, _ *globals, s *scripts, name string) error {
		return s.others.looks(name, "mysql", "sqlite")
	},
	"sftp": func(env *Env, g *globals, s *scripts, name string) error {
		return remoteLooks(env, g, s, name, "sftp")
	},
	"ftp": func(env *Env, g *globals, s *scripts, name string) error {
		return remoteLooks(env, g, s, name, "ftp", "ftps")
	},
	"s3": func(env *Env, g *globals, _ *scripts, name string) error {
		_, err := s3Source(env, g)(name)
		return g.placed(err, "[s3."+name+"]")
	},
	"mail": func(env *Env, g *globals, _ *scripts, _ string) error {
		m := mailOf(env, g)
		switch {
		case m == nil:
			return usage("nobody has said how mail is sent").WithHint("write [mail] host = \"smtp.example.com\", from = \"...\" into %s, or set DSENGINE_MAIL_HOST", defaultConfig)
		case m.Password == nil:
			return nil
		}
		_, err := m.Password()
		return g.placed(err, "mail.password")
	},
}

// looks says whether a connection is configured, by a URL of one of the schemes.
func (c *connections) looks(name string, schemes ...string) error {
	url, err := c.url(name)
	if err != nil {
		return err
	}
	if scheme, _, _ := strings.Cut(url, ":"); !slices.Contains(schemes, scheme) {
		return usage("its url %q does not begin with %s:", shownURL(url), strings.Join(schemes, ": or ")).WithHint("set the url of [connections.%s] in %s", name, defaultConfig)
	}
	return nil
}

// remoteLooks says whether a server of files is configured, and whether its password
// and its key can be had.
func remoteLooks(env *Env, g *globals, s *scripts, name string, schemes ...string) error {
	if err := s.others.looks(name, schemes...); err != nil {
		if name == "localhost" || strings.ContainsAny(name, ".:") { // a host, whose address the script has
			return nil
		}
		return err
	}
	r, err := s.others.Remote(name)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		get  func() (string, error)
	}{{"password", r.Password}, {"key", r.Key}, {"passphrase", r.Passphrase}} {
		if part.get == nil {
			continue
		}
		if _, err := part.get(); err != nil {
			return g.placed(err, "connections."+name+"."+part.name)
		}
	}
	if r.KnownHosts != "" {
		if _, err := os.Stat(r.KnownHosts); err != nil {
			return g.placed(err, "connections."+name+".known_hosts")
		}
	}
	return nil
}

// placed is an error with the place in the file of settings at which it is to be
// mended, if it does not say what to do itself.
func (g *globals) placed(err error, where string) error {
	if err == nil || engine.HintOf(err) != "" {
		return err
	}
	var at *fs.PathError
	if errors.As(err, &at) && errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no file %s", at.Path)
	}
	if !strings.HasPrefix(where, "[") {
		err = fmt.Errorf("%s cannot be had: %w", where, err)
	}
	file := g.Config
	if file == "" {
		file = defaultConfig
	}
	return usage("%v", err).WithHint("set %s in %s", where, file)
}
