package main

import (
	"strings"
	"testing"
)

func TestSummaryIsTheLastObjectThatHasTheTimes(t *testing.T) {
	t.Parallel()
	const out = `{"progress": 1}
{"types": [{"type": "noop", "completed": 7}], "first_claim": "2026-01-02T03:04:05.5Z", "last_commit": "2026-01-02T03:04:07Z"}
{"bye": true}
`
	s, _, err := lastSummary([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.LastCommit.Sub(*s.FirstClaim).Seconds(); got != 1.5 || s.Types[0].Completed != 7 {
		t.Errorf("got %v s and %v, want 1.5 s and 7 jobs", got, s.Types)
	}
	for _, bad := range []string{"", `{"first_claim": null, "last_commit": null}`, "42 jobs"} {
		if _, _, err := lastSummary([]byte(bad)); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

func TestRatiosAreTheMedianOfTheRounds(t *testing.T) {
	t.Parallel()
	r := &report{}
	add := func(engine, database string, n int, rates ...float64) {
		for _, rate := range rates {
			r.add(engine, database, n, sample{JobsPerSecond: rate})
		}
	}
	add(dsengine, "MariaDB", 200, 90, 40, 80) // the second round was slow for all
	add(bareLoop, "MariaDB", 200, 100, 50, 100)
	add(river+"v1", "PostgreSQL", 200, 30, 20, 40)
	add(dsengine, "MariaDB", 2000, 60)
	add(inLua, "MariaDB", 200, 63, 28, 72)
	r.compare()
	want := map[string]float64{
		"dsengine / bare loop, MariaDB":           0.8,
		"dsengine on MariaDB / River v1":          2,
		"dsengine in Lua / in Starlark, MariaDB":  0.7,
		"dsengine with 2,000 / 200 jobs, MariaDB": 0.75,
	}
	for _, q := range r.Ratios {
		if w, ok := want[q.Name]; !ok || w != q.Value {
			t.Errorf("%s: got %v, want %v", q.Name, q.Value, w)
		}
		delete(want, q.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing ratios: %v", want)
	}
	var b strings.Builder
	r.print(&b)
	for _, s := range []string{"90  40  80", "bare loop", "2,000", "0.80"} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("the table lacks %q:\n%s", s, b.String())
		}
	}
}
