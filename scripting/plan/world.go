package plan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// Options are for New.
type Options struct {
	// Open opens the job database. One that has a single writer is a copy in the
	// folder; nothing may be changed in any other.
	Open func(ctx context.Context, dir string) (engine.Store, error)
	// Connect opens a database that scripts reach by a name, under the same rule;
	// nil: there are none.
	Connect func(ctx context.Context, dir, name string, readOnly bool) (engine.Connection, error)
	Files   string          // the files folder
	Secrets *engine.Secrets // struck out of what is reported; nil: none
	Log     *slog.Logger    // nil: nothing is logged
	Items   int             // how many items are run; 0: all
	Timeout time.Duration   // of the whole plan; default 1m
	Keep    bool            // remember what a test needs that does the same: see Save
}

// DefaultTimeout is how long a plan may take: so long it may hold locks.
const DefaultTimeout = time.Minute

// World is where one job is planned. It belongs to one goroutine, and is used once.
type World struct {
	opts    Options
	dir     *sqlitestore.Folder
	ctx     context.Context
	stop    context.CancelCauseFunc
	cancel  context.CancelFunc
	target  engine.Store // the job database, or a copy
	bare    bool         // it has no tables of the engine
	scratch *sqlitestore.Store
	step    *engine.Stepper
	dry     *hostlib.Dry
	typ     *engine.Type
	replay  *replayed // nil: a new job is planned
	root    engine.JobID

	types  map[string]engine.TypeID // of the real database, by name
	names  map[engine.TypeID]string // of the scratch one
	scopes map[engine.Scope]map[string]engine.VariableRow
	txs    map[string]*tx
	conns  map[string]*connection
	held   map[heldKey]engine.KeyHolder // keys of jobs that the plan would enqueue

	mu       sync.Mutex
	report   *Report
	jobs     []engine.JobID // whose hooks were run, in order
	ran      map[engine.JobID]bool
	left     int // items that were not run
	kept     kept
	recalled bool               // the job has added what it had counted before to what it counts
	leftOut  []string           // see LeftOut
	windows  []engine.WindowEnd // stored ends, as they are
}

type heldKey struct {
	typ           engine.TypeID
	instance, key string
}

