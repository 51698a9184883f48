package hostlib

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// fewNames is up to how many names are compared one by one.
const fewNames = 16

// seenNames are the names of one object that were read.
type seenNames struct {
	few  []string
	many map[string]struct{} // of few too, once those are too many
}

// add says whether a name is new.
func (s *seenNames) add(name string) bool {
	if s.many == nil {
		if slices.Contains(s.few, name) {
			return false
		}
		if s.few = append(s.few, name); len(s.few) > fewNames {
			s.many = make(map[string]struct{}, 4*fewNames)
			for _, n := range s.few {
				s.many[n] = struct{}{}
			}
		}
		return true
	}
	if _, there := s.many[name]; there {
		return false
	}
	s.many[name] = struct{}{}
	return true
}

func (s *seenNames) clear() { s.few, s.many = s.few[:0], nil }

// namesHeld bounds the names that json.stream remembers of the objects that are open
// around its elements, in bytes: about as many as a million short ones would take are
// too many. A name that comes again behind so many is not noticed.
const namesHeld = 1 << 20

// openNames reads tokens, and refuses a name that is there twice in an object, as far
// as names are remembered.
type openNames struct {
	dec  *jsontext.Decoder
	open []seenNames // of the lists and objects that are open; lists have none
	size []int       // bytes of each
	held int         // bytes of all
}

// read is the next token.
func (o *openNames) read() (jsontext.Token, error) {
	kind, n := o.dec.StackIndex(o.dec.StackDepth())
	tok, err := o.dec.ReadToken()
	if err != nil {
		return tok, err
	}
	last := len(o.open) - 1
	switch tok.Kind() {
	case '{', '[':
		if last++; last == cap(o.open) {
			o.open, o.size = append(o.open, seenNames{}), append(o.size, 0)
		}
		o.open, o.size = o.open[:last+1], append(o.size[:last], 0)
	case '}', ']':
		o.held -= o.size[last]
		o.open[last].clear()
		o.open, o.size = o.open[:last], o.size[:last]
	case '"':
		if kind != '{' || n%2 != 0 || o.held > namesHeld {
			break
		}
		name := tok.String()
		if !o.open[last].add(name) {
			return tok, twiceThere(name)
		}
		const each = 32 // what a name takes besides
		o.size[last] += len(name) + each
		o.held += len(name) + each
	}
	return tok, nil
}

// twiceThere is the error about a name that an object has twice.
func twiceThere(name string) error {
	return valueError("the name " + strconv.Quote(name) + " is there twice")
}
