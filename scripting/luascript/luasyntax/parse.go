package luasyntax

import "fmt"

// Parse reads a text, in which no byte order mark is left. The error is an
// *Error.
func Parse(source string) (f *File, err error) {
	tokens, err := Scan(source)
	if err != nil {
		return nil, err
	}
	p := &parser{file: &File{Globals: map[string]*Binding{}, Tokens: tokens, Starts: map[Pos]bool{}}, scope: &scope{names: map[string]*Binding{}}}
	for _, t := range tokens {
		if t.Kind != Comment {
			p.tokens = append(p.tokens, t)
		}
	}
	defer func() {
		if e, ok := recover().(*Error); ok {
			f, err = nil, e
		} else if r := recover(); r != nil {
			panic(r)
		}
	}()
	p.file.Body = p.block()
	if !p.at(0).is(EOF) {
		p.wrong("the end of the file")
	}
	return p.file, nil
}

type parser struct {
	file   *File
	tokens []Token // without comments
	i      int
	scope  *scope
	fn     *Func
}

func (t *Token) is(k Kind) bool { return t.Kind == k }

// at is the token after so many others.
func (p *parser) at(n int) *Token {
	return &p.tokens[min(p.i+n, len(p.tokens)-1)]
}

func (p *parser) wrong(wanted string) {
	t := p.at(0)
	text := t.Text
	if t.Kind == EOF {
		text = "the end of the file"
	}
	panic(&Error{Pos: t.Pos, Message: fmt.Sprintf("got %s, wanted %s", text, wanted)})
}

// take takes the next token if it is a keyword or a sign.
func (p *parser) take(text string) bool {
	if p.at(0).Is(text) {
		p.i++
		return true
	}
	return false
}

func (p *parser) want(text string) Pos {
	at := p.at(0).Pos
	if !p.take(text) {
		p.wrong(text)
	}
	return at
}

// name reads a name; it is bound to nothing yet.
func (p *parser) name() *Name {
	t := p.at(0)
	if t.Kind != Word {
		p.wrong("a name")
	}
	p.i++
	return &Name{Pos: t.Pos, Name: t.Text, In: p.fn}
}

func (p *parser) names() []*Name {
	list := []*Name{p.name()}
	for p.take(",") {
		list = append(list, p.name())
	}
	return list
}

// inner reads a block in a scope of its own, in which names are declared first.
func (p *parser) inner(first ...func()) []Stmt {
	p.scope = &scope{names: map[string]*Binding{}, outer: p.scope}
	defer func() { p.scope = p.scope.outer }()
	for _, f := range first {
		f()
	}
	return p.block()
}

func (p *parser) block() (list []Stmt) {
	for {
		switch t := p.at(0); {
		case p.take(";"):
			continue
		case t.Kind == EOF, t.Is("end"), t.Is("else"), t.Is("elseif"), t.Is("until"):
			return list
		}
		p.file.Starts[p.at(0).Pos] = true
		list = append(list, p.stmt())
	}
}

func (p *parser) stmt() Stmt {
	at := p.at(0).Pos
	switch {
	case p.take("do"):
		s := &Do{Pos: at, Body: p.inner()}
		p.want("end")
		return s
	case p.take("while"):
		s := &While{Pos: at, Cond: p.expr()}
		p.want("do")
		s.Body = p.inner()
		p.want("end")
		return s
	case p.take("repeat"):
		s := &Repeat{Pos: at}
		p.scope = &scope{names: map[string]*Binding{}, outer: p.scope}
		s.Body = p.block()
		p.want("until")
		s.Cond = p.expr() // which sees the names of the block
		p.scope = p.scope.outer
		return s
	case p.take("if"):
		return p.ifs(at)
	case p.take("for"):
		return p.loop(at)
	case p.take("function"):
		return p.function(at)
	case p.take("local"):
		return p.local(at)
	case p.take("return"):
		s := &Return{Pos: at}
		if t := p.at(0); t.Kind != EOF && !t.Is("end") && !t.Is("else") && !t.Is("elseif") && !t.Is("until") && !t.Is(";") {
			s.Values = p.exprs()
		}
		return s
	case p.take("break"):
		return &Break{at}
	case p.take("goto"):
		return &Goto{at, p.name().Name}
	case p.take("::"):
		s := &Label{at, p.name().Name}
		p.want("::")
		return s
	}
	e := p.suffixed()
	if p.at(0).Is("=") || p.at(0).Is(",") {
		return p.assign(e)
	}
	for in, ok := e.(*Paren); ok; in, ok = e.(*Paren) { // the interpreter takes (f())
		e = in.X
	}
	call, ok := e.(*Call)
	if !ok {
		p.wrong("= or a call")
	}
	return &CallStmt{call}
}

