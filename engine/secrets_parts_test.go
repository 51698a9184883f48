package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

// What is struck out is what is found by trying each stretch of eight bytes.
func TestPartsOfSecretsAreThoseOfEachStretch(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[rnd.IntN(2)]
		}
		return string(b)
	}
	for range 2000 {
		s := engine.NewSecrets()
		var known []string
		for range 1 + rnd.IntN(3) {
			secret := letters(12 + rnd.IntN(10))
			known = append(known, secret)
			if err := s.Add(secret); err != nil {
				t.Fatal(err)
			}
		}
		text := s.Strike(letters(rnd.IntN(80)))
		var want strings.Builder
		hidden := make([]bool, len(text))
		for i := 0; i+8 <= len(text); i++ {
			for _, secret := range known {
				if strings.Contains(secret, text[i:i+8]) {
					for k := i; k < i+8; k++ {
						hidden[k] = true
					}
				}
			}
		}
		for i := range text {
			switch {
			case !hidden[i]:
				want.WriteByte(text[i])
			case i == 0 || !hidden[i-1]:
				want.WriteString("***")
			}
		}
		if got := s.StrikeParts(text); got != want.String() {
			t.Fatalf("%q of %q: got %q, want %q", text, known, got, want.String())
		}
	}
}

func TestPartsOfSecretsComeAndGo(t *testing.T) {
	t.Parallel()
	s := engine.NewSecrets()
	token := func(i int) string { return fmt.Sprintf("%06d-token", i) }
	part := func(i int) string { return "cut: " + token(i)[:9] + "..." }
	const n = 500
	for i := range n {
		if err := s.AddPassing(token(i)); err != nil {
			t.Fatal(err)
		}
		if got := s.StrikeParts(part(i)); got != "cut: ***..." {
			t.Fatalf("%d: %q", i, got)
		}
	}
	if got := s.StrikeParts(part(0)); got != part(0) {
		t.Errorf("one that was forgotten: %q", got)
	}
}

// Memory is for the secrets, and for what is given back: not for each place of a text.
// It cannot be parallel, since it counts what is allocated.
func TestStrikingPartsTakesNoMemoryForTheText(t *testing.T) {
	s := engine.NewSecrets()
	const token = "a-token-of-some-length"
	if err := s.Add(token); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{100, 1 << 20} {
		text := strings.Repeat("lorem ipsum ", size/12)
		for _, c := range []struct {
			text string
			most float64
		}{{text, 0}, {text + token[:10] + text, 1}} {
			got := ""
			n := testing.AllocsPerRun(3, func() { got = s.StrikeParts(c.text) })
			if n > c.most || strings.Contains(got, token[:10]) || strings.Count(got, "***") != int(c.most) {
				t.Errorf("a text of %d bytes: %v allocations, want %v at most", len(c.text), n, c.most)
			}
		}
	}
}
