//go:build unix

package main

import (
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"
)

func TestARunSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	r := onSQLite(t)
	r.script("later", "def consume(ctx, item): pass\n")
	r.script("again", "def consume(ctx, item): ctx.snooze(\"2h\")\n")
	r.script("fails", "job(retry = retry(max = 3, first = \"50s\", jitter = 0))\ndef consume(ctx, item): error(\"the feed is away\")\n")
	r.do("enqueue", "later", "--at", "2999-01-01 00:00")
	r.do("enqueue", "later", "--at", "2999-01-02 00:00")
	idle := r.start("idle", "--until-idle", "--types", "later")
	once := r.start("once", "--once", "again")
	fails := r.start("fails", "--once", "fails")
	for _, x := range []struct {
		p    *proc
		want string
	}{
		{idle, `msg="waiting for 2 jobs of later, due in \S+ \(2999-01-01 00:00:00 UTC\) in consume; to run it now: dsengine .*jobs retry 1; to end without it, stop this process \(Ctrl-C\): the job stays in the database, for the next dsengine.* run"`},
		{once, `msg="waiting for job \d+ \(again\), due in \S+ \(20.* UTC\) in consume; to run it now: dsengine .*jobs retry \d+; to end without it, stop this process \(Ctrl-C\): the job stays in the database, for the next dsengine.* run"`},
		{fails, `msg="attempt failed" job=\d+ type=fails phase=consume attempt="1 of 3" next="in 50s" error="the feed is away"`},
		{fails, `msg="waiting for attempt 2 of 3 of job \d+ \(fails\) after the error \\"the feed is away\\", due in \d+s \(20.* UTC\) in consume; to run it now: dsengine .*jobs retry \d+; to end without it, stop this process \(Ctrl-C\): the job stays in the database`},
	} {
		re := regexp.MustCompile(x.want)
		r.within(time.Minute, x.p.name+" says "+x.want, func() bool {
			b, _ := os.ReadFile(x.p.log)
			return re.Match(b)
		})
	}
	for _, p := range []*proc{idle, once, fails} {
		p.signal(syscall.SIGTERM)
		<-p.done
		if p.err != nil {
			t.Errorf("%s ended with %v", p.name, p.err)
		}
	}
}
