package storetest

import (
	"time"

	"github.com/dsengine/dsengine/engine"
)

// The outcomes that the engine writes, each for a job that is the only one of
// its claim. Store tests make them by hand: what the engine decides is not
// theirs to prove.

func outcome(j *engine.ClaimedJob, e engine.Event, to engine.State) *engine.Outcome {
	return &engine.Outcome{Job: j, Event: e, To: to, Attempts: j.Attempts + 1, Verdict: j.Verdict, LastOf: &j.Claim, Elapsed: time.Millisecond}
}

// completed ends a job well.
func completed(j *engine.ClaimedJob) *engine.Outcome {
	o := outcome(j, engine.Succeeded, engine.State{Phase: j.Phase, Status: engine.StatusCompleted})
	o.LastOf = nil
	return o
}

// alone says that the job is the last of its claim.
func alone(o *engine.Outcome) *engine.Outcome {
	o.LastOf = &o.Job.Claim
	return o
}

// among says that the claim has other jobs.
func among(o *engine.Outcome) *engine.Outcome {
	o.LastOf = nil
	return o
}

func problem(j *engine.ClaimedJob) *engine.Failure {
	phase := j.Phase
	if phase == engine.PhaseFail {
		phase = j.FailedPhase
	}
	return &engine.Failure{Message: "it does not work", Kind: engine.KindError, Code: "test.error", Phase: phase, Attempt: j.Attempts + 1, Retryable: true}
}

// failed ends a job for good.
func failed(j *engine.ClaimedJob) *engine.Outcome {
	o := outcome(j, engine.GaveUp, engine.State{Phase: j.Phase, Status: engine.StatusFailed})
	o.Failure, o.FailedPhase = problem(j), j.Phase
	return o
}

// retried has a job's phase run once more.
func retried(j *engine.ClaimedJob, after time.Duration) *engine.Outcome {
	o := outcome(j, engine.Retried, engine.State{Phase: j.Phase, Status: engine.StatusWaiting})
	o.Failure, o.Delay = problem(j), after
	return o
}

// failing hands a job to its fail hook.
func failing(j *engine.ClaimedJob) *engine.Outcome {
	o := outcome(j, engine.Failing, engine.State{Phase: engine.PhaseFail, Status: engine.StatusWaiting})
	o.Failure, o.FailedPhase = problem(j), j.Phase
	return o
}

// snoozed has a job run again later.
func snoozed(j *engine.ClaimedJob, after time.Duration) *engine.Outcome {
	o := outcome(j, engine.Snoozed, engine.State{Phase: j.Phase, Status: engine.StatusWaiting})
	o.Attempts, o.Delay = j.Attempts, after
	return o
}

// handedOn gives a payload to consume.
func handedOn(j *engine.ClaimedJob, item engine.Raw) *engine.Outcome {
	o := outcome(j, engine.HandedOn, engine.State{Phase: engine.PhaseConsume, Status: engine.StatusWaiting})
	o.Attempts, o.Item = 0, item
	return o
}

// opened has a job wait for its items.
func opened(j *engine.ClaimedJob, items ...engine.JobInsert) *engine.Outcome {
	o := outcome(j, engine.Opened, engine.State{Phase: j.Phase, Status: engine.StatusOpen})
	o.Items = children(j, items)
	return o
}

// children are items of a job.
func children(j *engine.ClaimedJob, items []engine.JobInsert) []engine.JobInsert {
	list := append([]engine.JobInsert(nil), items...)
	for i := range list {
		list[i].Parent = j.ID
	}
	return list
}

// withdrawn ends a job that was cancelled.
func withdrawn(j *engine.ClaimedJob) *engine.Outcome {
	return outcome(j, engine.Withdrawn, engine.State{Phase: j.Phase, Status: engine.StatusCancelled})
}

// checkpoint commits what a job did so far, with a position.
func checkpoint(j *engine.ClaimedJob, position string, items ...engine.JobInsert) *engine.Outcome {
	return &engine.Outcome{Job: j, SetPosition: true, Position: engine.Raw(`{"p":"` + position + `"}`), Checkpoints: j.Checkpoints + 1,
		Items: children(j, items), Verdict: j.Verdict, Elapsed: time.Millisecond}
}

// checkpointed is the job as its process knows it after the checkpoint.
func checkpointed(o *engine.Outcome) {
	j := o.Job
	j.Checkpoints++
	j.Attempts, j.Losses, j.Position = 0, 0, o.Position
	for i := range o.Items {
		if o.Items[i].Foretold >= 0 {
			j.Emitted++
		}
	}
}
