package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Promote moves delayed jobs whose time has come into ready. Where others hold all of
// those, it says when the next one is due.
//
// Locks: delayed (skipping rows that others have), then new rows in ready.
func (s *Store) Promote(ctx context.Context, limit int) (queues []engine.Queue, wait time.Duration, more bool, err error) {
	var now Time
	look := func(cond string) error {
		return s.read(ctx, func(t *Tx) error {
			var next Time
			found, err := t.row([]any{&next, &now}, "SELECT due, "+s.D.Now()+" FROM ds_delayed WHERE id > 0"+cond+" ORDER BY due LIMIT 1")
			if wait = max(next.Sub(now.Time), 0); !found {
				wait = -1
			}
			return err
		})
	}
	began := s.Clock.Boot()
	cond, full := s.due.condition("due", began)
	err = look(cond)
	if now := s.Clock.Boot(); full {
		s.due.scanned(now, now-began)
	}
	if err != nil || wait != 0 {
		return nil, wait, false, err
	}
	last := ""
	err = s.write(ctx, "make delayed jobs ready", func(t *Tx) error {
		queues, last = nil, ""
		n := 0
		ready := []byte("INSERT INTO ds_ready (queue, priority, id, epoch) VALUES ")
		keys := []byte{'['}
		err := t.query(func(r *sql.Rows) error {
			var due Time
			var id, queue, priority, epoch int64
			if err := r.Scan(&due, &id, &queue, &priority, &epoch); err != nil {
				return err
			}
			if n > 0 {
				keys = append(keys, ',')
			}
			keys = append(keys, fmt.Sprintf("[%q,%d]", stamp(due.Time), id)...)
			last = literal(due.Time)
			ready = openTuple(ready, &n)
			ready = append(appendInts(ready, queue, priority, id, epoch), ')')
			t.due = append(t.due, dueRow{engine.Queue(queue), int(priority), engine.JobID(id)})
			if q := engine.Queue(queue); !slices.Contains(queues, q) {
				queues = append(queues, q)
			}
			return nil
		}, fmt.Sprintf("SELECT due, id, queue, priority, epoch FROM ds_delayed WHERE due <= %s%s ORDER BY due, id LIMIT %d%s", s.D.Now(), cond, limit, s.D.Skip()))
		if err != nil || n == 0 {
			more = false
			return err
		}
		more = n == limit
		deleted, err := t.deleteIn("ds_delayed", "", string(append(keys, ']')), KeyColumn{"due", KeyTime}, KeyColumn{"id", KeyInt})
		if err != nil {
			return err
		}
		if int(deleted) != n {
			return engine.Errorf(engine.CodeRetry, "others have made some of these jobs ready")
		}
		_, err = t.exec(string(ready))
		return err
	}, func(*Tx) (bool, error) { return false, nil }) // run again: a row is moved with its deletion
	if err == nil && last == "" { // others have it: promoters, who are at it, or a caller, for as long as it likes
		err = look(" AND due > " + literal(now.Time))
		return nil, wait, false, err
	}
	if err == nil {
		s.due.advance(last)
	}
	return queues, 0, more, err
}
