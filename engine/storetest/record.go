package storetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/engine"
)

// recordKey is the key of a number.
func recordKey(n int) engine.RecordKey {
	text := fmt.Sprint(n)
	return engine.NewRecordKey(text, contentSum(text))
}

// contentSum is the hash of a content.
func contentSum(text string) (sum engine.RecordSum) {
	whole := sha256.Sum256([]byte(text))
	copy(sum[:], whole[:])
	return sum
}

// by is the hook of a job, in its first execution.
func by(t engine.TypeID, j engine.JobID, pass int64) engine.RecordBy {
	return engine.RecordBy{Scope: engine.Scope{Type: t}, Job: j, Phase: engine.PhaseConsume, Pass: pass, Run: j}
}

// marked takes a number's row with a content.
func marked(n int, content string) engine.RecordWrite {
	return engine.RecordWrite{Source: "s", Key: recordKey(n), Set: true, Content: contentSum(content)}
}

// known are the records of numbers, as a session sees them.
func (w *world) known(h engine.Session, b engine.RecordBy, numbers ...int) []*engine.Record {
	w.Helper()
	keys := make([]engine.RecordKey, len(numbers))
	for i, n := range numbers {
		keys[i] = recordKey(n)
	}
	list, err := w.store.Records(w.ctx, h, b, "s", keys)
	w.must(err)
	return list
}

// statuses compares numbers' rows with a content.
func (w *world) statuses(b engine.RecordBy, content string, numbers ...int) string {
	w.Helper()
	h := w.hook(w.store)
	defer h.Close()
	var list []string
	for _, r := range w.known(h, b, numbers...) {
		list = append(list, r.Status(contentSum(content), b).String())
	}
	return strings.Join(list, " ")
}

// write commits writes of records with a job of their own.
func (w *world) write(t engine.TypeID, writes ...engine.RecordWrite) engine.JobID {
	w.Helper()
	j := w.start(job(t))
	o := completed(j)
	o.Records = engine.RecordWrites{By: by(t, j.ID, 1), List: writes}
	w.commit(alone(o))
	return j.ID
}

// missing are the numbers that a run has not seen.
func (w *world) missing(b engine.RecordBy) (list []string) {
	w.Helper()
	h := w.hook(w.store)
	defer h.Close()
	var after *engine.KeySum
	for {
		page, err := w.store.MissingRecords(w.ctx, h, b, "s", after, 2)
		w.must(err)
		for _, m := range page {
			if after != nil && bytes.Compare(m.Key.Sum[:], after[:]) <= 0 {
				w.Errorf("%s comes out of order", m.Key.Text)
			}
			w.same("key", engine.NewRecordKey(m.Key.Text, contentSum(m.Key.Text)), m.Key)
			after = &m.Key.Sum
			list = append(list, m.Key.Text+m.ID)
		}
		if len(page) < 2 {
			slices.Sort(list)
			return list
		}
	}
}

