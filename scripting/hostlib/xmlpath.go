package hostlib

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// xmlPath is a path through elements: a/b, //b, a/*, a[@id='1'], a/@id, . .
// It is the part of XPath that reads well, and that a stream can follow.
type xmlPath struct {
	text  string
	steps []xmlStep
	attr  *xmlName // the attribute at the end; nil: an element is meant
}

// xmlStep leads to elements among the children, or at any depth.
type xmlStep struct {
	name  xmlName
	deep  bool
	tests []xmlTest
}

// xmlName is a name in a path. Without a prefix it means any namespace.
type xmlName struct {
	local  string // "*": any
	prefix string // as written in the document; "": see space
	space  string // the namespace, if exact
	exact  bool
}

// xmlTest is what stands in [ ]: a number, an attribute or a child, alone or
// with the value that it must have.
type xmlTest struct {
	index int // from 1; 0: not by number
	attr  bool
	name  xmlName
	value *string
}

// maxSteps is how many steps a path may have: a stream keeps a bit for each.
// maxTests is how many tests a step may have.
const (
	maxSteps = 60
	maxTests = 4
)

// parseXMLPath reads a path. spaces has the namespaces of its prefixes.
func parseXMLPath(path string, spaces map[string]string) (*xmlPath, error) {
	p := &xmlPath{text: path}
	bad := func(what string) error {
		return Errorf("usage", "path: %q %s: write it like \"channel/item\", \"//item\", \"item[@type='book']/@id\"", path, what)
	}
	rest := path
	for first := true; ; first = false {
		deep := strings.HasPrefix(rest, "//")
		switch {
		case deep:
			rest = rest[2:]
		case strings.HasPrefix(rest, "/"):
			rest = rest[1:]
		case !first:
			return nil, bad("has something else than / after a step")
		}
		if rest == "." || strings.HasPrefix(rest, "./") {
			if !first {
				return nil, bad("has . where no path begins")
			}
			if rest = rest[1:]; rest == "" {
				return p, nil
			}
			continue
		}
		attr := strings.HasPrefix(rest, "@")
		if attr {
			rest = rest[1:]
		}
		name, after, what := cutXMLName(rest, spaces)
		if what != "" {
			return nil, bad(what)
		}
		rest = after
		if attr {
			if rest != "" || deep {
				return nil, bad("has an attribute that is not at its end")
			}
			p.attr = &name
			return p, nil
		}
		step := xmlStep{name: name, deep: deep}
		for strings.HasPrefix(rest, "[") {
			test, after, what := cutXMLTest(rest[1:], spaces)
			if what != "" {
				return nil, bad(what)
			}
			step.tests, rest = append(step.tests, test), after
		}
		if len(step.tests) > maxTests {
			return nil, bad("has too many tests in one step")
		}
		if p.steps = append(p.steps, step); len(p.steps) > maxSteps {
			return nil, bad("has too many steps")
		}
		if rest == "" {
			return p, nil
		}
	}
}

// cutXMLName takes a name from the beginning of s; what says what is wrong.
func cutXMLName(s string, spaces map[string]string) (name xmlName, rest, what string) {
	if after, ok := strings.CutPrefix(s, "{"); ok {
		space, after, ok := strings.Cut(after, "}")
		if !ok {
			return name, "", "has no closing }"
		}
		name.space, name.exact, s = space, true, after
	}
	end := strings.IndexAny(s, "/[]@='\"{} \t\n")
	if end < 0 {
		end = len(s)
	}
	name.local, rest = s[:end], s[end:]
	if prefix, local, ok := strings.Cut(name.local, ":"); ok && !name.exact {
		name.local = local
		space, known := spaces[prefix]
		if prefix == "xml" && !known {
			space, known = xmlSpace, true
		}
		switch {
		case known:
			name.space, name.exact = space, true
		case len(spaces) > 0:
			return name, "", "has the prefix " + strconv.Quote(prefix) + ", which namespaces does not have"
		default:
			name.prefix = prefix
		}
	}
	switch {
	case name.local == "":
		return name, "", "has no name where a step begins"
	case name.local != "*" && !isXMLName(name.local):
		return name, "", "has " + strconv.Quote(name.local) + ", which is no name"
	}
	return name, rest, ""
}

// isXMLName says whether elements and attributes can be named so, within their prefix.
func isXMLName(s string) bool {
	for i, r := range s {
		within := i > 0 && (unicode.In(r, unicode.Nd, unicode.M) || strings.ContainsRune("-.\u00B7", r))
		if r != '_' && !unicode.IsLetter(r) && !within {
			return false
		}
	}
	return true
}

