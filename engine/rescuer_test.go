package engine

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"
)

// oneServer is a store that shows one other server, whose beat stands still.
type oneServer struct {
	Store
	look   func() error
	rescue func()
	died   func()
}

func (s *oneServer) Servers(context.Context, bool) ([]ServerRow, error) {
	return []ServerRow{{ID: 2, Beat: 5, Expired: true}}, s.look()
}

func (s *oneServer) MarkDead(context.Context, ServerID, int64) (bool, error) {
	s.died()
	return false, nil
}

func (s *oneServer) Rescue(context.Context, func(*ClaimedJob, TypeRecord, *Failure) *Outcome) (Rescue, error) {
	s.rescue()
	return Rescue{}, nil
}

// A server is dead whose beat has stood still for a lease in which we looked and the
// database answered.
func TestNobodyIsDeadForWhatWasNotSeen(t *testing.T) {
	t.Parallel()
	const lease = time.Minute
	for name, c := range map[string]struct {
		sleeps time.Duration // at the second look, once it has looked
		err    error         // of it then
		after  bool          // only a lease after that
	}{
		"we looked all the time":   {},
		"the machine slept":        {sleeps: 3 * lease, after: true},
		"this process stood still": {sleeps: lease, after: true},
		"the database was away":    {err: Wrapf(CodeUnreachable, syscall.ECONNREFUSED, "reach the database"), after: true},
		"the connection was lost":  {err: Wrapf(CodeRetry, Severed(errors.New("bad connection")), "look"), after: true},
		"it took a little to look": {sleeps: lease / 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newLeaps()
			log, _ := told()
			began, looks, ended, dead := clock.Boot(), 0, time.Duration(0), time.Duration(0)
			ctx, stop := context.WithCancel(t.Context())
			store := &oneServer{}
			store.look = func() error {
				if looks++; looks != 2 {
					return nil
				}
				clock.boot.Add(int64(c.sleeps))
				ended = clock.Boot()
				return c.err
			}
			store.died = func() {
				dead = clock.Boot()
				stop()
			}
			s := &Server{eng: &Engine{clock: clock, log: log, store: store}, opts: ServerOptions{Lease: lease}}
			s.bury(ctx)
			from := began
			if c.after {
				from = ended
			}
			if since := dead - from; since < lease || since > 2*lease {
				t.Errorf("it is dead after %s: want a lease, or a little more, after the %v", since, map[bool]string{true: "second look", false: "first"}[c.after])
			}
		})
	}
}

// Rescue may have to wait for what others hold.
func TestARescueThatTakesLongKeepsNobodyFromBeingDeclaredDead(t *testing.T) {
	t.Parallel()
	clock := newLeaps()
	log, _ := told()
	dead := make(chan struct{})
	rescues := 0
	ctx, stop := context.WithCancel(t.Context())
	s := &Server{opts: ServerOptions{Lease: time.Minute}, wakeRescue: make(chan struct{}, 1)}
	s.eng = &Engine{clock: clock, log: log, store: &oneServer{
		look:   func() error { return nil },
		rescue: func() { rescues++; <-dead; stop() },
		died:   sync.OnceFunc(func() { close(dead) }),
	}}
	var duties sync.WaitGroup
	duties.Go(func() { s.rescue(ctx) })
	duties.Go(func() { s.bury(ctx) })
	duties.Wait()
	if rescues != 1 {
		t.Errorf("%d rescues, want the one that takes long", rescues)
	}
}
