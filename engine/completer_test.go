package engine

import (
	"context"
	"log/slog"
	"testing"
)

// endedStore does what a store does once its context has ended.
type endedStore struct{ Store }

func (endedStore) Settle(ctx context.Context, _ []Outcome, _ []ClaimID) ([]JobID, error) {
	return nil, ctx.Err()
}

// A job that was to be settled when the lease may have ended is not done with: to drop
// its claim would leave it in no place at all. That holds also for the moment in which
// the lease is known to be over and the claims are not forgotten yet.
func TestWhatWasNotSettledIsNotDropped(t *testing.T) {
	t.Parallel()
	for name, settle := range map[string]func(d *completer, o Outcome){
		"a batch": func(d *completer, o Outcome) {
			d.add(o, true)
			d.flush(t.Context())
		},
		"one whose row was held": func(d *completer, o Outcome) { d.settleHeld(t.Context(), []Outcome{o}) },
	} {
		s := &Server{eng: &Engine{store: endedStore{}, clock: SystemClock{}, log: slog.New(slog.DiscardHandler)}, opts: ServerOptions{}.WithDefaults(),
			claims: newClaimTable(), running: newRunTable()}
		s.done = newCompleter(s)
		id := s.claims.newID()
		s.claims.taken(id, claimedJobs(7))
		s.suspended.Store(true)
		settle(s.done, Outcome{Job: &ClaimedJob{JobRef: JobRef{ID: 7}, Claim: id}})
		if len(s.done.gone) > 0 {
			t.Errorf("%s: its claim is to be dropped", name)
		}
		if s.claims.known(id) {
			t.Errorf("%s: its claim is taken for one that is worked on: nobody gives it back", name)
		}
	}
}