// cutXMLTest takes what stands between [ and ].
func cutXMLTest(s string, spaces map[string]string) (t xmlTest, rest, what string) {
	if digits := len(s) - len(strings.TrimLeft(s, "0123456789")); digits > 0 {
		n, err := strconv.Atoi(s[:digits])
		if err != nil || n < 1 {
			return t, "", "has a number that is not 1 or more in [ ]"
		}
		t.index, rest = n, s[digits:]
	} else {
		s, t.attr = strings.CutPrefix(s, "@")
		if t.name, rest, what = cutXMLName(s, spaces); what != "" {
			return t, "", what
		}
		if after, ok := strings.CutPrefix(rest, "="); ok {
			if after == "" || after[0] != '\'' && after[0] != '"' {
				return t, "", "has no quoted value after ="
			}
			value, after, ok := strings.Cut(after[1:], after[:1])
			if !ok {
				return t, "", "has a quote that is not closed"
			}
			t.value, rest = &value, after
		}
	}
	if rest, ok := strings.CutPrefix(rest, "]"); ok {
		return t, rest, ""
	}
	return t, "", "has no closing ]"
}

// fits says whether the name is meant.
func (n *xmlName) fits(local, prefix, space string) bool {
	return (n.local == "*" || n.local == local) && (n.prefix == "" || n.prefix == prefix) && (!n.exact || n.space == space)
}

// passes says whether an element has what the test wants; numbers apart.
func (t *xmlTest) passes(e *xmlNode) bool {
	if t.attr {
		v, ok := e.attribute(&t.name)
		return ok && (t.value == nil || v == *t.value)
	}
	for _, k := range e.kids {
		if k.node != nil && t.name.fits(k.node.name, k.node.prefix, k.node.space) && (t.value == nil || k.node.text() == *t.value) {
			return true
		}
	}
	return false
}

// prefixes are those in the path that mean what a document declares.
func (p *xmlPath) prefixes() (list []string) {
	add := func(n xmlName) {
		if n.prefix != "" && n.prefix != "xml" {
			list = append(list, n.prefix)
		}
	}
	for _, s := range p.steps {
		add(s.name)
		for _, t := range s.tests {
			add(t.name)
		}
	}
	return list
}

// find calls yield for what the path leads to from e, in the order of the
// document, until it returns false.
func (p *xmlPath) find(e *xmlNode, yield func(Value) bool) {
	visit := func(e *xmlNode) bool {
		if p.attr == nil {
			return yield(e)
		}
		if v, ok := e.attribute(p.attr); ok {
			return yield(v)
		}
		return true
	}
	for i, s := range p.steps {
		if s.deep && i < len(p.steps)-1 {
			for _, e := range p.all(e) {
				if !visit(e) {
					return
				}
			}
			return
		}
	}
	walkXML(e, p.steps, visit)
}

// walkXML goes through what steps lead to, where only the last one may be deep.
func walkXML(e *xmlNode, steps []xmlStep, yield func(*xmlNode) bool) bool {
	if len(steps) == 0 {
		return yield(e)
	}
	s := &steps[0]
	var seen xmlCounts
	for _, k := range e.kids {
		if k.node == nil {
			continue
		}
		if s.leads(k.node, &seen) && !walkXML(k.node, steps[1:], yield) {
			return false
		}
		if s.deep && !walkXML(k.node, steps, yield) {
			return false
		}
	}
	return true
}

// all is what the path leads to, by one step after the other, so that what can
// be come to in several ways is there once.
func (p *xmlPath) all(e *xmlNode) []*xmlNode {
	found := []*xmlNode{e}
	for i := range p.steps {
		s, next, been := &p.steps[i], []*xmlNode(nil), map[*xmlNode]bool{}
		var visit func(e *xmlNode)
		visit = func(e *xmlNode) {
			if been[e] {
				return
			}
			been[e] = true
			var seen xmlCounts
			for _, k := range e.kids {
				if k.node == nil {
					continue
				}
				if s.leads(k.node, &seen) {
					next = append(next, k.node)
				}
				if s.deep {
					visit(k.node)
				}
			}
		}
		for _, e := range found {
			visit(e)
		}
		slices.SortFunc(next, func(a, b *xmlNode) int { return a.n - b.n })
		found = next
	}
	return found
}

// xmlCounts are, for each test of a step, the elements that came to it.
type xmlCounts [maxTests]int

// leads says whether a step leads to an element.
func (s *xmlStep) leads(e *xmlNode, seen *xmlCounts) bool {
	return s.name.fits(e.name, e.prefix, e.space) && s.hits(e, seen)
}

// hits says whether an element passes all tests of a step.
func (s *xmlStep) hits(e *xmlNode, seen *xmlCounts) bool {
	for i := range s.tests {
		t := &s.tests[i]
		if t.index == 0 {
			if !t.passes(e) {
				return false
			}
			continue
		}
		n := &seen[i]
		if *n++; *n != t.index {
			return false
		}
	}
	return true
}
