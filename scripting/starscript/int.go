package starscript

import (
	"go.starlark.net/starlark"
)

// ints is int. Most that it is called with are short decimal numbers in a text,
// of files and answers: those need no big numbers on the way.
var ints = starlark.NewBuiltin("int", func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 1 && len(kwargs) == 0 {
		if s, ok := args[0].(starlark.String); ok {
			if n, ok := shortInt(string(s)); ok {
				return starlark.MakeInt64(n), nil
			}
		}
	}
	return plainInt.CallInternal(t, args, kwargs)
})

var plainInt = starlark.Universe["int"].(*starlark.Builtin)

// shortInt reads up to 18 digits, with a sign or without.
func shortInt(s string) (n int64, ok bool) {
	digits := s
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = 10*n + int64(d)
	}
	if s[0] == '-' {
		n = -n
	}
	return n, true
}
