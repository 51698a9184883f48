package engine

import (
	"strings"
	"testing"
	"time"
)

func TestParseStep(t *testing.T) {
	for text, want := range map[string]Step{
		"1d": {Days: 1}, "day": {Days: 1}, "3 days": {Days: 3}, "1w": {Days: 7}, "2weeks": {Days: 14}, "month": {Months: 1},
		"3months": {Months: 3}, "1y": {Months: 12}, "year": {Months: 12}, "6h": {Length: 6 * time.Hour}, "90m": {Length: 90 * time.Minute},
		"1d12h": {Length: 36 * time.Hour}, " 1s ": {Length: time.Second},
	} {
		got, err := ParseStep(text)
		if err != nil || got != want {
			t.Errorf("%q: want %+v, got %+v, %v", text, want, got, err)
		}
	}
	for _, bad := range []string{"", "0d", "d1", "1", "-1d", "100001d", "999999999999999999999d", "1ms", "0s", "-6h", "fortnight", "1.5month"} {
		if got, err := ParseStep(bad); CodeOf(err) != CodeUsage {
			t.Errorf("%q: want a usage error, got %+v, %v", bad, got, err)
		}
	}
}

func TestStepsGoFromStartToEnd(t *testing.T) {
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		t.Fatal(err)
	}
	bounds := Steps{Start: time.Date(2024, 9, 7, 0, 0, 0, 0, santiago), End: time.Date(2024, 9, 9, 0, 0, 0, 0, santiago), Step: Step{Days: 1}}
	bounds.Next()
	if from, to, _ := bounds.Next(); from.Format("01-02 15:04")+" "+to.Format("01-02 15:04") != "09-08 01:00 09-09 00:00" {
		t.Errorf("got %s to %s", from, to)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		x, err := time.ParseInLocation("2006-01-02 15:04", text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, c := range []struct{ start, end, step, want string }{
		{"2025-01-01 00:00", "2025-01-03 12:00", "1d", "01-01 00:00 to 01-02 00:00, 01-02 00:00 to 01-03 00:00, 01-03 00:00 to 01-03 12:00"},
		{"2025-03-29 00:00", "2025-03-31 00:00", "1d", "03-29 00:00 to 03-30 00:00, 03-30 00:00 to 03-31 00:00"}, // 23 hours
		{"2025-03-30 00:00", "2025-03-31 00:00", "12h", "03-30 00:00 to 03-30 13:00, 03-30 13:00 to 03-31 00:00"},
		{"2025-01-31 00:00", "2025-04-01 00:00", "month", "01-31 00:00 to 02-28 00:00, 02-28 00:00 to 03-31 00:00, 03-31 00:00 to 04-01 00:00"},
		{"2025-01-01 00:00", "2025-01-01 00:00", "1d", ""},
		{"2025-01-02 00:00", "2025-01-01 00:00", "1d", ""},
	} {
		step, err := ParseStep(c.step)
		if err != nil {
			t.Fatal(err)
		}
		steps := Steps{Start: at(c.start), End: at(c.end), Step: step}
		var got []string
		for {
			from, to, ok := steps.Next()
			if !ok {
				break
			}
			got = append(got, from.Format("01-02 15:04")+" to "+to.Format("01-02 15:04"))
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%+v: got %s", c, s)
		}
	}
}

func TestQueuesOfBackfills(t *testing.T) {
	for _, p := range Phases {
		q := QueueOf(1<<29-1, p)
		a := q.Apart()
		if q.Backfill() || !a.Backfill() || a == q || a.Type() != q.Type() || a.Phase() != p || q.For(WindowMoves) != q || q.For(WindowMoves|WindowBackfill) != a {
			t.Errorf("queue %d and %d of phase %v do not fit", q, a, p)
		}
	}
}
