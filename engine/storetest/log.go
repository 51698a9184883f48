package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dsengine/dsengine/engine"
)

var logCases = []testCase{
	{"lines are listed by job and by type, oldest first", func(w *world) {
		a, b := w.typ("a"), w.typ("b")
		made := w.enqueue(job(a), job(b))
		at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
		var lines []engine.LogLine
		for n := range 6 {
			l := engine.LogLine{Job: made[n%2], Type: []engine.TypeID{a, b}[n%2], Phase: engine.PhaseConsume, Attempt: 1, At: at.Add(time.Duration(n) * time.Second), Level: "warn", Message: fmt.Sprint("line ", n)}
			if n == 2 {
				l.Message, l.Fields = "größer '\"\\ \x00 😀", raw(map[string]any{"a": 1})
			}
			lines = append(lines, l)
		}
		w.must(w.store.AppendLogs(w.ctx, lines))
		w.must(w.store.AppendLogs(w.ctx, nil))
		got, err := w.store.Logs(w.ctx, made[0], 0, 0, false, 10)
		w.must(err)
		w.same("of a job", []engine.LogLine{lines[0], lines[2], lines[4]}, got, cmpopts.IgnoreFields(engine.LogLine{}, "ID"))
		next, err := w.store.Logs(w.ctx, made[0], 0, got[0].ID, false, 1)
		w.must(err)
		w.same("after the first", []engine.LogLine{lines[2]}, next, cmpopts.IgnoreFields(engine.LogLine{}, "ID"))
		last, err := w.store.Logs(w.ctx, 0, b, 0, true, 2)
		w.must(err)
		w.same("the last of a type", []engine.LogLine{lines[3], lines[5]}, last, cmpopts.IgnoreFields(engine.LogLine{}, "ID"))
	}},
	{"a message of 16 kB, and hundreds of lines in one call", func(w *world) {
		t := w.typ("t")
		id := w.enqueue(job(t))[0]
		line := engine.LogLine{Job: id, Type: t, Phase: engine.PhaseConsume, Attempt: 1, At: time.Now(), Level: "error", Message: strings.Repeat("x😀", 4000)}
		lines := make([]engine.LogLine, 500)
		for i := range lines {
			lines[i] = line
		}
		w.must(w.store.AppendLogs(w.ctx, lines))
		got, err := w.store.Logs(w.ctx, id, 0, 0, false, 1000)
		w.must(err)
		w.same("lines", 500, len(got))
		w.same("message", line.Message, got[499].Message)
	}},
	{"progress is shown with its job", func(w *world) {
		t := w.typ("t")
		made := w.enqueue(jobs(t, 3)...)
		w.must(w.store.SaveProgress(w.ctx, map[engine.JobID]engine.Progress{made[0]: {Done: 1, Total: p(int64(9)), Note: "é"}, made[1]: {Done: 2}}))
		w.must(w.store.SaveProgress(w.ctx, map[engine.JobID]engine.Progress{made[0]: {Done: 5}}))
		w.must(w.store.SaveProgress(w.ctx, nil))
		w.same("first", &engine.Progress{Done: 5}, w.view(made[0]).Progress)
		w.same("second", &engine.Progress{Done: 2}, w.view(made[1]).Progress)
		w.same("third", (*engine.Progress)(nil), w.view(made[2]).Progress)
	}},
	{"of a job that never failed a failure is made up", func(w *world) {
		id := w.enqueue(job(w.typ("t")))[0]
		f, err := w.store.LastFailure(w.ctx, id)
		w.must(err)
		if f == nil || f.Message == "" {
			w.Errorf("got %+v", f)
		}
	}},
	{"an attempt is listed when it failed or logged something", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		o := retried(j, 0)
		o.Elapsed = time.Minute
		w.commit(o)
		j = w.take(queue(t))
		o = snoozed(j, 0)
		w.commit(o)
		j = w.take(queue(t))
		o = completed(j)
		o.Logged = true
		w.commit(alone(o))
		list, err := w.store.Attempts(w.ctx, j.ID)
		w.must(err)
		w.same("attempts", 2, len(list))
		w.same("numbers", []int{1, 2}, []int{list[0].Attempt, list[1].Attempt})
		w.same("failures", []bool{true, false}, []bool{list[0].Failure != nil, list[1].Failure != nil})
		w.same("took", time.Minute, list[0].FinishedAt.Sub(list[0].StartedAt), roughly(20*time.Millisecond))
	}},
}
