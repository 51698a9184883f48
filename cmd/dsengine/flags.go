package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

// durationFlag adds a flag for a length of time.
func durationFlag(f *pflag.FlagSet, v *time.Duration, name, help string) {
	f.Func(name, help, func(s string) (err error) {
		*v, err = engine.ParseDuration(s)
		return err
	})
}

// phaseFlag adds a flag for one phase.
func phaseFlag(f *pflag.FlagSet, v *engine.Phase, name, help string) {
	f.Func(name, help, func(s string) (err error) {
		*v, err = engine.ParsePhase(s)
		return err
	})
}

// statusFlag adds a flag for one status.
func statusFlag(f *pflag.FlagSet, v *engine.Status, name, help string) {
	f.Func(name, help, func(s string) (err error) {
		*v, err = engine.ParseStatus(s)
		return err
	})
}

// jobFlag adds a flag for a job's id.
func jobFlag(f *pflag.FlagSet, v *engine.JobID, name, help string) {
	f.Func(name, help, func(s string) (err error) {
		*v, err = parseJobID(s)
		return err
	})
}

func parseJobID(s string) (engine.JobID, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, usage("%q is no job's id: an id is a number, as in dsengine jobs list", s)
	}
	return engine.JobID(id), nil
}

// numberFlag adds a flag for a whole number of at least least.
func numberFlag(f *pflag.FlagSet, v *int, name string, least int, help string) {
	f.Func(name, help, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return usage("%q is no whole number of at least %d", s, least)
		}
		*v = n
		return nil
	})
}

// momentFlag adds a flag for a point in time.
func momentFlag(f *pflag.FlagSet, v *time.Time, name, help string) {
	f.Func(name, help, func(s string) (err error) {
		*v, err = parseMoment(s)
		return err
	})
}

// parseMoment reads a point in time: RFC 3339, or a date with or without a time
// of day, in UTC then.
func parseMoment(s string) (time.Time, error) { return parseMomentIn(s, time.UTC) }

// parseMomentIn does so, in the time zone where the text has none.
func parseMomentIn(s string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := engine.ParseIn(layout, s, zone); err == nil {
			return t.In(zone), nil
		}
	}
	return time.Time{}, usage("%q is no point in time: write it like 2026-03-28T15:04:05Z, or \"2026-03-28 15:04\" for %s", s, zone)
}

// since is a moment, or a length of time before now.
type since struct {
	at  time.Time
	ago time.Duration
}

func sinceFlag(f *pflag.FlagSet, v *since, name, help string) {
	f.Func(name, help, func(s string) (err error) {
		*v = since{}
		if v.at, err = parseMoment(s); err == nil {
			return nil
		}
		if v.ago, err = engine.ParseDuration(s); err == nil && v.ago > 0 {
			return nil
		}
		return usage("%q is neither a point in time nor a length of it: write it like 2026-03-28, 24h or 7d", s)
	})
}

// moment is the point in time that is meant, now being the database's time.
func (s since) moment(now time.Time) time.Time {
	if s.ago > 0 {
		return now.Add(-s.ago)
	}
	return s.at
}

// slotsFlag adds a repeatable flag TYPE.PHASE=N.
func slotsFlag(f *pflag.FlagSet, v *map[string]map[engine.Phase]int, name, help string) {
	f.Func(name, help, func(s string) error {
		for _, one := range strings.Split(s, ",") {
			where, count, ok := strings.Cut(strings.TrimSpace(one), "=")
			dot := strings.LastIndexByte(where, '.')
			n, err := strconv.Atoi(count)
			if !ok || dot < 1 || err != nil {
				return usage("%q does not say how many: write it like airports.consume=8", one)
			}
			phase, err := engine.ParsePhase(where[dot+1:])
			if err != nil {
				return err
			}
			if n < 1 || n > 10_000 {
				return usage("%s: slots must be from 1 to 10000, not %d", where, n)
			}
			if *v == nil {
				*v = map[string]map[engine.Phase]int{}
			}
			if (*v)[where[:dot]] == nil {
				(*v)[where[:dot]] = map[engine.Phase]int{}
			}
			(*v)[where[:dot]][phase] = n
		}
		return nil
	})
}

// phasesFlag adds a flag for several phases.
func phasesFlag(f *pflag.FlagSet, v *[]engine.Phase, name, help string) {
	f.Func(name, help, func(s string) error {
		for _, one := range strings.Split(s, ",") {
			p, err := engine.ParsePhase(strings.TrimSpace(one))
			if err != nil {
				return err
			}
			*v = append(*v, p)
		}
		return nil
	})
}
