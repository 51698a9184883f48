package engine

import (
	"strconv"
	"strings"
	"time"
)

// Step is how far the windows of a stretch of time are apart: by the calendar
// and the clock of the time's zone, or by a length of time.
type Step struct {
	Months, Days int
	Length       time.Duration // where neither is given
}

// stepUnits are the units of the calendar, in months and days.
var stepUnits = map[string]Step{
	"d": {Days: 1}, "day": {Days: 1}, "days": {Days: 1},
	"w": {Days: 7}, "week": {Days: 7}, "weeks": {Days: 7},
	"month": {Months: 1}, "months": {Months: 1},
	"y": {Months: 12}, "year": {Months: 12}, "years": {Months: 12},
}

// ParseStep reads a step as flags write it: days, weeks, months and years by the
// calendar ("1d", "2w", "month", "3months"), and lengths of time ("6h", "90m").
func ParseStep(text string) (Step, error) {
	s := strings.TrimSpace(text)
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if unit, ok := stepUnits[strings.TrimSpace(s[digits:])]; ok {
		n := 1
		if digits > 0 {
			var err error
			if n, err = strconv.Atoi(s[:digits]); err != nil || n < 1 || n > 100_000 {
				return Step{}, Errorf(CodeUsage, "%q is no step: the number must be from 1 to 100000", text)
			}
		}
		return Step{Months: n * unit.Months, Days: n * unit.Days}, nil
	}
	d, err := ParseDuration(s)
	if err != nil {
		return Step{}, Errorf(CodeUsage, "%q is no step: write it like \"1d\", \"6h\", \"1w\", \"month\" or \"year\"", text)
	}
	if d < time.Second {
		return Step{}, Errorf(CodeUsage, "a step must be at least 1s, not %s", FormatDuration(d))
	}
	return Step{Length: d}, nil
}

// Validate says whether the step leads anywhere.
func (s Step) Validate() error {
	if s.Months == 0 && s.Days == 0 && s.Length <= 0 {
		return Errorf(CodeUsage, "a step must be longer than 0s")
	}
	return nil
}

// from is the time n steps after another.
func (s Step) from(t time.Time, n int) time.Time {
	if s.Months == 0 && s.Days == 0 {
		return t.Add(time.Duration(n) * s.Length)
	}
	return AddCalendar(t, n*s.Months, n*s.Days)
}

// Steps goes from Start to End in steps. The last stretch ends where the whole does.
type Steps struct {
	Start, End time.Time
	Step       Step
	n          int // steps that were made
}

// Next is the next stretch; false at the end.
func (s *Steps) Next() (from, to time.Time, ok bool) {
	if from = s.Step.from(s.Start, s.n); !from.Before(s.End) {
		return from, from, false
	}
	s.n++
	to = s.Step.from(s.Start, s.n)
	for !to.After(from) && to.Before(s.End) { // a day that the clock leaves out
		s.n++
		to = s.Step.from(s.Start, s.n)
	}
	if to.After(s.End) {
		to = s.End
	}
	return from, to, true
}

// AddCalendar is a time some months and then some days later, at the same time
// of day. A day that the month does not have becomes its last one.
func AddCalendar(t time.Time, months, days int) time.Time {
	if months == 0 && days == 0 {
		return t
	}
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	if months != 0 {
		last := time.Date(y, mo+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC)
		y, mo, d = last.Year(), last.Month(), min(d, last.Day())
	}
	return Wall(time.Date(y, mo, d+days, h, mi, s, t.Nanosecond(), time.UTC), t.Location())
}
