// Package coverage tells what of the scripts has run. It knows no language: each
// finds the parts of its files and counts how often they run.
//
//	coverage.go   parts, and what they make of lines
//	report.go     the figures of a file and of its hooks, as a table
//	lcov.go       as other tools read them
//	html.go       as a page with the sources
package coverage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// File is a script, or a helper file, with how often its parts ran.
type File struct {
	Name     string // as messages name it: jobs/airports.star
	Source   string
	Parts    []Part
	Branches []Branch
	Funcs    []Func
}

// Place is a line and a column, both from 1. Columns count characters.
type Place struct{ Line, Column int }

func (p Place) compare(o Place) int {
	return cmp.Or(cmp.Compare(p.Line, o.Line), cmp.Compare(p.Column, o.Column))
}

// Part is what runs as one: a simple statement, the head of a compound one, an
// arm of a conditional expression, the body of a comprehension or of a lambda.
type Part struct {
	Start, End Place // End is behind its last character
	Count      uint64
}

// Branch is a condition, with how often it was true and false.
type Branch struct {
	At          Place
	True, False uint64
}

// Func is a function that has a name.
type Func struct {
	Name           string
	Hook           bool
	Line, LastLine int
	Count          uint64
}

// State says how much of a line has run.
type State int

// The states of lines.
const (
	Nothing State = iota // nothing on it can run
	Missed               // nothing on it has run
	InPart               // something on it has run, and something has not
	Covered              // all on it has run
)

// Line is a line on which at least one part begins.
type Line struct {
	Number int
	State  State
	Least  uint64 // how often the part ran that ran least
	Most   uint64 // and the one that ran most
	Last   int    // the line on which its parts that have not run end
}

// Lines are the lines that count, in order.
func (f *File) Lines() []Line {
	by := map[int]*Line{}
	for _, p := range f.Parts {
		l := by[p.Start.Line]
		if l == nil {
			l = &Line{Number: p.Start.Line, Least: p.Count, Last: p.Start.Line}
			by[l.Number] = l
		}
		l.Least, l.Most = min(l.Least, p.Count), max(l.Most, p.Count)
		if p.Count == 0 {
			l.Last = max(l.Last, p.End.Line)
		}
	}
	lines := make([]Line, 0, len(by))
	for _, l := range by {
		switch {
		case l.Least > 0:
			l.State = Covered
		case l.Most > 0:
			l.State = InPart
		default:
			l.State = Missed
		}
		lines = append(lines, *l)
	}
	slices.SortFunc(lines, func(a, b Line) int { return a.Number - b.Number })
	return lines
}

// Figures are what lines come to.
type Figures struct {
	Covered int      `json:"covered"`
	Total   int      `json:"total"`
	Percent float64  `json:"percent"`
	Missing []string `json:"missing"` // "12", "14-18", "20 in part"
}

// figures counts lines. Lines that are missed with none that is covered between
// them are one range.
func figures(lines []Line) Figures {
	f := Figures{Missing: []string{}}
	from, to := 0, 0
	flush := func() {
		switch {
		case from == 0:
		case to > from:
			f.Missing = append(f.Missing, fmt.Sprintf("%d-%d", from, to))
		default:
			f.Missing = append(f.Missing, fmt.Sprint(from))
		}
		from = 0
	}
	for _, l := range lines {
		f.Total++
		switch l.State {
		case Covered:
			f.Covered++
			flush()
		case InPart:
			flush()
			f.Missing = append(f.Missing, fmt.Sprintf("%d in part", l.Number))
		case Missed:
			if from == 0 {
				from, to = l.Number, l.Last
			}
			to = max(to, l.Last)
		}
	}
	flush()
	f.Percent = percent(f.Covered, f.Total)
	return f
}

func percent(covered, total int) float64 {
	if total == 0 {
		return 100
	}
	return 100 * float64(covered) / float64(total)
}

// within are the lines of a function.
func within(lines []Line, fn Func) (list []Line) {
	for _, l := range lines {
		if l.Number >= fn.Line && l.Number <= fn.LastLine {
			list = append(list, l)
		}
	}
	return list
}

// sourceLines are the lines of a source, without their ends.
func sourceLines(source string) []string {
	lines := strings.Split(strings.TrimPrefix(source, "\ufeff"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	if n := len(lines); n > 0 && lines[n-1] == "" {
		lines = lines[:n-1]
	}
	return lines
}
