package storetest

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

// Relax leaves out a part of the invariants that a test breaks on purpose.
type Relax int

// What can be left out.
const (
	// Pruned: jobs were deleted, so that counts are of more jobs than there are.
	Pruned Relax = iota
)

// Invariants checks that the database's tables agree with each other, at a
// moment when nobody works on it: no job is lost or there twice, each waits in
// exactly one place, counts and keys are those of the jobs.
func Invariants(t testing.TB, db *sql.DB, relax ...Relax) {
	t.Helper()
	c := &checker{t: t, db: db, pruned: slices.Contains(relax, Pruned)}
	c.load()
	c.checkPlaces()
	c.checkOpen()
	c.checkKeys()
	c.checkItems()
	c.checkCounters()
	c.checkOrphans()
	c.checkRejects()
	c.checkWindows()
}

// check is Invariants, and that no epoch went back since the last check.
func (w *world) check() {
	w.Helper()
	if w.Failed() {
		return // they would only repeat it
	}
	var relax []Relax
	if w.loose {
		relax = append(relax, Pruned)
	}
	Invariants(w, w.db, relax...)
	epochs := map[engine.JobID]engine.Epoch{}
	w.each("SELECT id, epoch FROM ds_jobs", func(v []sql.NullString) {
		id, epoch := engine.JobID(number(v[0])), engine.Epoch(number(v[1]))
		if old, ok := w.epochs[id]; ok && epoch < old {
			w.Errorf("the epoch of job %d went from %d back to %d", id, old, epoch)
		}
		epochs[id] = epoch
	})
	w.epochs = epochs
}

type checker struct {
	t      testing.TB
	db     *sql.DB
	pruned bool

	jobs     map[int64]*checkedJob
	children map[int64][]*checkedJob
	deltas   []checkedDelta
}

type checkedJob struct {
	id, typ, phase, status, priority, epoch int64
	failedPhase, verdict, cancel, items     int64
	parent, windowed                        int64
	runAt, instance, key                    string
	places                                  []string
	inOpen, hasFailure, hasSweeps           bool
	comesBack                               bool // its items are being retried
}

type checkedDelta struct {
	parent, typ                           int64
	created, completed, failed, cancelled int64
}

const (
	waiting   = int64(engine.StatusWaiting)
	open      = int64(engine.StatusOpen)
	failure   = int64(engine.StatusFailed)
	cancelled = int64(engine.StatusCancelled)
	done      = int64(engine.StatusCompleted)
)

func (j *checkedJob) final() bool { return engine.Status(j.status).Final() }

func (j *checkedJob) String() string {
	return fmt.Sprintf("job %d (%s, epoch %d)", j.id, engine.State{Phase: engine.Phase(j.phase), Status: engine.Status(j.status)}, j.epoch)
}

func number(s sql.NullString) int64 {
	n, _ := strconv.ParseInt(s.String, 10, 64) // NULL is 0
	return n
}

// each calls f with the rows of a query, numbers as int64 where asked.
func (c *checker) each(q string, f func(v []sql.NullString)) {
	c.t.Helper()
	w := &world{TB: c.t, db: c.db, ctx: context.Background()}
	w.each(q, f)
}

func (c *checker) bad(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("invariant: "+format, args...)
}

func (c *checker) load() {
	c.jobs, c.children = map[int64]*checkedJob{}, map[int64][]*checkedJob{}
	c.each("SELECT id, type, phase, status, priority, epoch, failed_phase, verdict, cancel, items, parent, run_at, instance, job_key, windowed FROM ds_jobs", func(v []sql.NullString) {
		j := &checkedJob{id: number(v[0]), typ: number(v[1]), phase: number(v[2]), status: number(v[3]), priority: number(v[4]), epoch: number(v[5]),
			failedPhase: number(v[6]), verdict: number(v[7]), cancel: number(v[8]), items: number(v[9]), parent: number(v[10]),
			runAt: v[11].String, instance: v[12].String, key: v[13].String, windowed: number(v[14])}
		c.jobs[j.id] = j
		if j.parent != 0 {
			c.children[j.parent] = append(c.children[j.parent], j)
		}
		if s := engine.Status(j.status); s == engine.StatusRunning || s < engine.StatusWaiting || s > engine.StatusCancelled {
			c.bad("%v has a status that is never stored", j)
		}
	})
	c.each("SELECT parent, type, created, completed, failed, cancelled FROM ds_deltas", func(v []sql.NullString) {
		c.deltas = append(c.deltas, checkedDelta{number(v[0]), number(v[1]), number(v[2]), number(v[3]), number(v[4]), number(v[5])})
	})
}

