package hostlib

import (
	"bytes"
	"fmt"
	"io"

	"github.com/dsengine/dsengine/engine"
)

// ctx is what every hook gets first.
type ctx struct{ *Call }

// Ctx is the ctx object of the hook.
func (c *Call) Ctx() Object { return ctx{c} }

// ObjectType is ctx.
func (ctx) ObjectType() *ObjectType { return ctxType }

func ctxAttr(name, typ, doc string, get func(c *Call) (Value, error)) Attr {
	return Attr{Name: name, Type: typ, Doc: doc, Get: func(v Value) (Value, error) { return get(v.(ctx).Call) }}
}

// orNone is a text, or None if it is empty.
func orNone(s string) (Value, error) {
	if s == "" {
		return nil, nil
	}
	return s, nil
}

// once decodes JSON when it is first asked for.
func (c *Call) once(to *Value, raw engine.Raw) (Value, error) {
	var err error
	if *to == nil && raw != nil {
		*to, err = c.Lang.Native(JSON(raw))
	}
	return *to, err
}

// emitParams are those that emit and its like share.
var emitParams = []Param{
	{Name: "key", Type: String, Default: None, Named: true, Doc: "while a job with this key counts, no second one is created"},
	{Name: "unique", Type: String, Default: "active", Named: true, Fits: fitsUnique, Doc: "how long the key counts: \"active\" (until the job is final), \"waiting\" (until it starts), \"forever\", or a time such as \"30d\" after it completed. A job that failed or was cancelled keeps a key that counts for ever until it is retried or pruned; what is left out for that is told in the log"},
	{Name: "replace", Type: Bool, Default: false, Named: true, Doc: "gives the job that waits under the key the new payload"},
	{Name: "priority", Type: Int, Default: None, Named: true, Doc: "-100 to 100, smaller runs first; None: the type's"},
	{Name: "after", Type: Duration, Default: None, Named: true, Doc: "how long it waits before it is due"},
}

// endsHook is what functions change that end the hook.
const endsHook = "it ends the hook: nothing behind it runs"

var typeParam = Param{Name: "type", Type: String, Default: None, Named: true, Doc: "another type whose consume gets it; None: this one's"}

// fitsUnique says whether a string says how long a key counts.
func fitsUnique(s string) error {
	_, err := engine.ParseUnique(s)
	if err != nil {
		return Errorf("usage", "%v%s", err, Suggest(s, []string{"active", "waiting", "forever"}))
	}
	return nil
}

// keyed says that a key is missing, as the engine does.
func keyed(known func(name string) Value, may func(name string) bool) error {
	unique, _ := known("unique").(string)
	if replace, _ := known("replace").(bool); may("key") || !replace && (unique == "" || unique == "active") {
		return nil
	}
	return Errorf("usage", "unique and replace need a key")
}

// emission reads what emit and its like were given.
func emission(a *Args) (e engine.Emission, err error) {
	e = engine.Emission{Replace: a.Bool("replace"), After: a.Duration("after")}
	if a.Given("priority") {
		p := int(max(-1000, min(a.Int("priority"), 1000)))
		e.Priority = &p
	}
	if mode := a.String("unique"); mode != "" {
		e.Unique, err = engine.ParseUnique(mode)
	}
	return e, err
}

