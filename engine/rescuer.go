package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
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
	var looked time.Duration // when we looked last
	namesake := false
	s.keepTrying(ctx, "rescue jobs", nil, func(ctx context.Context) (time.Duration, error) {
		asked := s.eng.clock.Boot()
		servers, err := s.eng.store.Servers(ctx, false)
		now := s.eng.clock.Boot()
		if err != nil || now-asked > s.opts.Lease/3 || now-looked > 2*s.opts.Lease/3 {
			clear(seen) // others could not renew their leases either, or this process stood still
		}
		if err != nil {
			return 0, err
		}
		looked = now
		still := map[ServerID]sighting{}
		for _, o := range servers {
			if o.ID == s.id() {
				continue
			}
			g, ok := seen[o.ID]
			lives := ok && (g.beat != o.Beat || o.Liveness > 0)
			if !ok || g.beat != o.Beat {
				g = sighting{o.Beat, now}
			}
			still[o.ID] = g
			if lives && !namesake {
				namesake = s.tellNamesake(o)
			}
			gone := o.Liveness < 0 || o.Liveness == 0 && o.Expired && now-g.since >= s.opts.Lease
			if !gone {
				continue
			}
			dead, err := s.eng.store.MarkDead(ctx, o.ID, o.Beat)
			if err != nil { // its row may be locked: the others are not to wait for it
				if isAway(err) || errors.Is(err, ErrSevered) {
					clear(seen)
					return 0, err
				}
				s.log(slog.LevelWarn, "declare a server dead", err, "server", o.Name, "incarnation", o.ID)
				continue
			}
			if dead {
				args := append([]any{"server", o.Name, "host", o.Host, "pid", o.PID, "incarnation", o.ID}, lastHeardOf(o, o.Liveness != 0)...)
				s.eng.log.Warn("a server is lost: other servers take its jobs", args...)
			}
		}
		seen = still
		r, err := s.eng.store.Rescue(ctx, s.lossOutcome)
		if isAway(err) || errors.Is(err, ErrSevered) {
			clear(seen)
		}
		if r.Jobs > 0 { // also beside a claim that could not be had
			s.tellRescue(ctx, r)
			s.tally.rescued(r)
			s.wakeAll()
			poke(s.wakeFold)
		}
		return s.opts.Lease / 3, err
	})
}

// tellNamesake says that another process, which was there before, runs under this
// server's name; false if it has another one, or came later and tells it itself. One
// that runs until it is idle, or one job, is not told: it is gone soon.
func (s *Server) tellNamesake(o ServerRow) bool {
	if o.Name != s.opts.Name || o.ID > s.id() || s.opts.UntilIdle || len(s.opts.Once) > 0 {
		return false
	}
	s.eng.log.Warn("another process runs under this server's name: both work, and no job is done twice, but lists and logs do not tell them apart. Give each a name of its own (--name)",
		"server", o.Name, "host", o.Host, "pid", o.PID, "incarnation", o.ID, "this_incarnation", s.id())
	return true
}

// lastHeardOf says when a server that is lost was heard of last. Where the store itself
// tells who lives, beats are rare, and the last one says nothing.
func lastHeardOf(o ServerRow, told bool) []any {
	if told {
		return nil
	}
	return []any{"last_heard_of", o.SeenAt.UTC().Format(time.DateTime + " UTC")}
}

// tellRescue says whose jobs were taken back.
func (s *Server) tellRescue(ctx context.Context, r Rescue) {
	rows := map[ServerID]ServerRow{}
	list, err := s.eng.store.Servers(ctx, true)
	if err != nil {
		s.log(slog.LevelDebug, "list the servers", err) // then they have no names
	}
	told := false // by the store, which servers live
	for _, o := range list {
		rows[o.ID], told = o, told || o.Liveness != 0
	}
	for _, id := range slices.Sorted(maps.Keys(r.From)) {
		args := []any{"jobs", r.From[id]}
		if o, known := rows[id]; known {
			args = append(append(args, "server", o.Name, "host", o.Host, "pid", o.PID), lastHeardOf(o, told)...)
		}
		args = append(args, "incarnation", id)
		s.eng.log.Info("took back jobs of a server that is gone: they are due again, from their last checkpoints, and burn no attempt", args...)
	}
	if r.Losses > 0 {
		s.eng.log.Debug("jobs that ran alone when their server was lost; one that is lost so too often in a row fails", "jobs", r.Losses, "most", MaxLosses)
	}
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
	o.notPutOff()
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
