package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/scripttest"
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
	w := watching{work: map[string]*typeWork{}}
	for i := range int64(61) { // 15 seconds, 16 jobs a second
		snap := engine.Snapshot{Types: []engine.TypeTally{{Type: "airports", Completed: i * 4, Failed: i / 20, Running: 2}, {Type: "idle"}}}
		if i%8 == 0 { // the database is looked at now and then
			*w.of("airports") = typeWork{left: 1000 - i*4 - i/20, done: i*4 + i/20}
		}
		p.show(append(w.types(snap, clock.at), hookGauges(map[engine.JobID]engine.Progress{12: {Done: 100, Total: &total, Note: "page 1"}})...), 0)
		clock.at += 250 * time.Millisecond
	}
	p.close()
	got := strings.Split(strings.TrimSpace(strings.NewReplacer("msg=", "", `"`, "").Replace(b.String())), "\n")
	want := []string{
		"airports: 81 of 1,000 done, 1 failed, 16/s, 57s left",
		"job 12: 100 of 84,000 done, page 1",
		"airports: 162 of 1,000 done, 2 failed, 16/s, 52s left",
		"airports: 243 of 1,000 done, 3 failed, 16/s, 47s left",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWorkThatIsDoneAtOnceHasNoLine(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	clock := &tape{at: time.Hour}
	p := newProgress(&Env{Clock: clock, IsTerminal: func(any) bool { return false }, Stderr: &b}, plainLog(&b), nil)
	for i := range int64(121) { // half a minute
		tick := gauge{Name: "tick", Done: (i + 2) / 4, Total: (i + 5) / 4} // a job each second, in hand for most of it
		long := gauge{Name: "long", Done: min(i, 50), Total: 50}
		p.show([]gauge{tick, long}, 0)
		clock.at += 250 * time.Millisecond
	}
	want := "long: 20 of 50 done, 4.0/s, 7.5s left\nlong: 40 of 50 done, 4.0/s, 2.5s left\nlong: 50 of 50 done, 3.1/s"
	if got := strings.TrimSpace(strings.NewReplacer("msg=", "", `"`, "").Replace(b.String())); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAServerAmongSeveralTellsItsOwnPart(t *testing.T) {
	t.Parallel()
	works := map[string]engine.Works{"a": {Phases: []engine.Phase{engine.PhaseConsume}}}
	server := func(id engine.ServerID, dead bool, types map[string]engine.Works) engine.ServerRow {
		return engine.ServerRow{ID: id, Dead: dead, ServerInfo: engine.ServerInfo{Types: types}}
	}
	const own = 7
	for name, c := range map[string]struct {
		servers []engine.ServerRow
		done    int64
		want    string
		line    string
	}{
		"alone":                  {[]engine.ServerRow{server(own, false, works)}, 8, "8 of 8", "8 of 8 done"},
		"another is dead":        {[]engine.ServerRow{server(own, false, works), server(8, true, works)}, 8, "8 of 8", "8 of 8 done"},
		"another has other work": {[]engine.ServerRow{server(own, false, works), server(8, false, nil)}, 8, "8 of 8", "8 of 8 done"},
		"another has the same": {
			[]engine.ServerRow{server(own, false, works), server(8, false, works)}, 8,
			"8 by this server, 0 left", "8 done by this server, none waits; other servers may still have some",
		},
		"and some is left": {
			[]engine.ServerRow{server(own, false, works), server(8, false, works)}, 2,
			"2 by this server, 6 left", "2 done by this server, 6 left",
		},
	} {
		w := watching{work: map[string]*typeWork{}}
		snap := engine.Snapshot{Types: []engine.TypeTally{{Type: "a", Completed: c.done}}}
		w.others = othersWork(snap, c.servers, own)
		*w.of("a") = typeWork{left: 8 - c.done, done: c.done}
		list := w.types(snap, time.Second)
		if len(list) != 1 || list[0].share() != c.want || list[0].line() != c.line {
			t.Errorf("%s: got %+v, %q, %q; want %q, %q", name, list, list[0].share(), list[0].line(), c.want, c.line)
		}
	}
}

func TestWorkThatIsDoneIsShownForAWhile(t *testing.T) {
	t.Parallel()
	w := watching{work: map[string]*typeWork{}}
	look := func(done, left int64, at time.Duration) []gauge {
		x := w.of("a")
		x.left, x.done = left, done
		return w.types(engine.Snapshot{Types: []engine.TypeTally{{Type: "a", Completed: done}}}, at)
	}
	for i, step := range []struct {
		done, left int64
		at         time.Duration
		want       []gauge
	}{
		{0, 3, 0, []gauge{{Name: "a", Total: 3}}},
		{3, 0, time.Second, []gauge{{Name: "a", Done: 3, Total: 3}}},
		{3, 0, 5 * time.Second, []gauge{{Name: "a", Done: 3, Total: 3}}},
		{3, 0, 12 * time.Second, nil},
		{3, 2, 60 * time.Second, []gauge{{Name: "a", Total: 2}}}, // new work
		{4, 1, 61 * time.Second, []gauge{{Name: "a", Done: 1, Total: 2}}},
	} {
		if got := look(step.done, step.left, step.at); !slices.Equal(got, step.want) {
			t.Errorf("step %d: got %+v, want %+v", i, got, step.want)
		}
	}
}

func TestOnlyWhatThisServerWorksIsItsWork(t *testing.T) {
	t.Parallel()
	produce, consume := engine.QueueOf(1, engine.PhaseProduce), engine.QueueOf(1, engine.PhaseConsume)
	record := engine.TypeRecord{ID: 1, Name: "a", Counts: engine.TypeCounts{Created: 90_000, Completed: 20_000, Failed: 5}}
	other := engine.TypeRecord{ID: 2, Name: "b"}
	for name, c := range map[string]struct {
		tally   engine.TypeTally
		queues  []engine.Queue
		backlog map[engine.Queue]int
		want    []gauge
	}{
		"what waits, and what is in hand": {
			engine.TypeTally{Completed: 3, Cancelled: 1, Running: 2, Claimed: 5}, []engine.Queue{produce, consume},
			map[engine.Queue]int{produce: 10, consume: 20}, []gauge{{Name: "a", Done: 4, Total: 41}},
		},
		"a phase that others work": {
			engine.TypeTally{Passed: 2}, []engine.Queue{produce},
			map[engine.Queue]int{produce: 1, consume: 500}, []gauge{{Name: "a", Done: 2, Total: 3}},
		},
		"backfills":               {engine.TypeTally{}, []engine.Queue{consume, consume.Apart()}, map[engine.Queue]int{consume.Apart(): 7}, []gauge{{Name: "a", Total: 7}}},
		"others have all of it":   {engine.TypeTally{}, []engine.Queue{consume}, nil, nil},
		"nothing is due any more": {engine.TypeTally{Completed: 9}, []engine.Queue{consume}, nil, []gauge{{Name: "a", Done: 9, Total: 9}}},
		"too many to count":       {engine.TypeTally{Completed: 9}, []engine.Queue{consume}, map[engine.Queue]int{consume: countLimit}, []gauge{{Name: "a", Done: 9, Total: 70_004, About: true}}},
		"another type":            {engine.TypeTally{}, []engine.Queue{consume}, map[engine.Queue]int{engine.QueueOf(2, engine.PhaseConsume): 7}, nil},
	} {
		w := watching{work: map[string]*typeWork{}}
		c.tally.Type = "a"
		snap := engine.Snapshot{Types: []engine.TypeTally{c.tally}}
		w.reckon(snap, c.queues, c.backlog, []engine.TypeRecord{record, other})
		if got := w.types(snap, time.Second); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestAnEstimateIsMarked(t *testing.T) {
	t.Parallel()
	if got := (gauge{Done: 200_000, Total: 1_030_768, About: true}).share(); got != "200,000 of ~1,030,768" {
		t.Errorf("got %q", got)
	}
}

func TestLiveProgressShowsABarForEachGauge(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	con := &console{base: &b}
	p := newLiveProgress(&Env{Clock: &tape{}, Stderr: &b}, con)
	p.show([]gauge{{Name: "a", Done: 1, Total: 2}, {Name: "b"}}, 0)
	p.show([]gauge{{Name: "a", Done: 2, Total: 2}}, 0)
	if len(p.all) != 1 {
		t.Errorf("%d bars, want 1: the other one's work is gone", len(p.all))
	}
	p.close()
	if _, err := con.Write([]byte("at mysql://u:secret@h/d\n")); err != nil || b.String() != "at mysql://u:***@h/d\n" {
		t.Errorf("a line after the bars: %q, %v", b.String(), err)
	}
}

func TestDataOnTheSameTerminalGoesAboveTheBars(t *testing.T) {
	t.Parallel()
	var out, bars bytes.Buffer
	terminal := true
	env := &Env{Stdout: &out, Lookup: func(string) (string, bool) { return "", false }, IsTerminal: func(any) bool { return terminal }}
	con := &console{}
	con.show(&bars)
	fmt.Fprintln(con.data(env), "mysql://u:p@h/d")
	terminal = false // but a file
	fmt.Fprintln(con.data(env), "1")
	terminal = true
	con.show(nil)
	fmt.Fprintln(con.data(env), "2")
	if bars.String() != "mysql://u:p@h/d\n" || out.String() != "1\n2\n" {
		t.Errorf("above the bars %q, and beside them %q", bars.String(), out.String())
	}
}

func TestTestsTellHowFarTheyAre(t *testing.T) {
	t.Parallel()
	jobs := t.TempDir()
	if err := os.WriteFile(filepath.Join(jobs, "a_test.star"), []byte("def test_one(t):\n    pass\n\ndef test_two(t):\n    pass\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	suite, err := scripttest.Find(scripttest.Options{Jobs: jobs})
	if err != nil {
		t.Fatal(err)
	}
	clock := &tape{at: time.Hour}
	var out, told bytes.Buffer
	env := &Env{Clock: clock, Stdout: &out, Stderr: &told, Secrets: engine.NewSecrets(), Lookup: func(string) (string, bool) { return "", false }, IsTerminal: func(any) bool { return false }}
	s := showTests(env, &globals{}, testOptions{format: "text"}, suite)
	for i := range 101 { // 20 seconds
		suite.Crashing(&scripttest.Result{File: "a_test.star", Name: "one"}, i, 100)
		if clock.at += 200 * time.Millisecond; i == 40 {
			suite.Done(&scripttest.Result{File: "a_test.star", Name: "two", Status: scripttest.Failed})
		}
	}
	suite.Done(&scripttest.Result{File: "a_test.star", Name: "one", Status: scripttest.Passed, Crashes: 100, Points: 100})
	s.close()
	lines := regexp.MustCompile(`(?m)^time=\S+ level=INFO msg="?(.*?)"?$`).ReplaceAllString(told.String(), "$1")
	want := "tests: 0 of 2 done\ncrashes of one, a_test.star: 25 of 100 done, 5.0/s, 15s left\n" +
		"tests: 1 of 2 done, 1 failed\ncrashes of one, a_test.star: 66 of 100 done, 5.0/s, 6.8s left\n" + // 5 s after a result
		"crashes of one, a_test.star: 91 of 100 done, 5.0/s, 1.8s left\n"
	if lines != want {
		t.Errorf("it tells\n%swant\n%s", lines, want)
	}
	if want := "FAIL  a_test.star: two\nok    a_test.star: one with 100 crashes\n"; out.String() != want {
		t.Errorf("the results are\n%s", &out)
	}
}

func TestThePaceOfWorkLeavesOutWhatTheDatabaseWasAway(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	clock := &tape{at: time.Hour}
	p := newProgress(&Env{Clock: clock, IsTerminal: func(any) bool { return false }, Stderr: &b}, plainLog(&b), nil)
	var done int64
	var away time.Duration
	for i := range 20 * 4 * 60 { // 20 minutes, of which the database is away for 18
		began := clock.at - time.Hour
		switch gone := began >= time.Minute && began < 19*time.Minute; {
		case !gone:
			done++ // four a second
		case began >= time.Minute+2*time.Second: // it is noticed then
			away = began + 250*time.Millisecond - time.Minute
		}
		if i%4 == 0 {
			p.show([]gauge{{Name: "a", Done: done, Total: 600}}, away)
		}
		clock.at += 250 * time.Millisecond
	}
	lines := strings.Split(strings.TrimSpace(strings.NewReplacer("msg=", "", `"`, "").Replace(b.String())), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "a: 4") || !strings.Contains(last, " of 600 done, 4.0/s, ") {
		t.Errorf("after the outage it says %q", last)
	}
	for _, line := range lines {
		if strings.Contains(line, ", 0.") || strings.Contains(line, ", 1.") {
			t.Errorf("the outage counts as work: %s", line)
		}
	}
}

func TestAPaceKnowsWhenTheRestIsDone(t *testing.T) {
	t.Parallel()
	var p pace
	for i := range time.Duration(40) {
		p.look(i*time.Second, int64(i)*100)
	}
	var young pace
	young.look(0, 0)
	young.look(400*time.Millisecond, 1)
	if g := (gauge{Done: 1, Total: 100}); g.more(&young) != "" {
		t.Errorf("after one step it says %q", g.more(&young))
	}
	if p.rate < 99 || p.rate > 101 {
		t.Errorf("rate %.1f, want 100", p.rate)
	}
	var slow pace
	for i := range time.Duration(60) {
		slow.look(i*time.Second, 3+int64(i/15))
	}
	if slow.rate = 0.08; slow.known() == 0 || strings.Contains(gauge{Done: 3, Total: 10}.more(&slow), "/s") {
		t.Errorf("of a rate that is nought as it is written it says %q", gauge{Done: 3, Total: 10}.more(&slow))
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
