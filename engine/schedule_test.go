package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestScheduleDecide is every way to treat firings that were missed, that would
// overlap, or that are owed already. Times are minutes after an hour; the
// schedule fires every ten minutes and is looked at in minute 35.
func TestScheduleDecide(t *testing.T) {
	t.Parallel()
	hour := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	type tick struct {
		Fire    []int
		Next    int
		Owes    bool
		Skipped int
	}
	const active, owes = true, true
	for _, x := range []struct {
		missed  Missed
		overlap Overlap
		next    int
		active  bool
		owes    bool
		want    tick
	}{
		// On time, or late by no more than a minute: nothing was missed.
		{MissedOnce, OverlapSkip, 35, false, false, tick{Fire: []int{35}, Next: 45}},
		{MissedAll, OverlapSkip, 35, false, false, tick{Fire: []int{35}, Next: 45}},
		{MissedSkip, OverlapSkip, 35, false, false, tick{Fire: []int{35}, Next: 45}},
		// The last job lives still.
		{MissedOnce, OverlapSkip, 35, active, false, tick{Next: 45, Skipped: 1}},
		{MissedOnce, OverlapQueue, 35, active, false, tick{Next: 35, Owes: true}},
		{MissedOnce, OverlapAllow, 35, active, false, tick{Fire: []int{35}, Next: 45}},
		{MissedAll, OverlapSkip, 35, active, false, tick{Next: 45, Skipped: 1}},
		{MissedSkip, OverlapQueue, 35, active, false, tick{Next: 35, Owes: true}},
		// Three were missed: in minutes 10, 20 and 30.
		{MissedOnce, OverlapSkip, 10, false, false, tick{Fire: []int{30}, Next: 40, Skipped: 2}},
		{MissedOnce, OverlapQueue, 10, false, false, tick{Fire: []int{30}, Next: 40, Skipped: 2}},
		{MissedOnce, OverlapAllow, 10, false, false, tick{Fire: []int{30}, Next: 40, Skipped: 2}},
		{MissedSkip, OverlapSkip, 10, false, false, tick{Next: 40, Skipped: 3}},
		{MissedSkip, OverlapQueue, 10, active, false, tick{Next: 40, Skipped: 3}},
		{MissedSkip, OverlapAllow, 10, false, false, tick{Next: 40, Skipped: 3}},
		{MissedAll, OverlapSkip, 10, false, false, tick{Fire: []int{10}, Next: 20, Owes: true}},
		{MissedAll, OverlapQueue, 10, false, false, tick{Fire: []int{10}, Next: 20, Owes: true}},
		{MissedAll, OverlapAllow, 10, active, false, tick{Fire: []int{10, 20, 30}, Next: 40}},
		// Three were missed, and the last job lives still.
		{MissedOnce, OverlapSkip, 10, active, false, tick{Next: 40, Skipped: 3}},
		{MissedOnce, OverlapQueue, 10, active, false, tick{Next: 30, Owes: true, Skipped: 2}},
		{MissedAll, OverlapSkip, 10, active, false, tick{Next: 10, Owes: true}},
		{MissedAll, OverlapQueue, 10, active, false, tick{Next: 10, Owes: true}},
		// What is owed is paid, one after the other, and never dropped.
		{MissedAll, OverlapSkip, 20, false, owes, tick{Fire: []int{20}, Next: 30, Owes: true}},
		{MissedAll, OverlapSkip, 30, false, owes, tick{Fire: []int{30}, Next: 40}},
		{MissedAll, OverlapSkip, 20, active, owes, tick{Next: 20, Owes: true}},
		{MissedOnce, OverlapQueue, 30, active, owes, tick{Next: 30, Owes: true}},
		{MissedOnce, OverlapQueue, 30, false, owes, tick{Fire: []int{30}, Next: 40}},
		{MissedSkip, OverlapQueue, 30, false, owes, tick{Fire: []int{30}, Next: 40}},
	} {
		s := Schedule{Every: 10 * time.Minute, Missed: x.missed, Overlap: x.overlap}
		at := func(minute int) time.Time { return hour.Add(time.Duration(minute) * time.Minute) }
		got, err := s.Decide(at(35), at(x.next), x.active, x.owes)
		if err != nil {
			t.Fatal(err)
		}
		have := tick{Next: int(got.Next.Sub(hour) / time.Minute), Owes: got.Owes, Skipped: got.Skipped}
		for _, f := range got.Fire {
			have.Fire = append(have.Fire, int(f.Sub(hour)/time.Minute))
		}
		if d := cmp.Diff(x.want, have); d != "" {
			t.Errorf("missed %s, overlap %s, due in minute %d, active %v, owes %v (-want +got):\n%s", x.missed, x.overlap, x.next, x.active, x.owes, d)
		}
	}
}

func TestScheduleDecideContinuous(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	s := Schedule{Continuous: true}
	for _, active := range []bool{true, false} {
		got, err := s.Decide(now, now.Add(-time.Hour), active, false)
		if err != nil {
			t.Fatal(err)
		}
		want := Tick{Fire: []time.Time{now}, Next: now}
		if active {
			want = Tick{Next: now.Add(-time.Hour)}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("active %v (-want +got):\n%s", active, d)
		}
	}
}

// TestScheduleOwesNoMoreThanItMay: after a year away, a schedule that fires each
// second owes the newest MaxOwed firings, and finds them at once.
func TestScheduleOwesNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, s := range []Schedule{{Every: time.Second, Missed: MissedAll}, {Cron: "* * * * *", Missed: MissedAll}} {
		away := 365 * 24 * time.Hour
		each := time.Second
		if s.Cron != "" {
			away, each = 30*24*time.Hour, time.Minute
		}
		s.Overlap = OverlapAllow
		got, err := s.Decide(now, now.Add(-away), false, false)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(got.Fire); n < MaxOwed || n > MaxOwed+1 {
			t.Errorf("%s: %d firings", s, n)
		}
		if first := got.Fire[0]; !first.After(now.Add(-(MaxOwed + 2) * each)) {
			t.Errorf("%s: the first one is of %s", s, first)
		}
		if all := int(away/each) + 1; got.Skipped+len(got.Fire) != all {
			t.Errorf("%s: %d skipped and %d fired, of %d", s, got.Skipped, len(got.Fire), all)
		}
	}
}

func TestScheduleFirstAndNext(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 6, 1, 10, 30, 0, 0, time.UTC)
	for _, x := range []struct {
		s           Schedule
		first, next string
	}{
		{Schedule{Every: time.Hour}, "10:30", "11:30"},
		{Schedule{Cron: "0 * * * *"}, "11:00", "12:00"},
		{Schedule{Cron: "0 14 * * *", Timezone: "Europe/Berlin"}, "12:00", "12:00"},
	} {
		first, err := x.s.First(now)
		if err != nil {
			t.Fatal(err)
		}
		next, err := x.s.Next(first)
		if err != nil {
			t.Fatal(err)
		}
		if got := []string{first.Format("15:04"), next.Format("15:04")}; !cmp.Equal([]string{x.first, x.next}, got) {
			t.Errorf("%s: want %s and %s, got %v", x.s, x.first, x.next, got)
		}
	}
}
