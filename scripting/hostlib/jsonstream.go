package hostlib

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// step is one step of a path: into the elements of a list or dict, or to one
// of them.
type step struct {
	name  string
	index int64
	kind  byte // '*' all, '.' by name, '[' by index
}

// parsePath reads a path such as $.items[*] or $["a b"][0].list[*].
func parsePath(path string) ([]step, error) {
	bad := func(what string) error {
		return Errorf("usage", "path: %q %s: write it like \"$.items[*]\"", path, what)
	}
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, bad("does not begin with $")
	}
	var steps []step
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "[*]"), strings.HasPrefix(rest, ".*"):
			steps = append(steps, step{kind: '*'})
			rest = strings.TrimPrefix(strings.TrimPrefix(rest, "[*]"), ".*")
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			if end == 0 {
				return nil, bad("has no name after a dot")
			}
			steps = append(steps, step{kind: '.', name: rest[1 : 1+end]})
			rest = rest[1+end:]
		case rest[0] == '[':
			inside, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return nil, bad("has no closing ]")
			}
			rest = after
			if n, err := strconv.ParseInt(inside, 10, 64); err == nil && n >= 0 {
				steps = append(steps, step{kind: '[', index: n})
				continue
			}
			name, ok := unquote(inside)
			if !ok {
				return nil, bad("has neither *, nor a number, nor a quoted name in [ ]")
			}
			steps = append(steps, step{kind: '.', name: name})
		default:
			return nil, bad("has neither . nor [ where a step begins")
		}
	}
	return steps, nil
}

func unquote(s string) (string, bool) {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// jsonStream finds the elements at a path of a JSON text, one by one.
type jsonStream struct {
	in    *input
	dec   *Decoder[Value]
	path  string
	steps []step
	depth int     // containers that are open on the way
	at    []int64 // elements passed in each of them
	guard *guard
	names openNames // around the elements
	found bool      // the last step's container, or element, was there
	begun bool
}

func newJSONStream(in *input, path string, steps []step) *jsonStream {
	s := &jsonStream{in: in, dec: NewDecoder(values{}, in.watch.c), path: path, steps: steps, at: make([]int64, len(steps))}
	s.guard = &guard{r: in.r, max: maxElement, what: "an element of " + in.name}
	// It would keep all names of an object that is open, however many.
	s.dec.dec = jsontext.NewDecoder(s.guard, jsontext.AllowDuplicateNames(true))
	s.dec.unique = true
	s.names.dec = s.dec.dec
	return s
}

// next is the next element, or io.EOF once the whole text has been read.
func (s *jsonStream) next() (Value, error) {
	v, err := s.find()
	if err == nil || err == io.EOF {
		return v, err
	}
	var syn *jsontext.SyntacticError
	var value valueError
	if !errors.As(err, &syn) && !errors.As(err, &value) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return nil, Errorf("json.syntax", "%s, at byte %d%s: %s", s.in.name, s.dec.dec.InputOffset(), where(s.dec.dec), jsonMessage(err))
}

// maxPointer bounds how much of an element's path is shown.
const maxPointer = 200

// where names the element that was being read.
func where(d *jsontext.Decoder) string {
	if p := string(d.StackPointer()); p != "" {
		if len(p) > maxPointer {
			p = strings.ToValidUTF8(p[:maxPointer], "") + "..."
		}
		return " (in " + p + ")"
	}
	return ""
}

func (s *jsonStream) find() (Value, error) {
	d := s.dec.dec
	s.guard.reset()
	if !s.begun {
		s.begun = true
		v, done, err := s.enter()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // there is no value at all
		}
		if done || err != nil {
			return v, err
		}
	}
	for s.depth > 0 {
		s.guard.reset()
		step := s.steps[s.depth-1]
		kind := d.PeekKind()
		if kind == ']' || kind == '}' {
			if _, err := s.names.read(); err != nil {
				return nil, err
			}
			s.depth--
			continue
		}
		name := ""
		container, _ := d.StackIndex(d.StackDepth())
		if container == '{' {
			tok, err := s.names.read()
			if err != nil {
				return nil, err
			}
			name = tok.String()
		}
		i := s.at[s.depth-1]
		s.at[s.depth-1]++
		hit := step.kind == '*' || step.kind == '.' && container == '{' && step.name == name ||
			step.kind == '[' && container == '[' && step.index == i
		if !hit {
			if err := s.skip(); err != nil {
				return nil, err
			}
			continue
		}
		if v, done, err := s.enter(); done || err != nil {
			return v, err
		}
	}
	s.guard.reset()
	if _, err := d.ReadToken(); err != io.EOF {
		if err == nil {
			err = Errorf("json.syntax", "%s: there is more after the end of the value", s.in.name)
		}
		return nil, err
	}
	if !s.found {
		return nil, Errorf("json.path", "%s: there is nothing at %s", s.in.name, s.path)
	}
	return nil, io.EOF
}

// skip passes over a value of any size.
func (s *jsonStream) skip() error {
	d := s.dec.dec
	for depth := d.StackDepth(); ; {
		s.guard.reset()
		if _, err := s.names.read(); err != nil || d.StackDepth() <= depth {
			return err
		}
	}
}

// enter takes the value that comes next: it is an element, or a container on
// the way to some, or neither and skipped.
func (s *jsonStream) enter() (v Value, done bool, err error) {
	d := s.dec.dec
	if s.depth == len(s.steps) {
		s.found = true
		v, err = s.dec.Next()
		return v, true, err
	}
	kind := d.PeekKind()
	last := s.depth == len(s.steps)-1 && s.steps[s.depth].kind == '*'
	if kind != '{' && kind != '[' {
		s.found = s.found || last && kind == 'n' // null stands for none
		return nil, false, s.skip()
	}
	if _, err := s.names.read(); err != nil {
		return nil, false, err
	}
	s.found = s.found || last
	s.at[s.depth] = 0
	s.depth++
	return nil, false, nil
}