var recordCases = []testCase{
	{"records come with the commit of their job, or not at all", func(w *world) {
		t := w.typ("t")
		w.write(t, marked(1, "a"), marked(2, "b"), engine.RecordWrite{Source: "s", Key: recordKey(3), Link: true, ID: `"x"`})
		w.same("statuses", "same changed new new", w.statuses(by(t, 99, 1), "a", 1, 2, 3, 4))
		j := w.start(job(t))
		o := completed(j)
		o.Records = engine.RecordWrites{By: by(t, j.ID, 1), List: []engine.RecordWrite{marked(4, "a")}}
		w.must(w.store.Release(w.ctx, j.Claim, []engine.JobRef{j.JobRef}))
		w.code("a late worker", engine.CodeLost, w.store.Commit(w.ctx, nil, alone(o)))
		w.same("of a late worker", "new", w.statuses(by(t, 99, 1), "a", 4))
	}},
	{"a session sees what it wrote, and a rollback takes it back", func(w *world) {
		t := w.typ("t")
		first := w.write(t, marked(1, "a"))
		j := w.start(job(t))
		h := w.hook(w.store)
		b := by(t, j.ID, 1)
		w.must(w.store.WriteRecords(w.ctx, h, engine.RecordWrites{By: b, List: []engine.RecordWrite{marked(1, "b"), marked(2, "b")}}))
		w.same("its own", []*engine.Record{
			{Hash: engine.RecordHash{Sum: contentSum("b"), Known: true}, Was: engine.RecordHash{Sum: contentSum("a"), Known: true}, Job: j.ID, Phase: engine.PhaseConsume, Pass: 1},
			{Hash: engine.RecordHash{Sum: contentSum("b"), Known: true}, Job: j.ID, Phase: engine.PhaseConsume, Pass: 1},
		}, w.known(h, b, 1, 2))
		mark, err := h.Mark(w.ctx)
		w.must(err)
		w.must(w.store.ForgetSource(w.ctx, h, b, "s"))
		w.same("forgotten", true, w.known(h, b, 1)[0].Gone)
		w.must(h.Undo(w.ctx, mark))
		w.same("undone", false, w.known(h, b, 1)[0].Gone)
		h.Rollback(w.ctx)
		w.same("after the rollback", first, w.known(h, b, 1)[0].Job)
		w.same("after the rollback", "same new", w.statuses(b, "a", 1, 2))
		h.Close()
		w.settle(j)
	}},
	{"people list records, and forget them", func(w *world) {
		t := w.typ("t")
		scope := engine.Scope{Type: t}
		forgotten := func(want int64, source string, keys ...engine.RecordKey) {
			w.Helper()
			n, err := w.store.ForgetRecords(w.ctx, scope, source, keys)
			w.must(err)
			w.same("forgotten", want, n)
		}
		lists := func(want ...engine.RecordSource) {
			w.Helper()
			list, err := w.store.RecordSources(w.ctx, scope)
			w.must(err)
			w.same("sources", want, list)
		}
		lists()
		writes := []engine.RecordWrite{{Source: "other", Key: recordKey(1), Link: true, ID: `"x"`}}
		for n := range 1200 {
			writes = append(writes, marked(n, "a"))
		}
		id := w.write(t, writes...)
		lists(engine.RecordSource{Source: "other", Rows: 1, Linked: 1}, engine.RecordSource{Source: "s", Rows: 1200, Job: &id})
		found, err := w.store.RecordsOf(w.ctx, scope, "s", []engine.RecordKey{recordKey(7), recordKey(5000)})
		w.must(err)
		w.same("found", []bool{true, false}, []bool{found[0] != nil, found[1] != nil})
		forgotten(1, "s", recordKey(7), recordKey(5000))
		w.same("statuses", "new same", w.statuses(by(t, 9999, 1), "a", 7, 8))

		// A hook has forgotten a row, and is not final: the row stays.
		j := w.start(job(t))
		h := w.hook(w.store)
		w.must(w.store.WriteRecords(w.ctx, h, engine.RecordWrites{By: by(t, j.ID, 1), List: []engine.RecordWrite{{Source: "s", Key: recordKey(8), Forget: true}}}))
		o := checkpoint(j, "a")
		w.must(w.store.Commit(w.ctx, h, o))
		checkpointed(o)
		forgotten(0, "s", recordKey(8))
		forgotten(1198, "s")
		forgotten(0, "s")
		w.same("what the job meets again", "same", w.statuses(by(t, j.ID, 2), "a", 8))
		lists(engine.RecordSource{Source: "other", Rows: 1, Linked: 1})
		w.settle(j)
	}},
	{"a hook that has read what a person forgets, and marks it, is told", func(w *world) {
		t := w.typ("t")
		w.write(t, marked(1, "a"))
		j := w.start(job(t))
		h := w.hook(w.store)
		defer h.Close()
		write := marked(1, "b")
		write.Known, write.Read = true, w.known(h, by(t, j.ID, 1), 1)[0]
		_, err := w.store.ForgetRecords(w.ctx, engine.Scope{Type: t}, "s", nil)
		w.must(err)
		w.code("mark", engine.CodeConflict, w.store.WriteRecords(w.ctx, h, engine.RecordWrites{By: by(t, j.ID, 1), List: []engine.RecordWrite{write}}))
		h.Rollback(w.ctx)
		w.settle(j)
	}},
	{"a hook that begins again meets what it met before", func(w *world) {
		t := w.typ("t")
		w.write(t, marked(1, "a"), marked(2, "a"), marked(4, "a"))
		id := w.write(t, marked(1, "b"), marked(2, "b"), marked(3, "b"), engine.RecordWrite{Source: "s", Key: recordKey(4), Forget: true})
		again := by(t, id, 2)
		w.same("in the same pass", "same same same new", w.statuses(by(t, id, 1), "b", 1, 2, 3, 4))
		w.same("in the next pass", "changed changed new changed", w.statuses(again, "b", 1, 2, 3, 4))
		w.same("in the next pass, as it was", "same same new same", w.statuses(again, "a", 1, 2, 3, 4))
		other := again
		other.Phase = engine.PhaseFinish
		w.same("in the next phase", "same same same new", w.statuses(other, "b", 1, 2, 3, 4))
		w.same("to another job", "same same same new", w.statuses(by(t, 99, 2), "b", 1, 2, 3, 4))
		// It marks one again, and meets another that it leaves out.
		j := w.start(job(t))
		h := w.hook(w.store)
		w.must(w.store.WriteRecords(w.ctx, h, engine.RecordWrites{By: again, List: []engine.RecordWrite{
			marked(1, "c"), {Source: "s", Key: recordKey(2), Touch: true, Content: contentSum("met")}, {Source: "s", Key: recordKey(3), Touch: true, Content: contentSum("b")},
		}}))
		w.commitWith(h, alone(completed(j)))
		w.same("marked again", "same", w.statuses(again, "c", 1))
		w.same("met", "same", w.statuses(again, "met", 2))
		w.same("met as it was taken", "same", w.statuses(again, "b", 3))
		w.same("what was taken stays", "same", w.statuses(by(t, 99, 1), "b", 2))
		w.same("in one more pass", "same same", w.statuses(by(t, id, 3), "a", 1, 2))
	}},
	{"a record that another changed meanwhile is a conflict", func(w *world) {
		t := w.typ("t")
		w.write(t, marked(1, "a"), engine.RecordWrite{Source: "s", Key: recordKey(5), Link: true, ID: "7"})
		h := w.hook(w.store)
		read := w.known(h, by(t, 99, 1), 1, 2)
		h.Rollback(w.ctx)
		seen := func(n int, content string, r *engine.Record) engine.RecordWrite {
			x := marked(n, content)
			x.Known, x.Read = true, r
			return x
		}
		w.write(t, seen(1, "b", read[0]), seen(2, "b", read[1]))
		for name, x := range map[string]engine.RecordWrite{
			"changed": seen(1, "c", read[0]), "new": seen(2, "c", read[1]), "gone": seen(3, "c", read[0]),
			"linked": {Source: "s", Key: recordKey(5), Link: true, ID: "8"},
		} {
			j := w.start(job(t))
			o := completed(j)
			o.Records = engine.RecordWrites{By: by(t, j.ID, 1), List: []engine.RecordWrite{marked(9, "x"), x}}
			w.code(name, engine.CodeConflict, w.store.Commit(w.ctx, nil, alone(o)))
			w.must(w.store.WriteRecords(w.ctx, h, engine.RecordWrites{By: o.Records.By, List: []engine.RecordWrite{marked(9, "x")}}))
			w.code(name+" in the hook", engine.CodeConflict, w.store.WriteRecords(w.ctx, h, o.Records))
			h.Rollback(w.ctx)
			w.settle(j)
		}
		w.same("nothing was written", "same same new", w.statuses(by(t, 99, 1), "b", 1, 2, 9))
		relink := engine.RecordWrite{Source: "s", Key: recordKey(5), Link: true, ID: "8", Relink: true}
		w.write(t, relink)
		w.same("linked", "8", w.known(h, by(t, 99, 1), 5)[0].ID)
		h.Rollback(w.ctx)
	}},
	{"of two that note a new row at once, one is told", func(w *world) {
		if !w.in.Rows {
			return // there is one writer at a time
		}
		t := w.typ("t")
		first, second := w.hook(w.store), w.hook(w.open(Options{}))
		unseen := marked(1, "a")
		unseen.Known = true
		w.must(w.store.WriteRecords(w.ctx, first, engine.RecordWrites{By: by(t, 1, 1), List: []engine.RecordWrite{unseen}}))
		var wg sync.WaitGroup
		var err error
		wg.Go(func() {
			err = w.store.WriteRecords(w.ctx, second, engine.RecordWrites{By: by(t, 2, 1), List: []engine.RecordWrite{unseen}})
		})
		j := w.start(job(t))
		w.must(w.store.Commit(w.ctx, first, alone(completed(j))))
		wg.Wait()
		w.code("the other", engine.CodeConflict, err)
	}},
	{"what no run as new has seen is missing", func(w *world) {
		t := w.typ("t")
		see := func(n int, content string) engine.RecordWrite {
			x := marked(n, content)
			x.Seen = true
			return x
		}
		only := func(n int) engine.RecordWrite {
			return engine.RecordWrite{Source: "s", Key: recordKey(n), Seen: true}
		}
		two := see(2, "a")
		two.Link, two.ID = true, `"two"`
		old := w.write(t, see(1, "a"), two, see(3, "a"), see(4, "a"), see(5, "a"))
		w.same("at first", 0, len(w.missing(by(t, old, 1))))
		now := w.write(t, only(1), see(3, "b"), only(77))
		w.same("to the new run", []string{"2\"two\"", "4", "5"}, w.missing(by(t, now, 1)))
		w.same("to the old run", 0, len(w.missing(by(t, old, 1))))
		j := w.start(job(t))
		h := w.hook(w.store)
		n, err := w.store.CountRecords(w.ctx, h, by(t, now, 1), "s")
		w.must(err)
		w.same("counts", engine.RecordCounts{Known: 5, Missing: 3}, n)
		w.must(w.store.WriteRecords(w.ctx, h, engine.RecordWrites{By: by(t, old, 1), List: []engine.RecordWrite{only(1), only(4)}}))
		w.commitWith(h, alone(completed(j)))
		w.same("an older run changes nothing", []string{"2\"two\"", "4", "5"}, w.missing(by(t, now, 1)))
		w.same("of another source", "new", w.statuses(engine.RecordBy{Scope: engine.Scope{Type: t, Instance: "i"}}, "a", 1))
	}},
	{"what is forgotten is missing to the hook that begins again, until its job is final and pruned", func(w *world) {
		t := w.typ("t")
		w.write(t, marked(1, "a"), marked(2, "a"), marked(3, "a"))
		j := w.start(job(t))
		forget := func(n int) engine.RecordWrite {
			return engine.RecordWrite{Source: "s", Key: recordKey(n), Forget: true}
		}
		o := checkpoint(j, "p")
		o.Records = engine.RecordWrites{By: by(t, j.ID, 1), List: []engine.RecordWrite{forget(1), forget(2), forget(9)}}
		w.commit(o)
		w.same("in the same pass", []string{"3"}, w.missing(by(t, j.ID, 1)))
		w.same("in the next pass", []string{"1", "2", "3"}, w.missing(by(t, j.ID, 2)))
		w.same("to others", []string{"3"}, w.missing(by(t, 99, 1)))
		w.must(w.store.PruneRest(w.ctx, 100))
		w.same("it runs still", int64(3), w.count("SELECT COUNT(*) FROM ds_records"))
		w.write(t, marked(2, "b"))
		w.same("one that came again", []string{"2", "3"}, w.missing(by(t, 99, 1)))
		w.commit(alone(completed(j)))
		w.until("what is forgotten is pruned", func() bool {
			w.must(w.store.PruneRest(w.ctx, 1))
			return w.count("SELECT COUNT(*) FROM ds_forgotten") == 0
		})
		w.same("the others stay", int64(2), w.count("SELECT COUNT(*) FROM ds_records"))
		all := w.start(job(t))
		h := w.hook(w.store)
		w.must(w.store.ForgetSource(w.ctx, h, by(t, all.ID, 1), "s"))
		w.commitWith(h, alone(completed(all)))
		w.same("all are new", "new new new", w.statuses(by(t, 99, 1), "a", 1, 2, 3))
		w.until("all are pruned", func() bool {
			w.must(w.store.PruneRest(w.ctx, 1))
			return w.count("SELECT COUNT(*) FROM ds_forgotten") == 0
		})
		w.same("records", int64(0), w.count("SELECT COUNT(*) FROM ds_records"))
	}},
	{"many records, in few statements", func(w *world) {
		t := w.typ("t")
		faults := &Faults{}
		s := w.open(Options{Wrap: faults.Wrap})
		const n = 2500
		var writes []engine.RecordWrite
		var keys []engine.RecordKey
		for i := range n {
			x := marked(i, "a")
			x.Key.Text = `"` + strings.Repeat("ä", 490) + x.Key.Text + `"`
			writes, keys = append(writes, x), append(keys, x.Key)
		}
		j := w.start(job(t))
		h := s.Begin(engine.SessionOptions{Job: j.ID, Type: "t"})
		defer h.Close()
		stop := faults.Listen()
		w.must(s.WriteRecords(w.ctx, h, engine.RecordWrites{By: by(t, 1, 1), List: writes}))
		for i := range writes {
			writes[i].Content = contentSum("b")
		}
		w.must(s.WriteRecords(w.ctx, h, engine.RecordWrites{By: by(t, 1, 1), List: writes}))
		list, err := s.Records(w.ctx, h, by(t, 1, 1), "s", keys)
		w.must(err)
		for i, r := range list {
			if r == nil || r.Hash.Sum != contentSum("b") {
				w.Fatalf("record %d is %+v", i, r)
			}
		}
		if n := len(stop()); n > 40 {
			w.Errorf("it took %d statements", n)
		}
		w.must(s.Commit(w.ctx, h, alone(completed(j))))
		w.same("records", int64(n), w.count("SELECT COUNT(*) FROM ds_records"))
	}},
	{"scripts cannot touch records", func(w *world) {
		h := w.hook(w.store)
		for _, q := range []string{"DELETE FROM ds_records", "DELETE FROM ds_forgotten"} {
			if err := exec(h, w.ctx, q); err == nil {
				w.Errorf("%s went through", q)
			}
		}
	}},
}

