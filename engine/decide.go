package engine

import "fmt"

// What becomes of a job is decided here, by pure functions over the claimed
// job, its type's hooks and policy, and how the hook ended. Every decision is
// checked against the table of moves before it is written.

// success is the move after a hook that ended well. emitted counts the job's
// items, those that wait for this commit included.
func success(o *Outcome, hooks HookSet, result Raw, emitted int64, summary *Summary) *Failure {
	j := o.Job
	switch {
	case j.Phase == PhaseProduce && result != nil && hooks.Has(PhaseConsume):
		if emitted > 0 {
			return &Failure{Kind: KindError, Code: "usage",
				Message: "produce emitted items and returned a payload too: do one of them (return nothing to leave the work to the items)"}
		}
		o.move(HandedOn, State{PhaseConsume, StatusWaiting})
		o.Item = result
		return nil
	case j.Phase == PhaseProduce && emitted == 0 && hooks.Has(PhaseFinish):
		o.move(Finishing, State{PhaseFinish, StatusWaiting})
	case j.Phase != PhaseFinish && emitted > 0:
		o.move(Opened, State{j.Phase, StatusOpen})
		o.Attempts = j.Attempt()
	case j.Phase == PhaseFinish && j.Verdict == StatusCancelled:
		o.move(Withdrawn, State{PhaseFinish, StatusCancelled})
		o.Attempts = j.Attempt()
	case j.Phase == PhaseFinish && (j.Verdict == StatusFailed || summary != nil && summary.Failed > 0):
		o.move(GaveUp, State{PhaseFinish, StatusFailed})
		o.Attempts = j.Attempt()
		o.Because = itemsFailed(summary)
	default:
		o.move(Succeeded, State{j.Phase, StatusCompleted})
		o.Attempts = j.Attempt()
	}
	if result != nil {
		o.SetResult, o.Result = true, result
	}
	return nil
}

func itemsFailed(s *Summary) *Failure {
	if s == nil {
		return nil
	}
	if s.Error != nil {
		return s.Error
	}
	return &Failure{Kind: KindError, Code: "items", Message: fmt.Sprintf("%d of %d items failed", s.Failed, s.Total)}
}

// failure is the move after a failed attempt: to the fail hook if there is
// one, else where the policy says.
func failure(o *Outcome, hooks HookSet, policy RetryPolicy, f *Failure) {
	j := o.Job
	f.Phase, f.Attempt = j.Phase, j.Attempt()
	f.Final = !f.Retryable || f.Attempt >= policy.Max
	o.Failure = f
	if hooks.Has(PhaseFail) {
		o.move(Failing, State{PhaseFail, StatusWaiting})
		o.FailedPhase, o.Attempts = j.Phase, f.Attempt
		return
	}
	obey(o, policy, f)
}

// obey does what the policy says about a failure, in the phase that failed or
// after its fail hook.
func obey(o *Outcome, policy RetryPolicy, f *Failure) {
	if f.Final {
		giveUp(o, GaveUp, f)
		return
	}
	o.move(Retried, State{f.Phase, StatusWaiting})
	o.Attempts = f.Attempt
	o.Delay = policy.Wait(f.Attempt)
	if f.Wait {
		o.Delay = f.RetryAfter
	}
}

// giveUp ends the job as failed or cancelled; if it has committed items, they
// go on first.
func giveUp(o *Outcome, e Event, f *Failure) {
	j := o.Job
	phase, status := j.Phase, StatusFailed
	if j.Phase == PhaseFail {
		phase = j.FailedPhase
	}
	if e == Withdrawn {
		status = StatusCancelled
	}
	o.Attempts = j.Attempt()
	if j.Phase == PhaseFail { // a retry begins in the phase that failed
		o.FailedPhase = j.FailedPhase
	}
	if f != nil {
		o.Attempts = f.Attempt
		o.FailedPhase = f.Phase
	}
	o.Because = f
	if phase != PhaseFinish && j.Emitted > 0 {
		o.move(Opened, State{phase, StatusOpen})
		o.Verdict, o.FailedPhase = status, phase // it has not ended: a retry goes on there
		return
	}
	o.move(e, State{j.Phase, status})
}

