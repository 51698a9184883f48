package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// refused says that this user may not write to the file, or beside it: SQLite
// keeps a log there.
func refused(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == lib.SQLITE_READONLY || e.Code()&0xff == lib.SQLITE_CANTOPEN)
}

// whoMayNot says what this user may not write to, and what to do.
func whoMayNot(abs string) (what, hint string) {
	name := fmt.Sprint("user ", os.Getuid())
	if u, err := user.Current(); err == nil {
		name = "user " + u.Username
	}
	where := "the folder " + filepath.Dir(abs) + ", where SQLite keeps its log beside the file"
	if !writable(abs) {
		where = "the file " + abs
	}
	return name + " may not write to " + where, "run it as the file's owner, or let this user write to the file and its folder (chown, chmod); is the disk mounted for reading only?"
}

// writable says whether this user may write to a file.
func writable(abs string) bool {
	f, err := os.OpenFile(abs, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// openForReading opens a file that this user may not write to.
func openForReading(ctx context.Context, path, abs string, o Options) (*Store, error) {
	more := "&mode=ro&_pragma=query_only(1)"
	if _, err := os.Stat(abs + "-wal"); errors.Is(err, fs.ErrNotExist) {
		more += "&immutable=1" // nobody has it open, so nothing needs to be shared with anybody
	}
	db, err := pool(dsn(abs, more), nil, o)
	if err != nil {
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open %s", path)
	}
	db.SetMaxOpenConns(16)
	s := &Store{opts: o, path: abs, hookReader: db, readOnly: true}
	s.closed, s.close = context.WithCancel(context.Background())
	s.Store = &sqlstore.Store{DB: db, Reader: db, D: dialect{o.Clock, abs}, Clock: o.Clock, Log: o.Logger, Prefix: o.Prefix, ReadOnly: true, Lives: s.lives}
	s.live = newLivenessOf(abs, o)
	var n int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_master").Scan(&n); err != nil {
		s.Close()
		_, hint := whoMayNot(abs)
		return nil, engine.Wrapf(engine.CodeUnreachable, err, "open the database file %s", path).WithHint("%s", hint)
	}
	return s, nil
}