// New makes a world, in a temporary folder. Close it.
func New(ctx context.Context, o Options) (_ *World, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Secrets == nil {
		o.Secrets = engine.NewSecrets()
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	w := &World{
		opts: o, types: map[string]engine.TypeID{}, names: map[engine.TypeID]string{}, txs: map[string]*tx{}, conns: map[string]*connection{},
		scopes: map[engine.Scope]map[string]engine.VariableRow{}, held: map[heldKey]engine.KeyHolder{}, ran: map[engine.JobID]bool{},
		report: newReport(),
	}
	ctx, w.stop = context.WithCancelCause(ctx)
	w.ctx, w.cancel = context.WithTimeoutCause(ctx, o.Timeout, engine.Errorf(engine.CodeInternal, "the plan takes longer than %s, for which it may hold locks (--timeout)", engine.FormatDuration(o.Timeout)))
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if w.dir, err = sqlitestore.NewFolder(ctx, "", "dsengine-plan-"); err != nil {
		return nil, fmt.Errorf("make a folder for the plan: %w", err)
	}
	upper := filepath.Join(w.dir.Path, "files")
	if err := os.Mkdir(upper, 0o700); err != nil {
		return nil, err
	}
	w.dry = &hostlib.Dry{Files: hostlib.NewOverlay(upper), Send: w.send, Note: w.effect}
	w.kept.stop = func(message string) error {
		err := w.replay.cannot("%s", message)
		w.stop(err)
		return err
	}
	if o.Keep {
		w.dry.Files.Looked, w.dry.Touch = w.kept.looked, w.touch
	}
	if w.target, err = o.Open(w.ctx, w.dir.Path); err != nil {
		return nil, err
	}
	return w, w.look()
}

// look reads what the real database knows of types.
func (w *World) look() error {
	if err := w.target.CheckSchema(w.ctx); err != nil {
		about, derr := w.target.Describe(w.ctx)
		if derr != nil || about.Schema != 0 {
			return err
		}
		w.bare = true
		return nil
	}
	records, err := w.target.Types(w.ctx)
	for _, r := range records {
		w.types[r.Name] = r.ID
	}
	return err
}

// Close ends all transactions, by rolling them back, and removes the folder.
func (w *World) Close() error {
	var errs []error
	ctx := context.WithoutCancel(w.ctx)
	for _, t := range w.txs {
		t.inner.Close()
	}
	if w.step != nil {
		errs = append(errs, w.step.Close(ctx))
	}
	if w.scratch != nil {
		errs = append(errs, w.scratch.Close())
	}
	for _, c := range w.conns {
		errs = append(errs, c.Connection.Close())
	}
	if w.target != nil {
		errs = append(errs, w.target.Close())
	}
	w.cancel()
	w.stop(nil)
	if w.dir != nil {
		errs = append(errs, w.dir.Remove())
	}
	return errors.Join(errs...)
}

// Dry is what scripts must be loaded with; so must be the World itself, as the
// Connector.
func (w *World) Dry() *hostlib.Dry { return w.dry }

// Store is the job database, to look at.
func (w *World) Store() engine.Store { return w.target }

// Context ends when the plan must.
func (w *World) Context() context.Context { return w.ctx }

// lost ends the plan because a transaction is over.
func (w *World) lost(name string) func(error) {
	return func(err error) {
		where := "the job database"
		if name != "" {
			where = fmt.Sprintf("connection %q", name)
		}
		w.stop(engine.Wrapf(engine.CodeRetry, err, "%s ended the transaction of the plan, and all that it had written was rolled back", where).
			WithHint("plan it again; a deadlock with a running job, or a lost connection, is the usual cause"))
	}
}

// connection is a database that scripts reach by a name, never committed to.
type connection struct {
	engine.Connection
	w   *World
	key string
	of  string
}

// Connect opens a database by its name.
func (w *World) Connect(ctx context.Context, name string, readOnly bool) (engine.Connection, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprint(name, " ", readOnly)
	if c := w.conns[key]; c != nil {
		return c, nil
	}
	if w.opts.Connect == nil {
		return nil, engine.Errorf(engine.CodeUsage, "there is no connection %q", name)
	}
	dir, err := os.MkdirTemp(w.dir.Path, "connection-")
	if err != nil {
		return nil, err
	}
	inner, err := w.opts.Connect(ctx, dir, name, readOnly)
	if engine.CodeOf(err) == engine.CodeUnreachable && ctx.Err() == nil {
		return nil, engine.Wrapf(engine.CodeConnection, err, "a job would wait for this database")
	}
	if err != nil {
		return nil, err
	}
	c := &connection{inner, w, key, name}
	w.conns[key] = c
	return c, nil
}

// Begin gives a hook's session in the plan's transaction.
func (c *connection) Begin(o engine.SessionOptions) engine.Joined {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.txs[c.key]
	if t == nil {
		o.Dry = true
		t = newTx(c.of, c.Connection.Begin(o), w.lost(c.of))
		if w.opts.Keep {
			t.kept = &w.kept
		}
		w.txs[c.key] = t
	}
	return session{t}
}

// own gives a hook's session in the plan's transaction on the job database.
func (w *World) own(o engine.SessionOptions) engine.Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.txs[""]
	if t == nil {
		o.Dry = true
		t = newTx("", w.target.Begin(o), w.lost(""))
		if w.opts.Keep {
			t.kept = &w.kept
		}
		w.txs[""] = t
	}
	return session{t}
}

// prepare makes the scratch tables, and has them know what the plan needs.
func (w *World) prepare(types []*engine.Type, typ *engine.Type) (*engine.Engine, error) {
	dir := filepath.Join(w.dir.Path, "scratch")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	// A copy of a file that is not there is an empty one.
	if w.scratch, err = sqlitestore.OpenSnapshot(w.ctx, filepath.Join(dir, "none.db"), dir, sqlitestore.Options{Logger: w.opts.Log}); err != nil {
		return nil, fmt.Errorf("make the plan's own tables: %w", err)
	}
	if !w.bare {
		records, err := w.target.Types(w.ctx)
		if err != nil {
			return nil, err
		}
		if len(records) > 0 {
			if _, err := w.scratch.SaveTypes(w.ctx, records); err != nil {
				return nil, err
			}
		}
	}
	eng, err := engine.Open(w.ctx, &store{Store: w.scratch, w: w}, engine.Options{Logger: w.opts.Log, ReadOnly: true, Secrets: w.opts.Secrets})
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	mine := make([]*engine.Type, len(types))
	for i, t := range types {
		c := *t
		c.Settings.Servers = nil // it is looked at here, wherever it runs
		mine[i] = &c
		if t == typ {
			w.typ = &c
		}
	}
	// A lease is of no meaning here; the longest is never over.
	if w.step, err = eng.NewStepper(w.ctx, engine.ServerOptions{Types: mine, Name: host, Lease: time.Hour}); err != nil {
		return nil, err
	}
	w.step.Before = w.before
	records, err := w.scratch.Types(w.ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		w.names[r.ID] = r.Name
	}
	return eng, w.seed()
}

