package engine

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// secretPart is how many bytes of a secret that follow each other give it away.
const secretPart = 8

// partIndex finds parts of all secrets in one pass over a text. It is as large as
// the secrets are, whatever the text.
type partIndex struct {
	quick []uint64 // bits by hash: a part that has none is no secret's
	shift int      // of a hash, to the number of its bit
	parts []uint64 // all stretches of secretPart bytes, as numbers that ascend
}

func newPartIndex(secrets map[string]bool) *partIndex {
	x := &partIndex{}
	for value := range secrets {
		for i := 0; i+secretPart <= len(value); i++ {
			x.parts = append(x.parts, binary.LittleEndian.Uint64([]byte(value[i:i+secretPart])))
		}
	}
	slices.Sort(x.parts)
	x.parts = slices.Clip(slices.Compact(x.parts))
	size := max(6, bits.Len(uint(8*len(x.parts)))) // 2 to the power of it: an eighth of the bits is set at most
	x.quick, x.shift = make([]uint64, 1<<(size-6)), 64-size
	for _, p := range x.parts {
		bit := x.bit(p)
		x.quick[bit/64] |= 1 << (bit % 64)
	}
	return x
}

func (x *partIndex) bit(part uint64) uint64 { return part * 0x9e3779b97f4a7c15 >> x.shift }

func (x *partIndex) has(part uint64) bool {
	bit := x.bit(part)
	if x.quick[bit/64]&(1<<(bit%64)) == 0 {
		return false
	}
	_, ok := slices.BinarySearch(x.parts, part)
	return ok
}

// partsOf is the index of the parts of all secrets that are known now. It is made
// when it is asked for the first time after a secret has come or gone.
func (s *Secrets) partsOf() *partIndex {
	if x := s.parts.Load(); x != nil {
		return x
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.parts.Load()
	if x == nil {
		x = newPartIndex(s.known)
		s.parts.Store(x)
	}
	return x
}

// StrikeParts gives a text without secrets, and without parts of them: it is for
// what others have said, who may have cut what they tell. Strike is cheaper.
func (s *Secrets) StrikeParts(text string) string {
	text = s.Strike(text)
	if s == nil || s.index.Load() == nil || len(text) < secretPart {
		return text
	}
	x := s.partsOf()
	var b strings.Builder
	copied, hidden := 0, 0 // so far the text is in b, or struck; so far it is to be struck
	var part uint64        // the last bytes, the oldest lowest
	for i := range len(text) {
		part = part>>8 | uint64(text[i])<<56
		from := i + 1 - secretPart
		if from < 0 || !x.has(part) {
			continue
		}
		if b.Cap() == 0 {
			b.Grow(len(text)) // what stands for a part is shorter than it
		}
		if hidden == 0 || from > hidden {
			b.WriteString(text[copied:from])
			b.WriteString(struck)
		}
		copied, hidden = i+1, i+1
	}
	if hidden == 0 {
		return text
	}
	b.WriteString(text[copied:])
	return strings.ToValidUTF8(b.String(), "?")
}
