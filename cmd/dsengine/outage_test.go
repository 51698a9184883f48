//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheDatabaseIsAway: what a person reads of a server whose database is away, is
// back, and is away when the server is told to stop; and of the one that takes over.
func TestTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	r := onMariaDB(t)
	r.script("tick", "job(every = \"1h\")\n\ndef produce(ctx): pass\n")
	r.script("hold", `def consume(ctx, item):
    log.info("holding")
    for i in range(6000):
        time.sleep("10ms")
`)
	text := func(p *proc) string {
		b, _ := os.ReadFile(p.log)
		return string(b)
	}
	lines := func(p *proc, pattern string) []string {
		return regexp.MustCompile("(?m)^.*"+pattern+".*$").FindAllString(text(p), -1)
	}
	const lease = "3s"
	here := r.start("here", "-v", "--lease", lease, "--drain", "1s")
	r.within(time.Minute, "it works", func() bool {
		var n int
		return r.db.QueryRow("SELECT COUNT(*) FROM ds_jobs WHERE status = 4").Scan(&n) == nil && n == 1
	})

	r.server.Kill()
	for _, duty := range []string{"renew the lease", "make delayed jobs ready", "fire schedules", "add up settled items", "cancel items", "read signals", "look for servers that are gone", "rescue jobs"} {
		r.within(30*time.Second, duty+" fails", func() bool {
			return len(lines(here, `(msg|doing)="`+duty+`".* error=`)) > 0
		})
	}
	if err := r.server.Restart(); err != nil {
		t.Fatal(err)
	}
	r.within(30*time.Second, "it is told that the database is back", func() bool { return len(lines(here, "the database can be used again")) > 0 })
	if warned := lines(here, "level=WARN"); len(warned) != 1 || !strings.Contains(warned[0], `msg="the database cannot be used: it is waited for"`) {
		t.Errorf("want one warning, got %d:\n%s", len(warned), strings.Join(warned, "\n"))
	}
	if back := lines(here, "level=INFO .*(can be used again|works again|claiming again)"); len(back) != 1 || !regexp.MustCompile(` after=[1-9]`).MatchString(back[0]) {
		t.Errorf("want one line that it is back, and after how long, got %d:\n%s", len(back), strings.Join(back, "\n"))
	}

	// It is told to stop while the database is away, and has a job.
	job := strings.TrimSpace(r.do("enqueue", "hold"))
	r.within(time.Minute, "the job runs", func() bool {
		return r.number("SELECT COUNT(*) FROM ds_logs WHERE message = 'holding'") == 1
	})
	ends := func(p *proc, away int) {
		t.Helper()
		r.server.Kill()
		r.within(30*time.Second, p.name+" is told that the database is away", func() bool {
			return len(lines(p, `level=WARN.*msg="the database cannot be used`)) == away
		})
		began := time.Now()
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
			t.Logf("%s ended after %s", p.name, time.Since(began).Round(100*time.Millisecond))
		case <-time.After(30 * time.Second): // the drain, or what is left of the lease, and a lease or two
			t.Fatal("it does not end while the database is away")
		}
		var x *exec.ExitError
		if !errors.As(p.err, &x) || x.ExitCode() != int(exitUnreachable) {
			t.Errorf("%s ended with %v, want exit code %d", p.name, p.err, exitUnreachable)
		}
		for _, want := range []string{
			`(?m)^the database could not be used when this server stopped: the above is what it knows by itself\.$`,
			`(?m)^another server goes on with 1 job that it could not give back \(` + job + `\), within 5s once the database can be used; if none runs, the next one that starts does\. No attempt is burnt\.$`,
			`(?m)^dsengine: the database could not be used when this server stopped: `,
		} {
			if !regexp.MustCompile(want).MatchString(text(p)) {
				t.Errorf("%s does not say %s", p.name, want)
			}
		}
		if warned := lines(p, `level=WARN.*the database cannot be used`); len(warned) != away {
			t.Errorf("%s tells it again as it ends:\n%s", p.name, strings.Join(warned, "\n"))
		}
		if strings.Contains(text(p), "gave back") {
			t.Errorf("%s says that it gave back what it could not", p.name)
		}
	}
	ends(here, 2)
	if !regexp.MustCompile(`(?m)^TYPE +COMPLETED +FAILED\ntick +1 +0$`).MatchString(text(here)) {
		t.Error("it does not say that it completed a job")
	}

	// Another one goes on, and says whose job it took.
	if err := r.server.Restart(); err != nil {
		t.Fatal(err)
	}
	other := r.start("other", "--lease", lease)
	r.within(time.Minute, "another server takes the job", func() bool {
		return len(lines(other, `level=INFO msg="took back jobs of a server that is gone: they are due again, from their last checkpoints, and burn no attempt" jobs=1 server=here host=\S+ pid=\d+ last_heard_of="20.* UTC" incarnation=\d+$`)) == 1
	})
	if lost := lines(other, `level=WARN msg="a server is lost: other servers take its jobs" server=here .*last_heard_of=`); len(lost) != 1 {
		t.Errorf("it is not told that the server is lost: %s", text(other))
	}

	// That one has longer to drain than its lease lasts: its hook ends with the lease.
	r.within(time.Minute, "the job runs again", func() bool {
		return r.number("SELECT COUNT(*) FROM ds_logs WHERE message = 'holding'") == 2
	})
	ends(other, 1)
}

