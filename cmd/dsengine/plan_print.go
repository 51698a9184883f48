package main

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/plan"
)

// planValue is how much of a value a page of a plan shows.
const planValue = 60

// printPlan prints a report for people: what matters most comes first.
func printPlan(p *printer, r *plan.Report) {
	name := clean(r.Type)
	if r.Instance != "" {
		name += " " + clean(r.Instance)
	}
	what := "a job of " + name
	if r.Replays != 0 {
		what = fmt.Sprintf("job %d of %s, run once more,", r.Replays, name)
	}
	switch {
	case len(r.Failures) > 0 && !r.Status.Final():
		p.line("%s would fail, and be tried again", what)
	case !r.OK:
		p.line("%s would fail", what)
	case r.Waits != nil:
		p.line("%s would go on at %s", what, stamp(*r.Waits))
	case r.Status.Final():
		p.line("%s would be %s", what, r.Status)
	default:
		p.line("%s would be %s when its items are done", what, r.Status)
	}
	if r.Idle != "" {
		p.line("%s", clean(r.Idle))
	}
	for _, f := range r.Failures {
		p.line("")
		p.line("%s fails (attempt %d): %s", f.Phase, f.Attempt, clean(f.Message))
		if f.Item != nil {
			p.line("  item %s", clip(string(f.Item), 200))
		}
		if f.Backtrace != "" {
			p.line("%s", indent(clean(strings.TrimRight(f.Backtrace, "\n"))))
		}
	}
	if r.Window != nil {
		p.line("")
		p.field("window", "%s to %s", stamp(r.Window.Start), stamp(r.Window.End))
	}
	printPlanHooks(p, r)
	printMade(p, "item", "items", "would be emitted", r.Items)
	for _, t := range r.Tables {
		printPlanTable(p, t)
	}
	printPlanLists(p, r)
	printMade(p, "job", "jobs", "would be enqueued", r.Enqueued)
	printPlanRest(p, r)
}

