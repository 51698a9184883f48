package hostlib

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// programFiles finds the files of the program itself, by whatever name.
type programFiles struct {
	base  string        // the files folder
	files []fs.FileInfo // that are there
	names []programName
}

// programName is a name in a folder, or what such names begin with.
type programName struct {
	folder fs.FileInfo
	name   string
	begins bool
}

// own are the files that Host.Own has.
func (c *Call) programFiles() *programFiles {
	o := &programFiles{base: cmp.Or(c.Host.Files, ".")}
	for _, p := range c.Host.Own {
		begins := strings.HasSuffix(p, "*")
		p = strings.TrimSuffix(p, "*")
		if info, err := os.Stat(p); err == nil && !begins {
			o.files = append(o.files, info)
		}
		if folder, err := os.Stat(filepath.Dir(p)); err == nil {
			o.names = append(o.names, programName{folder, strings.ToLower(filepath.Base(p)), begins})
		}
	}
	return o
}

// has says whether a path leads to one, or would.
func (o *programFiles) has(p string) bool {
	if len(o.names) == 0 {
		return false
	}
	full := filepath.Join(o.base, filepath.FromSlash(p))
	if info, err := os.Stat(full); err == nil && slices.ContainsFunc(o.files, func(f fs.FileInfo) bool { return os.SameFile(f, info) }) {
		return true
	}
	if target, err := filepath.EvalSymlinks(full); err == nil {
		full = target
	}
	folder, err := os.Stat(filepath.Dir(full))
	name := strings.ToLower(filepath.Base(full))
	return err == nil && slices.ContainsFunc(o.names, func(n programName) bool {
		return (name == n.name || n.begins && strings.HasPrefix(name, n.name)) && os.SameFile(folder, n.folder)
	})
}

// permitProgram refuses what is the program's own.
func (c *Call) permitProgram(p string) error {
	if c.programFiles().has(p) {
		return Errorf("needs", "%q is dsengine's own: scripts can touch neither its settings, nor its databases (those of db.connect by that alone), nor files of secrets", p)
	}
	return nil
}

// permitChange says whether the script may write to a path, or take away what is there,
// and cleans it. Scripts are changed only where needs tell so by their ending.
func (c *Call) permitChange(p string) (string, error) {
	p, err := c.permit(p)
	ext := path.Ext(p)
	if err != nil || c.Host.Jobs == "" || !slices.Contains(c.Host.Endings, ext) {
		return p, err
	}
	for _, need := range c.Needs.files {
		if path.Ext(need) == ext {
			return p, nil
		}
	}
	jobs, err := filepath.EvalSymlinks(c.Host.Jobs)
	if err != nil {
		return p, nil
	}
	jobs, _ = filepath.Abs(jobs)
	for folder := path.Dir(p); ; folder = path.Dir(folder) { // those that are not there yet are below one that is
		full, err := filepath.EvalSymlinks(filepath.Join(cmp.Or(c.Host.Files, "."), filepath.FromSlash(folder)))
		if err != nil && folder != "." {
			continue
		}
		full, _ = filepath.Abs(full)
		if rel, err := filepath.Rel(jobs, full); err == nil && filepath.IsLocal(rel) {
			return p, Errorf("needs", "%q is a script in the jobs folder: job() must say that scripts are written, as needs = [%q]", p, "files:"+path.Join(path.Dir(p), "*"+ext))
		}
		return p, nil
	}
}