// TestAnOutageIsToldToWhoWaits: what a person reads who waits for a job while the database
// is away, and what the job's log says, when its server and another one go on.
func TestAnOutageIsToldToWhoWaits(t *testing.T) {
	t.Parallel()
	r := onMariaDB(t)
	r.script("hold", `def consume(ctx, item):
    db.ensure("held", {"n": "integer"})
    db.insert("held", [{"n": 1}])
    log.info("holding")
    for i in range(500):
        if vars.get("end") == None:
            time.sleep("100ms")
`)
	const lease = "3s"
	servers := []*proc{r.start("one", "--lease", lease), r.start("other", "--lease", lease)}
	text := func(path string) string {
		b, _ := os.ReadFile(path)
		return string(b)
	}
	r.within(time.Minute, "both run", func() bool {
		var n int
		return r.db.QueryRow("SELECT COUNT(*) FROM ds_servers WHERE dead = 0 AND beat > 0").Scan(&n) == nil && n == 2
	})
	said := filepath.Join(r.dir, "wait.log")
	out, err := os.Create(said)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	wait := r.command("enqueue", "hold", "--wait")
	wait.Stderr = out
	if err := wait.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = wait.Process.Kill() }()
	held := func(times int64) {
		t.Helper()
		r.within(time.Minute, "the job runs", func() bool {
			return r.number("SELECT COUNT(*) FROM ds_logs WHERE message = 'holding'") == times
		})
	}
	held(1)
	r.server.Kill() // for longer than the leases last
	for _, p := range servers {
		r.within(time.Minute, "the lease of "+p.name+" is over", func() bool { return strings.Contains(text(p.log), "the database cannot be used") })
	}
	r.within(time.Minute, "who waits is told", func() bool {
		return strings.Contains(text(said), "the database does not answer: job 1 is waited for until it does (")
	})
	pass(4 * time.Second)
	if err := r.server.Restart(); err != nil {
		t.Fatal(err)
	}
	held(2)
	r.within(time.Minute, "who waits is told that it is back", func() bool { return strings.Contains(text(said), "the database answers again, after ") })
	why := `FROM ds_logs WHERE job = 1 AND (message LIKE 'the transaction of the job was lost with the connection%consume runs again%' OR message LIKE 'server %could not renew its lease in time, since the database could not be used: consume was ended%')`
	r.within(time.Minute, "the job's log says why", func() bool { return r.number("SELECT COUNT(*) "+why) >= 1 })

	r.server.Kill() // for a moment
	if err := r.server.Restart(); err != nil {
		t.Fatal(err)
	}
	held(3)
	r.do("vars", "set", "end", "1")
	if err := wait.Wait(); err != nil {
		t.Errorf("the wait ends with %v", err)
	}
	got := text(said)
	if !strings.Contains(got, "job 1 (hold) completed\n") || strings.Contains(got, "no server") || strings.Contains(got, "lost") {
		t.Errorf("who waits reads\n%s", got)
	}
	r.want(0, "attempts that failed or were lost", "SELECT COUNT(*) FROM ds_attempts WHERE failure IS NOT NULL")
	r.want(1, "rows", "SELECT COUNT(*) FROM held")
	r.want(2, "servers", "SELECT COUNT(*) FROM ds_servers")
	t.Logf("the job's log:\n%s\nwho waits reads\n%s", r.do("logs", "1"), got)
}
