package engine

import (
	"strings"
	"time"
)

// nearby is more than any two zones differ, and so more than any clock is set.
const nearby = 26 * time.Hour

// Wall is the moment at which the clocks of a zone show what shown does in UTC: the first
// one, where they show it twice. What they leave out lies as far behind the gap as it is
// into it.
func Wall(shown time.Time, loc *time.Location) time.Time {
	if loc == time.UTC {
		return shown
	}
	first, _ := moments(shown, loc)
	return first.In(loc)
}

// moments are those, in UTC, at which clocks show something: two, or twice the same one.
func moments(shown time.Time, loc *time.Location) (first, second time.Time) {
	before, after := offset(shown.Add(-nearby), loc), offset(shown.Add(nearby), loc)
	first, second = shown.Add(-before), shown.Add(-after)
	switch {
	case before == after || offset(second, loc) != after:
		return first, first // also in a gap
	case offset(first, loc) != before:
		return second, second
	}
	return first, second
}

// offset is how far the clocks of a zone are ahead of UTC at a moment.
func offset(t time.Time, loc *time.Location) time.Duration {
	_, seconds := t.In(loc).Zone()
	return time.Duration(seconds) * time.Second
}

// ParseIn is time.ParseInLocation, where a text without a zone means what Wall says.
func ParseIn(layout, text string, loc *time.Location) (time.Time, error) {
	if strings.Contains(layout, "Z07") {
		return time.ParseInLocation(layout, text, loc)
	}
	t, err := time.Parse(layout, text)
	return Wall(t, loc), err
}