var ctxType = &ObjectType{
	Name: "ctx", Doc: "The job that runs, and what its hook can do with it.",
	Attrs: []Attr{
		ctxAttr("id", "int", "The job's id.", func(c *Call) (Value, error) { return int64(c.Hook.Job().ID), nil }),
		ctxAttr("type", "string", "The job's type.", func(c *Call) (Value, error) { return c.Hook.Type().Name, nil }),
		ctxAttr("phase", "string", "produce, consume, finish or fail; \"consume\" in the hook redrive too.", func(c *Call) (Value, error) { return c.Hook.Job().Phase.String(), nil }),
		ctxAttr("attempt", "int", "The number of this attempt, from 1; in fail, of the one that failed.", func(c *Call) (Value, error) {
			c.varies = true
			return int64(c.Hook.Attempt()), nil
		}),
		ctxAttr("max_attempts", "int", "How many attempts there are at most.", func(c *Call) (Value, error) { return int64(c.Hook.Type().Settings.Retry.Max), nil }),
		ctxAttr("key", "string", "The job's key, or None.", func(c *Call) (Value, error) { return orNone(c.Hook.Job().Key) }),
		ctxAttr("server", "string", "The name of the server that runs the hook.", func(c *Call) (Value, error) {
			c.varies = true
			return c.Hook.Server(), nil
		}),
		ctxAttr("instance", "string", "The job's instance, or None.", func(c *Call) (Value, error) { return orNone(c.Hook.Job().Instance) }),
		ctxAttr("params", "dict", "The parameters of the instance; empty if there are none.", func(c *Call) (Value, error) {
			c.varies = c.varies || c.Hook.Type().Settings.InstancesVar != ""
			raw, err := c.Hook.Params()
			if err != nil {
				return nil, err
			}
			if raw == nil {
				raw = engine.Raw("{}")
			}
			return c.once(&c.params, raw)
		}),
		ctxAttr("payload", "any value", "What the job was created with.", func(c *Call) (Value, error) { return c.once(&c.payload, c.Hook.Payload()) }),
		ctxAttr("scheduled_for", "time", "The time for which a schedule fired the job; None if none did.", func(c *Call) (Value, error) {
			if t := c.Hook.Job().ScheduledFor; !t.IsZero() {
				return t, nil
			}
			return nil, nil
		}),
		ctxAttr("position", "any value", "What the last checkpoint of this phase was given, or None.", func(c *Call) (Value, error) {
			if raw := c.Hook.Position(); !bytes.Equal(raw, c.posRaw) {
				c.pos, c.posRaw = nil, raw
			}
			return c.once(&c.pos, c.posRaw)
		}),
	},
	Methods: []*Func{
		{
			Name: "now", Doc: "Gives the time by the database's clock, in UTC.",
			Returns: "time", Effect: Read,
			Example: "ctx.now() >= time.parse(\"2020-01-01\")  # True",
			Lua:     "ctx.now() >= time.parse(\"2020-01-01\")  -- true",
			Do:      func(c *Call, _ *Args) (Value, error) { return c.Hook.Now(), nil },
		},
		{
			Name: "emit", Together: keyed, Doc: "Creates an item: a job that consume works on, whose parent this one is. It waits for the next commit. It says whether the item is created. Items may make items, 10,000 generations deep, and each waits for those below it; pages that nobody else works on are better a loop with ctx.checkpoint, or each a job of its own by ctx.enqueue.",
			Params:  append([]Param{{Name: "item", Type: Data, Doc: "what consume gets; a set or a tuple arrives as a list"}, typeParam}, emitParams...),
			Returns: "bool", Effect: Write,
			Example: "ctx.emit({\"path\": \"data/people.csv\"}, key = \"people\")  # True",
			Lua:     "ctx.emit({path = \"data/people.csv\"}, {key = \"people\"})  -- true",
			Do: func(c *Call, a *Args) (Value, error) {
				e, err := emission(a)
				if err != nil {
					return nil, err
				}
				e.Type, e.Key = a.String("type"), a.String("key")
				if e.Payload, err = KeepJSON(a.Value("item")); err != nil {
					return nil, err
				}
				return c.Hook.Emit(e)
			},
		},
		{
			Name: "emit_all", Together: keyed, Doc: "Creates an item of each element. It commits by itself now and then, and after a crash goes on where it was: the elements must come in the same order. It gives the number of items created.",
			Params: append([]Param{
				{Name: "iterable", Type: Iterable, Doc: "the items"},
				{Name: "key", Type: Function, Default: None, Named: true, Doc: "a function that gives the key of an item"},
				typeParam,
			}, emitParams[1:]...),
			Returns: "int", Effect: Write,
			Example: "ctx.emit_all(csv.read(\"data/people.csv\"), key = lambda row: row[\"id\"])  # 2",
			Lua:     "ctx.emit_all(csv.read(\"data/people.csv\"), {key = function(row) return row.id end})  -- 2",
			Do: func(c *Call, a *Args) (Value, error) {
				e, err := emission(a)
				if err != nil {
					return nil, err
				}
				e.Type = a.String("type")
				it := a.Iterator("iterable")
				defer it.Close()
				return c.Hook.EmitAll(&emissions{c: c, it: it, key: a.Callable("key"), like: e}, c.loopID(it))
			},
		},
		{
			Name: "enqueue", Together: keyed, Doc: "Creates a job of its own, with this one's commit. It says whether the job is created.",
			Params: append([]Param{
				{Name: "type", Type: String, Doc: "the job's type"},
				{Name: "payload", Type: Data, Default: None, Doc: "what it is created with"},
				{Name: "instance", Type: String, Default: None, Named: true, Doc: "its instance; None: this job's own if it is of the same type, else none"},
			}, emitParams...),
			Returns: "bool", Effect: Write,
			Example: "ctx.enqueue(ctx.type, {\"n\": 2}, key = \"next\", after = \"1h\")  # True",
			Lua:     "ctx.enqueue(ctx.type, {n = 2}, {key = \"next\", after = \"1h\"})  -- true",
			Do: func(c *Call, a *Args) (Value, error) {
				e, err := emission(a)
				if err != nil {
					return nil, err
				}
				e.Type, e.Key = a.String("type"), a.String("key")
				if a.Given("instance") {
					instance := a.String("instance")
					e.Instance = &instance
				}
				if e.Payload, err = KeepJSON(a.Value("payload")); err != nil {
					return nil, err
				}
				return c.Hook.Enqueue(e)
			},
		},
		{
			Name: "checkpoint", Doc: "Commits all that the hook did so far. After a failure or a crash the hook starts again with ctx.position set to the last position. Time-out and steps begin anew; attempts too, if the position is another one or anything was written. Variables of the hook are not kept: what it adds up belongs into the position, into ctx.count, into state or into a table. A hook that looks at ctx.position must go on from there: it does not come to the ctx.batches and ctx.emit_all before that checkpoint again.",
			Params: []Param{{Name: "position", Type: Data, Default: None, Doc: "where to go on; None keeps the last one"}}, Effect: Write,
			Example: "ctx.checkpoint({\"page\": 7})\nctx.position  # {\"page\": 7}",
			Lua:     "ctx.checkpoint({page = 7})\nctx.position.page  -- 7",
			Do: func(c *Call, a *Args) (Value, error) {
				if !a.Given("position") {
					return nil, c.Hook.Checkpoint(nil, false)
				}
				raw, err := KeepJSON(a.Value("position"))
				if err != nil {
					return nil, err
				}
				return nil, c.Hook.Checkpoint(raw, true)
			},
		},
		{
			Name: "batches", Doc: "Loops over lists of n elements, and commits after each pass. After a crash, or when the job is retried, it leaves out the batches that were committed: the elements must come in the same order. Of what is left out only the last element is compared with what it was, so a file that was mended elsewhere is not seen: dsengine jobs retry ID --fresh begins anew. A loop is known again by its place in the script and by the file, object or table that it goes through, so files may be moved away once they are read, and others may come, under the same names too: a file is another one, and read as a whole, if one of that name was read to its end, and what stands there now is not the same, nor the same with more after it (by all of a file here, of one above 64 MB by parts all over it; by size and time on a server, the ETag of an object, and in an archive by the sum or the time that this has of it). Write inside of the passes then, or by key, with ctx.checkpoint() before the next loop: what is written between such loops cannot be told apart when they are others than before, and the hook fails. So it does when it ends and has not come again to a loop that it was in. They must be data (dicts, lists, strings, numbers): of elements of XML and other objects make dicts first, by ctx.batches(iter.map(fn, ...), n). " +
				"The hook begins anew then, on whichever server, and so do its variables: what is added up in one over the passes counts only what came since. Keep totals by ctx.count, in state, or in a table; ctx.count cannot be read in the hook, but in finish, by summary.stats, of a job that emits items. " +
				"What a function of the iterable writes to give an element (iter.map) is committed with it, and taken back where the element is left out; but a row whose key is there by then is an error, so write by db.upsert there, or inside of the passes. " +
				"A pass that is left by break is committed with whatever comes next, and the loop is not gone on with after a crash.",
			Params: []Param{{Name: "iterable", Type: Iterable, Doc: "the elements"}, batchParam(maxBatch)}, Returns: "iterator of list", Effect: Write,
			Example: "for rows in ctx.batches(csv.read(\"data/people.csv\"), 1000):\n    db.upsert(\"people\", [{\"id\": int(r[\"id\"]), \"name\": r[\"name\"]} for r in rows], key = [\"id\"])",
			Lua:     "for rows in ctx.batches(csv.read(\"data/people.csv\"), 1000) do\n  db.upsert(\"people\", rows, {key = {\"id\"}})\nend",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.batches(a.Iterator("iterable"), a.Int("n"))
			},
		},
		{
			Name: "progress", Doc: "Says how far the hook is; people see it. It is never rolled back.",
			Params: []Param{
				{Name: "done", Type: Int, Doc: "how much is done"},
				{Name: "total", Type: Int, Default: None, Doc: "how much there is"},
				{Name: "note", Type: String, Default: None, Doc: "what it is doing"},
			},
			Effect: Read, Same: true,
			Changes: "people see it at once; no rollback undoes it",
			Example: "ctx.progress(10, 200, \"reading\")",
			Lua:     "ctx.progress(10, 200, \"reading\")",
			Do: func(c *Call, a *Args) (Value, error) {
				p := engine.Progress{Done: a.Int("done"), Note: a.String("note")}
				if a.Given("total") {
					total := a.Int("total")
					p.Total = &total
				}
				c.Hook.Progress(p)
				return nil, nil
			},
		},
		{
			Name: "count", Doc: "Adds to a count of your own among the job's statistics, of which there may be 500. A crash takes back what was not committed, and ctx.batches then leaves out what was, so that a sum in a variable of the script is wrong, and a count is right. It cannot be read in the hook: jobs show tells it, and of a job with items the hook finish has the sums, in summary.stats.",
			Params: []Param{{Name: "name", Type: String, Doc: "what is counted"}, {Name: "n", Type: Int, Default: int64(1), Doc: "how many"}}, Effect: Write,
			Example: "ctx.count(\"without_email\")",
			Lua:     "ctx.count(\"without_email\")",
			Do: func(c *Call, a *Args) (Value, error) {
				if a.String("name") == engine.UnseenCount {
					return nil, Errorf("usage", "name: %q is a count of the engine's own: take another one", engine.UnseenCount)
				}
				return nil, c.Hook.Count(a.String("name"), a.Int("n"))
			},
		},
		ctxWindow,
		{
			Name: "on_commit", Doc: "Has a function called after the next commit. A crash in between loses it: use it for tidying up. Nothing that it writes to the database is committed.",
			Params: []Param{{Name: "fn", Type: Function, Doc: "the function"}, {Name: "args", Type: Any, Rest: true, Doc: "its arguments"}}, Effect: Write,
			Example: "ctx.on_commit(log.info, \"committed\")",
			Lua:     "ctx.on_commit(log.info, \"committed\")",
			Do: func(c *Call, a *Args) (Value, error) {
				fn, args := a.Callable("fn"), a.Rest
				c.deferred = true
				at := ""
				if c.Host != nil && c.Host.Around != nil {
					at = c.Lang.Where()
				}
				c.Hook.OnCommit(func() error {
					outer := c.open
					c.after, c.afterAt, c.open = true, at, map[io.Closer]struct{}{}
					defer func() {
						closeAll{c}.Close() // what it left open is read by nobody, and would break the connection
						c.after, c.afterAt, c.open = false, "", outer
					}()
					_, err := fn.Call(args, nil)
					err = c.Lang.Failure(err)
					c.Lang.Caught() // whatever ended it, the hook goes on
					if err == nil {
						err = c.tellLeaks()
					}
					if err != nil && c.Host != nil && c.Host.Unheard != nil && !Decided(err) {
						c.Host.Unheard("a function given to ctx.on_commit", err)
					}
					return err
				})
				return nil, nil
			},
		},
		{
			Name: "retry", Doc: "Ends the hook as a failed attempt; what it did since the last checkpoint is rolled back, but in fail it is committed.",
			Params: []Param{
				{Name: "after", Type: Duration, Default: None, Doc: "how long to wait before the next attempt; None: as the retry setting says"},
				{Name: "reason", Type: String, Default: "", Doc: "why"},
			},
			Effect:  Read,
			Changes: endsHook,
			Example: "if ctx.attempt > 99:\n    ctx.retry(after = \"10m\", reason = \"the file is not complete\")",
			Lua:     "if ctx.attempt > 99 then\n  ctx.retry(\"10m\", \"the file is not complete\")\nend",
			Do: func(c *Call, a *Args) (Value, error) {
				return nil, c.Hook.Retry(a.Duration("after"), a.Given("after"), a.String("reason"))
			},
		},
		{
			Name: "snooze", Doc: "Ends the hook and runs it again later; it burns no attempt. What it did since the last checkpoint is rolled back, but in fail it is committed.",
			Params: []Param{{Name: "after", Type: Duration, Doc: "how long to wait"}}, Effect: Read, Changes: endsHook,
			Example: "if ctx.attempt > 99:\n    ctx.snooze(\"1h\")",
			Lua:     "if ctx.attempt > 99 then\n  ctx.snooze(\"1h\")\nend",
			Do:      func(c *Call, a *Args) (Value, error) { return nil, c.leaves(c.Hook.Snooze(a.Duration("after"))) },
		},
		{
			Name: "cancel", Doc: "Ends the hook and the job, as cancelled. What the hook did since the last checkpoint is rolled back, but in fail it is committed.",
			Params: []Param{{Name: "reason", Type: String, Doc: "why"}}, Effect: Read, Changes: endsHook,
			Example: "if ctx.attempt > 99:\n    ctx.cancel(\"the customer is gone\")",
			Lua:     "if ctx.attempt > 99 then\n  ctx.cancel(\"the customer is gone\")\nend",
			Do:      func(c *Call, a *Args) (Value, error) { return nil, c.leaves(c.Hook.Cancel(a.String("reason"))) },
		},
		{
			Name: "fail", Doc: "Ends the hook and fails the job for good. What the hook did since the last checkpoint is rolled back, but in fail it is committed.",
			Params: []Param{{Name: "reason", Type: String, Doc: "why"}}, Effect: Read, Changes: endsHook,
			Example: "if ctx.attempt > 99:\n    ctx.fail(\"the file will never be readable\")",
			Lua:     "if ctx.attempt > 99 then\n  ctx.fail(\"the file will never be readable\")\nend",
			Do:      func(c *Call, a *Args) (Value, error) { return nil, c.Hook.Fail(a.String("reason")) },
		},
	},
}

