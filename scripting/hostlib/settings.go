package hostlib

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Declaration is what job() says of a script.
type Declaration struct {
	Type     string // the job type's name
	Called   bool
	Settings engine.Settings
	Needs    *Needs
}

// setting is one setting of job().
type setting struct {
	name   string
	kind   ParamType
	doc    string
	notYet bool
	set    func(d *Declaration, c *Call, v Value) error
}

var settings = []setting{
	{name: "every", kind: Duration, doc: `the interval at which it fires; "0s": again as soon as the last job has ended`, set: setEvery},
	{name: "cron", kind: String, doc: `when it fires, as five cron fields; instead of every`, set: func(d *Declaration, _ *Call, v Value) error {
		d.Settings.Schedule.Cron = v.(string)
		return nil
	}},
	{name: "timezone", kind: String, doc: `the time zone of cron, and of the days of backfills`, set: func(d *Declaration, _ *Call, v Value) error {
		d.Settings.Schedule.Timezone = v.(string)
		return nil
	}},
	{name: "missed", kind: String, doc: `firings missed while nothing ran: "once", "all" or "skip"`, set: func(d *Declaration, _ *Call, v Value) error {
		d.Settings.Schedule.Missed = engine.Missed(v.(string))
		return nil
	}},
	{name: "overlap", kind: String, doc: `a firing while the last job of the schedule is not final: "skip", "queue" or "allow"; jobs that were made by hand or by other jobs are not looked at, so one of them may run beside it (in one process, slots = {"consume": 1} has them wait)`, set: func(d *Declaration, _ *Call, v Value) error {
		d.Settings.Schedule.Overlap = engine.Overlap(v.(string))
		return nil
	}},
	{name: "instances", kind: Data, doc: `{name: params}, or "vars:NAME" for a variable that holds it`, set: setInstances},
	{name: "timeout", kind: Data, doc: `for one call of a hook; a dict by phase is allowed`, set: setTimeout},
	{name: "retry", kind: Any, doc: `what retry(...) gives: how often a failed phase is tried again, and when. What another attempt would meet again is not tried again: see dsengine docs retry`, set: setRetry},
	{name: "slots", kind: Data, doc: `hooks at a time and per process, by phase`, set: setSlots},
	{name: "priority", kind: Int, doc: `-100 to 100, smaller runs first`, set: func(d *Declaration, _ *Call, v Value) error {
		d.Settings.Priority = int(max(-1000, min(v.(int64), 1000)))
		return nil
	}},
	{name: "keep", kind: Data, doc: `how long final jobs are kept; a dict by status is allowed`, set: setKeep},
	{name: "servers", kind: Strings, doc: `globs of the names of servers that may run it`, set: func(d *Declaration, _ *Call, v Value) error {
		d.Settings.Servers = v.([]string)
		return nil
	}},
	{name: "needs", kind: Strings, doc: `what it may touch: "files:GLOB", "http:HOST", "db:CONNECTION", "db:CONNECTION:write", "secret:NAME", "mail:ADDRESS", "s3:BUCKET", "sftp:CONNECTION", "ftp:CONNECTION"; all else is refused. Of which kinds there are, and where hosts may be: dsengine docs needs`, set: func(d *Declaration, c *Call, v Value) (err error) {
		d.Settings.Needs = v.([]string)
		if d.Needs, err = ParseNeeds(v.([]string)); err != nil {
			return err
		}
		limits, err := c.Host.Limits.of(d.Type)
		if err != nil {
			return err
		}
		return d.Needs.limitedTo(limits)
	}},
	{name: "steps", kind: Int, doc: `steps of the interpreter for one call of a hook`, set: func(d *Declaration, _ *Call, v Value) error {
		if d.Settings.Steps = v.(int64); d.Settings.Steps < 1 {
			return Errorf("usage", "steps must be at least 1")
		}
		return nil
	}},
	{name: "rejects", kind: Data, doc: `rows that may be rejected: a number, a share of the rows read such as "10%", or "all"; above it the job fails, what it has committed stays, and its rejects can be redriven before it is retried; a redrive is not bound by it`, set: setRejects},
	{name: "limit", notYet: true}, {name: "rate", notYet: true}, {name: "limit_by", notYet: true},
	{name: "pack", notYet: true}, {name: "memory", notYet: true},
}

