package engine

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// rescue takes the jobs of servers that are dead.
func (s *Server) rescue(ctx context.Context) {
	s.keepTrying(ctx, "rescue jobs", s.wakeRescue, func(ctx context.Context) (time.Duration, error) {
		r, err := s.eng.store.Rescue(ctx, s.lossOutcome)
		if r.Jobs > 0 { // also beside a claim that could not be had
			s.tellRescue(ctx, r)
			s.tally.rescued(r)
			s.wakeAll()
			poke(s.wakeFold)
		}
		return s.opts.Lease / 3, err
	})
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
		s.eng.log.Debug("jobs that were alone in their claim when their server was lost; one that is lost so too often in a row fails", "jobs", r.Losses, "most", MaxLosses)
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
		Message: fmt.Sprintf("its process was lost %d times in a row while it ran: it may be what kills it (out of memory?), or what runs beside it. dsengine jobs show %d says which processes, and when; what started them may say of what they died. Once that is mended: dsengine jobs retry %[2]d", j.Losses, j.ID)}
	s.eng.log.Warn("an attempt fails because of lost processes", "job", j.ID, "losses", j.Losses)
	if j.Phase == PhaseFail {
		f.Phase, f.Attempt, f.Final = PhaseFail, failed.Attempt, failed.Final
		obey(o, policy, failed)
		o.Failure, o.Because = f, failed
		return o
	}
	failure(o, t.Hooks, policy, f)
	return o
}
