package scripttest

import (
	"strings"
	"unicode/utf8"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// widestTable is how wide a table may be that shows how rows differ.
const widestTable = 140

// tableDiff shows how two lists of rows differ as a table, a row a line, with a mark below
// each cell that is another one; "": they are no such lists, or do not fit.
func tableDiff(in notation, got, want hostlib.Value) string {
	t := table{widths: map[string]int{}}
	g, ok := t.cells(in, got)
	w, also := t.cells(in, want)
	if !ok || !also || len(g)+len(w) < 3 {
		return ""
	}
	head := map[string]string{}
	width := 2
	for _, c := range t.columns {
		head[c] = c
		t.widths[c] = max(t.widths[c], utf8.RuneCountInString(head[c]))
		width += t.widths[c] + 2
	}
	if width > widestTable {
		return ""
	}
	lines := strings.Split(lineDiff(t.text(g), t.text(w)), "\n")
	if len(lines) < 3 {
		return ""
	}
	all := append(lines[:2:2], indented(" "+t.line(head)))
	for i := 2; i < len(lines); {
		gone := run(lines[i:], "-")
		come := run(lines[i+gone:], "+")
		if gone == 0 || gone != come {
			all = append(all, lines[i:i+max(gone+come, 1)]...)
			i += max(gone+come, 1)
			continue
		}
		for k := i; k < i+gone; k++ {
			all = append(all, lines[k], lines[k+gone])
			if marks := t.marks(lines[k], lines[k+gone]); marks != "" {
				all = append(all, marks)
			}
		}
		i += gone + come
	}
	return strings.Join(all, "\n")
}

// run is how many lines of a diff begin with a mark.
func run(lines []string, mark string) int {
	for i, l := range lines {
		if !strings.HasPrefix(l, "  "+mark) {
			return i
		}
	}
	return len(lines)
}

// table is rows whose columns stand below one another.
type table struct {
	columns []string
	widths  map[string]int
}

// cells are those of some rows, by column; false: they are none.
func (t *table) cells(in notation, v hostlib.Value) (rows []map[string]string, ok bool) {
	list, ok := v.([]hostlib.Value)
	if !ok {
		return nil, false
	}
	for _, e := range list {
		d, ok := e.(*hostlib.Dict)
		if !ok {
			return nil, false
		}
		row := map[string]string{}
		for i, n := range d.Names {
			cell := in.literal(d.Values[i], 1)
			if strings.Contains(cell, "\n") {
				return nil, false
			}
			if _, known := t.widths[n]; !known {
				t.columns = append(t.columns, n)
			}
			t.widths[n] = max(t.widths[n], utf8.RuneCountInString(cell))
			row[n] = cell
		}
		rows = append(rows, row)
	}
	return rows, true
}

func (t *table) text(rows []map[string]string) string {
	lines := make([]string, len(rows))
	for i, r := range rows {
		lines[i] = t.line(r)
	}
	return strings.Join(lines, "\n")
}

func (t *table) line(row map[string]string) string {
	var b strings.Builder
	for _, c := range t.columns {
		b.WriteString(row[c])
		b.WriteString(strings.Repeat(" ", t.widths[c]+2-utf8.RuneCountInString(row[c])))
	}
	return strings.TrimRight(b.String(), " ")
}

// marks stand below the cells in which two lines of a diff differ; "": all do, or none.
func (t *table) marks(gone, come string) string {
	a, b := []rune(strings.TrimPrefix(gone, "  -")), []rune(strings.TrimPrefix(come, "  +"))
	cell := func(line []rune, from, to int) string {
		from, to = min(from, len(line)), min(to, len(line))
		return strings.TrimRight(string(line[from:to]), " ")
	}
	line, others, at := "   ", 0, 0
	for _, c := range t.columns {
		width := t.widths[c] + 2
		is, was := cell(b, at, at+width), cell(a, at, at+width)
		mark := ""
		if is != was {
			mark = strings.Repeat("^", max(utf8.RuneCountInString(is), utf8.RuneCountInString(was)))
			others++
		}
		line += mark + strings.Repeat(" ", width-utf8.RuneCountInString(mark))
		at += width
	}
	if others == 0 || others == len(t.columns) {
		return ""
	}
	return strings.TrimRight(line, " ")
}
