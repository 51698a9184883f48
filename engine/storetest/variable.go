package storetest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/engine"
)

// value reads a shared variable.
func (w *world) value(name string) engine.Variable {
	w.Helper()
	v, err := w.store.Variable(w.ctx, engine.Scope{}, name)
	w.must(err)
	return v
}

// set writes a shared variable.
func (w *world) set(name string, v engine.Raw, seen int64) error {
	return w.store.SetVariables(w.ctx, []engine.VariableWrite{{Name: name, Value: v, Seen: seen}})
}

var variableCases = []testCase{
	{"each write raises the version", func(w *world) {
		w.same("unset", engine.Variable{}, w.value("v"))
		w.must(w.set("v", raw("a"), -1))
		w.same("set", engine.Variable{Value: raw("a"), Version: 1}, w.value("v"))
		w.must(w.set("v", raw("b"), -1))
		w.same("set again", engine.Variable{Value: raw("b"), Version: 2}, w.value("v"))
		w.must(w.set("v", raw("c"), 2))
		w.same("set by one who looked", engine.Variable{Value: raw("c"), Version: 3}, w.value("v"))
		w.must(w.set("v", raw("c"), 3))
		w.same("set to the same", int64(4), w.value("v").Version)
	}},
	{"a version that is not the seen one is a conflict", func(w *world) {
		w.must(w.set("v", raw("a"), -1))
		for _, seen := range []int64{0, 2, 99} {
			w.code(fmt.Sprint("seen ", seen), engine.CodeConflict, w.set("v", raw("b"), seen))
		}
		w.code("seen and not there", engine.CodeConflict, w.set("other", raw("b"), 1))
		w.same("value", engine.Variable{Value: raw("a"), Version: 1}, w.value("v"))
		w.must(w.set("new", raw("n"), 0))
		w.same("set by one who saw none", engine.Variable{Value: raw("n"), Version: 1}, w.value("new"))
	}},
	{"a deletion raises the version, and it never comes back", func(w *world) {
		w.must(w.set("v", raw("a"), -1))
		w.must(w.set("v", nil, 1))
		w.same("deleted", engine.Variable{Version: 2}, w.value("v"))
		w.code("one who saw the value", engine.CodeConflict, w.set("v", raw("b"), 1))
		w.must(w.set("v", raw("b"), 2))
		w.same("set again", engine.Variable{Value: raw("b"), Version: 3}, w.value("v"))
	}},
	{"scopes are apart, and names differ by case", func(w *world) {
		t := w.typ("t")
		scopes := []engine.Scope{{}, {Type: t}, {Type: t, Instance: "i"}, {Type: t, Instance: "I"}}
		names := []string{"n", "N", "n ", "ñ"}
		var writes []engine.VariableWrite
		for i, s := range scopes {
			for k, n := range names {
				writes = append(writes, engine.VariableWrite{Scope: s, Name: n, Value: raw(10*i + k), Seen: 0})
			}
		}
		w.must(w.store.SetVariables(w.ctx, writes))
		for _, x := range writes {
			v, err := w.store.Variable(w.ctx, x.Scope, x.Name)
			w.must(err)
			w.same(fmt.Sprintf("%v %q", x.Scope, x.Name), string(x.Value), string(v.Value))
		}
		got, err := w.store.VariableNames(w.ctx, scopes[2])
		w.must(err)
		w.same("names, in order", []string{"N", "n", "n ", "ñ"}, got)
	}},
	{"names leave out what was deleted", func(w *world) {
		w.must(w.set("a", raw(1), -1))
		w.must(w.set("b", raw(1), -1))
		w.must(w.set("a", nil, -1))
		got, err := w.store.VariableNames(w.ctx, engine.Scope{})
		w.must(err)
		w.same("names", []string{"b"}, got)
	}},
	{"all writes of a call are made, or none", func(w *world) {
		w.must(w.set("taken", raw(1), -1))
		w.code("SetVariables", engine.CodeConflict, w.store.SetVariables(w.ctx, []engine.VariableWrite{
			{Name: "a", Value: raw(1), Seen: -1}, {Name: "taken", Value: raw(2), Seen: 0}, {Name: "z", Value: raw(1), Seen: -1},
		}))
		got, err := w.store.VariableNames(w.ctx, engine.Scope{})
		w.must(err)
		w.same("names", []string{"taken"}, got)
	}},
	{"a value of 64 kB, with any text", func(w *world) {
		v := raw(strings.Repeat("a'\"\\é😀\x00", 3000))
		w.must(w.set("v", v, -1))
		w.same("value", string(v), string(w.value("v").Value))
		w.must(w.set("null", engine.Raw("null"), -1))
		w.same("a null is a value", engine.Variable{Value: engine.Raw("null"), Version: 1}, w.value("null"))
	}},
	{"of many who count up, each counts", func(w *world) {
		const processes, each = 4, 15
		w.must(w.set("n", raw(0), -1))
		var wg sync.WaitGroup
		for range processes {
			s := w.open(Options{})
			wg.Go(func() {
				for n := 0; n < each; {
					v, err := s.Variable(w.ctx, engine.Scope{}, "n")
					if err != nil {
						w.Error(err)
						return
					}
					var k int
					fmt.Sscan(string(v.Value), &k)
					err = s.SetVariables(w.ctx, []engine.VariableWrite{{Name: "n", Value: raw(k + 1), Seen: v.Version}})
					switch engine.CodeOf(err) {
					case "":
						if err != nil {
							w.Error(err)
							return
						}
						n++
					case engine.CodeConflict:
					default:
						w.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		w.same("counted", fmt.Sprint(processes*each), string(w.value("n").Value))
	}},
	{"a hook's writes come with its commit", func(w *world) {
		t := w.typ("t")
		w.must(w.set("v", raw(1), -1))
		j := w.start(job(t))
		o := completed(j)
		o.Writes = []engine.VariableWrite{{Name: "v", Value: raw(2), Seen: 1}, {Scope: engine.Scope{Type: t}, Name: "s", Value: raw(3), Seen: 0}, {Name: "w", Value: raw(4), Seen: -1}}
		w.commit(alone(o))
		w.same("v", engine.Variable{Value: raw(2), Version: 2}, w.value("v"))
		w.same("w", engine.Variable{Value: raw(4), Version: 1}, w.value("w"))
	}},
}
