package engine

import (
	"context"
	"encoding/json"
	"time"
)

// saveSchedules makes the types' schedules known. It is done once, at the
// start: later nobody goes back to an older script's schedule.
func (s *Server) saveSchedules(ctx context.Context, types []*Type) error {
	var ids []TypeID
	var rows []ScheduleRow
	for _, t := range types {
		id := s.ids[t.Name]
		ids = append(ids, id)
		instances, err := s.instances(ctx, t)
		if err != nil {
			return err
		}
		if instances == nil && !t.Settings.Schedule.IsZero() {
			rows = append(rows, ScheduleRow{Type: id, Schedule: t.Settings.Schedule, Phase: t.First(), Priority: t.Settings.Priority})
		}
		for name, in := range instances {
			if !in.Schedule.IsZero() {
				rows = append(rows, ScheduleRow{Type: id, Instance: name, Schedule: in.Schedule.WithDefaults(), Phase: t.First(), Priority: t.Settings.Priority})
			}
		}
	}
	return s.eng.store.SaveSchedules(ctx, ids, rows)
}

// instances are a type's, from its script or from the variable that it names;
// nil if it has none.
func (s *Server) instances(ctx context.Context, t *Type) (map[string]Instance, error) {
	if t.Settings.InstancesVar == "" {
		return t.Settings.Instances, nil
	}
	v, err := s.eng.store.Variable(ctx, Scope{}, t.Settings.InstancesVar)
	if err != nil {
		return nil, err
	}
	if v.Value == nil {
		s.eng.log.Warn("the variable that holds the instances is not set", "type", t.Name, "variable", t.Settings.InstancesVar)
		return map[string]Instance{}, nil
	}
	in, err := ParseInstances(v.Value, t.Settings.Schedule)
	if err != nil {
		s.eng.log.Error("the variable that holds the instances cannot be used", "type", t.Name, "variable", t.Settings.InstancesVar, "error", err)
		return map[string]Instance{}, nil
	}
	return in, nil
}

// ParseInstances reads a JSON object of named parameters. Parameters every and
// cron set an instance's own schedule; def is what it has otherwise.
func ParseInstances(raw Raw, def Schedule) (map[string]Instance, error) {
	var m map[string]Raw
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, Errorf(CodeUsage, "instances must be an object of objects: {name: {parameter: value}}")
	}
	out := map[string]Instance{}
	for name, text := range m {
		var params struct{ Every, Cron any }
		if err := json.Unmarshal(text, &params); err != nil {
			return nil, Errorf(CodeUsage, "instances must be an object of objects: {name: {parameter: value}}, and %q is not one", name)
		}
		if name == "" || len(name) > MaxNameLen {
			return nil, Errorf(CodeUsage, "an instance's name has 1 to %d bytes: %.40q", MaxNameLen, name)
		}
		in := Instance{Schedule: def}
		every, hasEvery := params.Every.(string)
		cron, hasCron := params.Cron.(string)
		if params.Every != nil && !hasEvery || params.Cron != nil && !hasCron {
			return nil, Errorf(CodeUsage, "instance %q: every and cron are text: \"15m\", \"0 2 * * *\"", name)
		}
		if hasEvery || hasCron {
			in.Schedule.Every, in.Schedule.Continuous, in.Schedule.Cron = 0, false, cron
		}
		if hasEvery {
			d, err := ParseDuration(every)
			if err != nil {
				return nil, Wrapf(CodeUsage, err, "instance %q: every", name)
			}
			in.Schedule.Every, in.Schedule.Continuous = d, d == 0
		}
		if err := in.Schedule.Validate(); err != nil {
			return nil, Wrapf(CodeUsage, err, "instance %q", name)
		}
		in.Params = text
		out[name] = in
	}
	return out, nil
}

// instancesEvery is how often instances that a variable holds are read again.
const instancesEvery = 10 * time.Second

// tick fires schedules. The claim of a firing and the making of its job are
// one transaction, so it does not matter how many servers try.
func (s *Server) tick(ctx context.Context) {
	var ids []TypeID
	var fromVars []*Type
	for _, t := range s.opts.Types {
		ids = append(ids, s.ids[t.Name])
		if t.Settings.InstancesVar != "" {
			fromVars = append(fromVars, t)
		}
	}
	wakeUp := s.wakeTick
	if s.opts.UntilIdle {
		wakeUp = nil // what is due fires once
	}
	readAt := s.eng.clock.Boot()
	s.keepTrying(ctx, "fire schedules", wakeUp, func(ctx context.Context) (time.Duration, error) {
		if now := s.eng.clock.Boot(); len(fromVars) > 0 && now-readAt > instancesEvery {
			if err := s.saveSchedules(ctx, fromVars); err != nil {
				return 0, err
			}
			readAt = now
		}
		jobs, wait, err := s.eng.store.Fire(ctx, ids, func(r ScheduleRow, now time.Time, active bool) (Tick, error) {
			return r.Schedule.Decide(now, r.NextAt, active, r.Owes)
		})
		if err != nil {
			return 0, err
		}
		for _, f := range jobs {
			t := s.types[f.Type]
			if f.Skipped > 0 {
				s.eng.log.Info("firings were left out", "type", t.Name, "instance", f.Instance, "left_out", f.Skipped)
			}
			if f.Job != 0 {
				s.wake(QueueOf(f.Type, t.First()))
			}
		}
		if s.opts.UntilIdle {
			close(s.firedOnce)
			return -1, nil
		}
		return s.pause(wait), nil
	})
}
