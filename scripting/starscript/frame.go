package starscript

import (
	"errors"
	"reflect"
	"slices"
	"sync"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// The interpreter forgets the variables of a function before it tells the error that
// ended it. So where that is to be told, each function begins with a probe, which
// keeps where its variables are. It takes back the steps that it takes; see cover.go.

// frame is a function that runs, or has run, with its variables.
type frame struct {
	fn    *starlark.Function
	names []starlark.Binding
	held  []starlark.Value // as they are now, or were at its end; those not set are nil
}

// newFrame is the frame of a function that runs.
func newFrame(f starlark.DebugFrame, fn *starlark.Function) *frame {
	return &frame{fn, bindings(f), variables(f)}
}

// bindings are the names of a function's variables.
func bindings(f starlark.DebugFrame) (list []starlark.Binding) {
	for i := range f.NumLocals() {
		b, _ := f.Local(i)
		list = append(list, b)
	}
	return list
}

// variables are those of a function that runs: the interpreter's own list, which
// stays as the function leaves it. Where that cannot be had, they are as they are now.
func variables(f starlark.DebugFrame) []starlark.Value {
	if v := reflect.ValueOf(f); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if own, ok := hidden(v.Elem().FieldByName("locals")).([]starlark.Value); ok {
			return own
		}
	}
	list := make([]starlark.Value, f.NumLocals())
	for i := range list {
		_, list[i] = f.Local(i)
	}
	return list
}

// hidden is what a field that is not exported holds; nil if there is no such field.
func hidden(field reflect.Value) any {
	if !field.IsValid() || !field.CanAddr() {
		return nil
	}
	return reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Interface()
}

// content is the value of a variable, which is in a cell if inner functions use it.
func content(v starlark.Value) starlark.Value {
	if v == nil || v.Type() != "cell" {
		return v
	}
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.Elem().Kind() == reflect.Struct {
		inner, _ := hidden(p.Elem().FieldByName("v")).(starlark.Value)
		return inner
	}
	return nil
}

// locals are the variables that are set, of one name the last, and those of outer
// functions that it uses.
func (f *frame) locals() (list []hostlib.Named) {
	add := func(b starlark.Binding, v starlark.Value) {
		v = content(v)
		if o, isObject := v.(*object); v == nil || isObject && !o.typ.Told() || b.Pos.Filename() != f.fn.Position().Filename() {
			return
		}
		list = slices.DeleteFunc(list, func(n hostlib.Named) bool { return n.Name == b.Name })
		list = append(list, hostlib.Named{Name: b.Name, Value: v})
	}
	for i := range f.fn.NumFreeVars() {
		if b, v := f.fn.FreeVar(i); !isFunction(v) {
			add(b, v)
		}
	}
	for i := range min(len(f.names), len(f.held)) {
		add(f.names[i], f.held[i])
	}
	return list
}

func isFunction(v starlark.Value) bool {
	_, ok := v.(*starlark.Function)
	return ok
}

// keepFrames puts a probe at the beginning of each function of a file.
func keepFrames(tree *syntax.File, names starlark.StringDict) {
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			at := 0
			if isText(n.Body[0]) {
				at = 1 // the function's documentation
			}
			n.Body = slices.Insert(n.Body, at, syntax.Stmt(&syntax.ExprStmt{X: keepFrame(names, n.Def, stmtSteps)}))
		case *syntax.LambdaExpr:
			n.Body = after(keepFrame(names, n.Lambda, lambdaSteps), n.Body)
		}
		return true
	})
}

// keepFrame makes a call that keeps the frame of the function that it is in.
func keepFrame(names starlark.StringDict, at syntax.Position, steps uint64) syntax.Expr {
	var once sync.Once
	var vars []starlark.Binding
	return probe(names, at, func(t *starlark.Thread, _ starlark.Tuple) starlark.Value {
		t.Steps -= steps
		r, f := runOf(t), t.DebugFrame(1)
		if fn, ok := f.Callable().(*starlark.Function); ok {
			once.Do(func() { vars = bindings(f) })
			r.keep(t.CallStackDepth()-2, frame{fn, vars, variables(f)})
		}
		return starlark.True
	})
}

// keep notes a frame at its place in the call stack.
func (r *run) keep(depth int, f frame) {
	if depth >= len(r.frames) {
		r.frames = append(r.frames, make([]frame, depth+1-len(r.frames))...)
	}
	r.frames[depth] = f
}

// Fell is where the innermost function of the script was when an error arose, with its
// variables if Loader.Frames had them kept; false if no function of the script ran.
func (r *run) Fell(err error) (hostlib.Caller, bool) {
	// A loop over an iterator whose function has failed does not see its error.
	if ev := (*starlark.EvalError)(nil); r.halt != nil && errors.As(r.halt, &ev) {
		err = r.halt
	}
	stack := r.stack(err)
	for depth := len(stack) - 1; depth >= 0; depth-- {
		at := stack[depth]
		if !at.Pos.IsValid() || at.Pos.Line <= 0 {
			continue
		}
		c := hostlib.Caller{File: at.Pos.Filename(), Line: int(at.Pos.Line), Func: at.Name}
		if depth < len(r.frames) {
			// Not what has run at that depth before.
			if f := &r.frames[depth]; f.fn != nil && f.fn.Name() == at.Name && f.fn.Position().Filename() == c.File {
				c.Locals = f.locals()
			}
		}
		return c, true
	}
	return hostlib.Caller{}, false
}
