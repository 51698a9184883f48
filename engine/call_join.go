package engine

import (
	"context"
	"errors"
	"slices"
)

// joined is a hook's session on another database.
type joined struct {
	name    string
	session Joined
}

// Join gives the hook's session on another database, and begins it at the first
// call. What is written there is committed just before each commit of the
// hook's own, so it is done at least once; a hook that fails, or starts again,
// takes it back like its own.
func (c *Call) Join(name string, other Connection) Joined {
	for _, j := range c.joined {
		if j.name == name {
			return j.session
		}
	}
	if c.job.Waits {
		c.job.Waits = false
		c.Progress(Progress{})
	}
	s := other.Begin(c.sessionOptions())
	c.joined = append(c.joined, joined{name, s})
	return s
}

// Unreached shows that the hook, which runs again, waits for another database, until it
// joins one.
func (c *Call) Unreached(err error) {
	if CodeOf(err) == CodeUnreachable && !c.job.Waits {
		c.job.Waits = true
		c.Progress(Progress{Note: "waits for a database: " + err.Error()})
	}
}

// commitJoined commits what was written to other databases.
func (c *Call) commitJoined(ctx context.Context) error {
	for _, j := range c.joined {
		err := j.session.CommitOwn(ctx)
		if errors.Is(err, ErrLost) {
			return err
		}
		if err != nil {
			return joinedError(j.name, err)
		}
	}
	return nil
}

// joinedError says at which database it happened.
func joinedError(name string, err error) error {
	if code := CodeOf(err); code != "" {
		return Wrapf(code, err, "commit on connection %q", name)
	}
	f := AsFailure(err)
	f.Message = "commit on connection \"" + name + "\": " + f.Message
	return f
}

// rollbackJoined takes back what was not committed.
func (c *Call) rollbackJoined() {
	for _, j := range c.joined {
		j.session.Rollback(c.ctx)
	}
}

// savepoint is marks on the sessions that a hook has.
type savepoint struct {
	own    int
	joined map[string]int
}

// mark sets a savepoint on all sessions.
func (c *Call) mark() (p savepoint, err error) {
	if p.own, err = c.Session().Mark(c.ctx); err != nil {
		return p, err
	}
	p.joined = map[string]int{}
	for _, j := range c.joined {
		if p.joined[j.name], err = j.session.Mark(c.ctx); err != nil {
			return p, err
		}
	}
	return p, nil
}

// keep forgets a savepoint.
func (c *Call) keep(p savepoint) error {
	for _, j := range c.joined {
		if n, ok := p.joined[j.name]; ok {
			if err := j.session.Keep(c.ctx, n); err != nil {
				return err
			}
		}
	}
	return c.session.Keep(c.ctx, p.own)
}

// undo takes back all since a savepoint.
func (c *Call) undo(p savepoint) error {
	for _, j := range c.joined {
		n, ok := p.joined[j.name]
		if !ok { // it has begun since
			j.session.Rollback(c.ctx)
			continue
		}
		if err := j.session.Undo(c.ctx, n); err != nil {
			return err
		}
	}
	return c.session.Undo(c.ctx, p.own)
}

// closeJoined gives all connections back.
func (c *Call) closeJoined() {
	for _, j := range slices.Backward(c.joined) {
		j.session.Close()
	}
	c.joined = nil
}
