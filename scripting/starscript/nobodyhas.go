package starscript

import (
	"fmt"
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

// ofDict is what the interpreter says of a name after a dot where there is a dict: that
// it has none, or that none can be set.
var ofDict = regexp.MustCompile(`^(?:dict has no \.(\w+) field or method( \(did you mean .*)?|can't assign to \.(\w+) field of dict)$`)

// aboutDot says of an error about a name after a dot where there is a dict how its
// elements are written; it gives other messages as they are. sure: the dict has an
// element of that name, so that whatever comes next time, the mistake is the script's.
func (r *run) aboutDot(message string, stack starlark.CallStack) (told string, sure bool) {
	m := ofDict.FindStringSubmatch(message)
	if m == nil || len(stack) == 0 {
		return message, false
	}
	pos := stack.At(0).Pos
	tree, source := r.script.tree(pos.Filename())
	if tree == nil {
		return message, false
	}
	e := operand(tree, pos, false)
	if e == nil {
		return message, false
	}
	s := sight{run: r, stack: stack, key: m[1] + m[3]}
	dict, ok := s.value(e, len(stack)-1).(*starlark.Dict)
	if sure = ok && s.has(dict); m[2] != "" && !sure { // it may be a method
		return message, false
	}
	return fmt.Sprintf("%s is a dict: write %[1]s[%q]", shortText(source, e), s.key), sure
}
