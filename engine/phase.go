package engine

import "fmt"

// Phase says which hook of its type is due for a job.
type Phase uint8

// The phases. Their numbers are stored; never renumber them.
const (
	PhaseProduce Phase = 1
	PhaseConsume Phase = 2
	PhaseFinish  Phase = 3
	PhaseFail    Phase = 4
)

// Phases lists all phases in the order of a job's life.
var Phases = []Phase{PhaseProduce, PhaseConsume, PhaseFinish, PhaseFail}

var phaseNames = [...]string{"", "produce", "consume", "finish", "fail"}

// String is the phase's name as users see it: produce, consume, finish or fail.
func (p Phase) String() string {
	if p.Valid() {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// Valid says whether p is one of the four phases.
func (p Phase) Valid() bool { return p >= PhaseProduce && p <= PhaseFail }

// ParsePhase is the inverse of String.
func ParsePhase(name string) (Phase, error) {
	for _, p := range Phases {
		if p.String() == name {
			return p, nil
		}
	}
	return 0, Errorf(CodeUsage, "there is no phase %q: the phases are produce, consume, finish and fail", name)
}

// MarshalText writes the phase's name.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the phase's name.
func (p *Phase) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePhase(string(b))
	return err
}

// Status says where a job stands within its phase.
type Status uint8

// The statuses. Their numbers are stored; never renumber them. Running is
// never stored: a job is running while a claim row holds its id and epoch.
const (
	StatusWaiting   Status = 1
	StatusRunning   Status = 2
	StatusOpen      Status = 3 // its items are being worked
	StatusCompleted Status = 4 // an emitter: none of its items failed; they may have been cancelled
	StatusFailed    Status = 5
	StatusCancelled Status = 6
)

// Statuses lists all statuses.
var Statuses = []Status{StatusWaiting, StatusRunning, StatusOpen, StatusCompleted, StatusFailed, StatusCancelled}

var statusNames = [...]string{"", "waiting", "running", "open", "completed", "failed", "cancelled"}

// String is the status's name as users see it.
func (s Status) String() string {
	if s >= StatusWaiting && s <= StatusCancelled {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Final says whether the job's life has ended.
func (s Status) Final() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusCancelled
}

// ParseStatus is the inverse of String.
func ParseStatus(name string) (Status, error) {
	for _, s := range Statuses {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, Errorf(CodeUsage, "there is no status %q: a job is waiting, running, open, completed, failed or cancelled", name)
}

// MarshalText writes the status's name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the status's name.
func (s *Status) UnmarshalText(b []byte) (err error) {
	*s, err = ParseStatus(string(b))
	return err
}

// TypeID is the number under which a database knows a job type.
type TypeID uint32

// Queue is a type and a phase as one number: what is claimed together.
type Queue uint32

// inBackfill is the bit of queues for jobs that are worked apart.
const inBackfill Queue = 1 << 31

// QueueOf is the queue of a type's phase.
func QueueOf(t TypeID, p Phase) Queue { return Queue(uint32(t)<<2 | uint32(p-1)) }

// Apart is the queue for jobs of the same type and phase that are a backfill's.
func (q Queue) Apart() Queue { return q | inBackfill }

// Backfill says whether the queue is one for backfills.
func (q Queue) Backfill() bool { return q&inBackfill != 0 }

// For is the queue for jobs of the same type and phase that have to do with
// windows what w says.
func (q Queue) For(w Windowed) Queue {
	if w.Has(WindowBackfill) {
		return q.Apart()
	}
	return q
}

// Type is the queue's job type.
func (q Queue) Type() TypeID { return TypeID(q &^ inBackfill >> 2) }

// Phase is the queue's phase.
func (q Queue) Phase() Phase { return Phase(q&3) + 1 }
