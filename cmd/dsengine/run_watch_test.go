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
	r.do("enqueue", "later", "--at", "2999-01-01 00:00")
	r.do("enqueue", "later", "--at", "2999-01-02 00:00")
	idle := r.start("idle", "--until-idle", "--types", "later")
	once := r.start("once", "--once", "again")
	for _, x := range []struct {
		p    *proc
		want string
	}{
		{idle, `msg="waiting for 2 jobs of later, due in \S+ \(2999-01-01 00:00:00 UTC\) in consume; to run it now: dsengine .*jobs retry 1; to end without it, stop this process: the job stays"`},
		{once, `msg="waiting for job 3 \(again\), due in \S+ \(20.* UTC\) in consume; to run it now: dsengine .*jobs retry 3; to end without it, stop this process: the job stays"`},
	} {
		re := regexp.MustCompile(x.want)
		r.within(time.Minute, x.p.name+" says "+x.want, func() bool {
			b, _ := os.ReadFile(x.p.log)
			return re.Match(b)
		})
		x.p.signal(syscall.SIGTERM)
		<-x.p.done
		if x.p.err != nil {
			t.Errorf("%s ended with %v", x.p.name, x.p.err)
		}
	}
}
