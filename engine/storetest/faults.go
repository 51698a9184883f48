package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// faulty is a process whose connections fail, beside world.store, whose do not.
type faulty struct {
	*world
	faults *Faults
	bad    engine.Store
	badSrv engine.ServerID
	deadly bool // the fault that is tried ends the process
	died   bool // it has
}

// process starts the faulty process, anew after it has died.
func (f *faulty) process() {
	f.Helper()
	f.faults = &Faults{}
	f.bad = f.open(Options{Wrap: f.faults.Wrap})
	f.badSrv = f.server(f.bad)
	f.died = false
}

// on claims n jobs for the faulty process.
func (f *faulty) on(q engine.Queue, n int) []*engine.ClaimedJob {
	f.Helper()
	var list []*engine.ClaimedJob
	for _, c := range f.claimOn(f.bad, f.badSrv, q, n) {
		for k := range c.Jobs {
			list = append(list, &c.Jobs[k])
		}
	}
	if len(list) != n {
		f.Fatalf("want %d jobs, got %d", n, len(list))
	}
	return list
}

// again repeats a step until it succeeds, as the engine does; not when the
// process has died.
func (f *faulty) again(err error, step func() error) {
	f.Helper()
	for try := 0; err != nil && !f.died; try++ {
		switch code := engine.CodeOf(err); {
		case try == 5:
			f.Fatalf("it does not succeed: %v", err)
		case code != engine.CodeRetry && code != engine.CodeUnreachable && code != engine.CodeUnknown:
			f.Fatalf("want an error after which it can be tried again, got code %q: %v", code, err)
		}
		err = step()
	}
}

// reconcile gives back the claims that the process does not know.
func (f *faulty) reconcile(known ...engine.ClaimID) {
	f.Helper()
	if f.died {
		return
	}
	held, err := f.bad.OwnClaims(f.ctx, f.badSrv)
	f.must(err)
	for _, id := range known {
		delete(held, id)
	}
	for id, refs := range held {
		f.must(f.bad.Release(f.ctx, id, refs))
	}
}

// operation is one that must stand any fault at any statement.
type operation struct {
	name string
	// stage prepares one go. do is the operation, on the faulty process; mend brings
	// it to its end, with what do returned, and checks what must hold then.
	stage func(f *faulty) (do func() error, mend func(err error))
}

// stand tries an operation with a fault at each of its statements, until it gets
// through without meeting the fault.
func (op operation) stand(w *world, fault Fault) {
	f := &faulty{world: w, deadly: fault.deadly()}
	f.process()
	for n := 1; ; n++ {
		if n > 100 {
			w.Fatalf("%s: the fault still strikes at statement %d", fault.Name, n)
		}
		where, err := f.try(op, fault, n)
		if w.Failed() {
			w.Fatalf("%s at statement %d, %.200q; it returned: %v", fault.Name, n, where, err)
		}
		if where == "" {
			return
		}
	}
}

// try is one go. It says at which statement the fault has struck.
func (f *faulty) try(op operation, fault Fault, n int) (where string, err error) {
	f.Helper()
	defer func() {
		if f.Failed() {
			f.Logf("%s at statement %d, %.200q; it returned: %v", fault.Name, n, where, err)
		}
	}()
	do, mend := op.stage(f)
	ctx := f.ctx
	var stop context.CancelFunc
	f.ctx, stop = context.WithCancel(ctx)
	f.faults.Ended = stop // what is dead does not try again
	f.faults.Arm(fault, n)
	err = do()
	where = f.faults.Disarm()
	stop()
	f.ctx = ctx
	if where == "" && err != nil {
		f.Fatalf("no fault has struck, and yet: %v", err)
	}
	if f.deadly && where != "" {
		f.died = true
		f.die(f.bad, f.badSrv)
		f.bury(f.badSrv)
		// The server may take a moment to notice that the connections are gone.
		f.until("all its claims are taken back", func() bool {
			f.rescue()
			return f.count(fmt.Sprintf("SELECT COUNT(*) FROM ds_claims WHERE server = %d", f.badSrv)) == 0
		})
	}
	f.check()
	mend(err)
	f.check()
	if f.died {
		f.process()
	}
	return where, err
}

// finish works off all jobs of a queue.
func (f *faulty) finish(q engine.Queue) (n int) {
	f.Helper()
	f.until("the queue is worked off", func() bool {
		f.promote()
		for _, j := range f.claim(q, 50) {
			f.settle(j)
			n++
		}
		return f.count(fmt.Sprintf("SELECT COUNT(*) FROM ds_ready WHERE id > 0 AND queue = %d", q)) == 0
	})
	f.fold()
	return n
}

// unique numbers things.
func (f *faulty) unique() int64 {
	return f.count("SELECT COALESCE(MAX(id), 0) + 1 FROM ds_jobs")
}

// either wants all of some things, or none of them.
func (f *faulty) either(what string, all, got int64, err error) {
	f.Helper()
	switch {
	case err == nil && got != all:
		f.Errorf("%s: want %d after success, got %d", what, all, got)
	case err != nil && !f.died && got != 0:
		f.Errorf("%s: want none after an error, got %d", what, got)
	case got != 0 && got != all:
		f.Errorf("%s: want %d or none, got %d", what, all, got)
	}
}

// wait is long enough that nothing becomes due by itself.
const wait = time.Hour
