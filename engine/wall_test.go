package engine

import (
	"testing"
	"time"
)

func TestWhatClocksShowTwiceOrNeverHasOneMoment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, shown, want string }{
		{"Europe/Berlin", "2025-10-26T02:30:00", "2025-10-26T02:30:00+02:00"}, // twice: the first
		{"America/New_York", "2025-11-02T01:30:00", "2025-11-02T01:30:00-04:00"},
		{"America/Havana", "2025-11-02T00:30:00", "2025-11-02T00:30:00-04:00"},
		{"Australia/Lord_Howe", "2025-04-06T01:45:00", "2025-04-06T01:45:00+11:00"},
		{"Europe/Berlin", "2025-03-30T02:30:00", "2025-03-30T03:30:00+02:00"}, // never: behind the gap
		{"America/New_York", "2025-03-09T02:30:00", "2025-03-09T03:30:00-04:00"},
		{"America/Sao_Paulo", "2018-11-04T00:00:00", "2018-11-04T01:00:00-02:00"},
		{"America/Santiago", "2024-09-08T00:00:00", "2024-09-08T01:00:00-03:00"},
		{"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-31T12:00:00+14:00"}, // a day
		{"Europe/Berlin", "2025-03-30T03:00:00", "2025-03-30T03:00:00+02:00"},
		{"Europe/Berlin", "2025-03-30T01:59:59", "2025-03-30T01:59:59+01:00"},
		{"Europe/Berlin", "2025-10-26T03:00:00", "2025-10-26T03:00:00+01:00"},
		{"UTC", "2025-03-30T02:30:00", "2025-03-30T02:30:00Z"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := ParseIn("2006-01-02T15:04:05", c.shown, loc)
		if got := at.Format(time.RFC3339); err != nil || got != c.want {
			t.Errorf("%s in %s: got %s, %v, want %s", c.shown, c.zone, got, err, c.want)
		}
	}
}
