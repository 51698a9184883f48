package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// over is the id of a loop over a source, which stands in another loop.
func over(source string) engine.LoopID {
	return engine.LoopID{Source: source, Site: "jobs/t.star 1", Sites: 1, Again: true}
}

// goesOn runs a produce hook, whose first run ends at the step that it asks for, and gives
// the error of the second run and the items that there are then.
func (w *world) goesOn(crash int, hook func(s *steps, second bool) error) (string, []int) {
	w.Helper()
	r := w.runtime(Options{})
	runs := 0
	said := ""
	t := patient("t", map[engine.Phase]engine.Hook{
		engine.PhaseProduce: func(c *engine.Call) (engine.Raw, error) {
			s := &steps{c: c}
			if runs++; runs == 1 {
				s.crash = crash
			}
			err := hook(s, runs > 1)
			if runs > 1 && err != nil {
				said = err.Error()
			}
			return nil, err
		},
		engine.PhaseConsume: func(*engine.Call) (engine.Raw, error) { return nil, nil },
	})
	t.Settings.Retry.Max = 2
	id := r.make(engine.NewJob{Type: "t"}, t)
	stop := r.start(engine.ServerOptions{Types: []*engine.Type{t}, Phases: []engine.Phase{engine.PhaseProduce}})
	defer stop()
	w.until("the hook has ended", func() bool {
		return w.count("SELECT COUNT(*) FROM ds_jobs WHERE parent = 0 AND status = 1") == 0
	})
	if f, err := w.store.LastFailure(w.ctx, id); err == nil && f.Code == "order" {
		said = f.Message
	}
	var got []int
	for _, p := range r.payloads(id) {
		var n int
		w.must(json.Unmarshal([]byte(p), &n))
		got = append(got, n)
	}
	return said, got
}

// Files that daily deliveries bring: their ends are the same.
func delivery(from int) []int { return append(span(from, from+9), 1000) }

