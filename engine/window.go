package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Window is the stretch of time that a job is to import: from Start on, and not
// at End any more.
type Window struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Backfill bool      `json:"backfill"` // the stored end stays where it is
}

// Empty says that there is nothing in it.
func (w Window) Empty() bool { return !w.Start.Before(w.End) }

// check says what is wrong with a window that a caller gives to a job, and gives
// it as it is stored.
func (w Window) check() (Window, error) {
	w.Start, w.End = w.Start.UTC().Truncate(time.Microsecond), w.End.UTC().Truncate(time.Microsecond)
	if w.End.Before(w.Start) {
		return w, Errorf(CodeUsage, "a window must not end before it starts: from %s to %s", w.Start.Format(time.RFC3339), w.End.Format(time.RFC3339))
	}
	return w, checkYears(w.Start, w.End)
}

// checkYears refuses times that cannot be written as RFC 3339.
func checkYears(times ...time.Time) error {
	for _, t := range times {
		if y := t.UTC().Year(); y < 1 || y > 9999 {
			return Errorf(CodeUsage, "a window lies in the years 1 to 9999, not in %d", y)
		}
	}
	return nil
}

// WindowAsk is what a hook says of the window that its job is to have.
type WindowAsk struct {
	Start time.Time     // where it begins if none was completed before
	End   time.Time     // zero: when the job was scheduled for, or now, and Lag before
	Lag   time.Duration // what the end stays behind by, unless End is given
}

// Window is what the job gets: came is the stored end, nil for none, and at when
// the job was scheduled for, or now. One that would end before it starts is empty.
func (a WindowAsk) Window(came *time.Time, at time.Time) Window {
	w := Window{Start: a.Start, End: a.End}
	if came != nil {
		w.Start = *came
	}
	if a.End.IsZero() {
		w.End = at.Add(-a.Lag)
	}
	w.Start, w.End = w.Start.UTC().Truncate(time.Microsecond), w.End.UTC().Truncate(time.Microsecond)
	if w.End.Before(w.Start) {
		w.End = w.Start
	}
	return w
}

// Windowed says what a job has to do with windows. Its bits are stored.
type Windowed uint8

const (
	// WindowMoves: it has a window, and its completion moves the stored end.
	WindowMoves Windowed = 1 << iota
	// WindowBackfill: it is a backfill's, or was made by such a job. It is worked
	// apart, in slots of its own, so that the others do not wait for it.
	WindowBackfill
)

// Has says whether a bit is set.
func (w Windowed) Has(bit Windowed) bool { return w&bit != 0 }

// WindowEnd is how far a type, or an instance of it, has come.
type WindowEnd struct {
	Instance string
	End      time.Time
}

// WindowStore keeps which stretch of time a job imports, and up to where all is
// imported: the stored end, by type and instance. The commit that makes a job with
// WindowMoves completed moves it to the end of its window; never back, and not over
// a gap: only if the window began at the stored end or before.
type WindowStore interface {
	// FixWindow gives a claimed job its window, for ever, unless it has one. CodeLost:
	// the job is not ours any more.
	FixWindow(ctx context.Context, j *ClaimedJob, ask WindowAsk) (Window, error)
	// Window is the window of a claimed job, or where it is an item, of its first
	// emitter; nil if there is none. For a job that redrives what was an item, it is
	// that item's. CodeLost: the job is not ours any more.
	Window(ctx context.Context, j JobRef) (*Window, error)
	// WindowEnds lists the stored ends of a type, by instance.
	WindowEnds(ctx context.Context, t TypeID) ([]WindowEnd, error)
	// SetWindowEnd sets a stored end, back too; the zero time forgets it.
	SetWindowEnd(ctx context.Context, t TypeID, e WindowEnd) error
}

// Window is the stretch of time that the job is to import. The first call that a
// job makes fixes it, at once, for all its attempts, phases and checkpoints. Items
// have their emitter's.
func (c *Call) Window(ask WindowAsk) (Window, error) {
	if c.window != nil {
		return *c.window, nil
	}
	if err := checkYears(ask.Start, ask.End); err != nil {
		return Window{}, c.misuse("%v", err)
	}
	w, err := c.eng.store.Window(c.ctx, c.job.JobRef)
	if err != nil {
		return Window{}, err
	}
	if w == nil {
		if w, err = c.fixWindow(ask); err != nil {
			return Window{}, err
		}
	}
	c.window = w
	return *w, c.tellImported(c.ctx)
}

// Imported says up to where the window counts as imported already, by jobs of its type
// and instance that have completed.
func (w Window) Imported(ends []WindowEnd, instance string) (upTo time.Time, some bool) {
	for _, e := range ends {
		if e.Instance == instance && e.End.After(w.Start) && !w.Empty() && !w.Backfill {
			if upTo = w.End; e.End.Before(upTo) {
				upTo = e.End
			}
			return upTo, true
		}
	}
	return upTo, false
}

// tellImported warns, once, where another job has imported what is in this one's window:
// one that was enqueued while this one had not completed.
func (c *Call) tellImported(ctx context.Context) error {
	j := c.job
	if c.window == nil || c.imported || !j.Windowed.Has(WindowMoves) || j.Parent != 0 || j.Phase != PhaseProduce && j.Phase != PhaseConsume {
		return nil
	}
	ends, err := c.eng.store.WindowEnds(ctx, j.Type)
	if err != nil {
		return err
	}
	var upTo time.Time
	if upTo, c.imported = c.window.Imported(ends, j.Instance); c.imported {
		c.Log(slog.LevelWarn, fmt.Sprintf("its window, from %s to %s, counts as imported up to %s already: another job completed before this one did. What both insert is there twice, unless it is written by key (db.upsert)",
			c.window.Start.Format(time.RFC3339), c.window.End.Format(time.RFC3339), upTo.Format(time.RFC3339)), nil)
	}
	return nil
}

func (c *Call) fixWindow(ask WindowAsk) (*Window, error) {
	switch j := c.job; {
	case j.Redrive == RedriveRows:
		return nil, c.misuse("rows that are redriven come from any window: keep in the rows what redrive needs to know of it")
	case j.Redrive != 0:
		return nil, c.misuse("the job of the item that is redriven has no window")
	case j.Parent != 0:
		return nil, c.misuse("the job that emitted the item has no window: call ctx.window there, before it emits")
	case j.Phase != PhaseProduce && j.Phase != PhaseConsume:
		return nil, c.misuse("the job has no window: call ctx.window in produce or consume, before what can fail")
	case c.session != nil && c.session.Changed():
		return nil, c.misuse("the first ctx.window of a job fixes its window whatever becomes of the hook: call it before anything is written to the database")
	}
	c.watch.pause() // it may wait for whoever writes
	defer c.watch.resume()
	w, err := c.eng.store.FixWindow(c.ctx, c.job, ask)
	return &w, err
}