// checkPlaces: a waiting job is in ready, in delayed or in one claim, with its
// epoch; no other job is anywhere.
func (c *checker) checkPlaces() {
	put := func(where string, id, epoch int64) *checkedJob {
		j := c.jobs[id]
		switch {
		case j == nil:
			c.bad("%s holds job %d, which does not exist", where, id)
			return nil
		case j.epoch != epoch:
			c.bad("%s holds %v with epoch %d", where, j, epoch)
		}
		j.places = append(j.places, where)
		return j
	}
	c.each("SELECT id, epoch, queue, priority FROM ds_ready WHERE id > 0", func(v []sql.NullString) {
		if j := put("ready", number(v[0]), number(v[1])); j != nil {
			c.checkQueue("ready", j, number(v[2]), number(v[3]))
		}
	})
	c.each("SELECT id, epoch, queue, priority, due FROM ds_delayed", func(v []sql.NullString) {
		if j := put("delayed", number(v[0]), number(v[1])); j != nil {
			c.checkQueue("delayed", j, number(v[2]), number(v[3]))
			if j.runAt != v[4].String {
				c.bad("%v is delayed until %s, and its row says %s", j, v[4].String, j.runAt)
			}
		}
	})
	c.each("SELECT id, jobs, size FROM ds_claims", func(v []sql.NullString) {
		var n []int64 // runs: first id, how many, epoch
		if err := json.Unmarshal([]byte(v[1].String), &n); err != nil || len(n)%3 != 0 || len(n) == 0 {
			c.bad("a claim holds %q", v[1].String)
			return
		}
		held := int64(0)
		for i := 0; i < len(n); i += 3 {
			held += n[i+1]
			for id := n[i]; id < n[i]+n[i+1]; id++ {
				// One that was settled, or lost, may stay named until the claim goes.
				if j := c.jobs[id]; j != nil && j.epoch == n[i+2] {
					j.places = append(j.places, "claim "+hex.EncodeToString([]byte(v[0].String))[:6])
				}
			}
		}
		if size := number(v[2]); size < held {
			c.bad("a claim of %d jobs says that it had %d at first", held, size)
		}
	})
	for _, j := range c.all() {
		switch {
		case j.status == waiting && len(j.places) != 1:
			c.bad("%v waits in %d places: %v", j, len(j.places), j.places)
		case j.status != waiting && len(j.places) > 0:
			c.bad("%v is in %v", j, j.places)
		case j.status == waiting && j.cancel != 0 && !strings.HasPrefix(j.places[0], "claim"):
			c.bad("%v was asked to cancel and waits in %v", j, j.places)
		case j.phase < 1 || j.phase > 4:
			c.bad("%v has phase %d", j, j.phase)
		case j.phase == int64(engine.PhaseFail) && j.status == waiting && (j.failedPhase < 1 || j.failedPhase > 3):
			c.bad("%v waits for its fail hook and no phase has failed", j)
		}
	}
}

func (c *checker) checkQueue(where string, j *checkedJob, queue, priority int64) {
	if want := int64(engine.QueueOf(engine.TypeID(j.typ), engine.Phase(j.phase)).For(engine.Windowed(j.windowed))); queue != want || priority != j.priority {
		c.bad("%v is in %s with queue %d and priority %d: want %d and %d", j, where, queue, priority, want, j.priority)
	}
}

// all is the jobs by id.
func (c *checker) all() []*checkedJob {
	list := make([]*checkedJob, 0, len(c.jobs))
	for _, id := range slices.Sorted(maps.Keys(c.jobs)) {
		list = append(list, c.jobs[id])
	}
	return list
}

