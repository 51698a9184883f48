package starscript

import (
	"context"
	"log/slog"
	"sync"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// run is one call of a hook, or one run of a script's top level. It is the
// hostlib.Language of its Call.
type run struct {
	call   hostlib.Call
	thread *starlark.Thread
	ctx    object // the hook's ctx
	file   *file  // of the test that runs

	limit uint64 // steps since base that it may take
	base  uint64
	spare uint64 // steps beyond the limit that probes may take; see cover.go
	halt  error  // why the thread was stopped

	loops   []*loop           // over what readers give; the innermost is the last
	last    reading           // what the loop was at that was left last
	left    uint64            // the steps when that was; 0: none was left since it began
	script  *file             // of the hook
	shared  bool              // an iterator was frozen
	renewed func()            // renew
	cancel  func()            // ends the thread before its next step; others may call it
	scenes  []scene           // of the functions that an error ended
	gave    [8]starlark.Value // dicts that the library gave the script last
	given   int               // how many in all
	item    starlark.Value    // what the hook works on; nil: no item
	frames  []frame           // the functions that run, or have run last, by their depth

	decoder   *hostlib.Decoder[starlark.Value]
	names     []string // see keys
	starNames []starlark.Value
	filling   filling // see fillRow
}

// runKey is where a thread keeps its run.
const runKey = "dsengine"

func runOf(t *starlark.Thread) *run { return t.Local(runKey).(*run) }

// newRun makes a run with a thread of its own.
func newRun(name string, limit int64) *run {
	r := &run{limit: uint64(limit)}
	r.thread = &starlark.Thread{
		Name:       name,
		Print:      func(_ *starlark.Thread, msg string) { r.call.Log(slog.LevelInfo, msg, nil) },
		OnMaxSteps: func(*starlark.Thread) { r.tick() },
		Steps:      lambdaSteps, // so that a probe can take back its own at once
	}
	r.thread.SetLocal(runKey, r)
	r.call.Lang, r.renewed = r, r.renew
	r.cancel = func() { r.thread.Cancel("its time is over") }
	r.renew()
	return r
}

// idle keeps runs that ended well, with their threads and buffers.
var idle = sync.Pool{New: func() any { return newRun("", 0) }}

// hook makes an engine's hook of a script's function.
func (f *file) hook(fn *starlark.Function, name string, host *hostlib.Host, needs *hostlib.Needs) engine.Hook {
	return func(c *engine.Call) (engine.Raw, error) {
		r := idle.Get().(*run)
		r.thread.Name, r.limit, r.spare = name, uint64(c.Type().Settings.Steps), f.spare()
		r.call = hostlib.Call{Lang: r, Hook: c, Host: host, Needs: needs}
		r.loops, r.last, r.left, r.script = r.loops[:0], reading{}, 0, f
		r.ctx = object{run: r, typ: hostlib.CtxType(), self: r.call.Ctx()}
		r.renew()
		c.OnCheckpoint(r.renewed)
		going := context.AfterFunc(c.Context(), r.cancel) // between two looks there may be long calls
		defer going()
		args, err := r.args(c, name)
		if err != nil {
			return nil, r.Failure(err)
		}
		v, err := starlark.Call(r.thread, fn, args, nil)
		if err != nil {
			r.noteArgs(fn, args)
			r.call.Fell(err)
			return nil, r.Failure(r.call.Ended(err))
		}
		if err := c.Poisoned(); err != nil {
			r.call.Fell(err)
			return nil, err
		}
		result, err := r.result(v)
		if err == nil {
			err = r.Failure(r.call.Finish())
		}
		if err == nil && r.halt == nil && r.call.Idle() && going() {
			clear(r.scenes)
			r.scenes, r.gave, r.item = r.scenes[:0], [8]starlark.Value{}, nil
			idle.Put(r)
		}
		return result, err
	}
}

// args are what the hook is called with.
func (r *run) args(c *engine.Call, name string) (starlark.Tuple, error) {
	var second starlark.Value
	var err error
	switch name {
	case engine.PhaseProduce.String():
		return starlark.Tuple{&r.ctx}, nil
	case hostlib.RedriveHook:
		second, err = r.value(hostlib.NewRejected(&r.call))
	case engine.PhaseFinish.String():
		second, err = r.value(hostlib.NewSummary(&r.call))
	default:
		if second = starlark.None; c.Item() != nil {
			second, err = r.decode(c.Item())
			r.item = second
		}
	}
	if err != nil {
		return nil, err
	}
	if name != engine.PhaseFail.String() {
		return starlark.Tuple{&r.ctx, second}, nil
	}
	failed, err := r.value(hostlib.NewErr(c.Failure()))
	return starlark.Tuple{&r.ctx, second, failed}, err
}

// result is what the hook returned, as JSON.
func (r *run) result(v starlark.Value) (engine.Raw, error) {
	if v == starlark.None {
		return nil, nil
	}
	data, err := r.Data(v)
	if err == nil {
		var raw engine.Raw
		if raw, err = hostlib.KeepJSON(data); err == nil {
			return raw, nil
		}
	}
	return nil, hostlib.Errorf("usage", "what %s returned cannot be kept: %v", r.thread.Name, err)
}
