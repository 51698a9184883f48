package hostlib

import (
	"time"

	"github.com/dsengine/dsengine/engine"
)

// policy is what retry(...) gives.
type policy struct{ engine.RetryPolicy }

// ObjectType is retry.
func (*policy) ObjectType() *ObjectType { return policyType }

var policyType = &ObjectType{
	Name: "retry_policy", Doc: "How often a failed phase is tried again, and when: a value for the retry setting.",
	Text: func(v Value) string {
		raw, _ := v.(*policy).MarshalJSON()
		return string(raw)
	},
}

// Globals are the functions that are in no module.
var Globals = []*Func{
	{
		Name: "job", Doc: "Says what the script is, once, at its top level. Bases are dicts of settings, from a helper file say; later ones win.",
		Params: []Param{
			{Name: "bases", Type: DictOf, Rest: true, Doc: "dicts of settings"},
			{Name: "settings", Type: Any, Others: true, Doc: "settings by name: every, cron, timezone, missed, overlap, instances, timeout, retry, slots, priority, keep, rejects, servers, needs, steps"},
		},
		Example: "job({\"timeout\": \"5m\"}, every = \"1h\", retry = retry(max = 3), needs = [\"files:data/**\"])",
		Lua:     "job({timeout = \"5m\"}, {every = \"1h\", retry = retry({max = 3}), needs = {\"files:data/**\"}})",
		Do: func(c *Call, a *Args) (Value, error) {
			switch {
			case c.Hook != nil:
				return nil, Errorf("usage", "it is called at the top level of the script, not in a hook")
			case c.Job == nil:
				return nil, Errorf("usage", "it is called in the job's own script, not in a helper file; a helper file can hold a dict for it: job(defaults, ...)")
			}
			var given []Named
			for i, base := range a.Rest {
				d, ok, err := c.Lang.Row(base, nil)
				if err != nil {
					return nil, err
				}
				if !ok {
					return nil, Errorf("usage", "base %d: got %s, wanted a dict of settings; settings are given by name, such as every = \"15m\"", i+1, c.Lang.TypeName(base))
				}
				for k, name := range d.Names {
					given = append(given, Named{name, d.Values[k]})
				}
			}
			return nil, c.Job.declare(c, append(given, a.More...))
		},
	},
	{
		Name: "retry", Doc: "Says how often a failed phase is tried again, and when: first * factor^(attempt-1), at most cap, varied by jitter. Attempts begin anew after a checkpoint (ctx.checkpoint, ctx.batches) that has committed anything new: a hook that commits in each attempt and then fails is tried without end, until jobs cancel. What another attempt would meet again fails at once: a mistake in a call, what needs does not name, a name after a dot that no value has, SQL that the database does not understand, a bad line of a local CSV file that is not its last one, a column that such a file does not have, or a key that the item does not have. So does an error of the language itself (a key that a dict does not have, a wrong type, a division by zero), and a value that its column cannot hold, if the hook was given nothing that may be otherwise next time: nothing but its item, and whole lines of one local file. After a request, a query, state, vars, the time, files.list or files.read, it is tried again; so it is where the script has kept what a function said that writes, such as how many rows db.exec has changed, and where it has read the file to its end, at which more may be written, except at a row of its last batch. What error(...) raises is tried again, unless with retryable=False. jobs show says where no attempt followed; once the script is mended: dsengine jobs retry ID, or --type T --status failed. jobs retry also makes an attempt due now, and jobs cancel stops a job whose attempts cannot help.",
		Params: []Param{
			{Name: "max", Type: Int, Default: int64(5), Doc: "attempts in all; 1: no retry"},
			{Name: "first", Type: Duration, Default: 10 * time.Second, Doc: "the wait before the second attempt"},
			{Name: "factor", Type: Number, Default: int64(2), Doc: "each further wait is so many times longer"},
			{Name: "cap", Type: Duration, Default: time.Hour, Doc: "no wait is longer"},
			{Name: "jitter", Type: Number, Default: 0.1, Doc: "the share of a wait by which it varies, 0 to 1"},
		},
		Returns: "retry_policy",
		Example: "retry(max = 3, first = \"30s\")",
		Lua:     "retry({max = 3, first = \"30s\"})",
		Do: func(_ *Call, a *Args) (Value, error) {
			p := engine.RetryPolicy{
				Max: int(min(a.Int("max"), 1<<30)), First: a.Duration("first"), Factor: a.Float("factor"),
				Cap: a.Duration("cap"), Jitter: a.Float("jitter"),
			}
			switch { // zeros are defaults to the engine
			case p.Max < 1:
				return nil, Errorf("usage", "max: got %d, wanted at least 1 (1: no retry)", p.Max)
			case p.First <= 0:
				return nil, Errorf("usage", "first must be longer than 0s; \"1ms\" is at once")
			case p.Cap <= 0:
				return nil, Errorf("usage", "cap must be longer than 0s")
			case p.Factor < 1:
				return nil, Errorf("usage", "factor: got %v, wanted 1 or more", p.Factor)
			case p.Jitter < 0 || p.Jitter > 1:
				return nil, Errorf("usage", "jitter: got %v, wanted 0 to 1", p.Jitter)
			case p.Jitter == 0:
				p.Jitter = -1
			}
			return &policy{p}, p.Validate()
		},
	},
	{
		Name: "error", Doc: "Stops the hook with an error: the attempt has failed. An error object, from catch say, is raised again as it is.",
		Params: []Param{
			{Name: "message", Type: Any, Doc: "what happened, or an error object"},
			{Name: "retryable", Type: Bool, Default: true, Named: true, Doc: "False: trying again cannot help, the job fails for good"},
			{Name: "code", Type: String, Default: None, Named: true, Doc: "a word by which others know it, such as \"feed.empty\""},
			{Name: "after", Type: Duration, Default: None, Named: true, Doc: "how long to wait before the next attempt"},
		},
		Example: "if ctx.attempt > 99:\n    error(\"the feed is empty\", code = \"feed.empty\", after = \"10m\")",
		Lua:     "if ctx.attempt > 99 then\n  error(\"the feed is empty\", {code = \"feed.empty\", after = \"10m\"})\nend",
		Do: func(c *Call, a *Args) (Value, error) {
			switch m := c.Lang.Plain(a.Value("message")).(type) {
			case *failure:
				again := *m.f
				return nil, &Raised{Err: &again}
			case string:
				return nil, &Raised{Err: &engine.Failure{
					Kind: engine.KindError, Message: m, Code: a.String("code"), Retryable: a.Bool("retryable"),
					RetryAfter: a.Duration("after"), Wait: a.Given("after"),
				}}
			default:
				return nil, Errorf("usage", "message: got %s, wanted string or an error object", c.Lang.TypeName(a.Value("message")))
			}
		},
	},
	{
		Name: "catch", Doc: "Calls a function and gives (value, err); one of them is None. What the function wrote, emitted or set is undone with its error. It never catches ctx.retry and its like, time-outs, limits, too many rejects, what ended the transaction, or ctx.batches and ctx.checkpoint in it, which commit.",
		Params: []Param{
			{Name: "fn", Type: Function, Doc: "the function"},
			{Name: "args", Type: Any, Rest: true, Doc: "its arguments"},
			{Name: "kwargs", Type: Any, Others: true, Doc: "its arguments by name"},
		},
		Returns: "(value, err)", Effect: Read, Same: true,
		Example: "value, err = catch(json.decode, \"{\")\nerr.code  # \"json.syntax\"",
		Lua:     "local value, err = catch(json.decode, \"{\")\nerr.code  -- \"json.syntax\"",
		passes:  true,
		Do: func(c *Call, a *Args) (Value, error) {
			var result Value
			f, err := c.Catch(func() (err error) {
				result, err = a.Callable("fn").Call(a.Rest, a.More)
				return c.Lang.Failure(err)
			})
			if err != nil {
				return nil, err
			}
			if f == nil {
				return Tuple{result, nil}, nil
			}
			return Tuple{nil, &failure{f}}, nil
		},
	},
	rejectFunc,
}

// Catch runs fn, whose error has the form that Language.Failure gives it, on a
// savepoint, set once it writes. What it may catch it gives as caught; err must end the hook.
func (c *Call) Catch(fn func() error) (caught *engine.Failure, err error) {
	failed, err := c.Hook.CatchWrites(func() (undo func()) {
		finals, nones := len(c.finals), c.nones
		return func() { c.finals, c.nones = c.finals[:finals], nones }
	}, fn)
	if failed == nil || err != nil {
		return nil, err
	}
	c.Lang.Caught()
	f := engine.AsFailure(failed)
	f.Phase, f.Attempt = c.Hook.Job().Phase, c.Hook.Attempt()
	return f, nil
}
