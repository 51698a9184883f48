package storetest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dsengine/dsengine/engine"
)

// onceForEach says whether each job has noted as many numbers, each once. The table has
// no key: what is noted again is there twice.
func (w *world) onceForEach(many int) {
	w.Helper()
	w.same("each once", int64(0), w.count("SELECT COUNT(*) - COUNT(DISTINCT id) FROM seen"))
	w.same("none left out", int64(0), w.count("SELECT COUNT(*) - ? * COUNT(DISTINCT (id - id % 1000)) FROM seen", many))
}

// noted is a number in seen.
func noted(c *engine.Call, n int) int64 { return 1000*int64(c.Job().ID) + int64(n) }

// sourceCases are of loops whose sources write to give their elements.
var sourceCases = []testCase{
	{"what the source of a loop writes to give its elements is done once", func(w *world) {
		w.exec("CREATE TABLE seen (id INTEGER)")
		w.stopsAnywhere(append(span(0, 30), span(100, 130)...), func(s *steps) error {
			return s.loopsThatWrite(func(n int) error {
				_, err := s.c.Session().Insert(s.c.Context(), "seen", source(engine.Row{Names: []string{"id"}, Values: []any{noted(s.c, n)}}))
				return err
			})
		})
		w.onceForEach(30)
	}},
	{"what a function of the database writes that a loop's source calls is done once", func(w *world) {
		if !w.in.Rows {
			return // nobody makes functions there
		}
		w.exec("CREATE TABLE seen (id INTEGER)")
		w.exec("CREATE FUNCTION writes(n INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO seen VALUES (n); RETURN n; END")
		w.stops(append(span(0, 30), span(100, 130)...), 3, func(s *steps) error {
			return s.loopsThatWrite(func(n int) error {
				const call = "SELECT writes(?)"
				if err := s.c.Querying(s.c.Session(), call); err != nil {
					return err
				}
				w.query(s.c.Session(), call, noted(s.c, n))
				return nil
			})
		})
		w.onceForEach(30)
	}},
	{"a query of a loop's elements whose function writes is done once", func(w *world) {
		if !w.in.Rows {
			return
		}
		w.table(20)
		w.exec("CREATE TABLE seen (id INTEGER)")
		w.exec("CREATE FUNCTION notes(n INT) RETURNS INT DETERMINISTIC MODIFIES SQL DATA BEGIN INSERT INTO seen VALUES (n); RETURN n; END")
		w.stops(span(1, 21), 1, func(s *steps) error {
			call := "SELECT notes(? + id) FROM t ORDER BY id"
			if err := s.c.Querying(s.c.Session(), call); err != nil {
				return err
			}
			rows, err := s.c.Session().Query(s.c.Context(), call, []any{noted(s.c, 0)})
			if err != nil {
				return err
			}
			defer rows.Close()
			s.read = func(n int) error {
				_, err := rows.Next(s.c.Context())
				return err
			}
			return s.batches(span(1, 21), 4, func(batch []int) (bool, error) { return true, s.emit(batch...) })
		})
		w.onceForEach(20)
	}},
	{"a loop whose source writes and looks at very many records, in catch too, goes on after a crash", func(w *world) {
		const all, crash = 12_000, 11_000
		w.exec("CREATE TABLE seen (id INTEGER)")
		for _, catches := range []bool{false, true} {
			r := w.runtime(Options{})
			crashed := false
			t := patient(fmt.Sprintf("catches_%v", catches), map[engine.Phase]engine.Hook{
				engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
					s := &steps{c: c, quiet: true}
					rec, err := c.Records("s")
					if err != nil {
						return nil, err
					}
					given, last := 0, 0
					var look *engine.RecordLook
					read := func(n int) (err error) {
						if n%500 == 0 {
							var keys []engine.RecordKey
							for i := range 500 {
								keys = append(keys, recordKey((n+i)%crash)) // the last ones come twice
							}
							if look, err = rec.Look(keys); err != nil {
								return err
							}
						}
						is, err := look.Take(n%500, contentSum("it"), nil)
						if is {
							given++
						}
						if n%1000 == 0 && err == nil {
							_, err = c.Session().Insert(c.Context(), "seen", source(engine.Row{Names: []string{"id"}, Values: []any{int64(n)}}))
						}
						last = n
						return err
					}
					if s.read = read; catches {
						s.read = func(n int) error {
							caught, err := c.CatchWrites(nil, func() error { return read(n) })
							return errors.Join(caught, err)
						}
					}
					err = s.batches(span(0, all), 500, func([]int) (bool, error) {
						if last > crash && !crashed {
							crashed = true
							return false, errCrash
						}
						return true, nil
					})
					return raw(given), err
				},
			})
			w.exec("DELETE FROM seen")
			id := r.make(engine.NewJob{Type: t.Name}, t)
			r.untilIdle(t)
			r.stands("completed", id)
			r.same("rows", int64(all/1000), w.count("SELECT COUNT(*) FROM seen"))
			var given int
			r.must(json.Unmarshal(r.view(id).Result, &given))
			r.same("given", crash, given)
		}
	}},
}

// loopsThatWrite goes through elements of which reading has effects: write, an item and
// a variable.
func (s *steps) loopsThatWrite(write func(element int) error) error {
	name := fmt.Sprint("read by ", s.c.Job().ID)
	s.read = func(n int) error {
		if err := write(n); err != nil {
			return err
		}
		had, err := s.c.Variable(false, name)
		if err != nil {
			return err
		}
		sum := 0
		if had != nil {
			if err := json.Unmarshal(had, &sum); err != nil {
				return err
			}
		}
		if err := s.c.SetVariable(false, name, raw(sum+1)); err != nil {
			return err
		}
		_, err = s.c.Emit(engine.Emission{Payload: raw(100 + n)})
		return err
	}
	if err := s.batches(span(0, 20), 5, func(batch []int) (bool, error) { return true, s.emit(batch...) }); err != nil {
		return err
	}
	if err := s.emitAll(span(20, 30)); err != nil {
		return err
	}
	sum, err := s.c.Variable(false, name)
	if err == nil && string(sum) != "30" {
		err = errors.New("the sum is " + string(sum))
	}
	return err
}
