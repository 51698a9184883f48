package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/dsengine/dsengine/engine"
)

// marshal writes a value as JSON on one line, with < and > as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// printJSON prints a value as JSON for programs, indented for people.
func printJSON(w io.Writer, v any) error {
	line, err := marshal(v)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, line, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = io.WriteString(w, cleanJSON(b.String()))
	return err
}

// printer prints data as text and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

// line prints a line.
func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// print prints a text as it is.
func (p *printer) print(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, text)
	}
}

// field prints a named value of a page.
func (p *printer) field(name, format string, args ...any) {
	p.line("  %-12s %s", name, fmt.Sprintf(format, args...))
}

// table prints rows below their headings; columns that right names hold
// numbers, columns without any value are left out.
func (p *printer) table(head []string, rows [][]string, right ...string) {
	if p.err != nil || len(rows) == 0 {
		return
	}
	t := table.NewWriter()
	t.SetStyle(table.Style{
		Name: "plain",
		Box:  table.BoxStyle{PaddingRight: "  "},
		Format: table.FormatOptions{
			Header: text.FormatUpper,
		},
	})
	t.SuppressTrailingSpaces()
	var columns []int
	var configs []table.ColumnConfig
	for i, name := range head {
		if !slices.ContainsFunc(rows, func(r []string) bool { return r[i] != "" }) {
			continue
		}
		columns = append(columns, i)
		align := text.AlignLeft
		if slices.Contains(right, name) {
			align = text.AlignRight
		}
		configs = append(configs, table.ColumnConfig{Number: len(columns), Align: align, AlignHeader: align})
	}
	pick := func(cells []string) table.Row {
		r := make(table.Row, len(columns))
		for k, i := range columns {
			r[k] = cells[i]
		}
		return r
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(pick(head))
	for _, r := range rows {
		t.AppendRow(pick(r))
	}
	p.line("%s", t.Render())
}

// clean is text of a database or a script, safe for a terminal: characters
// that steer it are shown as what they are.
func clean(s string) string {
	if strings.IndexFunc(s, steers) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if steers(r) {
			fmt.Fprintf(&b, "\\x%02x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func steers(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
}

// cleanJSON is clean for JSON, which stays the same value.
func cleanJSON(text string) string {
	if strings.IndexFunc(text, steers) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if steers(r) {
			fmt.Fprintf(&b, "\\u%04x", r) // all of them are below U+10000
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// clip is the beginning of a text, on one line; all of it where most is 0.
func clip(s string, most int) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	if r := []rune(s); most > 0 && len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return s
}

// clipPath is a path in a line, cut in the middle: names of folders and files tell more
// than what is between.
func clipPath(s string) string {
	const most = 80
	r := []rune(clean(s))
	if len(r) <= most {
		return string(r)
	}
	return string(r[:most/4]) + "..." + string(r[len(r)-(most-most/4-3):])
}

// number is a count with its thousands set apart; none is "".
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return humanize.Comma(n)
}

// plural is a count and what is counted.
func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(n) + " " + many
}

// clock is a point in time as pages show it: with how far from now it is.
func clock(t *time.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return stamp(*t) + " (" + distance(*t, now) + ")"
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// distance is how far from now a point in time is.
func distance(t, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + rough(d)
	}
	return rough(now.Sub(t)) + " ago"
}

// rough is a length of time in its two biggest units at most.
func rough(d time.Duration) string {
	switch {
	case d < time.Second:
		return engine.FormatDuration(d.Round(time.Millisecond))
	case d < 10*time.Second:
		return engine.FormatDuration(d.Round(100 * time.Millisecond))
	case d < 10*time.Minute:
		return engine.FormatDuration(d.Round(time.Second))
	case d < 24*time.Hour:
		return engine.FormatDuration(d.Round(time.Minute))
	case d < 10*24*time.Hour:
		days := d / (24 * time.Hour)
		if hours := (d % (24 * time.Hour)).Round(time.Hour); hours > 0 && hours < 24*time.Hour {
			return fmt.Sprintf("%dd%dh", days, int(hours.Hours()))
		}
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// statWords are counts in the order of engine.StatNames, then others by name:
// "read 10, inserted 3"; skip leaves some out.
func statWords(stats map[string]int64, skip ...string) string {
	var words []string
	for _, name := range statOrder(stats) {
		if n := stats[name]; n != 0 && !slices.Contains(skip, name) {
			words = append(words, fmt.Sprintf("%s %s", clean(name), humanize.Comma(n)))
		}
	}
	return strings.Join(words, ", ")
}

func statOrder(stats map[string]int64) []string {
	names := slices.Clone(engine.StatNames)
	var others []string
	for name := range stats {
		if !slices.Contains(names, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	return append(names, others...)
}

// ids lists jobs' ids: the first few, and how many more there are.
func ids(list []engine.JobID, all int64) string {
	const most = 10
	words := make([]string, 0, most)
	for _, id := range list[:min(len(list), most)] {
		words = append(words, fmt.Sprint(id))
	}
	s := strings.Join(words, ", ")
	if more := all - int64(len(words)); more > 0 {
		s += fmt.Sprintf(" and %s more", humanize.Comma(more))
	}
	return s
}

// told is a job as JSON shows it.
func told(j *engine.Job) *engine.Job {
	c := *j
	c.Stats = j.AllStats()
	return &c
}

// optional is a text, or nil for none.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// orEmpty is what a pointer points to, or "".
func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
