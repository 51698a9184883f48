package sqlstore

import (
	"context"
	"errors"
	"strconv"

	"github.com/dsengine/dsengine/engine"
)

// HookTx is a hook's open transaction, as a session hands it over for the
// commit.
type HookTx interface {
	engine.Session
	// Ready ends what the script's statements left open and proves that the
	// transaction is still the one that was begun. x is nil if none is open.
	Ready(ctx context.Context) (x Execer, err error)
	// Fenced is what the fence is to tell: see Session.
	Fenced() (condition string, found func(int64))
	// Commit commits the transaction; the session can be used again. A Failure says
	// that it was not, because of what the transaction has written.
	Commit(ctx context.Context) error
}

// Commit writes an outcome in the hook's transaction, or in one of its own, and
// commits. If the answer to the COMMIT is lost, it looks what became of it.
func (s *Store) Commit(ctx context.Context, session engine.Session, o *engine.Outcome) error {
	if h, ok := session.(HookTx); ok && h != nil {
		x, err := h.Ready(ctx)
		if err != nil {
			h.Rollback(ctx)
			return err
		}
		if x != nil {
			return s.commitHook(ctx, h, x, o)
		}
	}
	was := *o
	return s.writeOn(ctx, s.patient(), committing(o), func(t *Tx) error {
		*o = was // a person's cancel may have turned it, in a run that was undone
		return t.apply(o)
	}, func(t *Tx) (bool, error) { return t.took(o) })
}

func (s *Store) commitHook(ctx context.Context, h HookTx, x Execer, o *engine.Outcome) error {
	ctx = s.calm(ctx)
	t := s.On(ctx, x)
	t.fenced, t.found = h.Fenced()
	if err := t.apply(o); err != nil {
		h.Rollback(ctx)
		return err
	}
	err := h.Commit(ctx)
	s.bounds.lower(t.due)
	var refused *engine.Failure
	if err == nil || errors.As(err, &refused) {
		return err
	}
	if class := s.D.Class(err); class != ClassConnection && ctx.Err() == nil {
		return s.wrap(err, "COMMIT")
	}
	took := false
	took, err = s.findOut(ctx, committing(o), func(t *Tx) (bool, error) { return t.took(o) })
	if err != nil {
		return err
	}
	if !took {
		return engine.Errorf(engine.CodeRetry, "the connection broke at COMMIT, and nothing was committed")
	}
	return nil
}

// committing names the transaction in errors and logs.
func committing(o *engine.Outcome) string {
	return "commit job " + strconv.FormatInt(int64(o.Job.ID), 10)
}

// took says whether an outcome was committed whose answer was lost. It locks
// the job's row: a plain read may miss a COMMIT that is under way. CodeLost
// says that the job has gone on without us.
func (t *Tx) took(o *engine.Outcome) (bool, error) {
	rows, err := t.stored([]*engine.Outcome{o}, t.s.D.Lock())
	if err != nil {
		return false, err
	}
	x, ok := rows[o.Job.ID]
	switch {
	case !ok:
		return false, lost(o)
	case x.epoch == o.Job.Epoch:
		return o.Checkpoint() && x.checkpoints == o.Checkpoints, nil
	case !o.Checkpoint() && x.is(o):
		return true, nil
	}
	return false, lost(o)
}
