package engine

import (
	"strings"
	"sync"
	"time"

	cron "github.com/netresearch/go-cron"
)

// cronSchedule is a parsed cron expression in its time zone.
//
// On the day the clocks go forward, a time that does not exist fires at the
// same distance after the gap (02:30 becomes 03:30). On the day they go back,
// a time that exists twice fires once, the first time, unless the hour field
// holds all hours: what runs every hour, or every few minutes, keeps running.
//
// The expression is matched against the time on the wall, in a calendar without
// gaps, and what is found is then placed in the zone: so that a day on which
// midnight does not exist is a day still.
type cronSchedule struct {
	spec      *cron.SpecSchedule
	loc       *time.Location
	everyHour bool
}

// Day of month and day of week, both restricted, mean either of them, as in
// every Unix cron.
var cronParser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

var cronCache sync.Map // cronKey -> *cronSchedule

type cronKey struct{ expr, zone string }

func parseCron(expr, zone string) (*cronSchedule, error) {
	key := cronKey{expr, zone}
	if c, ok := cronCache.Load(key); ok {
		return c.(*cronSchedule), nil
	}
	if strings.Contains(expr, "TZ=") {
		return nil, Errorf(CodeUsage, "cron: give the time zone by timezone = ..., not inside %q", expr)
	}
	if strings.HasPrefix(strings.TrimSpace(expr), "@every") {
		return nil, Errorf(CodeUsage, "cron: write every = ... instead of %q", expr)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return nil, Errorf(CodeUsage, "timezone: there is no time zone %q (write it like \"Europe/Berlin\")", zone)
	}
	schedule, err := cronParser.Parse(expr)
	if err != nil {
		return nil, Wrapf(CodeUsage, err, "cron: %q is no cron expression (minute hour day month weekday)", expr)
	}
	spec, ok := schedule.(*cron.SpecSchedule)
	if !ok {
		return nil, Errorf(CodeUsage, "cron: %q is no cron expression (minute hour day month weekday)", expr)
	}
	spec.MaxSearchYears = 12 // no leap day is further away
	const allHours = 1<<24 - 1
	c := &cronSchedule{spec: spec, loc: loc, everyHour: spec.Hour&allHours == allHours}
	if c.next(time.Unix(0, 0)).IsZero() {
		return nil, Errorf(CodeUsage, "cron: %q never fires", expr)
	}
	cronCache.Store(key, c)
	return c, nil
}

// next is the first firing after t, in UTC; the zero time if there is none.
func (c *cronSchedule) next(t time.Time) time.Time {
	t = t.UTC()
	// Where clocks are set near t, what was on the wall before may come to pass
	// after it.
	shown := t.Add(offset(t, c.loc) - c.set(t))
	var best, until time.Time
	for {
		shown = c.spec.Next(shown)
		if shown.IsZero() || !best.IsZero() && shown.After(until) {
			return best
		}
		for _, at := range c.places(shown) {
			if !at.After(t) || !best.IsZero() && !at.Before(best) {
				continue
			}
			if best.IsZero() { // what is later on the wall comes first only where clocks are set
				set := c.set(at)
				if set == 0 {
					return at
				}
				until = shown.Add(set)
			}
			best = at
		}
	}
}

// places are the moments at which a time on the wall fires: one, or of one that
// exists twice both, if the schedule keeps running.
func (c *cronSchedule) places(shown time.Time) []time.Time {
	first, second := moments(shown, c.loc)
	if c.everyHour && !second.Equal(first) {
		return []time.Time{first, second}
	}
	return []time.Time{first}
}

// set is by how much the clocks are set near a moment, forward or back.
func (c *cronSchedule) set(t time.Time) time.Duration {
	return (offset(t.Add(nearby), c.loc) - offset(t.Add(-nearby), c.loc)).Abs()
}
