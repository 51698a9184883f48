package hostlib

import (
	"io"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// addCalendar is a time some months and then some days later, at the same time
// of day. A day that the month does not have becomes its last one.
func addCalendar(t time.Time, months, days int) time.Time {
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	if months != 0 {
		last := time.Date(y, mo+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC)
		y, mo, d = last.Year(), last.Month(), min(d, last.Day())
	}
	if months == 0 && days == 0 {
		return t
	}
	return time.Date(y, mo, d+days, h, mi, s, t.Nanosecond(), t.Location())
}

// dateOf is the time that time.date is asked for.
func dateOf(a *Args) (Value, error) {
	loc, err := location(a.String("timezone"))
	if err != nil {
		return nil, err
	}
	year, month, day := a.Int("year"), a.Int("month"), a.Int("day")
	for _, p := range []struct {
		name     string
		from, to int64
	}{{"year", 1, 9999}, {"month", 1, 12}, {"day", 1, 31}, {"hour", 0, 23}, {"minute", 0, 59}, {"second", 0, 59}} {
		if n := a.Int(p.name); n < p.from || n > p.to {
			return nil, Errorf("usage", "%s: got %d, wanted %d to %d", p.name, n, p.from, p.to)
		}
	}
	if last := time.Date(int(year), time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day(); day > int64(last) {
		return nil, Errorf("usage", "day: got %d, and the month has %d", day, last)
	}
	return time.Date(int(year), time.Month(month), int(day), int(a.Int("hour")), int(a.Int("minute")), int(a.Int("second")), 0, loc), nil
}

// windowUnits are the steps by the calendar, in months and days.
var windowUnits = map[string][2]int{"day": {0, 1}, "week": {0, 7}, "month": {1, 0}, "year": {12, 0}}

// windows goes from a time to another in steps.
func (c *Call) windows(a *Args) (Value, error) {
	start, stop := a.Time("start"), a.Time("stop")
	var at func(n int) time.Time
	switch step := c.Lang.Plain(a.Value("step")).(type) {
	case string:
		if unit, ok := windowUnits[step]; ok {
			at = func(n int) time.Time { return addCalendar(start, n*unit[0], n*unit[1]) }
			break
		}
		d, err := engine.ParseDuration(step)
		if err != nil {
			names := []string{"day", "week", "month", "year"}
			return nil, Errorf("usage", "step: got %q, wanted a length of time such as \"6h\", or %s%s", step, quotedList(names), Suggest(step, names))
		}
		at, err = everyStep(start, d)
		if err != nil {
			return nil, err
		}
	case time.Duration:
		var err error
		if at, err = everyStep(start, step); err != nil {
			return nil, err
		}
	default:
		return nil, Errorf("usage", "step: got %s, wanted a length of time such as \"6h\", or a unit of the calendar such as \"day\"", c.Lang.TypeName(step))
	}
	n := 0
	return c.derived("time.windows", func() (Value, error) {
		from := at(n)
		if !from.Before(stop) {
			return nil, io.EOF
		}
		n++
		to := at(n)
		for !to.After(from) && to.Before(stop) { // a day that the clock leaves out
			n++
			to = at(n)
		}
		if to.After(stop) {
			to = stop
		}
		return Tuple{from, to}, nil
	}), nil
}

func everyStep(start time.Time, d time.Duration) (func(n int) time.Time, error) {
	if d <= 0 {
		return nil, Errorf("usage", "step must be longer than 0s")
	}
	return func(n int) time.Time { return start.Add(time.Duration(n) * d) }, nil
}
