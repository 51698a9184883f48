package engine

import (
	"context"
	"slices"
	"testing"
	"time"
)

// drained runs a hook that does not end when it is told to, and before it does then
// calls meanwhile. It gives the server and the lines of the job's log.
func drained(t *testing.T, meanwhile func(*Server)) (*Server, *loads, []LogLine) {
	t.Helper()
	log, _ := told()
	store := &loads{}
	s := &Server{eng: &Engine{store: store, clock: SystemClock{}, log: log}, opts: ServerOptions{}.WithDefaults(), claims: newClaimTable(), running: newRunTable()}
	s.logs = newLogWriter(s)
	id := s.claims.newID()
	s.claims.taken(id, []ClaimedJob{{JobRef: JobRef{ID: 7}}, {JobRef: JobRef{ID: 8}}}) // another one runs still
	hooks, stop := context.WithCancelCause(t.Context())
	l := &lane{srv: s, typ: &Type{Name: "t", Settings: Settings{Timeout: map[Phase]time.Duration{PhaseConsume: time.Hour}}}, hook: func(c *Call) (Raw, error) {
		s.tally.overdue()
		stop(ErrDrained)
		s.running.stopCalls(ErrDrained)
		meanwhile(s)
		return nil, nil
	}}
	s.attempt(hooks, l, &ClaimedJob{JobRef: JobRef{ID: 7}, Claim: id, Phase: PhaseConsume})
	return s, store, s.logs.lines
}

func TestAJobThatWasLeftBehindIsGivenBackOnce(t *testing.T) {
	t.Parallel()
	_, store, lines := drained(t, func(s *Server) { s.abandon(t.Context()) })
	if store.released != 1 || len(lines) != 1 {
		t.Errorf("given back %d times, with %d lines in its log, want one of each: %+v", store.released, len(lines), lines)
	}
}

func TestAJobThatOthersHaveIsNotSaidToBeGivenBack(t *testing.T) {
	t.Parallel()
	s, store, lines := drained(t, func(s *Server) {
		s.suspended.Store(true)
		s.loseAll()
	})
	if store.released != 0 || len(lines) != 0 {
		t.Errorf("given back %d times, and its log says %+v", store.released, lines)
	}
	s.tally.cutOff()
	if kept := s.Snapshot().Kept; !slices.Equal(kept, []JobID{7}) {
		t.Errorf("kept are %v: it could not be given back", kept)
	}
}
