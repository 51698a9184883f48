package scripttest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// goldenFolder holds golden files, beside the file of tests.
const goldenFolder = "golden"

// goldens are the golden files that the tests of a suite compare with.
type goldens struct {
	update bool // write those that are missing or differ
	mu     sync.Mutex
	seen   map[string]*golden // by path
}

// golden is what a test gave for a golden file.
type golden struct {
	by      string // the test
	content []byte
	wrote   bool
}

// compare is t.golden.
func (t *tester) compare(c *hostlib.Call, a *hostlib.Args) (hostlib.Value, error) {
	name := a.String("name")
	if !fs.ValidPath(name) || name == "." || slices.Contains([]string{".star", ".lua"}, path.Ext(name)) {
		return nil, hostlib.Errorf("usage", "name: %q names no golden file: write it like \"people.json\", without .. and not as a script", name)
	}
	shown := path.Join(filepath.ToSlash(t.folder), goldenFolder, name)
	got, content, err := goldenOf(c, a.Value("value"))
	if err != nil {
		return nil, err
	}
	t.reads = append(t.reads, filepath.Join(t.folder, goldenFolder, filepath.FromSlash(name)))
	g := t.goldens
	g.mu.Lock()
	defer g.mu.Unlock()
	mine := &golden{by: t.path[0], content: content}
	if g.update {
		if before := g.seen[shown]; before != nil && differs(got, before.content) != "" {
			why := fmt.Sprintf("the test %q has given another value for it", before.by)
			if before.by == mine.by {
				why = "the test has given another value for it before"
			}
			return nil, failed(c, differs(got, before.content), "%s holds one value, and %s: take two names", shown, why)
		}
	}
	root, err := os.OpenRoot(t.folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file := path.Join(goldenFolder, name)
	want, err := root.ReadFile(filepath.FromSlash(file))
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, hostlib.Errorf("usage", "read the golden file %s: %v", shown, err)
	}
	wrong := ""
	if !missing {
		wrong = differs(got, want)
	}
	if g.update {
		if before := g.seen[shown]; before != nil {
			return nil, nil // it was written, or is right
		}
		g.seen[shown] = mine
		if !missing && wrong == "" {
			return nil, nil
		}
		if err := writeGolden(root, file, content); err != nil {
			return nil, fmt.Errorf("write the golden file %s: %w", shown, err)
		}
		mine.wrote = true
		t.wrote = append(t.wrote, shown)
		return nil, nil
	}
	switch {
	case missing:
		return nil, failed(c, "it would hold\n"+indented(clip(string(content))), "there is no golden file %s: dsengine test --update %s writes it", shown, t.file)
	case wrong != "":
		return nil, failed(c, wrong, "it is not what %s holds; if it is right, dsengine test --update %s writes it", shown, t.file)
	}
	return nil, nil
}

// goldenOf is a value as a golden file holds it: text and bytes as they are, all
// else as JSON, rows a line each, and bytes in it as base64.
func goldenOf(c *hostlib.Call, v hostlib.Value) (got hostlib.Value, content []byte, err error) {
	d, err := data(c, "value", v)
	if err != nil {
		return nil, nil, err
	}
	switch d := d.(type) {
	case string:
		return d, []byte(d), nil
	case []byte:
		return d, d, nil
	}
	raw, err := hostlib.JSONForm{Any: true}.Encode(d)
	if err != nil {
		return nil, nil, err
	}
	if got, err = hostlib.DecodeJSON(raw); err != nil { // as it is when it is read again
		return nil, nil, err
	}
	text, err := pretty(got, 0)
	return got, []byte(text + "\n"), err
}

// differs says how a value is not what a golden file holds; "" if it is.
func differs(got hostlib.Value, want []byte) string {
	switch g := got.(type) {
	case string:
		switch {
		case g == string(want):
			return ""
		case !utf8.Valid(want):
			return fmt.Sprintf("  got:    text\n  wanted: %d bytes that are no text", len(want))
		}
		if diff := lineDiff(g, string(want)); strings.Contains(g+string(want), "\n") && diff != "" {
			return diff
		}
		return difference(inStarlark, g, string(want)) // as all languages do
	case []byte:
		if bytes.Equal(g, want) {
			return ""
		}
		at := 0
		for at < min(len(g), len(want)) && g[at] == want[at] {
			at++
		}
		return fmt.Sprintf("  got:    %d bytes\n  wanted: %d bytes\n  from byte %d on (counted from 0) they differ: got %q, wanted %q",
			len(g), len(want), at, g[at:min(at+16, len(g))], want[at:min(at+16, len(want))])
	}
	w, err := hostlib.DecodeJSON(want)
	if err != nil {
		return fmt.Sprintf("  the file is no JSON: %v", err)
	}
	if same(got, w) {
		return ""
	}
	g, _ := pretty(got, 0) // as the file has it
	wanted, _ := pretty(w, 0)
	return compared(g, wanted)
}

// pretty writes JSON for people: what is long an element a line, rows in one
// line each.
func pretty(v hostlib.Value, depth int) (string, error) {
	var parts []string
	open, shut, spread := "[", "]", false
	switch v := v.(type) {
	case []hostlib.Value:
		for _, e := range v {
			text, err := pretty(e, depth+1)
			if err != nil {
				return "", err
			}
			parts = append(parts, text)
		}
		spread = len(v) > 0 && rows(v)
	case *hostlib.Dict:
		open, shut = "{", "}"
		for i, n := range v.Names {
			name, err := hostlib.EncodeJSON(n)
			if err != nil {
				return "", err
			}
			text, err := pretty(v.Values[i], depth+1)
			if err != nil {
				return "", err
			}
			parts = append(parts, string(name)+": "+text)
		}
	default:
		raw, err := hostlib.EncodeJSON(v)
		return string(raw), err
	}
	text := brackets(open, parts, shut, depth, spread)
	if strings.Contains(text, "\n") { // JSON has no comma after the last one
		pad := strings.Repeat("    ", depth)
		text = strings.TrimSuffix(text, ",\n"+pad+shut) + "\n" + pad + shut
	}
	return text, nil
}

// clip is the beginning of a long text.
func clip(text string) string {
	const most = 2000
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strings.TrimRight(text, "\n")
}

// writeGolden writes a file whole or not at all.
func writeGolden(root *os.Root, file string, content []byte) error {
	if err := root.MkdirAll(filepath.FromSlash(path.Dir(file)), 0o755); err != nil {
		return err
	}
	temp := filepath.FromSlash(path.Join(path.Dir(file), ".dsengine-"+path.Base(file)))
	if err := root.WriteFile(temp, content, 0o644); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return root.Rename(temp, filepath.FromSlash(file))
}
