package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// The statements about notifications. Each locks one row of ds_notices, by its
// primary key, and nothing else.
const (
	// In: hash, owner. Takes a notice over whose time has passed, or which the
	// same job was about to send when it was lost.
	takeOldNotice = "UPDATE ds_notices SET owner = ?, sent = 0, ends_at = %s WHERE hash = ? AND (ends_at <= %s OR sent = 0 AND owner = ?)"
	// In: hash, owner.
	takeNewNotice = "INSERT INTO ds_notices (hash, owner, sent, ends_at) VALUES (?, ?, 0, %s)"
	// In: hash, owner.
	dropNotice = "DELETE FROM ds_notices WHERE hash = ? AND owner = ? AND sent = 0"
)

// TakeNotice takes a notice if none counts.
func (s *Store) TakeNotice(ctx context.Context, n engine.Notice, _ bool) (taken bool, err error) {
	mine := func(t *Tx) (bool, error) {
		return t.row([]any{new(int)}, "SELECT 1 FROM ds_notices WHERE hash = ? AND owner = ? AND sent = 0", n.Key, int64(n.Job))
	}
	err = s.write(ctx, "take a notification", func(t *Tx) error {
		taken = false
		end, now := s.D.In(n.For), s.D.Now()
		found, err := t.exec(fmt.Sprintf(takeOldNotice, end, now), int64(n.Job), n.Key, int64(n.Job))
		if err != nil || found > 0 {
			taken = err == nil
			return err
		}
		there, err := t.row([]any{new(int)}, "SELECT 1 FROM ds_notices WHERE hash = ?", n.Key)
		if err != nil || there {
			return err
		}
		if _, err := t.exec(fmt.Sprintf(takeNewNotice, end), n.Key, int64(n.Job)); err != nil {
			if s.D.Class(err) == ClassDuplicate {
				return nil // another was faster
			}
			return err
		}
		taken = true
		return nil
	}, mine)
	return taken, err
}

// NoticeCounts says whether a notice counts.
func (s *Store) NoticeCounts(ctx context.Context, n engine.Notice) (counts bool, err error) {
	err = s.read(ctx, func(t *Tx) (err error) {
		counts, err = t.row([]any{new(int)}, "SELECT 1 FROM ds_notices WHERE hash = ? AND ends_at > "+s.D.Now()+" AND (sent = 1 OR owner <> ?)", n.Key, int64(n.Job))
		return err
	})
	return counts, err
}

// KeepNotices remembers what was sent, and forgets what was not.
func (s *Store) KeepNotices(ctx context.Context, list []engine.Notice) error {
	if len(list) == 0 {
		return nil
	}
	return s.write(ctx, "keep notifications", func(t *Tx) error {
		var rows []string
		var args []any
		for _, n := range list { // in the order of their keys
			if n.For > 0 {
				rows = append(rows, "(?, ?, 1, "+s.D.In(n.For)+")")
				args = append(args, n.Key, int64(n.Job))
			}
		}
		if len(rows) > 0 {
			q := "INSERT INTO ds_notices (hash, owner, sent, ends_at) VALUES " + strings.Join(rows, ", ") +
				s.D.Upsert("hash", "owner = VALUES(owner), sent = VALUES(sent), ends_at = VALUES(ends_at)")
			if _, err := t.exec(q, args...); err != nil {
				return err
			}
		}
		for _, n := range list {
			if n.For <= 0 {
				if _, err := t.exec(dropNotice, n.Key, int64(n.Job)); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil)
}