// emissions turns elements into items.
type emissions struct {
	c    *Call
	it   Iterator
	key  Callable
	like engine.Emission
	n    int
}

// NextEmission is the next item.
func (s *emissions) NextEmission() (engine.Emission, error) {
	e := s.like
	v, err := s.it.Next()
	if err != nil {
		return e, err
	}
	s.n++
	if s.key != nil {
		if v, err = s.c.Lang.Native(v); err != nil {
			return e, err
		}
		k, err := s.key.Call([]Value{v}, nil)
		if err != nil {
			return e, err
		}
		var ok bool
		if e.Key, ok = s.c.Lang.Plain(k).(string); !ok || e.Key == "" {
			return e, Errorf("usage", "key: the function gave %s, wanted a string that is not empty", s.c.Lang.TypeName(k))
		}
	}
	if e.Payload, err = s.c.encode(v, JSONForm{Kept: true}); err != nil {
		err = Errorf("usage", "element %d: %v", s.n, err)
	}
	return e, err
}

// maxBatch bounds the elements of one list of ctx.batches.
const maxBatch = engine.MaxPendingItems * 10

// batches is the loop of ctx.batches.
func (c *Call) batches(it Iterator, n int64) (Value, error) {
	if err := batchSize(n, maxBatch); err != nil {
		return nil, err
	}
	b, err := c.Hook.Batches(c.loopID(it))
	if err != nil {
		return nil, err
	}
	l := &batchLoop{c: c, it: it, n: int(n), b: b}
	l.spots = newSpots(c, it)
	l.source = c.iterator("ctx.batches", l.next, nil)
	l.source.over, l.source.resource = []Iterator{it}, true
	if o := sourceOf(it); o != nil {
		l.source.roots = o.roots
	}
	return l, nil
}

