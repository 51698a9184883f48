package scripttest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// database is a job database that worlds use one after the other.
type database interface {
	engine.Store
	// Session is a session of a test itself.
	Session(o engine.SessionOptions) engine.Joined
	// Quote writes a name so that it can be used in SQL.
	Quote(name string) string
	maker
	// Tables names the tables that scripts and tests have made.
	Tables(ctx context.Context) ([]string, error)
	// KeptRecords tells in a line each what is known of the rows of sources.
	KeptRecords(ctx context.Context) ([]string, error)
	// Keep has Reset keep the job types that are registered now.
	Keep(ctx context.Context) error
	// Reset makes the database as new; its error says that it cannot.
	Reset(ctx context.Context) error
}

// connection is a database that scripts reach by a name.
type connection interface {
	engine.Connection
	// Quote writes a name so that it can be used in SQL.
	Quote(name string) string
	maker
	// Tables names the tables there.
	Tables(ctx context.Context) ([]string, error)
}

// maker runs statements that make or change tables; false if one is another.
type maker interface {
	Make(ctx context.Context, query string) (made bool, err error)
}

// site is where grounds have their databases.
type site interface {
	// open makes a job database, with the engine's tables.
	open(ctx context.Context, g *ground) (database, error)
	// connect opens a database that scripts reach by a name, and makes it if it is
	// not there and not for reading only.
	connect(ctx context.Context, g *ground, name string, readOnly bool) (connection, error)
	// forget drops those databases; nothing has them open.
	forget(ctx context.Context, g *ground) error
	// drop closes a job database and drops it.
	drop(ctx context.Context, db database) error
}

// ground is what worlds stand on, one after the other: a job database, a clock and
// a folder, as new for each. It belongs to one goroutine.
type ground struct {
	site    site
	scripts []Script // all of the folder: the tested one may make jobs of the others
	clock   *clock
	log     *lines
	dir     *sqlitestore.Folder // nil until something needs it
	db      database            // nil until something needs it
	store   *made               // it, as engines see it
	named   bool                // databases were made that scripts reach by a name
	used    bool                // a world stood on it
}

func newGround(s site, scripts []Script) *ground {
	return &ground{site: s, scripts: scripts, clock: newClock(), log: &lines{}}
}

// place makes the ground's folder, if it is not there. What scripts see of it is the
// folder files.
func (g *ground) place(ctx context.Context) error {
	if g.dir != nil {
		return nil
	}
	dir, err := sqlitestore.NewFolder(ctx, memory(), "dsengine-test-")
	if err != nil {
		return err
	}
	g.dir = dir
	return os.Mkdir(g.files(), 0o700)
}

func (g *ground) files() string { return filepath.Join(g.dir.Path, "files") }

// open is the job database, in which all types are registered.
func (g *ground) open(ctx context.Context) (database, error) {
	if g.db != nil {
		return g.db, nil
	}
	if err := g.place(ctx); err != nil {
		return nil, err
	}
	db, err := g.site.open(ctx, g)
	if err != nil {
		return nil, fmt.Errorf("make a database for tests: %w", err)
	}
	var types []*engine.Type
	for _, s := range g.scripts {
		types = append(types, s.Type(&hostlib.Host{}))
	}
	store := &made{Store: db}
	eng, err := engine.Open(ctx, store, engine.Options{Clock: g.clock, ReadOnly: true})
	if err == nil {
		_, err = eng.RegisterTypes(ctx, types...)
	}
	if err == nil {
		err = db.Keep(ctx)
	}
	if err == nil {
		err = store.keep(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, g.site.drop(context.WithoutCancel(ctx), db))
	}
	g.db, g.store = db, store
	return db, nil
}

// made is a database whose tables this program has made just now, and whose job
// types it has registered: both are asked for by each world, and are the same.
type made struct {
	engine.Store
	types []engine.TypeRecord // as they were registered
	more  bool                // others were, since the last reset

	counted map[engine.JobID]engine.Stats // what tests say that a job has counted before
}

// keep remembers the types that are registered now.
func (m *made) keep(ctx context.Context) (err error) {
	m.types, err = m.Store.Types(ctx)
	return err
}

// CheckSchema has nothing to find out.
func (*made) CheckSchema(context.Context) error { return nil }

// Types are the types, without their counts: engines look up what they are.
func (m *made) Types(ctx context.Context) ([]engine.TypeRecord, error) {
	if m.types == nil || m.more {
		return m.Store.Types(ctx)
	}
	return slices.Clone(m.types), nil
}

