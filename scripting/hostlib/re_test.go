package hostlib_test

import (
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// Matches that are looked for a few at a time are those that one search finds.
func TestMatchesThatAreIteratedAreAllMatches(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", "ab", "abc", " ", "\n", "é", "x", "\xff"}
	for range 300 {
		var b strings.Builder
		for range random.IntN(400) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		text := b.String()
		for _, expression := range []string{
			`a`, `a*`, `\b\w`, `\B`, `(a)|b?`, `^a`, `(?m)^.`, `(?m)^`, `x*$`, `(?m)$`, `(?i)É*`, `(a|ab)(c|bcd)?`, `(?s).*?b`, `(?:)`, `[^a]+?`, `\w+\b`, `(?a)\b\w`, `\W`, `(?:x|$)*`, `\z`, `(?:a|\Ab)*`, `.`,
		} {
			next, err := hostlib.Matches(expression, text)
			if err != nil {
				t.Fatal(err)
			}
			all, err := hostlib.AllMatches(expression, text)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range all {
				if got, err := next(); err != nil || !slices.Equal(got, want) {
					t.Fatalf("%s in %q: match %d is %v, %v, want %v", expression, text, i, got, err, want)
				}
			}
			if got, err := next(); err != io.EOF {
				t.Fatalf("%s in %q: %v, %v after the last match", expression, text, got, err)
			}
		}
	}
}

// Whoever wants the first matches of a long text does not wait for the others, nor
// hold them. It does not run beside other tests, whose memory it would see.
func TestMatchesAreLookedForAsTheyAreAskedFor(t *testing.T) {
	text := strings.Repeat("ab ", 4<<20)
	for _, expression := range []string{`\w`, `\b\w`} {
		next, err := hostlib.Matches(expression, text)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 3 {
			if _, err := next(); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%s: three matches took %d bytes", expression, took)
		}
	}
}
