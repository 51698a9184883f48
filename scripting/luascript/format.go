package luascript

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func init() { ownFunc("string", "format", format) }

// format is string.format.
func format(a *args) int {
	spec := a.text(1)
	var b strings.Builder
	next := 2
	for i := 0; i < len(spec); {
		j := strings.IndexByte(spec[i:], '%')
		if j < 0 {
			b.WriteString(spec[i:])
			break
		}
		b.WriteString(spec[i : i+j])
		i += j + 1
		if i < len(spec) && spec[i] == '%' {
			b.WriteByte('%')
			i++
			continue
		}
		start := i
		for i < len(spec) && strings.IndexByte("-+ #0", spec[i]) >= 0 {
			i++
		}
		for i < len(spec) && (spec[i] >= '0' && spec[i] <= '9' || spec[i] == '.') {
			i++
		}
		if i == len(spec) {
			return a.run.raisef(a.l, "string.format: %q ends within a place for a value", spec)
		}
		opts, verb := spec[start:i], spec[i]
		i++
		for _, part := range strings.Split(strings.TrimLeft(opts, "-+ #0"), ".") {
			if len(part) > 2 {
				return a.run.raisef(a.l, "string.format: %%%s%c: at most 99 are possible", opts, verb)
			}
		}
		if next > a.n {
			return a.run.raisef(a.l, "string.format: %q has more places for values than there are values", spec)
		}
		text := a.formatted(opts, verb, next)
		next++
		a.makes(b.Len() + len(text))
		b.WriteString(text)
	}
	return a.push(lua.LString(b.String()))
}

// formatted is an argument as a verb wants it.
func (a *args) formatted(opts string, verb byte, i int) string {
	switch verb {
	case 'd', 'i', 'u', 'o', 'x', 'X':
		if verb == 'i' || verb == 'u' {
			verb = 'd'
		}
		n, ok := asInteger(a.l.Get(i))
		if !ok {
			f := math.Trunc(a.number(i))
			if math.IsNaN(f) || math.IsInf(f, 0) {
				a.wrong(i, "a whole number")
			}
			n, _ = big.NewFloat(f).Int(nil)
		}
		if n.IsInt64() {
			return fmt.Sprintf("%"+opts+string(verb), n.Int64())
		}
		return fmt.Sprintf("%"+opts+string(verb), n)
	case 'c':
		return fmt.Sprintf("%"+width(opts)+"s", string([]byte{a.byte(i)}))
	case 'e', 'E', 'f', 'F', 'g', 'G':
		f := a.number(i)
		if strings.Contains(opts, ".") || verb != 'g' && verb != 'G' {
			return fmt.Sprintf("%"+opts+string(verb), f)
		}
		return fmt.Sprintf("%"+opts+".6"+string(verb), f)
	case 's':
		s := tostring(a.l, a.any(i))
		if p := strings.IndexByte(opts, '.'); p >= 0 { // bytes, as Lua counts
			n, _ := strconv.Atoi(opts[p+1:])
			s, opts = s[:min(n, len(s))], opts[:p]
		}
		left := strings.Contains(opts, "-")
		n, _ := strconv.Atoi(strings.TrimLeft(opts, "-+ #0"))
		pad := strings.Repeat(" ", max(n-len(s), 0))
		if left {
			return s + pad
		}
		return pad + s
	case 'q':
		return quoted(a.text(i))
	}
	a.run.raisef(a.l, "string.format: %%%c is none of %%d %%i %%u %%c %%x %%X %%o %%e %%E %%f %%g %%G %%q %%s %%%%", verb)
	return ""
}

func width(opts string) string {
	w, _, _ := strings.Cut(opts, ".")
	return w
}

// quoted writes a string so that Lua reads it again.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString("\\n")
		case '\r':
			b.WriteString("\\r")
		case 0:
			b.WriteString("\\0")
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
