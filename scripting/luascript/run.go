package luascript

import (
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// run is an interpreter with a script, and one call of a hook in it. It is the
// hostlib.Language of its Call.
type run struct {
	call   hostlib.Call
	script *script
	main   *lua.LState
	name   string         // of what runs
	hooked *lua.LFunction // the function of the hook, while it runs
	ctx    *object

	l       *lua.LState // the one that has called a host function last
	top     *thread     // the main part
	cur     *thread     // which runs
	threads map[*lua.LState]*thread

	count   *counter
	limit   int64 // steps since base that it may take
	base    int64
	taken   int64
	granted int64
	halt    error // why the script was stopped
	spoilt  bool  // it is not to be used again
	renewed func()

	find     func(p string) *file // while it is loaded
	above    []string             // the files that are being loaded
	loaded   map[string]lua.LValue
	envs     []*lua.LTable // the globals of each file
	envFiles []string      // which it is
	globals  *lua.LTable   // of the script itself
	sealErrs []frozenError
	fronts   map[*lua.LTable]*lua.LTable // of the contents of tables that are frozen

	integers  integers
	sources   map[sourceID]*source
	lookAgain time.Time // at how much memory it holds
	decoder   *hostlib.Decoder[lua.LValue]
}

// hook makes an engine's hook of a script's function.
func (s *script) hook(name string, host *hostlib.Host, needs *hostlib.Needs) engine.Hook {
	return func(c *engine.Call) (engine.Raw, error) {
		r, _ := s.idle.Get().(*run)
		if r == nil {
			var err error
			if r, err = s.again(); err != nil {
				return nil, r.Failure(err)
			}
		}
		r.call = hostlib.Call{Lang: r, Hook: c, Host: host, Needs: needs}
		r.name, r.limit = name, c.Type().Settings.Steps
		r.l, r.cur = r.main, r.top
		if r.ctx == nil {
			r.ctx = r.object(hostlib.CtxType(), nil).Value.(*object)
		}
		r.ctx.self = r.call.Ctx()
		r.renew()
		c.OnCheckpoint(r.renewed)
		unwatch := watch(r)
		result, err := r.hook(c)
		unwatch()
		idle := err == nil && r.halt == nil && !r.spoilt && r.call.Idle() && len(r.threads) == 0
		r.stopThreads()
		if idle {
			s.idle.Put(r)
		}
		return result, err
	}
}

// hook calls the function of a hook.
func (r *run) hook(c *engine.Call) (engine.Raw, error) {
	args, err := r.args(c)
	if err != nil {
		return nil, r.Failure(err)
	}
	r.hooked = r.globals.RawGetString(r.name).(*lua.LFunction)
	v, err := r.callback(r.main, r.hooked, args...)
	r.hooked = nil
	if err != nil {
		r.call.Fell(err)
		r.stopThreads() // those that wait within pcall
		return nil, r.Failure(r.call.Ended(err))
	}
	r.top.leaveFrom(0) // goto can leave a loop
	if err := c.Poisoned(); err != nil {
		return nil, err
	}
	result, err := r.result(v)
	if err == nil {
		r.stopThreads() // those that wait within pcall
		err = r.Failure(r.call.Finish())
	}
	return result, err
}

// args are what the hook is called with.
func (r *run) args(c *engine.Call) ([]lua.LValue, error) {
	var second lua.LValue = lua.LNil
	var err error
	switch r.name {
	case engine.PhaseProduce.String():
		return []lua.LValue{r.ctx.handle}, nil
	case hostlib.RedriveHook:
		second, err = r.outer(hostlib.NewRejected(&r.call))
	case engine.PhaseFinish.String():
		second, err = r.outer(hostlib.NewSummary(&r.call))
	default:
		if c.Item() != nil {
			if second, err = r.decode(c.Item()); second == lua.LValue(null) {
				second = lua.LNil
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if r.name != engine.PhaseFail.String() {
		return []lua.LValue{r.ctx.handle, second}, nil
	}
	failed, err := r.outer(hostlib.NewErr(c.Failure()))
	return []lua.LValue{r.ctx.handle, second, failed}, err
}

// result is what the hook returned, as JSON.
func (r *run) result(v lua.LValue) (engine.Raw, error) {
	if isNull(v) {
		return nil, nil
	}
	data, err := r.Data(v)
	if err == nil {
		var raw engine.Raw
		if raw, err = hostlib.KeepJSON(data); err == nil {
			return raw, nil
		}
	}
	return nil, hostlib.Errorf("usage", "what %s returned cannot be kept: %v", r.name, err)
}

// nameOf is how a function is called.
func (s *script) nameOf(fn *lua.LFunction) string {
	switch {
	case fn.IsG:
		return "a function of dsengine"
	case fn.Proto.LineDefined == 0:
		return "<toplevel>"
	}
	if f := s.shown(fn.Proto.SourceName); f != nil && f.names[fn.Proto.LineDefined] != "" {
		return f.names[fn.Proto.LineDefined]
	}
	return "function"
}
