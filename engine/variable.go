package engine

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what state and vars hold.
const (
	MaxVariable  = 64 << 10 // bytes of one value, as JSON
	MaxVariables = 1000     // names of one scope: see VariableStore
)

// HiddenVariables begins the names of values that are none of the script's: what
// requests remember. They are not listed, and count apart: whoever makes them
// bounds them.
const HiddenVariables = "http.cache:"

// HiddenVariable says whether a name is one of those.
func HiddenVariable(name string) bool { return strings.HasPrefix(name, HiddenVariables) }

// VariableRow is a stored value as people see it.
type VariableRow struct {
	Name      string    `json:"name"`
	Value     Raw       `json:"value"`
	Version   int64     `json:"version"` // how often it was set or deleted
	ChangedAt time.Time `json:"changed_at"`
}

// CheckVariable says whether a value can be kept by a name.
func CheckVariable(name string, value Raw) error {
	switch {
	case name == "" || len(name) > MaxNameLen:
		return Errorf(CodeUsage, "a variable's name has 1 to %d bytes, not %d", MaxNameLen, len(name))
	case !utf8.ValidString(name):
		return Errorf(CodeUsage, "a variable's name is no valid UTF-8: %q", name)
	case len(value) > MaxVariable:
		return Errorf(CodeUsage, "the value of %q has %d bytes as JSON, more than %d: keep large things in a table of your own", name, len(value), MaxVariable)
	}
	return nil
}

// checkVariable refuses a name or a value that holds a secret.
func (s *Secrets) checkVariable(name string, value Raw) error {
	what := ""
	switch {
	case s.Holds(name):
		what = "a variable's name"
	case s.Holds(string(value)):
		what = fmt.Sprintf("the value of %q", name)
	default:
		return nil
	}
	return Errorf(CodeUsage, "%s holds a secret, which is not to be stored: get it by secrets.get where it is needed", what)
}

// SetVariable sets a value outside of hooks; nil deletes it. Hooks that have
// read it and set it run again.
func (e *Engine) SetVariable(ctx context.Context, s Scope, name string, value Raw) error {
	if err := CheckVariable(name, value); err != nil {
		return err
	}
	if err := e.secrets.checkVariable(name, value); err != nil {
		return err
	}
	return e.store.SetVariables(ctx, []VariableWrite{{Scope: s, Name: name, Value: value, Seen: -1}})
}

// TooManyVariables is the error about a name that is one too many. It ends a
// hook for good: another attempt would come to it again.
func TooManyVariables(s Scope, name string) error {
	of := "state"
	if s.Type == 0 {
		of = "vars"
	}
	err := Errorf(CodeUsage, "%s has %d names, counting those deleted within a day, and takes no more: %q is one too many. Keep what there is one of for each row in records, or in a table of your own", of, MaxVariables, name)
	return &Failure{Kind: KindError, Code: "usage", Message: err.Message, Cause: err}
}
