package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// decision is what a table says of an outcome.
type decision struct {
	To       string
	Attempts int
	Delay    time.Duration
	Failed   Phase  // FailedPhase
	Verdict  Status // what it becomes when its items have settled
	Error    string // why it failed
}

func decided(o *Outcome) decision {
	d := decision{To: fmt.Sprintf("%s %s", o.Event, o.To), Attempts: o.Attempts, Delay: o.Delay, Failed: o.FailedPhase, Verdict: o.Verdict}
	if o.Because != nil {
		d.Error = o.Because.Message
	}
	return d
}

func hookSet(ps ...Phase) (h HookSet) {
	for _, p := range ps {
		h |= 1 << p
	}
	return h
}

var quick = RetryPolicy{Max: 3, First: 10 * time.Second, Factor: 2, Cap: time.Hour}

func TestDecideSuccess(t *testing.T) {
	t.Parallel()
	all := hookSet(PhaseProduce, PhaseConsume, PhaseFinish, PhaseFail)
	noFinish := hookSet(PhaseProduce, PhaseConsume)
	for _, x := range []struct {
		name    string
		job     ClaimedJob
		hooks   HookSet
		result  Raw
		emitted int64
		summary *Summary
		want    decision
	}{
		{"produce gives a payload", ClaimedJob{Phase: PhaseProduce, Attempts: 1}, all, Raw("1"), 0, nil, decision{To: "hand on consume/waiting"}},
		{"produce gives a result, without consume", ClaimedJob{Phase: PhaseProduce}, hookSet(PhaseProduce), Raw("1"), 0, nil, decision{To: "complete completed", Attempts: 1}},
		{"produce gives nothing, with finish", ClaimedJob{Phase: PhaseProduce}, all, nil, 0, nil, decision{To: "finish finish/waiting"}},
		{"produce gives nothing", ClaimedJob{Phase: PhaseProduce}, noFinish, nil, 0, nil, decision{To: "complete completed", Attempts: 1}},
		{"produce emits", ClaimedJob{Phase: PhaseProduce}, all, nil, 2, nil, decision{To: "open produce/open", Attempts: 1}},
		{"consume emits", ClaimedJob{Phase: PhaseConsume, Attempts: 1}, noFinish, Raw("1"), 2, nil, decision{To: "open consume/open", Attempts: 2}},
		{"consume ends", ClaimedJob{Phase: PhaseConsume, Attempts: 1}, all, nil, 0, nil, decision{To: "complete completed", Attempts: 2}},
		{"finish ends", ClaimedJob{Phase: PhaseFinish}, all, nil, 9, &Summary{Total: 9, Completed: 9}, decision{To: "complete completed", Attempts: 1}},
		{"finish ends, and items failed", ClaimedJob{Phase: PhaseFinish}, all, nil, 9, &Summary{Total: 9, Failed: 2}, decision{To: "give up failed", Attempts: 1, Error: "2 of 9 items failed"}},
		{"finish ends, and the job had failed before", ClaimedJob{Phase: PhaseFinish, Verdict: StatusFailed}, all, nil, 9, &Summary{Total: 9, Error: &Failure{Message: "no"}}, decision{To: "give up failed", Attempts: 1, Verdict: StatusFailed, Error: "no"}},
		{"finish ends, and the job was cancelled", ClaimedJob{Phase: PhaseFinish, Verdict: StatusCancelled}, all, nil, 9, &Summary{Total: 9, Failed: 2}, decision{To: "cancel cancelled", Attempts: 1, Verdict: StatusCancelled}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			o := &Outcome{Job: &x.job, Verdict: x.job.Verdict}
			if f := success(o, x.hooks, x.result, x.emitted, x.summary); f != nil {
				t.Fatal(f)
			}
			if d := cmp.Diff(x.want, decided(o)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	t.Run("produce does both", func(t *testing.T) {
		t.Parallel()
		f := success(&Outcome{Job: &ClaimedJob{Phase: PhaseProduce}}, all, Raw("1"), 1, nil)
		if f == nil || f.Code != "usage" {
			t.Errorf("want a failure with code usage, got %v", f)
		}
	})
}

func TestDecideFailure(t *testing.T) {
	t.Parallel()
	withFail := hookSet(PhaseProduce, PhaseConsume, PhaseFinish, PhaseFail)
	without := hookSet(PhaseProduce, PhaseConsume, PhaseFinish)
	for _, x := range []struct {
		name  string
		job   ClaimedJob
		hooks HookSet
		f     Failure
		want  decision
	}{
		{"the first of three attempts", ClaimedJob{Phase: PhaseConsume}, without, Failure{Message: "no", Retryable: true}, decision{To: "retry consume/waiting", Attempts: 1, Delay: 10 * time.Second}},
		{"the second of three attempts", ClaimedJob{Phase: PhaseProduce, Attempts: 1}, without, Failure{Message: "no", Retryable: true}, decision{To: "retry produce/waiting", Attempts: 2, Delay: 20 * time.Second}},
		{"it says when", ClaimedJob{Phase: PhaseConsume}, without, Failure{Message: "no", Retryable: true, Wait: true, RetryAfter: time.Minute}, decision{To: "retry consume/waiting", Attempts: 1, Delay: time.Minute}},
		{"it says at once", ClaimedJob{Phase: PhaseConsume}, without, Failure{Message: "no", Retryable: true, Wait: true}, decision{To: "retry consume/waiting", Attempts: 1}},
		{"the last attempt", ClaimedJob{Phase: PhaseFinish, Attempts: 2}, without, Failure{Message: "no", Retryable: true}, decision{To: "give up failed", Attempts: 3, Failed: PhaseFinish, Error: "no"}},
		{"trying again cannot help", ClaimedJob{Phase: PhaseConsume}, without, Failure{Message: "no"}, decision{To: "give up failed", Attempts: 1, Failed: PhaseConsume, Error: "no"}},
		{"its items go on first", ClaimedJob{Phase: PhaseProduce, Emitted: 5}, without, Failure{Message: "no"}, decision{To: "open produce/open", Attempts: 1, Failed: PhaseProduce, Verdict: StatusFailed, Error: "no"}},
		{"finish waits for no items", ClaimedJob{Phase: PhaseFinish, Emitted: 5}, without, Failure{Message: "no"}, decision{To: "give up failed", Attempts: 1, Failed: PhaseFinish, Error: "no"}},
		{"the fail hook decides", ClaimedJob{Phase: PhaseConsume, Attempts: 2}, withFail, Failure{Message: "no"}, decision{To: "fail fail/waiting", Attempts: 3, Failed: PhaseConsume}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			o := &Outcome{Job: &x.job, Verdict: x.job.Verdict}
			failure(o, x.hooks, quick, &x.f)
			if d := cmp.Diff(x.want, decided(o)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestDecideVerdict(t *testing.T) {
	t.Parallel()
	hooks := hookSet(PhaseProduce, PhaseConsume, PhaseFinish)
	again := Failure{Message: "no", Phase: PhaseConsume, Attempt: 3, Retryable: true, Final: true}
	for _, x := range []struct {
		name   string
		job    ClaimedJob
		v      Verdict
		failed *Failure
		want   decision
	}{
		{"retry", ClaimedJob{Phase: PhaseConsume, Attempts: 1}, Verdict{Event: Retried, Reason: "r"}, nil, decision{To: "retry consume/waiting", Attempts: 2, Delay: 20 * time.Second}},
		{"retry after", ClaimedJob{Phase: PhaseConsume}, Verdict{Event: Retried, Wait: true, After: time.Hour}, nil, decision{To: "retry consume/waiting", Attempts: 1, Delay: time.Hour}},
		{"retry of the last attempt", ClaimedJob{Phase: PhaseConsume, Attempts: 2}, Verdict{Event: Retried, Reason: "r"}, nil, decision{To: "give up failed", Attempts: 3, Failed: PhaseConsume, Error: "r"}},
		{"snooze", ClaimedJob{Phase: PhaseProduce, Attempts: 1}, Verdict{Event: Snoozed, After: time.Hour}, nil, decision{To: "snooze produce/waiting", Attempts: 1, Delay: time.Hour}},
		{"cancel", ClaimedJob{Phase: PhaseConsume, Attempts: 1}, Verdict{Event: Withdrawn}, nil, decision{To: "cancel cancelled", Attempts: 2}},
		{"cancel with items", ClaimedJob{Phase: PhaseConsume, Emitted: 1}, Verdict{Event: Withdrawn}, nil, decision{To: "open consume/open", Attempts: 1, Failed: PhaseConsume, Verdict: StatusCancelled}},
		{"fail", ClaimedJob{Phase: PhaseConsume}, Verdict{Event: GaveUp, Reason: "r"}, nil, decision{To: "give up failed", Attempts: 1, Failed: PhaseConsume, Error: "r"}},
		{"in fail: retry, past the last attempt", ClaimedJob{Phase: PhaseFail, FailedPhase: PhaseConsume, Attempts: 3}, Verdict{Event: Retried, Wait: true, After: time.Minute}, &again, decision{To: "retry consume/waiting", Attempts: 3, Delay: time.Minute}},
		{"in fail: snooze burns no attempt", ClaimedJob{Phase: PhaseFail, FailedPhase: PhaseConsume, Attempts: 3}, Verdict{Event: Snoozed, After: time.Minute}, &again, decision{To: "snooze consume/waiting", Attempts: 2, Delay: time.Minute}},
		{"in fail: cancel", ClaimedJob{Phase: PhaseFail, FailedPhase: PhaseConsume, Attempts: 3}, Verdict{Event: Withdrawn}, &again, decision{To: "cancel cancelled", Attempts: 3, Failed: PhaseConsume, Error: "no"}},
		{"in fail: fail, with a reason", ClaimedJob{Phase: PhaseFail, FailedPhase: PhaseConsume, Attempts: 3}, Verdict{Event: GaveUp, Reason: "r"}, &again, decision{To: "give up failed", Attempts: 3, Failed: PhaseConsume, Error: "r"}},
		{"in fail: fail, with items", ClaimedJob{Phase: PhaseFail, FailedPhase: PhaseConsume, Attempts: 3, Emitted: 4}, Verdict{Event: GaveUp}, &again, decision{To: "open consume/open", Attempts: 3, Failed: PhaseConsume, Verdict: StatusFailed, Error: "no"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			o := &Outcome{Job: &x.job, Verdict: x.job.Verdict}
			obeyVerdict(o, hooks, quick, &x.v, x.failed)
			if d := cmp.Diff(x.want, decided(o)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestWithdraw: a phase that has ended when its job is cancelled is over; one that has not
// is where a retry goes on.
func TestWithdraw(t *testing.T) {
	for _, x := range []struct {
		name    string
		job     ClaimedJob
		event   Event
		to      State
		emitted int64
		want    Outcome
	}{
		{"it waits", ClaimedJob{Phase: PhaseConsume}, "", State{}, 0, Outcome{Event: Withdrawn, To: State{PhaseConsume, StatusCancelled}}},
		{"it waits behind a checkpoint with items", ClaimedJob{Phase: PhaseConsume}, "", State{}, 2, Outcome{Event: Opened, To: State{PhaseConsume, StatusOpen}, FailedPhase: PhaseConsume, Verdict: StatusCancelled}},
		{"it would be retried", ClaimedJob{Phase: PhaseProduce}, Retried, State{PhaseProduce, StatusWaiting}, 2, Outcome{Event: Opened, To: State{PhaseProduce, StatusOpen}, FailedPhase: PhaseProduce, Verdict: StatusCancelled}},
		{"its fail hook retries it", ClaimedJob{Phase: PhaseFail, FailedPhase: PhaseConsume}, Retried, State{PhaseConsume, StatusWaiting}, 2, Outcome{Event: Opened, To: State{PhaseConsume, StatusOpen}, FailedPhase: PhaseConsume, Verdict: StatusCancelled}},
		{"it has emitted items and ended", ClaimedJob{Phase: PhaseConsume}, Opened, State{PhaseConsume, StatusOpen}, 2, Outcome{Event: Opened, To: State{PhaseConsume, StatusOpen}, Verdict: StatusCancelled}},
		{"it has returned a payload", ClaimedJob{Phase: PhaseProduce}, HandedOn, State{PhaseConsume, StatusWaiting}, 0, Outcome{Event: Withdrawn, To: State{PhaseConsume, StatusCancelled}}},
		{"it has produced nothing", ClaimedJob{Phase: PhaseProduce}, Finishing, State{PhaseFinish, StatusWaiting}, 0, Outcome{Event: Withdrawn, To: State{PhaseFinish, StatusCancelled}}},
		{"its finish waits", ClaimedJob{Phase: PhaseFinish}, "", State{}, 2, Outcome{Event: Withdrawn, To: State{PhaseFinish, StatusCancelled}}},
	} {
		o := &Outcome{Job: &x.job, Event: x.event, To: x.to}
		o.Withdraw(x.emitted)
		x.want.Job = &x.job
		if d := cmp.Diff(&x.want, o); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, d)
		}
	}
}

func TestDecideSettled(t *testing.T) {
	t.Parallel()
	finish := hookSet(PhaseProduce, PhaseConsume, PhaseFinish)
	none := hookSet(PhaseProduce, PhaseConsume)
	for _, x := range []struct {
		name  string
		p     Parent
		hooks HookSet
		want  string
	}{
		{"items are left", Parent{Phase: PhaseProduce, Items: 3, Completed: 1, Failed: 1}, none, ""},
		{"all completed", Parent{Phase: PhaseProduce, Items: 3, Completed: 3}, none, "complete completed"},
		{"one failed", Parent{Phase: PhaseConsume, Items: 3, Completed: 2, Failed: 1}, none, "give up failed: 1 of 3 items failed"},
		{"one was cancelled", Parent{Phase: PhaseConsume, Items: 3, Completed: 2, Cancelled: 1}, none, "complete completed"},
		{"it failed itself", Parent{Phase: PhaseProduce, Verdict: StatusFailed, Items: 3, Completed: 3}, none, "give up failed"},
		{"finish is due", Parent{Phase: PhaseProduce, Items: 3, Failed: 3}, finish, "finish finish/waiting"},
		{"finish is due after a failure", Parent{Phase: PhaseProduce, Verdict: StatusFailed, Items: 3, Completed: 3}, finish, "finish finish/waiting"},
		{"it was cancelled", Parent{Phase: PhaseProduce, Verdict: StatusCancelled, Items: 3, Cancelled: 3}, finish, "cancel cancelled"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			e, to, because, ok := x.p.Settled(x.hooks)
			got := ""
			if ok {
				got = fmt.Sprintf("%s %s", e, to)
				if err := CheckMove(State{x.p.Phase, StatusOpen}, e, to); err != nil {
					t.Error(err)
				}
			}
			if because != nil {
				got += ": " + because.Message
			}
			if got != x.want {
				t.Errorf("want %q, got %q", x.want, got)
			}
		})
	}
}
