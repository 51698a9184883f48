package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// tape is a clock that the test moves.
type tape struct {
	engine.SystemClock
	at time.Duration
}

func (c *tape) Boot() time.Duration { return c.at }

// plainLog logs messages only.
func plainLog(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key != slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func TestPlainProgressTellsWhatChangedEveryFewSeconds(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	clock := &tape{at: time.Hour}
	p := newProgress(&Env{Clock: clock, IsTerminal: func(any) bool { return false }, Stderr: &b}, plainLog(&b), nil)
	total := int64(84_000)
	snap := func(done, failed int64) engine.Snapshot {
		return engine.Snapshot{Types: []engine.TypeTally{{Type: "airports", Completed: done, Failed: failed}, {Type: "idle"}}}
	}
	for i := range int64(61) { // 15 seconds, 16 jobs a second
		hooks := map[engine.JobID]engine.Progress{12: {Done: 100, Total: &total, Note: "page 1"}}
		p.show(gauges(snap(i*4, i/20), map[string]int64{"airports": 1000 - i*4, "idle": 0}, hooks))
		clock.at += 250 * time.Millisecond
	}
	p.close()
	got := strings.Split(strings.TrimSpace(strings.NewReplacer("msg=", "", `"`, "").Replace(b.String())), "\n")
	want := []string{
		"airports: 81 of 1,001 done, 1 failed, 16/s, 57s left",
		"job 12: 100 of 84,000 done, page 1",
		"airports: 162 of 1,002 done, 2 failed, 16/s, 52s left",
		"airports: 243 of 1,003 done, 3 failed, 16/s, 47s left",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLiveProgressShowsABarForEachGauge(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	con := &console{base: &b}
	p := newLiveProgress(&Env{Clock: &tape{}, Stderr: &b}, con)
	p.show([]gauge{{Name: "a", Done: 1, Total: 2}, {Name: "b"}})
	p.show([]gauge{{Name: "a", Done: 2, Total: 2}})
	if len(p.all) != 1 {
		t.Errorf("%d bars, want 1: the other one's work is gone", len(p.all))
	}
	p.close()
	if _, err := con.Write([]byte("at mysql://u:secret@h/d\n")); err != nil || b.String() != "at mysql://u:***@h/d\n" {
		t.Errorf("a line after the bars: %q, %v", b.String(), err)
	}
}

func TestAPaceKnowsWhenTheRestIsDone(t *testing.T) {
	t.Parallel()
	var p pace
	for i := range time.Duration(40) {
		p.look(i*time.Second, int64(i)*100)
	}
	if p.rate < 99 || p.rate > 101 {
		t.Errorf("rate %.1f, want 100", p.rate)
	}
	if left := p.left(gauge{Done: 4000, Total: 10_000}).Round(time.Second); left != time.Minute {
		t.Errorf("%s left, want 1m0s", left)
	}
	for _, g := range []gauge{{Done: 5}, {Done: 5, Total: 5}, {Done: 6, Total: 5}} {
		if left := p.left(g); left != 0 {
			t.Errorf("%+v: %s left, want 0: nobody knows", g, left)
		}
	}
}
