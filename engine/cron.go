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
// is "*": what runs every hour, or every few minutes, keeps running.
type cronSchedule struct {
	schedule  cron.Schedule
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
	fields := strings.Fields(expr)
	c := &cronSchedule{schedule: schedule, loc: loc, everyHour: expr == "@hourly" || len(fields) == 5 && fields[1] == "*"}
	if c.next(time.Unix(0, 0)).IsZero() {
		return nil, Errorf(CodeUsage, "cron: %q never fires", expr)
	}
	cronCache.Store(key, c)
	return c, nil
}

// next is the first firing after t, in UTC; the zero time if there is none.
func (c *cronSchedule) next(t time.Time) time.Time {
	for {
		n := c.schedule.Next(t.In(c.loc))
		if n.IsZero() {
			return time.Time{}
		}
		if c.everyHour || !secondOccurrence(n) {
			return n.UTC()
		}
		t = n
	}
}

// secondOccurrence says whether the wall clock showed the same time before,
// within the last three hours: the clocks went back in between.
func secondOccurrence(t time.Time) bool {
	_, now := t.Zone()
	_, before := t.Add(-3 * time.Hour).Zone()
	if before <= now {
		return false
	}
	first := t.Add(-time.Duration(before-now) * time.Second)
	_, off := first.Zone()
	return off == before
}
