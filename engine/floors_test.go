package engine_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/dsengine/dsengine/"

// floors says what each package (and those below it) must not import. Imports
// point one way: cmd wires scripting and the stores to engine, which knows
// neither a script language nor HTTP nor a database driver.
var floors = []struct {
	pkg    string
	only   []string // of this module, besides itself
	forbid []string // of others
}{
	{"engine", []string{}, []string{"net/http", "go.starlark.net", "github.com/yuin/gopher-lua", "github.com/go-sql-driver", "modernc.org/sqlite", "github.com/spf13/cobra"}},
	{"engine/sqlstore", []string{"engine"}, []string{"net/http", "go.starlark.net", "github.com/go-sql-driver", "modernc.org/sqlite", "github.com/spf13/cobra"}},
	{"engine/mysqlstore", []string{"engine", "engine/sqlstore"}, []string{"net/http", "go.starlark.net", "modernc.org/sqlite", "github.com/spf13/cobra"}},
	{"engine/sqlitestore", []string{"engine", "engine/sqlstore"}, []string{"net/http", "go.starlark.net", "github.com/go-sql-driver", "github.com/spf13/cobra"}},
	{"scripting", []string{"engine", "scripting/hostlib", "scripting/luascript", "scripting/starscript"}, []string{"github.com/go-sql-driver", "modernc.org/sqlite", "github.com/spf13/cobra", "database/sql"}},
	{"scripting/hostlib", []string{"engine"}, []string{"go.starlark.net", "github.com/yuin/gopher-lua", "github.com/go-sql-driver", "modernc.org/sqlite", "github.com/spf13/cobra", "database/sql"}},
	{"scripting/plan", []string{"engine", "engine/sqlitestore", "scripting/hostlib", "scripting/luascript", "scripting/starscript"}, []string{"go.starlark.net", "github.com/go-sql-driver", "modernc.org/sqlite", "github.com/spf13/cobra", "database/sql"}},
	{"scripting/stubs", []string{"scripting/hostlib", "scripting/scripttest"}, []string{"go.starlark.net", "github.com/spf13/cobra", "database/sql"}},
	{"scripting/coverage", []string{}, []string{"go.starlark.net", "github.com/yuin/gopher-lua", "net/http", "github.com/spf13/cobra"}},
	{"scripting/luascript/luasyntax", []string{}, []string{"go.starlark.net", "github.com/yuin/gopher-lua", "net/http"}},
	{"scripting/luascript", []string{"engine", "scripting/coverage", "scripting/hostlib", "scripting/luascript/luasyntax"}, []string{"go.starlark.net", "github.com/go-sql-driver", "modernc.org/sqlite", "github.com/spf13/cobra", "database/sql"}},
	{"scripting/starscript", []string{"engine", "scripting/coverage", "scripting/hostlib"}, []string{"github.com/yuin/gopher-lua", "github.com/go-sql-driver", "modernc.org/sqlite", "github.com/spf13/cobra", "database/sql"}},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the packages: %v", err)
	}
	imports := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		imports[p.ImportPath] = p.Imports
	}
	for _, f := range floors {
		got, ok := imports[module+f.pkg]
		if !ok {
			t.Errorf("package %s is named here and is not there any more", f.pkg)
			continue
		}
		for _, imp := range got {
			if own, ok := strings.CutPrefix(imp, module); ok {
				if !contains(f.only, own) {
					t.Errorf("%s imports %s: it may import %v", f.pkg, own, f.only)
				}
				continue
			}
			for _, bad := range f.forbid {
				if imp == bad || strings.HasPrefix(imp, bad+"/") {
					t.Errorf("%s imports %s", f.pkg, imp)
				}
			}
		}
	}
	// Nobody imports a command, and only tests import test packages.
	for pkg, list := range imports {
		for _, imp := range list {
			if strings.HasPrefix(imp, module+"cmd/") && !strings.HasPrefix(pkg, module+"cmd/") {
				t.Errorf("%s imports %s", pkg, imp)
			}
			if forTests(imp) && !forTests(pkg) {
				t.Errorf("%s imports %s, which is for tests", pkg, imp)
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// forTests says whether a package is there for tests alone.
func forTests(pkg string) bool {
	return strings.HasPrefix(pkg, module+"engine/storetest") || pkg == module+"scripting/internal/world"
}
