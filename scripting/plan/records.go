package plan

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// Records are read and written in the plan's transaction on the real database; where
// that has no tables of the engine, in the scratch ones.

// records does something about records where they are.
func (s *store) records(ctx context.Context, es engine.Session, by engine.RecordBy, do func(at recordsAt) error) error {
	by.Pass = otherPass(by.Pass)
	if s.w.bare {
		own := s.w.scratch.Session(engine.SessionOptions{Job: by.Job})
		defer own.Close()
		if err := do(recordsAt{s.w.scratch, ctx, own, by}); err != nil {
			return err
		}
		return own.CommitOwn(ctx)
	}
	t := es.(session)
	if err := t.begin(ctx); err != nil {
		return err
	}
	by.Scope.Type = s.w.realType(by.Scope.Type)
	if r := s.w.replay; r != nil && by.Run == s.w.root {
		by.Run = r.run // in the plan's tables the job has no parent
	}
	return do(recordsAt{s.w.target, ctx, t.inner, by})
}

// recordsAt is where records are, and who works on them there.
type recordsAt struct {
	engine.RecordStore
	ctx context.Context
	es  engine.Session
	by  engine.RecordBy
}

// otherPass is the number that an execution in the plan has in the real database, or
// the other way round: a job that is replayed has had executions of its own.
func otherPass(pass int64) int64 { return -1 - pass }

// turned is a record of the real database as the plan sees it, or the other way round.
func turned(r *engine.Record) *engine.Record {
	if r == nil {
		return nil
	}
	c := *r
	c.Pass = otherPass(c.Pass)
	return &c
}

func (s *store) Records(ctx context.Context, es engine.Session, by engine.RecordBy, source string, keys []engine.RecordKey) (list []*engine.Record, err error) {
	err = s.records(ctx, es, by, func(at recordsAt) error {
		found, err := s.lookUp(at, source, keys)
		for _, r := range found {
			list = append(list, turned(r))
		}
		return err
	})
	return list, err
}

func (s *store) WriteRecords(ctx context.Context, es engine.Session, r engine.RecordWrites) error {
	return s.records(ctx, es, r.By, func(at recordsAt) error {
		list := make([]engine.RecordWrite, len(r.List))
		for i, w := range r.List {
			if _, known := s.w.kept.records[recordAt{at.by.Scope.Instance, w.Source, w.Key.Text}]; s.w.opts.Keep && !known {
				if _, err := s.lookUp(at, w.Source, []engine.RecordKey{w.Key}); err != nil {
					return err
				}
			}
			list[i], list[i].Read = w, turned(w.Read)
		}
		if err := at.WriteRecords(ctx, at.es, engine.RecordWrites{By: at.by, List: list}); err != nil {
			return err
		}
		es.(session).changed = true
		for i := range list {
			es.(session).top().record(list[i].Source, list[i].Set, list[i].Forget)
		}
		return nil
	})
}

func (s *store) CountRecords(ctx context.Context, es engine.Session, by engine.RecordBy, source string) (n engine.RecordCounts, err error) {
	err = s.records(ctx, es, by, func(at recordsAt) error {
		if s.w.opts.Keep {
			if err := s.lookAtAll(at, source); err != nil {
				return err
			}
		}
		if n, err = at.CountRecords(ctx, at.es, at.by, source); err != nil || s.w.replay == nil {
			return err
		}
		newer := at.by
		newer.Run++
		seen, err := at.CountRecords(ctx, at.es, newer, source)
		if seen.Missing < seen.Known {
			s.w.say("a job that was made after job %d has read %q: rows that were missing then may not be here", at.by.Run, source)
		}
		return err
	})
	return n, err
}

func (s *store) MissingRecords(ctx context.Context, es engine.Session, by engine.RecordBy, source string, after *engine.KeySum, limit int) (list []engine.MissingRecord, err error) {
	err = s.records(ctx, es, by, func(at recordsAt) error {
		list, err = at.MissingRecords(ctx, at.es, at.by, source, after, limit)
		return err
	})
	return list, err
}

func (s *store) ForgetSource(ctx context.Context, es engine.Session, by engine.RecordBy, source string) error {
	return s.records(ctx, es, by, func(at recordsAt) error {
		es.(session).changed = true
		es.(session).top().record(source, false, true)
		return at.ForgetSource(ctx, at.es, at.by, source)
	})
}

// recordAt names a record of the type's.
type recordAt struct{ instance, source, key string }

// keptRecord is what was known of a row before anything was written about it.
type keptRecord struct {
	recordAt
	content engine.RecordHash
	id      string
}

// lookUp reads records, and remembers what was known of them.
func (s *store) lookUp(at recordsAt, source string, keys []engine.RecordKey) ([]*engine.Record, error) {
	list, err := at.Records(at.ctx, at.es, at.by, source, keys)
	if err == nil {
		err = s.w.sayChanged(source, list)
	}
	if err != nil || !s.w.opts.Keep {
		return list, err
	}
	k := &s.w.kept
	for i, r := range list {
		place := recordAt{at.by.Scope.Instance, source, keys[i].Text}
		if _, known := k.records[place]; known {
			continue
		}
		if k.records == nil {
			k.records = map[recordAt]bool{}
		}
		k.records[place] = true
		if kept := (keptRecord{place, r.Base(at.by), r.Linked()}); kept.content.Known || kept.id != "" {
			k.known = append(k.known, kept)
		}
	}
	if len(k.known) > maxKeptRows {
		return nil, k.stop(fmt.Sprintf("it looks at more than %d records that are there", maxKeptRows))
	}
	return list, nil
}

// lookAtAll remembers what is known of all rows of a source, whose number matters.
func (s *store) lookAtAll(at recordsAt, source string) error {
	all := at.by
	all.Run = math.MaxInt64
	list, err := at.MissingRecords(at.ctx, at.es, all, source, nil, maxKeptRows+1)
	if err != nil {
		return err
	}
	keys := make([]engine.RecordKey, len(list))
	for i := range list {
		keys[i] = list[i].Key
	}
	_, err = s.lookUp(at, source, keys)
	return err
}

// writeRecords writes what was known of the rows that were looked at.
func (w *World) writeRecords(t *writing) error {
	for _, k := range w.kept.known {
		key, err := t.json([]byte(k.key))
		if err != nil {
			return err
		}
		args := []string{t.text(k.source), key}
		var of []argument
		if k.instance != "" {
			of = []argument{{"instance", t.text(k.instance)}}
		}
		if k.content.Known {
			t.line("t.records.mark", append(slices.Clone(args), t.literal(hex.EncodeToString(k.content.Sum[:]))), of...)
		}
		if k.id != "" {
			id, err := t.json([]byte(k.id))
			if err != nil {
				return err
			}
			t.line("t.records.link", append(args, id), of...)
		}
	}
	return nil
}
