package scripttest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
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
	w.connections(p)
	w.buckets(p)
	w.mailed(p)
	for name, s := range w.servers {
		var lines []string
		eachFile(s.root, func(path string, data []byte) { lines = append(lines, path+": "+glance(data)) })
		p.add("server "+name, lines)
	}
	var calls []string
	for _, c := range w.http.calls {
		calls = append(calls, c.told())
	}
	p.add(requested, calls)
	return p
}

// requested are all requests.
const requested = "requests"

// changes are the requests that change something: not those that read, nor those that
// only say once more what was said; of those that say alike how something is to be the last.
func (s *stubs) changes() (lines []string) {
	had := map[string]bool{}
	for _, c := range s.calls {
		told, says := c.told(), c.says()
		if replaces(c.method) {
			lines = slices.DeleteFunc(lines, func(line string) bool { return line == told })
		}
		if replaces(c.method) || !c.reads() && (says == "" || !had[says]) {
			lines = append(lines, told)
		}
		had[says] = true
	}
	return lines
}

func (p picture) add(what string, lines []string) {
	if len(lines) == 0 {
		return
	}
	text := strings.Join(lines, "\n")
	if len(text) > maxPicture && slices.Contains(unordered, what) { // before it is cut
		text = sorted(what, text)
	}
	if len(text) > maxPicture {
		text = fmt.Sprintf("%s...\n... %d lines, %s", text[:maxPicture], strings.Count(text, "\n")+1, size([]byte(text)))
	}
	p[what] = text
}

// tables are those of the job database that are not the engine's.
func (w *world) tables(p picture) {
	names, err := w.ground.db.Tables(w.ctx)
	if err != nil {
		return
	}
	s, err := w.session()
	if err != nil {
		return
	}
	for _, name := range names {
		w.rows(p, "table "+name, s, w.ground.db.Quote, name)
	}
}

// designer is a session that can tell which column numbers the rows of a table.
type designer interface {
	Design(ctx context.Context, table string) (engine.TableDesign, error)
}

// rows adds the rows of a table, but for the numbers that a server gives them: it does not
// give those again that were rolled back.
func (w *world) rows(p picture, what string, s *autocommit, quote func(string) string, table string) {
	rows, err := s.table(w.ctx, quote, table, "")
	if err != nil {
		return
	}
	auto := ""
	if d, ok := s.Joined.(designer); ok && w.ground.site != (files{}) {
		design, _ := d.Design(w.ctx, table)
		s.Rollback(w.ctx)
		auto = design.Auto
	}
	var lines []string
	for _, r := range rows.([]hostlib.Value) {
		if row := r.(*hostlib.Dict); auto != "" {
			row.Set(auto, "#")
		}
		lines = append(lines, literal(r, 1))
	}
	p.add(what, lines)
}

// connections are the tables of the databases that scripts reach by a name.
func (w *world) connections(p picture) {
	for at, c := range w.others {
		if at.readOnly && w.others[reached{name: at.name}] != nil {
			continue
		}
		names, err := c.Tables(w.ctx)
		if err != nil {
			continue
		}
		s := autocommitOn(c)
		for _, name := range names {
			w.rows(p, "table "+at.name+"."+name, s, c.Quote, name)
		}
		s.Close()
	}
}

// buckets are the objects that there are.
func (w *world) buckets(p picture) {
	for name, s := range w.stores {
		all, err := s.objects.ListBuckets()
		if err != nil {
			continue
		}
		for _, in := range all {
			b := &bucket{w: w, name: name, inside: in.Name, objects: s.objects}
			if s.bucket == "" {
				b.name += "/" + in.Name
			}
			keys, err := b.keys()
			if err != nil {
				continue
			}
			var lines []string
			for _, key := range keys {
				if data, err := b.read(key); err == nil {
					lines = append(lines, key+": "+glance(data))
				}
			}
			p.add("bucket "+b.name, lines)
		}
	}
}

// mailed are the mails that were sent.
func (w *world) mailed(p picture) {
	if w.post == nil {
		return
	}
	w.post.mu.Lock()
	defer w.post.mu.Unlock()
	var lines []string
	for _, l := range w.post.sent {
		lines = append(lines, strings.TrimSpace(strings.Join([]string{letterType.String(l), glance([]byte(l.text)), glance([]byte(l.html))}, " ")))
	}
	p.add("mail", lines)
}

// shortFile is how long a file may be that is shown as it is, in a line.
const shortFile = 200

// glance is a file in a line.
func glance(data []byte) string {
	if len(data) <= shortFile {
		return literal(textOrBytes(data), 0)
	}
	return size(data)
}

