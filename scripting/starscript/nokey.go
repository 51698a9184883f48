package starscript

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// noKey is what the interpreter says of a key that a dict does not have.
var noKey = regexp.MustCompile(`^key ("(?:[^"\\]|\\.)*") not in dict$`)

// Keys are listed where there are few, and short ones.
const (
	listedKeys  = 12
	listedBytes = 40
)

// aboutKey says of the error about a key that a dict does not have which one was
// probably meant, or which there are, if it is known what the dict was; it gives other
// messages as they are. sure: it is a row of a local file, which lacks that column, or
// of what the hook works on.
func (r *run) aboutKey(message string, stack starlark.CallStack) (told string, sure bool) {
	m := noKey.FindStringSubmatch(message)
	if m == nil || len(stack) == 0 {
		return message, false
	}
	key, err := strconv.Unquote(m[1])
	tree, _ := r.script.tree(stack.At(0).Pos.Filename())
	if err != nil || tree == nil {
		return message, false
	}
	s := sight{run: r, stack: stack, key: key}
	dict, ok := s.value(operand(tree, stack.At(0).Pos, false), len(stack)-1).(*starlark.Dict)
	if !ok || s.has(dict) {
		return message, false
	}
	var keys []string
	short := true
	for k := range dict.Entries() {
		name, ok := k.(starlark.String)
		short = short && ok && len(name) <= listedBytes && len(keys) < listedKeys
		keys = append(keys, string(name))
	}
	sure = !s.guessed && (r.call.IsRow(keys) || partOf(r.item, dict, 5))
	if like := engine.SuggestColumn(key, keys); like != "" {
		return message + like, sure
	}
	switch {
	case s.guessed || !short:
		return message, sure
	case len(keys) == 0:
		return message + ", which is empty", sure
	}
	for i := range keys {
		keys[i] = strconv.Quote(keys[i])
	}
	return message + ", which has " + strings.Join(keys, ", "), sure
}

// partOf says whether a dict is in a value of JSON, at most so deep.
func partOf(v starlark.Value, dict *starlark.Dict, depth int) bool {
	if depth == 0 {
		return false
	}
	switch v := v.(type) {
	case *starlark.Dict:
		if v == dict {
			return true
		}
		for _, e := range v.Entries() {
			if partOf(e, dict, depth-1) {
				return true
			}
		}
	case *starlark.List:
		for e := range v.Elements() {
			if partOf(e, dict, depth-1) {
				return true
			}
		}
	}
	return false
}

// scene is what is known of the variables of a function when an error ended it.
type scene struct {
	depth int // how many functions ran, it included
	steps uint64
	vars  map[string]starlark.Value
	args  bool // vars are what it was called with
}

// note keeps a scene, with others of the same error.
func (r *run) note(s scene) {
	s.steps = r.thread.ExecutionSteps()
	r.scenes = slices.DeleteFunc(r.scenes, func(o scene) bool { return o.steps != s.steps || o.depth == s.depth && o.args == s.args })
	r.scenes = append(r.scenes, s)
}

// noteFrame keeps the variables of the running function, whose loop is left early.
func (r *run) noteFrame() {
	depth := r.thread.CallStackDepth()
	if depth == 0 {
		return
	}
	frame := r.thread.DebugFrame(0)
	vars := map[string]starlark.Value{}
	for i := range frame.NumLocals() {
		if b, v := frame.Local(i); v != nil {
			vars[b.Name] = v
		}
	}
	r.note(scene{depth: depth, vars: vars})
}

// noteArgs keeps what a function was called with that failed.
func (r *run) noteArgs(fn starlark.Value, args starlark.Tuple) {
	f, ok := fn.(*starlark.Function)
	if !ok {
		return
	}
	vars := map[string]starlark.Value{}
	for i := range min(len(args), f.NumParams()) {
		name, _ := f.Param(i)
		vars[name] = args[i]
	}
	r.note(scene{depth: r.thread.CallStackDepth() + 1, vars: vars, args: true})
}

// sight finds what expressions were when an error happened.
type sight struct {
	*run
	stack   starlark.CallStack
	key     string // that is missing
	guessed bool   // it may be another dict
	looked  int
}

// value is what an expression was in the i-th function of the stack; nil: that is
// not known.
func (s *sight) value(e syntax.Expr, i int) starlark.Value {
	if s.looked++; s.looked > 50 || i < 0 {
		return nil
	}
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return s.value(e.X, i)
	case *syntax.Literal:
		switch v := e.Value.(type) {
		case string:
			return starlark.String(v)
		case int64:
			return starlark.MakeInt64(v)
		}
	case *syntax.IndexExpr:
		switch x := s.value(e.X, i).(type) {
		case *starlark.Dict:
			if k := s.value(e.Y, i); k != nil {
				if v, found, err := x.Get(k); found && err == nil {
					return v
				}
			}
		case *starlark.List:
			if k, ok := s.value(e.Y, i).(starlark.Int); ok {
				if n, ok := k.Int64(); ok && n >= 0 && n < int64(x.Len()) {
					return x.Index(int(n))
				}
			}
		}
	case *syntax.Ident:
		return s.variable(e.Name, i)
	}
	return nil
}

