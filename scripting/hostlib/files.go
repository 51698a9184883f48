package hostlib

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

var filesModule = &Module{
	Name: "files",
	Doc:  "Files below the files folder. Paths are relative to it, with / between folders, and cannot leave it.",
	Funcs: []*Func{
		{
			Name: "list", Doc: "Lists the files that a glob finds, sorted by path. ** stands for any number of folders; names that begin with a dot are found only if the glob names the dot.",
			Params:  []Param{{Name: "glob", Type: String, Doc: `such as "incoming/*.csv"`}},
			Returns: "list of file", Needs: "files", Effect: Read,
			Example: "[f.path for f in files.list(\"data/*.csv\")]  # [\"data/people.csv\"]",
			Do: func(c *Call, a *Args) (Value, error) {
				return c.listFiles(a.String("glob"))
			},
		},
		{
			Name: "lines", Doc: "Reads a text line by line, without the line ends. Lazy.",
			Params: []Param{
				{Name: "path", Type: Source, Doc: "a path, or a stream"},
				{Name: "encoding", Type: String, Default: "utf-8", Named: true, Doc: "the character set of the text"},
			},
			Returns: "iterator of string", Needs: "files", Effect: Read,
			Example: "list(files.lines(\"data/words.txt\"))  # [\"alpha\", \"beta\"]",
			Do: func(c *Call, a *Args) (Value, error) {
				in, err := c.input(a.Value("path"), a.String("encoding"))
				if err != nil {
					return nil, err
				}
				l := newLines(in)
				return c.iterator("files.lines", func() (Value, error) {
					line, err := l.next()
					if err != nil {
						return nil, err
					}
					c.read(1)
					return string(line), nil
				}, in.close), nil
			},
		},
		{
			Name: "read", Doc: "Reads a whole file, up to 256 MB.",
			Params: []Param{
				{Name: "path", Type: String, Doc: "the file"},
				{Name: "encoding", Type: String, Default: "utf-8", Named: true, Doc: "the character set of the text"},
			},
			Returns: "string", Needs: "files", Effect: Read,
			Example: "files.read(\"data/words.txt\")  # \"alpha\\nbeta\\n\"",
			Do: func(c *Call, a *Args) (Value, error) {
				in, err := c.input(a.String("path"), a.String("encoding"))
				if err != nil {
					return nil, err
				}
				defer in.close()
				text, err := io.ReadAll(io.LimitReader(in.r, maxFile+1))
				switch {
				case err != nil:
					return nil, err
				case len(text) > maxFile:
					return nil, Errorf("file.size", "%s has more than %d bytes: use files.lines, csv.read or json.stream", in.name, maxFile)
				case !utf8.Valid(text):
					return nil, Errorf("file.encoding", "%s is not UTF-8; say which encoding it has, such as encoding = \"windows-1252\"", in.name)
				}
				return string(text), nil
			},
		},
	},
}

// maxFile bounds what files.read reads, in bytes.
const maxFile = 256 << 20

// file is what files.list gives.
type file struct {
	path     string
	size     int64
	modified time.Time
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
func (c *Call) root() (*os.Root, error) {
	dir := c.Host.Files
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the files folder: %w", err)
	}
	return root, nil
}

// permit says whether the script may touch a path or a glob, and cleans it.
func (c *Call) permit(p string) (string, error) {
	clean, err := cleanPath(p)
	if err != nil {
		return "", err
	}
	return clean, c.Needs.file(clean, c.Hook.Job().Instance)
}

// openFile opens a file to read it. The hook closes it in the end.
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

func regular(p string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return Errorf("file.folder", "%q is a folder, not a file", p)
	case !info.Mode().IsRegular():
		return Errorf("file.kind", "%q is no regular file but a device, a pipe or a socket", p)
	}
	return nil
}

// fileError says in words why a file cannot be had.
func fileError(p string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Errorf("file.missing", "there is no file %q", p)
	case errors.Is(err, fs.ErrPermission):
		return Errorf("file.denied", "the system does not let %q be read", p)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return Errorf("file.error", "%q: %v", p, err)
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
	found := []Value{}
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
		if !info.Mode().IsRegular() {
			return nil
		}
		if err := c.Needs.file(p, c.Hook.Job().Instance); err != nil {
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
		return nil, err
	}
	slices.SortFunc(found, func(a, b Value) int {
		return strings.Compare(a.(*file).path, b.(*file).path)
	})
	return slices.CompactFunc(found, func(a, b Value) bool { return a.(*file).path == b.(*file).path }), nil
}
