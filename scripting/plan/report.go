package plan

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// maxListed bounds each list of a report; what there is more is counted.
const maxListed = 20

// maxLines bounds the lines of the log.
const maxLines = 200

// Report says what a job would do.
type Report struct {
	Type     string         `json:"type"`
	Instance string         `json:"instance,omitempty"`
	Replays  engine.JobID   `json:"replays,omitempty"` // the job that was run once more
	OK       bool           `json:"ok"`                // no attempt failed
	Status   engine.Status  `json:"status"`            // what becomes of the job, as far as it was looked at
	Waits    *time.Time     `json:"waits,omitempty"`   // until when, if it would go on later
	Result   engine.Raw     `json:"result"`
	Idle     string         `json:"idle,omitempty"` // that there was nothing to consume, and why that may be
	Failures []*Failed      `json:"failures"`
	Hooks    []*Hook        `json:"hooks"`
	Window   *engine.Window `json:"window"`

	Items        Made                 `json:"items"`
	ItemsRun     int                  `json:"items_run"`
	Enqueued     Made                 `json:"enqueued"`
	Tables       []*Table             `json:"tables"`
	Statements   []*Statement         `json:"statements"`
	Records      []*Source            `json:"records"`
	Requests     []*Request           `json:"requests"`
	RequestCount int                  `json:"request_count"`
	Files        []hostlib.FileChange `json:"files"`
	Effects      []hostlib.Effected   `json:"effects"`
	EffectCount  int                  `json:"effect_count"`
	Values       []Value              `json:"values"`
	Rejects      []Reject             `json:"rejects"`
	RejectCount  int                  `json:"reject_count"`
	Needs        hostlib.NeedsUse     `json:"needs"`
	Stats        map[string]int64     `json:"stats"`                    // of the job, and of the items that were run
	Before       engine.Stats         `json:"counted_before,omitempty"` // those that the job that is replayed had by where it begins
	Log          []engine.LogLine     `json:"log"`
	Notes        []string             `json:"notes"` // in what it is not as a real run
	Millis       float64              `json:"ms"`

	LeftOut engine.LeftOut `json:"-"` // what failed jobs of the database have the keys of

	changes *changes
}

// Failed is an attempt that failed.
type Failed struct {
	Job engine.JobID `json:"-"`
	*engine.Failure
	Item engine.Raw `json:"item,omitempty"`
}

// Hook is a hook that was run.
type Hook struct {
	Job     engine.JobID `json:"-"`
	Type    string       `json:"type"`
	Phase   engine.Phase `json:"phase"`
	Attempt int          `json:"attempt"`
	Item    engine.Raw   `json:"item,omitempty"`
	Millis  float64      `json:"ms"`
}

// Made is jobs that would be made.
type Made struct {
	Count int       `json:"count"`
	First []NewItem `json:"first"`
}

// NewItem is one of them.
type NewItem struct {
	Type    string     `json:"type"`
	Payload engine.Raw `json:"payload"`
	Key     string     `json:"key,omitempty"`
	After   string     `json:"after,omitempty"`
}

// Source is what would be kept about the rows of a source of records.
type Source struct {
	Source    string `json:"source"`
	Taken     int64  `json:"taken"`     // new or changed rows
	Forgotten int64  `json:"forgotten"` // -1: all
}

// Value is a value of state or vars that would be another.
type Value struct {
	Of       string     `json:"of"` // "state" or "vars"
	Type     string     `json:"type,omitempty"`
	Instance string     `json:"instance,omitempty"`
	Name     string     `json:"name"`
	Before   engine.Raw `json:"before"`
	After    engine.Raw `json:"after"`
}

// Reject is a row that would be set aside.
type Reject struct {
	Row    engine.Raw `json:"row"`
	Reason string     `json:"reason"`
	Source string     `json:"source,omitempty"`
	Line   int64      `json:"line,omitempty"`
}

