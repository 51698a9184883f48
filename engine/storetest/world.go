package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dsengine/dsengine/engine"
)

// world is a test's database with one store open on it, and shorthands that
// end the test where they cannot do what they say.
type world struct {
	testing.TB
	t      *testing.T
	ctx    context.Context
	in     Instance
	faults []Fault // what can befall a connection to the database
	db     *sql.DB
	store  engine.Store
	srv    engine.ServerID // an incarnation of store
	epochs map[engine.JobID]engine.Epoch
	loose  bool // rows were written or deleted by hand: see invariant.go
}

// newWorld is an empty one.
func newWorld(t *testing.T, in Instance, faults []Fault) *world {
	ctx, stop := context.WithTimeout(t.Context(), caseLimit)
	t.Cleanup(stop)
	w := &world{TB: t, t: t, ctx: ctx, in: in, faults: faults, db: in.DB, epochs: map[engine.JobID]engine.Epoch{}}
	w.store = w.open(Options{})
	w.srv = w.server(w.store)
	return w
}

// open opens another store on the database, ready to claim.
func (w *world) open(o Options) engine.Store {
	w.Helper()
	s := w.in.Open(w.t, o)
	w.must(s.Prepare(w.ctx))
	return s
}

// server makes an incarnation.
func (w *world) server(s engine.Store) engine.ServerID {
	w.Helper()
	id, err := s.StartServer(w.ctx, engine.ServerInfo{Name: "one", Host: "host", PID: 1, Version: "test", Types: map[string]engine.Works{}}, 15*time.Second)
	w.must(err)
	return id
}

// must ends the test on an error.
func (w *world) must(err error) {
	if err != nil {
		w.Helper()
		w.Fatal(err)
	}
}

