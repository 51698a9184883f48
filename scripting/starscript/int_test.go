package starscript

import (
	"fmt"
	"testing"

	"go.starlark.net/starlark"
)

// TestIntIsStarlarks has int and Starlark's own agree about each argument.
func TestIntIsStarlarks(t *testing.T) {
	thread := &starlark.Thread{}
	try := func(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) string {
		v, err := starlark.Call(thread, b, args, kwargs)
		if err != nil {
			return "error: " + err.Error()
		}
		return fmt.Sprintf("%s %s", v.Type(), v)
	}
	for _, s := range []string{
		"0", "7", "-7", "+7", "007", "-0", "12345678901234567", "123456789012345678", "999999999999999999", "-999999999999999999",
		"1234567890123456789", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "123456789012345678901234567890",
		"", "-", "+", "--1", "+-1", " 1", "1 ", "1.5", "1e3", "0x10", "1_000", "abc", "١", "1\x00", "\xff",
	} {
		if got, want := try(ints, starlark.Tuple{starlark.String(s)}, nil), try(plainInt, starlark.Tuple{starlark.String(s)}, nil); got != want {
			t.Errorf("int(%q): got %s, want %s", s, got, want)
		}
	}
	for _, args := range []starlark.Tuple{
		{}, {starlark.Float(1.9)}, {starlark.MakeInt(3)}, {starlark.True}, {starlark.None}, {starlark.String("ff"), starlark.MakeInt(16)},
		{starlark.String("10"), starlark.MakeInt(2)}, {starlark.String("10"), starlark.MakeInt(0)},
	} {
		if got, want := try(ints, args, nil), try(plainInt, args, nil); got != want {
			t.Errorf("int%s: got %s, want %s", args, got, want)
		}
	}
	base := []starlark.Tuple{{starlark.String("base"), starlark.MakeInt(16)}}
	if got, want := try(ints, starlark.Tuple{starlark.String("10")}, base), "int 16"; got != want {
		t.Errorf("base = 16: got %s, want %s", got, want)
	}
}
