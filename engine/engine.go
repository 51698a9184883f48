package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Options are for Open. The zero value is ready to use.
type Options struct {
	Clock  Clock        // default: the machine's
	Logger *slog.Logger // default: nothing is logged
	// ReadOnly leaves the tables alone: for commands that only look. On a
	// database without tables they get CodeEmpty.
	ReadOnly bool
	// Secrets are struck out of all that is written; default: an empty set of its
	// own. A process gives the same one to all that print.
	Secrets *Secrets
}

// Engine schedules and tracks jobs in one database. It runs none unless told
// to: see NewServer. Its methods may be called by many goroutines at once.
type Engine struct {
	store   Store
	clock   Clock
	log     *slog.Logger
	secrets *Secrets

	mu    sync.RWMutex
	types map[string]TypeRecord
	read  time.Duration // when, by Clock.Boot
}

// typesFor is how long what was read of the types is taken to be so: another
// process may have registered a newer script since.
const typesFor = 5 * time.Second

// Open makes an engine over a store, and the tables if they are missing. The
// store stays the caller's to close.
func Open(ctx context.Context, store Store, o Options) (*Engine, error) {
	if o.Clock == nil {
		o.Clock = SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Secrets == nil {
		o.Secrets = NewSecrets()
	}
	e := &Engine{store: store, clock: o.Clock, log: o.Secrets.Logger(o.Logger), secrets: o.Secrets, types: map[string]TypeRecord{}}
	if o.ReadOnly {
		if err := store.CheckSchema(ctx); err != nil {
			return nil, err
		}
	} else {
		m, err := store.Migrate(ctx)
		if err != nil {
			return nil, err
		}
		if len(m.Applied) > 0 {
			e.log.Info("made the tables", "versions", m.Applied)
		}
	}
	return e, nil
}

// Store is the database under the engine, for what the engine does not wrap.
func (e *Engine) Store() Store { return e.store }

// Type is what the database knows of a job type; CodeNotFound if it never was
// registered.
func (e *Engine) Type(ctx context.Context, name string) (TypeRecord, error) {
	now := e.clock.Boot()
	e.mu.RLock()
	t, ok := e.types[name]
	fresh := now-e.read <= typesFor
	e.mu.RUnlock()
	if ok && fresh {
		return t, nil
	}
	if err := e.refreshTypes(ctx); err != nil {
		return TypeRecord{}, err
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	if t, ok = e.types[name]; !ok {
		return t, Errorf(CodeNotFound, "there is no job type %q", name).WithHint("no script of that name was ever run on this database; give its first phase, or run it once")
	}
	return t, nil
}

// refreshTypes reads the types again.
func (e *Engine) refreshTypes(ctx context.Context) error {
	began := e.clock.Boot()
	records, err := e.store.Types(ctx)
	if err != nil {
		return err
	}
	m := make(map[string]TypeRecord, len(records))
	for _, r := range records {
		m[r.Name] = r
	}
	e.mu.Lock()
	e.types, e.read = m, began
	e.mu.Unlock()
	return nil
}

// RegisterTypes makes types known to the database without running them, so
// that jobs of them can be enqueued.
func (e *Engine) RegisterTypes(ctx context.Context, types ...*Type) (map[string]TypeID, error) {
	records := make([]TypeRecord, len(types))
	for i, t := range types {
		if err := t.Validate(); err != nil {
			return nil, err
		}
		records[i] = t.record()
	}
	ids, err := e.store.SaveTypes(ctx, records)
	if err != nil {
		return nil, err
	}
	return ids, e.refreshTypes(ctx)
}
