package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"unicode/utf8"
)

// Enqueue makes jobs, all of them or none, and says what became of each: with
// a key, one that exists may stand for it.
func (e *Engine) Enqueue(ctx context.Context, jobs ...NewJob) ([]Enqueued, error) {
	ins, err := e.resolveAll(ctx, jobs, true)
	if err != nil {
		return nil, err
	}
	return e.store.Enqueue(ctx, ins)
}

// EnqueueTx makes jobs within the caller's own transaction on the job
// database: they come to be when, and only if, it commits. On SQLite tx must
// come from the store's own database handle. A type that nobody knows yet is
// CodeNotFound: make it known before, by RegisterTypes. CodeRetry: the
// transaction was ended by a dead-lock or a changed snapshot; run it again.
func (e *Engine) EnqueueTx(ctx context.Context, tx *sql.Tx, jobs ...NewJob) ([]Enqueued, error) {
	ins, err := e.resolveAll(ctx, jobs, false)
	if err != nil {
		return nil, err
	}
	return e.store.EnqueueTx(ctx, tx, ins)
}

func (e *Engine) resolveAll(ctx context.Context, jobs []NewJob, register bool) ([]JobInsert, error) {
	ins := make([]JobInsert, len(jobs))
	for i, j := range jobs {
		if len(j.Payload) > MaxPayload {
			return nil, Errorf(CodeUsage, "a payload of %d bytes is too large: at most %d", len(j.Payload), MaxPayload)
		}
		if j.Payload != nil && !isJSON(j.Payload) {
			return nil, Errorf(CodeUsage, "the payload of a job of type %q is no JSON: %.60q", j.Type, j.Payload)
		}
		var err error
		if ins[i], err = e.resolve(ctx, j, register); err != nil {
			return nil, err
		}
	}
	e.secrets.strikeJobs(ins)
	return ins, nil
}

// noHook says that a job would wait for a hook that its type does not have.
func noHook(t TypeRecord, p Phase) error {
	return Errorf(CodeUsage, "job type %q has no %s: a job of it would wait there for ever", t.Name, p)
}

// resolve finds the type of a job to be made and fills in what it says. A type
// that nobody knows is registered, where that may be, if the job says its first
// phase.
func (e *Engine) resolve(ctx context.Context, j NewJob, register bool) (JobInsert, error) {
	t, err := e.Type(ctx, j.Type)
	if CodeOf(err) == CodeNotFound && j.Phase != 0 && register {
		if err := CheckTypeName(j.Type); err != nil {
			return JobInsert{}, err
		}
		if _, err := e.store.SaveTypes(ctx, []TypeRecord{{Name: j.Type}}); err != nil {
			return JobInsert{}, err
		}
		if err := e.refreshTypes(ctx); err != nil {
			return JobInsert{}, err
		}
		t, err = e.Type(ctx, j.Type)
	}
	if err != nil {
		return JobInsert{}, err
	}
	in := JobInsert{
		Type: t.ID, Phase: j.Phase, Priority: t.Priority, Instance: j.Instance, Payload: j.Payload,
		Key: j.Key, Unique: j.Unique, Replace: j.Replace, Delay: j.After, At: j.At,
	}
	switch {
	case in.Phase == 0 && t.Hooks == 0:
		return in, Errorf(CodeNotFound, "no script has said where a job of type %q begins", j.Type).WithHint("give its first phase")
	case in.Phase == 0:
		in.Phase = t.Hooks.First()
	case in.Phase != PhaseProduce && in.Phase != PhaseConsume:
		return in, Errorf(CodeUsage, "a job begins in produce or consume, not in %s", in.Phase)
	case t.Hooks != 0 && !t.Hooks.Has(in.Phase):
		return in, noHook(t, in.Phase)
	}
	if j.Priority != nil {
		in.Priority = *j.Priority
	}
	if in.Priority < -100 || in.Priority > 100 {
		return in, Errorf(CodeUsage, "priority must be from -100 to 100, not %d", in.Priority)
	}
	if len(j.Key) > MaxKeyLen {
		return in, Errorf(CodeUsage, "a key has at most %d bytes, not %d: %.40q...", MaxKeyLen, len(j.Key), j.Key)
	}
	if !utf8.ValidString(j.Key) || !utf8.ValidString(j.Instance) {
		return in, Errorf(CodeUsage, "a key, or an instance's name, is no valid UTF-8: %.40q %.40q", j.Key, j.Instance)
	}
	if len(j.Instance) > MaxNameLen {
		return in, Errorf(CodeUsage, "the name of an instance has at most %d bytes, not %d", MaxNameLen, len(j.Instance))
	}
	if j.Key == "" && (j.Unique != Unique{} || j.Replace) {
		return in, Errorf(CodeUsage, "unique and replace need a key")
	}
	if j.After < 0 {
		return in, Errorf(CodeUsage, "after must not be negative")
	}
	if j.Window != nil {
		w, err := j.Window.check()
		if err != nil {
			return in, err
		}
		in.Window = &w
	}
	return in, nil
}

// isJSON says whether a text is JSON, which is UTF-8: json.Valid takes any bytes in strings.
func isJSON(text []byte) bool { return json.Valid(text) && utf8.Valid(text) }
