package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// StartServer makes a new incarnation, with a lease.
func (s *Store) StartServer(ctx context.Context, info engine.ServerInfo, lease time.Duration) (id engine.ServerID, err error) {
	err = s.write(ctx, "register the server", func(t *Tx) error {
		now := s.D.Now()
		r, err := t.x.ExecContext(ctx, s.SQL("INSERT INTO ds_servers (name, host, pid, version, types, started_at, seen_at, lease_until) VALUES (?, ?, ?, ?, ?, "+now+", "+now+", "+s.D.In(lease)+")"),
			info.Name, info.Host, info.PID, info.Version, toJSON(info.Types))
		if err != nil {
			return s.wrap(err, "INSERT INTO ds_servers")
		}
		n, err := r.LastInsertId()
		id = engine.ServerID(n)
		return err
	}, nil)
	return id, err
}

// Beat renews the lease of an incarnation that was not declared dead. Index:
// primary key. It writes one row and waits for nothing else.
func (s *Store) Beat(ctx context.Context, id engine.ServerID, lease time.Duration) (alive bool, now time.Time, err error) {
	err = s.write(ctx, "renew the lease", func(t *Tx) error {
		n, err := t.exec("UPDATE ds_servers SET beat = beat + 1, seen_at = "+s.D.Now()+", lease_until = "+s.D.In(lease)+" WHERE id = ? AND dead = 0", id)
		if err != nil {
			return err
		}
		alive = n == 1
		now, err = t.clock()
		return err
	}, nil)
	return alive, now, err
}

// DrainServer notes that an incarnation stops: stopped_at is set, and dead is not.
func (s *Store) DrainServer(ctx context.Context, id engine.ServerID) error {
	return s.write(ctx, "note that the server stops", func(t *Tx) error {
		_, err := t.exec("UPDATE ds_servers SET stopped_at = "+s.D.Now()+" WHERE id = ? AND dead = 0", id)
		return err
	}, nil)
}

// StopServer ends an incarnation. Claims that it still has are rescued.
func (s *Store) StopServer(ctx context.Context, id engine.ServerID) error {
	return s.write(ctx, "stop the server", func(t *Tx) error {
		_, err := t.exec("UPDATE ds_servers SET dead = 1, stopped_at = "+s.D.Now()+" WHERE id = ?", id)
		return err
	}, nil)
}

// Servers lists those that run, or all that are remembered, with the jobs that came
// with their claims.
func (s *Store) Servers(ctx context.Context, all bool) (list []engine.ServerRow, err error) {
	where := " WHERE s.dead = 0"
	if all {
		where = ""
	}
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var x engine.ServerRow
			var started, seen, stopped Time
			var types raw
			if err := r.Scan(&x.ID, &x.Name, &x.Host, &x.PID, &x.Version, &types, &started, &seen, &stopped, &x.Beat, &x.Expired, &x.Dead, &x.Claimed); err != nil {
				return err
			}
			x.StartedAt, x.SeenAt, x.StoppedAt = started.Time, seen.Time, stopped.Time
			if err := json.Unmarshal(types, &x.Types); err != nil {
				return err
			}
			list = append(list, x)
			return nil
		}, `SELECT s.id, s.name, s.host, s.pid, s.version, s.types, s.started_at, s.seen_at, s.stopped_at, s.beat,
 CASE WHEN s.lease_until < `+s.D.Now()+` THEN 1 ELSE 0 END, s.dead,
 COALESCE((SELECT SUM(c.size) FROM ds_claims c WHERE c.server = s.id), 0)
 FROM ds_servers s`+where+` ORDER BY s.id`)
	})
	if err == nil && s.Lives != nil {
		s.Lives(list)
	}
	return list, err
}

// MarkDead declares a server dead if its beat is still the one that was seen
// and its lease has passed. It writes the row, so that of two nodes of a cluster
// only one can: the server's renewal or this. One that was stopping has not stopped.
// It does not wait for the row: whoever holds it keeps this server alone.
func (s *Store) MarkDead(ctx context.Context, id engine.ServerID, beat int64) (dead bool, err error) {
	err = s.write(ctx, "declare a server dead", func(t *Tx) error {
		if lock := s.D.Lock(); lock != "" {
			_, err := t.row([]any{&id}, "SELECT id FROM ds_servers WHERE id = ?"+lock+" NOWAIT", id)
			if s.D.Locked(err) {
				return errors.New("another transaction holds its row")
			}
			if err != nil {
				return err
			}
		}
		n, err := t.exec("UPDATE ds_servers SET dead = 1, stopped_at = '"+never+"' WHERE id = ? AND beat = ? AND dead = 0 AND lease_until < "+s.D.Now(), id, beat)
		dead = n == 1
		return err
	}, nil)
	return dead, err
}

// DeclareDead declares a server dead without asking its lease: for stores that
// know it otherwise.
func (s *Store) DeclareDead(ctx context.Context, id engine.ServerID) (dead bool, err error) {
	err = s.write(ctx, "declare a server dead", func(t *Tx) error {
		n, err := t.exec("UPDATE ds_servers SET dead = 1, stopped_at = '"+never+"' WHERE id = ? AND dead = 0", id)
		dead = n == 1
		return err
	}, nil)
	return dead, err
}

// signalOverlap is how many numbers below the mark are read again: numbers are
// given before the commit, so a lower one may appear later.
const signalOverlap = 1000

// Signals lists the jobs that were asked to stop.
func (s *Store) Signals(ctx context.Context, after int64) (jobs []engine.JobRef, mark int64, err error) {
	mark = after
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var id int64
			var ref engine.JobRef
			if err := r.Scan(&id, &ref.ID, &ref.Epoch); err != nil {
				return err
			}
			jobs, mark = append(jobs, ref), max(mark, id)
			return nil
		}, "SELECT id, job, epoch FROM ds_signals WHERE id > ? ORDER BY id", after-signalOverlap)
	})
	return jobs, mark, err
}
