package hostlib

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/dsengine/dsengine/engine"
)

var filesModule = &Module{
	Name: "files",
	Doc:  "Files below the files folder. Paths are relative to it, with / between folders, and cannot leave it. The program's own files are not there for scripts: its settings, its SQLite database and those of db.connect, files of secrets. Scripts in the jobs folder are changed only where needs name their ending, such as \"files:jobs/*.star\".",
	Funcs: []*Func{
		{
			Name: "list", Doc: "Lists the files that a glob finds, sorted by path. ** stands for any number of folders; names that begin with a dot are found only if the glob names the dot. That there is no such folder is told in the job's log.",
			Params:  []Param{{Name: "glob", Type: String, Doc: `such as "incoming/*.csv"`}},
			Returns: "list of file", Needs: "files", Effect: Read,
			Example: "[f.path for f in files.list(\"data/*.csv\")]  # [\"data/people.csv\"]",
			Lua:     "files.list(\"data/*.csv\")[1].path  -- \"data/people.csv\"",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.listFiles(a.String("glob"))
			},
		},
		{
			Name: "lines", Doc: "Reads a text line by line, without the line ends. Lazy. It reads through " + packedDoc + ".",
			Params:  []Param{{Name: "path", Type: Source, Doc: "a path, or a stream"}, sourceEncoding},
			Returns: "iterator of string", Needs: "files", Effect: Read, Same: true,
			Example: "list(files.lines(\"data/words.txt\"))  # [\"alpha\", \"beta\"]",
			Lua:     "list(files.lines(\"data/words.txt\"))  -- {\"alpha\", \"beta\"}\nfor line in files.lines(\"data/words.txt\") do log.info(line) end",
			Do: func(c *Call, a *Args) (Value, error) {
				in, err := c.input(a.Value("path"), a.String("encoding"))
				if err != nil {
					return nil, err
				}
				return c.textLines("files.lines", in), nil
			},
		},
		{
			Name: "read", Doc: "Reads a whole file, up to 256 MB, into memory, where each hook that runs at the same time has its own: files.lines, csv.read, json.stream and xml.stream hold little of a file of any size. It reads through " + packedDoc + ".",
			Params: []Param{
				{Name: "path", Type: Source, Doc: "a path, or a stream"},
				{Name: "encoding", Type: String, Default: None, Named: true, Doc: sourceEncoding.Doc + "; \"bytes\": the result is bytes"},
			},
			Returns: "string", Needs: "files", Effect: Read,
			Example: "files.read(\"data/words.txt\")  # \"alpha\\nbeta\\n\"",
			Lua:     "files.read(\"data/words.txt\")  -- \"alpha\\nbeta\\n\"",
			Do:      readFile,
		},
		{
			Name: "entries", Doc: "Goes through the files in a .zip, .tar, .tar.gz, .tgz or .tar.zst. Each can be read wherever a path can, those of a tar only until the next one is taken; a link is an error when it is read. What macOS adds (__MACOSX/, .DS_Store, ._ before a name) is left out unless the glob names it. Lazy.",
			Params: []Param{
				{Name: "path", Type: Source, Doc: "the archive: a path, or a stream that has a name, such as what s3.open gives"},
				{Name: "glob", Type: String, Default: None, Doc: "only those whose names it finds, such as \"**/*.csv\"; where it finds none, a warning in the log tells what is there"},
			},
			Returns: "iterator of entry", Needs: "files", Effect: Read, Same: true,
			Example: "for entry in files.entries(\"data/people.zip\", \"*.csv\"):\n    for row in csv.read(entry):\n        log.info(row[\"name\"])",
			Lua:     "for entry in files.entries(\"data/people.zip\", \"*.csv\") do\n  for row in csv.read(entry) do log.info(row.name) end\nend",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.entries(a.Value("path"), a.String("glob"))
			},
		},
		{
			Name: "exists", Doc: "Says whether there is a file or a folder.",
			Params:  []Param{{Name: "path", Type: String, Doc: "where"}},
			Returns: "bool", Needs: "files", Effect: Read,
			Example: "files.exists(\"data/people.csv\")  # True",
			Lua:     "files.exists(\"data/people.csv\")  -- true",
			Do: func(c *Call, a *Args) (Value, error) {
				_, err := c.stat(a.String("path"))
				if codeIs(err, "file.missing") {
					return false, nil
				}
				return err == nil, err
			},
		},
		{
			Name: "stat", Doc: "Tells path, size and time of the last change of a file. It is an error if there is none.",
			Params:  []Param{{Name: "path", Type: String, Doc: "the file"}},
			Returns: "file", Needs: "files", Effect: Read,
			Example: "files.stat(\"data/words.txt\").size  # 11",
			Lua:     "files.stat(\"data/words.txt\").size  -- 11",
			Do: func(c *Call, a *Args) (Value, error) {
				f, err := c.stat(a.String("path"))
				if err == nil && f.folder {
					err = Errorf("file.folder", "%q is a folder, not a file", f.path)
				}
				if err != nil {
					return nil, err
				}
				return f, nil
			},
		},
		{
			Name: "write", Doc: "Writes a file, just as the data is, and makes the folders that are missing. The file appears under its name once it is complete; one that was there is replaced. A hook that runs again writes it again.",
			Params: []Param{
				{Name: "path", Type: String, Doc: "the file"},
				{Name: "data", Type: Any, Doc: "a string, bytes, a stream, or strings (lines, without their ends)"},
				{Name: "append", Type: Bool, Default: false, Named: true, Doc: "adds to the file that is there, which is copied for it; a hook that runs again adds it again"},
				{Name: "encoding", Type: String, Default: None, Named: true, Doc: WriteEncoding.Doc + ", just as the data is"},
			},
			Returns: "file", Needs: "files", Effect: Outside, Same: true,
			Example: "files.write(\"data/out/note.txt\", \"done\\n\").size  # 5",
			Lua:     "files.write(\"data/out/note.txt\", \"done\\n\").size  -- 5",
			Do: func(c *Call, a *Args) (Value, error) {
				r, close, err := c.reader(a.Value("data"))
				if err != nil {
					return nil, err
				}
				defer close()
				p, more := a.String("path"), a.Bool("append")
				begins := c.begins(p, more)
				f, err := c.writeFile(p, more, func(w io.Writer) error {
					text, err := encoded(w, a.String("encoding"), begins)
					if err == nil {
						_, err = io.Copy(text, &watched{c: c, r: r})
					}
					if err == nil {
						err = text.Close()
					}
					return err
				})
				if err != nil {
					return nil, err
				}
				return f, nil
			},
		},
		{
			Name: "move", Doc: "Gives a file another path, and makes the folders that are missing. It never overwrites one, unless told to. It gives the new path. A file that an earlier run of the same job has moved already is no error, also if another has come in its place since: it gives where that file is now. One that the hook itself writes again is moved over the one of the run before. A hook that reads files into the database has each moved once its rows are committed, \"ctx.on_commit(files.move, path, 'done/')\": a file that was moved before is not found in its folder by the run that comes after a rollback, and its rows are missing. A process that dies between the two leaves the file where it is; where nobody comes for it again, because its item is unique = \"forever\", let consume return its item, with the path and the time that files.list gave, and the hook finish, which is called again, move the files of summary.results that are there still and have that time, \"files.exists(r['path']) and str(files.stat(r['path']).modified) == r['modified']\": another one that has come by then was not read.",
			Params: []Param{
				{Name: "src", Type: String, Doc: "the file"},
				{Name: "dst", Type: String, Doc: "its new path; with / at the end, the folder that it goes to"},
				{Name: "exists", Type: String, Default: "number", Named: true, Choices: []string{"number", "error", "replace"}, Doc: "what happens if there is a file at the new path: \"number\" makes it done/a-2.csv, \"replace\" loses the one that is there"},
			},
			Returns: "string", Needs: "files", Effect: Outside,
			Example: "files.write(\"data/old.txt\", \"x\")\nfiles.move(\"data/old.txt\", \"data/done/\")  # \"data/done/old.txt\"",
			Lua:     "files.write(\"data/old.txt\", \"x\")\nfiles.move(\"data/old.txt\", \"data/done/\")  -- \"data/done/old.txt\"",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.moveFile(a.String("src"), a.String("dst"), a.String("exists"))
			},
		},
		{
			Name: "remove", Doc: "Deletes a file. It says whether there was one.",
			Params:  []Param{{Name: "path", Type: String, Doc: "the file"}},
			Returns: "bool", Needs: "files", Effect: Outside,
			Example: "files.write(\"data/gone.txt\", \"x\")\nfiles.remove(\"data/gone.txt\")  # True",
			Lua:     "files.write(\"data/gone.txt\", \"x\")\nfiles.remove(\"data/gone.txt\")  -- true",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.removeFile(a.String("path"))
			},
		},
		{
			Name: "temp", Doc: "Makes an empty file that is deleted when the hook ends, and gives its path, which needs no permission of its own. One that is to stay is moved away.",
			Params: []Param{
				{Name: "name", Type: String, Default: "file", Doc: "how its name ends, such as \"export.zip\""},
				{Name: "folder", Type: String, Default: ".", Named: true, Doc: "the folder that it is made in"},
			},
			Returns: "string", Needs: "files", Effect: Outside,
			Example: "path = files.temp(\"export.csv\")\ncsv.write(path, [{\"id\": 1}]).rows  # 1",
			Lua:     "local path = files.temp(\"export.csv\")\ncsv.write(path, {{id = 1}}).rows  -- 1",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.tempFile(a.String("name"), a.String("folder"))
			},
		},
	},
}

