package storetest

import (
	"fmt"

	"github.com/dsengine/dsengine/engine"
)

// rejectOperations are those about rejects that must stand any fault.
var rejectOperations = []operation{
	{"commit of a failure, and of a checkpoint, with rejects", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		f.enqueue(jobs(t, 2)...)
		list := f.on(queue(t), 2)
		at := 0
		step := func() error {
			for ; at < 3; at++ {
				o := rejecting(among(failed(list[0])), reject("a"), reject("b"))
				switch at {
				case 1:
					o = rejecting(checkpoint(list[1], "x"), reject("c"))
				case 2:
					o = rejecting(alone(completed(list[1])), reject("d"))
				}
				o.Server = f.badSrv
				if err := f.bad.Commit(f.ctx, nil, o); err != nil {
					return err
				}
				if o.Checkpoint() {
					checkpointed(o)
				}
			}
			return nil
		}
		return step, func(err error) {
			f.again(err, step)
			failure := []string{`"a" open`, `"b" open`}
			if f.died && f.state(list[0].ID) != "failed" {
				failure = []string{}
			}
			f.same("rejects of the failure", failure, f.rejects(engine.RejectFilter{Job: list[0].ID}))
			f.until("all jobs are done", func() bool { // by another, if the process has died
				f.rescue() // of what was locked still
				for _, j := range f.claim(queue(t), 1) {
					if j.ID != list[1].ID {
						f.commit(alone(completed(j)))
						continue
					}
					if j.Checkpoints == 0 {
						f.commit(rejecting(checkpoint(j, "x"), reject("c")))
					}
					f.commit(rejecting(alone(completed(j)), reject("d")))
				}
				return f.view(list[0].ID).Status.Final() && f.view(list[1].ID).Status.Final()
			})
			f.same("rejects of the success", []string{`"c" open`, `"d" open`}, f.rejects(engine.RejectFilter{Job: list[1].ID}))
		}
	}},
	{"redrive of rows, after a redrive that failed", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		from := f.rejected(t, 1, 2, 3)
		f.redrive(t, engine.RedriveRows)
		f.commit(alone(failed(f.take(queue(t)))))
		ids := f.openRejects(t)
		taken := 0
		step := func() error {
			_, n, err := f.bad.Redrive(f.ctx, engine.RedriveBatch{Type: t, Mode: engine.RedriveRows, Rejects: ids})
			taken += n
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			counts, cerr := f.store.RejectCounts(f.ctx, from)
			f.must(cerr)
			f.either("rejects", 3, counts.Redriving, err)
			if !f.died {
				f.same("taken", 3, taken)
			}
			for _, j := range f.claim(queue(t), 5) {
				f.commit(redriving(alone(completed(j))))
			}
			f.same("jobs", int64(2)+counts.Redriving/3, f.count("SELECT COUNT(*) FROM ds_jobs WHERE type = ?", t))
		}
	}},
	{"redrive of items", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		j := f.start(job(t))
		f.commit(rejecting(alone(completed(j)), engine.Rejection{Row: raw("a"), WholeItem: true}, engine.Rejection{Row: raw("b"), WholeItem: true}))
		ids := f.openRejects(t)
		step := func() error {
			_, _, err := f.bad.Redrive(f.ctx, engine.RedriveBatch{Type: t, Mode: engine.RedriveItem, Rejects: ids})
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			n := f.count("SELECT COUNT(*) FROM ds_jobs WHERE type = ? AND redrive = 2", t)
			f.either("jobs", 2, n, err)
			for _, j := range f.claim(queue(t), 5) {
				f.commit(redriving(alone(completed(j))))
			}
		}
	}},
	{"close of rejects, after a redrive that failed", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		from := f.rejected(t, 1, 2, 3)
		f.redrive(t, engine.RedriveRows)
		f.commit(alone(failed(f.take(queue(t)))))
		ids := f.openRejects(t)
		closed := 0
		step := func() error {
			n, err := f.bad.CloseRejects(f.ctx, ids)
			closed += n
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			counts, cerr := f.store.RejectCounts(f.ctx, from)
			f.must(cerr)
			f.either("rejects", 3, counts.Closed, err)
			if !f.died {
				f.same("closed", 3, closed)
			}
		}
	}},
	{"commit of a redrive", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		from := f.rejected(t, 1, 2)
		f.redrive(t, engine.RedriveRows)
		j := f.on(queue(t), 1)[0]
		step := func() error {
			o := rejecting(redriving(alone(completed(j))), reject("anew"))
			o.Server = f.badSrv
			return f.bad.Commit(f.ctx, nil, o)
		}
		return step, func(err error) {
			f.again(err, step)
			if f.state(j.ID) != "completed" {
				if !f.died {
					f.Errorf("the job is %s", f.state(j.ID))
				}
				f.same("rejects", []string{"1 redriving", "2 redriving"}, f.rejects(engine.RejectFilter{Job: from}))
				f.until("the job is given back", func() bool {
					f.rescue() // of what was locked still
					return f.state(j.ID) == "consume/waiting"
				})
				f.commit(rejecting(redriving(alone(completed(f.take(queue(t))))), reject("anew")))
			}
			f.same("rejects", []string{"1 redriven", "2 redriven"}, f.rejects(engine.RejectFilter{Job: from}))
			f.same("new ones", []string{`"anew" open`}, f.rejects(engine.RejectFilter{Job: j.ID}))
		}
	}},
	{"retry of a job with rejects", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		j := f.start(job(t))
		f.commit(rejecting(alone(failed(j)), reject(1), reject(2)))
		step := func() error { return f.bad.Retry(f.ctx, j.ID, engine.RetryOptions{}) }
		return step, func(err error) {
			f.again(err, step)
			left := f.rejects(engine.RejectFilter{Job: j.ID})
			if waits := f.state(j.ID) != "failed"; waits && len(left) != 0 || !waits && len(left) != 2 {
				f.Errorf("the job is %s, and its rejects are %v", f.state(j.ID), left)
			}
			f.finish(queue(t))
		}
	}},
}
