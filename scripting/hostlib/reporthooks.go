package hostlib

import (
	"fmt"
	"maps"
	"slices"

	"github.com/agnivade/levenshtein"
)

// HookFacts are what can be seen of the hooks of a job script.
type HookFacts struct {
	At        map[string]At   // where each is defined that there is
	Unseen    map[string]bool // those of which nothing more can be seen: they are set to what something gives
	Emits     bool            // produce may emit items, or gives ctx away
	EmitsHere bool            // it surely emits some for its own type
	Returns   bool            // produce may return something
	Always    bool            // on all its ways it returns a payload
	Feeds     bool            // consume may emit items, or gives ctx away
	Both      *At             // what produce returns after it has surely emitted an item; nil: nothing
	EmitLine  int             // where that is emitted
	Payload   *At             // what produce surely returns; nil: nothing
}

// Hooks tells of hooks that never run.
func (r *Report) Hooks(h HookFacts) {
	produce, produces := h.At["produce"]
	consume, consumes := h.At["consume"]
	h.Emits = h.Emits || h.Unseen["produce"]
	h.Returns = h.Returns || h.Unseen["produce"]
	h.Feeds = h.Feeds || h.Unseen["consume"] || h.Unseen["redrive"]
	if produces && consumes && !h.Emits && !h.Returns {
		r.Add(consume, "hook", true, "emit items by ctx.emit(...), or return the payload",
			fmt.Sprintf("consume has nothing to do: produce, in line %d, emits no item and returns no payload", produce.Line))
	}
	if produces && !consumes && h.EmitsHere {
		r.Add(produce, "hook", false, "define consume(ctx, item), or give ctx.emit a type", "produce emits items, and there is no consume for them")
	}
	if produces && !consumes && h.Payload != nil {
		r.Add(*h.Payload, "hook", false, "define consume(ctx, item), which gets it, or return nothing", "produce returns a payload, and there is no consume that works on it")
	}
	if h.Both != nil {
		r.Add(*h.Both, "hook", false, "emit all of the work, or return one payload", fmt.Sprintf("produce emits an item, in line %d, and returns a payload: both is an error", h.EmitLine))
	}
	if at, ok := h.At["finish"]; ok && (produces || consumes) && !h.Feeds {
		why := ""
		switch {
		case !produces:
			why = "the job begins in consume, which emits no item"
		case h.Always && !h.Emits:
			why = fmt.Sprintf("produce, in line %d, always returns a payload, and nothing emits an item", produce.Line)
		}
		if why != "" {
			r.Add(at, "hook", true, "do it at the end of consume, or emit the work as items by ctx.emit(...)", "finish never runs: "+why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.At)) {
		if !produces && !consumes {
			r.Add(h.At[name], "hook", false, "define produce(ctx) or consume(ctx, item)", fmt.Sprintf("%s never runs: there is neither produce nor consume", name))
		}
	}
}

// MeantHook says which hook, of those that are not there, a function may be meant to
// be that nothing calls; "" if none. there says whether one is.
func MeantHook(name string, there func(hook string) bool) (hint string) {
	for _, hook := range Hooks {
		if !there(hook.Name) && levenshtein.ComputeDistance(name, hook.Name) <= 2 {
			hint = fmt.Sprintf("did you mean the hook %s?", hook.Signature())
		}
	}
	return hint
}

// MeantTest says that a function that nothing calls may be meant to be a test; "" if
// not.
func MeantTest(name string) string {
	if levenshtein.ComputeDistance(name[:min(len(name), len(TestPrefix))], TestPrefix) <= 2 {
		return fmt.Sprintf("if it is a test, call it %sNAME", TestPrefix)
	}
	return ""
}

// NeverBack are the functions that do not return.
func NeverBack(f *Func) bool {
	return f != nil && slices.Contains([]string{"error", "ctx.retry", "ctx.snooze", "ctx.cancel", "ctx.fail", "t.skip"}, f.String())
}

// Doings are what consume does, by itself and by functions of the file that it calls.
type Doings struct {
	sends   []At
	read    map[string]bool // values of state and vars, such as `vars "n"`
	set     map[string]At
	commits bool
}

// Call notes a call of the host library: where its function stands, where the call
// begins, the name that is its first argument, or "", and whether it tells its receiver
// that it comes again.
func (d *Doings) Call(f *Func, fn, start At, name string, again bool) {
	if d.read == nil {
		d.read, d.set = map[string]bool{}, map[string]At{}
	}
	what := fmt.Sprintf("%s %q", f.Module, name)
	switch full := f.String(); {
	// What is sent, by what is not known to the one who gets it twice. Notifications
	// are not sent again, PUT and DELETE do the same again.
	case slices.Contains([]string{"http.post", "http.patch", "client.post", "client.patch"}, full):
		if !again {
			d.sends = append(d.sends, fn)
		}
	// What commits in the middle of a hook: it does not run again from its beginning.
	case slices.Contains([]string{"ctx.checkpoint", "ctx.batches", "ctx.emit_all"}, full):
		d.commits = true
	case name == "":
	case full == "state.get" || full == "vars.get":
		d.read[what] = true
	case full == "state.set" || full == "vars.set":
		d.set[what] = start
	}
}

// Reruns tells of requests in consume that are made again when the hook runs again
// because another job has changed a value meanwhile that it reads and sets. Items run
// side by side, so that is sure to happen; with one slot, or in produce, it is not.
func (r *Report) Reruns(d *Doings) {
	var both []string
	for what := range d.set {
		if d.read[what] {
			both = append(both, what)
		}
	}
	if d.commits || len(both) == 0 {
		return
	}
	what := slices.Min(both)
	for _, at := range d.sends {
		r.Add(at, "rerun", true, "send it by ctx.on_commit(fn), with a header Idempotency-Key, or keep the count by ctx.count or in a table",
			fmt.Sprintf("this is sent again when another job changes %s meanwhile, which the hook reads, and sets in line %d: it runs again then", what, d.set[what].Line))
	}
}
