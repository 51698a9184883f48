package sqlitestore

import (
	"encoding/hex"
	"encoding/json"
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
type dialect struct {
	clock engine.Clock
	file  string // "": it is in memory
}

func (d dialect) Name() string { return "sqlite" }

func (d dialect) Now() string { return d.In(0) }

// Here is the time that Now writes.
func (d dialect) Here() time.Time { return d.clock.Now().UTC().Truncate(time.Microsecond) }

func (d dialect) In(t time.Duration) string {
	return "'" + d.clock.Now().Add(t).UTC().Format(timestampLayout) + "'" + moment
}

// Lock and Skip are empty: a transaction is the only writer from its beginning.
func (d dialect) Lock() string      { return "" }
func (d dialect) Skip() string      { return "" }
func (d dialect) Claimable() string { return "" }
func (d dialect) ByKey() string     { return "" }

var values = regexp.MustCompile(`VALUES\((\w+)\)`)

func (d dialect) Upsert(key, set string) string {
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + values.ReplaceAllString(set, "excluded.$1")
}

// fewKeys is up to how many bytes a list of keys is read here: one that is short
// has its values in the statement, which is planned once and for all.
const fewKeys = 200

func (d dialect) DeleteIn(table, where, list string, cols ...sqlstore.KeyColumn) (query string, args []any) {
	if where != "" {
		where = " AND " + strings.ReplaceAll(where, "r.", "")
	}
	if places, args := fewIn(list, cols); args != nil {
		return "DELETE FROM " + table + " WHERE " + places + where, args
	}
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
	return fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (SELECT %s FROM json_each(CAST(? AS TEXT)))%s", table, strings.Join(names, ", "), strings.Join(paths, ", "), where), []any{list}
}

// fewIn is the condition for a short list of keys of one column, or for one key of
// several; no arguments if it is neither.
func fewIn(list string, cols []sqlstore.KeyColumn) (condition string, args []any) {
	if len(list) > fewKeys {
		return "", nil
	}
	read := json.NewDecoder(strings.NewReader(list))
	read.UseNumber()
	var keys []any
	if err := read.Decode(&keys); err != nil || len(keys) == 0 {
		return "", nil
	}
	if len(cols) > 1 {
		one, ok := keys[0].([]any)
		if !ok || len(keys) > 1 || len(one) != len(cols) {
			return "", nil
		}
		keys = one
	}
	var names []string
	for i, v := range keys {
		c := cols[min(i, len(cols)-1)]
		switch v := v.(type) {
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return "", nil
			}
			args = append(args, n)
		case string:
			if c.Type != sqlstore.KeyHex {
				args = append(args, v)
				break
			}
			b, err := hex.DecodeString(v)
			if err != nil {
				return "", nil
			}
			args = append(args, b)
		default:
			return "", nil
		}
		names = append(names, c.Name+" = ?")
	}
	if len(cols) == 1 && len(args) > 1 {
		return cols[0].Name + " IN (?" + strings.Repeat(", ?", len(args)-1) + ")", args
	}
	return strings.Join(names, " AND "), args
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
	case lib.SQLITE_CANTOPEN, lib.SQLITE_IOERR, lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT, lib.SQLITE_READONLY:
		return sqlstore.ClassUnreachable
	case lib.SQLITE_FULL:
		return sqlstore.ClassFull
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

// Locked is false: a transaction is the only writer from its beginning.
func (d dialect) Locked(error) bool { return false }

// Hint says what to do about an error of the driver.
func (d dialect) Hint(err error) string {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_READONLY:
		return "this user may not write to the database file, or to its folder: dsengine doctor says what to do"
	case lib.SQLITE_FULL:
		return d.fullHint()
	}
	return ""
}

func isBusy(err error) bool { return dialect{}.Class(err) == sqlstore.ClassRetry }
