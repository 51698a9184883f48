package plan

import (
	"context"
	"maps"

	"github.com/dsengine/dsengine/engine"
)

// store is the scratch tables, with what the real database knows seen through them.
type store struct {
	engine.Store // the scratch ones
	w            *World
}

// CheckSchema has nothing to find out: this program has made the tables.
func (*store) CheckSchema(context.Context) error { return nil }

// Dialect is that of the database that scripts work on.
func (s *store) Dialect() string { return s.w.target.Dialect() }

// Begin gives a session in the plan's transaction.
func (s *store) Begin(o engine.SessionOptions) engine.Session { return s.w.own(o) }

// Commit writes an outcome to the scratch tables. What a real commit writes to the
// real database is noted.
func (s *store) Commit(ctx context.Context, es engine.Session, o *engine.Outcome) error {
	if len(o.Records.List) > 0 {
		if es == nil {
			es = s.w.own(engine.SessionOptions{Job: o.Job.ID})
		}
		if err := s.WriteRecords(ctx, es, o.Records); err != nil {
			return err
		}
	}
	for i := range o.Writes { // as they are, before they are others
		if err := s.scope(ctx, o.Writes[i].Scope); err != nil {
			return err
		}
	}
	c := *o
	c.Enqueue, c.Records = nil, engine.RecordWrites{}
	var err error
	if c.Items, err = s.fresh(ctx, o.Items); err != nil {
		return err
	}
	if err := s.Store.Commit(ctx, nil, &c); err != nil {
		return err
	}
	if es != nil {
		if err := es.(session).seal(ctx); err != nil {
			return err
		}
	}
	s.w.committed(o)
	return nil
}

// Settle writes outcomes of hooks that brought nothing along.
func (s *store) Settle(ctx context.Context, outcomes []engine.Outcome, done []engine.ClaimID) ([]engine.JobID, error) {
	lost, err := s.Store.Settle(ctx, outcomes, done)
	if err == nil {
		for i := range outcomes {
			s.w.committed(&outcomes[i])
		}
	}
	return lost, err
}

// fresh are the items of which jobs would be made: not those that replace the
// payload of a real one.
func (s *store) fresh(ctx context.Context, items []engine.JobInsert) ([]engine.JobInsert, error) {
	var list []engine.JobInsert
	for i := range items {
		if items[i].Foretold < 0 {
			here, err := s.Store.KeyHolders(ctx, items[i:i+1])
			if err != nil {
				return nil, err
			}
			if here[0].Job == 0 {
				s.w.say("an item with the key %q would give the job that has it a new payload", items[i].Key)
				continue
			}
		}
		list = append(list, items[i])
	}
	return list, nil
}

// KeyHolders looks in the real database too, and among what the plan would enqueue.
func (s *store) KeyHolders(ctx context.Context, jobs []engine.JobInsert) ([]engine.KeyHolder, error) {
	list, err := s.Store.KeyHolders(ctx, jobs)
	if err != nil || s.w.bare {
		return list, err
	}
	real := make([]engine.JobInsert, 0, len(jobs))
	var at []int
	for i, j := range jobs {
		if h, ok := s.w.held[heldKey{j.Type, j.Instance, j.Key}]; ok && j.Key != "" {
			list[i] = h
		}
		if _, known := s.w.types[s.w.names[j.Type]]; !known || list[i].Job != 0 || j.Key == "" {
			continue
		}
		j.Type = s.w.realType(j.Type)
		real, at = append(real, j), append(at, i)
	}
	if len(real) == 0 {
		return list, nil
	}
	there, err := s.w.target.KeyHolders(ctx, real)
	for k := range there {
		list[at[k]] = there[k]
		if st := there[k].Status; !real[k].Replace && (st == engine.StatusFailed || st == engine.StatusCancelled) {
			l := &s.w.report.LeftOut
			l.Items, l.Jobs, l.Holders = l.Items+1, l.Jobs+1, append(l.Holders, there[k])
		}
	}
	return list, err
}

// TakeNotice takes one in the plan's tables, unless one counts in the real database.
func (s *store) TakeNotice(ctx context.Context, n engine.Notice, writes bool) (bool, error) {
	if !s.w.bare {
		if counts, err := s.w.target.NoticeCounts(ctx, n); counts || err != nil {
			return false, err
		}
	}
	return s.Store.TakeNotice(ctx, n, writes)
}

// Variables. Those of a scope are copied from the real database when they are first
// asked for, and are the plan's from there on.