// recordOperations commit records with a job, part of them before.
var recordOperations = []operation{
	{"records with their job", func(f *faulty) (func() error, func(error)) {
		t := f.typ("t")
		f.enqueue(job(t))
		j := f.on(queue(t), 1)[0]
		n := 10 * int(j.ID)
		linked := marked(n+1, "old")
		linked.Link, linked.ID = true, "1"
		f.write(t, marked(n, "old"), linked)
		b := by(t, j.ID, int64(j.Checkpoints))
		step := func() error {
			h := f.bad.Begin(engine.SessionOptions{Job: j.ID, Type: "t"})
			defer h.Close()
			found, err := f.bad.Records(f.ctx, h, b, "s", []engine.RecordKey{recordKey(n), recordKey(n + 2)})
			if err != nil {
				return err
			}
			one, two := marked(n, "new"), marked(n+2, "new")
			one.Known, one.Read, two.Known, two.Read = true, found[0], true, found[1]
			if err := f.bad.WriteRecords(f.ctx, h, engine.RecordWrites{By: b, List: []engine.RecordWrite{one, two}}); err != nil {
				return err
			}
			o := alone(completed(j))
			o.Server = f.badSrv
			o.Records = engine.RecordWrites{By: b, List: []engine.RecordWrite{
				{Source: "s", Key: recordKey(n + 1), Forget: true}, {Source: "s", Key: recordKey(n + 3), Link: true, ID: "3"}}}
			return f.bad.Commit(f.ctx, h, o)
		}
		return step, func(err error) {
			f.again(err, step)
			want := map[bool]string{true: "same new same true", false: "changed changed new false"}[f.state(j.ID) == "completed"]
			h := f.hook(f.store)
			linked := f.known(h, by(t, 99_999, 1), n+3)[0] != nil
			h.Close()
			f.same("records of a job that is "+f.state(j.ID), want, f.statuses(by(t, 99_999, 1), "new", n, n+1, n+2)+" "+fmt.Sprint(linked))
			if f.state(j.ID) != "completed" {
				f.same("jobs left", 1, f.finish(queue(t)))
			}
			f.until("it is pruned", func() bool {
				f.must(f.store.PruneRest(f.ctx, 100))
				return f.count("SELECT COUNT(*) FROM ds_forgotten WHERE job = ?", int64(j.ID)) == 0
			})
		}
	}},
}

