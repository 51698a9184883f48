package scripttest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// steady is the picture with a mark in place of what is made at random: what two runs
// without a crash, with other dice, do not have alike. How many lines there are counts all
// the same, but for a text in which that is random, too, or that is none.
func (p picture) steady(one, another picture) picture {
	names := alike(slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(another)))
	one, another = one.named(names), another.named(names)
	o := p.named(names)
	for what, text := range o {
		a, b := strings.Split(one[what], "\n"), strings.Split(another[what], "\n")
		switch {
		case one[what] == another[what]:
		case one[what] == "" || another[what] == "" || len(a) != len(b) || !utf8.ValidString(one[what]+another[what]):
			delete(o, what)
		default:
			m, put, lines := alike(a, b), map[string]bool{}, []string(nil)
			for line := range strings.SplitSeq(text, "\n") {
				if masked := m.mask(line); what != requested || !overwrites(put, line, masked) {
					lines = append(lines, masked)
				}
			}
			slices.Sort(lines)
			o[what] = strings.Join(lines, "\n")
		}
	}
	return o
}

// overwrites says whether a request replaces what one before has put at the same place, but
// for what is masked.
func overwrites(put map[string]bool, line, masked string) bool {
	parts := strings.SplitN(line, " ", 3)
	if !replaces(parts[0]) {
		return false
	}
	once := strings.Join(parts[:2], " ") + " " + masked
	before := put[once]
	put[once] = true
	return before
}

// named is the picture with its names masked; the texts of those that are then the same
// are one.
func (p picture) named(m masks) picture {
	o := picture{}
	for _, what := range slices.Sorted(maps.Keys(p)) {
		name := m.mask(what)
		if before, ok := o[name]; ok {
			o[name] = before + "\n" + p[what]
		} else {
			o[name] = p[what]
		}
	}
	return o
}

// masks tell what of lines is random.
type masks struct {
	both   map[string]bool         // lines that are the same each time
	random map[string]map[int]bool // which words of lines of a form are random
	forms  bool                    // the forms of lines are random, too
}

// words are the parts of a line that are the same or not.
var words = regexp.MustCompile(`[^\s"'{}()\[\],:;?&]+`)

// form is a line with a mark in place of each word.
func form(line string) string { return words.ReplaceAllLiteralString(line, "#") }

// alike compares the lines of two runs: those that are not the same, and of one form, in
// their order.
func alike(one, another []string) masks {
	m := masks{both: map[string]bool{}, random: map[string]map[int]bool{}}
	first := map[string]bool{}
	for _, line := range one {
		first[line] = true
	}
	for _, line := range another {
		m.both[line] = first[line]
	}
	of := func(lines []string) map[string][]string {
		by := map[string][]string{}
		for _, line := range lines {
			if !m.both[line] {
				by[form(line)] = append(by[form(line)], line)
			}
		}
		return by
	}
	a, b := of(one), of(another)
	m.forms = len(a) != len(b)
	for f, lines := range a {
		m.random[f] = map[int]bool{}
		m.forms = m.forms || len(lines) != len(b[f])
		for i := range min(len(lines), len(b[f])) {
			other := words.FindAllString(b[f][i], -1)
			for k, word := range words.FindAllString(lines[i], -1) {
				m.random[f][k] = m.random[f][k] || word != other[k]
			}
		}
	}
	return m
}

// mask is the line with a mark in place of what is random.
func (m masks) mask(line string) string {
	switch {
	case m.both[line]:
		return line
	case m.forms:
		return "#"
	}
	random, k := m.random[form(line)], -1
	return words.ReplaceAllStringFunc(line, func(word string) string {
		if k++; random[k] {
			return "#"
		}
		return word
	})
}
