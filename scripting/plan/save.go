package plan

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// Save writes the replay as a test at the end of a file of tests, which is made if
// it is missing, and gives the test's name. The replay must have been made with
// Options.Keep. What is too large for a test is an error, and nothing is written.
func (w *World) Save(file string) (string, error) {
	r := w.replay
	if r == nil || !w.opts.Keep {
		return "", engine.Errorf(engine.CodeInternal, "there is no replay to save")
	}
	cannot := func(format string, args ...any) error {
		return engine.Errorf(engine.CodeUsage, "job %d cannot be written as a test: %s", r.job.ID, fmt.Sprintf(format, args...)).
			WithHint("write one by hand: dsengine docs t")
	}
	switch {
	case r.phase == engine.PhaseFinish:
		return "", cannot("finish works on what its items have come to, which a test cannot set up")
	case len(w.kept.wrong) > 0:
		return "", cannot("%s", strings.Join(w.kept.wrong, "; "))
	}
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	name := fmt.Sprintf("test_job_%d", r.job.ID)
	for n := 2; bytes.Contains(old, []byte("def "+name+"(")); n++ {
		name = fmt.Sprintf("test_job_%d_%d", r.job.ID, n)
	}
	body, err := w.test(name)
	if err != nil {
		return "", cannot("%v", err)
	}
	if len(body) > maxKeptAll {
		return "", cannot("it would have %d bytes, more than 1 MB", len(body))
	}
	chunk, err := starscript.Format(filepath.Base(file), []byte(body))
	if err != nil {
		return "", fmt.Errorf("format the test: %w", err)
	}
	all := bytes.TrimRight(old, "\n")
	if len(old) == 0 {
		all = fmt.Appendf(nil, "\"\"\"Tests of %s.star: run them by dsengine test %s.\"\"\"", filepath.Base(w.typ.Name), w.typ.Name)
	}
	all = append(append(all, "\n\n"...), chunk...)
	temp := file + ".tmp"
	if err := os.WriteFile(temp, all, 0o644); err != nil {
		return "", err
	}
	if err := os.Rename(temp, file); err != nil {
		os.Remove(temp)
		return "", err
	}
	return name, nil
}

// test writes the test.
func (w *World) test(name string) (string, error) {
	r, b := w.replay, &strings.Builder{}
	line := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	fmt.Fprintf(b, "def %s(t):\n", name)
	line("%s", text(w.doc()))
	at := r.job.CreatedAt
	if r.job.StartedAt != nil {
		at = *r.job.StartedAt
	}
	line("t.clock.set(time.parse(%q))", at.UTC().Format(time.RFC3339Nano))
	for _, s := range w.kept.secrets {
		line("t.secret(%s, %s)", text(s.name), text(standIn(s)))
	}
	if err := w.writeValues(line); err != nil {
		return "", err
	}
	w.writeTables(line)
	if err := w.writeFiles(line); err != nil {
		return "", err
	}
	w.writeAnswers(line)
	call, err := w.call()
	if err != nil {
		return "", err
	}
	line("%s", call)
	return b.String(), nil
}

// doc says what the test is about.
func (w *World) doc() string {
	r := w.replay
	doc := fmt.Sprintf("Job %d, in %s: ", r.job.ID, r.phase)
	if len(w.report.Failures) > 0 {
		doc += strings.Join(strings.Fields(clip(w.report.Failures[0].Message, 300)), " ")
	} else {
		doc += "it does not fail"
	}
	return w.opts.Secrets.Strike(doc)
}

// standIn is what a test has in place of a secret.
func standIn(s keptSecret) string { return "the-secret-" + s.name }

// hide puts what tests have in the place of secrets, however they are written, and
// strikes out all others.
func (w *World) hide(s string) string {
	for _, k := range w.kept.secrets {
		if len(k.value) < 4 {
			continue
		}
		for _, form := range []func(string) string{
			func(s string) string { return s }, url.QueryEscape, url.PathEscape,
			func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		} {
			s = strings.ReplaceAll(s, form(k.value), form(standIn(k)))
		}
	}
	return w.opts.Secrets.Strike(s)
}

// writeValues writes the state and the variables that were asked for.
func (w *World) writeValues(line func(string, ...any)) error {
	for _, v := range w.kept.values {
		had, ok := w.scopes[v.scope][v.name]
		if !ok {
			continue
		}
		value, err := jsonLiteral([]byte(w.opts.Secrets.StrikeJSON(had.Value)))
		if err != nil {
			return err
		}
		switch {
		case v.scope.Type == 0:
			line("t.vars.set(%s, %s)", text(v.name), value)
		case w.names[v.scope.Type] != w.typ.Name:
		case v.scope.Instance != "":
			line("t.state.set(%s, %s, instance = %s)", text(v.name), value, text(v.scope.Instance))
		default:
			line("t.state.set(%s, %s)", text(v.name), value)
		}
	}
	return nil
}

