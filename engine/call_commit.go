package engine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Checkpoint commits what the hook did so far, with a position that it finds
// in Position when it starts again. set false keeps the last position. The
// limits of the call begin anew; a draining process hands the job over here.
func (c *Call) Checkpoint(user Raw, set bool) error {
	switch {
	case c.poison != nil:
		return c.poison
	case c.job.Phase == PhaseFail:
		return c.misuse("ctx.checkpoint is for produce, consume and finish")
	case len(c.catches) > 0:
		return c.commits("it commits")
	case c.job.Redrive == RedriveRows && c.job.Phase == PhaseConsume:
		return c.misuse("ctx.checkpoint does not know which rows are done: in redrive loop over them by ctx.batches(rows, n), which commits after each pass")
	case c.loops.passes > 0:
		return c.misuse("ctx.batches commits after each pass: ctx.checkpoint cannot be called inside its loop")
	case len(user) > MaxPosition:
		return c.misuse("a position of %d bytes is too large: at most %d", len(user), MaxPosition)
	}
	if set {
		c.position.User = user
		if string(user) == "null" {
			c.position.User = nil
		}
		if c.placed {
			c.loops.anew()
		}
	}
	return c.commitPosition()
}

// Gather runs what takes rows and writes them: nothing is committed meanwhile.
func (c *Call) Gather(write func() error) error {
	c.gathers++
	defer func() { c.gathers-- }()
	return write()
}

// commitPosition commits what waits, with the position and the loops' counts.
func (c *Call) commitPosition() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if len(c.marked) > 0 {
		return c.waits()
	}
	if c.gathers > 0 {
		return c.misuse("nothing can be committed while a function such as db.insert takes the rows that it writes: those that it has taken are not written yet, and a hook that goes on from there would leave them out. Give it a list, or call it in the loop for the rows of each pass")
	}
	if err := c.judgeRejects(c.ctx, false); err != nil {
		return err
	}
	c.watch.pause()
	defer c.watch.resume()
	c.position.Loops = c.loops.all()
	if err := c.remember(c.ctx); err != nil {
		c.Poison(err)
		return err
	}
	o := c.outcome()
	o.SetPosition, o.Position = true, c.position.encode()
	if len(o.Position) > len(c.position.User)+len(c.position.Kept)+MaxPosition {
		err := c.misuse("the hook has come to %d loops of ctx.batches and ctx.emit_all, and how far each is cannot be kept: call ctx.checkpoint(position) now and then, and go on from ctx.position", len(c.position.Loops))
		c.Poison(err)
		return err
	}
	o.Checkpoints = c.job.Checkpoints + 1
	o.Redriven = c.redriven.read
	c.strike(o)
	if !c.advanced(o) { // else a hook that fails after it would be retried for ever
		o.Attempts, o.Losses = c.job.Attempts, c.job.Losses
	} else if c.position.PutOffs > 0 {
		c.position.PutOffs = 0
		o.Position = c.position.encode()
		c.eng.secrets.strikeOutcome(o)
	}
	ctx, cancel := c.srv.whileOurs(context.WithoutCancel(c.ctx))
	defer cancel()
	if err := c.commitJoined(ctx); err != nil {
		c.Poison(err)
		return err
	}
	if err := c.eng.store.Commit(ctx, c.session, o); err != nil {
		c.Poison(err) // a hook that goes on all the same must not commit this twice
		return err
	}
	c.srv.announce(o)
	c.srv.tally.checkpoint(c.eng.clock.Now(), o)
	c.job.Checkpoints++
	c.job.Attempts, c.job.Losses = o.Attempts, o.Losses
	c.job.Emitted += c.pend.created()
	c.job.Position, c.job.Reruns = o.Position, 0
	c.redriven.done = o.Redriven
	c.committed()
	for _, f := range c.resets {
		f()
	}
	c.watch.anew()
	if c.srv.drains.Load() {
		return ErrDrained
	}
	return nil
}

