package hostlib

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Suggest is the candidate that was probably meant, as " (did you mean ...?)",
// or "" if none is near.
func Suggest(name string, candidates []string) string {
	best, least := "", len(name)/3+2
	for _, c := range candidates {
		if len(c) > 2 && len(name) > 2 && (strings.HasPrefix(c, name) || strings.HasPrefix(name, c)) && best == "" {
			best = c
		}
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(c))
		if d == 2 && len(name) <= 3 && letters(name) != letters(c) {
			continue // of so few letters, two others make another word
		}
		if d < least && d < len(c) {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// letters are those of a word, in order.
func letters(word string) string {
	list := strings.Split(strings.ToLower(word), "")
	slices.Sort(list)
	return strings.Join(list, "")
}

// missing is the error about a name that a module or a type does not have.
func missing(of, name string, names []string) error {
	if IsLater(of, name) {
		return notYet(of + "." + name)
	}
	see := ""
	if ModuleNamed(of) != nil || TypeNamed(of) != nil { // else it is of tests, say
		see = "; see: dsengine docs " + of
	}
	like := Suggest(name, names)
	if like == "" && len(names) == 1 {
		like = fmt.Sprintf(" (did you mean %q?)", names[0])
	}
	return Errorf("usage", "%s has no %q%s%s", of, name, like, see)
}

// notYet is the error about something that a later version will have.
func notYet(what string) error {
	return Errorf("usage", "%s is not there yet in this version of dsengine", what)
}