func newReport() *Report {
	return &Report{
		Failures: []*Failed{}, Hooks: []*Hook{}, Requests: []*Request{}, Effects: []hostlib.Effected{}, Rejects: []Reject{},
		Log: []engine.LogLine{}, Notes: []string{}, Values: []Value{},
		Tables: []*Table{}, Files: []hostlib.FileChange{}, changes: &changes{statements: []*Statement{}, sources: []*Source{}},
		Items: Made{First: []NewItem{}}, Enqueued: Made{First: []NewItem{}},
	}
}

// hook notes a hook; one that is run again takes its own place.
func (r *Report) hook(h *Hook) {
	for i, o := range r.Hooks {
		if o.Job == h.Job && o.Phase == h.Phase && o.Attempt == h.Attempt {
			r.Hooks[i] = h
			return
		}
	}
	r.Hooks = append(r.Hooks, h)
}

// record notes what would be kept about a row of a source.
func (c *changes) record(source string, taken, forgotten bool) {
	var s *Source
	for _, o := range c.sources {
		if o.Source == source {
			s = o
		}
	}
	if s == nil {
		s = &Source{Source: source}
		c.sources = append(c.sources, s)
	}
	if taken {
		s.Taken++
	}
	if forgotten {
		s.Forgotten++
	}
}

// committed notes what came with a commit.
func (w *World) committed(o *engine.Outcome) {
	r := w.report
	made := func(m *Made, list []engine.JobInsert) {
		for i := range list {
			j := &list[i]
			if j.Foretold < 0 {
				continue
			}
			if m.Count++; len(m.First) < maxListed {
				n := NewItem{Type: w.names[j.Type], Payload: j.Payload, Key: j.Key}
				if j.Delay > 0 {
					n.After = engine.FormatDuration(j.Delay)
				}
				m.First = append(m.First, n)
			}
		}
	}
	made(&r.Items, o.Items)
	made(&r.Enqueued, o.Enqueue)
	for i := range o.Enqueue {
		if j := &o.Enqueue[i]; j.Key != "" {
			w.held[heldKey{j.Type, j.Instance, j.Key}] = engine.KeyHolder{Job: 1 << 50, Status: engine.StatusWaiting}
		}
	}
	r.RejectCount += len(o.Rejects)
	for _, x := range o.Rejects[:min(len(o.Rejects), maxListed-len(r.Rejects))] {
		r.Rejects = append(r.Rejects, Reject{Row: x.Row, Reason: x.Reason, Source: x.Source, Line: x.Line})
	}
}

// finish makes the report of what was noted.
func (w *World) finish(began time.Time) (*Report, error) {
	ctx, r := w.ctx, w.report
	root, err := w.scratch.Job(ctx, w.root)
	if err != nil {
		return nil, err
	}
	if !w.recalled || len(root.Stats) == 0 {
		root.Stats = engine.Stats(root.Stats).Plus(r.Before)
	}
	r.Type, r.Status, r.Result, r.Stats = root.Type, root.Status, root.Result, root.AllStats()
	if root.Instance != nil {
		r.Instance = *root.Instance
	}
	r.Window = root.Window
	if !root.Status.Final() && root.RunAt != nil && root.Status == engine.StatusWaiting {
		r.Waits = root.RunAt
	}
	items := map[engine.JobID]engine.Raw{}
	for _, h := range r.Hooks {
		items[h.Job] = h.Item
	}
	for _, id := range w.jobs {
		if err := w.tell(id, items[id]); err != nil {
			return nil, err
		}
	}
	lines, err := w.scratch.Logs(ctx, 0, w.scratchType(w.typ.Name), 0, false, maxLines)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		l.Message = Unadvised(l.Message)
		r.Log = append(r.Log, l)
	}
	if w.left > 0 || len(w.ran) > 0 {
		r.ItemsRun = len(w.ran)
	}
	if more := r.Items.Count - r.ItemsRun; more > 0 && w.left > 0 {
		w.say("%d of %d items were run (--items 0 runs all)", r.ItemsRun, r.Items.Count)
	}
	r.OK = len(r.Failures) == 0 && root.Status != engine.StatusFailed
	for _, t := range w.txs {
		r.changes.add(t.levels[0])
	}
	r.Statements, r.Records = r.changes.statements, r.changes.sources
	for _, t := range r.changes.tables {
		if len(t.Stats) > 0 || t.Creates != "" {
			t.AlsoBySQL = slices.ContainsFunc(r.Statements, func(s *Statement) bool { return s.changes(t) })
			r.Tables = append(r.Tables, t)
		}
	}
	slices.SortStableFunc(r.Tables, func(a, b *Table) int { return cmp.Compare(a.Connection, b.Connection) })
	files, err := w.dry.Files.Changes(w.opts.Files)
	if err != nil {
		return nil, err
	}
	r.Files = append(r.Files, files...)
	if err := w.values(); err != nil {
		return nil, err
	}
	r.Needs = w.dry.Needs()
	r.Millis = float64(time.Since(began).Microseconds()) / 1000
	r.strike(w.opts.Secrets)
	return r, nil
}

