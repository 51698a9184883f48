package plan

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Save puts the replay as a test at the end of a file of tests, which need not be there,
// in the language that its name ends in, and gives the test's name and what the file is
// to hold then. The replay must have been made with Options.Keep. What is too large for
// a test is an error, and so is what would tell a secret.
func (w *World) Save(file string) (string, []byte, error) {
	r, n := w.replay, notations[filepath.Ext(file)]
	if n == nil {
		return "", nil, engine.Errorf(engine.CodeInternal, "%s is no file of tests", file)
	}
	if r == nil || !w.opts.Keep {
		return "", nil, engine.Errorf(engine.CodeInternal, "there is no replay to save")
	}
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, err
	}
	name := fmt.Sprintf("test_job_%d", r.job.ID)
	for i := 2; bytes.Contains(old, []byte(n.beginning(name))); i++ {
		name = fmt.Sprintf("test_job_%d_%d", r.job.ID, i)
	}
	w.leftOut = nil
	if err := w.keepEnsured(strings.TrimSuffix(file, "_test"+filepath.Ext(file)) + filepath.Ext(file)); err != nil {
		return "", nil, err
	}
	lines, err := w.test(n)
	if err != nil {
		return "", nil, r.cannot("%v", err)
	}
	shown := filepath.Base(file)
	chunk, err := n.format(shown, []byte(n.test(name, w.doc(), lines)))
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("format the test: %w", err)
	case len(chunk) > maxKeptAll:
		return "", nil, r.cannot("it would have %d bytes, more than 1 MB", len(chunk))
	case w.opts.Secrets.Strike(string(chunk)) != string(chunk):
		return "", nil, r.cannot("a secret would stand in it, in the name of a table, a column or a header")
	}
	all := bytes.TrimRight(old, "\r\n")
	if len(old) == 0 {
		all = []byte(n.head(w.typ.Name))
	}
	all = append(append(all, "\n\n"...), chunk...)
	if bytes.Contains(old, []byte("\r\n")) {
		all = bytes.ReplaceAll(bytes.ReplaceAll(all, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	}
	if _, err := n.format(shown, all); err != nil {
		return "", nil, r.cannot("behind what stands in %s it is no longer a script: %v", shown, err)
	}
	return name, all, nil
}

// cannot is why no test can be written of the replay.
func (r *replayed) cannot(format string, args ...any) error {
	return engine.Errorf(engine.CodeUsage, "job %d cannot be written as a test: %s", r.job.ID, fmt.Sprintf(format, args...)).
		WithHint("write one by hand: dsengine docs t")
}

// LeftOut is what the test that was saved does not have of what the job meets, in words.
func (w *World) LeftOut() []string { return w.leftOut }

// setUp is how a test makes what is not kept of a replay, by the kind of need.
var setUp = map[string]string{"s3": "s3(%q).file(...)", "sftp": "sftp(%q).file(...)", "ftp": "ftp(%q).file(...)"}

// touch is told what the job works on, and ends the replay where that is not kept.
func (w *World) touch(line string) error {
	kind, name, _ := strings.Cut(line, ":")
	if setUp[kind] == "" {
		return nil
	}
	err := engine.Errorf(engine.CodeUsage, "job %d cannot be written as a test: it works on %s, and what is there is not kept", w.replay.job.ID, line).
		WithHint("write one by hand, and put the files that the job meets there by t.%s: dsengine docs t.%s", fmt.Sprintf(setUp[kind], name), kind)
	w.stop(err)
	return err
}

// writing gathers the lines of a test.
type writing struct {
	notation
	w     *World
	lines []string
}

// remark writes a comment, with its secrets hidden.
func (t *writing) remark(text string) {
	t.lines = append(t.lines, t.comment(strings.Join(strings.Fields(t.w.hide(text)), " ")))
}

func (t *writing) line(fn string, args []string, named ...argument) {
	t.lines = append(t.lines, t.call(fn, args, named))
}

// value writes a value with its secrets hidden; one that is a number cannot be.
func (t *writing) value(v any) (string, error) {
	v, err := t.w.hideValue(v)
	if err != nil {
		return "", err
	}
	return t.literal(v), nil
}

// text writes a text with its secrets hidden.
func (t *writing) text(s string) string { return t.literal(t.w.hide(s)) }

func (t *writing) json(raw []byte) (string, error) { return jsonIn(t.notation, raw, t.w.hideValue) }

// loops writes how far loops have come.
func (t *writing) loops(all []engine.LoopAt) string {
	var items []string
	for _, l := range all {
		switch {
		case l.Over == "":
			items = append(items, t.literal(l.Taken))
		case l.Taken == engine.AllTaken:
			items = append(items, t.dict([]string{"over"}, []string{t.literal(string(l.Over))}))
		default:
			items = append(items, t.dict([]string{"taken", "over"}, []string{t.literal(l.Taken), t.literal(string(l.Over))}))
		}
	}
	return t.list(items)
}

// test writes what the test does.
func (w *World) test(n notation) ([]string, error) {
	r, t := w.replay, &writing{notation: n, w: w}
	at := r.job.CreatedAt
	if r.job.StartedAt != nil {
		at = *r.job.StartedAt
	}
	t.line("t.clock.set", []string{t.literal(at)})
	for _, s := range w.kept.secrets {
		t.line("t.secret", []string{t.literal(s.name), t.literal(standIn(s))})
	}
	for _, write := range []func(t *writing) error{w.writeValues, w.writeRecords, w.writeTables, w.writeFiles, w.writeAnswers, w.writeCall} {
		if err := write(t); err != nil {
			return nil, err
		}
	}
	return t.lines, nil
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
	var pairs [][2]string
	for _, k := range w.kept.secrets {
		if len(k.value) < 4 {
			continue
		}
		for _, form := range []func(string) string{
			func(s string) string { return s }, url.QueryEscape, url.PathEscape,
			func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		} {
			pairs = append(pairs, [2]string{form(k.value), form(standIn(k))})
		}
	}
	// One may begin with another: the longest is looked for first.
	slices.SortStableFunc(pairs, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	var list []string
	for _, p := range pairs {
		list = append(list, p[0], p[1])
	}
	return w.opts.Secrets.Strike(strings.NewReplacer(list...).Replace(s))
}

// hideValue is hide for a value of a column, or of JSON.
func (w *World) hideValue(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return w.hide(v), nil
	case []byte:
		if hidden := w.hide(string(v)); hidden != string(v) {
			return []byte(hidden), nil
		}
	case int64, *big.Int, float64:
		if s := fmt.Sprint(v); w.hide(s) != s {
			return nil, fmt.Errorf("a number is a secret, and no other can stand for it")
		}
	}
	return v, nil
}

// writeValues writes the state and the variables that were asked for.
func (w *World) writeValues(t *writing) error {
	for _, v := range w.kept.values {
		had, ok := w.scopes[v.scope][v.name]
		if !ok {
			continue
		}
		value, err := t.json(had.Value)
		if err != nil {
			return err
		}
		args := []string{t.text(v.name), value}
		switch {
		case v.scope.Type == 0:
			t.line("t.vars.set", args)
		case w.names[v.scope.Type] != w.typ.Name:
		case v.scope.Instance != "":
			t.line("t.state.set", args, argument{"instance", t.text(v.scope.Instance)})
		default:
			t.line("t.state.set", args)
		}
	}
	return nil
}

// writeFiles writes the files that were looked at.
func (w *World) writeFiles(t *writing) error {
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
		data, err := root.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		t.line("t.file", []string{t.text(name), t.longText(w.hide(string(data)))})
	}
	return nil
}

