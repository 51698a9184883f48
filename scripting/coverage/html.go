package coverage

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Parse(pageSource))

// HTML writes a page with all sources, coloured. It loads nothing from elsewhere.
func (r *Report) HTML(w io.Writer) error {
	type file struct {
		FileReport
		ID    string
		Lines []htmlLine
	}
	data := struct {
		*Report
		Sources []file
	}{Report: r}
	for i, f := range r.files {
		data.Sources = append(data.Sources, file{r.Files[i], fmt.Sprintf("file%d", i), f.html()})
	}
	return page.Execute(w, data)
}

// htmlLine is a line of the page.
type htmlLine struct {
	Number int
	Class  string // "", covered, part, missed
	Title  string
	Count  string // how often it ran; "" where nothing begins
	Pieces []piece
}

// piece is a stretch of a line; Missed marks what has not run beside what has.
type piece struct {
	Text   string
	Missed bool
}

var classes = map[State]string{Missed: "missed", InPart: "part", Covered: "covered"}

func (f *File) html() []htmlLine {
	source := sourceLines(f.Source)
	states := make([]State, len(source)+2)
	counts := map[int]uint64{}
	// The lines that a part goes on to look as it does, and inner parts as they do.
	parts := slices.Clone(f.Parts)
	slices.SortStableFunc(parts, func(a, b Part) int {
		return cmp.Or(a.Start.compare(b.Start), b.End.compare(a.End)) // outer ones first
	})
	for _, p := range parts {
		state := Missed
		if p.Count > 0 {
			state = Covered
		}
		for n := p.Start.Line + 1; n <= min(p.End.Line, len(source)); n++ {
			states[n] = state
		}
	}
	for _, l := range f.Lines() {
		if l.Number <= len(source) {
			states[l.Number], counts[l.Number] = l.State, l.Least
		}
	}
	lines := make([]htmlLine, len(source))
	for i, text := range source {
		n := i + 1
		l := htmlLine{Number: n, Class: classes[states[n]], Pieces: []piece{{Text: text}}}
		if c, ok := counts[n]; ok {
			l.Count = fmt.Sprint(c)
			if states[n] == InPart {
				l.Pieces, l.Title = marked(text, n, parts), "what is marked has not run"
			}
		}
		for _, br := range f.Branches {
			if br.At.Line != n || br.True+br.False == 0 || br.True > 0 && br.False > 0 {
				continue
			}
			never := "the condition was never true"
			if br.False == 0 {
				never = "the condition was never false"
			}
			l.Title = strings.TrimPrefix(l.Title+"; "+never, "; ")
		}
		lines[i] = l
	}
	return lines
}

// marked cuts a line into what has run and what has not. An inner part counts
// for its own stretch.
func marked(text string, line int, parts []Part) []piece {
	runes := []rune(text)
	missed := make([]bool, len(runes))
	for _, p := range parts {
		if p.Start.Line > line || p.End.Line < line {
			continue
		}
		from, to := 0, len(runes)
		if p.Start.Line == line {
			from = min(p.Start.Column-1, len(runes))
		}
		if p.End.Line == line {
			to = min(p.End.Column-1, len(runes))
		}
		for i := from; i < to; i++ {
			missed[i] = p.Count == 0
		}
	}
	var list []piece
	for i := 0; i < len(runes); {
		j := i
		for j < len(runes) && missed[j] == missed[i] {
			j++
		}
		list = append(list, piece{string(runes[i:j]), missed[i]})
		i = j
	}
	return list
}
