package scripttest

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// difference shows how two values differ: short ones side by side, longer ones
// line by line, rows a line each.
func difference(got, want hostlib.Value) string {
	g, w := literal(got, 0), literal(want, 0)
	if gs, ok := got.(string); ok && strings.Contains(gs, "\n") {
		if ws, ok := want.(string); ok {
			return lineDiff(gs, ws)
		}
	}
	if !strings.Contains(g+w, "\n") && len(g)+len(w) < 200 {
		if g == w { // of different types
			g, w = fmt.Sprintf("%s (%s)", g, kind(got)), fmt.Sprintf("%s (%s)", w, kind(want))
		}
		return "  got:    " + g + "\n  wanted: " + w
	}
	return lineDiff(g, w)
}

// kind names what a value is.
func kind(v hostlib.Value) string {
	switch v.(type) {
	case nil:
		return "None"
	case string:
		return "string"
	case []byte:
		return "bytes"
	case int, int64, *big.Int:
		return "int"
	case float64:
		return "float"
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
	text := udiff.Unified(wantName, gotName, want+"\n", got+"\n")
	return indented(strings.TrimRight(text, "\n"))
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// widest is how long a list or a dict may be to stand in one line.
const widest = 100

// literal writes data as a script would: lists and dicts that are long an
// element a line, rows in one line each.
func literal(v hostlib.Value, depth int) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return fmt.Sprintf("%q", v)
	case []byte:
		return fmt.Sprintf("b%q", v)
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
			parts[i] = literal(e, depth+1)
		}
		return brackets("[", parts, "]", depth, len(v) > 0 && rows(v))
	case *hostlib.Dict:
		parts := make([]string, len(v.Names))
		for i, n := range v.Names {
			parts[i] = fmt.Sprintf("%q: %s", n, literal(v.Values[i], depth+1))
		}
		return brackets("{", parts, "}", depth, false)
	}
	if t := hostlib.TypeOf(v); t != nil {
		return t.String(v)
	}
	return fmt.Sprint(v)
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
