package hostlib

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// folder is the files folder as functions use it: an *os.Root, or one that an
// Overlay lies over.
type folder interface {
	Open(name string) (*os.File, error)
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Stat(name string) (fs.FileInfo, error)
	Lstat(name string) (fs.FileInfo, error)
	MkdirAll(name string, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	Link(from, to string) error
	FS() fs.FS
	Close() error
}

// Overlay lies over the files folder and takes what would be changed there: files
// that are written are in a folder of its own, and names that are given or taken
// away it only remembers. Functions see what they have changed; the files folder
// stays as it is.
type Overlay struct {
	// Looked is told of each file of the folder below that is looked at, maybe again, and may
	// refuse it; nil: nobody is.
	Looked func(name string, size int64) error

	dir string // of the files that are written

	mu    sync.Mutex
	names map[string]overlaid
	files int             // that were written
	read  map[string]bool // files of the folder below that were looked at
}

// overlaid is what a name is now, where that is not what it is below.
type overlaid struct {
	upper  string // the file in the overlay's folder
	lower  string // the name below whose file it is
	folder bool
}

// gone says that there is nothing by the name any more.
func (e overlaid) gone() bool { return e == overlaid{} }

// NewOverlay makes an overlay. dir is an empty folder for what is written.
func NewOverlay(dir string) *Overlay {
	return &Overlay{dir: dir, names: map[string]overlaid{}, read: map[string]bool{}}
}

// FileChange is what became of a file.
type FileChange struct {
	What string `json:"what"` // "write", "replace", "move" or "remove"
	Path string `json:"path"`
	From string `json:"from,omitempty"` // for move
	Size int64  `json:"size"`           // for write and replace, in bytes
}

// Changes are what would be different below, by path. dir is the folder below.
func (o *Overlay) Changes(dir string) ([]FileChange, error) {
	root, err := os.OpenRoot(cmp.Or(dir, "."))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	moved := map[string]bool{}
	for _, e := range o.names {
		moved[e.lower] = true
	}
	var list []FileChange
	for _, name := range slices.Sorted(maps.Keys(o.names)) {
		e := o.names[name]
		_, err := root.Lstat(name)
		there := err == nil
		switch {
		case e.folder, IsTemporary(name), e.lower == name:
		case e.gone():
			if there && !moved[name] {
				list = append(list, FileChange{What: "remove", Path: name})
			}
		case e.lower != "":
			list = append(list, FileChange{What: "move", Path: name, From: e.lower})
		default:
			c := FileChange{What: "write", Path: name}
			if there {
				c.What = "replace"
			}
			if info, err := os.Stat(filepath.Join(o.dir, e.upper)); err == nil {
				c.Size = info.Size()
			}
			list = append(list, c)
		}
	}
	return list, nil
}

// Read are the files of the folder below that were looked at, sorted.
func (o *Overlay) Read() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.read))
}

// over is the files folder with an overlay on it.
type over struct {
	*Overlay
	root *os.Root
}

func notThere(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

// find says where the file of a name is: in the folder below by a name, or in the
// overlay's.
func (v *over) find(name string) (lower, upper string, known overlaid, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e, ok := v.names[path.Clean(name)]
	switch {
	case !ok:
		return name, "", e, nil
	case e.gone():
		return "", "", e, notThere("open", name)
	case e.lower != "":
		return e.lower, "", e, nil
	case e.folder:
		return "", "", e, nil
	}
	return "", filepath.Join(v.dir, e.upper), e, nil
}

// note remembers that a file below was looked at.
func (v *over) note(name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return nil
	}
	name = path.Clean(name)
	v.mu.Lock()
	v.read[name] = true
	v.mu.Unlock()
	if v.Looked == nil {
		return nil
	}
	return v.Looked(name, info.Size())
}

func (v *over) Open(name string) (*os.File, error) {
	lower, upper, _, err := v.find(name)
	switch {
	case err != nil:
		return nil, err
	case upper != "":
		return os.Open(upper)
	case lower == "":
		return os.Open(v.dir)
	}
	f, err := v.root.Open(lower)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil {
		if err := v.note(lower, info); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// OpenFile makes files only: none is written to that is there.
func (v *over) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if flag&os.O_EXCL == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.ErrUnsupported}
	}
	if _, err := v.Lstat(name); err == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	}
	v.mu.Lock()
	v.files++
	upper := strconv.Itoa(v.files)
	v.names[path.Clean(name)] = overlaid{upper: upper}
	v.mu.Unlock()
	return os.OpenFile(filepath.Join(v.dir, upper), flag, perm|0o600)
}

