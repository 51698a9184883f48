package engine

import (
	"context"
	"log/slog"
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
	case c.catching > 0:
		return c.misuse("ctx.checkpoint commits, so it cannot be called inside catch")
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
	}
	return c.commitPosition()
}

// commitPosition commits what waits, with the position and the loops' counts.
func (c *Call) commitPosition() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	c.watch.pause()
	defer c.watch.resume()
	c.position.Loops = c.loops.counts
	o := c.outcome()
	o.SetPosition, o.Position = true, c.position.encode()
	o.Checkpoints = c.job.Checkpoints + 1
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
	c.job.Attempts, c.job.Losses = 0, 0
	c.job.Emitted += c.pend.created()
	c.job.Position = o.Position
	c.committed()
	for _, f := range c.resets {
		f()
	}
	c.watch.left = c.watch.limit // resumed by the deferred call
	if c.srv.drains.Load() {
		return ErrDrained
	}
	return nil
}

// outcome holds what waits for a commit; the move is the caller's to add.
func (c *Call) outcome() *Outcome {
	return &Outcome{
		Job: c.job, Server: c.srv.id(), Elapsed: c.eng.clock.Now().Sub(c.began), Verdict: c.job.Verdict,
		Items: c.pend.items, Enqueue: c.pend.enqueue, Writes: c.pend.writes,
		Stats: c.stats, NewStats: c.stats.Minus(c.saved),
	}
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
	run := c.pend.onCommit
	c.pend = pending{}
	c.saved = c.stats.Copy()
	for _, f := range run {
		if err := f(); err != nil {
			c.Log(slog.LevelError, "on_commit: "+err.Error(), nil)
		}
	}
}
