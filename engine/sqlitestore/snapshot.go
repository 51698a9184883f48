package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/sqlite"

	"github.com/dsengine/dsengine/engine"
)

// snapshotName is the copy's file in its folder.
const snapshotName = "copy.db"

// Snapshot copies a database file as it is now, and gives the copy's path: an
// empty file if there is none to copy. Whoever writes to the file meanwhile waits
// for nothing, and the copy does not change under it.
func Snapshot(ctx context.Context, rawURL, dir string) (string, error) {
	path, abs, err := locate(rawURL, &Options{})
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, snapshotName)
	if _, err := os.Stat(abs); errors.Is(err, fs.ErrNotExist) {
		return to, nil
	}
	if err := snapshot(ctx, abs, to); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", engine.Wrapf(engine.CodeUnreachable, err, "copy the database file %s to %s", path, dir)
	}
	return to, nil
}

// snapshotPages is how many pages are copied between looks at the context.
const snapshotPages = 2000

func snapshot(ctx context.Context, from, to string) error {
	if f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return err
	} else if err := f.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(from, "&mode=ro&_pragma=query_only(1)"))
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	// One transaction for all of it: what is committed meanwhile is not seen, and
	// so does not have the copy begin again.
	tx, err := c.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it has read only
	var n int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_master").Scan(&n); err != nil {
		return err
	}
	return c.Raw(func(dc any) error {
		b, err := dc.(interface {
			NewBackup(to string) (*sqlite.Backup, error)
		}).NewBackup(to)
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			if err = ctx.Err(); err == nil {
				more, err = b.Step(snapshotPages)
			}
		}
		return errors.Join(err, b.Finish())
	})
}

// OpenSnapshot opens a copy of a database in a folder, which nothing else uses and
// nobody needs: nothing waits for the disk. Its tables are made, or brought to this
// program's version. Of the options, ReadOnly and Wrap have no meaning here.
func OpenSnapshot(ctx context.Context, rawURL, dir string, o Options) (*Store, error) {
	path, err := Snapshot(ctx, rawURL, dir)
	if err != nil {
		return nil, err
	}
	o.careless, o.ReadOnly, o.Wrap = true, false, nil
	s, err := Open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	if _, err := s.Migrate(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// After has the ids of jobs begin after one, in a database of which nobody else has
// jobs.
func (s *Store) After(ctx context.Context, id engine.JobID) (err error) {
	c, free, err := s.writer.conn(ctx, "number jobs", nil)
	if err != nil {
		return err
	}
	defer func() { free(err != nil) }()
	for _, q := range []string{"DELETE FROM sqlite_sequence WHERE name = ?1", "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)"} {
		if _, err = c.ExecContext(ctx, q, s.Prefix+"jobs", id); err != nil {
			return err
		}
	}
	_, err = c.ExecContext(ctx, "COMMIT")
	return err
}