// writeAnswers writes what requests got, in their order.
func (w *World) writeAnswers(t *writing) error {
	for _, a := range w.kept.answers {
		var named []argument
		if a.status != 200 {
			named = append(named, argument{"status", fmt.Sprint(a.status)})
		}
		var names, values []string
		for _, name := range keptHeaders {
			if v := a.header[name]; len(v) > 0 {
				names, values = append(names, name), append(values, t.text(strings.Join(v, ", ")))
			}
		}
		if len(names) > 0 {
			named = append(named, argument{"headers", t.dict(names, values)})
		}
		if len(a.body) > 0 {
			named = append(named, argument{"body", t.longText(w.hide(string(a.body)))})
		}
		t.line("t.http.on", []string{t.literal(a.method), t.text(a.url)}, append(named, argument{"times", "1"})...)
	}
	return nil
}

// writeCall writes what runs the job in the test: the hook alone, where that is what
// failed.
func (w *World) writeCall(t *writing) error {
	r := w.replay
	payload := r.job.Payload
	whole := slices.ContainsFunc(w.report.Failures, func(f *Failed) bool { return f.Job != w.root })
	what := "t." + r.phase.String()
	if r.phase == engine.PhaseConsume && r.claimed.Item != nil {
		payload = r.claimed.Item
	}
	if whole {
		if r.phase != w.typ.First() || r.claimed.Position != nil {
			return fmt.Errorf("what fails is an item of a job that had begun before: replay the item's own job")
		}
		what = "t.run"
	}
	value, err := t.json(payload)
	if err != nil {
		return err
	}
	var named []argument
	if r.job.Instance != nil {
		named = append(named, argument{"instance", t.text(*r.job.Instance)})
	}
	if win := w.report.Window; win != nil {
		named = append(named, argument{"window", t.list([]string{t.literal(win.Start.Format(time.RFC3339Nano)), t.literal(win.End.Format(time.RFC3339Nano))})})
	}
	at, loops, err := engine.ReadPosition(r.claimed.Position)
	if err != nil {
		return fmt.Errorf("its position: %w", err)
	}
	if at != nil {
		position, err := t.json(at)
		if err != nil {
			return err
		}
		named = append(named, argument{"position", position})
	}
	if len(loops) > 0 {
		named = append(named, argument{"loops", t.loops(loops)})
	}
	if at != nil || len(loops) > 0 {
		counted, err := w.counted()
		if err != nil {
			return err
		}
		var names, values []string
		for _, name := range engine.StatNames {
			if n := counted[name]; n > 0 {
				names, values = append(names, name), append(values, t.literal(n))
			}
		}
		if len(names) > 0 {
			named = append(named, argument{"counted", t.dict(names, values)})
		}
	}
	if w.report.Status == engine.StatusCancelled {
		named = append(named, argument{"expect", t.literal("cancelled")})
	}
	t.line(what, []string{value}, named...)
	return nil
}

// counted is what the job's checkpoints have counted, where rows were rejected: by that
// it is judged how many may be.
func (w *World) counted() (engine.Stats, error) {
	id := w.replay.job.ID
	stats, err := w.target.SavedStats(w.ctx, id)
	if err != nil || w.report.RejectCount == 0 && stats["rejected"] == 0 {
		return nil, err
	}
	k, err := w.target.CommittedRejects(w.ctx, id, w.replay.phase)
	stats["rejected"] -= k.Mended
	return stats, err
}