func (p *parser) ifs(at Pos) *If {
	s := &If{Pos: at, Cond: p.expr()}
	p.want("then")
	s.Then = p.inner()
	next := p.at(0).Pos
	switch {
	case p.take("elseif"):
		s.Else, s.HasElse = []Stmt{p.ifs(next)}, true
		return s
	case p.take("else"):
		s.Else, s.HasElse = p.inner(), true
	}
	p.want("end")
	return s
}

func (p *parser) loop(at Pos) Stmt {
	names := p.names()
	if len(names) == 1 && p.take("=") {
		s := &NumberFor{Pos: at, Var: names[0], From: p.expr()}
		p.want(",")
		if s.To = p.expr(); p.take(",") {
			s.Step = p.expr()
		}
		p.want("do")
		s.Body = p.inner(func() { p.declare(s.Var, LoopName) })
		p.want("end")
		return s
	}
	s := &For{Pos: at, Names: names}
	p.want("in")
	s.Values = p.exprs()
	p.want("do")
	s.Body = p.inner(func() {
		for i, n := range names {
			b := p.declare(n, LoopName)
			b.Loop, b.Place = s, i
		}
	})
	p.want("end")
	return s
}

func (p *parser) function(at Pos) Stmt {
	n := p.name()
	var target Expr = n
	b := p.look(n)
	self := false
	for p.at(0).Is(".") || p.at(0).Is(":") {
		self = p.at(0).Is(":")
		p.i++
		key := p.name()
		if target == Expr(n) {
			b.Uses = append(b.Uses, n)
		}
		target = &Index{X: target, Key: &Literal{Pos: key.Pos, Kind: String, Value: key.Name}, Dot: true}
		if self {
			break
		}
	}
	s := &FuncStmt{Pos: at, Target: target}
	s.Func = p.body(at, self)
	s.Func.Called = Text(target)
	sets(target, s.Func, false, 0)
	return s
}

func (p *parser) local(at Pos) Stmt {
	if p.take("function") {
		n := p.name()
		b := p.declare(n, LocalFunc)
		fn := p.body(at, false)
		fn.Called = n.Name
		if len(b.Writes) == 1 {
			b.Value = fn
		}
		return &Local{Pos: at, Names: []*Name{n}, Values: []Expr{fn}, Function: true}
	}
	s := &Local{Pos: at, Names: p.names()}
	if p.take("=") {
		s.Values = p.exprs()
	}
	for i, n := range s.Names {
		b := p.declare(n, LocalName)
		b.Value, b.Several, b.Place = valueFor(s.Values, i, len(s.Names))
		if fn, ok := b.Value.(*Func); ok {
			fn.Called = n.Name
		}
	}
	return s
}

// valueFor is what the i-th name is set to, whether that is one of several values of
// it, and which one.
func valueFor(values []Expr, i, of int) (e Expr, many bool, place int) {
	last := len(values) - 1
	switch {
	case i < last, i == last && i == of-1:
		return values[i], false, 0
	case last >= 0 && several(values[last]):
		return values[last], true, i - last
	case i == last:
		return values[i], false, 0
	}
	return nil, false, 0
}

// several says that an expression may give any number of values.
func several(e Expr) bool {
	switch e := e.(type) {
	case *Call:
		return true
	case *Literal:
		return e.Kind == Sign
	}
	return false
}

func (p *parser) assign(first Expr) Stmt {
	s := &Assign{Left: []Expr{first}}
	for p.take(",") {
		s.Left = append(s.Left, p.suffixed())
	}
	p.want("=")
	s.Right = p.exprs()
	for i, e := range s.Left {
		switch e.(type) {
		case *Name, *Index:
		default:
			panic(&Error{Pos: e.Start(), Message: "what stands before = is no name and no element"})
		}
		v, many, place := valueFor(s.Right, i, len(s.Left))
		if fn, ok := v.(*Func); ok {
			fn.Called = Text(e)
		}
		sets(e, v, many, place)
	}
	return s
}

// body reads a function from its parameters on.
func (p *parser) body(at Pos, self bool) *Func {
	fn := &Func{Pos: at, Outer: p.fn, Self: self}
	p.fn = fn
	p.want("(")
	for !p.at(0).Is(")") {
		if p.take("...") {
			fn.Rest = true
			break
		}
		fn.Params = append(fn.Params, p.name())
		if !p.take(",") {
			break
		}
	}
	p.want(")")
	fn.Body = p.inner(func() {
		if self {
			p.scope.names["self"] = &Binding{Name: "self", Kind: Param, First: &Name{Pos: at, Name: "self", In: fn}}
		}
		for _, n := range fn.Params {
			p.declare(n, Param)
		}
	})
	fn.End = p.want("end")
	p.fn = fn.Outer
	return fn
}

