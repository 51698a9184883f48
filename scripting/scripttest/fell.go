package scripttest

import (
	"fmt"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// Bounds of what is told of variables.
const (
	maxValue  = 200 // bytes
	maxLocals = 40
	maxFalls  = 1000 // hooks whose variables are kept
)

// Inner is where the script was when a hook failed, or a test by an error: the
// innermost function, with its variables.
type Inner struct {
	File   string      `json:"file"`
	Line   int         `json:"line"`
	Func   string      `json:"function"`
	Locals [][2]string `json:"locals"`
}

// hookOf is a hook of a job.
type hookOf struct {
	job   engine.JobID
	phase engine.Phase
}

// falls are where hooks were, and the test, when an error ended them last.
type falls struct {
	test  *hostlib.Caller
	hooks map[hookOf]*hostlib.Caller
}

// fell is told by the language when a hook ends with an error, or the test.
func (w *world) fell(c *hostlib.Call, at hostlib.Caller) {
	if c.Hook == nil {
		w.falls.test = &at
		return
	}
	j := c.Hook.Job()
	key := hookOf{j.ID, j.Phase}
	if w.falls.hooks == nil {
		w.falls.hooks = map[hookOf]*hostlib.Caller{}
	}
	if w.falls.hooks[key] != nil || len(w.falls.hooks) < maxFalls {
		w.falls.hooks[key] = &at
	}
}

// failed notes the attempt by which the job failed; nil: it did not.
func (o *outcome) failed(w *world, at *engine.Attempt) {
	if at != nil {
		o.err, o.fell = at.Failure, w.falls.hooks[hookOf{at.Job, at.Phase}]
	}
}

// hookFailed ends the test because a hook failed, or for another reason if it did not.
func hookFailed(c *hostlib.Call, o *outcome, format string, args ...any) error {
	s := &Stop{Message: fmt.Sprintf(format, args...), Inner: o.fell}
	if o.err != nil {
		s.Message += ": " + o.err.Message
		s.Detail = o.err.Backtrace
	}
	return stop(c, s)
}

// failure is a Stop as it is told.
func (w *world) failure(s *Stop) *Failure {
	f := &Failure{Message: s.Message, Detail: s.Detail, File: s.Caller.File, Line: s.Caller.Line, Text: s.Caller.Text, Via: s.Caller.Via, Locals: w.told(s.Caller.Locals)}
	w.within(f, s.Inner)
	return f
}

// within adds what the variables were where an error arose; nil: it is not known.
func (w *world) within(f *Failure, at *hostlib.Caller) {
	switch {
	case at == nil || len(at.Locals) == 0:
	case at.File == f.File && at.Line == f.Line && len(f.Locals) == 0:
		f.Locals = w.told(at.Locals)
	default:
		f.Inner = &Inner{at.File, at.Line, at.Func, w.told(at.Locals)}
	}
}

// told are variables as texts, secrets struck out.
func (w *world) told(vars []hostlib.Named) (list [][2]string) {
	for i, v := range vars {
		if i == maxLocals {
			return append(list, [2]string{"...", fmt.Sprintf("and %d more", len(vars)-i)})
		}
		text := w.hides.Strike(fmt.Sprint(v.Value))
		if len(text) > maxValue {
			n := maxValue
			for !utf8.RuneStart(text[n]) {
				n--
			}
			text = text[:n] + "..."
		}
		list = append(list, [2]string{v.Name, text})
	}
	return list
}
