package hostlib

import (
	"io"
	"iter"

	"github.com/dsengine/dsengine/engine"
)

// failure is the err that a fail hook and catch get.
type failure struct{ f *engine.Failure }

// NewErr is the err object of a failure.
func NewErr(f *engine.Failure) Object { return &failure{f} }

// ObjectType is err.
func (e *failure) ObjectType() *ObjectType { return errType }

func errAttr(name, typ, doc string, get func(f *engine.Failure) Value) Attr {
	return Attr{Name: name, Type: typ, Doc: doc, Get: func(v Value) (Value, error) { return get(v.(*failure).f), nil }}
}

var errType = &ObjectType{
	Name: "err", Doc: "How something failed: what the fail hook and catch are given.", Record: true,
	Text: func(v Value) string { return v.(*failure).f.Message },
	Attrs: []Attr{
		errAttr("message", "string", "What happened.", func(f *engine.Failure) Value { return f.Message }),
		errAttr("kind", "string", "error, timeout, limit, lost, rejects or purged.", func(f *engine.Failure) Value { return string(f.Kind) }),
		errAttr("phase", "string", "The hook that failed.", func(f *engine.Failure) Value {
			if !f.Phase.Valid() {
				return nil
			}
			return f.Phase.String()
		}),
		errAttr("attempt", "int", "The number of the attempt that failed, from 1.", func(f *engine.Failure) Value { return int64(f.Attempt) }),
		errAttr("final", "bool", "Whether no attempt follows, unless the fail hook says so.", func(f *engine.Failure) Value { return f.Final }),
		errAttr("retryable", "bool", "Whether trying again can help.", func(f *engine.Failure) Value { return f.Retryable }),
		errAttr("code", "string", "A word such as file.missing or db.duplicate; \"\" if there is none.", func(f *engine.Failure) Value { return f.Code }),
		errAttr("retry_after", "duration", "How long to wait before the next attempt, if that was said; else None.", func(f *engine.Failure) Value {
			if !f.Wait && f.RetryAfter == 0 {
				return nil
			}
			return f.RetryAfter
		}),
		errAttr("backtrace", "string", "Where it happened: files, lines, columns.", func(f *engine.Failure) Value { return f.Backtrace }),
	},
}

// summary is what the finish hook gets.
type summary struct {
	c *Call
	s *engine.Summary
}

// NewSummary is the summary object of the hook's items.
func NewSummary(c *Call) Object { return &summary{c: c, s: c.Hook.Summary()} }

// ObjectType is summary.
func (s *summary) ObjectType() *ObjectType { return summaryType }

func summaryAttr(name, typ, doc string, get func(s *summary) Value) Attr {
	return Attr{Name: name, Type: typ, Doc: doc, Get: func(v Value) (Value, error) { return get(v.(*summary)), nil }}
}

var summaryType = &ObjectType{
	Name: "summary", Doc: "How a job's items went: what the finish hook is given.",
	Attrs: []Attr{
		summaryAttr("total", "int", "How many items there were.", func(s *summary) Value { return s.s.Total }),
		summaryAttr("completed", "int", "How many completed.", func(s *summary) Value { return s.s.Completed }),
		summaryAttr("failed", "int", "How many failed.", func(s *summary) Value { return s.s.Failed }),
		summaryAttr("cancelled", "int", "How many were cancelled.", func(s *summary) Value { return s.s.Cancelled }),
		summaryAttr("stats", "dict", "What the items counted, added up: read, inserted, and so on.", func(s *summary) Value { return statsDict(s.s.Stats) }),
		summaryAttr("results", "iterator", "What the completed items returned, in the order of their ids; those that returned None are left out. Lazy: each summary.results goes through them anew.", func(s *summary) Value { return s.c.results() }),
		summaryAttr("error", "err", "How the job itself failed, if it did; else None.", func(s *summary) Value {
			if s.s.Error == nil {
				return nil
			}
			return &failure{s.s.Error}
		}),
	},
}

// results iterates over what the job's items returned. Nothing is open before it
// is asked for the first.
func (c *Call) results() Iterator {
	var next func() (engine.Raw, bool)
	var failed error
	stop := func() {}
	s := c.openedBy("summary.results", func() (Value, error) {
		if next == nil {
			next, stop = iter.Pull(func(yield func(engine.Raw) bool) {
				failed = c.Hook.Results(func(_ engine.JobID, result engine.Raw) bool { return yield(result) })
			})
		}
		raw, ok := next()
		switch {
		case ok:
			return c.Lang.Native(JSON(raw)) // writers and others look into them
		case failed != nil:
			return nil, failed
		}
		return nil, io.EOF
	}, func() error { stop(); return nil })
	s.owned = true
	return s
}