// seed copies how far windows have come, and has ids of jobs begin after those
// that there are.
func (w *World) seed() error {
	if w.bare {
		return nil
	}
	if id, ok := w.types[w.typ.Name]; ok {
		ends, err := w.target.WindowEnds(w.ctx, id)
		if err != nil {
			return err
		}
		w.windows = ends
		for _, e := range ends {
			if err := w.scratch.SetWindowEnd(w.ctx, w.scratchType(w.typ.Name), e); err != nil {
				return err
			}
		}
	}
	newest, err := w.target.Jobs(w.ctx, engine.JobFilter{Limit: 1})
	if err != nil {
		return err
	}
	var after engine.JobID
	if len(newest) > 0 {
		after = newest[0].ID
	}
	if w.replay != nil { // the job has its own number, as its records know it
		after = w.replay.job.ID - 1
	}
	return w.scratch.After(w.ctx, after)
}

// scratchType is a type's number in the scratch tables.
func (w *World) scratchType(name string) engine.TypeID {
	for id, n := range w.names {
		if n == name {
			return id
		}
	}
	return 0
}

// realType is the number of a type in the real database, of one in the scratch
// tables. A type that is not known there gets a number that none has.
func (w *World) realType(id engine.TypeID) engine.TypeID {
	if id == 0 {
		return 0
	}
	if real, ok := w.types[w.names[id]]; ok {
		return real
	}
	return 1<<28 - 1 - id
}

// errEnough ends the work before all items were looked at.
var errEnough = errors.New("enough items were looked at")

// maxPassed is how many items that are not run are passed over one by one, so that
// what comes after them is run.
const maxPassed = 1000

// before is called before each hook: it counts, and leaves items out.
func (w *World) before(j *engine.ClaimedJob, hook engine.Hook) (engine.Hook, error) {
	if j.ID == w.root && w.replay != nil {
		if h := w.replay.adjust(j, w.typ); h != nil {
			hook = h
		}
	}
	nothing := func(*engine.Call) (engine.Raw, error) { return nil, nil }
	switch {
	case j.Phase == engine.PhaseFinish && w.left > 0:
		w.say("finish was not run, because not all items were")
		return nothing, nil
	case j.ID != w.root && !w.ran[j.ID] && w.opts.Items > 0 && len(w.ran) >= w.opts.Items:
		if w.left++; w.left > maxPassed {
			return nil, errEnough
		}
		return nothing, nil
	}
	if j.ID != w.root {
		w.ran[j.ID] = true
	}
	if !slices.Contains(w.jobs, j.ID) {
		w.jobs = append(w.jobs, j.ID)
	}
	run := &Hook{Job: j.ID, Type: w.names[j.Type], Phase: j.Phase, Attempt: j.Attempt()}
	if j.ID != w.root {
		run.Item = j.Item
		if run.Item == nil {
			run.Item = j.Payload
		}
	}
	w.report.hook(run)
	return func(c *engine.Call) (engine.Raw, error) {
		began := time.Now()
		result, err := hook(c)
		run.Millis = float64(time.Since(began).Microseconds()) / 1000
		return result, err
	}, nil
}

// say notes in what the plan is not as a real run is.
func (w *World) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.report.Notes, text) {
		w.report.Notes = append(w.report.Notes, text)
	}
}

// effect is told of what was not done.
func (w *World) effect(e hostlib.Effected) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.EffectCount++
	if len(w.report.Effects) < maxListed {
		w.report.Effects = append(w.report.Effects, e)
	}
}

// Job is what is planned.
type Job struct {
	Type     *engine.Type // one of those that the world was given
	Payload  engine.Raw
	Instance string
	Window   *engine.Window
}

// Plan says what a job would do now. The error is of the plan itself; how the job
// fails is in the report.
func (w *World) Plan(types []*engine.Type, j Job) (*Report, error) {
	began := time.Now()
	eng, err := w.prepare(types, j.Type)
	if err != nil {
		return nil, w.why(err)
	}
	return w.run(eng, engine.NewJob{Type: j.Type.Name, Payload: j.Payload, Instance: j.Instance, Window: j.Window}, began)
}

// run works the job until nothing is due any more.
func (w *World) run(eng *engine.Engine, j engine.NewJob, began time.Time) (*Report, error) {
	made, err := eng.Enqueue(w.ctx, j)
	if err != nil {
		return nil, w.why(err)
	}
	w.root = made[0].ID
	if _, err := w.step.Work(w.ctx); err != nil && !errors.Is(err, errEnough) && w.ctx.Err() == nil {
		return nil, err
	}
	if w.ctx.Err() != nil {
		return nil, w.why(context.Cause(w.ctx))
	}
	return w.finish(began)
}

// why is why the plan ended, where that was not because of what it did last.
func (w *World) why(err error) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}
