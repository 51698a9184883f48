package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
)

func TestStrikeLeavesNoPassword(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"mysql://me:hunter2@host:3306/name":            "mysql://me:***@host:3306/name",
		`the URL "mysql://me:h@u/n@te:r2@host/name" x`: `the URL "mysql://me:***@host/name" x`,
		"mysql://me@/name?socket=/run/x.sock":          "mysql://me@/name?socket=/run/x.sock",
		"mysql://:hunter2@host/name":                   "mysql://:***@host/name",
		"sqlite:dsengine.db":                           "sqlite:dsengine.db",
		"write to a@b.c about http://x.y:80/z":         "write to a@b.c about http://x.y:80/z",
	} {
		if got := strike(in); got != want {
			t.Errorf("strike(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAURLIsShownWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"mysql://me:hunter2@host:3306/name":         "mysql://me:***@host:3306/name",
		"mysql://me:hunter2@host/name?tls=true":     "mysql://me:***@host/name?tls=true",
		"mysql://me@/name?socket=/run/x.sock":       "mysql://me@/name?socket=/run/x.sock",
		"mysql://me:hun ter2@host/name":             "mysql://me:***@host/name",
		"mysql://me:hunter2\"'@host/name":           "mysql://me:***@host/name",
		"mysql:me:hunter2@host/name":                "mysql:me:***@host/name",
		"me:hunter2@tcp(127.0.0.1:3306)/name":       "me:***@tcp(127.0.0.1:3306)/name",
		"me:hun@ter2/1@tcp(127.0.0.1:3306)/name":    "me:***@tcp(127.0.0.1:3306)/name",
		"postgres://me:hunter2@host/name":           "postgres://me:***@host/name",
		"postgres://host/name?password=hunter2&x=1": "postgres://host/name?password=***&x=1",
		"mysql://me:hunter2/name":                   "mysql://me:***/name",
		"mysql://host:3306/name":                    "mysql://host:3306/name",
		"sqlite:dsengine.db":                        "sqlite:dsengine.db",
		"sqlite:C:\\data\\me@home.db":               "sqlite:C:\\data\\me@home.db",
		"dsengine.db":                               "dsengine.db",
	} {
		if got := shownURL(in); got != want {
			t.Errorf("shownURL(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAPageOfAJobTellsOfItsLosses(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 28, 15, 4, 5, 0, time.UTC)
	loss := &engine.Failure{Kind: engine.KindLost, Code: engine.LossCode, Message: "server s1 was not heard of any more"}
	page := jobPage{
		job: &engine.Job{ID: 6, Type: "t", Phase: engine.PhaseConsume, Status: engine.StatusCompleted, Attempt: 1, MaxAttempts: 5, CreatedAt: at}, now: at.Add(time.Hour),
		attempts: []engine.Attempt{
			{Phase: engine.PhaseConsume, Attempt: 1, Server: "s1", StartedAt: at, FinishedAt: at.Add(20 * time.Second), Failure: loss},
			{Phase: engine.PhaseConsume, Attempt: 1, Server: "s2", StartedAt: at.Add(time.Minute), FinishedAt: at.Add(2 * time.Minute)},
		},
	}
	var b bytes.Buffer
	page.print(&printer{w: &b})
	for _, want := range []string{
		"  losses       1 time the server that had it was gone, or cut off; the last time found 2026-03-28 15:04:25 UTC (1h ago)\n",
		"attempts that failed, were lost or logged something\n",
		"1  consume  s1      2026-03-28 15:04:05 UTC   20s  lost: server s1 was not heard of any more\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing of\n%s", want, b.String())
		}
	}
	if d := page.details(); d.Losses != 1 || d.Attempts[0].Error.Kind != engine.KindLost || d.Attempts[1].Error != nil {
		t.Errorf("as JSON: %+v", d)
	}
}

func TestAPageOfAJobTellsThatItsServerStops(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 28, 15, 4, 5, 0, time.UTC)
	name := "s1"
	page := jobPage{job: &engine.Job{ID: 6, Type: "t", Phase: engine.PhaseConsume, Status: engine.StatusRunning, CreatedAt: at, Server: &name, ServerStops: &at}, now: at.Add(time.Hour)}
	var b bytes.Buffer
	page.print(&printer{w: &b})
	if want := "  server       s1, which is stopping since 2026-03-28 15:04:05 UTC (1h ago): the job ends there, or goes on from its last checkpoint on the next server\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%q is missing of\n%s", want, b.String())
	}
	if !page.details().ServerStopping {
		t.Error("it is missing in the JSON")
	}
}