// batchLoop is that loop. When the script leaves it, the pass that it left, and
// that it left it there, commit with whatever comes next.
type batchLoop struct {
	c      *Call
	it     Iterator
	n      int
	b      *engine.Batches
	source *source
	spots  spots
}

// Next commits the last pass, and gives the next batch.
func (l *batchLoop) Next() (Value, error) { return l.source.Next() }

// Close gives up the elements.
func (l *batchLoop) Close() error { return l.source.Close() }

func (l *batchLoop) next() (Value, error) {
	if err := l.b.Commit(); err != nil {
		return nil, err
	}
	var batch []Value
	l.spots.begin()
	for len(batch) < l.n {
		if l.b.Over() {
			return nil, io.EOF
		}
		v, err := l.it.Next()
		if err == io.EOF {
			l.b.Ended()
			break
		}
		if err != nil {
			return nil, err
		}
		var bad error
		print := func() (print uint64) {
			print, bad = l.fingerprint(v)
			return print
		}
		skip, err := l.b.Skip(print)
		if !skip && err == nil && bad == nil {
			l.b.Take(print)
		}
		switch {
		case bad != nil:
			return nil, bad
		case err != nil:
			return nil, err
		case !skip:
			batch = append(batch, v)
			l.spots.add()
		case l.c.Lang.Plain(v) == nil:
			l.c.skipped(1) // it was met before
		}
	}
	if len(batch) == 0 {
		if err := l.b.Done(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	last, err := l.fingerprint(batch[len(batch)-1])
	if err != nil {
		return nil, err
	}
	l.b.Pass(len(batch), last)
	l.spots.give()
	return batch, nil
}

// wayOut is what to do with elements that are no data.
func (l *batchLoop) wayOut(v Value) string {
	t := TypeOf(l.c.Lang.Plain(v))
	if t == nil {
		return "; make dicts of them first: ctx.batches(iter.map(fn, ...), ...), with a function that makes a dict of an element"
	}
	made := "{...}"
	switch {
	case t.Method("dict") != nil:
		made = "x.dict()"
	case len(t.Attrs) > 0:
		made = fmt.Sprintf("{%q: x.%s}", t.Attrs[0].Name, t.Attrs[0].Name)
	}
	return fmt.Sprintf("; make dicts of them first: ctx.batches(iter.map(lambda x: %s, ...), %d)", made, l.n)
}

// fingerprint tells an element from others.
func (l *batchLoop) fingerprint(v Value) (uint64, error) {
	raw, err := l.c.print(v)
	if err != nil {
		return 0, Errorf("usage", "the elements must be data, so that they are known again after a crash: %v%s", err, l.wayOut(v))
	}
	return engine.Fingerprint("", raw), nil
}
