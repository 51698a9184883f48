package luascript

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// place is a line and a column of a file, from 1.
type place struct{ line, column int }

// syntaxError is why a file does not compile.
type syntaxError struct {
	place
	message string
}

func (e *syntaxError) Error() string { return e.message }

// compile parses a file and makes code of it. count has it count what of it runs; job
// says that it is a job script.
func (f *file) compile(count, job bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &syntaxError{message: fmt.Sprint(p)}
			if e := (*syntaxError)(nil); asError(p, &e) {
				err = e
			}
		}
	}()
	source := bytes.TrimPrefix(f.source, []byte(byteOrderMark))
	if bytes.HasPrefix(source, []byte("\x1b")) {
		return &syntaxError{message: "it is no text, but a compiled script: those are not loaded"}
	}
	f.lines = strings.Split(string(source), "\n")
	source = luasyntax.Blank(source)
	if bytes.Contains(source, []byte("\\")) { // the interpreter's parser makes another byte of it
		if err := f.unread(); err != nil {
			return err
		}
	}
	tree, err := parse.Parse(bytes.NewReader(source), f.shown)
	if err != nil {
		var e *parse.Error
		if errors.As(err, &e) {
			return f.parseError(e)
		}
		return err
	}
	if err := tooDeep(tree); err != nil { // before anything goes through it on the stack
		return err
	}
	w := &rewriter{file: f, gotos: gotos(tree)}
	f.tree = tree
	f.survey(tree)
	f.follow(tree)
	if count {
		if w.cover, err = newCover(source, tree, job); err != nil {
			return err
		}
	}
	code := w.block(tree, "")
	proto, err := lua.Compile(code, f.shown)
	if err != nil {
		var e *lua.CompileError
		if errors.As(err, &e) {
			return f.compileError(e)
		}
		return err
	}
	leaveAlone(proto)
	mendScopes(code, proto)
	if f.cover = w.cover; f.cover != nil {
		f.cover.link(proto)
	}
	f.proto = proto
	return nil
}

func asError(p any, target **syntaxError) bool {
	e, ok := p.(*syntaxError)
	*target = e
	return ok
}

// compileError words what the compiler says; of what is too much it tells the function.
func (f *file) compileError(e *lua.CompileError) error {
	line, message := e.Line&lineMask, withoutNotes(e.Message)
	of := "the top level"
	if name := f.names[line]; name != "" {
		of = name
	} else if line > 0 {
		of = "a function"
	}
	switch {
	case strings.HasPrefix(message, "too many local variables"):
		message = of + " has too many local variables, at most 200 at once: put them into a table, or into do ... end blocks"
	case strings.Contains(message, "register overflow"):
		message = of + " has too many values at once, at most some 200 locals, arguments and elements: put them into a table, one after the other"
	case strings.Contains(message, "too many constants"):
		message = of + " has too many texts and numbers: read them from a file"
	}
	return &syntaxError{place: place{max(line, 1), 1}, message: message}
}

// unread is the error about a string, or a comment, that cannot be read.
func (f *file) unread() error {
	var bad *luasyntax.Error
	if _, err := luasyntax.Scan(strings.Join(f.lines, "\n")); errors.As(err, &bad) && bad.Open {
		return &syntaxError{place{bad.Line, bad.Column}, bad.Message}
	}
	return nil
}

// parseError words what the parser says.
func (f *file) parseError(e *parse.Error) error {
	if err := f.unread(); err != nil { // it knows where a string begins
		return err
	}
	line, column := e.Pos.Line, e.Pos.Column
	if line == parse.EOF || line < 1 {
		line = len(f.lines)
		for line > 1 && strings.TrimSpace(f.lines[line-1]) == "" {
			line--
		}
		return &syntaxError{place{line, len([]rune(f.lines[line-1])) + 1}, "the file ends where more is expected: an end, a bracket or a quote is missing"}
	}
	message := strings.TrimSpace(e.Message)
	if message == "syntax error" || message == "Invalid token" || message == "parse error" {
		message = fmt.Sprintf("syntax error near %q%s", e.Token, f.habit(line, e.Token))
	}
	return &syntaxError{place{line, max(column, 1)}, message}
}

// habits are what people write who know other languages, and what Lua has.
var habits = map[string]string{
	"!=": "~=", "&&": "and", "||": "or", "+=": "x = x + ...", "-=": "x = x - ...", "null": "nil, or null", "elif": "elseif", "continue": "goto continue, with a label ::continue:: at the end of the loop",
}