// SettingNames are the settings of job() that there are.
func SettingNames() []string {
	var names []string
	for _, s := range settings {
		if !s.notYet {
			names = append(names, s.name)
		}
	}
	return names
}

// CheckSetting says whether job() has a setting of that name.
func CheckSetting(name string) error {
	for _, s := range settings {
		if s.name == name && s.notYet {
			return notYet(fmt.Sprintf("the setting %q", name))
		}
		if s.name == name {
			return nil
		}
	}
	return Errorf("usage", "there is no setting %q%s", name, suggestNamed(name, SettingNames()))
}

// declare does what job() says. Later settings win over earlier ones.
func (d *Declaration) declare(c *Call, given []Named) error {
	if d.Called {
		return Errorf("usage", "it is called once")
	}
	d.Called = true
	last := map[string]Value{}
	for _, g := range given {
		if err := CheckSetting(g.Name); err != nil {
			return err
		}
		last[g.Name] = g.Value
	}
	for _, s := range settings { // in order: instances need the schedule
		v, ok := last[s.name]
		if !ok || s.name == "instances" {
			continue
		}
		if err := s.apply(d, c, v); err != nil {
			return err
		}
	}
	if v, ok := last["instances"]; ok {
		if err := settings[slices.IndexFunc(settings, func(s setting) bool { return s.name == "instances" })].apply(d, c, v); err != nil {
			return err
		}
	}
	return d.Settings.Validate()
}

// apply sets it; None is as if it were not given.
func (s *setting) apply(d *Declaration, c *Call, v Value) error {
	p := Param{Name: s.name, Type: s.kind, Default: None}
	v, err := p.convert(c, v)
	if v == nil || err != nil {
		return err
	}
	return s.set(d, c, v)
}

func setEvery(d *Declaration, _ *Call, v Value) error {
	every := v.(time.Duration)
	d.Settings.Schedule.Every, d.Settings.Schedule.Continuous = every, every == 0
	return nil
}

func setInstances(d *Declaration, c *Call, v Value) error {
	switch v := v.(type) {
	case string:
		name, ok := strings.CutPrefix(v, "vars:")
		if !ok || name == "" {
			return Errorf("usage", "instances: got %q, wanted a dict, or \"vars:NAME\" for a variable that holds it", v)
		}
		d.Settings.InstancesVar = name
		return nil
	case *Dict:
		raw, err := EncodeJSON(v)
		if err != nil {
			return err
		}
		if d.Settings.Instances, err = engine.ParseInstances(raw, d.Settings.Schedule); err != nil {
			return err
		}
		for i, name := range v.Names { // as written: exact integers, in order
			params, ok := v.Values[i].(*Dict)
			if !ok {
				return Errorf("usage", "instance %q: got %s, wanted a dict of parameters", name, c.Lang.TypeName(v.Values[i]))
			}
			for _, when := range []string{"every", "cron"} {
				if w, ok := params.Get(when); ok && !isText(w) {
					return Errorf("usage", "instance %q: %s: got %s, wanted string", name, when, c.Lang.TypeName(w))
				}
			}
			in := d.Settings.Instances[name]
			if in.Params, err = KeepJSON(params); err != nil {
				return err
			}
			d.Settings.Instances[name] = in
		}
		return nil
	}
	return Errorf("usage", "instances: got %s, wanted a dict {name: params} or \"vars:NAME\"", c.Lang.TypeName(v))
}

func isText(v Value) bool {
	switch v.(type) {
	case string, time.Duration:
		return true
	}
	return false
}

