package engine

import (
	"slices"
	"testing"
)

// Letters that are mixed up are nearer than others in their place, in whatever order the
// candidates come.
func TestSuggestKnowsMixedUpLetters(t *testing.T) {
	t.Parallel()
	columns := []string{"id", "mag", "name"}
	for range 2 {
		if got, want := Suggest("nmae", columns), ` (did you mean "name"?)`; got != want {
			t.Errorf("of %v: got %q, want %q", columns, got, want)
		}
		slices.Reverse(columns)
	}
}