// Unadvised leaves out what a message advises to do to the job: there is none.
func Unadvised(message string) string {
	message, _, _ = strings.Cut(message, "; see them with: ")
	return message
}

// tell adds how a job failed, and what it counted.
func (w *World) tell(id engine.JobID, item engine.Raw) error {
	r := w.report
	attempts, err := w.scratch.Attempts(w.ctx, id)
	if err != nil {
		return err
	}
	for _, a := range attempts {
		if a.Failure != nil {
			a.Failure.Message, a.Failure.Backtrace = Unadvised(a.Failure.Message), Unadvised(a.Failure.Backtrace)
			r.Failures = append(r.Failures, &Failed{Job: id, Failure: a.Failure, Item: item})
		}
	}
	if id == w.root {
		return nil
	}
	j, err := w.scratch.Job(w.ctx, id)
	if err != nil {
		return err
	}
	for name, n := range j.Stats {
		r.Stats[name] += n
	}
	return nil
}

// values are the state and the variables that would be others.
func (w *World) values() error {
	for _, scope := range slices.SortedFunc(maps.Keys(w.scopes), func(a, b engine.Scope) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Instance, b.Instance))
	}) {
		had := w.scopes[scope]
		rows, err := w.scratch.Variables(w.ctx, scope, "")
		if err != nil {
			return err
		}
		now := map[string]engine.Raw{}
		for _, row := range rows {
			now[row.Name] = row.Value
		}
		names := map[string]bool{}
		for n := range had {
			names[n] = true
		}
		for n := range now {
			names[n] = true
		}
		for _, n := range slices.Sorted(maps.Keys(names)) {
			if bytes.Equal(had[n].Value, now[n]) {
				continue
			}
			v := Value{Of: "vars", Name: n, Before: had[n].Value, After: now[n]}
			if scope.Type != 0 {
				v.Of, v.Type, v.Instance = "state", w.names[scope.Type], scope.Instance
			}
			w.report.Values = append(w.report.Values, v)
		}
	}
	return nil
}

// strike strikes secrets out of what scripts have had in their hands.
func (r *Report) strike(s *engine.Secrets) {
	for _, t := range r.Tables {
		for i := range t.Rows {
			for _, m := range []map[string]any{t.Rows[i].Before, t.Rows[i].After} {
				for name, v := range m {
					if text, ok := v.(string); ok {
						m[name] = clip(s.Strike(text), maxValue) // in this order, or a part would be shown
					}
				}
			}
		}
	}
	for i := range r.Needs.Touched {
		r.Needs.Touched[i] = s.Strike(r.Needs.Touched[i])
	}
	for _, x := range r.Statements {
		x.SQL = s.Strike(x.SQL)
	}
	for _, x := range r.Requests {
		x.URL, x.Body, x.Error = s.Strike(x.URL), s.Strike(x.Body), s.Strike(x.Error)
	}
	for i := range r.Files {
		r.Files[i].Path, r.Files[i].From = s.Strike(r.Files[i].Path), s.Strike(r.Files[i].From)
	}
	for _, m := range []*Made{&r.Items, &r.Enqueued} {
		for i := range m.First {
			m.First[i].Payload = s.StrikeJSON(m.First[i].Payload)
		}
	}
}