// same reports what is not as wanted.
func (w *world) same(what string, want, got any, opts ...cmp.Option) {
	w.Helper()
	if d := cmp.Diff(want, got, opts...); d != "" {
		w.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// code wants an error of a code; "" is no error.
func (w *world) code(what string, want engine.Code, err error) {
	w.Helper()
	if got := engine.CodeOf(err); got != want || want == "" && err != nil {
		w.Fatalf("%s: want an error of code %q, got %q: %v", what, want, got, err)
	}
}

// failure wants an error that is a Failure with the code.
func (w *world) failure(what, want string, err error) {
	w.Helper()
	if err == nil {
		w.Fatalf("%s: want a failure with code %s, got no error", what, want)
	}
	if f := engine.AsFailure(err); f.Code != want {
		w.Fatalf("%s: want a failure with code %s, got %q: %v", what, want, f.Code, err)
	}
}

// typ registers a job type with the hooks, consume if none are given.
func (w *world) typ(name string, hooks ...engine.Phase) engine.TypeID {
	w.Helper()
	r := engine.TypeRecord{Name: name, Version: "1", MaxAttempts: 3}
	if len(hooks) == 0 {
		hooks = []engine.Phase{engine.PhaseConsume}
	}
	for _, p := range hooks {
		r.Hooks |= 1 << p
	}
	ids, err := w.store.SaveTypes(w.ctx, []engine.TypeRecord{r})
	w.must(err)
	return ids[name]
}

// queue is where a type's jobs wait for consume.
func queue(t engine.TypeID) engine.Queue { return engine.QueueOf(t, engine.PhaseConsume) }

// job is a job that begins in consume.
func job(t engine.TypeID) engine.JobInsert {
	return engine.JobInsert{Type: t, Phase: engine.PhaseConsume}
}

// jobs are n of them.
func jobs(t engine.TypeID, n int) []engine.JobInsert {
	return slices.Repeat([]engine.JobInsert{job(t)}, n)
}

// keyed is a job with a key.
func keyed(t engine.TypeID, key string, u engine.Unique) engine.JobInsert {
	j := job(t)
	j.Key, j.Unique = key, u
	return j
}

// enqueue makes jobs that must all come to be.
func (w *world) enqueue(list ...engine.JobInsert) []engine.JobID {
	w.Helper()
	made, err := w.store.Enqueue(w.ctx, list)
	w.must(err)
	ids := make([]engine.JobID, len(made))
	for i, m := range made {
		if !m.Created {
			w.Fatalf("job %d of %d was not made: job %d has its key", i, len(made), m.ID)
		}
		ids[i] = m.ID
	}
	return ids
}

// newClaimID makes the id of a claim.
func newClaimID() (id engine.ClaimID) {
	rand.Read(id[:])
	return id
}

// request asks for jobs as one that a free process would send.
func request(srv engine.ServerID, q engine.Queue, n int) engine.ClaimRequest {
	return engine.ClaimRequest{Server: srv, Queue: q, Max: n, Alone: n, NewID: newClaimID}
}

// refsOf are the jobs of a claim as it holds them.
func refsOf(jobs []engine.ClaimedJob) []engine.JobRef {
	refs := make([]engine.JobRef, len(jobs))
	for i := range jobs {
		refs[i] = jobs[i].JobRef
	}
	return refs
}

// claimOn claims at most n jobs on a store.
func (w *world) claimOn(s engine.Store, srv engine.ServerID, q engine.Queue, n int) []engine.Claim {
	w.Helper()
	claims, err := claimed(w.ctx, s, request(srv, q, n))
	w.must(err)
	return claims
}

// claimed claims jobs and reads them.
func claimed(ctx context.Context, s engine.Store, r engine.ClaimRequest) ([]engine.Claim, error) {
	claims, err := s.Claim(ctx, r)
	for i := range claims {
		if err == nil {
			err = s.Load(ctx, r.Queue, &claims[i])
		}
	}
	return claims, err
}

// claim claims at most n jobs, in one claim.
func (w *world) claim(q engine.Queue, n int) []*engine.ClaimedJob {
	w.Helper()
	var list []*engine.ClaimedJob
	claims := w.claimOn(w.store, w.srv, q, n)
	for i := range claims {
		for k := range claims[i].Jobs {
			list = append(list, &claims[i].Jobs[k])
		}
	}
	return list
}

// take claims one job that must be there. What another process made due below
// the bound may take a moment to be found.
func (w *world) take(q engine.Queue) *engine.ClaimedJob {
	w.Helper()
	var list []*engine.ClaimedJob
	w.until(fmt.Sprintf("a job in queue %d", q), func() bool {
		list = w.claim(q, 1)
		return len(list) == 1
	})
	return list[0]
}

// start makes one job and claims it.
func (w *world) start(j engine.JobInsert) *engine.ClaimedJob {
	w.Helper()
	id := w.enqueue(j)[0]
	c := w.take(j.Queue())
	if c.ID != id {
		w.Fatalf("claimed job %d, want job %d", c.ID, id)
	}
	return c
}

// commit writes an outcome that must be written; after a checkpoint the job is
// as its process then knows it.
func (w *world) commit(o *engine.Outcome) {
	w.Helper()
	o.Server = w.srv
	w.must(w.store.Commit(w.ctx, nil, o))
	if o.Checkpoint() {
		checkpointed(o)
	}
}

// ids of claimed jobs.
func ids(list []*engine.ClaimedJob) []engine.JobID {
	var out []engine.JobID
	for _, j := range list {
		out = append(out, j.ID)
	}
	return out
}

// settle completes jobs in a batch and drops their claims.
func (w *world) settle(list ...*engine.ClaimedJob) {
	w.Helper()
	var outcomes []engine.Outcome
	var done []engine.ClaimID
	for _, j := range list {
		outcomes = append(outcomes, *completed(j))
		if !slices.Contains(done, j.Claim) {
			done = append(done, j.Claim)
		}
	}
	lost, err := w.store.Settle(w.ctx, outcomes, done)
	w.must(err)
	if len(lost) > 0 {
		w.Fatalf("jobs %v were lost", lost)
	}
}

// view shows a job.
func (w *world) view(id engine.JobID) *engine.Job {
	w.Helper()
	j, err := w.store.Job(w.ctx, id)
	w.must(err)
	return j
}

// state is where a job stands: "consume/waiting", "completed".
func (w *world) state(id engine.JobID) string {
	w.Helper()
	j := w.view(id)
	return engine.State{Phase: j.Phase, Status: j.Status}.String()
}

// stands wants jobs in a state.
func (w *world) stands(want string, list ...engine.JobID) {
	w.Helper()
	for _, id := range list {
		if got := w.state(id); got != want {
			w.Errorf("job %d: want %s, got %s", id, want, got)
		}
	}
}

// fold folds, and sweeps, until nothing is left to do. What appears below a
// bound may take a moment to be found.
func (w *world) fold() (settled []engine.Settled) {
	w.Helper()
	w.foldOn(w.store, &settled)
	return settled
}

func (w *world) foldOn(s engine.Store, settled *[]engine.Settled) {
	w.Helper()
	w.until("all reports are folded", func() bool {
		_, now, _, err := s.Fold(w.ctx, 500)
		w.must(err)
		if settled != nil {
			*settled = append(*settled, now...)
		}
		return w.count("SELECT COUNT(*) FROM ds_deltas") == 0
	})
}

// sweep cancels items of cancelled jobs, and folds, until nothing is left.
func (w *world) sweep() {
	w.Helper()
	w.until("all cancels are carried on", func() bool {
		_, err := w.store.Sweep(w.ctx, 500)
		w.must(err)
		w.fold()
		return w.count("SELECT COUNT(*) FROM ds_sweeps") == 0
	})
}

// promote makes ready what is due, until nothing is.
func (w *world) promote() {
	w.Helper()
	w.until("all that is due is ready", func() bool {
		_, _, _, err := w.store.Promote(w.ctx, 500)
		w.must(err)
		return w.count("SELECT COUNT(*) FROM ds_delayed WHERE due <= "+w.now(0)) == 0
	})
}

// due makes delayed jobs due now.
func (w *world) due(list ...engine.JobID) {
	w.Helper()
	for _, id := range list {
		at := w.now(-time.Second)
		w.exec(fmt.Sprintf("UPDATE ds_delayed SET due = %s WHERE id = %d", at, id))
		w.exec(fmt.Sprintf("UPDATE ds_jobs SET run_at = %s WHERE id = %d", at, id))
	}
}

// now is the database's time and d, as SQL text.
func (w *world) now(d time.Duration) string {
	w.Helper()
	now, err := w.store.Now(w.ctx)
	w.must(err)
	return "'" + now.Add(d).Format("2006-01-02 15:04:05.000000") + "'"
}

// exec runs SQL beside the store.
func (w *world) exec(q string, args ...any) {
	w.Helper()
	if _, err := w.db.ExecContext(w.ctx, q, args...); err != nil {
		w.Fatalf("%s: %v", q, err)
	}
}

// mariadb says that the server is MariaDB: it has no indexes of expressions.
func (w *world) mariadb() bool {
	w.Helper()
	return w.in.Rows && strings.Contains(w.rows("SELECT VERSION()")[0], "MariaDB")
}

// count is the number that a query gives.
func (w *world) count(q string, args ...any) (n int64) {
	w.Helper()
	if err := w.db.QueryRowContext(w.ctx, q, args...).Scan(&n); err != nil {
		w.Fatalf("%s: %v", q, err)
	}
	return n
}

// rows are a query's rows as text, values between bars.
func (w *world) rows(q string, args ...any) []string {
	w.Helper()
	var list []string
	w.each(q, func(v []sql.NullString) {
		var parts []string
		for _, x := range v {
			if !x.Valid {
				x.String = "NULL"
			}
			parts = append(parts, x.String)
		}
		list = append(list, strings.Join(parts, "|"))
	}, args...)
	return list
}

// each calls f with the values of each row.
func (w *world) each(q string, f func([]sql.NullString), args ...any) {
	w.Helper()
	rows, err := w.db.QueryContext(context.WithoutCancel(w.ctx), q, args...)
	if err != nil {
		w.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	w.must(err)
	for rows.Next() {
		v, p := make([]sql.NullString, len(cols)), make([]any, len(cols))
		for i := range v {
			p[i] = &v[i]
		}
		w.must(rows.Scan(p...))
		f(v)
	}
	w.must(rows.Err())
}

// die ends a process: its store is closed, and its lease, and whatever else
// tells that it lives, is over.
func (w *world) die(s engine.Store, srv engine.ServerID) {
	w.Helper()
	w.must(s.Close())
	w.expire(srv)
}

// expire lets a server's lease run out.
func (w *world) expire(srv engine.ServerID) {
	w.Helper()
	at := w.now(-time.Hour)
	w.exec(fmt.Sprintf("UPDATE ds_servers SET lease_until = %s, seen_at = %s, started_at = %s WHERE id = %d", at, at, at, srv))
}

// bury declares a server dead whose process has died.
func (w *world) bury(srv engine.ServerID) {
	w.Helper()
	for _, row := range w.servers() {
		if row.ID == srv {
			dead, err := w.store.MarkDead(w.ctx, srv, row.Beat)
			w.must(err)
			if !dead {
				w.Fatalf("server %d was not declared dead", srv)
			}
			return
		}
	}
	w.Fatalf("server %d is not there", srv)
}

func (w *world) servers() []engine.ServerRow {
	w.Helper()
	list, err := w.store.Servers(w.ctx, false)
	w.must(err)
	return list
}

// rescue takes back what dead servers hold, and charges losses only. It counts
// the jobs without saying whose they were.
func (w *world) rescue() engine.Rescue {
	w.Helper()
	r, err := w.store.Rescue(w.ctx, func(*engine.ClaimedJob, engine.TypeRecord, *engine.Failure) *engine.Outcome { return nil })
	w.must(err)
	return w.counted(r)
}

// counted is a rescue without whose jobs they were, which must come to as many.
func (w *world) counted(r engine.Rescue) engine.Rescue {
	w.Helper()
	jobs := 0
	for _, n := range r.From {
		jobs += n
	}
	w.same("jobs by server", r.Jobs, jobs)
	r.From = nil
	return r
}

// roughly compares lengths of time.
func roughly(d time.Duration) cmp.Option {
	return cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() <= d })
}

// raw is a value as JSON.
func raw(v any) engine.Raw {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// p gives a variable to a value.
func p[T any](v T) *T { return &v }
