package scripttest

import (
	"fmt"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// redriveMethod is t.redrive.
func redriveMethod() *hostlib.Func {
	return method("redrive", "Redrives rejected rows, as dsengine rejects redrive does: all that are open, or rows that are given, as if they had been rejected. "+
		"The hook redrive gets them; without that hook, rows that were whole items go to consume again, a job each, and others fail the test.",
		"t.redrive([{\"id\": \"3\", \"name\": \"Edsger\"}]).status  # \"completed\"", "t.redrive({{id = \"3\", name = \"Edsger\"}}).status  -- \"completed\"",
		[]param{
			{Name: "rows", Type: hostlib.Data, Default: hostlib.None, Doc: "a list of rows as they were rejected; None: what the job has rejected and is open"},
			{Name: "instance", Type: hostlib.String, Default: hostlib.None, Named: true, Doc: "for rows that are given: of which instance"},
			runParam,
		}, "outcome",
		func(c *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) { return t.redrive(c, a) })
}

// redrive is t.redrive.
func (t *tester) redrive(c *hostlib.Call, a *hostlib.Args) (hostlib.Value, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	from := []engine.JobID{0} // any
	if a.Given("rows") {
		rows, ok := a.Value("rows").([]hostlib.Value)
		if !ok || len(rows) == 0 {
			return nil, hostlib.Errorf("usage", "rows: wanted a list of rows, and at least one")
		}
		var err error
		if from, err = t.refuse(c, rows, a.String("instance")); err != nil {
			return nil, err
		}
	}
	var all engine.Redriven
	for _, job := range from {
		r, err := t.eng.Redrive(t.ctx, engine.RedriveRequest{Type: t.typ.Name, Job: job})
		if err != nil {
			return nil, err
		}
		all.Jobs, all.NoHook, all.Cut = append(all.Jobs, r.Jobs...), all.NoHook+r.NoHook, all.Cut+r.Cut
	}
	switch {
	case all.NoHook > 0:
		return nil, failed(c, "", "%d of the rows cannot be redriven: they were no whole items, and the script has no hook redrive(ctx, rows)", all.NoHook)
	case all.Cut > 0:
		return nil, failed(c, "", "%d of the rows cannot be redriven: they were too large to be kept whole", all.Cut)
	case len(all.Jobs) == 0:
		return nil, failed(c, "", "there is nothing to redrive: no row that was rejected is open")
	}
	return t.redriven(c, all.Jobs, a.String("expect"))
}

// redriven works the jobs that redrive, and gives what came of them together: of
// several the job is one that has not completed, if there is one.
func (t *tester) redriven(c *hostlib.Call, jobs []engine.JobID, want string) (*outcome, error) {
	o := &outcome{stats: map[string]int64{}}
	err := t.watched(c, want, jobs, func() error {
		for _, id := range jobs {
			one, err := t.settled(c, id, want)
			if err != nil {
				return err
			}
			for name, n := range one.stats {
				o.stats[name] += n
			}
			if o.job == nil || o.job.Status == engine.StatusCompleted {
				o.job, o.err = one.job, one.err
			}
		}
		return nil
	})
	return o, err
}

// refuse has jobs reject rows: one job all of them, or where the script has no hook
// redrive, one each that has the row as its item.
func (t *tester) refuse(c *hostlib.Call, rows []hostlib.Value, instance string) (jobs []engine.JobID, err error) {
	raws := make([]engine.Raw, len(rows))
	for i, row := range rows {
		if raws[i], err = (hostlib.JSONForm{Kept: true, Any: true}).Encode(row); err != nil {
			return nil, hostlib.Errorf("usage", "rows: %v", err)
		}
	}
	phase := engine.PhaseConsume
	if t.typ.Hooks[phase] == nil {
		phase = engine.PhaseProduce
	}
	if t.typ.Redrive != nil || phase != engine.PhaseConsume {
		id, err := t.refuseBy(c, engine.NewJob{Phase: phase, Instance: instance}, raws)
		return []engine.JobID{id}, err
	}
	for _, raw := range raws {
		id, err := t.refuseBy(c, engine.NewJob{Phase: phase, Instance: instance, Payload: raw}, []engine.Raw{raw})
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, id)
	}
	return jobs, nil
}

// refuseBy makes a job that rejects rows, whatever the setting rejects says.
func (t *tester) refuseBy(c *hostlib.Call, j engine.NewJob, rows []engine.Raw) (engine.JobID, error) {
	id, err := t.enqueue(c, j)
	if err != nil {
		return 0, err
	}
	lift := func() {}
	t.crash.pause(true) // it is no hook of the script
	err = t.only(id, func(*engine.ClaimedJob, engine.Hook) engine.Hook {
		return func(call *engine.Call) (engine.Raw, error) {
			settings := &call.Type().Settings
			was := settings.Rejects
			settings.Rejects, lift = engine.RejectAll(), func() { settings.Rejects = was }
			for _, row := range rows {
				if err := call.Reject(engine.Rejection{Row: row, Reason: "given by the test", Loose: true}); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}
	})
	lift()
	t.crash.pause(false)
	if err != nil {
		return 0, err
	}
	done, err := t.store.Job(t.ctx, id)
	if err == nil && !done.Status.Final() { // there is a hook finish
		done, err = t.settle(id)
	}
	if err == nil && done.Status != engine.StatusCompleted {
		err = fmt.Errorf("the job that was to reject the rows is %s", done.Status)
		if done.Error != nil {
			err = fmt.Errorf("%w: %s", err, done.Error.Message)
		}
	}
	return id, err
}