// packedDoc says which files are unpacked while they are read.
const packedDoc = ".gz, .zst, and a .zip or .tar with a single file"

func readFile(c *Call, a *Args) (Value, error) {
	charset := a.String("encoding")
	if charset == "bytes" {
		r, name, close, err := c.openSource(a.Value("path"))
		if err != nil {
			return nil, err
		}
		defer close()
		var data bytes.Buffer
		if err := readAll(&data, name, &watched{c: c, r: r}, r); err != nil {
			return nil, err
		}
		return data.Bytes(), nil
	}
	in, err := c.input(a.Value("path"), charset)
	if err != nil {
		return nil, err
	}
	defer in.close()
	var text strings.Builder
	err = readAll(&text, in.name, in.r, in.watch.r)
	switch {
	case err != nil:
		return nil, err
	case !utf8.ValidString(text.String()):
		return nil, in.noText(0)
	}
	return text.String(), nil
}

// readAll reads up to maxFile bytes. from is what r reads from: if it is a file, it is
// held once, and not while it grows.
func readAll(to interface {
	io.Writer
	Grow(n int)
}, name string, r, from io.Reader) error {
	if plain, ok := from.(*counted); ok {
		if f, ok := plain.r.(*os.File); ok {
			if info, err := f.Stat(); err == nil {
				to.Grow(int(min(info.Size(), maxFile)) + bytes.MinRead)
			}
		}
	}
	n, err := io.Copy(to, io.LimitReader(r, maxFile+1))
	if err == nil && n > maxFile {
		err = Errorf("file.size", "%s has more than %d bytes: use files.lines, csv.read or json.stream", name, maxFile)
	}
	return err
}