// variable is what a variable was.
func (s *sight) variable(name string, i int) starlark.Value {
	for _, args := range []bool{false, true} {
		for _, c := range s.scenes {
			if c.depth != i+1 || c.args != args || c.steps != s.thread.ExecutionSteps() {
				continue
			}
			if v := c.vars[name]; v != nil && (!args || s.function(i) != nil && !sets(s.function(i), name)) {
				return v
			}
		}
	}
	f := s.function(i)
	if f == nil {
		return nil
	}
	var set, in syntax.Expr // what it is set to, or an element of
	times := 0
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			if holds(n.LHS, name) {
				times++
				if set = n.RHS; n.Op != syntax.EQ || !binds(n.LHS, name) {
					set = nil
				}
			}
		case *syntax.ForStmt:
			if holds(n.Vars, name) {
				times++
				if in = n.X; !binds(n.Vars, name) {
					in = nil
				}
			}
		case *syntax.ForClause:
			if holds(n.Vars, name) {
				times++
				if in = n.X; !binds(n.Vars, name) {
					in = nil
				}
			}
		}
		return true
	})
	params := paramsOf(f)
	at := slices.Index(params, name)
	switch {
	case times > 1 || times == 1 && at >= 0:
	case in != nil: // the first one without the key
		if list, ok := s.value(in, i).(*starlark.List); ok {
			for k := range min(list.Len(), 1000) {
				if d, ok := list.Index(k).(*starlark.Dict); ok && !s.has(d) {
					return d
				}
			}
		}
	case set != nil:
		if _, call := set.(*syntax.CallExpr); call {
			return s.lately()
		}
		return s.value(set, i)
	case at >= 0:
		return s.argument(name, at, i)
	case times == 0:
		if file := s.script.file(s.stack[i].Pos.Filename()); file != nil {
			return file.globals[name]
		}
	}
	return nil
}

func (s *sight) has(d *starlark.Dict) bool {
	_, found, _ := d.Get(starlark.String(s.key))
	return found
}

// argument is what a function was given for a parameter, by the call of the one
// that runs around it.
func (s *sight) argument(name string, at, i int) starlark.Value {
	if i == 0 {
		return nil
	}
	pos := s.stack[i-1].Pos
	tree, _ := s.script.tree(pos.Filename())
	if tree == nil {
		return nil
	}
	var found syntax.Expr
	syntax.Walk(tree, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || call.Lparen.Line != pos.Line || call.Lparen.Col != pos.Col {
			return true
		}
		for k, arg := range call.Args {
			if b, ok := arg.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
				if binds(b.X, name) {
					found = b.Y
				}
				continue
			}
			if u, ok := arg.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
				break
			}
			if k == at {
				found = arg
			}
		}
		return true
	})
	if found == nil {
		return nil
	}
	return s.value(found, i-1)
}

// lately is the dict that the library gave the script last among those without the
// key that have one like it.
func (s *sight) lately() starlark.Value {
	s.guessed = true
	for k := range len(s.gave) {
		d, ok := s.gave[(s.given-1-k+2*len(s.gave))%len(s.gave)].(*starlark.Dict)
		if ok && !s.has(d) {
			return d
		}
	}
	return nil
}

// function is the function of the source that ran at a place of the stack: a def, or
// a lambda; nil: none did.
func (s *sight) function(i int) (found syntax.Node) {
	pos := s.stack[i].Pos
	tree, _ := s.script.tree(pos.Filename())
	if tree == nil {
		return nil
	}
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			if spans(n, pos) {
				found = n
			}
		case *syntax.LambdaExpr:
			if spans(n, pos) {
				found = n
			}
		}
		return true
	})
	return found
}

// paramsOf are the names of a function's parameters.
func paramsOf(f syntax.Node) (names []string) {
	var list []syntax.Expr
	switch f := f.(type) {
	case *syntax.DefStmt:
		list = f.Params
	case *syntax.LambdaExpr:
		list = f.Params
	}
	for _, p := range list {
		if b, ok := p.(*syntax.BinaryExpr); ok {
			p = b.X
		}
		id, ok := p.(*syntax.Ident)
		if !ok {
			break
		}
		names = append(names, id.Name)
	}
	return names
}

// sets says whether a function sets a variable anywhere.
func sets(f syntax.Node, name string) (found bool) {
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			found = found || holds(n.LHS, name)
		case *syntax.ForStmt:
			found = found || holds(n.Vars, name)
		}
		return !found
	})
	return found
}

// holds says whether a variable is set by what stands on a left side.
func holds(e syntax.Expr, name string) bool {
	switch e := e.(type) {
	case *syntax.Ident:
		return e.Name == name
	case *syntax.ParenExpr:
		return holds(e.X, name)
	case *syntax.TupleExpr:
		return slices.ContainsFunc(e.List, func(x syntax.Expr) bool { return holds(x, name) })
	case *syntax.ListExpr:
		return slices.ContainsFunc(e.List, func(x syntax.Expr) bool { return holds(x, name) })
	}
	return false
}
