package scripttest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// picture is what a world is like, in texts by what they show: the rows of a
// table, a file, the values of the job's state and so on.
type picture map[string]string

// maxPicture bounds one of its texts, in bytes.
const maxPicture = 64 << 10

// picture looks at the world. What cannot be read is left out.
func (w *world) picture() picture {
	p := picture{}
	if w.step != nil {
		w.tables(p)
		w.jobs(p)
	}
	w.files(p)
	var calls []string
	for _, c := range w.http.calls {
		calls = append(calls, strings.TrimRight(fmt.Sprintf("%s %s %s", c.method, c.url, c.body), " "))
	}
	p.add("requests", calls)
	return p
}

func (p picture) add(what string, lines []string) {
	if len(lines) == 0 {
		return
	}
	text := strings.Join(lines, "\n")
	if len(text) > maxPicture {
		text = text[:maxPicture] + "..."
	}
	p[what] = text
}

// tables are those of the job database that are not the engine's.
func (w *world) tables(p picture) {
	t := &tester{world: w}
	names, err := w.ground.db.Tables(w.ctx)
	if err != nil {
		return
	}
	for _, name := range names {
		rows, err := t.table(nil, name, "")
		if err != nil {
			continue
		}
		var lines []string
		for _, r := range rows.([]hostlib.Value) {
			lines = append(lines, literal(r, 1))
		}
		p.add("table "+name, lines)
	}
}

// jobs are the jobs, but for their ids, and what the types keep.
func (w *world) jobs(p picture) {
	var lines []string
	for before := engine.JobID(0); ; {
		list, err := w.store.Jobs(w.ctx, engine.JobFilter{Before: before, Limit: 500})
		if err != nil {
			return
		}
		for _, j := range list {
			before = j.ID
			lines = append(lines, strings.TrimRight(fmt.Sprintf("%s %s %s %s", j.Type, j.Phase, j.Status, j.Payload), " "))
		}
		if len(list) < 500 {
			break
		}
	}
	slices.Reverse(lines)
	p.add("jobs", lines)
	for what, scope := range map[string]engine.Scope{"state": {Type: (&tester{world: w}).typeID()}, "vars": {}} {
		values, err := w.store.Variables(w.ctx, scope, "")
		if err != nil {
			continue
		}
		var lines []string
		for _, v := range values {
			lines = append(lines, fmt.Sprintf("%s = %s", v.Name, v.Value))
		}
		p.add(what, lines)
	}
	var rejects []string
	if err := w.store.Rejects(w.ctx, engine.RejectFilter{}, func(r *engine.Reject) bool {
		rejects = append(rejects, fmt.Sprintf("%s: %s", r.Row, r.Reason))
		return len(rejects) < 1000
	}); err == nil {
		p.add("rejects", rejects)
	}
}

// files are those of the files folder, but for those that are not to stay.
func (w *world) files(p picture) {
	if w.ground.dir == "" {
		return
	}
	root, err := os.OpenRoot(w.ground.files())
	if err != nil {
		return
	}
	defer root.Close()
	fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || hostlib.IsTemporary(path) {
			return nil
		}
		data, err := root.ReadFile(path)
		if err == nil {
			p.add("file "+path, []string{fmt.Sprintf("%d bytes", len(data)), string(data)})
		}
		return nil
	})
}

// difference shows what is not as it was: with - what the other has, with + what
// there is.
func (p picture) difference(whole picture) string {
	var parts []string
	all := maps.Clone(whole)
	maps.Copy(all, p)
	for _, what := range slices.Sorted(maps.Keys(all)) {
		if p[what] != whole[what] {
			parts = append(parts, what+":\n"+unified("with the crash", p[what], "without it", whole[what]))
		}
	}
	return strings.Join(parts, "\n")
}