func (f *file) habit(line int, token string) string {
	if line > len(f.lines) {
		return ""
	}
	text := f.lines[line-1]
	for _, h := range []string{"!=", "&&", "||", "+=", "-=", "elif", "continue"} {
		if strings.Contains(text, h) && !strings.Contains(text, "\""+h) {
			return fmt.Sprintf(": for %s Lua has %s", h, habits[h])
		}
	}
	if token == "=" && byName.MatchString(text) {
		return ": what is given by name is a table: job({every = \"1h\"}), ctx.emit(item, {key = \"a\"})"
	}
	return ""
}

// byName is a line with an argument that is given by name, as other languages have it.
var byName = regexp.MustCompile(`(^\s*|\w\([^(){}]*)\w+\s*=([^=]|$)`)

// find is where a name stands on a line.
func (f *file) find(line int, name string) place {
	if line < 1 || line > len(f.lines) {
		return place{max(line, 1), 1}
	}
	text := f.lines[line-1]
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return place{line, 1}
		}
		i += from
		end := i + len(name)
		if (i == 0 || !isWord(text[i-1])) && (end == len(text) || !isWord(text[end])) {
			return place{line, len([]rune(text[:i])) + 1}
		}
		from = end
	}
}

func isWord(c byte) bool { return c == '_' || isClass(c, 'w') }

// survey notes what functions are called, where globals are set, and which names
// are used.
func (f *file) survey(tree []ast.Stmt) {
	f.names, f.places, f.used = map[int]string{}, map[string]place{}, map[string]int{}
	set := func(name string, line int) {
		if _, ok := f.places[name]; !ok {
			f.places[name] = f.find(line, name)
		}
	}
	walk(tree, func(n any) bool {
		switch n := n.(type) {
		case *ast.FuncDefStmt:
			name := n.Name.Method
			if n.Name.Func != nil {
				name = exprText(n.Name.Func)
			} else if n.Name.Receiver != nil {
				name = exprText(n.Name.Receiver) + ":" + name
			}
			f.names[n.Func.Line()] = name
			if id, ok := n.Name.Func.(*ast.IdentExpr); ok {
				set(id.Value, n.Line())
				f.defs = append(f.defs, def{id.Value, n.Line()})
			}
		case *ast.LocalAssignStmt:
			for i, e := range n.Exprs {
				if fn, ok := e.(*ast.FunctionExpr); ok && i < len(n.Names) {
					f.names[fn.Line()] = n.Names[i]
				}
			}
		case *ast.AssignStmt:
			for i, e := range n.Lhs {
				if id, ok := e.(*ast.IdentExpr); ok {
					set(id.Value, n.Line())
				}
				if i < len(n.Rhs) {
					if fn, ok := n.Rhs[i].(*ast.FunctionExpr); ok {
						f.names[fn.Line()] = exprText(e)
					}
				}
			}
		case *ast.IdentExpr:
			f.used[n.Value]++
		}
		return true
	})
}

// def is a function of the top level.
type def struct {
	name string
	line int
}

// exprText is an expression as it is written, as far as it is names.
func exprText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IdentExpr:
		return e.Value
	case *ast.AttrGetExpr:
		if key, ok := e.Key.(*ast.StringExpr); ok {
			return exprText(e.Object) + "." + key.Value
		}
		return exprText(e.Object) + "[...]"
	case *ast.FuncCallExpr:
		if e.Func != nil {
			return exprText(e.Func) + "(...)"
		}
		return exprText(e.Receiver) + ":" + e.Method + "(...)"
	}
	return "it"
}

// loopsOver says whether, at a line, a name is that of a loop's variable; "" is
// any.
func (s *script) loopsOver(shown, name string, line int) (found bool) {
	f := s.shown(shown)
	if f == nil {
		return false
	}
	walk(f.tree, func(n any) bool {
		if loop, ok := n.(*ast.GenericForStmt); ok && loop.Line() <= line && line <= lastLine(loop) {
			for _, v := range loop.Names {
				found = found || v == name || name == ""
			}
		}
		return !found
	})
	return found
}

// lastLine is where a loop ends, as far as its statements tell.
func lastLine(loop *ast.GenericForStmt) int {
	last := max(loop.Line(), loop.LastLine())
	walk(loop.Stmts, func(n any) bool {
		if p, ok := n.(ast.PositionHolder); ok {
			last = max(last, p.Line(), p.LastLine())
		}
		return true
	})
	return last
}
