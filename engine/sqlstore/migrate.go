package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing/fstest"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"github.com/dsengine/dsengine/engine"
)

// Migrations are a store package's tables, version by version.
type Migrations struct {
	Files   fs.FS // migrations/00001_name.sql, ...
	Dialect goose.Dialect
	DB      *sql.DB
	Lock    func(ctx context.Context) lock.SessionLocker // nil: none is needed
	Replace *strings.Replacer                            // for prefix and collation
}

// provider prepares the migrations, with the prefix in place.
func (s *Store) provider(m Migrations) (*goose.Provider, error) {
	files := fstest.MapFS{}
	paths, err := fs.Glob(m.Files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		b, err := fs.ReadFile(m.Files, p)
		if err != nil {
			return nil, err
		}
		files[path.Base(p)] = &fstest.MapFile{Data: []byte(m.Replace.Replace(string(b)))}
	}
	return goose.NewProvider(m.Dialect, m.DB, files, goose.WithDisableGlobalRegistry(true), goose.WithTableName(s.migrationTable()),
		goose.WithAllowOutofOrder(true))
}

// Script is what the migrations do, one after the other, for a database that has
// none of the tables. It notes no versions.
func (s *Store) Script(m Migrations) (string, error) {
	paths, err := fs.Glob(m.Files, "migrations/*.sql")
	if err != nil {
		return "", err
	}
	var script strings.Builder
	for _, p := range paths {
		b, err := fs.ReadFile(m.Files, p)
		if err != nil {
			return "", err
		}
		up, _, _ := strings.Cut(string(b), "-- +goose Down")
		script.WriteString(m.Replace.Replace(up))
	}
	return script.String(), nil
}

func (s *Store) migrationTable() string { return orElse(s.Prefix, DefaultPrefix) + "migrations" }

// Migrate brings the tables to this program's version; a newer schema is
// CodeSchema. Versions are kept in the table ds_migrations.
func (s *Store) Migrate(ctx context.Context, m Migrations) (done engine.Migration, err error) {
	current, target, err := s.SchemaVersion(ctx, m)
	if err != nil {
		return done, err
	}
	done.From, done.To = current, target
	if current > target {
		return done, s.newer(ctx, m, current)
	}
	if current == target {
		return done, nil
	}
	unlock, err := s.lockMigrations(ctx, m)
	if err != nil {
		return done, err
	}
	defer unlock()
	p, err := s.provider(m)
	if err != nil {
		return done, err
	}
	results, err := p.Up(ctx)
	if err != nil {
		return done, s.wrap(fmt.Errorf("make the tables: %w", err), "migrate")
	}
	for _, r := range results {
		name := strings.TrimSuffix(path.Base(r.Source.Path), ".sql")
		done.Applied = append(done.Applied, name)
		if _, err := m.DB.ExecContext(ctx, s.SQL("INSERT INTO ds_schema (version, name) VALUES (?, ?)"+s.D.Upsert("version", "name = VALUES(name)")), r.Source.Version, name); err != nil {
			return done, s.wrap(err, "note the version of the tables")
		}
	}
	return done, nil
}

// lockMigrations waits for other processes that make the tables. The library's
// own use of the lock is not enough: it makes its table of versions before it
// takes the lock, and cannot go on from one that a killed process left empty.
func (s *Store) lockMigrations(ctx context.Context, m Migrations) (unlock func(), err error) {
	if m.Lock == nil {
		return func() {}, nil
	}
	c, err := m.DB.Conn(ctx)
	if err != nil {
		return nil, s.wrap(err, "lock the tables' versions")
	}
	locker := m.Lock(ctx)
	if err := locker.SessionLock(ctx, c); err != nil {
		c.Close()
		return nil, s.wrap(err, "lock the tables' versions")
	}
	unlock = func() {
		if err := locker.SessionUnlock(context.WithoutCancel(ctx), c); err != nil {
			c.Raw(func(any) error { return driver.ErrBadConn }) // the lock goes with the connection
		}
		c.Close()
	}
	versions, err := database.NewStore(database.Dialect(m.Dialect), s.migrationTable())
	if err == nil {
		_, err = versions.GetLatestVersion(ctx, c)
		if errors.Is(err, database.ErrVersionNotFound) {
			err = versions.Insert(ctx, c, database.InsertRequest{Version: 0})
		} else if err != nil && s.D.Class(err) == ClassNoTable {
			err = nil
		}
	}
	if err != nil {
		unlock()
		return nil, s.wrap(err, "read the version of the tables")
	}
	return unlock, nil
}

