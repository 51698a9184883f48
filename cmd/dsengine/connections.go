package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/mysqlstore"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// connections are the other databases that scripts reach by a name. Each is
// opened when a script first asks for it.
type connections struct {
	env *Env
	g   *globals
	log *slog.Logger

	mu   sync.Mutex
	open map[connectionKey]engine.Connection
}

type connectionKey struct {
	name     string
	readOnly bool
}

var _ hostlib.Connector = (*connections)(nil)

// Connect gives a connection: of the environment's DSENGINE_CONNECTION_NAME,
// else of the file of settings.
func (c *connections) Connect(ctx context.Context, name string, readOnly bool) (engine.Connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := connectionKey{name, readOnly}
	if conn := c.open[key]; conn != nil {
		return conn, nil
	}
	url, err := c.url(name)
	if err != nil {
		return nil, err
	}
	conn, err := c.dial(ctx, url, readOnly)
	if err != nil {
		var e *engine.Error
		if errors.As(err, &e) && e.Code == engine.CodeUsage {
			return nil, usage("connection %q: %v", name, err)
		}
		return nil, engine.Wrapf(engine.CodeOf(err), err, "connection %q", name)
	}
	if c.open == nil {
		c.open = map[connectionKey]engine.Connection{}
	}
	c.open[key] = conn
	return conn, nil
}

// Close closes them all.
func (c *connections) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}

var notInVariables = regexp.MustCompile(`[^A-Z0-9_]`)

func (c *connections) url(name string) (string, error) {
	variable := "DSENGINE_CONNECTION_" + notInVariables.ReplaceAllString(strings.ToUpper(name), "_")
	if url, ok := c.env.lookup(variable); ok {
		return url, nil
	}
	if t, ok := c.g.tables.Connections[name]; ok {
		return besideConfig(c.g.tables.file, "db", t.URL), nil
	}
	return "", usage("there is no connection %q%s", name, hostlib.Suggest(name, slices.Sorted(maps.Keys(c.g.tables.Connections)))).
		WithHint("write [connections.%s] url = \"...\" into %s, or set %s", name, defaultConfig, variable)
}

func (c *connections) dial(ctx context.Context, url string, readOnly bool) (engine.Connection, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "mysql":
		return dialled(mysqlstore.Connect(ctx, url, readOnly, mysqlstore.Options{Prefix: c.g.Prefix, Clock: c.env.Clock, Logger: c.log}))
	case "sqlite":
		if rest != "" {
			if rest = c.env.path(rest); c.isJobDatabase(rest) {
				return nil, usage("it is the job database itself, which db reaches: two transactions of one hook would wait for each other")
			}
		}
		return dialled(sqlitestore.Connect(ctx, "sqlite:"+rest, readOnly, sqlitestore.Options{Prefix: c.g.Prefix, Clock: c.env.Clock, Logger: c.log}))
	}
	return nil, usage("no database is known by the URL %q", shownURL(url)).
		WithHint("write it like sqlite:PATH or mysql://user:password@host:3306/name")
}

// dialled keeps a nil pointer from becoming a Connection that is not nil.
func dialled[C engine.Connection](conn C, err error) (engine.Connection, error) {
	if err != nil {
		return nil, err
	}
	return conn, nil
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
