package scripttest

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
)

// difference shows how two values differ: short ones side by side, longer ones
// line by line, rows as tables.
func difference(in notation, got, want hostlib.Value) string {
	if diff := tableDiff(in, got, want); diff != "" {
		return diff
	}
	g, w := in.literal(got, 0), in.literal(want, 0)
	if gs, ok := got.(string); ok && strings.Contains(gs, "\n") {
		if ws, ok := want.(string); ok {
			return lineDiff(gs, ws)
		}
	}
	if g == w && isShort(g, w) { // of different types
		g, w = fmt.Sprintf("%s (%s)", g, in.kind(got)), fmt.Sprintf("%s (%s)", w, in.kind(want))
	}
	return compared(g, w)
}

// compared are two texts side by side, or line by line.
func compared(got, want string) string {
	if isShort(got, want) {
		return "  got:    " + got + "\n  wanted: " + want
	}
	return lineDiff(got, want)
}

func isShort(got, want string) bool {
	return !strings.Contains(got+want, "\n") && len(got)+len(want) < 200
}

// notation is how a language writes data.
type notation struct {
	nothing, inside string // no value, alone and in a list or a dict
	yes, no         string
	bytes           string // what stands before them
	bytesKind       string
	list            [2]string // the brackets
	key             string    // what stands behind a key
	names           bool      // keys that are names stand without quotes
}

var (
	inStarlark = notation{"None", "None", "True", "False", "b", "bytes", [2]string{"[", "]"}, ": ", false}
	inLua      = notation{"nil", "null", "true", "false", "", "string of bytes", [2]string{"{", "}"}, " = ", true}
)

// notationOf is that of the script that calls.
func notationOf(c *hostlib.Call) notation {
	if c.Lang.TypeName(nil) == inLua.inside {
		return inLua
	}
	return inStarlark
}

// kind names what a value is.
func (in notation) kind(v hostlib.Value) string {
	switch v.(type) {
	case nil:
		return in.nothing
	case string:
		return "string"
	case []byte:
		return in.bytesKind
	case int, int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case hostlib.Set:
		return "set"
	}
	if t := hostlib.TypeOf(v); t != nil {
		return t.Name
	}
	return fmt.Sprintf("%T", v)
}

// lineDiff marks what is wanted with - and what there is with +.
func lineDiff(got, want string) string { return unified("got", got, "wanted", want) }

// unified marks what only the second text has with - and what only the first has with +.
func unified(gotName, got, wantName, want string) string {
	list := strings.Split(strings.TrimRight(udiff.Unified(wantName, gotName, want+"\n", got+"\n"), "\n"), "\n")
	if n := len(list); n > maxDiff {
		list = append(list[:maxDiff:maxDiff], fmt.Sprintf("(%d lines are left out)", n-maxDiff))
	}
	return indented(strings.Join(list, "\n"))
}

// maxDiff bounds how many lines of a diff are shown.
const maxDiff = 200

func indented(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// widest is how long a list or a dict may be to stand in one line.
const widest = 100

// literal writes data as a script in Starlark would.
func literal(v hostlib.Value, depth int) string { return inStarlark.literal(v, depth) }

// literal writes data as a script would: lists and dicts that are long an
// element a line, rows in one line each.
func (in notation) literal(v hostlib.Value, depth int) string {
	switch v := v.(type) {
	case nil:
		if depth > 0 {
			return in.inside
		}
		return in.nothing
	case bool:
		if v {
			return in.yes
		}
		return in.no
	case string:
		return fmt.Sprintf("%q", v)
	case []byte:
		return fmt.Sprintf("%s%q", in.bytes, v)
	case float64:
		text := fmt.Sprint(v)
		if !strings.ContainsAny(text, ".eIN") {
			text += ".0"
		}
		return text
	case time.Time:
		return "time(" + v.Format(time.RFC3339Nano) + ")"
	case time.Duration:
		return "duration(" + engine.FormatDuration(v) + ")"
	case []hostlib.Value:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = in.literal(e, depth+1)
		}
		return brackets(in.list[0], parts, in.list[1], depth, len(v) > 0 && rows(v))
	case hostlib.Set:
		parts := make([]string, len(v))
		for i, e := range inOrder(v) {
			parts[i] = in.literal(e, depth+1)
		}
		return brackets("set([", parts, "])", depth, false)
	case *hostlib.Dict:
		parts := make([]string, len(v.Names))
		for i, n := range v.Names {
			parts[i] = in.entry(n) + in.literal(v.Values[i], depth+1)
		}
		return brackets("{", parts, "}", depth, false)
	}
	if t := hostlib.TypeOf(v); t != nil {
		return t.String(v)
	}
	return fmt.Sprint(v)
}

// entry is the beginning of an entry of a dict.
func (in notation) entry(key string) string {
	switch {
	case !in.names:
		return fmt.Sprintf("%q", key) + in.key
	case luascript.IsName(key):
		return key + in.key
	}
	return fmt.Sprintf("[%q]", key) + in.key
}

// rows says whether a list holds dicts, more than one.
func rows(list []hostlib.Value) bool {
	_, is := list[0].(*hostlib.Dict)
	return is && len(list) > 1
}

func brackets(open string, parts []string, shut string, depth int, spread bool) string {
	line := open + strings.Join(parts, ", ") + shut
	if !spread && (len(line) <= widest || depth > 0 && open == "{" && len(line) <= 3*widest) && !strings.Contains(line, "\n") {
		return line
	}
	pad := strings.Repeat("    ", depth)
	return open + "\n" + pad + "    " + strings.Join(parts, ",\n"+pad+"    ") + ",\n" + pad + shut
}
