package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Missed says what becomes of firings that were missed while nothing ran.
type Missed string

// The ways to treat missed firings.
const (
	MissedOnce Missed = "once" // one firing stands for all; the default
	MissedAll  Missed = "all"  // each is made up for, up to MaxOwed
	MissedSkip Missed = "skip" // they are gone
)

// Overlap says what becomes of a firing while the job of the last one lives.
type Overlap string

// The ways to treat a firing that would overlap.
const (
	OverlapSkip  Overlap = "skip"  // it is dropped; the default
	OverlapQueue Overlap = "queue" // it fires when the last job is final
	OverlapAllow Overlap = "allow" // it fires all the same
)

const (
	// MaxOwed bounds how many firings a schedule may owe; older ones are dropped.
	MaxOwed = 1000
	// lateAfter is when a firing counts as missed: nothing ran at its time.
	lateAfter = time.Minute
)

// Schedule says when a type, or an instance of it, fires. The zero Schedule
// never does.
type Schedule struct {
	Every      time.Duration // interval; 0: none
	Continuous bool          // every = "0s": again as soon as the last job has ended
	Cron       string        // five fields, or @hourly and its like; "": none
	Timezone   string        // for Cron; default UTC
	Missed     Missed
	Overlap    Overlap
}

// IsZero says that the schedule never fires.
func (s Schedule) IsZero() bool { return s.Every == 0 && !s.Continuous && s.Cron == "" }

// WithDefaults is a copy with every zero value replaced by its default.
func (s Schedule) WithDefaults() Schedule {
	s.Timezone = orElse(s.Timezone, "UTC")
	s.Missed = orElse(s.Missed, MissedOnce)
	s.Overlap = orElse(s.Overlap, OverlapSkip)
	return s
}

// Validate reports the first value that cannot be, by its name.
func (s Schedule) Validate() error {
	s = s.WithDefaults()
	if s.Cron != "" && (s.Every != 0 || s.Continuous) {
		return Errorf(CodeUsage, "give every or cron, not both")
	}
	if s.Every != 0 && s.Every < time.Second {
		return Errorf(CodeUsage, "every must be \"0s\" (as fast as possible) or at least \"1s\", not %q", FormatDuration(s.Every))
	}
	switch s.Missed {
	case MissedOnce, MissedAll, MissedSkip:
	default:
		return Errorf(CodeUsage, "missed must be \"once\", \"all\" or \"skip\", not %q", s.Missed)
	}
	switch s.Overlap {
	case OverlapSkip, OverlapQueue, OverlapAllow:
	default:
		return Errorf(CodeUsage, "overlap must be \"skip\", \"queue\" or \"allow\", not %q", s.Overlap)
	}
	if s.Continuous && s.Overlap == OverlapAllow {
		return Errorf(CodeUsage, "every = \"0s\" starts a job when the last one has ended: overlap = \"allow\" cannot go with it")
	}
	if _, err := time.LoadLocation(s.Timezone); err != nil {
		return Errorf(CodeUsage, "timezone: there is no time zone %q (write it like \"Europe/Berlin\")", s.Timezone)
	}
	if s.Cron != "" {
		if _, err := parseCron(s.Cron, s.Timezone); err != nil {
			return err
		}
	}
	return nil
}