// advanced says that a checkpoint takes the job on: its position is another one,
// or something is committed with it. Attempts begin anew then.
func (c *Call) advanced(o *Outcome) bool {
	return !bytes.Equal(o.Position, c.job.Position) || len(o.Items)+len(o.Enqueue)+len(o.Writes)+len(o.Records.List) > 0 ||
		c.session != nil && c.session.Wrote()
}

// outcome holds what waits for a commit; the move is the caller's to add.
func (c *Call) outcome() *Outcome {
	return &Outcome{
		Job: c.job, Server: c.srv.id(), Elapsed: c.eng.clock.Now().Sub(c.began), Verdict: c.job.Verdict,
		Items: c.pend.items, Enqueue: c.pend.enqueue, Writes: c.pend.writes, Rejects: c.pend.rejects,
		Records: c.recordWrites(),
		Stats:   c.stats.Plus(c.before), NewStats: c.stats.Minus(c.saved),
	}
}

// allSkipped is how many rows a job has read and then skipped, if it has made nothing
// else of any; 0: that is not so.
func (c *Call) allSkipped(s Stats) int64 {
	n := s["skipped"]
	if c.stats["skipped"] == 0 || n != s["read"] || s["inserted"]+s["updated"]+s["unchanged"]+s["deleted"]+s["rejected"] > 0 {
		return 0
	}
	return n
}

// remember reads what earlier phases, attempts and checkpoints of the job have
// counted, before counts of this call are first added to it. A job that was
// never committed before has nothing, and pays nothing.
func (c *Call) remember(ctx context.Context) error {
	if len(c.stats) == 0 {
		return nil
	}
	return c.recall(ctx)
}

// recall reads them even if this call counts nothing.
func (c *Call) recall(ctx context.Context) (err error) {
	if c.knows {
		return nil
	}
	if c.job.Epoch > 0 || c.resumed {
		c.before, err = c.eng.store.SavedStats(ctx, c.job.ID)
	}
	c.knows = err == nil
	return err
}

// committed forgets what waited, and runs what was to run after the commit.
func (c *Call) committed() {
	for _, w := range c.pend.writes {
		if k := (seenKey{w.Scope, w.Name}); w.Seen >= 0 {
			c.seen[k] = w.Seen + 1
		} else {
			delete(c.seen, k)
		}
	}
	if c.pend.left.Jobs > 0 {
		c.Log(slog.LevelWarn, c.pend.left.String(), nil)
		c.srv.tally.leftOut(&c.pend.left)
	}
	if n := c.pend.doubles; n > 0 {
		c.Log(slog.LevelInfo, fmt.Sprintf("items that are not made, as the hook had emitted one with the key and another payload before: %d; the first has the key %q", n, c.pend.double), nil)
	}
	run := c.pend.onCommit
	c.whole += c.pend.whole
	c.elsewhere = c.elsewhere || c.pend.elsewhere
	c.pend = pending{}
	c.records.gen++
	c.saved, c.inCatch = c.stats.Copy(), nil
	for _, f := range run {
		c.runCommitted(f)
	}
}

// runCommitted runs one of them. What it does cannot take back the commit, nor
// end the hook: it has a time-out and a poison of its own.
func (c *Call) runCommitted(f func() error) {
	outer, poison, watch := c.ctx, c.poison, c.watch // which is paused, or has been stopped
	ctx, stop := context.WithCancelCause(outer)
	c.watch = newStopwatch(c.eng.clock, watch.limit, func() {
		stop(&Failure{Kind: KindTimeout, Code: "timeout", Message: "it ran longer than the hook's timeout of " + FormatDuration(watch.limit)})
	})
	c.ctx, c.poison, c.done = ctx, nil, true
	defer func() {
		c.watch.stop()
		stop(nil)
		c.ctx, c.poison, c.watch, c.done = outer, poison, watch, false
	}()
	defer func() {
		if p := recover(); p != nil {
			c.Log(slog.LevelError, fmt.Sprintf("on_commit: panic: %v", p), map[string]any{"backtrace": string(debug.Stack())})
		}
	}()
	err := f()
	if err == nil {
		err = c.poison
	}
	if err != nil {
		c.Log(slog.LevelError, "on_commit: "+err.Error(), nil)
	}
}
