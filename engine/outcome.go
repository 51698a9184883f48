package engine

import "time"

// Outcome is all that one commit writes about one job: the move, or for a
// checkpoint none, and everything that commits with it.
type Outcome struct {
	Job *ClaimedJob
	// Event is the move's; "" for a checkpoint, which keeps the epoch.
	Event Event
	To    State
	// Delay is how long a waiting job waits; 0 makes it ready at once.
	Delay time.Duration

	Attempts    int    // of the phase that is due next
	Losses      int    // for a checkpoint: those that it does not forget
	FailedPhase Phase  // the phase that failed, or that a cancel cut off: a retry goes on there
	Verdict     Status // Failed or Cancelled: what the job becomes once its items have settled
	// SetPosition writes Position. A move to another phase clears it anyhow, and so
	// does one to open, unless the phase has not ended well: a retry goes on there.
	// With HandedOn, Position is the one with which the next phase begins.
	SetPosition bool
	Position    Raw
	Checkpoints int // counted so far in this phase, this one included
	Item        Raw // for HandsOn
	SetResult   bool
	Result      Raw
	Stats       Stats // the job's counts so far, in all
	NewStats    Stats // the part of Stats that was not committed before

	Items    []JobInsert // emitted: children of the job
	Enqueue  []JobInsert // made by ctx.enqueue
	Writes   []VariableWrite
	Records  RecordWrites
	Rejects  []Rejection
	Failure  *Failure // of a failed attempt; nil for success
	Because  *Failure // why the job is failed, where that is not Failure
	Logged   bool     // the attempt logged something and gets a row for it
	Server   ServerID
	Elapsed  time.Duration // how long the hook ran
	LastOf   *ClaimID      // the claim to drop: this is the last of its jobs
	Released bool          // the job was alone and is given back by a draining process
	// Redriven is the id up to which the rejects that the job redrives are done; 0: none.
	Redriven int64
}

// Checkpoint says that the outcome keeps the claim.
func (o *Outcome) Checkpoint() bool { return o.Event == "" }

// HandsOn says that produce has returned a payload, also where the job was cancelled
// meanwhile: a retry begins in consume, with Item.
func (o *Outcome) HandsOn() bool {
	return o.Event == HandedOn || o.Event == Withdrawn && o.Job.Phase == PhaseProduce && o.To.Phase == PhaseConsume
}

// Plain says that the outcome is one that can be written together with many
// others: a success that brings nothing along.
func (o *Outcome) Plain() bool {
	return o.Event == Succeeded && o.Failure == nil && !o.Logged && o.Verdict == 0 &&
		len(o.Items) == 0 && len(o.Enqueue) == 0 && len(o.Writes) == 0 && len(o.Records.List) == 0 &&
		len(o.Rejects) == 0 && o.Redriven == 0
}

// bound cuts off what no database would take of its failures.
func (o *Outcome) bound() {
	same := o.Because == o.Failure
	o.Failure = o.Failure.bounded()
	if o.Because = o.Because.bounded(); same {
		o.Because = o.Failure
	}
}