// writeTables writes the tables that the SQL names.
func (w *World) writeTables(line func(string, ...any)) {
	for _, t := range w.kept.tables {
		if len(t.columns) == 0 {
			continue // the script makes it
		}
		db := "t.db"
		if t.connection != "" {
			db = fmt.Sprintf("t.connection(%s)", text(t.connection))
		}
		var columns, key []string
		for _, c := range t.columns {
			columns = append(columns, text(c.Name)+": "+text(c.Type))
			if c.Key {
				key = append(key, text(c.Name))
			}
		}
		if t.key != nil {
			key = nil
			for _, k := range t.key {
				key = append(key, text(k))
			}
		}
		keys := ""
		if len(key) > 0 {
			keys = ", key = [" + strings.Join(key, ", ") + "]"
		}
		line("%s.ensure(%s, {%s}%s)", db, text(t.name), strings.Join(columns, ", "), keys)
		if len(t.rows) == 0 {
			continue
		}
		line("%s.insert(%s, [", db, text(t.name))
		for _, r := range t.rows {
			var cells []string
			for i, n := range r.names {
				v := r.values[i]
				if s, ok := v.(string); ok {
					v = w.hide(s)
				}
				cells = append(cells, text(n)+": "+literal(v))
			}
			line("    {%s},", strings.Join(cells, ", "))
		}
		line("])")
	}
}

// writeFiles writes the files that were looked at.
func (w *World) writeFiles(line func(string, ...any)) error {
	names := w.dry.Files.Read()
	if len(names) == 0 {
		return nil
	}
	dir := w.opts.Files
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range names {
		info, err := root.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Size() > maxKept {
			return fmt.Errorf("the file %s has %d bytes, more than 64 KB", name, info.Size())
		}
		data, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		line("t.file(%s, %s)", text(name), longText(w.hide(string(data))))
	}
	return nil
}

// writeAnswers writes what requests got, in their order.
func (w *World) writeAnswers(line func(string, ...any)) {
	for _, a := range w.kept.answers {
		words := []string{text(a.method), text(w.hide(a.url))}
		if a.status != 200 {
			words = append(words, fmt.Sprintf("status = %d", a.status))
		}
		var headers []string
		for _, name := range keptHeaders {
			if v := a.header[name]; len(v) > 0 {
				headers = append(headers, text(name)+": "+text(w.hide(strings.Join(v, ", "))))
			}
		}
		if len(headers) > 0 {
			words = append(words, "headers = {"+strings.Join(headers, ", ")+"}")
		}
		if len(a.body) > 0 {
			words = append(words, "body = "+longText(w.hide(string(a.body))))
		}
		line("t.http.on(%s, times = 1)", strings.Join(words, ", "))
	}
}

// call is what runs the job in the test: the hook alone, where that is what failed.
func (w *World) call() (string, error) {
	r := w.replay
	payload := r.job.Payload
	whole := slices.ContainsFunc(w.report.Failures, func(f *Failed) bool { return f.Job != w.root })
	what := "t." + r.phase.String()
	if r.phase == engine.PhaseConsume && r.claimed.Item != nil {
		payload = r.claimed.Item
	}
	if whole {
		if r.phase != w.typ.First() || r.claimed.Position != nil {
			return "", fmt.Errorf("what fails is an item of a job that had begun before: replay the item's own job")
		}
		what = "t.run"
	}
	value, err := jsonLiteral([]byte(w.opts.Secrets.StrikeJSON(payload)))
	if err != nil {
		return "", err
	}
	words := []string{value}
	if r.job.Instance != nil {
		words = append(words, "instance = "+text(*r.job.Instance))
	}
	if win := w.report.Window; win != nil {
		words = append(words, fmt.Sprintf("window = [%q, %q]", win.Start.Format(time.RFC3339Nano), win.End.Format(time.RFC3339Nano)))
	}
	if r.job.Position != nil {
		position, err := jsonLiteral([]byte(w.opts.Secrets.StrikeJSON(r.job.Position)))
		if err != nil {
			return "", err
		}
		words = append(words, "position = "+position)
	}
	return what + "(" + strings.Join(words, ", ") + ")", nil
}
