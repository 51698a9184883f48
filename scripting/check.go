package scripting

import (
	"cmp"
	"errors"
	"io/fs"
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

// Problem is something wrong, or doubtful, in a script that was not run.
type Problem = hostlib.Problem

// CheckOptions say what Check looks at.
type CheckOptions struct {
	// Wanted says whether a file is looked at, by its path below the jobs folder;
	// nil: all are.
	Wanted func(path string) bool
	// Tests are the types of the objects that tests meet, that of t first.
	Tests []*hostlib.ObjectType
	// Limits narrow what scripts may need; default: nothing does.
	Limits *hostlib.Limits
	// Marks counts the question marks of a statement; see starscript.Loader. nil: they
	// are not looked at.
	Marks func(sql string, names bool) (n int, numbered bool)
	// Owned says that a statement names tables of the engine; nil: it is not looked for.
	Owned func(sql string) error
	// Statement is why a statement is none for db.exec or, with reads, db.query; nil: that
	// is not looked at.
	Statement func(sql string, reads bool) error
}

// checker looks for mistakes in the files of one language.
type checker interface {
	// Check looks at one file; name is what the job type would be called.
	Check(name, path string, tests []*hostlib.ObjectType) []*Problem
}

// Check looks for mistakes in the scripts below a jobs folder: job scripts,
// helper files and tests. It runs no hook. It gives how many files it has looked
// at, too. The error is about the folder itself.
func Check(dir string, o CheckOptions) (problems []*Problem, files int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, 0, engine.Errorf(engine.CodeUsage, "there is no jobs folder %q", dir).
				WithHint("name another one with --jobs or DSENGINE_JOBS")
		}
		return nil, 0, engine.Wrapf(engine.CodeUsage, err, "open the jobs folder %q", dir)
	}
	defer root.Close()
	all, err := findFiles(root, func(p string) bool { return path.Ext(p) == starscript.Ending || path.Ext(p) == luascript.Ending })
	if err != nil {
		return nil, 0, engine.Wrapf(engine.CodeUsage, err, "read the jobs folder %q", dir)
	}
	shown := filepath.ToSlash(dir)
	host := &hostlib.Host{Limits: o.Limits}
	star := starscript.NewLoader(root.FS(), shown, host)
	lua := luascript.NewLoader(root.FS(), shown, host)
	star.Marks, lua.Marks = o.Marks, o.Marks
	star.Owned, lua.Owned = o.Owned, o.Owned
	star.Statement, lua.Statement = o.Statement, o.Statement
	checkers := map[string]checker{
		starscript.Ending: star,
		luascript.Ending:  lua,
	}
	// Tests load the scripts that they test, which must have been loaded by then.
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	for _, p := range all {
		name, ext := strings.TrimSuffix(p, path.Ext(p)), path.Ext(p)
		wanted := o.Wanted == nil || o.Wanted(p)
		var found []*Problem
		switch c := checkers[ext]; {
		case isScript(p) && p != name+starscript.Ending && slices.Contains(all, name+starscript.Ending):
			found = []*Problem{{LoadError: *hostlib.TwoOfAName(shown, p, name+starscript.Ending), Code: "load"}}
		case isScript(p) && engine.CheckTypeName(name) != nil:
			found = []*Problem{whole(path.Join(shown, p), engine.CheckTypeName(name).Error())}
		default:
			found = c.Check(name, p, o.Tests)
		}
		if wanted {
			files++
			problems = append(problems, found...)
		}
	}
	slices.SortStableFunc(problems, func(a, b *Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	problems = slices.CompactFunc(problems, func(a, b *Problem) bool { // of a helper file, told of each that loads it
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.Message == b.Message
	})
	return problems, files, nil
}

// rank puts job scripts before tests.
func rank(p string) int {
	if isTest(p) {
		return 1
	}
	return 0
}

// whole is a problem of a whole file.
func whole(file, message string) *Problem {
	return &Problem{LoadError: LoadError{File: file, Message: message}, Code: "load"}
}