func TestAPageOfAJobTellsOfItsReruns(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 28, 15, 4, 5, 0, time.UTC)
	page := jobPage{
		job: &engine.Job{ID: 6, Type: "t", Phase: engine.PhaseConsume, Status: engine.StatusCompleted, Attempt: 1, MaxAttempts: 5, CreatedAt: at,
			Stats: engine.Stats{"read": 3, engine.RerunCount: 2}}, now: at.Add(time.Hour),
	}
	var b bytes.Buffer
	page.print(&printer{w: &b})
	for _, want := range []string{
		"  reruns       2 times its hook ran again, because others changed what it had read; requests that it made were made again\n",
		"  counts       read 3\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing of\n%s", want, b.String())
		}
	}
	if d := page.details(); d.Stats[engine.RerunCount] != 2 {
		t.Errorf("as JSON: %+v", d.Stats)
	}
}

func TestASummaryOfJobsThatFailedNoMoreHasNoEmptyList(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s := runSummary{Failed: 2, Message: "no row was changed"}
	if err := s.print(&Env{Stdout: &b}, &globals{}); err != nil {
		t.Fatal(err)
	}
	if want := "2 jobs failed, and none of them is there as failed any more: they were run again, or deleted.\n"; !strings.Contains(b.String(), want) {
		t.Errorf("got\n%s\nwithout %q", b.String(), want)
	}
}

