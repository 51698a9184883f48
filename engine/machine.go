package engine

import "fmt"

// State is where a job stands: the hook that is due, and how far it is.
type State struct {
	Phase  Phase
	Status Status
}

// String is the state as in "consume/running"; a final state is its status alone.
func (s State) String() string {
	if s.Status.Final() {
		return s.Status.String()
	}
	return s.Phase.String() + "/" + s.Status.String()
}

// Event is what happens to a job.
type Event string

// The events. Each is one conditional write on the job's epoch.
const (
	Claimed   Event = "claim"          // a process took it
	Released  Event = "release"        // a draining process gave it back
	Rescued   Event = "rescue"         // its process was lost
	Snoozed   Event = "snooze"         // it asked to run again later; no attempt is burnt
	Retried   Event = "retry"          // the attempt failed and another follows
	HandedOn  Event = "hand on"        // produce returned a payload
	Opened    Event = "open"           // it emitted items, and waits for them
	Finishing Event = "finish"         // its items have settled and finish is due
	Failing   Event = "fail"           // the attempt failed and the fail hook is due
	Succeeded Event = "complete"       // done
	GaveUp    Event = "give up"        // failed for good
	Withdrawn Event = "cancel"         // cancelled by a person or by its hook
	Reopened  Event = "reopen"         // an item of it is retried
	Revived   Event = "operator retry" // a person retries a final job
)

// Move is one row of the state machine.
type Move struct {
	From  State
	Event Event
	To    State
}

// fin is a final state; the phase in which it was reached is kept with it.
func fin(p Phase, s Status) State { return State{p, s} }

// Moves is every allowed move of a job; what is not listed is refused. A failed
// attempt's way back from the fail phase is given for each phase that can fail.
var Moves = buildMoves()

func buildMoves() []Move {
	var ms []Move
	add := func(from State, e Event, to State) { ms = append(ms, Move{from, e, to}) }
	for _, p := range Phases {
		w, r := State{p, StatusWaiting}, State{p, StatusRunning}
		add(w, Claimed, r)
		add(r, Released, w)
		add(r, Rescued, w)
		add(w, Withdrawn, fin(p, StatusCancelled))
		add(r, Withdrawn, fin(p, StatusCancelled))
		add(r, GaveUp, fin(p, StatusFailed))
	}
	for _, p := range []Phase{PhaseProduce, PhaseConsume, PhaseFinish} {
		r := State{p, StatusRunning}
		add(r, Snoozed, State{p, StatusWaiting})
		add(r, Retried, State{p, StatusWaiting})
		add(r, Failing, State{PhaseFail, StatusWaiting})
		add(r, Succeeded, fin(p, StatusCompleted))
		// The fail hook decides what becomes of the phase that failed.
		add(State{PhaseFail, StatusRunning}, Retried, State{p, StatusWaiting})
		add(State{PhaseFail, StatusRunning}, Snoozed, State{p, StatusWaiting})
	}
	for _, p := range []Phase{PhaseProduce, PhaseConsume} {
		r, o := State{p, StatusRunning}, State{p, StatusOpen}
		add(r, Opened, o)
		// What it emitted before it failed or was cancelled for good goes on.
		add(State{PhaseFail, StatusRunning}, Opened, o)
		add(o, Finishing, State{PhaseFinish, StatusWaiting})
		add(o, Succeeded, fin(p, StatusCompleted))
		add(o, GaveUp, fin(p, StatusFailed))
		add(o, Withdrawn, fin(p, StatusCancelled))
	}
	add(State{PhaseProduce, StatusRunning}, HandedOn, State{PhaseConsume, StatusWaiting})
	// It was cancelled while produce ended: what comes after it is.
	add(State{PhaseProduce, StatusRunning}, Withdrawn, fin(PhaseConsume, StatusCancelled))
	add(State{PhaseProduce, StatusRunning}, Withdrawn, fin(PhaseFinish, StatusCancelled))
	add(State{PhaseProduce, StatusRunning}, Finishing, State{PhaseFinish, StatusWaiting}) // produced nothing
	for _, s := range []Status{StatusCompleted, StatusFailed, StatusCancelled} {
		for _, p := range Phases {
			for _, to := range []Phase{PhaseProduce, PhaseConsume, PhaseFinish} {
				add(fin(p, s), Revived, State{to, StatusWaiting})
			}
			for _, to := range []Phase{PhaseProduce, PhaseConsume} {
				add(fin(p, s), Reopened, State{to, StatusOpen})
			}
		}
	}
	for _, to := range []Phase{PhaseProduce, PhaseConsume} {
		for _, s := range []Status{StatusWaiting, StatusRunning} {
			add(State{PhaseFinish, s}, Reopened, State{to, StatusOpen})
			add(State{PhaseFail, s}, Reopened, State{to, StatusOpen})
		}
	}
	return ms
}

var moveSet = func() map[Move]bool {
	m := make(map[Move]bool, len(Moves))
	for _, mv := range Moves {
		m[mv] = true
	}
	return m
}()

// CheckMove says whether a job may go from one state to another by an event.
// The error is a programmer's mistake, never a user's.
func CheckMove(from State, e Event, to State) error {
	if moveSet[Move{from, e, to}] {
		return nil
	}
	return fmt.Errorf("no move leads from %s to %s by %q", from, to, e)
}
