package hostlib

import (
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// Suggest is the candidate that was probably meant, as " (did you mean ...?)",
// or "" if none is near.
func Suggest(name string, candidates []string) string { return engine.Suggest(name, candidates) }

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
	if use := Elsewhere(of + "." + name); use != "" {
		like = ": " + use
	}
	if like == "" && len(names) == 1 {
		like = fmt.Sprintf(" (did you mean %q?)", names[0])
	}
	if like == "" && slices.Contains(names, "get") && slices.Contains(names, "set") { // it has values by name
		like = fmt.Sprintf(": use .get(%q)", name)
	}
	return Errorf("usage", "%s has no %q%s%s", of, name, like, see)
}

// notYet is the error about something that a later version will have.
func notYet(what string) error {
	return Errorf("usage", "%s is not there yet in this version of dsengine", what)
}
