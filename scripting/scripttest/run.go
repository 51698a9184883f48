package scripttest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// outcome is what came of a run, or of one hook.
type outcome struct {
	job     *engine.Job
	err     *engine.Failure
	ended   error           // how the hook ended, of a hook that was run alone
	fell    *hostlib.Caller // where the script was then; nil: that is not known
	items   []hostlib.Value // of produce() and consume(): the payloads of what was emitted
	stats   map[string]int64
	verdict string // of fail(): what the hook decided
	after   time.Duration
}

// ObjectType is outcome.
func (*outcome) ObjectType() *hostlib.ObjectType { return outcomeType }

func outcomeAttr(name, typ, doc string, get func(o *outcome) hostlib.Value) hostlib.Attr {
	return hostlib.Attr{Name: name, Type: typ, Doc: doc, Get: func(v hostlib.Value) (hostlib.Value, error) { return get(v.(*outcome)), nil }}
}

var outcomeType = &hostlib.ObjectType{
	Name: "outcome", Record: true,
	Doc: "What came of t.run(), t.produce(), t.consume(), t.redrive() or t.fail(). After t.run() all has settled: retries, items and finish too. " +
		"After one hook alone it says what that hook did, and nothing else runs. It returned nothing: status is completed, or open if it emitted; items has what. " +
		"It returned data: result has it; of produce, consume would get it, so that status is waiting. It failed, by an error, ctx.retry or ctx.fail: error says how, and status is waiting if the hook fail or another attempt would follow, else failed; " +
		"expect = \"failed\" says that this is wanted, be it tried again or not. ctx.snooze: status is waiting, and error None. ctx.cancel: status is cancelled, which expect must say. " +
		"What fail returns does not count: verdict says what it decided, or else the setting retry.",
	Example: outcomeExample, Lua: outcomeLua,
	Text: func(v hostlib.Value) string {
		o := v.(*outcome)
		return fmt.Sprintf("<outcome %s>", o.status())
	},
	Attrs: []hostlib.Attr{
		outcomeAttr("status", "string", "How the job ended: completed, failed or cancelled. After one hook alone also open (it emitted items) or waiting (another hook or attempt would follow).", func(o *outcome) hostlib.Value { return o.status() }),
		outcomeAttr("result", "any value", "What consume, or finish, returned; of produce() the payload for consume. None if it returned none, or failed.", func(o *outcome) hostlib.Value {
			if o.job.Result == nil {
				return nil
			}
			return hostlib.JSON(o.job.Result)
		}),
		outcomeAttr("error", "err", "How it failed: error.message, .code, .kind, .retryable and so on; of a job whose item failed, how that did. None if it did not.", func(o *outcome) hostlib.Value {
			if o.err == nil {
				return nil
			}
			return hostlib.NewErr(o.err)
		}),
		outcomeAttr("attempts", "int", "How many attempts the job's last phase took, as ctx.attempt counts them: since its last checkpoint that committed anything new, with which the count begins anew. The log that a failed test shows has those before, too.", func(o *outcome) hostlib.Value { return int64(o.job.Attempt) }),
		outcomeAttr("children", "dict", "How many items there are, by status.", func(o *outcome) hostlib.Value {
			d := &hostlib.Dict{}
			c := o.job.Children
			if c == nil {
				c = &engine.Children{}
			}
			for _, e := range []struct {
				name string
				n    int64
			}{{"waiting", c.Waiting}, {"running", c.Running}, {"completed", c.Completed}, {"failed", c.Failed}, {"cancelled", c.Cancelled}} {
				d.Set(e.name, e.n)
			}
			return d
		}),
		outcomeAttr("stats", "dict", "What was counted, by the job and all its items: read, inserted, updated and so on, and ctx.count's.", func(o *outcome) hostlib.Value {
			d := &hostlib.Dict{}
			for _, n := range append(slices.Clone(engine.StatNames), sortedOthers(o.stats)...) {
				d.Set(n, o.stats[n])
			}
			return d
		}),
		outcomeAttr("items", "list", "Of produce() and consume(): what the hook emitted, in order.", func(o *outcome) hostlib.Value { return append([]hostlib.Value{}, o.items...) }),
		outcomeAttr("verdict", "string", "Of fail(): what becomes of the job: retry, fail or cancel.", func(o *outcome) hostlib.Value {
			if o.verdict == "" {
				return nil
			}
			return o.verdict
		}),
		outcomeAttr("after", "duration", "Of fail(): when it is tried again, if it is.", func(o *outcome) hostlib.Value {
			if o.verdict != "retry" {
				return nil
			}
			return o.after
		}),
	},
}

