package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
)

// lookLimit is how long a database may take to let the doctor in.
const lookLimit = 5 * time.Second

// needs looks whether what scripts need is configured: secrets, connections, servers of
// files with their keys, stores of objects, mail. Globs say nothing of names, and are
// left out. Databases are connected to, all at once, and nothing else is.
func (d *diagnosis) needs(ctx context.Context, env *Env, g *globals, s *scripts) {
	type looked struct {
		name, line string
		err        error
	}
	var all []*looked
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
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
				l := &looked{name: t.Name, line: line}
				all = append(all, l)
				wg.Go(func() {
					name, writes := strings.CutSuffix(name, ":write")
					l.err = look(ctx, env, g, s, name, writes)
				})
			}
		}
	}
	wg.Wait()
	missing := 0
	for _, l := range all {
		if l.err != nil {
			missing++
			d.check("needs of "+l.name, fmt.Sprintf("%s: %v", l.line, l.err), false, engine.HintOf(l.err))
		}
	}
	if len(all) > 0 && missing == 0 {
		d.check("needs", "the secrets, connections and servers that scripts need are configured, and the databases can be reached", true, "")
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
var needLooks = map[string]func(ctx context.Context, env *Env, g *globals, s *scripts, name string, writes bool) error{
	"secret": func(_ context.Context, env *Env, g *globals, _ *scripts, name string, _ bool) error {
		_, err := g.tables.secretSource(env)(name)
		return g.placed(err, "secrets."+name)
	},
	"db": func(ctx context.Context, _ *Env, _ *globals, s *scripts, name string, writes bool) error {
		if err := s.others.looks(name, "mysql", "sqlite"); err != nil {
			return err
		}
		return s.others.reaches(ctx, name, writes)
	},
	"sftp": func(_ context.Context, env *Env, g *globals, s *scripts, name string, _ bool) error {
		return remoteLooks(env, g, s, name, "sftp")
	},
	"ftp": func(_ context.Context, env *Env, g *globals, s *scripts, name string, _ bool) error {
		return remoteLooks(env, g, s, name, "ftp", "ftps")
	},
	"s3": func(_ context.Context, env *Env, g *globals, _ *scripts, name string, _ bool) error {
		_, err := s3Source(env, g)(name)
		return g.placed(err, "[s3."+name+"]")
	},
	"mail": func(_ context.Context, env *Env, g *globals, _ *scripts, _ string, _ bool) error {
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

// reaches says whether a database lets us in now. A file that is not there is made by the
// script that writes to it, not here.
func (c *connections) reaches(ctx context.Context, name string, writes bool) error {
	if url, err := c.url(name); err == nil && writes {
		if file, ok := strings.CutPrefix(url, "sqlite:"); ok && file != "" {
			if _, err := os.Stat(c.env.path(file)); errors.Is(err, fs.ErrNotExist) {
				return sqlitestore.CheckURL("sqlite:" + c.env.path(file))
			}
		}
	}
	conn, err := c.openApart(ctx, "", name, true)
	if err != nil {
		return err
	}
	return conn.Close()
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