func setTimeout(d *Declaration, c *Call, v Value) (err error) {
	d.Settings.Timeout, err = byPhase(c, "timeout", v, func(at string, v Value) (time.Duration, error) {
		return lengthOf(c, at, v)
	})
	return err
}

func setSlots(d *Declaration, c *Call, v Value) (err error) {
	if _, ok := v.(*Dict); !ok {
		return Errorf("usage", "slots: got %s, wanted a dict such as {\"consume\": 4}", c.Lang.TypeName(v))
	}
	d.Settings.Slots, err = byPhase(c, "slots", v, func(at string, v Value) (int, error) {
		n, ok := asInt(v)
		if !ok {
			return 0, Errorf("usage", "%s: got %s, wanted int", at, c.Lang.TypeName(v))
		}
		return int(min(n, math.MaxInt32)), nil
	})
	return err
}

func setKeep(d *Declaration, c *Call, v Value) error {
	statuses := map[string]engine.Status{
		"completed": engine.StatusCompleted, "failed": engine.StatusFailed, "cancelled": engine.StatusCancelled,
	}
	keep, err := byName(c, "keep", v, statuses, func(at string, v Value) (time.Duration, error) {
		t, err := lengthOf(c, at, v)
		if err == nil && t < time.Second {
			err = Errorf("usage", "%s: must be at least \"1s\"", at)
		}
		return t, err
	})
	d.Settings.Keep = keep
	return err
}

func setRetry(d *Declaration, c *Call, v Value) error {
	p, ok := c.Lang.Plain(v).(*policy)
	if !ok {
		return Errorf("usage", "retry: got %s, wanted retry(max = ..., first = ...)", c.Lang.TypeName(v))
	}
	d.Settings.Retry = p.RetryPolicy
	return nil
}

func setRejects(d *Declaration, c *Call, v Value) (err error) {
	switch v := v.(type) {
	case int64:
		if v < 0 {
			return Errorf("usage", "rejects: got %d, wanted 0 or more", v)
		}
		d.Settings.Rejects = engine.RejectCount(v)
		return nil
	case string:
		d.Settings.Rejects, err = engine.ParseRejectLimit(v)
		return err
	case float64:
		return Errorf("usage", "rejects: got %v: write a share as text, such as \"%g%%\"", v, 100*v)
	}
	return Errorf("usage", "rejects: got %s, wanted a number of rows, a share such as \"10%%\", or \"all\"", c.Lang.TypeName(v))
}

func byPhase[T any](c *Call, what string, v Value, read func(at string, v Value) (T, error)) (map[engine.Phase]T, error) {
	phases := map[string]engine.Phase{}
	for _, p := range engine.Phases {
		phases[p.String()] = p
	}
	return byName(c, what, v, phases, read)
}

// byName reads a value for all keys, or a dict with one for each.
func byName[K comparable, T any](_ *Call, what string, v Value, keys map[string]K, read func(at string, v Value) (T, error)) (map[K]T, error) {
	out := map[K]T{}
	d, ok := v.(*Dict)
	if !ok {
		one, err := read(what, v)
		for _, k := range keys {
			out[k] = one
		}
		return out, err
	}
	for i, name := range d.Names {
		k, ok := keys[name]
		if !ok {
			var names []string
			for n := range keys {
				names = append(names, n)
			}
			slices.Sort(names)
			return nil, Errorf("usage", "%s: got %q, wanted %s%s", what, name, quotedList(names), Suggest(name, names))
		}
		one, err := read(what+" of "+name, d.Values[i])
		if err != nil {
			return nil, err
		}
		out[k] = one
	}
	return out, nil
}

func lengthOf(c *Call, at string, v Value) (time.Duration, error) {
	p := Param{Name: at, Type: Duration}
	d, err := p.convert(c, v)
	if err != nil {
		return 0, err
	}
	return d.(time.Duration), nil
}
