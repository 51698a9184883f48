package engine

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
)

// loads is a store of which a test says how jobs are read.
type loads struct {
	Store
	load     func(ctx context.Context) error
	released int
}

func (s *loads) Load(ctx context.Context, _ Queue, _ *Claim) error { return s.load(ctx) }

func (s *loads) Release(_ context.Context, _ ClaimID, jobs []JobRef) error {
	s.released += len(jobs)
	return nil
}

// loading is a lane that has n claims of one job each to read, and gets no others.
func loading(s *loads, clock Clock, log *slog.Logger, n int) *lane {
	srv := &Server{eng: &Engine{store: s, clock: clock, log: log}, opts: ServerOptions{Lease: 20 * time.Millisecond}.WithDefaults(), claims: newClaimTable()}
	l := &lane{srv: srv, typ: &Type{Name: "t"}, taken: make(chan Claim, n), jobs: make(chan *ClaimedJob, n), wakeUp: make(chan struct{}, 1)}
	for i := range n {
		id := srv.claims.newID()
		jobs := []ClaimedJob{{JobRef: JobRef{ID: JobID(i + 1)}}}
		srv.claims.taken(id, jobs)
		l.taken <- Claim{ID: id, Jobs: jobs}
	}
	l.buffered.Store(int64(n))
	close(l.taken)
	return l
}

func TestAClaimIsGivenBackThatTheDatabaseDoesNotShow(t *testing.T) {
	t.Parallel()
	store := &loads{load: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	log, lines := told()
	l := loading(store, SystemClock{}, log, 1)
	ended := make(chan struct{})
	go func() { l.load(t.Context()); close(ended) }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("it waits without end")
	}
	if store.released != 1 || l.buffered.Load() != 0 {
		t.Errorf("gave back %d jobs, and has %d still", store.released, l.buffered.Load())
	}
	if !strings.Contains(lines.String(), "the database cannot be used") {
		t.Errorf("it says\n%s", lines)
	}
}

func TestClaimsThatCannotBeReadAreNotReadInAHurry(t *testing.T) {
	t.Parallel()
	const claims = 100
	clock, reads := newLeaps(), 0
	store := &loads{load: func(context.Context) error {
		if reads++; reads < claims {
			return Errorf(CodeRetry, "it is read-only")
		}
		return nil
	}}
	log, lines := told()
	l := loading(store, clock, log, claims)
	l.load(t.Context())
	if took := clock.Boot() - time.Hour; took < 90*time.Second || took > 100*time.Second {
		t.Errorf("%d tries took %s, want about a second each", claims, took)
	}
	if store.released != claims-1 || len(l.jobs) != 1 {
		t.Errorf("gave back %d jobs, and handed on %d", store.released, len(l.jobs))
	}
	if !regexp.MustCompile(`^(level=WARN msg="read claimed jobs of t" .*\n){2}level=INFO msg="read claimed jobs of t: works again" after=1m\S+\n$`).MatchString(lines.String()) {
		t.Errorf("it says\n%s", lines)
	}
}
