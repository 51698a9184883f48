package scripttest

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/scripting/coverage"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// endings are what the names of scripts end in. Where a job type has a script in
// two languages, that of the first counts.
var endings = []string{starscript.Ending, luascript.Ending}

// language loads the scripts and the tests of one language.
type language struct {
	script   func(name, path string) (Script, []*hostlib.LoadError)
	testFile func(path string) ([]*hostlib.Test, []*hostlib.LoadError)
	covered  func(wanted func(path string) bool) []*coverage.File
}

// languages are the loaders of a jobs folder, by the endings of their files.
func languages(fsys fs.FS, dir string, count bool) map[string]*language {
	star, lua := starscript.NewLoader(fsys, dir, &hostlib.Host{}), luascript.NewLoader(fsys, dir, &hostlib.Host{})
	star.Coverage, lua.Coverage = count, count
	star.Frames = true
	return map[string]*language{
		starscript.Ending: {
			script: func(name, p string) (Script, []*hostlib.LoadError) {
				s, errs := star.Script(name, p)
				if s == nil { // not an interface that holds nil
					return nil, errs
				}
				return s, nil
			},
			testFile: star.TestFile, covered: star.Covered,
		},
		luascript.Ending: {
			script: func(name, p string) (Script, []*hostlib.LoadError) {
				s, errs := lua.Script(name, p)
				if s == nil { // not an interface that holds nil
					return nil, errs
				}
				return s, nil
			},
			testFile: lua.TestFile, covered: lua.Covered,
		},
	}
}

// isScript says whether a file is a script, or one of tests, by its name.
func isScript(p string) bool { return slices.Contains(endings, path.Ext(p)) }

// stem is a path without the ending of the language.
func stem(p string) string { return strings.TrimSuffix(p, path.Ext(p)) }

func isTest(p string) bool { return isScript(p) && strings.HasSuffix(stem(p), "_test") }

// testsOf are the files of tests of a script, there or not.
func testsOf(p string) (list []string) {
	for _, ending := range endings {
		list = append(list, stem(p)+"_test"+ending)
	}
	return list
}
