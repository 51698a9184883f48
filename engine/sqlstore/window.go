package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// The statements about windows. Times are microseconds since 1970-01-01 UTC:
// where others are text, that day stands for none.
const (
	// In: job. The window that a job has, and whose job it is. Index: primary keys.
	windowOf = "SELECT j.epoch, j.parent, j.redrive, w.start_at, w.end_at, w.backfill FROM ds_jobs j LEFT JOIN ds_windows w ON w.job = j.id WHERE j.id = ?"
	// In: job, epoch. The fence, and what two that fix it at once both write. Locks
	// the job.
	takeWindow = "UPDATE ds_jobs SET windowed = windowed + 1 WHERE id = ? AND epoch = ? AND windowed IN (0, 2)"
	// In: type, instance.
	windowEnd = "SELECT end_at FROM ds_window_ends WHERE type = ? AND instance = ?"
)

// windowRow is a row of windowOf.
type windowRow struct {
	epoch      engine.Epoch
	parent     engine.JobID
	redrive    engine.RedriveMode
	start, end sql.NullInt64
	backfill   sql.NullBool
}

func (t *Tx) windowRow(id engine.JobID) (x windowRow, found bool, err error) {
	found, err = t.row([]any{&x.epoch, &x.parent, &x.redrive, &x.start, &x.end, &x.backfill}, windowOf, id)
	return x, found, err
}

// window is the row's window; nil if it has none.
func (x windowRow) window() *engine.Window {
	return toWindow(x.start, x.end, x.backfill)
}

func toWindow(start, end sql.NullInt64, backfill sql.NullBool) *engine.Window {
	if !start.Valid {
		return nil
	}
	return &engine.Window{Start: time.UnixMicro(start.Int64).UTC(), End: time.UnixMicro(end.Int64).UTC(), Backfill: backfill.Bool}
}

// FixWindow gives a claimed job its window, in a transaction of its own. If the
// answer to its COMMIT is lost, it is run again and finds the window.
//
// Locks: job; then a new row.
func (s *Store) FixWindow(ctx context.Context, j *engine.ClaimedJob, ask engine.WindowAsk) (w engine.Window, err error) {
	err = s.write(ctx, fmt.Sprintf("fix the window of job %d", j.ID), func(t *Tx) (err error) {
		w, err = t.fixWindow(j, ask)
		return err
	}, func(*Tx) (bool, error) { return false, nil })
	if err == nil && !w.Backfill {
		j.Windowed |= engine.WindowMoves
	}
	return w, err
}

func (t *Tx) fixWindow(j *engine.ClaimedJob, ask engine.WindowAsk) (w engine.Window, err error) {
	fixed := func() (bool, error) {
		x, found, err := t.windowRow(j.ID)
		switch {
		case err != nil:
			return false, err
		case !found || x.epoch != j.Epoch:
			return false, lostJob(j.JobRef)
		case x.start.Valid:
			w = *x.window()
		}
		return x.start.Valid, nil
	}
	if there, err := fixed(); there || err != nil {
		return w, err
	}
	n, err := t.exec(takeWindow, j.ID, j.Epoch)
	if err != nil {
		return w, err
	}
	if n != 1 { // a COMMIT that was not answered took effect after all, or the job is lost
		if there, err := fixed(); there || err != nil {
			return w, err
		}
		return w, engine.Errorf(engine.CodeRetry, "the window of job %d is being fixed", j.ID)
	}
	at := j.ScheduledFor
	if at.IsZero() {
		if at, err = t.clock(); err != nil {
			return w, err
		}
	}
	var came *time.Time
	var end int64
	found, err := t.row([]any{&end}, windowEnd, j.Type, j.Instance)
	if err != nil {
		return w, err
	}
	if found {
		e := time.UnixMicro(end)
		came = &e
	}
	w = ask.Window(came, at)
	return w, t.insertWindows([]engine.JobID{j.ID}, []engine.Window{w})
}

// insertWindows writes the windows of jobs that have none.
func (t *Tx) insertWindows(ids []engine.JobID, windows []engine.Window) error {
	for n := 0; n < len(ids); n += insertChunk {
		q := []byte("INSERT INTO ds_windows (job, start_at, end_at, backfill) VALUES ")
		at := 0
		for i := n; i < min(n+insertChunk, len(ids)); i++ {
			w := windows[i]
			q = openTuple(q, &at)
			q = append(appendInts(q, int64(ids[i]), w.Start.UnixMicro(), w.End.UnixMicro(), b2i(w.Backfill)), ')')
		}
		if _, err := t.exec(string(q)); err != nil {
			return err
		}
	}
	return nil
}

// giveWindows writes the windows that new jobs come with.
func (t *Tx) giveWindows(jobs []engine.JobInsert, made []engine.Enqueued) error {
	var ids []engine.JobID
	var windows []engine.Window
	for i := range jobs {
		if w := jobs[i].Window; w != nil && made[i].Created {
			ids, windows = append(ids, made[i].ID), append(windows, *w)
		}
	}
	return t.insertWindows(ids, windows)
}

