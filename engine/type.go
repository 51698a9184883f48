package engine

import (
	"regexp"
	"time"
)

// Type is a job type: what a script, or a Go program, is to the engine.
type Type struct {
	Name     string // "airports", "crm/customers"
	Doc      string // one line or more on what it does
	Version  string // changes whenever its code does; a hash, say
	Settings Settings
	// Hooks holds what to run in each phase. A type needs Produce or Consume.
	Hooks map[Phase]Hook
	// Redrive works on rows that were rejected before: those of Call.NextRejected.
	// Such a job is in phase consume. It may be nil.
	Redrive Hook
}

// Hook is one execution of one phase. It returns a JSON value or nil: from
// Produce the payload for Consume, from Consume and Finish the job's result;
// what Fail returns is ignored. An error fails the attempt; a *Failure says
// how, a *Verdict is the hook's own decision. A Hook may be called by many
// goroutines at once, each with a Call of its own, and must end soon after
// Call.Context does.
type Hook func(c *Call) (Raw, error)

var typeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$`)

// MaxNameLen is the longest name of a type or an instance, in bytes.
const MaxNameLen = 190

// CheckTypeName says whether a job type may be called so.
func CheckTypeName(name string) error {
	if !typeName.MatchString(name) || len(name) > MaxNameLen {
		return Errorf(CodeUsage, "%q cannot name a job type: use letters, digits, _, - and ., with / between folders, at most %d bytes", name, MaxNameLen)
	}
	return nil
}

// Validate reports what is wrong with the type, by name.
func (t *Type) Validate() error {
	if err := CheckTypeName(t.Name); err != nil {
		return err
	}
	if t.Hooks[PhaseProduce] == nil && t.Hooks[PhaseConsume] == nil {
		return Errorf(CodeUsage, "job type %q has neither produce nor consume", t.Name)
	}
	return t.Settings.Validate()
}

// First is the phase in which a job of the type begins.
func (t *Type) First() Phase {
	if t.Hooks[PhaseProduce] != nil {
		return PhaseProduce
	}
	return PhaseConsume
}

// Works says whether the type has something to run in a phase.
func (t *Type) Works(p Phase) bool {
	return t.Hooks[p] != nil || p == PhaseConsume && t.Redrive != nil
}

// record is what the database keeps of the type.
func (t *Type) record() TypeRecord {
	set := t.Settings.WithDefaults()
	r := TypeRecord{Name: t.Name, Doc: t.Doc, Version: t.Version, Priority: set.Priority, MaxAttempts: set.Retry.Max, Keep: map[Status]time.Duration{}}
	for p, h := range t.Hooks {
		if h != nil {
			r.Hooks |= HookSet(1) << p
		}
	}
	if t.Redrive != nil {
		r.Hooks |= redrives
	}
	for s, d := range set.Keep {
		r.Keep[s] = d
	}
	return r
}

// HookSet is a set of phases, as bits.
type HookSet uint8

// redrives is the bit for the hook redrive, which is no phase.
const redrives HookSet = 1 << 5

// Redrives says whether the hook redrive is there.
func (h HookSet) Redrives() bool { return h&redrives != 0 }

// Has says whether the set holds p.
func (h HookSet) Has(p Phase) bool { return h&(1<<p) != 0 }

// First is the phase in which a job begins.
func (h HookSet) First() Phase {
	if h.Has(PhaseProduce) {
		return PhaseProduce
	}
	return PhaseConsume
}

// List is the set's phases in the order of a job's life.
func (h HookSet) List() []Phase {
	var ps []Phase
	for _, p := range Phases {
		if h.Has(p) {
			ps = append(ps, p)
		}
	}
	return ps
}