// recordRunCases are hooks that the engine runs again.
var recordRunCases = []testCase{
	{"a hook whose record was changed meanwhile runs again, and burns no attempt", func(w *world) {
		r := w.runtime(Options{})
		other := w.typ("other")
		runs := 0
		var got []engine.RecordStatus
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			rec, err := c.Records("s")
			if err != nil {
				return nil, err
			}
			look, err := rec.Look([]engine.RecordKey{recordKey(1)})
			if err != nil {
				return nil, err
			}
			status, err := look.Status(0, contentSum("mine"))
			if err != nil {
				return nil, err
			}
			got = append(got, status)
			if _, err := look.Take(0, contentSum("mine"), nil); err != nil {
				return nil, err
			}
			if runs++; runs == 1 {
				x := marked(1, "theirs")
				j := w.start(job(other))
				o := completed(j)
				o.Records = engine.RecordWrites{By: by(c.Job().Type, j.ID, 1), List: []engine.RecordWrite{x}}
				w.commit(alone(o))
			}
			return nil, nil
		})
		id := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		w.same("what it saw", []engine.RecordStatus{engine.RecordNew, engine.RecordChanged}, got)
		w.same("attempts", 1, w.view(id).Attempt)
		w.same("at last", "same", w.statuses(by(w.view(id).TypeID, 9999, 1), "mine", 1))
	}},
	{"a hook that links a row to another id each time fails, in fail too", func(w *world) {
		n := 0
		links := func(c *engine.Call) (engine.Raw, error) {
			rec, err := c.Records("s")
			if err != nil {
				return nil, err
			}
			n++
			return nil, rec.Link(recordKey(1), fmt.Sprint(n), false)
		}
		r := w.runtime(Options{})
		plain := consumes("plain", links)
		w.write(w.typ("plain"), engine.RecordWrite{Source: "s", Key: recordKey(1), Link: true, ID: `"first"`})
		id := r.make(engine.NewJob{Type: "plain"}, plain)
		r.untilIdle(plain)
		r.stands("failed", id)
		e := w.view(id).Error
		if e.Code != "db.conflict" || !strings.Contains(e.Message, `is linked to "first" already, not to 21: look with records.id before records.link`) {
			w.Errorf("it failed by %+v", e)
		}
		w.same("attempt and runs", []int{1, 21}, []int{w.view(id).Attempt, n})

		hooked := goType("hooked", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) { return nil, errors.New("no") },
			engine.PhaseFail:    links,
		})
		w.write(w.typ("hooked"), engine.RecordWrite{Source: "s", Key: recordKey(1), Link: true, ID: `"first"`})
		id = r.make(engine.NewJob{Type: "hooked"}, hooked)
		r.untilIdle(hooked)
		r.stands("failed", id)
		w.same("error", "no", w.view(id).Error.Message)
	}},
}