// maxFile bounds what files.read reads, in bytes.
const maxFile = 256 << 20

// file is what files.list gives.
type file struct {
	path     string
	size     int64
	modified time.Time
	folder   bool
}

// ObjectType is file.
func (f *file) ObjectType() *ObjectType { return fileType }

var fileType = &ObjectType{
	Name: "file", Doc: "A file that files.list has found.", Record: true,
	Text: func(v Value) string { return fmt.Sprintf("<file %s>", v.(*file).path) },
	Attrs: []Attr{
		{Name: "path", Type: "string", Doc: "Where it is, from the files folder.", Get: func(v Value) (Value, error) { return v.(*file).path, nil }},
		{Name: "size", Type: "int", Doc: "Its size in bytes.", Get: func(v Value) (Value, error) { return v.(*file).size, nil }},
		{Name: "modified", Type: "string", Doc: "When it was last changed, as RFC 3339 text in UTC.", Get: func(v Value) (Value, error) {
			return v.(*file).modified.UTC().Format(time.RFC3339Nano), nil
		}},
	},
}

// root opens the files folder, which nothing can leave, by links neither.
func (c *Call) root() (folder, error) {
	dir := c.Host.Files
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the files folder: %w", err)
	}
	if d := c.Host.Dry; d != nil && d.Files != nil {
		return &over{d.Files, root}, nil
	}
	return root, nil
}

