package sqlitestore

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// dialect is SQLite's SQL. Its clock is the process's.
type dialect struct{ clock engine.Clock }

func (d dialect) Name() string { return "sqlite" }

func (d dialect) Now() string { return d.In(0) }

func (d dialect) In(t time.Duration) string {
	return "'" + d.clock.Now().Add(t).UTC().Format(timeFormat) + "'" + moment
}

// timeFormat is how points in time are written.
const timeFormat = "2006-01-02 15:04:05.000000"

// Lock and Skip are empty: a transaction is the only writer from its beginning.
func (d dialect) Lock() string      { return "" }
func (d dialect) Skip() string      { return "" }
func (d dialect) Claimable() string { return "" }
func (d dialect) ByKey() string     { return "" }

var values = regexp.MustCompile(`VALUES\((\w+)\)`)

func (d dialect) Upsert(key, set string) string {
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + values.ReplaceAllString(set, "excluded.$1")
}

func (d dialect) DeleteIn(table, where string, cols ...sqlstore.KeyColumn) string {
	var names, paths []string
	for i, c := range cols {
		names = append(names, c.Name)
		v := fmt.Sprintf("json_extract(value, '$[%d]')", i)
		if len(cols) == 1 {
			v = "value"
		}
		if c.Type == sqlstore.KeyHex {
			v = "unhex(" + v + ")"
		}
		paths = append(paths, v)
	}
	if where != "" {
		where = " AND " + strings.ReplaceAll(where, "r.", "")
	}
	return fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (SELECT %s FROM json_each(CAST(? AS TEXT)))%s", table, strings.Join(names, ", "), strings.Join(paths, ", "), where)
}

// Bounds are not needed: a deleted row is gone.
func (d dialect) Bounds() sqlstore.BoundStyle { return sqlstore.BoundsNone }

// MaxParams is SQLite's own bound.
func (d dialect) MaxParams() int { return 32_000 }

// Class tells what an error of the driver means.
func (d dialect) Class(err error) sqlstore.Class {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return sqlstore.ClassOther
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return sqlstore.ClassRetry
	case lib.SQLITE_CANTOPEN, lib.SQLITE_IOERR, lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT, lib.SQLITE_FULL, lib.SQLITE_READONLY:
		return sqlstore.ClassUnreachable
	case lib.SQLITE_CONSTRAINT:
		if c := e.Code(); c == lib.SQLITE_CONSTRAINT_PRIMARYKEY || c == lib.SQLITE_CONSTRAINT_UNIQUE || c == lib.SQLITE_CONSTRAINT_ROWID {
			return sqlstore.ClassDuplicate
		}
	case lib.SQLITE_ERROR:
		if strings.Contains(e.Error(), "no such table") {
			return sqlstore.ClassNoTable
		}
	}
	return sqlstore.ClassOther
}

// Hint says what to do about an error of the driver.
func (d dialect) Hint(err error) string {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == lib.SQLITE_READONLY {
		return "this user may not write to the database file, or to its folder: dsengine doctor says what to do"
	}
	return ""
}

func isBusy(err error) bool { return dialect{}.Class(err) == sqlstore.ClassRetry }