// heading begins a part of the page.
func heading(p *printer, format string, args ...any) {
	p.line("")
	p.line(format, args...)
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

func printPlanHooks(p *printer, r *plan.Report) {
	if len(r.Hooks) == 0 {
		return
	}
	heading(p, "%s", "hooks")
	const most = 20
	var rows [][]string
	for _, h := range r.Hooks[:min(len(r.Hooks), most)] {
		rows = append(rows, []string{"  " + h.Phase.String(), fmt.Sprintf("%.1f ms", h.Millis), clip(string(h.Item), planValue)})
	}
	p.table([]string{"  hook", "took", "item"}, rows, "took")
	if more := len(r.Hooks) - most; more > 0 {
		p.line("  and %s more", humanize.Comma(int64(more)))
	}
}

func printMade(p *printer, one, many, verb string, m plan.Made) {
	if m.Count == 0 {
		return
	}
	heading(p, "%s %s", plural(int64(m.Count), one, many), verb)
	const most = 5
	for _, i := range m.First[:min(len(m.First), most)] {
		line := fmt.Sprintf("  %s %s", clean(i.Type), clip(string(i.Payload), 2*planValue))
		if i.Key != "" {
			line += " key " + clip(i.Key, planValue)
		}
		if i.After != "" {
			line += " after " + i.After
		}
		p.line("%s", line)
	}
	if more := m.Count - min(len(m.First), most); more > 0 {
		p.line("  and %s more", humanize.Comma(int64(more)))
	}
}

func printPlanTable(p *printer, t *plan.Table) {
	name := clean(t.Name)
	if t.Connection != "" {
		name += " of " + clean(t.Connection)
	}
	words := statWords(t.Stats)
	if words == "" {
		words = "no rows"
	}
	heading(p, "table %s: %s", name, words)
	if t.Creates != "" {
		p.line("  it would be made: %s", clean(t.Creates))
	}
	if t.AlsoBySQL {
		p.line("  statements under SQL change rows of it, too: those shown here are as they were written, not as they would be in the end")
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		sign, row := "+", r.After
		if r.What == "deleted" {
			sign, row = "-", r.Before
		}
		if r.What == "updated" {
			sign = "~"
		}
		var words []string
		for _, n := range r.Names() {
			switch v, was := shownValue(row[n]), shownValue(r.Before[n]); {
			case r.What == "updated" && v != was:
				words = append(words, fmt.Sprintf("%s: %s -> %s", clean(n), was, v))
			default:
				words = append(words, fmt.Sprintf("%s: %s", clean(n), v))
			}
		}
		p.line("  %s %s", sign, strings.Join(words, ", "))
	}
	if all := t.Stats["inserted"] + t.Stats["updated"] + t.Stats["deleted"]; len(t.Rows) > 0 && all > int64(len(t.Rows)) {
		p.line("  and %s more", humanize.Comma(all-int64(len(t.Rows))))
	}
}

// shownValue is a value of a row on a page.
func shownValue(v any) string {
	line, err := marshal(v)
	if err != nil {
		line = []byte(fmt.Sprint(v))
	}
	return clip(string(line), planValue)
}

func printPlanLists(p *printer, r *plan.Report) {
	if len(r.Statements) > 0 {
		heading(p, "SQL")
		var rows [][]string
		for _, s := range r.Statements {
			touched := ""
			if s.Writes {
				touched = humanize.Comma(s.Rows)
			}
			rows = append(rows, []string{"  " + clip(s.SQL, 2*planValue), humanize.Comma(s.Times), touched, clean(s.Connection)})
		}
		p.table([]string{"  statement", "times", "rows", "connection"}, rows, "times", "rows")
	}
	if len(r.Records) > 0 {
		heading(p, "records")
		for _, s := range r.Records {
			p.line("  %s: %s new or changed, %s forgotten", clean(s.Source), humanize.Comma(s.Taken), humanize.Comma(s.Forgotten))
		}
	}
	if len(r.Requests) > 0 {
		heading(p, "requests")
		for _, q := range r.Requests {
			switch {
			case q.Error != "":
				p.line("  %s %s: %s", q.Method, clean(q.URL), clip(q.Error, 200))
			case q.Sent:
				p.line("  %s %s: %d", q.Method, clean(q.URL), q.Status)
			default:
				p.line("  %s %s: would be sent %s", q.Method, clean(q.URL), clip(q.Body, 2*planValue))
			}
		}
		if more := r.RequestCount - len(r.Requests); more > 0 {
			p.line("  and %s more", humanize.Comma(int64(more)))
		}
	}
	if len(r.Files) > 0 {
		heading(p, "files")
		for _, f := range r.Files {
			switch f.What {
			case "move":
				p.line("  move %s to %s", clean(f.From), clean(f.Path))
			case "remove":
				p.line("  remove %s", clean(f.Path))
			default:
				p.line("  %s %s, %s bytes", f.What, clean(f.Path), humanize.Comma(f.Size))
			}
		}
	}
	if len(r.Effects) > 0 {
		heading(p, "not done")
		for _, e := range r.Effects {
			p.line("  %s: %s", e.Function, clip(e.What, 200))
		}
		if more := r.EffectCount - len(r.Effects); more > 0 {
			p.line("  and %s more", humanize.Comma(int64(more)))
		}
	}
}

func printPlanRest(p *printer, r *plan.Report) {
	if len(r.Values) > 0 {
		heading(p, "values")
		for _, v := range r.Values {
			p.line("  %s %s: %s -> %s", v.Of, clean(v.Name), shownRaw(v.Before), shownRaw(v.After))
		}
	}
	if r.RejectCount > 0 {
		heading(p, "%s rejected", plural(int64(r.RejectCount), "row", "rows"))
		shown := r.Rejects[:min(len(r.Rejects), 5)]
		for _, x := range shown {
			place := clean(x.Source)
			if x.Line > 0 {
				place += fmt.Sprintf(":%d", x.Line)
			}
			p.line("  %s %s %s", place, clip(x.Reason, planValue), clip(string(x.Row), planValue))
		}
		if more := int64(r.RejectCount) - int64(len(shown)); more > 0 {
			p.line("  and %s more", humanize.Comma(more))
		}
	}
	if n := r.Needs; len(n.Used)+len(n.Unused) > 0 {
		heading(p, "needs")
		for _, line := range n.Used {
			p.line("  %s", clean(line))
		}
		for _, line := range n.Unused {
			p.line("  %s: not used", clean(line))
		}
	}
	if words := statWords(r.Stats); words != "" || r.Result != nil {
		heading(p, "result")
		if words != "" && r.ItemsRun > 0 {
			words += " (with " + plural(int64(r.ItemsRun), "item", "items") + ")"
		}
		if words != "" {
			p.field("counts", "%s", words)
		}
		if before := statWords(r.Before); before != "" {
			p.field("before", "%s: of these, what the job had counted by where this begins", before)
		}
		if r.Result != nil {
			p.field("result", "%s", clip(string(r.Result), 200))
		}
	}
	if len(r.Log) > 0 {
		heading(p, "log")
		for _, l := range r.Log {
			fields := ""
			if l.Fields != nil {
				fields = " " + clip(string(l.Fields), 2*planValue)
			}
			p.line("  %-5s %s%s", l.Level, clip(l.Message, 300), fields)
		}
	}
	if len(r.Notes) > 0 {
		heading(p, "not as in a run")
		for _, n := range r.Notes {
			p.line("  %s", clean(n))
		}
	}
	p.line("")
	p.line("nothing of this was done; it took %.0f ms", r.Millis)
}

func shownRaw(v engine.Raw) string {
	if v == nil {
		return "none"
	}
	return clip(string(v), planValue)
}