// newer says that the tables are of a version that this program does not know.
func (s *Store) newer(ctx context.Context, m Migrations, current int64) error {
	var name string
	if err := m.DB.QueryRowContext(ctx, s.SQL("SELECT name FROM ds_schema WHERE version = ?"), current).Scan(&name); err != nil {
		name = fmt.Sprint(current)
	}
	files, err := fs.Glob(m.Files, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		return fmt.Errorf("list the versions: %v", err)
	}
	known := strings.TrimSuffix(path.Base(files[len(files)-1]), ".sql")
	return engine.Errorf(engine.CodeSchema, "the database has version %s of the tables, which this program does not know: the newest that it knows is %s", name, known).
		WithHint("a newer dsengine has been here: run that version, or a newer one")
}

// CheckSchema says whether the tables are there and of this program's version.
func (s *Store) CheckSchema(ctx context.Context, m Migrations) error {
	current, target, err := s.SchemaVersion(ctx, m)
	switch {
	case err != nil:
		return err
	case current > target:
		return s.newer(ctx, m, current)
	case current == 0:
		return engine.Errorf(engine.CodeEmpty, "the database has no tables of dsengine yet").WithHint("dsengine run, enqueue or migrate makes them")
	case current < target:
		return engine.Errorf(engine.CodeSchema, "the database has version %d of the tables, and this program needs version %d", current, target).WithHint("run: dsengine migrate")
	}
	return nil
}

// DescribeTables has a report say of which version the tables are. That this program
// does not know them is a line of it, and no error.
func (s *Store) DescribeTables(ctx context.Context, m Migrations, r *engine.Report) (err error) {
	switch r.Schema, r.Known, err = s.SchemaVersion(ctx, m); {
	case engine.CodeOf(err) == engine.CodeSchema:
		r.Checks = append(r.Checks, engine.Check{Name: "tables", Value: err.Error(), Hint: engine.HintOf(err)})
		return nil
	case err != nil:
		return err
	}
	r.CheckTables()
	return nil
}

// SchemaVersion is the version of the tables (0: there are none) and the one
// that this program makes. Where one was left out, because its number is below one
// that was there first, the version is the one before it, and Migrate catches up.
// CodeSchema: there is one that this program does not know, numbered below its
// newest; that is the version then. It writes nothing.
func (s *Store) SchemaVersion(ctx context.Context, m Migrations) (current, target int64, err error) {
	p, err := s.provider(m)
	if err != nil {
		return 0, 0, err
	}
	sources := p.ListSources()
	for _, src := range sources {
		target = max(target, src.Version)
	}
	store, err := database.NewStore(database.Dialect(m.Dialect), s.migrationTable())
	if err != nil {
		return 0, 0, err
	}
	list, err := store.ListMigrations(ctx, m.DB)
	if err != nil {
		if s.D.Class(err) == ClassNoTable {
			return 0, target, nil
		}
		return 0, target, s.wrap(err, "read the version of the tables")
	}
	newest, there := int64(0), map[int64]bool{}
	for _, x := range list {
		newest, there[x.Version] = max(newest, x.Version), true
	}
	if newest > target {
		return newest, target, nil
	}
	known := map[int64]bool{0: true} // 0 is the library's own
	for _, src := range sources {
		known[src.Version] = true
	}
	for _, x := range list { // one that came between ours is as foreign as one after them
		if !known[x.Version] && x.IsApplied {
			return x.Version, target, s.newer(ctx, m, x.Version)
		}
	}
	for _, src := range sources { // ascending
		if !there[src.Version] {
			break
		}
		current = src.Version
	}
	return current, target, nil
}
