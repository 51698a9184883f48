package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// notice is a notice of a job.
func notice(key string, job engine.JobID, d time.Duration) engine.Notice {
	return engine.Notice{Key: engine.NoticeKey(key), Job: job, For: d}
}

// takes says whether a notice can be taken.
func (w *world) takes(n engine.Notice) bool {
	w.Helper()
	taken, err := w.store.TakeNotice(w.ctx, n, false)
	w.must(err)
	return taken
}

var noticeCases = []testCase{
	{"a notice is taken once until its time has passed", func(w *world) {
		n := notice("a", 1, time.Minute)
		w.same("the first", true, w.takes(n))
		w.same("another job while it is sent", false, w.takes(notice("a", 2, time.Minute)))
		w.same("the same job, which was lost", true, w.takes(n))
		w.must(w.store.KeepNotices(w.ctx, []engine.Notice{notice("a", 1, time.Hour)}))
		w.same("the same job, once it is sent", false, w.takes(n))
		w.same("another job, once it is sent", false, w.takes(notice("a", 2, time.Minute)))
		w.same("another key", true, w.takes(notice("b", 2, time.Minute)))
		w.exec("UPDATE ds_notices SET ends_at = " + w.now(-time.Second))
		w.same("when its time has passed", true, w.takes(notice("a", 2, time.Minute)))
		w.same("and not by the first one again", false, w.takes(n))
	}},
	{"a notice that could not be sent is forgotten, one that was sent is not", func(w *world) {
		w.same("taken", true, w.takes(notice("a", 1, time.Minute)))
		w.must(w.store.KeepNotices(w.ctx, []engine.Notice{notice("a", 1, 0)}))
		w.same("by another", true, w.takes(notice("a", 2, time.Minute)))
		w.must(w.store.KeepNotices(w.ctx, []engine.Notice{notice("a", 1, 0)})) // not the owner any more
		w.same("by a third", false, w.takes(notice("a", 3, time.Minute)))
		w.must(w.store.KeepNotices(w.ctx, []engine.Notice{notice("a", 2, time.Hour)}))
		w.must(w.store.KeepNotices(w.ctx, []engine.Notice{notice("a", 2, 0)}))
		w.same("once it is sent", false, w.takes(notice("a", 2, time.Minute)))
		counts, err := w.store.NoticeCounts(w.ctx, notice("a", 2, 0))
		w.must(err)
		w.same("once it is sent, it counts", true, counts)
		w.must(w.store.KeepNotices(w.ctx, nil))
	}},
	{"a hook that holds the writer can look", func(w *world) {
		t := w.typ("t")
		j := w.start(job(t))
		w.table(0)
		h := w.hook(w.store)
		w.run(h, "INSERT INTO t VALUES (1, 10)")
		taken, err := w.store.TakeNotice(w.ctx, notice("a", j.ID, time.Minute), true)
		w.must(err)
		w.same("taken", true, taken)
		w.commitWith(h, completed(j))
		w.must(w.store.KeepNotices(w.ctx, []engine.Notice{notice("a", j.ID, time.Hour)}))
		taken, err = w.store.TakeNotice(w.ctx, notice("a", 7, time.Minute), true)
		w.must(err)
		w.same("once it is sent", false, taken)
	}},
	{"of many at once one takes a notice", func(w *world) {
		other := w.open(Options{})
		var mu sync.Mutex
		var all sync.WaitGroup
		taken := 0
		for i := range 16 {
			all.Go(func() {
				store := w.store
				if i%2 == 1 {
					store = other
				}
				ok, err := store.TakeNotice(w.ctx, notice("a", engine.JobID(i+1), time.Minute), false)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					w.Error(err)
				}
				if ok {
					taken++
				}
			})
		}
		all.Wait()
		w.same("taken", 1, taken)
	}},
	{"notices are pruned when their time has passed", func(w *world) {
		w.must(w.store.KeepNotices(w.ctx, []engine.Notice{notice("a", 1, time.Hour)}))
		w.same("taken", true, w.takes(notice("b", 1, time.Minute)))
		w.must(w.store.PruneRest(w.ctx, 100))
		w.same("they count", int64(2), w.count("SELECT COUNT(*) FROM ds_notices"))
		w.exec("UPDATE ds_notices SET ends_at = " + w.now(-time.Second) + " WHERE sent = 1")
		w.must(w.store.PruneRest(w.ctx, 100))
		w.same("one counts", int64(1), w.count("SELECT COUNT(*) FROM ds_notices"))
		w.same("forgotten", true, w.takes(notice("a", 2, time.Minute)))
	}},
}

// slowAnswer is a store that answers one job's asking for a notice late.
type slowAnswer struct {
	engine.Store
	job   engine.JobID
	asked chan struct{} // is closed when it asks
	until chan struct{} // when it is answered
}

func (s *slowAnswer) TakeNotice(ctx context.Context, n engine.Notice, writes bool) (bool, error) {
	taken, err := s.Store.TakeNotice(ctx, n, writes)
	if n.Job == s.job {
		close(s.asked)
		<-s.until
	}
	return taken, err
}

// noticeRunCases are about notices of jobs that run.
var noticeRunCases = []testCase{
	{"a job that sends again what was lost with its process is not kept from it by one that only asks", func(w *world) {
		store := &slowAnswer{Store: w.open(Options{}), asked: make(chan struct{}), until: make(chan struct{})}
		eng, err := engine.Open(w.ctx, store, engine.Options{})
		w.must(err)
		r := &runtime{w, eng}
		var sent []engine.JobID
		t := consumes("t", func(c *engine.Call) (engine.Raw, error) {
			if c.Job().ID != store.job {
				defer close(store.until)
				<-store.asked
			}
			_, err := c.Notify(engine.NoticeKey("a"), time.Hour, func(context.Context) error {
				sent = append(sent, c.Job().ID)
				return nil
			})
			return nil, err
		})
		lost := r.make(engine.NewJob{Type: "t"}, t)
		store.job = r.make(engine.NewJob{Type: "t"}, t)
		w.same("by the process that died", true, w.takes(notice("a", lost, time.Hour)))
		s, err := eng.NewServer(w.ctx, engine.ServerOptions{Types: []*engine.Type{t}, UntilIdle: true, Slots: slots("t", 2)})
		w.must(err)
		w.must(s.Run(w.ctx))
		w.stands("completed", lost)
		w.stands("completed", store.job)
		w.same("sent by", fmt.Sprint([]engine.JobID{lost}), fmt.Sprint(sent))
	}},
}