var loopIDCases = []testCase{
	{"loops over files that are moved away once they are read are told apart by their names", func(w *world) {
		for _, logged := range []bool{false, true} {
			files := map[string][]int{"a": delivery(0), "b": delivery(100), "c": delivery(200)}
			for crash := 1; crash < 16; crash++ {
				moved := map[string]bool{}
				said, got := w.goesOn(crash, func(s *steps, second bool) error {
					for _, f := range []string{"a", "b", "c"} {
						if moved[f] {
							continue
						}
						if logged {
							if err := s.emit(5000 + files[f][0]); err != nil {
								return err
							}
						}
						err := s.batchesOf(over(f), files[f], 5, func(batch []int) (bool, error) { return true, s.emit(batch...) })
						if err != nil {
							return err
						}
						if err := s.step(); err != nil {
							return err
						}
						moved[f] = true
					}
					return nil
				})
				want := len(delivery(0)) * 3
				if logged {
					want += 3
				}
				if len(got) != want && said == "" || !logged && said != "" {
					w.Fatalf("ended at step %d, logged %v: %d items of %d, and %q", crash, logged, len(got), want, said)
				}
			}
		}
	}},
	{"a file that has come since, and stands before the one that is half read, is read as a whole", func(w *world) {
		said, got := w.goesOn(9, func(s *steps, second bool) error {
			files := []string{"b"}
			if second {
				files = []string{"a", "b"}
			}
			for i, f := range files {
				n := 20*i + len(files)*100
				if f == "b" {
					n = 0
				}
				err := s.batchesOf(over(f), delivery(n), 3, func(batch []int) (bool, error) { return true, s.emit(batch...) })
				if err != nil {
					return err
				}
			}
			return nil
		})
		if said != "" || len(got) != 20 {
			w.Fatalf("%d items, and %q", len(got), said)
		}
	}},
	{"a hook whose loops are others than before says so, and commits nothing more", func(w *world) {
		once := func(source string) engine.LoopID {
			id := over(source)
			id.Again = false
			return id
		}
		two := over("a")
		two.Sites = 2
		elsewhere := over("a")
		elsewhere.Site = "jobs/t.star 2"
		for _, c := range []struct {
			name  string
			first engine.LoopID
			then  []engine.LoopID
			write string // before each loop
			want  string
		}{
			{"the same one", once("a"), []engine.LoopID{once("a")}, "", ""},
			{"another source", once("a"), []engine.LoopID{once("b")}, "", "the loop over b went over another source then"},
			{"a script with another loop", over("a"), []engine.LoopID{two}, "", "the script has 2 such loops in its file now, and had 1 then: nobody can tell whether the loop over a is one of those"},
			{"another loop before it", over("a"), []engine.LoopID{elsewhere, over("a")}, "", ""},
			{"another loop before it, and something written", over("a"), []engine.LoopID{elsewhere, over("a")}, "it", "the loop over a was not there then, and the hook has written something before it, of which nobody can tell whether it was committed; let it come to the same loops, over sources of the same names, and write inside of their passes, or by key, as db.upsert does, with ctx.checkpoint() before the next loop; then it goes on with: dsengine jobs retry "},
			{"another loop before it, and something written and committed", over("a"), []engine.LoopID{elsewhere, over("a")}, "and commit", ""},
			{"none", once("a"), nil, "", "the loop that had come to element 6 of its source then has not come again"},
			{"another one instead", once("a"), []engine.LoopID{elsewhere}, "", "the loop that had come to element 6 of its source then has not come again"},
		} {
			w.Log(c.name)
			said, got := w.goesOn(9, func(s *steps, second bool) error {
				ids := []engine.LoopID{c.first}
				if second {
					s.quiet, ids = true, c.then
				}
				for _, id := range ids {
					from := 0
					if id == elsewhere {
						from = 100
					}
					if second && c.write != "" {
						if err := s.emit(9000); err != nil {
							return err
						}
					}
					if second && c.write == "and commit" {
						if err := s.c.Checkpoint(nil, false); err != nil {
							return err
						}
					}
					err := s.batchesOf(id, delivery(from), 3, func(batch []int) (bool, error) { return true, s.emit(batch...) })
					if err != nil {
						return err
					}
				}
				return nil
			})
			want := 10 * max(1, len(c.then))
			if c.write != "" {
				want += len(c.then)
			}
			if c.want != "" {
				want = 0
			}
			if !strings.Contains(said, c.want) || (said == "") != (c.want == "") || want > 0 && len(got) != want {
				w.Fatalf("%s: %d items of %d, and %q", c.name, len(got), want, said)
			}
		}
	}},
	{"a source in which something else stands by now is another one, once it was read to its end", func(w *world) {
		version := func(stamp string, sums ...uint64) *engine.Version {
			v := &engine.Version{Stamp: stamp, Size: int64(len(sums))}
			if sums != nil {
				v.Sum = func(n int64) uint64 {
					if n > int64(len(sums)) {
						return 0
					}
					return sums[n-1]
				}
			}
			return v
		}
		a := delivery(0)
		mended := slices.Clone(a)
		mended[7] = 77
		for _, c := range []struct {
			name        string
			first, then *engine.Version
			again       []int // what stands in a then
			once, half  bool
			next        string // the source then
			items       int
			want        string
		}{
			{"the same", version("1"), version("1"), a, false, false, "a", 20, ""},
			{"a new file", version("1"), version("2"), delivery(50), false, false, "a", 30, ""},
			{"a new file, in a loop that comes once", version("1"), version("2"), delivery(50), true, false, "a", 30, ""},
			{"a new file of another size", version("1", 5, 6), version("2", 5, 7, 8), append(delivery(50), 7), false, false, "a", 31, ""},
			{"a smaller one", version("1", 5, 6), version("2", 5), span(50, 53), false, false, "a", 23, ""},
			{"the same, written once more", version("1", 5, 6), version("2", 5, 6), a, false, false, "a", 20, ""},
			{"the same, and more", version("1", 5, 6), version("2", 5, 6, 7), append(delivery(0), 7), false, false, "a", 0, "it ended after 10 elements, and now it has more"},
			{"not known then", nil, version("2"), a, false, false, "a", 20, ""},
			{"not known now", version("1"), nil, a, false, false, "a", 20, ""},
			{"mended, where the loop was in its middle", version("1"), version("2"), mended, false, true, "a", 20, ""},
			{"another name, in a loop that comes once", nil, nil, delivery(50), true, false, "c", 30, ""},
			{"another name, in the middle of a loop that comes once", nil, nil, delivery(50), true, true, "c", 0, "the loop over c went over another source then"},
		} {
			w.Log(c.name)
			said, got := w.goesOn(0, func(s *steps, second bool) error {
				id, elements := over("a"), a
				if id.Version = c.first; second {
					id, elements = over(c.next), c.again
					id.Version = c.then
				}
				id.Again = !c.once
				err := s.batchesOf(id, elements, 3, func(batch []int) (bool, error) {
					if c.half && !second && batch[0] == 6 {
						return false, errors.New("no")
					}
					return true, s.emit(batch...)
				})
				if err != nil {
					return err
				}
				if err := s.c.Checkpoint(nil, false); err != nil {
					return err
				}
				id = over("b")
				id.Site = "jobs/t.star 2"
				return s.batchesOf(id, delivery(100), 3, func(batch []int) (bool, error) {
					if !second && batch[0] == 106 {
						return false, errors.New("no")
					}
					return true, s.emit(batch...)
				})
			})
			if !strings.Contains(said, c.want) || (said == "") != (c.want == "") || c.items > 0 && len(got) != c.items {
				w.Fatalf("%s: %d items of %d, and %q", c.name, len(got), c.items, said)
			}
		}
	}},
	{"the fail hook of a job that failed in a loop need not come to it", func(w *world) {
		r := w.runtime(Options{})
		id := over("a")
		id.Again = false
		t := goType("t", map[engine.Phase]engine.Hook{
			engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
				s := &steps{c: c}
				return nil, s.batchesOf(id, span(0, 4), 2, func(batch []int) (bool, error) {
					if batch[0] > 0 {
						return false, errors.New("no")
					}
					return true, nil
				})
			},
			engine.PhaseFail: func(c *engine.Call) (engine.Raw, error) { return nil, c.SetVariable(true, "told", raw(1)) },
		})
		t.Settings.Retry.Max = 1
		job := r.make(engine.NewJob{Type: "t"}, t)
		r.untilIdle(t)
		r.stands("failed", job)
		w.same("variables", []string{"told"}, r.rows("SELECT name FROM ds_vars"))
	}},
	{"loops of which there were too many to keep each are not taken for others", func(w *world) {
		if w.in.Rows {
			return // it takes minutes on a server, and what tells loops apart is the same
		}
		const files = 1100
		for _, c := range []struct {
			name  string
			gone  int // so many of the first ones are, then
			fresh int // files that have come since, before the others
			again int // the file of this number is another one then, 0: none
		}{
			{"all that were read are gone", files, 0, 0},
			{"others have come in the place of some", 50, 3, 0},
			{"others have come before them, and one is another one", 0, 3, 20},
		} {
			w.Log(c.name)
			said, got := w.goesOn(4*files+3, func(s *steps, second bool) error {
				from := 0
				if second {
					from = c.gone - c.fresh
				}
				for f := from; f <= files+1; f++ {
					if err := s.step(); err != nil {
						return err
					}
					id, element := over(fmt.Sprint(f)), f
					id.Version = &engine.Version{Stamp: "1"}
					switch {
					case second && f < c.gone:
						id, element = over(fmt.Sprint("fresh", f)), 10_000+f
					case second && c.again > 0 && f == c.again:
						id.Version = &engine.Version{Stamp: "2"}
						element += 20_000
					}
					err := s.batchesOf(id, []int{element}, 1, func(batch []int) (bool, error) { return true, s.emit(batch...) })
					if err != nil {
						return err
					}
				}
				return nil
			})
			want := files + 2 + c.fresh
			if c.again > 0 {
				want++
			}
			if said != "" || len(got) != want {
				w.Errorf("%s: %d items of %d, and %q", c.name, len(got), want, said)
			}
		}
	}},
}