// SaveTypes registers types, where they are not registered just so.
func (m *made) SaveTypes(ctx context.Context, types []engine.TypeRecord) (map[string]engine.TypeID, error) {
	ids := map[string]engine.TypeID{}
	for i := range types {
		t := &types[i]
		k := slices.IndexFunc(m.types, func(x engine.TypeRecord) bool {
			return x.Name == t.Name && (t.Hooks == 0 || x.Doc == t.Doc && x.Version == t.Version && x.Hooks == t.Hooks &&
				x.Priority == t.Priority && x.MaxAttempts == t.MaxAttempts && maps.Equal(x.Keep, t.Keep))
		})
		if k < 0 {
			if m.more = true; slices.ContainsFunc(m.types, func(x engine.TypeRecord) bool { return x.Name == t.Name }) {
				m.types = nil // it is another one from now on
			}
			return m.Store.SaveTypes(ctx, types)
		}
		ids[t.Name] = m.types[k].ID
	}
	return ids, nil
}

// SavedStats are what a job has counted, with what the test says that it had before.
func (m *made) SavedStats(ctx context.Context, id engine.JobID) (engine.Stats, error) {
	s, err := m.Store.SavedStats(ctx, id)
	return s.Plus(m.counted[id]), err
}

// CommittedRejects are a job's, in the same way.
func (m *made) CommittedRejects(ctx context.Context, id engine.JobID, phase engine.Phase) (engine.CommittedRejects, error) {
	c, err := m.Store.CommittedRejects(ctx, id, phase)
	c.Standing += m.counted[id]["rejected"]
	return c, err
}

// reset makes the ground as new for the next world. Its error says that it cannot.
func (g *ground) reset(ctx context.Context) error {
	g.clock.reset()
	g.log.reset()
	if g.named {
		if err := g.site.forget(ctx, g); err != nil {
			return err
		}
		g.named = false
	}
	if g.dir != nil {
		left, err := os.ReadDir(g.files())
		if err == nil && len(left) > 0 {
			if err = os.RemoveAll(g.files()); err == nil {
				err = os.Mkdir(g.files(), 0o700)
			}
		}
		if err != nil {
			return err
		}
	}
	if g.db == nil {
		return nil
	}
	g.store.more, g.store.counted = false, nil
	return g.db.Reset(ctx)
}

// close gives the ground up.
func (g *ground) close(ctx context.Context) error {
	var errs []error
	if g.named {
		errs = append(errs, g.site.forget(ctx, g))
	}
	if g.db != nil {
		errs = append(errs, g.site.drop(ctx, g.db))
	}
	if g.dir != nil {
		errs = append(errs, g.dir.Remove())
	}
	return errors.Join(errs...)
}

// files has the job databases in memory, and those that scripts reach by a name in
// files, in the grounds' folders.
type files struct{}

func (files) open(ctx context.Context, g *ground) (database, error) {
	s, err := sqlitestore.OpenScratch(ctx, sqlitestore.Options{Clock: g.clock, Logger: slog.New(g.log)})
	if err != nil {
		return nil, err
	}
	return s, nil
}

const namedPrefix = "connection-"

func (files) connect(ctx context.Context, g *ground, name string, readOnly bool) (connection, error) {
	file := filepath.Join(g.dir.Path, namedPrefix+path.Base(name)+".db")
	if _, err := os.Stat(file); readOnly && err != nil {
		return nil, noConnection(name)
	}
	c, err := sqlitestore.Connect(ctx, file, readOnly, sqlitestore.Options{Clock: g.clock})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// noConnection says that a database is read that the test has not made.
func noConnection(name string) error {
	return engine.Errorf(engine.CodeUsage, "the test has made no database %q", name).WithHint("make its tables by t.connection(%q).exec(...)", name)
}

func (files) forget(_ context.Context, g *ground) error {
	list, err := os.ReadDir(g.dir.Path)
	for _, e := range list {
		if strings.HasPrefix(e.Name(), namedPrefix) {
			err = errors.Join(err, os.Remove(filepath.Join(g.dir.Path, e.Name())))
		}
	}
	return err
}

// What is in memory goes with it, the files with the folder.
func (files) drop(_ context.Context, db database) error { return db.Close() }

// memory is a folder in memory, where the system has one; "" for the usual
// folder for temporary files.
func memory() string {
	const shm = "/dev/shm"
	if f, err := os.CreateTemp(shm, "dsengine-probe-"); err == nil {
		f.Close()
		os.Remove(f.Name())
		return shm
	}
	return ""
}
