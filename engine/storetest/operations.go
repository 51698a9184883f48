package storetest

import (
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var operations = []operation{
	{"enqueue", func(f *faulty) (func() error, func(error)) {
		t, tag := f.typ("t"), fmt.Sprint("tag", f.unique())
		list := []engine.JobInsert{job(t), keyed(t, tag, active), keyed(t, tag, active), job(t)}
		for i := range list {
			list[i].Payload = raw(tag)
		}
		list[3].Delay = wait
		var made []engine.Enqueued
		return func() (err error) {
				made, err = f.bad.Enqueue(f.ctx, list)
				return err
			}, func(err error) {
				got := f.count("SELECT COUNT(*) FROM ds_payloads WHERE payload = ?", string(raw(tag)))
				f.either("jobs", 3, got, err)
				if err == nil {
					f.same("the first has the key", made[1].ID, made[2].ID)
					f.stands("consume/waiting", made[0].ID, made[1].ID, made[3].ID)
				}
			}
	}},
	{"enqueue of a key that is taken over and of one that is replaced", func(f *faulty) (func() error, func(error)) {
		t, tag := f.typ("t"), fmt.Sprint("tag", f.unique())
		f.enqueue(keyed(t, tag+"a", waits))
		running := f.take(queue(t))
		waiting := f.enqueue(keyed(t, tag+"b", active))[0]
		over, replace := keyed(t, tag+"a", waits), keyed(t, tag+"b", active)
		over.Payload, replace.Payload, replace.Replace = raw(tag), raw(tag), true
		return func() error {
				_, err := f.bad.Enqueue(f.ctx, []engine.JobInsert{over, replace})
				return err
			}, func(err error) {
				got := f.count("SELECT COUNT(*) FROM ds_payloads WHERE payload = ?", string(raw(tag)))
				f.either("payloads", 2, got, err)
				f.settle(running)
				f.same("jobs left", 1+int(got)/2, f.finish(queue(t)))
				f.stands("completed", running.ID, waiting)
			}
	}},
	{"claim", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		made := f.enqueue(jobs(t, 4)...)
		f.exec("UPDATE ds_ready SET alone = 1 WHERE id <= ?", made[1])
		var claims []engine.Claim
		return func() (err error) {
				claims, err = claimed(f.ctx, f.bad, request(f.badSrv, queue(t), 4))
				return err
			}, func(err error) {
				var known []engine.ClaimID
				for _, c := range claims {
					known = append(known, c.ID)
				}
				if err == nil && !f.died {
					held, err := f.bad.OwnClaims(f.ctx, f.badSrv)
					f.must(err)
					f.same("claims held", len(known), len(held))
					f.same("jobs claimed alone", [][]engine.JobID{{made[0]}, {made[1]}}, claimIDs(claims))
				}
				f.reconcile() // as though the hooks had been stopped
				f.same("jobs to claim", 4, f.finish(queue(t)))
				f.stands("completed", made...)
			}
	}},
	{"settle", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		tag := fmt.Sprint("tag", f.unique())
		made := f.enqueue(keyed(t, tag, monthly), keyed(t, tag+"b", active), job(t))
		list := f.on(queue(t), 3)
		var outcomes []engine.Outcome
		for i, j := range list {
			o := *completed(j)
			o.Server = f.badSrv
			if i != 1 {
				o.SetResult, o.Result = true, raw(i)
				o.Stats, o.NewStats = engine.Stats{"read": 1}, engine.Stats{"read": 1}
			}
			outcomes = append(outcomes, o)
		}
		step := func() error {
			lost, err := f.bad.Settle(f.ctx, outcomes, []engine.ClaimID{list[0].Claim})
			if err == nil && len(lost) > 0 {
				f.Errorf("jobs %v are said to be lost", lost)
			}
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			if f.died {
				f.finish(queue(t))
			}
			f.stands("completed", made...)
			f.same("the key is kept", false, f.add(keyed(t, tag, monthly)).Created)
			f.same("claims", int64(0), f.count("SELECT COUNT(*) FROM ds_claims"))
			f.fold()
		}
	}},
	{"commit of an outcome", func(f *faulty) (func() error, func(error)) {
		t, other := f.typ("t"), f.typ("other")
		tag := fmt.Sprint("tag", f.unique())
		f.enqueue(keyed(t, tag, active))
		j := f.on(queue(t), 1)[0]
		step := func() error {
			o := opened(j, job(other), job(other))
			k := keyed(other, tag, active)
			k.Foretold = 1
			o.Enqueue = []engine.JobInsert{k}
			o.Writes = []engine.VariableWrite{{Name: tag, Value: raw(1), Seen: -1}}
			o.SetResult, o.Result, o.Server = true, raw("r"), f.badSrv
			return f.bad.Commit(f.ctx, nil, o)
		}
		return step, func(err error) {
			f.again(err, step)
			items := f.count("SELECT COUNT(*) FROM ds_jobs WHERE parent = ?", j.ID)
			if f.died {
				f.either("items", 2, items, err)
				f.finish(queue(t))
			} else {
				f.same("items", int64(2), items)
				f.same("variable", int64(1), f.value(tag).Version)
			}
			f.finish(queue(other))
			f.stands("completed", j.ID)
		}
	}},
	{"commit of a failure, a retry and a snooze", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t", engine.PhaseConsume, engine.PhaseFail)
		made := f.enqueue(jobs(t, 4)...)
		list := f.on(queue(t), 4)
		outcomes := []*engine.Outcome{failed(list[0]), retried(list[1], wait), snoozed(list[2], 0), failing(list[3])}
		at := 0
		step := func() error {
			for ; at < len(outcomes); at++ {
				o := *outcomes[at]
				o.Server, o.LastOf = f.badSrv, nil
				if at == len(outcomes)-1 {
					o.LastOf = &list[0].Claim
				}
				if err := f.bad.Commit(f.ctx, nil, &o); err != nil {
					return err
				}
			}
			return nil
		}
		return step, func(err error) {
			f.again(err, step)
			if !f.died {
				f.stands("failed", made[0])
				f.stands("consume/waiting", made[1], made[2])
				f.stands("fail/waiting", made[3])
			}
			for _, id := range made {
				if s := f.state(id); s != "failed" {
					f.cancel(id)
				}
			}
		}
	}},
	{"commit with a hook's rows", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		f.exec("CREATE TABLE IF NOT EXISTS hooked (job BIGINT NOT NULL)")
		f.enqueue(job(t))
		j := f.on(queue(t), 1)[0]
		step := func() error {
			h := f.bad.Begin(engine.SessionOptions{Job: j.ID, Type: "t"})
			defer h.Close()
			if err := exec(h, f.ctx, "INSERT INTO hooked VALUES (?)", int64(j.ID)); err != nil {
				return err
			}
			m, err := h.Mark(f.ctx)
			if err != nil {
				return err
			}
			if err := exec(h, f.ctx, "INSERT INTO hooked VALUES (?)", int64(j.ID)); err != nil {
				return err
			}
			if err := h.Undo(f.ctx, m); err != nil {
				return err
			}
			o := alone(completed(j))
			o.Server = f.badSrv
			o.Enqueue = []engine.JobInsert{job(t)}
			return f.bad.Commit(f.ctx, h, o)
		}
		return step, func(err error) {
			f.again(err, step)
			rows := f.count("SELECT COUNT(*) FROM hooked WHERE job = ?", int64(j.ID))
			if done := f.state(j.ID) == "completed"; done && rows != 1 || !done && rows != 0 || !done && !f.died {
				f.Errorf("the job is %s, and %d of its rows are there", f.state(j.ID), rows)
			}
			f.same("jobs left", 1, f.finish(queue(t)))
		}
	}},
	{"checkpoints with a hook's rows and items", func(f *faulty) (func() error, func(error)) {
		t, other := f.typ("t"), f.typ("other")
		f.exec("CREATE TABLE IF NOT EXISTS parts (job BIGINT NOT NULL, part INTEGER NOT NULL)")
		f.enqueue(job(t))
		j := f.on(queue(t), 1)[0]
		step := func() error {
			h := f.bad.Begin(engine.SessionOptions{Job: j.ID, Type: "t"})
			defer h.Close()
			for j.Checkpoints < 2 {
				if err := exec(h, f.ctx, "INSERT INTO parts VALUES (?, ?)", int64(j.ID), int64(j.Checkpoints)); err != nil {
					return err
				}
				o := checkpoint(j, fmt.Sprint(j.Checkpoints), job(other))
				o.Server = f.badSrv
				if err := f.bad.Commit(f.ctx, h, o); err != nil {
					return err
				}
				checkpointed(o)
			}
			o := opened(j)
			o.Server = f.badSrv
			return f.bad.Commit(f.ctx, h, o)
		}
		return step, func(err error) {
			f.again(err, func() error {
				ours, err := f.bad.Refresh(f.ctx, j)
				if err != nil {
					return err
				}
				if !ours {
					f.Fatal("the job is said to be lost")
				}
				return step()
			})
			if f.died { // another goes on from the position
				if f.state(j.ID) == "consume/waiting" {
					j = f.take(queue(t))
					f.bad, f.badSrv = f.store, f.srv
					f.must(step())
				}
			}
			f.same("parts", []string{"0", "1"}, f.rows("SELECT part FROM parts WHERE job = ? ORDER BY part", int64(j.ID)))
			f.same("items", 2, f.finish(queue(other)))
			f.stands("completed", j.ID)
		}
	}},
	{"release", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		made := f.enqueue(jobs(t, 3)...)
		list := f.on(queue(t), 3)
		f.cancel(list[1].ID)
		step := func() error {
			return f.bad.Release(f.ctx, list[0].Claim, []engine.JobRef{list[0].JobRef, list[1].JobRef})
		}
		return step, func(err error) {
			f.again(err, step)
			f.stands("cancelled", made[1])
			f.stands("consume/waiting", made[0])
			if f.died {
				f.same("jobs left", 2, f.finish(queue(t)))
			} else {
				f.same("jobs left", 1, f.finish(queue(t)))
				f.settle(list[2])
			}
		}
	}},
	{"rescue", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		made := f.enqueue(jobs(t, 6)...)
		f.exec("UPDATE ds_ready SET alone = 1 WHERE id <= ?", made[2])
		f.claimOn(f.store, 4711, queue(t), 10)
		f.claimOn(f.store, 4711, queue(t), 10)
		f.exec("UPDATE ds_jobs SET losses = 19 WHERE id = ?", made[1])
		f.cancel(made[2])
		f.cancel(made[5])
		decide := func(j *engine.ClaimedJob, _ engine.TypeRecord, _ *engine.Failure) *engine.Outcome {
			if j.Losses < engine.MaxLosses {
				return nil
			}
			return among(failed(j))
		}
		step := func() error {
			_, err := f.bad.Rescue(f.ctx, decide)
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			// The server may take a moment to notice that a connection is gone, and its locks with it.
			f.until("all claims are taken back", func() bool {
				_, err := f.store.Rescue(f.ctx, decide)
				f.must(err)
				return f.count("SELECT COUNT(*) FROM ds_claims WHERE server = 4711") == 0
			})
			if !f.died { // a rescuer that knows nothing of the 20th loss has been here
				f.stands("failed", made[1])
			}
			f.stands("cancelled", made[2], made[5])
			f.same("losses", 1, f.view(made[0]).Losses)
			for _, id := range made { // a failed attempt of the 20th loss has one of its own
				f.same(fmt.Sprint("rows of losses of job ", id), int64(1), f.count("SELECT COUNT(*) FROM ds_attempts WHERE job = ? AND failure LIKE '%\"code\":\"loss\"%'", id))
			}
			f.finish(queue(t))
			f.stands("completed", made[0], made[3], made[4])
		}
	}},
	{"fold", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t", engine.PhaseConsume, engine.PhaseFinish)
		plain := f.typ("plain")
		a, b := f.start(job(t)), f.start(job(plain))
		f.commit(opened(a, job(plain), job(plain)))
		f.commit(opened(b, job(plain)))
		f.settle(f.claim(queue(plain), 3)...)
		step := func() error {
			_, _, _, err := f.bad.Fold(f.ctx, 100)
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			f.fold()
			f.stands("finish/waiting", a.ID)
			f.stands("completed", b.ID)
			f.same("finish is due once", 1, f.finish(engine.QueueOf(t, engine.PhaseFinish)))
		}
	}},
	{"promote", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		later := job(t)
		later.Delay = wait
		made := f.enqueue(later, later, later)
		f.due(made...)
		step := func() error {
			_, _, _, err := f.bad.Promote(f.ctx, 100)
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			f.same("jobs", 3, f.finish(queue(t)))
			f.stands("completed", made...)
		}
	}},
	{"fire", func(f *faulty) (func() error, func(error)) {
		t := f.typ(fmt.Sprint("t", f.unique()))
		f.schedule(map[engine.TypeID]engine.Schedule{t: {Every: wait, Missed: engine.MissedAll, Overlap: engine.OverlapAllow}})
		f.ago(t, wait+wait/2) // two are due
		step := func() error {
			_, _, err := f.bad.Fire(f.ctx, []engine.TypeID{t}, decide)
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			f.until("its schedule has fired", func() bool { // a server may hold the row for one that died, for a moment
				f.fire(t)
				return time.Until(f.schedules()[0].NextAt) > 0
			})
			f.same("jobs", 2, f.finish(queue(t)))
			if d := time.Until(f.schedules()[0].NextAt); d < wait/2-time.Minute || d > wait/2 {
				f.Errorf("the next one is due in %v", d)
			}
			f.must(f.store.SaveSchedules(f.ctx, []engine.TypeID{t}, nil))
		}
	}},
	{"cancel of jobs that wait, run and are open", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		tag := fmt.Sprint("tag", f.unique())
		later := keyed(t, tag, active)
		later.Delay = wait
		made := []engine.JobID{f.enqueue(later)[0]}
		runs := f.start(job(t))
		open := f.start(job(t))
		f.commit(opened(open, job(t)))
		made = append(made, runs.ID, open.ID)
		want := []engine.CancelResult{engine.CancelDone, engine.CancelAsked, engine.CancelAsked}
		at := 0
		step := func() error {
			for ; at < len(made); at++ {
				r, err := f.bad.Cancel(f.ctx, made[at], "why")
				if err != nil {
					return err
				}
				f.same(fmt.Sprint("result of cancel ", at), want[at], r)
			}
			return nil
		}
		return step, func(err error) {
			f.again(err, step)
			if f.died {
				for _, id := range made {
					f.cancel(id)
				}
			} else {
				f.same("signals", int64(1), f.count("SELECT COUNT(*) FROM ds_signals WHERE job = ?", runs.ID))
			}
			f.stands("cancelled", made[0])
			f.commit(withdrawn(runs))
			f.sweep()
			f.stands("cancelled", made...)
			f.same("the key is free", true, f.add(keyed(t, tag, active)).Created)
			f.finish(queue(t))
		}
	}},
	{"sweep", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		j := f.start(job(t))
		f.commit(opened(j, jobs(t, 3)...))
		nested := f.take(queue(t))
		f.commit(opened(nested, job(t)))
		f.cancel(j.ID)
		step := func() error {
			_, err := f.bad.Sweep(f.ctx, 100)
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			f.sweep()
			f.stands("cancelled", j.ID, nested.ID)
			f.same("jobs left", 0, f.finish(queue(t)))
		}
	}},
	{"retry of a cancelled emitter, with its items", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		j := f.start(job(t))
		f.commit(opened(j, jobs(t, 2)...))
		f.cancel(j.ID)
		f.sweep()
		step := func() error {
			err := f.bad.Retry(f.ctx, j.ID, engine.RetryOptions{})
			if engine.CodeOf(err) == engine.CodeConflict { // it is open again already
				err = nil
			}
			for more := true; more && err == nil; {
				more, err = f.bad.Sweep(f.ctx, 1)
			}
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			if f.died && f.state(j.ID) == "cancelled" {
				f.must(f.store.Retry(f.ctx, j.ID, engine.RetryOptions{}))
			}
			f.sweep()
			f.stands("consume/open", j.ID)
			f.same("jobs", 2, f.finish(queue(t)))
			f.stands("completed", j.ID, j.ID+1, j.ID+2)
		}
	}},
	{"retry of a cancelled emitter, one of whose items had failed with items of its own", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		j := f.start(job(t))
		f.commit(opened(j, jobs(t, 2)...))
		list := f.claim(queue(t), 2)
		nested, other := list[0], list[1]
		o := among(opened(nested, job(t)))
		o.Failure, o.FailedPhase, o.Because, o.Verdict = problem(nested), nested.Phase, problem(nested), engine.StatusFailed
		f.commit(o)
		low := f.take(queue(t))
		f.commit(failed(low))
		f.fold()
		f.must(f.store.Release(f.ctx, other.Claim, []engine.JobRef{other.JobRef}))
		f.cancel(j.ID)
		f.sweep()
		f.stands("cancelled", j.ID, other.ID)
		f.stands("failed", nested.ID, low.ID)
		f.must(f.store.Retry(f.ctx, j.ID, engine.RetryOptions{}))
		step := func() error {
			_, err := f.bad.Sweep(f.ctx, 100)
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			f.sweep()
			f.stands("consume/waiting", nested.ID, other.ID, low.ID)
			for range 3 {
				if again := f.take(queue(t)); again.ID == nested.ID {
					f.commit(opened(again))
				} else {
					f.settle(again)
				}
			}
			f.fold()
			f.stands("completed", j.ID, nested.ID, other.ID, low.ID)
		}
	}},
	{"retry of an item of an item", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		top, middle, low := f.family(t)
		step := func() error { return f.bad.Retry(f.ctx, low, engine.RetryOptions{}) }
		return step, func(err error) {
			f.again(err, step)
			if f.died && f.state(low) == "failed" {
				f.must(f.store.Retry(f.ctx, low, engine.RetryOptions{}))
			}
			f.stands("consume/open", top, middle)
			f.same("jobs", 1, f.finish(queue(t)))
			f.stands("completed", top, middle, low)
		}
	}},
	{"prune of jobs whose keys are kept", func(f *faulty) (func() error, func(error)) {
		f.loose = true
		t, tag := f.typ("t"), fmt.Sprint("tag", f.unique())
		failing := f.start(keyed(t, tag+"failed", forever))
		f.commit(failed(failing))
		done := f.start(keyed(t, tag+"done", forever))
		f.settle(done)
		f.exec("UPDATE ds_jobs SET finished_at = "+old+" WHERE id IN (?, ?)", failing.ID, done.ID)
		step := func() error {
			_, _, err := f.bad.Prune(f.ctx, t, everything, 100)
			return err
		}
		return step, func(err error) {
			f.again(err, step)
			there := f.count("SELECT COUNT(*) FROM ds_jobs WHERE id IN (?, ?)", failing.ID, done.ID)
			keys := f.count("SELECT COUNT(*) FROM ds_keys WHERE job IN (?, ?)", failing.ID, done.ID)
			if there == 0 && keys != 1 || there != 0 && (there != 2 || keys != 2 || !f.died) {
				f.Errorf("%d of two jobs are there, and %d of their keys", there, keys)
			}
			f.pruneAll(t, everything)
			f.same("made again", true, f.add(keyed(t, tag+"failed", forever)).Created)
			made, err := f.store.Enqueue(f.ctx, []engine.JobInsert{keyed(t, tag+"done", forever)})
			f.must(err)
			f.same("what completed is not", engine.Enqueued{ID: done.ID}, made[0])
			f.finish(queue(t))
		}
	}},
	{"set variables", func(f *faulty) (func() error, func(error)) {
		name := fmt.Sprint("v", f.unique(), len(f.rows("SELECT name FROM ds_vars")))
		f.must(f.set(name, raw(0), -1))
		step := func() error {
			return f.bad.SetVariables(f.ctx, []engine.VariableWrite{{Name: name, Value: raw(1), Seen: 1}, {Name: name + "new", Value: raw(1), Seen: 0}})
		}
		return step, func(err error) {
			f.again(err, step)
			v := f.value(name)
			if !f.died || v.Version != 1 {
				f.same("value", engine.Variable{Value: raw(1), Version: 2}, v)
				f.same("new value", engine.Variable{Value: raw(1), Version: 1}, f.value(name+"new"))
			}
		}
	}},
}