// permit says whether the script may touch a path or a glob, and cleans it.
func (c *Call) permit(p string) (string, error) {
	clean, err := cleanPath(p)
	if err != nil || c.temps[clean] {
		return clean, err
	}
	if err := c.Needs.file(clean, c.Hook.Job().Instance); err != nil {
		return clean, err
	}
	if err := c.permitFolder(clean); err != nil {
		return clean, err
	}
	return clean, c.permitProgram(clean)
}

// permitFolder says whether the script may touch a path as it is when the links among
// its folders are followed.
func (c *Call) permitFolder(p string) error {
	base, err := filepath.EvalSymlinks(cmp.Or(c.Host.Files, "."))
	if err != nil {
		return nil // told when it is opened, as all faults here
	}
	for folder := path.Dir(p); folder != "."; folder = path.Dir(folder) { // those that are not there yet lead nowhere
		target, err := filepath.EvalSymlinks(filepath.Join(base, filepath.FromSlash(folder)))
		if err != nil {
			continue
		}
		rel, err := filepath.Rel(base, target)
		if rel = filepath.ToSlash(rel); err != nil || rel == folder || !fs.ValidPath(rel) {
			return nil
		}
		if err := c.Needs.file(path.Join(rel, strings.TrimPrefix(p, folder)), c.Hook.Job().Instance); err != nil {
			return Errorf("needs", "%q leads through a link, %q: %v", p, folder, err)
		}
		return nil
	}
	return nil
}

// openFile opens a file to read it as it is. The caller closes it.
func (c *Call) openFile(p string) (*os.File, error) {
	p, err := c.permit(p)
	if err != nil {
		return nil, err
	}
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := c.permitTarget(p); err != nil {
		return nil, err
	}
	if info, err := root.Stat(p); err == nil { // before it is opened: that may wait for ever
		if err := regular(p, info); err != nil {
			return nil, err
		}
	}
	f, err := root.Open(p)
	if err != nil {
		return nil, fileError(p, err)
	}
	return f, nil
}

// permitTarget says whether the script may touch what a path leads to by links.
// What leaves the folder is refused when it is opened.
func (c *Call) permitTarget(p string) error {
	base, err := filepath.EvalSymlinks(cmp.Or(c.Host.Files, "."))
	if err != nil {
		return nil // told when it is opened, as all faults here
	}
	target, err := filepath.EvalSymlinks(filepath.Join(base, filepath.FromSlash(p)))
	if err != nil {
		return nil
	}
	rel, err := filepath.Rel(base, target)
	if rel = filepath.ToSlash(rel); err != nil || rel == p || !fs.ValidPath(rel) {
		return nil
	}
	if err := c.Needs.file(rel, c.Hook.Job().Instance); err != nil {
		return Errorf("needs", "%q is a link: %v", p, err)
	}
	return nil
}

// regular refuses what is no file.
func regular(p string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return Errorf("file.folder", "%q is a folder, not a file", p)
	case !info.Mode().IsRegular():
		return Errorf("file.kind", "%q is no regular file but a device, a pipe or a socket", p)
	}
	return nil
}

