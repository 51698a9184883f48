package scripting

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// Options are for Load. The zero value is ready to use.
type Options struct {
	// Files is the folder that paths in scripts are relative to, and cannot
	// leave; default: the working directory. It is opened when a script asks.
	Files string
	// Own are files of the program itself, which scripts cannot touch; one that ends in *
	// stands for all names that begin so. Default: none.
	Own []string
	// Connections are the other databases that scripts reach by a name; default: none.
	Connections hostlib.Connector
	// Log gets what scripts log and print while they are loaded; default: nothing.
	Log *slog.Logger
	// Secret finds a secret by its name; default: there are none.
	Secret func(name string) (string, error)
	// Limits narrow what scripts may need; default: nothing does.
	Limits *hostlib.Limits
	// Mail is how scripts send mail; default: they cannot.
	Mail *hostlib.Mail
	// S3 finds a store that holds a bucket by its name; default: there are none.
	S3 func(name string) (*hostlib.S3, error)
	// Remotes finds the servers of files that scripts reach by a name; default: none.
	Remotes func(name string) (*hostlib.Remote, error)
	// KnownHosts are files with the host keys of SFTP servers; default: none.
	KnownHosts []string
	// Dry has hooks run without effects; default: they are carried out.
	Dry *hostlib.Dry
	// Context ends the loading of a script; default: only its time limit does.
	Context context.Context
}

// LoadError is why a script was not loaded, with file, line and column.
type LoadError = hostlib.LoadError

// Result is what Load found.
type Result struct {
	Types  []*engine.Type // by name
	Errors []*LoadError   // in the order of files; a file may have several
	Files  []string       // all scripts that were looked at, below the folder, sorted
	// Why says of each job type that does not load why, helper files and all.
	Why map[string][]*LoadError
}

// Load makes a job type of each script below a jobs folder: its name is its
// path without the ending. Helper files (_name.star, anything below lib/) and
// tests (*_test.star, *_test.lua) are no job types, and neither is what begins with a dot.
// A bad script does not stop the others. The error is about the folder itself.
func Load(dir string, o Options) (Result, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return Result{}, engine.Wrapf(engine.CodeUsage, err, "open the jobs folder %q", dir)
	}
	defer root.Close()
	files, err := findFiles(root, isScript)
	if err != nil {
		return Result{}, engine.Wrapf(engine.CodeUsage, err, "read the jobs folder %q", dir)
	}
	shown := filepath.ToSlash(dir)
	host := &hostlib.Host{
		Files: o.Files, Own: o.Own, Jobs: dir, Endings: []string{starscript.Ending, luascript.Ending}, Connections: o.Connections, Log: o.Log, Secret: o.Secret, Limits: o.Limits, Mail: o.Mail,
		S3: o.S3, Remotes: o.Remotes, KnownHosts: o.KnownHosts, Loading: o.Context, Dry: o.Dry,
	}
	loaders := map[string]loader{
		starscript.Ending: starscript.NewLoader(root.FS(), shown, host),
		luascript.Ending:  luascript.NewLoader(root.FS(), shown, host),
	}
	r := Result{Files: files, Why: map[string][]*LoadError{}}
	for _, p := range files {
		name := strings.TrimSuffix(p, path.Ext(p))
		if other := name + starscript.Ending; p != other && slices.Contains(files, other) {
			r.fail(hostlib.TwoOfAName(shown, p, other))
			continue
		}
		if err := engine.CheckTypeName(name); err != nil {
			r.Why[name] = []*LoadError{{File: path.Join(shown, p), Message: err.Error()}}
			r.fail(r.Why[name]...)
			continue
		}
		t, errs := loaders[path.Ext(p)].Load(name, p)
		r.fail(errs...)
		if t != nil {
			r.Types = append(r.Types, t)
		} else {
			r.Why[name] = errs
		}
	}
	return r, nil
}

// loader loads the job scripts of one language.
type loader interface {
	Load(name, path string) (*engine.Type, []*hostlib.LoadError)
}

// fail adds errors; one of a helper file is told once, whoever loads it.
func (r *Result) fail(errs ...*LoadError) {
	for _, e := range errs {
		i := slices.IndexFunc(r.Errors, func(o *LoadError) bool {
			return o.File == e.File && o.Line == e.Line && o.Column == e.Column && o.Message == e.Message
		})
		switch {
		case i < 0:
			r.Errors = append(r.Errors, e)
		case e.Via != "" && r.Errors[i].Via != e.Via:
			both := *e
			both.Via = r.Errors[i].Via + "; " + e.Via
			r.Errors[i] = &both
		}
	}
}

// findFiles lists the files below the root that are wanted, sorted. Links are
// followed to files, not to folders.
func findFiles(root *os.Root, wanted func(p string) bool) ([]string, error) {
	var files []string
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(p)
		if p != "." && strings.HasPrefix(base, ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() || !wanted(p) {
			return nil
		}
		// What cannot be read is told when it is loaded.
		if info, err := root.Stat(p); err != nil || info.Mode().IsRegular() {
			files = append(files, p)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// isScript says whether a file is a job script by its name.
func isScript(p string) bool {
	ext := path.Ext(p)
	return (ext == starscript.Ending || ext == luascript.Ending) && !hostlib.IsHelper(p) && !isTest(p)
}

// isTest says whether a file is one of tests by its name.
func isTest(p string) bool { return strings.HasSuffix(strings.TrimSuffix(p, path.Ext(p)), "_test") }