// obeyVerdict does what the hook itself decided. In the fail hook it overrides
// the policy; f is the failure that the fail hook was given, else nil.
func obeyVerdict(o *Outcome, hooks HookSet, policy RetryPolicy, v *Verdict, f *Failure) {
	j := o.Job
	if j.Phase != PhaseFail {
		switch v.Event {
		case Snoozed:
			o.move(Snoozed, State{j.Phase, StatusWaiting})
			o.Attempts, o.Delay = j.Attempts, v.After
		case Withdrawn:
			giveUp(o, Withdrawn, nil)
		case Retried:
			failure(o, hooks, policy, &Failure{Kind: KindError, Message: orElse(v.Reason, "the hook asked for another attempt"), Code: "retry", Retryable: true, RetryAfter: v.After, Wait: v.Wait, Backtrace: v.Backtrace})
		default:
			failure(o, hooks, policy, &Failure{Kind: KindError, Message: orElse(v.Reason, "the hook gave up"), Code: "fail", Backtrace: v.Backtrace})
		}
		return
	}
	switch v.Event {
	case Retried:
		o.move(Retried, State{f.Phase, StatusWaiting})
		o.Attempts, o.Delay = f.Attempt, policy.Wait(f.Attempt)
		if v.Wait {
			o.Delay = v.After
		}
	case Snoozed:
		o.move(Snoozed, State{f.Phase, StatusWaiting})
		o.Attempts, o.Delay = f.Attempt-1, v.After
	case Withdrawn:
		giveUp(o, Withdrawn, f)
	default:
		because := *f
		if v.Reason != "" {
			because.Message = v.Reason
		}
		giveUp(o, GaveUp, &because)
	}
}

// Withdraw turns an outcome that would have the job go on into its end: a
// person asked to cancel it meanwhile. emitted counts its items, those of the
// outcome included; if it has any, it is open until they are cancelled too. A phase
// that has ended is over: a retry does not run it again, and goes on after it.
func (o *Outcome) Withdraw(emitted int64) {
	j := o.Job
	phase := j.Phase
	if phase == PhaseFail {
		phase = j.FailedPhase
	}
	if o.Event == HandedOn || o.Event == Finishing {
		o.move(Withdrawn, State{o.To.Phase, StatusCancelled})
		return
	}
	if phase != PhaseFinish && emitted > 0 {
		if o.Event != Opened {
			o.FailedPhase = phase
		}
		o.move(Opened, State{phase, StatusOpen})
		o.Verdict = StatusCancelled
		return
	}
	if j.Phase == PhaseFail {
		o.FailedPhase = phase // a retry begins there
	}
	o.move(Withdrawn, State{j.Phase, StatusCancelled})
}

// move sets the event and where it leads; a move that the table does not have
// is a fault of the engine and stops the process's hook, not the data.
func (o *Outcome) move(e Event, to State) {
	if err := CheckMove(o.Job.State(), e, to); err != nil {
		panic(err)
	}
	o.Event, o.To = e, to
}

// Parent is what Fold knows of an emitter.
type Parent struct {
	Phase                               Phase // in which it emitted
	Verdict                             Status
	Items, Completed, Failed, Cancelled int64
}

// Settled says what becomes of an open job: ok is false while items are left.
func (p Parent) Settled(hooks HookSet) (e Event, to State, because *Failure, ok bool) {
	if p.Completed+p.Failed+p.Cancelled < p.Items {
		return "", State{}, nil, false
	}
	switch {
	case p.Verdict == StatusCancelled:
		return Withdrawn, State{p.Phase, StatusCancelled}, nil, true
	case hooks.Has(PhaseFinish):
		return Finishing, State{PhaseFinish, StatusWaiting}, nil, true
	case p.Verdict == StatusFailed:
		return GaveUp, State{p.Phase, StatusFailed}, nil, true
	case p.Failed > 0:
		return GaveUp, State{p.Phase, StatusFailed}, itemsFailed(&Summary{Failed: p.Failed, Total: p.Items}), true
	}
	return Succeeded, State{p.Phase, StatusCompleted}, nil, true
}
