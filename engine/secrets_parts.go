package engine

import (
	"encoding/binary"
	"strings"
)

// secretPart is how many bytes of a secret that follow each other give it away.
const secretPart = 8

// StrikeParts gives a text without secrets, and without parts of them: it is for
// what others have said, who may have cut what they tell. Strike is cheaper.
func (s *Secrets) StrikeParts(text string) string {
	text = s.Strike(text)
	if s == nil || s.index.Load() == nil || len(text) < secretPart {
		return text
	}
	windows := map[uint64][]int{} // the places of what stands in the text
	var quick [1 << 14 / 64]uint64
	bit := func(w uint64) uint64 { return w * 0x9e3779b97f4a7c15 >> 50 }
	window := func(of string, i int) uint64 { return binary.LittleEndian.Uint64([]byte(of[i : i+secretPart])) }
	for i := range len(text) - secretPart + 1 {
		w := window(text, i)
		windows[w] = append(windows[w], i)
		quick[bit(w)/64] |= 1 << (bit(w) % 64)
	}
	var hidden []bool
	s.mu.Lock()
	for value := range s.known {
		for i := 0; i+secretPart <= len(value); i++ {
			w := window(value, i)
			if quick[bit(w)/64]&(1<<(bit(w)%64)) == 0 {
				continue
			}
			for _, at := range windows[w] {
				if hidden == nil {
					hidden = make([]bool, len(text))
				}
				for k := at; k < at+secretPart; k++ {
					hidden[k] = true
				}
			}
		}
	}
	s.mu.Unlock()
	if hidden == nil {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(struck)
		}
	}
	return strings.ToValidUTF8(b.String(), "?")
}