func sortedOthers(all map[string]int64) (names []string) {
	for n := range all {
		if !slices.Contains(engine.StatNames, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

func (o *outcome) status() string { return o.job.Status.String() }

var (
	payloadParam  = param{Name: "payload", Type: hostlib.Data, Default: hostlib.None, Doc: "what the job is created with"}
	positionParam = param{Name: "position", Type: hostlib.Data, Default: hostlib.None, Named: true, Doc: "what ctx.position is: the hook goes on from a checkpoint"}
	loopsParam    = param{Name: "loops", Type: hostlib.Data, Default: hostlib.None, Named: true, Doc: loopsDoc}
	countedParam  = param{Name: "counted", Type: hostlib.Data, Default: hostlib.None, Named: true, Doc: "what it has counted before, such as {\"read\": 20, \"rejected\": 2}: the setting rejects is about all of it"}
	inParam       = param{Name: "instance", Type: hostlib.String, Default: hostlib.None, Named: true, Doc: "of which instance"}
	runParam      = param{Name: "expect", Type: hostlib.String, Default: "completed", Named: true, Choices: []string{"completed", "failed", "cancelled", "any"}, Doc: "how it must end; another end fails the test. So does another job that fails, or is cancelled, meanwhile, such as one that it has enqueued, unless that end is expected. " + unheardDoc}
	expectParam   = param{Name: "expect", Type: hostlib.String, Default: "completed", Named: true, Choices: []string{"completed", "failed", "cancelled", "any"}, Doc: "how it must end; another end fails the test. " + unheardDoc}

	unheardDoc = "An error in the hook fail, or in what ctx.on_commit calls, does, too, though it changes no end. \"any\" lets all be"
)

func runMethods() []*hostlib.Func {
	return []*hostlib.Func{
		method("run", "Runs a job through its whole life: produce, every item, retries in skipped time, the fail hook, finish.", "t.run().stats[\"inserted\"]  # 2", "t.run().stats.inserted  -- 2",
			[]param{payloadParam, {Name: "key", Type: hostlib.String, Default: hostlib.None, Named: true, Doc: "the job's key"}, inParam, windowParam, runParam}, "outcome",
			func(c *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) { return t.run(c, a) }),
		method("produce", "Runs the hook produce alone, once. What it emits is not run.", "t.produce().items  # [{\"path\": \"incoming/a.csv\"}]", "t.produce().items  -- {{path = \"incoming/a.csv\"}}",
			[]param{payloadParam, positionParam, loopsParam, countedParam, inParam, windowParam, expectParam}, "outcome",
			func(c *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				return t.hook(c, a, engine.PhaseProduce, a.Value("payload"))
			}),
		method("consume", "Runs the hook consume alone, once, on an item.", "t.consume({\"path\": \"incoming/a.csv\"}).status  # \"completed\"", "t.consume({path = \"incoming/a.csv\"}).status  -- \"completed\"",
			[]param{{Name: "item", Type: hostlib.Data, Default: hostlib.None, Doc: "the item"}, positionParam, loopsParam, countedParam, inParam, windowParam, expectParam}, "outcome",
			func(c *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				return t.hook(c, a, engine.PhaseConsume, a.Value("item"))
			}),
		method("fail", "Runs the hook fail alone, for an attempt of consume that failed.", "t.fail({\"id\": 1}, {\"message\": \"the feed is empty\", \"final\": True}).verdict  # \"fail\"", "t.fail({id = 1}, {message = \"the feed is empty\", final = true}).verdict  -- \"fail\"",
			[]param{
				{Name: "item", Type: hostlib.Data, Doc: "the item"},
				{Name: "err", Type: hostlib.Data, Doc: "a message, or a dict with message, kind, code, attempt, final, retryable"},
				inParam,
			}, "outcome",
			func(c *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) { return t.failHook(c, a) }),
		redriveMethod(),
	}
}

// job is the job that the arguments of run, produce and consume describe.
func job(a *hostlib.Args, phase engine.Phase, payload hostlib.Value, key string) (j engine.NewJob, err error) {
	j = engine.NewJob{Phase: phase, Key: key, Instance: a.String("instance")}
	if j.Window, err = windowOf(a.Value("window")); err == nil {
		j.Payload, err = payloadOf(payload)
	}
	return j, err
}

func payloadOf(v hostlib.Value) (engine.Raw, error) {
	if v == nil {
		return nil, nil
	}
	return hostlib.KeepJSON(v)
}

// enqueue makes a job of the type.
func (t *tester) enqueue(c *hostlib.Call, j engine.NewJob) (engine.JobID, error) {
	if err := t.open(); err != nil {
		return 0, err
	}
	t.begun = true
	j.Type = t.typ.Name
	if err := t.instance(j.Instance); err != nil {
		return 0, err
	}
	first := -100 // before what waits
	j.Priority = &first
	made, err := t.eng.Enqueue(t.ctx, j)
	if err != nil {
		return 0, err
	}
	if !made[0].Created {
		return 0, failed(c, "", "no job is created: job %d has the key %q", made[0].ID, j.Key)
	}
	return made[0].ID, nil
}

// instance says whether the job has an instance of the name, or needs one.
func (t *tester) instance(name string) error {
	there := slices.Sorted(maps.Keys(t.typ.Settings.Instances))
	switch {
	case t.typ.Settings.InstancesVar != "" || slices.Contains(there, name) || name == "" && len(there) == 0:
		return nil
	case len(there) == 0:
		return hostlib.Errorf("usage", "instance: the job has none")
	case name == "":
		return hostlib.Errorf("usage", "instance: say which: the job has %s", strings.Join(there, ", "))
	}
	return hostlib.Errorf("usage", "instance: the job has no %q%s: it has %s", name, hostlib.Suggest(name, there), strings.Join(there, ", "))
}

func (t *tester) run(c *hostlib.Call, a *hostlib.Args) (hostlib.Value, error) {
	made, err := job(a, 0, a.Value("payload"), a.String("key"))
	if err != nil {
		return nil, err
	}
	id, err := t.enqueue(c, made)
	if err != nil {
		return nil, err
	}
	var o *outcome
	want := a.String("expect")
	err = t.watched(c, want, []engine.JobID{id}, func() (err error) {
		o, err = t.settled(c, id, want)
		return err
	})
	return o, err
}

// settled works a job, and gives what came of it, if that is what is wanted.
func (t *tester) settled(c *hostlib.Call, id engine.JobID, want string) (*outcome, error) {
	j, err := t.settle(id)
	if err != nil {
		return nil, err
	}
	o := &outcome{job: j, stats: j.AllStats()}
	if j.Items > 0 {
		if err := t.count(id, o.stats); err != nil {
			return nil, err
		}
	}
	at, err := t.failure(j)
	if err != nil {
		return nil, err
	}
	o.failed(t.world, at)
	return o, t.expect(c, o, want)
}

// count adds what a job's items have counted, and theirs.
func (t *tester) count(id engine.JobID, stats map[string]int64) error {
	for before := engine.JobID(0); ; {
		items, err := t.store.Jobs(t.ctx, engine.JobFilter{Parent: id, Before: before, Limit: 500})
		if err != nil {
			return err
		}
		for _, i := range items {
			before = i.ID
			for name, n := range i.Stats {
				stats[name] += n
			}
			if i.Items == 0 {
				continue
			}
			if err := t.count(i.ID, stats); err != nil {
				return err
			}
		}
		if len(items) < 500 {
			return nil
		}
	}
}

// expect ends the test if a job ended in another way than it was to.
func (t *tester) expect(c *hostlib.Call, o *outcome, want string) error {
	got := o.status()
	switch {
	case got == want || want == "any" && o.job.Status.Final():
		return nil
	case !o.job.Status.Final():
		why := ""
		if o.job.WaitingFor != nil {
			why = ": " + *o.job.WaitingFor
		}
		return failed(c, "", "the job does not end; it is %s in %s%s", got, o.job.Phase, why)
	}
	return hookFailed(c, o, "the job ended as %s, not %s", got, want)
}

// failure is the attempt by which a job failed: its own, or that of its first item
// that did; nil if it did not.
func (t *tester) failure(j *engine.Job) (*engine.Attempt, error) {
	of := j.ID
	if j.Status == engine.StatusFailed && (j.Error == nil || j.Error.Code == "items") {
		var first *engine.Job
		for f := (engine.JobFilter{Parent: j.ID, Status: engine.StatusFailed, Limit: 500}); ; f.Before = first.ID {
			list, err := t.store.Jobs(t.ctx, f) // newest first
			if err != nil {
				return nil, err
			}
			if len(list) > 0 {
				first = list[len(list)-1]
			}
			if len(list) < f.Limit {
				break
			}
		}
		if first != nil {
			return t.failure(first)
		}
	}
	if j.Error == nil {
		return nil, nil
	}
	attempts, err := t.store.Attempts(t.ctx, of)
	if err != nil {
		return nil, err
	}
	for _, at := range slices.Backward(attempts) {
		if at.Failure != nil {
			return &at, nil
		}
	}
	f := &engine.Failure{Kind: j.Error.Kind, Code: j.Error.Code, Message: j.Error.Message, Backtrace: j.Error.Backtrace}
	return &engine.Attempt{Job: j.ID, Failure: f}, nil
}

// hook runs one hook alone.
func (t *tester) hook(c *hostlib.Call, a *hostlib.Args, phase engine.Phase, payload hostlib.Value) (hostlib.Value, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	if t.typ.Hooks[phase] == nil {
		return nil, failed(c, "", "the script has no %s", phase)
	}
	made, err := job(a, phase, payload, "")
	if err != nil {
		return nil, err
	}
	position, err := positionOf(a)
	if err != nil {
		return nil, err
	}
	counted, err := countedOf(a.Value("counted"))
	if err != nil {
		return nil, err
	}
	if counted != nil && position == nil {
		return nil, hostlib.Errorf("usage", "counted: a hook that begins has counted nothing: give position, or loops, too")
	}
	id, err := t.enqueue(c, made)
	if err != nil {
		return nil, err
	}
	t.ground.store.counted = map[engine.JobID]engine.Stats{id: counted}
	t.silent = nil
	o, err := t.step1(id, position)
	if err != nil {
		return nil, err
	}
	want := a.String("expect")
	got := "completed"
	if o.err != nil {
		got = "failed"
	} else if o.job.Status == engine.StatusCancelled {
		got = "cancelled"
	}
	if got != want && want != "any" {
		return nil, hookFailed(c, o, "%s ended as %s, not %s", phase, got, want)
	}
	return o, t.heard(c, want)
}

// step1 runs the hook that is due for a job, and takes the job away with all
// that it made: one hook alone is looked at. position is that of its last
// checkpoint; nil: none.
func (t *tester) step1(id engine.JobID, position engine.Raw) (*outcome, error) {
	var result engine.Raw
	var ended error
	if err := t.only(id, func(j *engine.ClaimedJob, hook engine.Hook) engine.Hook {
		if position != nil && j.Position == nil {
			j.Position = position
		}
		return func(c *engine.Call) (engine.Raw, error) {
			result, ended = hook(c)
			t.fails(ended)
			return result, ended
		}
	}); err != nil {
		return nil, err
	}
	j, err := t.store.Job(t.ctx, id)
	if err != nil {
		return nil, err
	}
	o := &outcome{job: j, stats: j.AllStats(), ended: ended}
	j.Result = result
	attempts, err := t.store.Attempts(t.ctx, id)
	if err != nil {
		return nil, err
	}
	if n := len(attempts); n > 0 {
		o.failed(t.world, &attempts[n-1])
	}
	for before := engine.JobID(0); ; {
		items, err := t.store.Jobs(t.ctx, engine.JobFilter{Parent: id, Before: before, Limit: 500})
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			before = i.ID
			var v hostlib.Value
			if i.Payload != nil {
				v = hostlib.JSON(i.Payload)
			}
			o.items = append(o.items, v)
		}
		if len(items) < 500 {
			break
		}
	}
	slices.Reverse(o.items)
	if !j.Status.Final() {
		if _, err := t.store.Cancel(t.ctx, id, ""); err != nil {
			return nil, err
		}
		for more := true; more; {
			if more, err = t.store.Sweep(t.ctx, 500); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// only runs one hook, that of a job which comes before all others, or another
// in its place; once more if it was killed.
func (t *tester) only(id engine.JobID, instead func(j *engine.ClaimedJob, hook engine.Hook) engine.Hook) error {
	ran := false
	t.ran = true
	t.step.Before = func(j *engine.ClaimedJob, hook engine.Hook) (engine.Hook, error) {
		if ran = j.ID == id; !ran {
			return nil, fmt.Errorf("job %d came before job %d", j.ID, id)
		}
		return t.crash.begins(j, instead(j, hook)), nil
	}
	defer func() { t.step.Before = t.bound }()
	t.crash.again() // of a hook that t.run has run again since
	for again := true; again; ran = false {
		_, err := t.step.Step(t.ctx)
		if err == nil && !ran {
			err = fmt.Errorf("job %d is not due", id)
		}
		if err != nil {
			return err
		}
		if !t.crash.pending().IsZero() {
			if err := t.crash.takeOver(); err != nil {
				return err
			}
		}
		again = t.crash.again()
	}
	return nil
}

// failHook runs the fail hook alone.
func (t *tester) failHook(c *hostlib.Call, a *hostlib.Args) (hostlib.Value, error) {
	if err := t.open(); err != nil {
		return nil, err
	}
	if t.typ.Hooks[engine.PhaseFail] == nil {
		return nil, failed(c, "", "the script has no fail")
	}
	f, err := failureOf(a.Value("err"))
	if err != nil {
		return nil, err
	}
	payload, err := payloadOf(a.Value("item"))
	if err != nil {
		return nil, err
	}
	id, err := t.enqueue(c, engine.NewJob{Phase: engine.PhaseConsume, Instance: a.String("instance"), Payload: payload})
	if err != nil {
		return nil, err
	}
	t.crash.pause(true) // it is no hook that fails here
	err = t.only(id, func(j *engine.ClaimedJob, _ engine.Hook) engine.Hook {
		j.Attempts = f.Attempt - 1
		return func(*engine.Call) (engine.Raw, error) { return nil, f }
	})
	t.crash.pause(false)
	if err != nil {
		return nil, err
	}
	before := t.clock.Now()
	t.silent = nil
	o, err := t.step1(id, nil)
	if err == nil {
		err = t.heard(c, "")
	}
	if err != nil {
		return nil, err
	}
	o.err = nil
	if v := (*engine.Verdict)(nil); o.ended != nil && !errors.As(o.ended, &v) {
		return nil, failed(c, "", "the fail hook failed: %s", engine.AsFailure(o.ended).Message)
	}
	switch o.job.Status {
	case engine.StatusFailed:
		o.verdict = "fail"
	case engine.StatusCancelled:
		o.verdict = "cancel"
	default:
		o.verdict = "retry"
		if o.job.RunAt != nil {
			o.after = max(o.job.RunAt.Sub(before), 0)
		}
	}
	return o, nil
}

// failureOf makes a failure of what t.fail was given.
func failureOf(v hostlib.Value) (*engine.Failure, error) {
	f := &engine.Failure{Kind: engine.KindError, Retryable: true, Attempt: 1}
	switch v := v.(type) {
	case string:
		f.Message = v
		return f, nil
	case *hostlib.Dict:
		for i, name := range v.Names {
			ok := false
			switch name {
			case "message":
				f.Message, ok = v.Values[i].(string)
			case "kind":
				var kind string
				kind, ok = v.Values[i].(string)
				f.Kind = engine.Kind(kind)
			case "code":
				f.Code, ok = v.Values[i].(string)
			case "attempt":
				var n int64
				n, ok = v.Values[i].(int64)
				f.Attempt = int(n)
			case "final":
				var final bool
				final, ok = v.Values[i].(bool)
				f.Retryable = !final
			case "retryable":
				f.Retryable, ok = v.Values[i].(bool)
			default:
				return nil, hostlib.Errorf("usage", "err: there is no %q: message, kind, code, attempt, final, retryable", name)
			}
			if !ok {
				return nil, hostlib.Errorf("usage", "err: %q is of the wrong type", name)
			}
		}
		return f, nil
	}
	return nil, hostlib.Errorf("usage", "err: wanted a message, or a dict with message, code and so on")
}