// checkOpen: what is open is noted as open, and is not forgotten when its items
// have settled.
func (c *checker) checkOpen() {
	c.each("SELECT id, type FROM ds_open", func(v []sql.NullString) {
		j := c.jobs[number(v[0])]
		if j == nil || j.status != open || j.typ != number(v[1]) {
			c.bad("job %s is noted as open: %v", v[0].String, j)
			return
		}
		j.inOpen = true
	})
	c.each("SELECT parent, last_id FROM ds_sweeps", func(v []sql.NullString) {
		if j := c.jobs[number(v[0])]; j != nil {
			j.comesBack = number(v[1]) >= 1<<62
			j.hasSweeps = !j.comesBack
		}
	})
	c.each("SELECT job, type FROM ds_failures", func(v []sql.NullString) {
		j := c.jobs[number(v[0])]
		if j == nil || j.typ != number(v[1]) || j.status != failure && j.verdict != failure {
			c.bad("job %s has a row that says why it is failed: %v", v[0].String, j)
			return
		}
		j.hasFailure = true
	})
	for _, j := range c.all() {
		if j.status == failure && !j.hasFailure {
			c.bad("%v has no row that says why", j)
		}
		if j.status != open {
			continue
		}
		if !j.inOpen {
			c.bad("%v is not noted as open", j)
		}
		settled, reported := int64(0), false
		for _, ch := range c.children[j.id] {
			if ch.final() {
				settled++
			}
			if !ch.final() && j.verdict == cancelled && !j.hasSweeps && ch.cancel == 0 && ch.verdict != cancelled {
				c.bad("%v is cancelled, and nobody will cancel its item, %v", j, ch)
			}
		}
		for _, d := range c.deltas {
			reported = reported || d.parent == j.id
		}
		if settled >= j.items && !reported && !j.comesBack && !c.pruned {
			c.bad("%v has %d items, all settled, and nothing will move it on", j, j.items)
		}
	}
}

// checkKeys: a key that counts has one holder.
func (c *checker) checkKeys() {
	type key struct {
		typ  int64
		hash string
	}
	held := map[key]int64{}
	c.each("SELECT type, hash, job, keep_for, done_at FROM ds_keys", func(v []sql.NullString) {
		k, id, keep := key{number(v[0]), v[1].String}, number(v[2]), number(v[3])
		held[k] = id
		j := c.jobs[id]
		finished := !strings.HasPrefix(v[4].String, "1970-01-01")
		switch {
		case id == 0:
			c.bad("a key of type %d is held by nobody", k.typ)
		case j == nil && keep == 0:
			c.bad("a key is held by job %d, which does not exist, and is not kept", id)
		case j == nil && !finished:
			c.bad("a key is held by job %d, which does not exist and never completed", id)
		case j == nil:
		case j.key == "" || j.typ != k.typ || string(hashOf(j)) != k.hash:
			c.bad("%v holds a key that is not its own", j)
		case j.final() && keep == 0:
			c.bad("%v holds its key, and is final", j)
		case j.final() && j.status == done && !finished:
			c.bad("%v keeps its key, which does not know since when", j)
		case !j.final() && finished:
			c.bad("%v has not ended, and its key says that it has", j)
		}
	})
	for _, j := range c.all() {
		if j.key != "" && !j.final() {
			if _, ok := held[key{j.typ, string(hashOf(j))}]; !ok {
				c.bad("%v has key %q, which nobody holds", j, j.key)
			}
		}
	}
}

func hashOf(j *checkedJob) []byte {
	h := engine.KeyHash(j.instance, j.key)
	return h[:]
}

