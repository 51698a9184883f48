package luasyntax

import "reflect"

// Node is a statement or an expression.
type Node interface{ Start() Pos }

// Expr is an expression: *Name, *Literal, *Func, *Table, *Index, *Call, *Binary,
// *Unary or *Paren.
type Expr = Node

// Stmt is a statement: *Local, *Assign, *CallStmt, *Do, *While, *Repeat, *If,
// *NumberFor, *For, *FuncStmt, *Return, *Break, *Goto or *Label.
type Stmt = Node

// Start is the place itself.
func (p Pos) Start() Pos { return p }

// Name is a name where it is set or used.
type Name struct {
	Pos
	Name    string
	Binding *Binding `walk:"-"`
	In      *Func    `walk:"-"` // the function that it stands in; nil: the top level
}

// Literal is a string, a number, nil, true, false or ... .
type Literal struct {
	Pos
	Kind  Kind   // String, Number, Keyword, or Sign for ...
	Text  string // as it is written; not of strings
	Value string // of a string
}

// Func is a function.
type Func struct {
	Pos
	Params []*Name
	Rest   bool // ...
	Body   []Stmt
	End    Pos   // where its end stands
	Outer  *Func `walk:"-"` // that it is in; nil: the top level
	Self   bool  // the first parameter is the self of a:b()
	Called string
}

// Table is a table.
type Table struct {
	Pos
	Fields []*Field
	End    Pos
}

// Field is an element of a table. Key is nil where it has none, and a *Literal
// where it is a name.
type Field struct {
	Pos
	Key, Value Expr
}

// Index is a[b] or, with a string as its Key, a.b.
type Index struct {
	X, Key Expr
	Dot    bool
}

// Start is where it begins.
func (e *Index) Start() Pos { return e.X.Start() }

// Call is a call. Method is that of a:b(), or nil.
type Call struct {
	Fn     Expr
	Method *Literal
	Args   []Expr
	Open   Pos // where the arguments begin
}

// Start is where it begins.
func (e *Call) Start() Pos { return e.Fn.Start() }

// Binary is a + b.
type Binary struct {
	Op    string
	X, Y  Expr
	OpPos Pos `walk:"-"`
}

// Start is where it begins.
func (e *Binary) Start() Pos { return e.X.Start() }

// Unary is -a.
type Unary struct {
	Pos
	Op string
	X  Expr
}

// Paren is (a).
type Paren struct {
	Pos
	X Expr
}

// Local is local a, b = c, d. Function says that it is local function a.
type Local struct {
	Pos
	Names    []*Name
	Values   []Expr
	Function bool
}

// Assign is a, b = c, d.
type Assign struct {
	Left, Right []Expr
}

// Start is where it begins.
func (s *Assign) Start() Pos { return s.Left[0].Start() }

// CallStmt is a call that is a statement.
type CallStmt struct{ Call *Call }

// Start is where it begins.
func (s *CallStmt) Start() Pos { return s.Call.Start() }

// Do is do ... end.
type Do struct {
	Pos
	Body []Stmt
}

// While is while ... do ... end.
type While struct {
	Pos
	Cond Expr
	Body []Stmt
}

// Repeat is repeat ... until ... .
type Repeat struct {
	Pos
	Body []Stmt
	Cond Expr
}

// If is if ... then ... else ... end. An elseif is an If, alone in Else.
type If struct {
	Pos
	Cond       Expr
	Then, Else []Stmt
	HasElse    bool
}

// NumberFor is for a = b, c, d do ... end.
type NumberFor struct {
	Pos
	Var            *Name
	From, To, Step Expr
	Body           []Stmt
}

// For is for a, b in c do ... end.
type For struct {
	Pos
	Names  []*Name
	Values []Expr
	Body   []Stmt
}

// FuncStmt is function a.b(...) ... end; Target is a *Name or an *Index.
type FuncStmt struct {
	Pos
	Target Expr
	Func   *Func
}

// Return is return a, b.
type Return struct {
	Pos
	Values []Expr
}

// Break is break.
type Break struct{ Pos }

// Goto is goto a.
type Goto struct {
	Pos
	Label string
}

// Label is ::a::.
type Label struct {
	Pos
	Name string
}

// Walk visits nodes and all that is in them, until visit gives false: then what is
// in that node is left out. n is a Node, or a list of them.
func Walk(n any, visit func(n Node) bool) { walk(reflect.ValueOf(n), visit) }

func walk(v reflect.Value, visit func(n Node) bool) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	case reflect.Pointer:
		if v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return
		}
		if n, ok := v.Interface().(Node); ok && !visit(n) {
			return
		}
		s := v.Elem()
		for i := range s.NumField() {
			if f := s.Type().Field(i); !f.Anonymous && f.Tag.Get("walk") != "-" {
				switch f.Type.Kind() {
				case reflect.Interface, reflect.Slice, reflect.Pointer:
					walk(s.Field(i), visit)
				}
			}
		}
	}
}
