package hostlib

import (
	"io"
	"time"

	"github.com/dsengine/dsengine/engine"
)

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
	return engine.Wall(time.Date(int(year), time.Month(month), int(day), int(a.Int("hour")), int(a.Int("minute")), int(a.Int("second")), 0, time.UTC), loc), nil
}

// windowUnits are the steps by the calendar.
var windowUnits = map[string]engine.Step{"day": {Days: 1}, "week": {Days: 7}, "month": {Months: 1}, "year": {Months: 12}}

// windows goes from a time to another in steps.
func (c *Call) windows(a *Args) (Value, error) {
	steps := engine.Steps{Start: a.Time("start"), End: a.Time("stop")}
	switch step := c.Lang.Plain(a.Value("step")).(type) {
	case string:
		unit, ok := windowUnits[step]
		if !ok {
			d, err := engine.ParseDuration(step)
			if err != nil {
				names := []string{"day", "week", "month", "year"}
				return nil, Errorf("usage", "step: got %q, wanted a length of time such as \"6h\", or %s%s", step, quotedList(names), Suggest(step, names))
			}
			unit = engine.Step{Length: d}
		}
		steps.Step = unit
	case time.Duration:
		steps.Step = engine.Step{Length: step}
	default:
		return nil, Errorf("usage", "step: got %s, wanted a length of time such as \"6h\", or a unit of the calendar such as \"day\"", c.Lang.TypeName(a.Value("step")))
	}
	if steps.Step.Validate() != nil {
		return nil, Errorf("usage", "step must be longer than 0s")
	}
	return c.derived("time.windows", func() (Value, error) {
		from, to, ok := steps.Next()
		if !ok {
			return nil, io.EOF
		}
		return Tuple{from, to}, nil
	}), nil
}
