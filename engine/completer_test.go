package engine

import (
	"context"
	"log/slog"
	"slices"
	"strings"
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

// A batch of which other transactions hold rows is divided, also where the lease has run
// out just then: what was committed counts. What could not be is not told as completed.
func TestWhatWasCommittedInTimeCounts(t *testing.T) {
	t.Parallel()
	log, lines := told()
	s := &Server{eng: &Engine{store: lockedStore{}, clock: newLeaps(), log: log}, opts: ServerOptions{}.WithDefaults(),
		claims: newClaimTable(), running: newRunTable()}
	s.done = newCompleter(s)
	s.suspended.Store(true)
	id := s.claims.newID()
	s.claims.taken(id, []ClaimedJob{{JobRef: JobRef{ID: 7}}, {JobRef: JobRef{ID: 8}}})
	outcomes := []Outcome{{Job: &ClaimedJob{JobRef: JobRef{ID: 7}, Claim: id}}, {Job: &ClaimedJob{JobRef: JobRef{ID: 8}, Claim: id}}}
	if left, inTime := s.done.settleHeld(t.Context(), outcomes); len(left) != 1 || left[0].Job.ID != 8 || !inTime {
		t.Errorf("left %d, in time %v, want job 8 left", len(left), inTime)
	}
	if s.Snapshot().LastCommit == nil {
		t.Error("job 7 was committed, and is not told as that")
	}

	s.eng.store = endedStore{}
	s.done.held = slices.Clone(outcomes[1:])
	s.done.tryHeld(t.Context())
	if strings.Contains(lines.String(), "are completed") || !strings.Contains(lines.String(), "the lease ran out before the database answered") {
		t.Errorf("it says\n%s", lines)
	}
}

// lockedStore settles all but job 8.
type lockedStore struct{ Store }

func (lockedStore) Settle(context.Context, []Outcome, []ClaimID) ([]JobID, error) {
	return nil, &LockedError{Jobs: []JobID{8}}
}

// awayStore cannot be reached for some tries.
type awayStore struct {
	Store
	away func() bool
}

func (a awayStore) Settle(context.Context, []Outcome, []ClaimID) ([]JobID, error) {
	if a.away() {
		return nil, Errorf(CodeUnreachable, "reach the database: connection refused")
	}
	return nil, nil
}

// It is told that the database can be used again once the jobs that were done meanwhile
// are completed, also where all else could use it before.
func TestAnOutageLastsUntilJobsAreCompleted(t *testing.T) {
	t.Parallel()
	log, lines := told()
	s := &Server{eng: &Engine{clock: newLeaps(), log: log}, opts: ServerOptions{}.WithDefaults(), claims: newClaimTable(), running: newRunTable()}
	try := 0
	s.eng.store = awayStore{away: func() bool {
		if try++; try == 3 {
			s.usable(s, true)
			if !s.away.on() {
				t.Error("the jobs that are done are not waited for")
			}
		}
		return try < 4
	}}
	s.done = newCompleter(s)
	id := s.claims.newID()
	s.claims.taken(id, claimedJobs(7))
	s.waitOut(s, "beat", s.eng.clock.Boot(), Errorf(CodeUnreachable, "reach the database: connection refused"))
	s.done.add(Outcome{Job: &ClaimedJob{JobRef: JobRef{ID: 7}, Claim: id}}, true)
	s.done.flush(t.Context())
	if got := lines.String(); try != 4 || s.away.on() || strings.Count(got, "level=WARN") != 1 || strings.Count(got, "can be used again") != 1 {
		t.Errorf("after %d tries it says\n%s", try, got)
	}
}
