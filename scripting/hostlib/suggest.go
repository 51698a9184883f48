package hostlib

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// Suggest is the candidate that was probably meant, as " (did you mean ...?)",
// or "" if none is near.
func Suggest(name string, candidates []string) string { return engine.Suggest(name, candidates) }

// otherwise are arguments and settings by names that other programs give them.
var otherwise = map[string][]string{
	"delimiter": {"sep"}, "delim": {"sep"}, "separator": {"sep"}, "schedule": {"every", "cron"}, "interval": {"every"}, "trigger": {"every", "cron"},
}

// suggestNamed is Suggest for arguments and settings.
func suggestNamed(name string, candidates []string) string {
	var meant []string
	for _, n := range otherwise[name] {
		if slices.Contains(candidates, n) {
			meant = append(meant, strconv.Quote(n))
		}
	}
	if len(meant) > 0 {
		return fmt.Sprintf(" (did you mean %s?)", strings.Join(meant, " or "))
	}
	return Suggest(name, candidates)
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
