package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/mysqlstore"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// connections are the other databases and the servers of files that scripts
// reach by a name. A database is opened when a script first asks for it.
type connections struct {
	env *Env
	g   *globals
	log *slog.Logger

	mu   sync.Mutex
	open map[connectionKey]*opening
}

// opening is a connection that is open, or about to be.
type opening struct {
	stop context.CancelFunc
	done chan struct{} // closed when what follows is known
	conn engine.Connection
	err  error
}

type connectionKey struct {
	name     string
	readOnly bool
}

var _ hostlib.Connector = (*connections)(nil)

// Connect gives a connection: of the environment's DSENGINE_CONNECTION_NAME,
// else of the file of settings. Whoever waits for one that is being opened waits
// for no other, and not for longer than ctx.
func (c *connections) Connect(ctx context.Context, name string, readOnly bool) (engine.Connection, error) {
	o := c.opening(ctx, connectionKey{name, readOnly})
	select {
	case <-o.done:
		return o.conn, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// opening begins to open a connection, unless it is open. That goes on when the first
// who asked for it has left: others wait for it too.
func (c *connections) opening(ctx context.Context, key connectionKey) *opening {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.open[key]; o != nil {
		return o
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	o := &opening{stop: stop, done: make(chan struct{})}
	if c.open == nil {
		c.open = map[connectionKey]*opening{}
	}
	c.open[key] = o
	go func() {
		defer close(o.done)
		defer stop()
		if o.conn, o.err = c.openApart(ctx, "", key.name, key.readOnly); o.err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.open[key] == o {
				delete(c.open, key)
			}
		}
	}()
	return o
}

// openApart opens a connection for its caller alone. With dir, a file that would be
// written to is copied there, and the copy is opened.
func (c *connections) openApart(ctx context.Context, dir, name string, readOnly bool) (engine.Connection, error) {
	url, err := c.url(name)
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(ctx, url, dir, readOnly)
	if err != nil {
		var e *engine.Error
		if errors.As(err, &e) && e.Code == engine.CodeUsage {
			wrong := usage("connection %q: %v", name, err)
			if hint := engine.HintOf(err); hint != "" {
				wrong = wrong.WithHint("%s", hint)
			}
			return nil, wrong
		}
		wrong := engine.Wrapf(engine.CodeOf(err), err, "connection %q", name)
		if hint := engine.HintOf(err); hint != "" { // it tells of the job database's
			own := fmt.Sprintf("connections.%s.url or %s", name, connectionVariable(name))
			wrong = wrong.WithHint("%s", strings.ReplaceAll(hint, "--db or DSENGINE_DB", own))
		}
		return nil, wrong
	}
	return conn, nil
}

// Close closes them all.
func (c *connections) Close() {
	c.mu.Lock()
	all := c.open
	c.open = nil
	c.mu.Unlock()
	for _, o := range all {
		o.stop()
		if <-o.done; o.conn != nil {
			o.conn.Close()
		}
	}
}

var notInVariables = regexp.MustCompile(`[^A-Z0-9_]`)

// connectionPrefix begins the variables of the environment that have URLs of connections.
const connectionPrefix = "DSENGINE_CONNECTION_"

// connectionVariable is the variable of the environment that has a connection's URL.
func connectionVariable(name string) string {
	return connectionPrefix + notInVariables.ReplaceAllString(strings.ToUpper(name), "_")
}

// connectionURLs are those of all connections.
func connectionURLs(env *Env, g *globals) (urls []string) {
	for _, v := range env.Environ() {
		if name, url, _ := strings.Cut(v, "="); strings.HasPrefix(name, connectionPrefix) {
			urls = append(urls, url)
		}
	}
	for _, t := range g.tables.Connections {
		urls = append(urls, besideConfig(g.tables.file, "db", t.URL))
	}
	return urls
}

func (c *connections) url(name string) (string, error) {
	variable := connectionVariable(name)
	if url, ok := c.env.lookup(variable); ok {
		return url, nil
	}
	if t, ok := c.g.tables.Connections[name]; ok {
		return besideConfig(c.g.tables.file, "db", t.URL), nil
	}
	return "", usage("there is no connection %q%s", name, hostlib.Suggest(name, slices.Sorted(maps.Keys(c.g.tables.Connections)))).
		WithHint("write [connections.%s] url = \"...\" into %s, or set %s", name, defaultConfig, variable)
}

func (c *connections) dial(ctx context.Context, url, dir string, readOnly bool) (engine.Connection, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "mysql":
		conn, err := mysqlstore.Connect(ctx, url, readOnly, mysqlstore.Options{Prefix: c.g.Prefix, Clock: c.env.Clock, Logger: c.log})
		if err == nil && conn.Reaches(ctx, c.g.DB) {
			conn.Close()
			return nil, errJobDatabase()
		}
		return dialled(conn, err)
	case "sqlite":
		if rest != "" {
			if rest = c.env.path(rest); c.isJobDatabase(rest) {
				return nil, errJobDatabase()
			}
		}
		if dir != "" && !readOnly {
			var err error
			if rest, err = sqlitestore.Snapshot(ctx, "sqlite:"+rest, dir); err != nil {
				return nil, err
			}
		}
		return dialled(sqlitestore.Connect(ctx, "sqlite:"+rest, readOnly, sqlitestore.Options{Prefix: c.g.Prefix, Clock: c.env.Clock, Logger: c.log}))
	}
	err := usage("no database is known by the URL %q", shownURL(url))
	if module := strings.TrimSuffix(scheme, "s"); module == "sftp" || module == "ftp" {
		return nil, err.WithHint("it is a server of files: use %s.connect", module)
	}
	return nil, err.WithHint("write it like sqlite:PATH or mysql://user:password@host:3306/name")
}

// Remote is how a server of files is reached: by the environment's
// DSENGINE_CONNECTION_NAME, and what else the file of settings says of it.
func (c *connections) Remote(name string) (*hostlib.Remote, error) {
	url, err := c.url(name)
	if err != nil {
		return nil, err
	}
	t := c.g.tables.Connections[name]
	r := &hostlib.Remote{URL: url, Fingerprint: t.Fingerprint, TLS: t.TLS}
	for ref, to := range map[*secretRef]*func() (string, error){&t.Password: &r.Password, &t.Key: &r.Key, &t.Passphrase: &r.Passphrase} {
		if *ref != (secretRef{}) {
			*to = func() (string, error) { return c.g.tables.resolve(c.env, *ref) }
		}
	}
	if t.KnownHosts != "" {
		r.KnownHosts = c.g.tables.path(c.env, t.KnownHosts)
	}
	return r, nil
}

// knownHosts are the files in which OpenSSH keeps the host keys of servers.
func knownHosts(env *Env) []string {
	files := []string{"/etc/ssh/ssh_known_hosts"}
	for _, variable := range []string{"HOME", "USERPROFILE"} {
		if home, ok := env.lookup(variable); ok && home != "" {
			return append(files, filepath.Join(home, ".ssh", "known_hosts"))
		}
	}
	return files
}

// dialled keeps a nil pointer from becoming a Connection that is not nil.
func dialled[C engine.Connection](conn C, err error) (engine.Connection, error) {
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// errJobDatabase refuses a connection to the database that has the jobs.
func errJobDatabase() error {
	return usage("it is the job database itself, which db reaches: two transactions of one hook would wait for each other")
}

// isJobDatabase says whether a file is that of --db.
func (c *connections) isJobDatabase(file string) bool {
	own, ok := strings.CutPrefix(c.g.DB, "sqlite:")
	if !ok {
		return false
	}
	a, err := os.Stat(c.env.path(own))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	b, berr := os.Stat(file)
	return err == nil && berr == nil && os.SameFile(a, b)
}
