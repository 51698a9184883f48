package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/mysqlstore"
	"github.com/dsengine/dsengine/engine/sqlitestore"
)

// access says what a command does with the database.
type access int

const (
	toLook   access = iota // it changes nothing
	toChange               // it changes what is there
	toMake                 // it makes what is missing
)

// openStore opens the database of --db, without looking at its tables.
func openStore(ctx context.Context, env *Env, g *globals, log *slog.Logger, to access, lease time.Duration) (engine.Store, error) {
	switch scheme, rest, _ := strings.Cut(g.DB, ":"); scheme {
	case "mysql":
		s, err := mysqlstore.Open(ctx, g.DB, mysqlstore.Options{Prefix: g.Prefix, Lease: lease, Clock: env.Clock, Logger: log})
		return opened(s, badURL(g, err))
	case "sqlite":
		file, err := sqliteFile(env, g, rest)
		if err != nil {
			return nil, badURL(g, err)
		}
		if _, err := os.Stat(file); to != toMake && file != "" && errors.Is(err, fs.ErrNotExist) {
			return nil, engine.Wrapf(engine.CodeUnreachable, errNoFile, "there is no database file %s", rest).
				WithHint("dsengine run makes it; another database is named with --db or DSENGINE_DB")
		}
		s, err := sqlitestore.Open(ctx, "sqlite:"+file, sqlitestore.Options{Prefix: g.Prefix, Clock: env.Clock, Logger: log, ReadOnly: to == toLook})
		return opened(s, badURL(g, err))
	}
	return nil, unknownURL(env, g)
}

// checkURL says what is wrong with --db, as far as it tells by itself.
func checkURL(env *Env, g *globals) error {
	switch scheme, rest, _ := strings.Cut(g.DB, ":"); scheme {
	case "mysql":
		return badURL(g, mysqlstore.CheckURL(g.DB))
	case "sqlite":
		file, err := sqliteFile(env, g, rest)
		if err == nil {
			err = sqlitestore.CheckURL("sqlite:" + file)
		}
		return badURL(g, err)
	}
	return unknownURL(env, g)
}

// sqliteFile is the file that a URL names behind sqlite:, or "".
func sqliteFile(env *Env, g *globals, rest string) (string, error) {
	if name, ok := strings.CutPrefix(rest, "//"); ok && !strings.HasPrefix(name, "/") {
		return "", usage("%q does not name a file", shownURL(g.DB)).WithHint("write it without //: sqlite:%s", name)
	}
	if rest == "" {
		return "", nil
	}
	return env.path(rest), nil
}

func unknownURL(env *Env, g *globals) error {
	return badURL(g, usage("no database is known by the URL %q", shownURL(g.DB)).
		WithHint("%s", schemeHint(env, g.DB)))
}

// schemeHint says how a URL is written that begins otherwise than ours do.
func schemeHint(env *Env, url string) string {
	const forms = "write it like sqlite:PATH or mysql://user:password@host:3306/name"
	scheme, rest, found := strings.Cut(url, ":")
	scheme = strings.ToLower(scheme)
	if info, err := os.Stat(env.path(url)); err == nil && !info.IsDir() || !found && slices.Contains([]string{".db", ".sqlite", ".sqlite3"}, filepath.Ext(url)) {
		return fmt.Sprintf("a file is named so: sqlite:%s", url)
	}
	family, _, _ := strings.Cut(scheme, "+") // as in mysql+pymysql
	switch {
	case family == "mysql" || family == "mariadb":
		if strings.HasPrefix(rest, "//") {
			_, shown, _ := strings.Cut(shownURL(url), ":")
			return fmt.Sprintf("MariaDB and MySQL are named so: mysql:%s", shown)
		}
	case family == "sqlite" || family == "sqlite3" || family == "file":
		return fmt.Sprintf("a file is named so: sqlite:%s", strings.TrimPrefix(rest, "//"))
	case slices.Contains([]string{"postgres", "postgresql", "pgx", "sqlserver", "mssql", "oracle", "mongodb", "redis"}, family):
		return "jobs are kept in SQLite, MariaDB or MySQL; " + forms
	}
	return forms
}

// badURL ends the program with the code of a database that cannot be reached where
// that is because of its URL, and names the setting.
func badURL(g *globals, err error) error {
	if engine.CodeOf(err) != engine.CodeUsage {
		return err
	}
	return &exitError{exitUnreachable, engine.Errorf(engine.CodeUsage, "%s: %v", g.from("db"), err).WithHint("%s", engine.HintOf(err))}
}

// errNoFile says that the embedded database was never made.
var errNoFile = errors.New("it was not made yet")

// opened keeps a nil pointer from becoming a Store that is not nil.
func opened[S engine.Store](s S, err error) (engine.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openEngine opens the database of --db and its tables. close it afterwards.
func openEngine(ctx context.Context, env *Env, g *globals, log *slog.Logger, to access) (*engine.Engine, func(), error) {
	return openLeased(ctx, env, g, log, to, 0)
}

// openLeased is openEngine for a server with a lease.
func openLeased(ctx context.Context, env *Env, g *globals, log *slog.Logger, to access, lease time.Duration) (*engine.Engine, func(), error) {
	store, err := openStore(ctx, env, g, log, to, lease)
	if err != nil {
		return nil, nil, err
	}
	eng, err := engine.Open(ctx, store, engine.Options{Clock: env.Clock, Logger: log, ReadOnly: to == toLook, Secrets: env.Secrets})
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return eng, func() { store.Close() }, nil
}

// prefixChars are what the prefix of the tables may be made of.
const prefixChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// checkPrefix says whether tables may begin so: the prefix goes into statements.
func checkPrefix(source, p string) error {
	if p == "" || len(p) > 30 || strings.Trim(p, prefixChars) != "" || p[0] >= '0' && p[0] <= '9' {
		return usage("%s must be 1 to 30 letters, digits and _, and not begin with a digit, not %q", source, p)
	}
	return nil
}

// checkFolder says whether the folder of a setting is there.
func checkFolder(env *Env, g *globals, setting, name string) error {
	info, err := os.Stat(env.path(name))
	hint := fmt.Sprintf("make it, or name another one with --%s or DSENGINE_%s", setting, strings.ToUpper(setting))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usage("%s: there is no folder %q", g.from(setting), name).WithHint("%s", hint)
	case err != nil:
		return engine.Wrapf(engine.CodeUsage, err, "%s", g.from(setting)).WithHint("%s", hint)
	case !info.IsDir():
		return usage("%s: %q is no folder", g.from(setting), name).WithHint("%s", hint)
	}
	return nil
}

// folder says what a folder's name means to a person: with the working folder.
func folder(env *Env, p string) string {
	if abs, err := filepath.Abs(env.path(p)); err == nil {
		return abs
	}
	return p
}