// checkItems: emitters have as many items as they say, and know of each that
// has settled exactly once.
func (c *checker) checkItems() {
	type counts struct{ completed, failed, cancelled int64 }
	known := map[int64]counts{}
	c.each("SELECT id, completed, failed, cancelled FROM ds_parents", func(v []sql.NullString) {
		known[number(v[0])] = counts{number(v[1]), number(v[2]), number(v[3])}
		if j := c.jobs[number(v[0])]; j == nil && !c.pruned {
			c.bad("job %s has counts of items and does not exist", v[0].String)
		}
	})
	for _, d := range c.deltas {
		if d.parent != 0 {
			k := known[d.parent]
			known[d.parent] = counts{k.completed + d.completed, k.failed + d.failed, k.cancelled + d.cancelled}
		}
	}
	spans := map[int64][][2]int64{}
	c.each("SELECT parent, first_id, last_id FROM ds_emissions", func(v []sql.NullString) {
		spans[number(v[0])] = append(spans[number(v[0])], [2]int64{number(v[1]), number(v[2])})
	})
	for _, j := range c.all() {
		var want counts
		list := c.children[j.id]
		for _, ch := range list {
			switch ch.status {
			case done:
				want.completed++
			case failure:
				want.failed++
			case cancelled:
				want.cancelled++
			}
			if j.final() && !ch.final() {
				c.bad("%v is final, and its item, %v, is not", j, ch)
			}
			if !slices.ContainsFunc(spans[j.id], func(s [2]int64) bool { return ch.id >= s[0] && ch.id <= s[1] }) {
				c.bad("%v is an item of %v and in none of its ranges", ch, j)
			}
		}
		if c.pruned {
			continue
		}
		if int64(len(list)) != j.items {
			c.bad("%v says that it has %d items: there are %d", j, j.items, len(list))
		}
		if got := known[j.id]; got != want {
			c.bad("%v knows of settled items %+v: there are %+v", j, got, want)
		}
	}
}

// checkCounters: what was counted and what is reported are the jobs there are.
func (c *checker) checkCounters() {
	if c.pruned {
		return
	}
	type counts struct{ created, completed, failed, cancelled int64 }
	total, hours, want := map[int64]counts{}, map[int64]counts{}, map[int64]counts{}
	add := func(m map[int64]counts, typ int64, x counts) {
		y := m[typ]
		m[typ] = counts{y.created + x.created, y.completed + x.completed, y.failed + x.failed, y.cancelled + x.cancelled}
	}
	c.each("SELECT type, hour, created, completed, failed, cancelled FROM ds_counters", func(v []sql.NullString) {
		x := counts{number(v[2]), number(v[3]), number(v[4]), number(v[5])}
		if strings.HasPrefix(v[1].String, "1970-01-01") {
			add(total, number(v[0]), x)
		} else {
			add(hours, number(v[0]), x)
		}
	})
	for typ, x := range total {
		if hours[typ] != x {
			c.bad("type %d counted %+v in all and %+v by hour", typ, x, hours[typ])
		}
	}
	for _, d := range c.deltas {
		add(total, d.typ, counts{d.created, d.completed, d.failed, d.cancelled})
	}
	for _, j := range c.jobs {
		x := counts{created: 1}
		switch j.status {
		case done:
			x.completed = 1
		case failure:
			x.failed = 1
		case cancelled:
			x.cancelled = 1
		}
		add(want, j.typ, x)
	}
	for typ := range total {
		if typ != 0 && total[typ] != want[typ] {
			c.bad("type %d counted and reported %+v: there are %+v", typ, total[typ], want[typ])
		}
	}
	for typ := range want {
		if _, ok := total[typ]; !ok {
			c.bad("type %d has jobs %+v and no counts", typ, want[typ])
		}
	}
}

// checkOrphans: nothing is left of jobs that do not exist.
func (c *checker) checkOrphans() {
	for table, column := range map[string]string{
		"ds_payloads": "id", "ds_results": "id", "ds_attempts": "job", "ds_logs": "job", "ds_emissions": "parent", "ds_parents": "id", "ds_progress": "job", "ds_windows": "job",
	} {
		c.each("SELECT COUNT(*) FROM "+table+" x LEFT JOIN ds_jobs j ON j.id = x."+column+" WHERE j.id IS NULL", func(v []sql.NullString) {
			if n := number(v[0]); n > 0 {
				c.bad("%s has %d rows of jobs that do not exist", table, n)
			}
		})
	}
}
