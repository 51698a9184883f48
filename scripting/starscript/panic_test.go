package starscript

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
)

// explosive is an object whose every use panics.
type explosive struct{}

var explosiveType = &hostlib.ObjectType{
	Name:   "explosive",
	Attrs:  []hostlib.Attr{{Name: "fuse", Get: func(hostlib.Value) (hostlib.Value, error) { panic("bang") }}},
	Record: true,
	Binary: func(string, hostlib.Value, hostlib.Value) (hostlib.Value, error) { panic("bang") },
}

func (explosive) ObjectType() *hostlib.ObjectType { return explosiveType }

// panicker is a value that panics inside the interpreter itself.
type panicker struct{ starlark.Value }

func TestAPanicOfAnObjectKeepsTheScriptsPlace(t *testing.T) {
	for _, use := range []string{"x.fuse", `x["fuse"]`, "x + 1", "[e for e in bad]"} {
		r := newRun("test", 1000)
		bad := &iterator{run: r, it: exploding{}}
		env := starlark.StringDict{"x": &object{run: r, typ: explosiveType, self: explosive{}}, "bad": bad}
		_, err := starlark.ExecFileOptions(options, r.thread, "job.star", "def f():\n    return "+use+"\nf()\n", env)
		if err == nil {
			t.Errorf("%s: no error", use)
			continue
		}
		f := hostlib.FailureOf(r.Failure(err))
		if f.Code != "panic" || !strings.Contains(f.Message, "bang") || !strings.Contains(f.Backtrace, "job.star:2:") {
			t.Errorf("%s: got %q %q\n%s", use, f.Code, f.Message, f.Backtrace)
		}
	}
}

type exploding struct{}

func (exploding) Next() (hostlib.Value, error) { panic("bang") }
func (exploding) Close() error                 { return nil }

func TestAPanicOfTheInterpreterIsALoadError(t *testing.T) {
	predeclared["panicker"] = panicker{}
	defer delete(predeclared, "panicker")
	files := fstest.MapFS{"job.star": {Data: []byte("x = str(panicker)\n")}}
	_, errs := NewLoader(files, "jobs", &hostlib.Host{}).Load("job", "job.star")
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "jobs/job.star: a fault of dsengine itself: ") {
		t.Errorf("got %v", errs)
	}
}
