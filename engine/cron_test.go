package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// firings are those after a moment, as the wall shows them.
func firings(t *testing.T, expr, zone, after string, n int) []string {
	t.Helper()
	c, err := parseCron(expr, zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", after, c.loc)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for range n {
		next := c.next(at)
		if !next.After(at) {
			t.Fatalf("%s in %s: after %s comes %s", expr, zone, at, next)
		}
		if at = next; at.Location() != time.UTC {
			t.Errorf("%s is not in UTC", at)
		}
		list = append(list, strings.TrimSuffix(at.In(c.loc).Format("2006-01-02 15:04 -0700"), "00"))
	}
	return list
}

func TestCronWhereClocksAreSet(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, expr, zone, after, want string }{
		{"a time in the gap fires as far behind it", "30 2 * * *", "Europe/Berlin", "2025-03-29 12:00",
			"2025-03-30 03:30 +02, 2025-03-31 02:30 +02"},
		{"so does its beginning", "0 2 * * *", "Europe/Berlin", "2025-03-29 12:00",
			"2025-03-30 03:00 +02, 2025-03-31 02:00 +02"},
		{"times in and behind the gap fire in the order of time", "10,50 2,3 * * *", "Europe/Berlin", "2025-03-30 00:00",
			"2025-03-30 03:10 +02, 2025-03-30 03:50 +02, 2025-03-31 02:10 +02"},
		{"a late one in the gap does not hide an early one behind it", "45 2 * * *", "Europe/Berlin", "2025-03-30 03:40",
			"2025-03-30 03:45 +02, 2025-03-31 02:45 +02"},
		{"every hour fires each hour in spring", "0 * * * *", "Europe/Berlin", "2025-03-30 00:30",
			"2025-03-30 01:00 +01, 2025-03-30 03:00 +02, 2025-03-30 04:00 +02"},
		{"a time that exists twice fires the first time", "30 2 * * *", "Europe/Berlin", "2025-10-25 12:00",
			"2025-10-26 02:30 +02, 2025-10-27 02:30 +01"},
		{"every minute of an hour that exists twice, the first time", "59 2 * * *", "Europe/Berlin", "2025-10-26 01:00",
			"2025-10-26 02:59 +02, 2025-10-27 02:59 +01"},
		{"every hour fires both times", "0 * * * *", "Europe/Berlin", "2025-10-26 01:30",
			"2025-10-26 02:00 +02, 2025-10-26 02:00 +01, 2025-10-26 03:00 +01"},
		{"also as a step", "0 */1 * * *", "Europe/Berlin", "2025-10-26 01:30",
			"2025-10-26 02:00 +02, 2025-10-26 02:00 +01, 2025-10-26 03:00 +01"},
		{"also as a range", "30 0-23 * * *", "Europe/Berlin", "2025-10-26 01:45",
			"2025-10-26 02:30 +02, 2025-10-26 02:30 +01, 2025-10-26 03:30 +01"},
		{"also by its name", "@hourly", "Europe/Berlin", "2025-10-26 01:30",
			"2025-10-26 02:00 +02, 2025-10-26 02:00 +01, 2025-10-26 03:00 +01"},
		{"every twenty minutes too", "*/20 * * * *", "America/New_York", "2025-11-02 01:30",
			"2025-11-02 01:40 -04, 2025-11-02 01:00 -05, 2025-11-02 01:20 -05, 2025-11-02 01:40 -05, 2025-11-02 02:00 -05"},
		{"every other hour does not", "0 */2 * * *", "Europe/Berlin", "2025-10-26 00:30",
			"2025-10-26 02:00 +02, 2025-10-26 04:00 +01"},
		{"half an hour forward", "15 2 * * *", "Australia/Lord_Howe", "2025-10-04 12:00",
			"2025-10-05 02:45 +11, 2025-10-06 02:15 +11"},
		{"half an hour back", "45 1 * * *", "Australia/Lord_Howe", "2025-04-05 12:00",
			"2025-04-06 01:45 +11, 2025-04-07 01:45 +1030"},
		{"every half hour, half an hour back", "*/30 * * * *", "Australia/Lord_Howe", "2025-04-06 01:15",
			"2025-04-06 01:30 +11, 2025-04-06 01:30 +1030, 2025-04-06 02:00 +1030"},
		{"midnight does not exist: Chile", "0 0 * * *", "America/Santiago", "2025-09-06 12:00",
			"2025-09-07 01:00 -03, 2025-09-08 00:00 -03"},
		{"midnight does not exist: Chile, daily", "@daily", "America/Santiago", "2025-09-06 12:00",
			"2025-09-07 01:00 -03, 2025-09-08 00:00 -03"},
		{"midnight does not exist: Lebanon", "@daily", "Asia/Beirut", "2025-03-29 12:00",
			"2025-03-30 01:00 +03, 2025-03-31 00:00 +03"},
		{"midnight does not exist: Brazil", "0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00",
			"2018-11-04 01:00 -02, 2018-11-05 00:00 -02"},
		{"midnight does not exist: Egypt", "30 0 * * *", "Africa/Cairo", "2025-04-24 12:00",
			"2025-04-25 01:30 +03, 2025-04-26 00:30 +03"},
		{"midnight does not exist, on the only day of the week", "0 0 * * 5", "Africa/Cairo", "2025-04-24 12:00",
			"2025-04-25 01:00 +03, 2025-05-02 00:00 +03"},
		{"midnight does not exist, on the first of a month", "0 0 1 * *", "America/Asuncion", "2017-09-30 12:00",
			"2017-10-01 01:00 -03, 2017-11-01 00:00 -03"},
		{"midnight exists twice", "0 0 * * *", "America/Havana", "2025-11-01 12:00",
			"2025-11-02 00:00 -04, 2025-11-03 00:00 -05"},
		{"a whole day does not exist", "0 12 * * *", "Pacific/Apia", "2011-12-29 13:00",
			"2011-12-31 12:00 +14, 2012-01-01 12:00 +14"},
		{"nothing is set", "30 2 * * *", "Asia/Kolkata", "2025-03-29 12:00",
			"2025-03-30 02:30 +0530, 2025-03-31 02:30 +0530"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			want := strings.Split(x.want, ", ")
			if d := cmp.Diff(want, firings(t, x.expr, x.zone, x.after, len(want))); d != "" {
				t.Errorf("%s in %s (-want +got):\n%s", x.expr, x.zone, d)
			}
		})
	}
}

