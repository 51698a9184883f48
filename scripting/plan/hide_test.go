package plan

import (
	"testing"

	"github.com/dsengine/dsengine/engine"
)

// A secret that begins with another is struck out whole, and what stands for one is
// not taken for another.
func TestTheLongestSecretIsHiddenFirst(t *testing.T) {
	t.Parallel()
	w := &World{opts: Options{Secrets: &engine.Secrets{}}}
	w.kept.secrets = []keptSecret{{"a", "token"}, {"b", "token-of-the-other"}, {"c", "secret-b"}}
	for text, want := range map[string]string{
		"token":                      "the-secret-a",
		"x token-of-the-other token": "x the-secret-b the-secret-a",
		"q=token-of-the-other":       "q=the-secret-b",
		"dG9rZW4tb2YtdGhlLW90aGVy":   "dGhlLXNlY3JldC1i",
	} {
		if got := w.hide(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
