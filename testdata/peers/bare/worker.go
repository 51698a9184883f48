package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strconv"
	"time"
)

// The statements, in the order in which a batch meets them. %s is a list of
// ids.
const (
	selectReady = "SELECT priority, id, epoch FROM ds_ready WHERE queue = ? AND priority = 0 AND id >= ? ORDER BY priority, id LIMIT ? FOR UPDATE SKIP LOCKED"
	deleteReady = "DELETE r FROM JSON_TABLE(?, '$[*]' COLUMNS(id BIGINT UNSIGNED PATH '$')) j STRAIGHT_JOIN ds_ready r ON r.queue = ? AND r.priority = 0 AND r.id = j.id"
	insertClaim = "INSERT INTO ds_claims (id, server, size, claimed_at, jobs) VALUES (?, ?, ?, UTC_TIMESTAMP(6), ?)"

	readJobs = "SELECT j.id, j.epoch, j.attempts, j.losses, j.failed_phase, j.verdict, j.parent, j.items, j.checkpoints," +
		" j.instance, j.job_key, j.scheduled_for, j.position, p.payload, p.item" +
		" FROM ds_jobs j LEFT JOIN ds_payloads p ON p.id = j.id WHERE j.id IN (%s)"

	deleteClaim  = "DELETE FROM ds_claims WHERE id = ?"
	completeJobs = "UPDATE ds_jobs FORCE INDEX (PRIMARY) SET epoch = epoch + 1, status = 4, attempts = attempts + 1, server = ?," +
		" started_at = UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND, finished_at = UTC_TIMESTAMP(6) WHERE id IN (%s) AND epoch = ?"
	insertDelta = "INSERT INTO ds_deltas (parent, type, at, completed, ran_ms) VALUES (0, ?, UTC_TIMESTAMP(6), ?, 0)"
)

// firstID is the smallest id of a job: dsengine may keep rows with id 0 in
// ds_ready, which are none.
const firstID = 1

// worker claims and completes batches on a connection of its own.
type worker struct {
	conn   *sql.Conn
	queue  uint32
	batch  int
	server int
	bound  int64 // jobs below it are claimed
	done   int
	spent  spent
}

// claim is a batch in hand.
type claim struct {
	id    []byte
	ids   []byte // separated by commas
	last  int64
	epoch uint32
	size  int
}

func newWorker(ctx context.Context, db *sql.DB, queue uint32, batch, n int) (*worker, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &worker{conn: conn, queue: queue, batch: batch, server: n + 1, bound: firstID}
	_, err = w.exec(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	return w, err
}

// run works until the queue is empty.
func (w *worker) run(ctx context.Context) error {
	for {
		t0 := time.Now()
		c, err := w.claim(ctx)
		if err != nil {
			return fmt.Errorf("claim: %w", err)
		}
		if c == nil && w.bound == firstID {
			return nil
		}
		if c == nil { // once more from the start, for what was committed late
			w.bound = firstID
			continue
		}
		t1 := time.Now()
		if err := w.read(ctx, c); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		t2 := time.Now()
		if err := w.complete(ctx, c, t2.Sub(t0)); err != nil {
			return fmt.Errorf("complete: %w", err)
		}
		w.done += c.size
		w.spent.Claim += t1.Sub(t0).Seconds()
		w.spent.Read += t2.Sub(t1).Seconds()
		w.spent.Complete += time.Since(t2).Seconds()
	}
}

// claim takes a batch of jobs; nil when there is none.
func (w *worker) claim(ctx context.Context) (c *claim, err error) {
	err = w.transaction(ctx, func() error {
		var jobs []byte
		if c, jobs, err = w.selectReady(ctx); err != nil || c == nil {
			return err
		}
		n, err := w.exec(ctx, deleteReady, "["+string(c.ids)+"]", w.queue)
		if err != nil {
			return err
		}
		if n != int64(c.size) {
			return fmt.Errorf("deleted %d of %d ready jobs", n, c.size)
		}
		c.id = make([]byte, 16)
		rand.Read(c.id)
		_, err = w.exec(ctx, insertClaim, c.id, w.server, c.size, jobs)
		return err
	})
	if err == nil && c != nil {
		w.bound = c.last + 1
	}
	return c, err
}

func (w *worker) selectReady(ctx context.Context) (_ *claim, jobs []byte, err error) {
	rows, err := w.conn.QueryContext(ctx, selectReady, w.queue, w.bound, w.batch)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	c := &claim{}
	for ; rows.Next(); c.size++ {
		var priority int
		var epoch uint32
		if err := rows.Scan(&priority, &c.last, &epoch); err != nil {
			return nil, nil, err
		}
		if c.size == 0 {
			c.epoch = epoch
		} else {
			c.ids, jobs = append(c.ids, ','), append(jobs, ',')
		}
		if epoch != c.epoch {
			return nil, nil, fmt.Errorf("job %d was run before; this loop takes fresh jobs only", c.last)
		}
		c.ids = strconv.AppendInt(c.ids, c.last, 10)
		jobs = strconv.AppendInt(jobs, c.last, 10)
		jobs = strconv.AppendUint(append(jobs, ','), uint64(epoch), 10)
	}
	if err := rows.Err(); err != nil || c.size == 0 {
		return nil, nil, err
	}
	return c, append(append([]byte{'['}, jobs...), ']'), nil
}

// read reads the jobs of a claim with what they are to work on.
func (w *worker) read(ctx context.Context, c *claim) error {
	rows, err := w.conn.QueryContext(ctx, fmt.Sprintf(readJobs, c.ids))
	if err != nil {
		return err
	}
	defer rows.Close()
	var number [9]int64
	var text [6]sql.RawBytes
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(&number[0], &number[1], &number[2], &number[3], &number[4], &number[5], &number[6], &number[7], &number[8],
			&text[0], &text[1], &text[2], &text[3], &text[4], &text[5]); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if n != c.size {
		return fmt.Errorf("found %d of %d jobs", n, c.size)
	}
	return nil
}

// complete makes the jobs of a claim completed and drops it.
func (w *worker) complete(ctx context.Context, c *claim, ran time.Duration) error {
	return w.transaction(ctx, func() error {
		if _, err := w.exec(ctx, deleteClaim, c.id); err != nil {
			return err
		}
		n, err := w.exec(ctx, fmt.Sprintf(completeJobs, c.ids), w.server, ran.Microseconds(), c.epoch)
		if err != nil {
			return err
		}
		if n != int64(c.size) {
			return fmt.Errorf("%d of %d jobs have their epoch", n, c.size)
		}
		_, err = w.exec(ctx, insertDelta, w.queue>>2, c.size)
		return err
	})
}

func (w *worker) transaction(ctx context.Context, do func() error) error {
	if _, err := w.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err // the connection is not used again
	}
	_, err := w.exec(ctx, "COMMIT")
	return err
}

func (w *worker) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := w.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}