func (s *store) Variable(ctx context.Context, scope engine.Scope, name string) (engine.Variable, error) {
	if err := s.scope(ctx, scope); err != nil {
		return engine.Variable{}, err
	}
	s.w.value(scope, name)
	v, err := s.Store.Variable(ctx, scope, name)
	if err != nil || v.Version != 0 || s.w.bare || !engine.HiddenVariable(name) {
		return v, err
	}
	real := scope
	real.Type = s.w.realType(scope.Type)
	if v, err = s.w.target.Variable(ctx, real, name); err != nil || v.Value == nil {
		return engine.Variable{}, err
	}
	if err := s.Store.SetVariables(ctx, []engine.VariableWrite{{Scope: scope, Name: name, Value: v.Value, Seen: -1}}); err != nil {
		return v, err
	}
	return s.Store.Variable(ctx, scope, name)
}

func (s *store) VariableNames(ctx context.Context, scope engine.Scope) ([]string, error) {
	if err := s.scope(ctx, scope); err != nil {
		return nil, err
	}
	return s.Store.VariableNames(ctx, scope)
}

func (s *store) Variables(ctx context.Context, scope engine.Scope, only string) ([]engine.VariableRow, error) {
	if err := s.scope(ctx, scope); err != nil {
		return nil, err
	}
	return s.Store.Variables(ctx, scope, only)
}

// scope copies the variables of a scope, once.
func (s *store) scope(ctx context.Context, scope engine.Scope) error {
	if s.w.scopes[scope] != nil {
		return nil
	}
	had := map[string]engine.VariableRow{}
	if !s.w.bare {
		real := scope
		real.Type = s.w.realType(scope.Type)
		rows, err := s.w.target.Variables(ctx, real, "")
		if err != nil {
			return err
		}
		var writes []engine.VariableWrite
		for _, r := range rows {
			had[r.Name] = r
			writes = append(writes, engine.VariableWrite{Scope: scope, Name: r.Name, Value: r.Value, Seen: -1})
		}
		if len(writes) > 0 {
			if err := s.Store.SetVariables(ctx, writes); err != nil {
				return err
			}
		}
	}
	s.w.scopes[scope] = had
	return nil
}

// What a job that is replayed has counted and rejected up to its position is known in the
// real database, and what it does from there on in the scratch tables.

func (s *store) goesOn(id engine.JobID) bool {
	return s.w.replay != nil && id == s.w.root && !s.w.replay.anew
}

func (s *store) SavedStats(ctx context.Context, id engine.JobID) (engine.Stats, error) {
	stats, err := s.Store.SavedStats(ctx, id)
	if err != nil || len(stats) > 0 || id != s.w.root {
		return stats, err
	}
	s.w.recalled = true
	return s.w.report.Before, nil
}

func (s *store) CommittedRejects(ctx context.Context, id engine.JobID, phase engine.Phase) (engine.CommittedRejects, error) {
	c, err := s.Store.CommittedRejects(ctx, id, phase)
	if err != nil || !s.goesOn(id) {
		return c, err
	}
	before, err := s.w.target.CommittedRejects(ctx, s.w.replay.job.ID, phase)
	return engine.CommittedRejects{Standing: c.Standing + before.Standing, Whole: c.Whole + before.Whole, Mended: c.Mended + before.Mended}, err
}

func (s *store) RejectPlaces(ctx context.Context, id engine.JobID, phase engine.Phase) (map[uint64]bool, error) {
	places, err := s.Store.RejectPlaces(ctx, id, phase)
	if err != nil || !s.goesOn(id) {
		return places, err
	}
	before, err := s.w.target.RejectPlaces(ctx, s.w.replay.job.ID, phase)
	maps.Copy(places, before)
	return places, err
}

// Summary counts the items of the job that is replayed in finish, as they are.
func (s *store) Summary(ctx context.Context, id engine.JobID) (*engine.Summary, error) {
	if r := s.w.replay; r != nil && r.phase == engine.PhaseFinish && id == s.w.root {
		return s.w.target.Summary(ctx, r.job.ID)
	}
	return s.Store.Summary(ctx, id)
}

// Results are those items' results.
func (s *store) Results(ctx context.Context, id engine.JobID, yield func(engine.JobID, engine.Raw) bool) error {
	if r := s.w.replay; r != nil && r.phase == engine.PhaseFinish && id == s.w.root {
		return s.w.target.Results(ctx, r.job.ID, yield)
	}
	return s.Store.Results(ctx, id, yield)
}
