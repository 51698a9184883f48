package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"time"
)

// saveSchedules makes the types' schedules known. It is done once, at the
// start: later nobody goes back to an older script's schedule. Instances that a
// variable holds are looked at again, and saved when the value is another one
// than this process saw last, so that two versions of a script do not undo each
// other's. While the variable cannot be used, what was saved stays.
func (s *Server) saveSchedules(ctx context.Context, types []*Type) error {
	var ids []TypeID
	var rows []ScheduleRow
	seen := map[string]Raw{}
	for _, t := range types {
		id := s.ids[t.Name]
		instances, value, err := s.instances(ctx, t)
		switch code := CodeOf(err); {
		case code == CodeNotFound || code == CodeUsage:
			if s.sayOnce("instances of "+t.Name, err.Error()) {
				s.eng.log.Error("the instances stay as they are", "type", t.Name, "error", err, "hint", HintOf(err))
			}
			continue
		case err != nil:
			return err
		}
		if t.Settings.InstancesVar != "" {
			s.sayOnce("instances of "+t.Name, "")
			if was, ok := s.instancesSeen[t.Name]; ok && bytes.Equal(was, value) {
				continue
			}
			seen[t.Name] = value
		}
		ids = append(ids, id)
		if instances == nil && !t.Settings.Schedule.IsZero() {
			rows = append(rows, ScheduleRow{Type: id, Schedule: t.Settings.Schedule, Phase: t.First(), Priority: t.Settings.Priority})
		}
		for name, in := range instances {
			if !in.Schedule.IsZero() {
				rows = append(rows, ScheduleRow{Type: id, Instance: name, Schedule: in.Schedule.WithDefaults(), Phase: t.First(), Priority: t.Settings.Priority})
			}
		}
	}
	if err := s.eng.store.SaveSchedules(ctx, ids, rows); err != nil {
		return err
	}
	maps.Copy(s.instancesSeen, seen)
	return nil
}

// sayOnce says whether a complaint is another one than the last about it.
func (s *Server) sayOnce(about, what string) bool {
	was := s.said[about]
	s.said[about] = what
	return what != was
}

// instances are a type's, from its script or from the variable that it names,
// with its value; nil if it has none. A variable that is not set is
// CodeNotFound, one that does not hold instances CodeUsage.
func (s *Server) instances(ctx context.Context, t *Type) (in map[string]Instance, value Raw, err error) {
	name := t.Settings.InstancesVar
	if name == "" {
		return t.Settings.Instances, nil, nil
	}
	v, err := s.eng.store.Variable(ctx, Scope{}, name)
	if err != nil {
		return nil, nil, err
	}
	if v.Value == nil {
		return nil, nil, Errorf(CodeNotFound, "the variable %q, which holds the instances of %s, is not set", name, t.Name).
			WithHint("set it to an object of objects, {name: {parameter: value}}, or to {} for none")
	}
	if in, err = ParseInstances(v.Value, t.Settings.Schedule); err != nil {
		return nil, nil, Wrapf(CodeUsage, err, "the variable %q does not hold the instances of %s", name, t.Name)
	}
	return in, v.Value, nil
}

// ParseInstances reads a JSON object of named parameters. Parameters every and
// cron set an instance's own schedule; def is what it has otherwise.
func ParseInstances(raw Raw, def Schedule) (map[string]Instance, error) {
	var m map[string]Raw
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, Errorf(CodeUsage, "instances must be an object of objects: {name: {parameter: value}}")
	}
	if m == nil {
		return nil, Errorf(CodeUsage, "instances must be an object of objects, not null: {} for none")
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
	var nag Nag
	out := map[scheduled]*leftFirings{}
	s.keepTrying(ctx, "fire schedules", wakeUp, func(ctx context.Context) (time.Duration, error) {
		if now := s.eng.clock.Boot(); len(fromVars) > 0 && now-readAt > instancesEvery {
			if err := s.saveSchedules(ctx, fromVars); err != nil {
				return 0, err
			}
			readAt = now
		}
		jobs, wait, err := s.eng.store.Fire(ctx, ids, decideTick)
		for _, f := range jobs {
			t := s.types[f.Type]
			if f.Skipped > 0 {
				of := scheduled{f.Type, f.Instance}
				if out[of] == nil {
					out[of] = new(leftFirings)
				}
				if o := out[of]; o.due(f.Skipped, s.eng.clock.Boot()) {
					s.eng.log.Info("firings were left out", "type", t.Name, "instance", f.Instance, "left_out", o.n)
					o.n = 0
				}
			}
			if f.Job != 0 {
				s.wake(QueueOf(f.Type, t.First()))
			}
		}
		if ctx.Err() != nil || mayPass(err) {
			return 0, err
		}
		if err != nil && nag.Due(s.eng.clock.Boot()) { // the others go on in their time
			s.log(slog.LevelError, "fire schedules", err)
		}
		if s.opts.UntilIdle {
			close(s.firedOnce)
			return -1, nil
		}
		return s.pause(wait), nil
	})
}

// scheduled is a type, or an instance of it.
type scheduled struct {
	typ      TypeID
	instance string
}

// leftFirings are those that were left out since that was told.
type leftFirings struct {
	nag Nag
	n   int
}

// due counts more of them, and says whether to tell that now: less and less often where
// it goes on.
func (l *leftFirings) due(more int, now time.Duration) bool {
	l.n += more
	return l.nag.Due(now)
}

// decideTick says what a schedule does that is looked at.
func decideTick(r ScheduleRow, now time.Time, active bool) (Tick, error) {
	return r.Schedule.Decide(now, r.NextAt, active, r.Owes)
}