// Hash names the definition: two servers with the same script agree on it.
func (s Schedule) Hash() string {
	b, _ := json.Marshal(s.WithDefaults())
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// String is the schedule as a script would write it.
func (s Schedule) String() string {
	switch {
	case s.Continuous:
		return "every 0s"
	case s.Every > 0:
		return "every " + FormatDuration(s.Every)
	case s.Cron != "" && s.Timezone != "" && s.Timezone != "UTC":
		return "cron " + s.Cron + " (" + s.Timezone + ")"
	case s.Cron != "":
		return "cron " + s.Cron
	}
	return "on demand"
}

// First is when the schedule fires first, seen first at now: an interval at
// once, a cron at its next time.
func (s Schedule) First(now time.Time) (time.Time, error) {
	if s.Cron != "" {
		return s.Next(now)
	}
	return now, nil
}

// Next is the firing after the one at t. A cron that never fires again gives
// the zero time.
func (s Schedule) Next(t time.Time) (time.Time, error) {
	if s.Cron == "" {
		return t.Add(s.Every), nil
	}
	c, err := parseCron(s.Cron, s.WithDefaults().Timezone)
	if err != nil {
		return time.Time{}, err
	}
	return c.next(t), nil
}

// Tick is what a schedule does at a moment: the outcome of Decide.
type Tick struct {
	Fire    []time.Time // one job for each, with this as its scheduled_for
	Next    time.Time   // when to look again; zero: never
	Owes    bool        // Next is a firing in the past that waits for the last job to end
	Skipped int         // firings that were dropped
}

// Decide says what the schedule does at now, when its next firing is due at
// next (which is not after now). active says that the job it fired last is not
// final yet; owes is what the last Tick said. It is a pure function: the
// caller makes the jobs and stores the rest in one transaction.
func (s Schedule) Decide(now, next time.Time, active, owes bool) (Tick, error) {
	s = s.WithDefaults()
	if s.Continuous {
		if active {
			return Tick{Next: next}, nil
		}
		return Tick{Fire: []time.Time{now}, Next: now}, nil
	}
	due, following, skipped, err := s.dueUntil(next, now)
	if err != nil {
		return Tick{}, err
	}
	t := Tick{Next: following, Skipped: skipped}

	// Whatever is late was missed, unless it is owed already. With missed =
	// "all" every firing is owed from the moment it is late.
	keep := due
	if !owes {
		switch s.Missed {
		case MissedSkip:
			keep = due[:0:0]
			for _, d := range due {
				if now.Sub(d) < s.lateness() {
					keep = append(keep, d)
				}
			}
		case MissedAll:
		}
		if s.Missed != MissedAll && len(keep) > 1 {
			keep = keep[len(keep)-1:]
		}
	}
	t.Skipped += len(due) - len(keep)
	if len(keep) == 0 {
		return t, nil
	}

	switch {
	case s.Overlap == OverlapAllow:
		t.Fire = keep
		return t, nil
	case active && s.Overlap == OverlapSkip:
		// Firings that came while the last job lived are dropped; owed ones wait.
		owed := keep
		if !owes {
			owed = keep[:0:0]
			for _, d := range keep {
				if s.Missed == MissedAll && now.Sub(d) >= s.lateness() {
					owed = append(owed, d)
				}
			}
		}
		t.Skipped += len(keep) - len(owed)
		if len(owed) > 0 {
			t.Next, t.Owes = owed[0], true
		}
		return t, nil
	case active: // queue
		t.Next, t.Owes = keep[0], true
		return t, nil
	}
	t.Fire = keep[:1]
	if len(keep) > 1 {
		t.Next, t.Owes = keep[1], true
	}
	return t, nil
}

// lateness is how long after its time a firing counts as missed: a minute, or
// its interval where that is shorter.
func (s Schedule) lateness() time.Duration {
	if s.Every > 0 && s.Every < lateAfter {
		return s.Every
	}
	return lateAfter
}

// dueUntil lists the firings from next until now, the newest MaxOwed of them,
// and the first one after now.
func (s Schedule) dueUntil(next, now time.Time) (due []time.Time, following time.Time, dropped int, err error) {
	if s.Every > 0 {
		// Skip in one step what nobody will be owed.
		if n := int(now.Sub(next)/s.Every) - MaxOwed; n > 0 {
			next, dropped = next.Add(time.Duration(n)*s.Every), n
		}
	}
	for !next.IsZero() && !next.After(now) {
		due = append(due, next)
		if len(due) > MaxOwed {
			due, dropped = due[1:], dropped+1
		}
		if next, err = s.Next(next); err != nil {
			return nil, time.Time{}, 0, err
		}
	}
	return due, next, dropped, nil
}