func (v *over) Stat(name string) (fs.FileInfo, error) { return v.info(name, v.root.Stat) }

func (v *over) Lstat(name string) (fs.FileInfo, error) { return v.info(name, v.root.Lstat) }

func (v *over) info(name string, stat func(string) (fs.FileInfo, error)) (fs.FileInfo, error) {
	lower, upper, _, err := v.find(name)
	if err != nil {
		return nil, err
	}
	var info fs.FileInfo
	switch {
	case upper != "":
		info, err = os.Stat(upper)
	case lower == "":
		info, err = os.Stat(v.dir)
	default:
		if info, err = stat(lower); err == nil {
			err = v.note(lower, info)
		}
	}
	if err != nil {
		return nil, err
	}
	return renamed{info, path.Base(name)}, nil
}

// renamed is a file's information under another name.
type renamed struct {
	fs.FileInfo
	name string
}

func (n renamed) Name() string { return n.name }

func (v *over) MkdirAll(name string, _ fs.FileMode) error {
	for p := path.Clean(name); p != "."; p = path.Dir(p) {
		info, err := v.Stat(p)
		switch {
		case err == nil && info.IsDir():
			return nil
		case err == nil:
			return &fs.PathError{Op: "mkdir", Path: p, Err: syscall.ENOTDIR}
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		v.mu.Lock()
		v.names[p] = overlaid{folder: true}
		v.mu.Unlock()
	}
	return nil
}

// at is what stands for the file of a name under another one.
func (v *over) at(name string) (overlaid, error) {
	if _, err := v.Lstat(name); err != nil {
		return overlaid{}, err
	}
	lower, _, e, err := v.find(name)
	if err == nil && e.gone() {
		e = overlaid{lower: path.Clean(lower)}
	}
	return e, err
}

func (v *over) Rename(from, to string) error {
	e, err := v.at(from)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names[path.Clean(to)] = e
	v.names[path.Clean(from)] = overlaid{}
	return nil
}

func (v *over) Link(from, to string) error {
	if _, err := v.Lstat(to); err == nil {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: fs.ErrExist}
	}
	e, err := v.at(from)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names[path.Clean(to)] = e
	return nil
}

func (v *over) Remove(name string) error {
	if _, err := v.at(name); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.names[path.Clean(name)] = overlaid{}
	return nil
}

func (v *over) Close() error { return v.root.Close() }

func (v *over) FS() fs.FS { return overFS{v} }

// overFS is for globs.
type overFS struct{ v *over }

func (f overFS) Open(name string) (fs.File, error) { return f.v.Open(name) }

func (f overFS) Stat(name string) (fs.FileInfo, error) { return f.v.Stat(name) }

// ReadDir lists a folder.
func (f overFS) ReadDir(name string) ([]fs.DirEntry, error) {
	below, err := fs.ReadDir(f.v.root.FS(), name)
	list := map[string]fs.DirEntry{}
	for _, e := range below {
		list[e.Name()] = e
	}
	f.v.mu.Lock()
	known := maps.Clone(f.v.names)
	f.v.mu.Unlock()
	there := known[name].folder
	for p, e := range known {
		if path.Dir(p) != name || p == "." {
			continue
		}
		delete(list, path.Base(p))
		if e.gone() {
			continue
		}
		there = true
		if info, err := f.v.Lstat(p); err == nil {
			list[path.Base(p)] = fs.FileInfoToDirEntry(info)
		}
	}
	if err != nil && !(there && errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	entries := make([]fs.DirEntry, 0, len(list))
	for _, base := range slices.Sorted(maps.Keys(list)) {
		entries = append(entries, list[base])
	}
	return entries, nil
}

var _ interface {
	fs.StatFS
	fs.ReadDirFS
} = overFS{}

var _ folder = (*os.Root)(nil)