// size tells how long data is, and by a hash what it is.
func size(data []byte) string {
	return fmt.Sprintf("%d bytes, SHA-256 %.8x...", len(data), sha256.Sum256(data))
}

// What of the world's jobs the picture has apart.
const (
	returned = "results" // what produce handed on, and what consume and finish returned
	counted  = "counts"
)

// jobs are the jobs, but for their ids, what they have come to, and what the types keep.
func (w *world) jobs(p picture) {
	var list []*engine.Job
	for before := engine.JobID(0); ; {
		page, err := w.store.Jobs(w.ctx, engine.JobFilter{Before: before, Limit: 500})
		if err != nil {
			return
		}
		if list = append(list, page...); len(page) < 500 {
			break
		}
		before = page[len(page)-1].ID
	}
	var lines, came, sums []string
	instances := map[string]bool{"": true}
	for _, j := range slices.Backward(list) {
		if j.Instance != nil {
			instances[*j.Instance] = true
		}
		name := func(more ...any) string {
			return strings.TrimRight(fmt.Sprintln(append([]any{j.Type}, more...)...), " \n")
		}
		lines = append(lines, name(j.Phase, j.Status, string(j.Payload)))
		if item := w.crash.handed[j.ID]; item != nil {
			came = append(came, fmt.Sprintf("%s: %s", name(engine.PhaseProduce, string(j.Payload)), item))
		}
		if j.Result != nil {
			came = append(came, fmt.Sprintf("%s: %s", name(j.Phase, string(j.Payload)), j.Result))
		}
		var told []string
		for _, what := range append(slices.Clone(engine.StatNames), sortedOthers(j.Stats)...) {
			if n := j.Stats[what]; n != 0 && what != engine.RerunCount {
				told = append(told, fmt.Sprintf("%s %d", what, n))
			}
		}
		if told != nil {
			sums = append(sums, fmt.Sprintf("%s: %s", name(string(j.Payload)), strings.Join(told, ", ")))
		}
	}
	p.add("jobs", lines)
	p.add(returned, came)
	p.add(counted, sums)
	w.variables(p, "vars", engine.Scope{})
	for in := range instances {
		w.variables(p, strings.TrimSuffix("state of "+in, " of "), engine.Scope{Type: (&tester{world: w}).typeID(), Instance: in})
	}
	if records, err := w.ground.db.KeptRecords(w.ctx); err == nil {
		p.add("records", records)
	}
	var rejects []string
	if err := w.store.Rejects(w.ctx, engine.RejectFilter{}, func(r *engine.Reject) bool {
		at := ""
		if r.Source != nil {
			at = *r.Source + ": "
			if r.Line != nil {
				at = fmt.Sprintf("%s:%d: ", *r.Source, *r.Line)
			}
		}
		rejects = append(rejects, fmt.Sprintf("%s%s: %s (%s)", at, r.Row, r.Reason, r.State))
		return len(rejects) < 1000
	}); err == nil {
		p.add("rejects", rejects)
	}
}

// variables are those of a scope.
func (w *world) variables(p picture, what string, scope engine.Scope) {
	values, err := w.store.Variables(w.ctx, scope, "")
	if err != nil {
		return
	}
	var lines []string
	for _, v := range values {
		lines = append(lines, fmt.Sprintf("%s = %s", v.Name, v.Value))
	}
	p.add(what, lines)
}

// anyUUID is an id that another attempt makes otherwise.
var anyUUID = regexp.MustCompile(`\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)

// outcome is what of the picture counts where a test passes: which ids are made up, and
// what is merely read, may be another each time.
func (p picture) outcome(s *stubs) picture {
	o := picture{}
	for what, text := range p {
		o[what] = anyUUID.ReplaceAllString(text, "a UUID")
	}
	delete(o, requested)
	o.add(requested, s.changes())
	return o
}

// without is the picture but for some of it.
func (p picture) without(some []string) picture {
	o := maps.Clone(p)
	for _, what := range some {
		delete(o, what)
	}
	return o
}

// files are those of the files folder, but for those that are not to stay.
func (w *world) files(p picture) {
	if w.ground.dir == nil {
		return
	}
	root, err := os.OpenRoot(w.ground.files())
	if err != nil {
		return
	}
	defer root.Close()
	eachFile(root, func(path string, data []byte) {
		p.add("file "+path, []string{fmt.Sprintf("%d bytes", len(data)), string(data)})
	})
}

// eachFile reads the files of a folder, but for those that are not to stay.
func eachFile(root *os.Root, each func(path string, data []byte)) {
	fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || hostlib.IsTemporary(path) {
			return nil
		}
		if data, err := root.ReadFile(path); err == nil {
			each(path, data)
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