// Window is the window of a job, or of the one that its emitter, and the emitter
// of that, come from.
func (s *Store) Window(ctx context.Context, j engine.JobRef) (w *engine.Window, err error) {
	err = s.read(ctx, func(t *Tx) error {
		for id := j.ID; ; {
			x, found, err := t.windowRow(id)
			switch {
			case err != nil:
				return err
			case id == j.ID && (!found || x.epoch != j.Epoch):
				return lostJob(j)
			case !found:
				return nil
			}
			if w = x.window(); w != nil {
				return nil
			}
			switch {
			case x.parent != 0:
				id = x.parent
			case x.redrive == engine.RedriveItem:
				var item sql.NullInt64
				if _, err := t.row([]any{&item}, "SELECT MIN(job) FROM ds_rejects WHERE redrive = ?", id); err != nil || engine.JobID(item.Int64) >= id {
					return err
				}
				id = engine.JobID(item.Int64)
			default:
				return nil
			}
		}
	})
	return w, err
}

// moveEnds moves the stored ends of types, and instances, to the ends of the
// windows of jobs that have completed. It costs nothing where none has one.
//
// Locks: stored ends, by type and instance.
func (t *Tx) moveEnds(jobs []*engine.ClaimedJob) error {
	of := map[engine.JobID]*engine.ClaimedJob{}
	var ids []engine.JobID
	for _, j := range jobs {
		if j.Windowed.Has(engine.WindowMoves) {
			of[j.ID], ids = j, append(ids, j.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	type move struct {
		j          *engine.ClaimedJob
		start, end int64
	}
	var moves []move
	err := t.queryIDs(func(r *sql.Rows) error {
		var id engine.JobID
		var m move
		if err := r.Scan(&id, &m.start, &m.end); err != nil {
			return err
		}
		if m.j = of[id]; m.end > m.start {
			moves = append(moves, m)
		}
		return nil
	}, "SELECT job, start_at, end_at FROM ds_windows"+t.s.D.ByKey()+" WHERE job", ids, "")
	if err != nil {
		return err
	}
	slices.SortFunc(moves, func(a, b move) int {
		return cmp.Or(cmp.Compare(a.j.Type, b.j.Type), strings.Compare(a.j.Instance, b.j.Instance), cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end))
	})
	// A row that is updated sees the ones before it, in the order of the list.
	const further = "VALUES(start_at) <= ds_window_ends.end_at AND VALUES(end_at) > ds_window_ends.end_at"
	set := "start_at = CASE WHEN " + further + " THEN VALUES(start_at) ELSE ds_window_ends.start_at END, end_at = CASE WHEN " + further + " THEN VALUES(end_at) ELSE ds_window_ends.end_at END"
	for part := range slices.Chunk(moves, insertChunk) {
		q := []byte("INSERT INTO ds_window_ends (type, instance, start_at, end_at) VALUES ")
		var args []any
		n := 0
		for _, m := range part {
			q = openTuple(q, &n)
			q = append(appendInts(q, int64(m.j.Type)), ",?,"...)
			q = append(appendInts(q, m.start, m.end), ')')
			args = append(args, m.j.Instance)
		}
		if _, err := t.exec(string(q)+t.s.D.Upsert("type, instance", set), args...); err != nil {
			return err
		}
	}
	return nil
}

// endsMoved moves the stored ends where outcomes complete jobs.
func (t *Tx) endsMoved(outcomes []*engine.Outcome) error {
	var jobs []*engine.ClaimedJob
	for _, o := range outcomes {
		if o.Job.Windowed.Has(engine.WindowMoves) && !o.Checkpoint() && o.To.Status == engine.StatusCompleted {
			jobs = append(jobs, o.Job)
		}
	}
	return t.moveEnds(jobs)
}

// WindowEnds lists the stored ends of a type.
func (s *Store) WindowEnds(ctx context.Context, typ engine.TypeID) (list []engine.WindowEnd, err error) {
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var e engine.WindowEnd
			var end int64
			err := r.Scan(&e.Instance, &end)
			e.End = time.UnixMicro(end).UTC()
			list = append(list, e)
			return err
		}, "SELECT instance, end_at FROM ds_window_ends WHERE type = ? ORDER BY instance", typ)
	})
	return list, err
}

// SetWindowEnd sets a stored end, or forgets it.
func (s *Store) SetWindowEnd(ctx context.Context, typ engine.TypeID, e engine.WindowEnd) error {
	return s.write(ctx, "set the end of windows", func(t *Tx) error {
		if e.End.IsZero() {
			_, err := t.exec("DELETE FROM ds_window_ends WHERE type = ? AND instance = ?", typ, e.Instance)
			return err
		}
		at := e.End.UnixMicro()
		_, err := t.exec("INSERT INTO ds_window_ends (type, instance, start_at, end_at) VALUES (?, ?, ?, ?)"+
			t.s.D.Upsert("type, instance", "start_at = VALUES(start_at), end_at = VALUES(end_at)"), typ, e.Instance, at, at)
		return err
	}, nil)
}