func (p *parser) exprs() []Expr {
	list := []Expr{p.expr()}
	for p.take(",") {
		list = append(list, p.expr())
	}
	return list
}

// binding is how strongly operators bind on their left and on their right.
var binding = map[string][2]int{
	"or": {1, 1}, "and": {2, 2}, "<": {3, 3}, ">": {3, 3}, "<=": {3, 3}, ">=": {3, 3}, "~=": {3, 3}, "==": {3, 3},
	"..": {5, 4}, "+": {6, 6}, "-": {6, 6}, "*": {7, 7}, "/": {7, 7}, "%": {7, 7}, "^": {10, 9},
}

const unaryBinding = 8

func (p *parser) expr() Expr { return p.operand(0) }

func (p *parser) operand(limit int) Expr {
	var e Expr
	t := p.at(0)
	if t.Is("not") || t.Is("-") || t.Is("#") {
		p.i++
		e = &Unary{Pos: t.Pos, Op: t.Text, X: p.operand(unaryBinding)}
	} else {
		e = p.simple()
	}
	for {
		op := p.at(0)
		b, ok := binding[op.Text]
		if !ok || op.Kind != Keyword && op.Kind != Sign || b[0] <= limit {
			return e
		}
		p.i++
		e = &Binary{Op: op.Text, X: e, OpPos: op.Pos, Y: p.operand(b[1])}
	}
}

func (p *parser) simple() Expr {
	t := p.at(0)
	switch {
	case t.Kind == String || t.Kind == Number || t.Is("nil") || t.Is("true") || t.Is("false") || t.Is("..."):
		p.i++
		return &Literal{Pos: t.Pos, Kind: t.Kind, Text: t.Text, Value: t.Value}
	case t.Is("{"):
		return p.table()
	case p.take("function"):
		return p.body(t.Pos, false)
	}
	return p.suffixed()
}

func (p *parser) table() *Table {
	e := &Table{Pos: p.want("{")}
	for !p.at(0).Is("}") {
		f := &Field{Pos: p.at(0).Pos}
		switch t := p.at(0); {
		case t.Kind == Word && p.at(1).Is("="):
			f.Key = &Literal{Pos: t.Pos, Kind: String, Value: t.Text}
			p.i += 2
		case p.take("["):
			f.Key = p.expr()
			p.want("]")
			p.want("=")
		}
		f.Value = p.expr()
		if fn, ok := f.Value.(*Func); ok && f.Key != nil {
			if key, ok := f.Key.(*Literal); ok && key.Kind == String {
				fn.Called = key.Value
			}
		}
		if e.Fields = append(e.Fields, f); !p.take(",") && !p.take(";") {
			break
		}
		for p.take(",") || p.take(";") { // the interpreter takes several
		}
	}
	e.End = p.want("}")
	return e
}

// suffixed reads a name, or what is in brackets, with its elements and calls.
func (p *parser) suffixed() Expr {
	var e Expr
	t := p.at(0)
	switch {
	case p.take("("):
		e = &Paren{Pos: t.Pos, X: p.expr()}
		p.want(")")
	case t.Kind == Word:
		n := p.name()
		b := p.look(n)
		b.Uses = append(b.Uses, n)
		e = n
	default:
		p.wrong("an expression")
	}
	for {
		t := p.at(0)
		switch {
		case p.take("."):
			key := p.name()
			e = &Index{X: e, Key: &Literal{Pos: key.Pos, Kind: String, Value: key.Name}, Dot: true}
		case p.take("["):
			e = &Index{X: e, Key: p.expr()}
			p.want("]")
		case p.take(":"):
			key := p.name()
			call := &Call{Fn: e, Method: &Literal{Pos: key.Pos, Kind: String, Value: key.Name}, Open: p.at(0).Pos}
			call.Args = p.args()
			e = call
		case t.Is("("), t.Is("{"), t.Kind == String:
			e = &Call{Fn: e, Open: t.Pos, Args: p.args()}
		default:
			return e
		}
	}
}

func (p *parser) args() (list []Expr) {
	switch t := p.at(0); {
	case t.Is("{"):
		return []Expr{p.table()}
	case t.Kind == String:
		return []Expr{p.simple()}
	}
	p.want("(")
	if !p.at(0).Is(")") {
		list = p.exprs()
	}
	p.want(")")
	return list
}

// Text is an expression as it is written, as far as it is names with dots.
func Text(e Expr) string {
	switch e := e.(type) {
	case *Name:
		return e.Name
	case *Index:
		if key, ok := e.Key.(*Literal); ok && e.Dot {
			return Text(e.X) + "." + key.Value
		}
	}
	return "it"
}
