package luascript

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dsengine/dsengine/engine"
	lua "github.com/yuin/gopher-lua"
)

// No interpreter bounds memory. What a function of ours makes is bounded; but
// tables grow by the interpreter's own instructions. So while scripts run, the
// process's memory is looked at, and where it is short, each of them looks
// how much it holds. Objects of the host library are not seen.
var watched = struct {
	sync.Mutex
	runs  map[*run]struct{}
	awake bool
}{runs: map[*run]struct{}{}}

// lookMemory is how often the process's memory is looked at.
const lookMemory = 10 * time.Millisecond

// leastHeld is what a script may always hold.
var leastHeld int64 = 64 << 20

// watch has a run be looked after, until unwatch: it looks at once when its time is
// over, because some single steps take long, and when memory is short.
func watch(r *run) (unwatch func()) {
	stop := context.AfterFunc(r.call.Context(), func() { r.count.pressed.Store(true) })
	watched.Lock()
	defer watched.Unlock()
	watched.runs[r] = struct{}{}
	if !watched.awake {
		watched.awake = true
		go watcher()
	}
	return func() {
		stop()
		watched.Lock()
		defer watched.Unlock()
		delete(watched.runs, r)
	}
}

// watcher presses the runs where memory is short. It ends when there were none
// for a while.
func watcher() {
	tick := time.NewTicker(lookMemory)
	defer tick.Stop()
	for idle := 0; ; idle++ {
		<-tick.C
		if func() bool {
			watched.Lock()
			defer watched.Unlock()
			if len(watched.runs) > 0 {
				idle = 0
			}
			if idle > 1000 {
				watched.awake = false
				return true
			}
			if idle == 0 && heap() > memoryLimit() {
				for r := range watched.runs {
					r.count.pressed.Store(true)
				}
			}
			return false
		}() {
			return
		}
	}
}

// heap is how much memory the process's values take.
func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// memoryLimit is above what memory is short: half of what the machine, the control
// group, GOMEMLIMIT or the limit of the process's addresses (ulimit -v) leaves.
var memoryLimit = sync.OnceValue(func() int64 {
	least := int64(8 << 30)
	if n := debug.SetMemoryLimit(-1); n != math.MaxInt64 {
		least = min(least, n)
	}
	for _, ask := range []memlimit.Provider{memlimit.FromCgroup, memlimit.FromSystem, addressLimit} {
		if n, err := ask(); err == nil && n > 0 {
			least = int64(min(uint64(least), n))
		}
	}
	return least / 2
})

// tooLarge says why a script must end that takes too much memory, if it does.
func (r *run) tooLarge() error {
	limit := memoryLimit()
	begin := time.Now()
	if begin.Before(r.lookAgain) || heap() <= limit {
		return nil
	}
	watched.Lock()
	share := max(limit/int64(2*max(len(watched.runs), 1)), leastHeld)
	watched.Unlock()
	h := &holding{enough: share, seen: map[any]bool{}, until: begin.Add(longestLook), over: r.over}
	if h.run(r); h.bytes < share && !(h.late && heap() > limit+limit/2) { // there is no time left to find out whose it is
		r.lookAgain = time.Now().Add(3 * time.Since(begin)) // it takes a quarter of the time at most
		return nil
	}
	holds := fmt.Sprintf("more than %d MB", share>>20)
	if h.bytes < share {
		holds = "more values than can be counted in time"
	}
	return &engine.Failure{
		Kind: engine.KindLimit, Code: "limit.memory", Retryable: true,
		Message: fmt.Sprintf("%s holds %s, and memory is short: work on what is large in parts, by iterators", r.name, holds),
	}
}

// What a table keeps room for stays when its elements are taken out again, and only
// the interpreter's own fields tell.
var arrayField, keysField = tableField("array"), tableField("keys")

func tableField(name string) []int {
	f, ok := reflect.TypeFor[lua.LTable]().FieldByName(name)
	if !ok || f.Type.Kind() != reflect.Slice {
		panic("luascript: the interpreter's tables have no slice " + name + " any more")
	}
	return f.Index
}

// longestLook bounds how long is looked at what one script holds.
const longestLook = 300 * time.Millisecond

// holding adds up what a script can reach, up to what is enough, or as far as there
// is time for.
type holding struct {
	bytes, enough int64
	until         time.Time
	over          func() bool
	looked        int
	late          bool // not all was looked at
	seen          map[any]bool
	queue         []lua.LValue
}

func (h *holding) run(r *run) {
	for _, t := range append([]*thread{r.top}, threadsOf(r)...) {
		if t.fn != nil {
			h.add(t.fn)
		}
		for _, v := range t.given {
			h.add(v)
		}
		for level := range maxFrames {
			dbg, ok := t.l.GetStack(level)
			if !ok {
				break
			}
			fn, _ := t.l.GetInfo("f", dbg, lua.LNil)
			h.add(fn)
			for no := 1; ; no++ {
				name, v := t.l.GetLocal(dbg, no)
				if name == "" {
					break
				}
				h.add(v)
			}
		}
	}
	for _, env := range r.envs {
		h.add(contents(env))
	}
	for len(h.queue) > 0 && h.bytes < h.enough && !h.late {
		v := h.queue[len(h.queue)-1]
		h.queue = h.queue[:len(h.queue)-1]
		h.look(v)
	}
}

func threadsOf(r *run) (list []*thread) {
	for _, t := range r.threads {
		list = append(list, t)
	}
	return list
}

// add notes a value, which is looked into later.
func (h *holding) add(v lua.LValue) {
	if h.looked++; h.looked%10_000 == 0 {
		h.late = h.late || h.over() || time.Now().After(h.until)
	}
	switch v := v.(type) {
	case lua.LString:
		h.bytes += 16 + int64(len(v))
	case *lua.LTable, *lua.LFunction:
		if !h.seen[v] {
			h.seen[v] = true
			h.queue = append(h.queue, v)
		}
	case *lua.LUserData:
		if m, ok := v.Value.(*matches); ok {
			h.bytes += int64(len(m.s) + len(m.p))
		}
	}
}

func (h *holding) look(v lua.LValue) {
	switch v := v.(type) {
	case *lua.LFunction:
		h.bytes += 100
		for _, uv := range v.Upvalues {
			if uv != nil {
				h.add(uv.Value())
			}
		}
	case *lua.LTable:
		in := reflect.ValueOf(v).Elem()
		h.bytes += 120 + 16*int64(in.FieldByIndex(arrayField).Cap()+in.FieldByIndex(keysField).Cap())
		if f := frozenOf(v); f != nil {
			h.add(f.contents)
		}
		if v.Metatable != lua.LNil {
			h.add(v.Metatable)
		}
		n := v.Len()
		for i := 1; i <= n && h.bytes < h.enough && !h.late; i++ {
			h.add(v.RawGetInt(i))
		}
		var from lua.LValue = lua.LNil
		if n > 0 {
			from = lua.LNumber(n)
		}
		for k, e := v.Next(from); k != lua.LNil && h.bytes < h.enough && !h.late; k, e = v.Next(k) {
			h.bytes += 100
			h.add(k)
			h.add(e)
		}
	}
}