func TestCronFields(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, expr, after, want string }{
		{"both day fields mean either", "0 0 13 * 5", "2025-06-01 00:00",
			"2025-06-06 00:00 +00, 2025-06-13 00:00 +00, 2025-06-20 00:00 +00"},
		{"a day of the month alone", "0 0 13 * *", "2025-06-01 00:00", "2025-06-13 00:00 +00, 2025-07-13 00:00 +00"},
		{"a weekday alone", "0 0 * * sun", "2025-06-01 00:00", "2025-06-08 00:00 +00, 2025-06-15 00:00 +00"},
		{"Sunday is 0 and 7", "0 0 * * 7", "2025-06-01 00:00", "2025-06-08 00:00 +00"},
		{"the 31st, in months that have one", "0 0 31 * *", "2025-01-31 00:00", "2025-03-31 00:00 +00, 2025-05-31 00:00 +00"},
		{"a leap day", "0 0 29 2 *", "2024-03-01 00:00", "2028-02-29 00:00 +00, 2032-02-29 00:00 +00"},
		{"a leap day, past a year that has none", "0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00 +00"},
		{"once a year", "@yearly", "2025-06-01 00:00", "2026-01-01 00:00 +00, 2027-01-01 00:00 +00"},
		{"ranges with steps", "0 8-18/5 * * mon-fri", "2025-06-06 09:00",
			"2025-06-06 13:00 +00, 2025-06-06 18:00 +00, 2025-06-09 08:00 +00"},
		{"names of months", "0 0 1 jan,jul *", "2025-06-01 00:00", "2025-07-01 00:00 +00, 2026-01-01 00:00 +00"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			want := strings.Split(x.want, ", ")
			if d := cmp.Diff(want, firings(t, x.expr, "UTC", x.after, len(want))); d != "" {
				t.Errorf("%s (-want +got):\n%s", x.expr, d)
			}
		})
	}
}

// TestCronFiresOnceForEachDay: in every zone here, over years, what is due
// once a day fires on each day once, and what is due each hour in each hour.
func TestCronFiresOnceForEachDay(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/Santiago", "Asia/Beirut", "Africa/Cairo", "Australia/Lord_Howe", "America/Havana", "America/New_York", "Asia/Tehran", "Africa/Casablanca"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, expr := range []string{"0 0 * * *", "30 0 * * *", "30 1 * * *", "15 2 * * *", "59 23 * * *"} {
				c, err := parseCron(expr, zone)
				if err != nil {
					t.Fatal(err)
				}
				day := time.Date(2018, 12, 31, 23, 59, 30, 0, loc)
				for at := c.next(day); at.Year() < 2027; at = c.next(at) {
					day = time.Date(day.Year(), day.Month(), day.Day()+1, 12, 0, 0, 0, loc)
					if got := at.In(loc).Format(time.DateOnly); got != day.Format(time.DateOnly) {
						t.Fatalf("%s: on %s it fires at %s", expr, day.Format(time.DateOnly), at.In(loc))
					}
				}
			}
			hourly, err := parseCron("17 * * * *", zone)
			if err != nil {
				t.Fatal(err)
			}
			for at := time.Date(2024, 1, 1, 0, 17, 0, 0, loc); at.Year() < 2026; {
				next := hourly.next(at)
				if gap := next.Sub(at); gap != time.Hour && (zone != "Australia/Lord_Howe" || gap < 30*time.Minute || gap > 90*time.Minute) {
					t.Fatalf("every hour: after %s comes %s", at.In(loc), next.In(loc))
				}
				at = next
			}
		})
	}
}

func TestCronRefuses(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"0 0 30 2 *":             "never fires",
		"0 0 * *":                "no cron expression",
		"61 * * * *":             "no cron expression",
		"@every 5m":              "write every = ... instead",
		"CRON_TZ=UTC * * * * *":  "timezone = ...",
		"@sometimes":             "no cron expression",
		"* * * * * *":            "no cron expression",
		"0 0 * * monday-tuesday": "no cron expression",
	} {
		if _, err := parseCron(expr, "UTC"); err == nil || !strings.Contains(err.Error(), want) || CodeOf(err) != CodeUsage {
			t.Errorf("%q: want a usage error with %q, got: %v", expr, want, err)
		}
	}
	if _, err := parseCron("* * * * *", "Mars/Olympus"); err == nil || !strings.Contains(err.Error(), "no time zone") {
		t.Errorf("a zone that there is not: got: %v", err)
	}
}
