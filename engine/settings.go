package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path"
	"time"
)

// Settings are what a job type says of itself: how often it fires, how its
// failures are retried, how many of its hooks run at once. Zero values are the
// defaults; WithDefaults fills them in.
type Settings struct {
	Schedule  Schedule            // when it fires by itself
	Instances map[string]Instance // named parameter sets, each with a schedule of its own
	// InstancesVar names a shared variable that holds the instances instead.
	InstancesVar string

	Timeout  map[Phase]time.Duration // for one call of a hook; default 1 h
	Retry    RetryPolicy
	Slots    map[Phase]int            // hooks at a time, per process; default 1 produce, 4 consume, 1 finish, 4 fail
	Priority int                      // -100 to 100, smaller first
	Keep     map[Status]time.Duration // how long final jobs are kept; default 7 days
	Servers  []string                 // globs of server names that may run it; none: all
	Needs    []string                 // what its script may touch
	Rejects  RejectLimit              // rows that may be rejected; default 10% of them
	Steps    int64                    // interpreter steps for one call of a hook; default 1e9
}

// Instance is one named set of parameters of a type.
type Instance struct {
	Params   Raw      // a JSON object; what ctx.params shows
	Schedule Schedule // from params every and cron, else the type's
}

// The defaults of a job type.
const (
	DefaultTimeout = time.Hour
	DefaultKeep    = 7 * 24 * time.Hour
	DefaultSteps   = 1_000_000_000
	// MaxLosses is after how many lost processes in a row an attempt fails with
	// kind lost: a job that kills its server must not do so for ever.
	MaxLosses = 20
)

var defaultSlots = map[Phase]int{PhaseProduce: 1, PhaseConsume: 4, PhaseFinish: 1, PhaseFail: 4}

// WithDefaults is a copy with every zero value replaced by its default.
func (s Settings) WithDefaults() Settings {
	timeout, slots, keep := map[Phase]time.Duration{}, map[Phase]int{}, map[Status]time.Duration{}
	for _, p := range Phases {
		timeout[p] = orElse(s.Timeout[p], DefaultTimeout)
		slots[p] = orElse(s.Slots[p], defaultSlots[p])
	}
	for _, st := range []Status{StatusCompleted, StatusFailed, StatusCancelled} {
		keep[st] = orElse(s.Keep[st], DefaultKeep)
	}
	s.Timeout, s.Slots, s.Keep = timeout, slots, keep
	s.Retry = s.Retry.WithDefaults()
	s.Schedule = s.Schedule.WithDefaults()
	s.Steps = orElse(s.Steps, DefaultSteps)
	s.Rejects = s.Rejects.WithDefaults()
	return s
}

// Validate reports the first setting that cannot be, by its name.
func (s Settings) Validate() error {
	if s.Priority < -100 || s.Priority > 100 {
		return Errorf(CodeUsage, "priority must be from -100 to 100, not %d", s.Priority)
	}
	for p, n := range s.Slots {
		if n < 1 || n > 10_000 {
			return Errorf(CodeUsage, "slots of %s must be from 1 to 10000, not %d", p, n)
		}
	}
	for p, d := range s.Timeout {
		if d <= 0 {
			return Errorf(CodeUsage, "timeout of %s must be longer than 0s", p)
		}
	}
	for _, g := range s.Servers {
		if _, err := path.Match(g, ""); err != nil {
			return Errorf(CodeUsage, "servers: %q is no glob", g)
		}
	}
	if err := s.Retry.Validate(); err != nil {
		return err
	}
	if err := s.Schedule.Validate(); err != nil {
		return err
	}
	if err := s.Rejects.Validate(); err != nil {
		return err
	}
	for name, in := range s.Instances {
		if err := in.Schedule.Validate(); err != nil {
			return fmt.Errorf("instance %q: %w", name, err)
		}
	}
	return nil
}

// RunsOn says whether a server of that name may run the type.
func (s Settings) RunsOn(server string) bool {
	for _, g := range s.Servers {
		if ok, _ := path.Match(g, server); ok {
			return true
		}
	}
	return len(s.Servers) == 0
}

// RetryPolicy says how often a failed phase is tried again, and when.
type RetryPolicy struct {
	Max    int           // attempts in all; 1 = no retry; default 5
	First  time.Duration // wait before the second attempt; default 10 s
	Factor float64       // each further wait is so many times longer; default 2
	Cap    time.Duration // no wait is longer; default 1 h
	Jitter float64       // share of the wait by which it varies, 0 to 1; default 0.1, -1 for none
}

// WithDefaults is a copy with every zero value replaced by its default.
func (r RetryPolicy) WithDefaults() RetryPolicy {
	r.Max = orElse(r.Max, 5)
	r.First = orElse(r.First, 10*time.Second)
	r.Factor = orElse(r.Factor, 2)
	r.Cap = orElse(r.Cap, time.Hour)
	r.Jitter = orElse(r.Jitter, 0.1)
	return r
}

// Validate reports the first value that cannot be, by its name.
func (r RetryPolicy) Validate() error {
	switch {
	case r.Max < 0 || r.Max > 1000:
		return Errorf(CodeUsage, "retry: max must be from 1 to 1000 attempts, not %d", r.Max)
	case r.First < 0:
		return Errorf(CodeUsage, "retry: first must not be negative")
	case r.Factor != 0 && r.Factor < 1:
		return Errorf(CodeUsage, "retry: factor must be 1 or more, not %g", r.Factor)
	case r.Cap < 0:
		return Errorf(CodeUsage, "retry: cap must not be negative")
	case r.Jitter > 1:
		return Errorf(CodeUsage, "retry: jitter must be from 0 to 1, not %g", r.Jitter)
	}
	return nil
}

// Wait is how long to wait after the attempt (1 = the first) failed:
// first * factor^(attempt-1), at most cap, varied by jitter.
func (r RetryPolicy) Wait(attempt int) time.Duration {
	w := float64(r.First) * math.Pow(r.Factor, float64(attempt-1))
	w = math.Min(w, float64(r.Cap))
	if r.Jitter > 0 {
		w *= 1 + r.Jitter*(2*rand.Float64()-1)
	}
	return time.Duration(w)
}

// MarshalJSON writes the policy as a script would: durations as text.
func (r RetryPolicy) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"max": r.Max, "first": FormatDuration(r.First), "factor": r.Factor,
		"cap": FormatDuration(r.Cap), "jitter": math.Max(0, r.Jitter),
	})
}

func orElse[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
