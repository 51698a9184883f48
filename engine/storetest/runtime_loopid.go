package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
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
			write bool
			want  string
		}{
			{"the same one", once("a"), []engine.LoopID{once("a")}, false, ""},
			{"another source", once("a"), []engine.LoopID{once("b")}, false, "the loop over b went over another source then"},
			{"a script with another loop", over("a"), []engine.LoopID{two}, false, "the script has 2 such loops in its file now, and had 1 then: nobody can tell whether the loop over a is one of those"},
			{"another loop before it", over("a"), []engine.LoopID{elsewhere, over("a")}, false, ""},
			{"another loop before it, and something written", over("a"), []engine.LoopID{elsewhere, over("a")}, true, "the loop over a was not there then, and the hook has written something before it"},
			{"none", once("a"), nil, false, "the loop that had come to element 6 of its source then has not come again"},
			{"another one instead", once("a"), []engine.LoopID{elsewhere}, false, "the loop that had come to element 6 of its source then has not come again"},
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
					if second && c.write {
						if err := s.emit(9000); err != nil {
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
			if c.want != "" {
				want = 0
			}
			if !strings.Contains(said, c.want) || (said == "") != (c.want == "") || want > 0 && len(got) != want {
				w.Fatalf("%s: %d items of %d, and %q", c.name, len(got), want, said)
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
		for _, gone := range []bool{false, true} {
			said, got := w.goesOn(4*files+3, func(s *steps, second bool) error {
				from := 0
				if gone && second {
					from = files
				}
				for f := from; f <= files+1; f++ {
					if err := s.step(); err != nil {
						return err
					}
					n := 0
					err := s.batchesOf(over(fmt.Sprint(f)), []int{f}, 1, func(batch []int) (bool, error) {
						n++
						return true, s.emit(batch...)
					})
					if errors.Is(err, errCrash) || err != nil {
						return err
					}
				}
				return nil
			})
			if said == "" && len(got) != files+2 {
				w.Fatalf("gone %v: %d items of %d", gone, len(got), files+2)
			}
			if said != "" {
				w.Fatalf("gone %v: %s", gone, said)
			}
		}
	}},
}