func (c *Call) stat(p string) (*file, error) {
	p, err := c.permit(p)
	if err != nil {
		return nil, err
	}
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := c.permitTarget(p); err != nil {
		return nil, err
	}
	info, err := root.Stat(p)
	if err != nil {
		return nil, fileError(p, err)
	}
	return &file{path: p, size: info.Size(), modified: info.ModTime(), folder: info.IsDir()}, nil
}

// fileError says in words why a file cannot be had.
func fileError(p string, err error) error {
	var f *engine.Failure
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return Errorf("file.missing", "there is no file %q", p)
	case errors.Is(err, fs.ErrPermission):
		return Errorf("file.denied", "the system does not let %q be used", p)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return Errorf("file.error", "%q: %v", p, err)
}

// warnMissing says in the job's log, once, that the folder in which a glob looks
// is not there: nothing is found then, as if there was nothing to do.
func (c *Call) warnMissing(root folder, glob string) {
	folder, _ := doublestar.SplitPattern(glob)
	if !globMeta.MatchString(glob) {
		folder = path.Dir(glob)
	}
	if info, err := root.Stat(glob); err == nil && info.IsDir() {
		c.Log(slog.LevelWarn, fmt.Sprintf("files.list: %q is a folder, not a file: the files in it are found by %q", glob, path.Join(glob, "*")), nil)
		return
	}
	if folder == "." || c.warned[folder] {
		return
	}
	if _, err := root.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if c.warned == nil {
		c.warned = map[string]bool{}
	}
	c.warned[folder] = true
	missing := folder // the outermost one that is not there
	for above := path.Dir(missing); above != "."; above = path.Dir(above) {
		if _, err := root.Stat(above); err == nil {
			break
		}
		missing = above
	}
	var beside []string
	if f, err := root.Open(path.Dir(missing)); err == nil {
		entries, _ := f.ReadDir(1000)
		f.Close()
		for _, e := range entries {
			if e.IsDir() {
				beside = append(beside, e.Name())
			}
		}
	}
	where, _ := filepath.Abs(cmp.Or(c.Host.Files, "."))
	c.Log(slog.LevelWarn, fmt.Sprintf("files.list: there is no folder %q%s: nothing is found there", missing, Suggest(path.Base(missing), beside)), map[string]any{"files": where})
}

func (c *Call) listFiles(glob string) (Value, error) {
	if !doublestar.ValidatePattern(glob) {
		return nil, Errorf("usage", "%q is no glob", glob)
	}
	glob, err := c.permit(glob)
	if err != nil {
		return nil, err
	}
	root, err := c.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	c.warnMissing(root, glob)
	found, own := []Value{}, c.programFiles()
	err = doublestar.GlobWalk(root.FS(), glob, func(p string, d fs.DirEntry) error {
		if err := c.Context().Err(); err != nil {
			return err
		}
		info, err := root.Stat(p) // follows links
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone meanwhile
			}
			if d.Type()&fs.ModeSymlink != 0 {
				c.Log(slog.LevelWarn, "files.list leaves out a link", map[string]any{"path": p, "why": fileError(p, err).Error()})
				return nil
			}
			return fileError(p, err)
		}
		if !info.Mode().IsRegular() || own.has(p) {
			return nil
		}
		instance := c.Hook.Job().Instance
		if !c.Needs.hasFile(p, instance) { // the glob says so itself, where needs are narrower: "*" fits "**"
			return lacking(fmt.Sprintf("%q, which %q finds,", p, glob), "files:"+glob)
		}
		if err := c.Needs.file(p, instance); err != nil {
			return err
		}
		if err := c.permitTarget(p); err != nil {
			c.Log(slog.LevelWarn, "files.list leaves out a link", map[string]any{"path": p, "why": err.Error()})
			return nil
		}
		found = append(found, &file{path: p, size: info.Size(), modified: info.ModTime()})
		return nil
	}, doublestar.WithNoHidden(), doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, fileError(glob, err)
	}
	slices.SortFunc(found, func(a, b Value) int {
		return strings.Compare(a.(*file).path, b.(*file).path)
	})
	return slices.CompactFunc(found, func(a, b Value) bool { return a.(*file).path == b.(*file).path }), nil
}
