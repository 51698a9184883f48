package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// sighting is a server's beat, and since when we have seen it stand still.
type sighting struct {
	beat  int64
	since time.Duration
}

// rescue takes the jobs of processes that are gone. A server is dead when its
// lease has passed on the database's clock and its beat has not moved for a
// lease by our own: a clock that is set, or a database that was away, kills
// nobody.
func (s *Server) rescue(ctx context.Context) {
	seen := map[ServerID]sighting{}
	s.keepTrying(ctx, "rescue jobs", nil, func(ctx context.Context) (time.Duration, error) {
		servers, err := s.eng.store.Servers(ctx, false)
		if err != nil {
			return 0, err
		}
		now := s.eng.clock.Boot()
		still := map[ServerID]sighting{}
		for _, o := range servers {
			if o.ID == s.id() {
				continue
			}
			g, ok := seen[o.ID]
			if !ok || g.beat != o.Beat {
				g = sighting{o.Beat, now}
			}
			still[o.ID] = g
			gone := o.Liveness < 0 || o.Liveness == 0 && o.Expired && now-g.since >= s.opts.Lease
			if !gone {
				continue
			}
			dead, err := s.eng.store.MarkDead(ctx, o.ID, o.Beat)
			if err != nil { // its row may be locked: the others are not to wait for it
				s.eng.log.Warn("declare a server dead", "server", o.Name, "incarnation", o.ID, "error", err)
				continue
			}
			if dead {
				s.eng.log.Warn("a server is lost: its jobs are taken back", "server", o.Name, "incarnation", o.ID, "host", o.Host, "pid", o.PID)
			}
		}
		seen = still
		r, err := s.eng.store.Rescue(ctx, s.lossOutcome)
		if r.Jobs > 0 { // also beside a claim that could not be had
			s.eng.log.Info("took back jobs of lost servers", "jobs", r.Jobs, "claims", r.Claims, "losses", r.Losses)
			s.tally.rescued(r)
			s.wakeAll()
			poke(s.wakeFold)
		}
		return s.opts.Lease / 3, err
	})
}

// lossOutcome decides about a job that was lost alone: at MaxLosses in a row
// the attempt fails. A fail hook that is lost so often has decided nothing, and
// the policy applies to the failure that it was given.
func (s *Server) lossOutcome(j *ClaimedJob, t TypeRecord, failed *Failure) (o *Outcome) {
	if j.Losses < MaxLosses {
		return nil
	}
	defer func() {
		if p := recover(); p != nil { // it would end this process, and the next one that rescues
			s.eng.log.Error("decide about a job whose process was lost too often: it is made due again", "job", j.ID, "panic", p, "backtrace", string(debug.Stack()))
			o = nil
		}
	}()
	o = &Outcome{Job: j, Server: s.id(), Verdict: j.Verdict}
	policy := RetryPolicy{Max: t.MaxAttempts}.WithDefaults()
	if typ := s.types[t.ID]; typ != nil {
		policy = typ.Settings.Retry
	}
	f := &Failure{Kind: KindLost, Code: "lost", Retryable: true,
		Message: fmt.Sprintf("its process was lost %d times in a row while it ran alone; it may be killing it (out of memory?)", j.Losses)}
	if j.Phase == PhaseFail {
		f.Phase, f.Attempt, f.Final = PhaseFail, failed.Attempt, failed.Final
		obey(o, policy, failed)
		o.Failure, o.Because = f, failed
		return o
	}
	failure(o, t.Hooks, policy, f)
	return o
}
