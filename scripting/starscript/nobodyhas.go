package starscript

import (
	"regexp"
	"slices"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// noAttr is what the interpreter says of a name that a value of its own does not have.
var noAttr = regexp.MustCompile(`^(\w+) has no \.(\w+) field or method`)

// nobodyHas says of an error's message that it is about a name after a dot which no
// value has, of whatever type: such a mistake is met again, whatever is read next
// time. A name that others have may be right, and the value another one then; None
// is what comes of something that was not found.
func nobodyHas(message string) bool {
	m := noAttr.FindStringSubmatch(message)
	if m == nil || m[1] == starlark.None.Type() || hostlib.IsAttr(m[2]) {
		return false
	}
	for _, v := range []starlark.HasAttrs{starlark.String(""), starlark.Bytes(""), starlark.NewList(nil), starlark.NewDict(0), starlark.NewSet(0)} {
		if slices.Contains(v.AttrNames(), m[2]) {
			return false
		}
	}
	return true
}