func TestAVersionWithoutACommitTellsNone(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]versionInfo{
		"dsengine 14cb772":              {Version: "14cb772", Commit: unknownCommit},
		"dsengine v1.2.3 (commit 1a2b)": {Version: "v1.2.3", Commit: "1a2b"},
	} {
		if got := v.name(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRoughTimes(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                                "0s",
		12_345 * time.Microsecond:        "12ms",
		1234 * time.Millisecond:          "1.2s",
		61_499 * time.Millisecond:        "1m1s",
		3*time.Hour + 29*time.Second:     "3h",
		26 * time.Hour:                   "1d2h",
		48*time.Hour + time.Minute:       "2d",
		100*24*time.Hour + 5*time.Minute: "100d",
	} {
		if got := rough(d); got != want {
			t.Errorf("rough(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestTheSummarySaysWhatChanged(t *testing.T) {
	t.Parallel()
	now := time.Now()
	next := []nextFiring{{Type: "a", At: now}}
	for _, c := range []struct {
		name, message, hint string
		s                   runSummary
	}{
		{"rows", "1,204 rows were changed: 1,200 inserted, 4 deleted", "see what was done: dsengine jobs list",
			runSummary{Completed: 2, LastCommit: &now, Rows: map[string]int64{"inserted": 1200, "deleted": 4, "read": 9}}},
		{"one row", "1 row was changed: 1 updated", "see what was done: dsengine jobs list",
			runSummary{Completed: 2, LastCommit: &now, Rows: map[string]int64{"updated": 1}}},
		{"nothing new", "no row was changed: everything was imported already", "see what was done: dsengine jobs list",
			runSummary{Completed: 1, LastCommit: &now, Rows: map[string]int64{"unchanged": 9}}},
		{"nothing to read", "no row was counted as read or changed, and what db.exec changes is not counted", "see what was done: dsengine jobs list",
			runSummary{Completed: 1, LastCommit: &now}},
		{"rows that were only read", "no change was counted: 3 rows were read", "see what was done: dsengine jobs list",
			runSummary{Completed: 1, LastCommit: &now, Rows: map[string]int64{"read": 3}}},
		{"unchanged rows and a failed job", "no row was changed", "see why: dsengine jobs show 7",
			runSummary{Completed: 1, Failed: 1, LastCommit: &now, FailedJobs: []failedJob{{ID: 7, Type: "a"}}, Rows: map[string]int64{"unchanged": 3}}},
		{"nothing due yet", "no row was changed: nothing was due", "run one now: dsengine run --once a",
			runSummary{Next: next}},
		{"nothing due", "no row was changed: nothing was due", "make a job: dsengine enqueue TYPE; see the types: dsengine types", runSummary{}},
		{"only failures", "no row was changed", "see why: dsengine jobs show 7",
			runSummary{Failed: 1, LastCommit: &now, FailedJobs: []failedJob{{ID: 7, Type: "a"}}}},
		{"scripts that do not load", "no row was changed: nothing was due of the scripts that load", "mend what does not load: jobs/a.star:1:2: oh",
			runSummary{NotLoaded: []*scripting.LoadError{{File: "jobs/a.star", Line: 1, Column: 2, Message: "oh"}}}},
		{"jobs for others", "no row was changed: nothing was due that this process can run", "run the waiting jobs where the script b is, or name its folder with --jobs",
			runSummary{Waiting: []waitingJobs{{Type: "b", Jobs: 3, Reason: "no script of that name is here"}}}},
	} {
		c.s.notify(context.Background())
		if c.s.Message != c.message || len(c.s.Hints) == 0 || c.s.Hints[0] != c.hint {
			t.Errorf("%s: got %q, %q; want %q, %q", c.name, c.s.Message, c.s.Hints, c.message, c.hint)
		}
	}
}

func TestServersAreAliveStoppingLostOrStopped(t *testing.T) {
	t.Parallel()
	for want, rows := range map[string][]engine.ServerRow{
		"alive":    {{}, {Liveness: 1, Expired: true}},
		"lost":     {{Expired: true}, {Liveness: -1}, {Dead: true}, {Expired: true, StoppedAt: time.Now()}},
		"stopping": {{StoppedAt: time.Now()}, {Liveness: 1, Expired: true, StoppedAt: time.Now()}},
		"stopped":  {{Dead: true, StoppedAt: time.Now()}},
	} {
		for _, r := range rows {
			if got := serverState(r); got != want {
				t.Errorf("%+v is %s, want %s", r, got, want)
			}
		}
	}
}

func TestLogLinesOfScriptsAreFlat(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(flattened{slog.NewTextHandler(&b, nil)})
	log.Info("hello", slog.Any("fields", map[string]any{"b": []any{1, "x"}, "a": "y",
		"backtrace": "Traceback (most recent call last):\n  jobs/a.star:6:11: in consume\n  jobs/a.star:3:13: in deeper\nError: no"}))
	_, got, _ := strings.Cut(b.String(), "msg=hello ")
	want := `a=y b="[1,\"x\"]" at="jobs/a.star:3:13 in deeper, called from jobs/a.star:6:11 in consume"` + "\n"
	if got != want {
		t.Errorf("got %s want %s", got, want)
	}
	b.Reset() // Lua knows no columns
	log.Info("hello", "backtrace", "Traceback (most recent call last):\n  jobs/a.lua:6: in consume\n  jobs/a.lua:3: in deeper\nError: no: attempt")
	_, got, _ = strings.Cut(b.String(), "msg=hello ")
	if want = `at="jobs/a.lua:3 in deeper, called from jobs/a.lua:6 in consume"` + "\n"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestALongPayloadIsCutOnATerminalAlone(t *testing.T) {
	t.Parallel()
	show := func(payload string, most int) string {
		var b bytes.Buffer
		page := jobPage{job: &engine.Job{ID: 7, Payload: engine.Raw(payload)}, most: most, calls: func(s string) string { return s }}
		page.data(&printer{w: &b})
		return b.String()
	}
	lines := "[" + strings.Repeat(`"a",`, 200) + `"end"]`
	for name, long := range map[string]string{"many lines": lines, "one line": `"` + strings.Repeat("ä", 5000) + `end"`} {
		if got := show(long, 70); strings.Contains(got, "end") || !strings.Contains(got, "; all: dsengine jobs show 7 -o json)") || len(got) > 4200 {
			t.Errorf("%s on a terminal: %q", name, got)
		}
		if got := show(long, 0); !strings.Contains(got, "end") {
			t.Errorf("%s for a program: %q", name, got)
		}
	}
	if got := show(`{"short": true}`, 70); strings.Contains(got, "all:") {
		t.Errorf("a short one: %q", got)
	}
}

func TestTextThatSteersATerminal(t *testing.T) {
	t.Parallel()
	const text = "a\x1b\u009b31m\u202eb\u2066"
	if got, want := clean(text), `a\x1b\x9b31m\x202eb\x2066`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var b bytes.Buffer
	if err := printJSON(&b, text); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), `"a\u001b\u009b31m\u202eb\u2066"`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPathsThatAreLongAreCutInTheMiddle(t *testing.T) {
	t.Parallel()
	long := "incoming/" + strings.Repeat("tenants/", 10)
	for path, want := range map[string]string{
		"": "",
		"incoming/tenants/a/2024-01-01/orders-of-all-shops.csv": "incoming/tenants/a/2024-01-01/orders-of-all-shops.csv",
		long + "a.csv":          "incoming/tenants/ten..." + (long + "a.csv")[len(long+"a.csv")-57:],
		strings.Repeat("ü", 81): strings.Repeat("ü", 20) + "..." + strings.Repeat("ü", 57),
		"a\x1b[1mb":             clean("a\x1b[1mb"),
	} {
		if got := clipPath(path); got != want {
			t.Errorf("%q is shown as %q, want %q", path, got, want)
		}
	}
}
