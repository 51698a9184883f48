package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

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
	{"values are listed with their names, versions and times", func(w *world) {
		scope := engine.Scope{Type: w.typ("t"), Instance: "i"}
		began, err := w.store.Now(w.ctx)
		w.must(err)
		for _, x := range []engine.VariableWrite{{Name: "b", Value: raw(1)}, {Name: "a", Value: raw("x")}, {Name: "gone", Value: raw(1)}, {Name: "gone"}, {Name: "b", Value: raw(2)}} {
			x.Scope, x.Seen = scope, -1
			w.must(w.store.SetVariables(w.ctx, []engine.VariableWrite{x}))
		}
		w.must(w.set("shared", raw(1), -1))
		got, err := w.store.Variables(w.ctx, scope, "")
		w.must(err)
		for i, v := range got {
			if d := v.ChangedAt.Sub(began); d < 0 || d > patience {
				w.Errorf("%q was changed %s after the test began", v.Name, d)
			}
			got[i].ChangedAt = time.Time{}
		}
		w.same("all", []engine.VariableRow{{Name: "a", Value: raw("x"), Version: 1}, {Name: "b", Value: raw(2), Version: 2}}, got)
		for name, n := range map[string]int{"a": 1, "A": 0, "gone": 0, "none": 0} {
			got, err := w.store.Variables(w.ctx, scope, name)
			w.must(err)
			w.same("of the name "+name, n, len(got))
		}
	}},
	{"a scope takes so many names and no more", func(w *world) {
		scope := engine.Scope{Type: w.typ("t"), Instance: "i"}
		set := func(name string, v engine.Raw, seen int64) error {
			return w.store.SetVariables(w.ctx, []engine.VariableWrite{{Scope: scope, Name: name, Value: v, Seen: seen}})
		}
		var all []engine.VariableWrite
		for i := range engine.MaxVariables {
			all = append(all, engine.VariableWrite{Scope: scope, Name: fmt.Sprint("n", i), Value: raw(i), Seen: -int64(i % 2)})
		}
		w.must(w.store.SetVariables(w.ctx, all))
		for _, seen := range []int64{-1, 0} {
			err := set("more", raw(1), seen)
			w.code("one more", engine.CodeUsage, err)
			if f := engine.AsFailure(err); f.Retryable || !strings.HasPrefix(f.Message, "state has 1000 names") || !strings.Contains(f.Message, `"more" is one too many`) {
				w.Errorf("one more: %+v", f)
			}
		}
		w.code("two, one of which is there", engine.CodeUsage, w.store.SetVariables(w.ctx, []engine.VariableWrite{
			{Scope: scope, Name: "more", Value: raw(1), Seen: -1}, {Scope: scope, Name: "n0", Value: raw("changed"), Seen: -1},
		}))
		v, err := w.store.Variable(w.ctx, scope, "n0")
		w.must(err)
		w.same("none of a call that fails is written", "0", string(v.Value))
		// What is there can be changed; other scopes, and hidden names, count apart.
		w.must(set("n0", raw("x"), -1))
		w.must(set("n1", raw("x"), 1))
		w.must(set(engine.HiddenVariables+"x", raw(1), -1))
		w.must(set("none", nil, -1)) // nothing is deleted
		w.must(set("none", nil, 0))
		w.code("one that came to be meanwhile", engine.CodeConflict, set("n0", nil, 0))
		w.must(w.set("shared", raw(1), -1))
		// A name counts until what is left of it is pruned.
		w.must(set("n2", nil, -1))
		w.code("after a deletion", engine.CodeUsage, set("more", raw(1), -1))
		w.must(set("n2", raw("again"), -1))
		w.must(set("n2", nil, -1))
		w.exec("UPDATE ds_vars SET changed_at = " + w.now(-48*time.Hour) + " WHERE value IS NULL")
		w.must(w.store.PruneRest(w.ctx, 100))
		w.must(set("more", raw(1), -1))
		w.code("and no more", engine.CodeUsage, set("more still", raw(1), -1))
		w.same("rows", int64(engine.MaxVariables+1), w.count("SELECT COUNT(*) FROM ds_vars WHERE type = ?", scope.Type))
	}},
	{"many at once pass the bound by what they make at that moment, and no further", func(w *world) {
		const before, processes, each = engine.MaxVariables - 5, 4, 20
		var all []engine.VariableWrite
		for i := range before {
			all = append(all, engine.VariableWrite{Name: fmt.Sprint("n", i), Value: raw(i), Seen: -1})
		}
		w.must(w.store.SetVariables(w.ctx, all))
		var wg sync.WaitGroup
		for p := range processes {
			s := w.open(Options{})
			wg.Go(func() {
				for i := range each {
					err := s.SetVariables(w.ctx, []engine.VariableWrite{{Name: fmt.Sprint("p", p, i), Value: raw(i), Seen: -1}})
					if code := engine.CodeOf(err); err != nil && code != engine.CodeUsage {
						w.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if n := w.count("SELECT COUNT(*) FROM ds_vars"); n < engine.MaxVariables || n > engine.MaxVariables+processes {
			w.Errorf("there are %d names", n)
		}
		w.code("one more", engine.CodeUsage, w.set("more", raw(1), -1))
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
