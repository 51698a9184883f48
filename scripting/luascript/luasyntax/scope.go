package luasyntax

// BindingKind is what kind of name one is.
type BindingKind int

// The kinds.
const (
	Global BindingKind = iota
	LocalName
	LocalFunc // of local function
	Param
	LoopName
)

// Binding is a name that a file knows, and all that it does with it.
type Binding struct {
	Name   string
	Kind   BindingKind
	First  *Name // where it is declared, or a global set or used first
	Writes []*Name
	Uses   []*Name
	// What it is set to; nil: nothing, or that is not one thing.
	Value Expr
	// The loop of which it is the variable; nil: of none.
	Loop *For
	// Several says that Value gives it as one of several values; Place is which one,
	// from 0: also of those that a loop gives.
	Several bool
	Place   int
}

// scope is a block's names.
type scope struct {
	names map[string]*Binding
	outer *scope
}

// declare makes a local name; it is known from then on.
func (p *parser) declare(n *Name, kind BindingKind) *Binding {
	b := &Binding{Name: n.Name, Kind: kind, First: n, Writes: []*Name{n}}
	n.Binding = b
	p.file.Bindings = append(p.file.Bindings, b)
	p.scope.names[n.Name] = b
	return b
}

// look finds what a name stands for where it is used.
func (p *parser) look(n *Name) *Binding {
	for s := p.scope; s != nil; s = s.outer {
		if b := s.names[n.Name]; b != nil {
			n.Binding = b
			return b
		}
	}
	b := p.file.Globals[n.Name]
	if b == nil {
		b = &Binding{Name: n.Name, First: n}
		p.file.Globals[n.Name] = b
		p.file.Bindings = append(p.file.Bindings, b)
	}
	n.Binding = b
	return b
}

// sets notes that an expression on the left side is set.
func sets(e Expr, value Expr, several bool, place int) {
	n, ok := e.(*Name)
	if !ok {
		return
	}
	b := n.Binding
	for i, u := range b.Uses { // it was read as if it were used
		if u == n {
			b.Uses = append(b.Uses[:i:i], b.Uses[i+1:]...)
			break
		}
	}
	if b.Writes = append(b.Writes, n); len(b.Writes) == 1 {
		b.Value, b.Several, b.Place = value, several, place
	} else {
		b.Value, b.Several, b.Loop = nil, false, nil
	}
}

// File is a text that was read.
type File struct {
	Body     []Stmt
	Bindings []*Binding          // in the order in which they are met
	Globals  map[string]*Binding // by name
	Tokens   []Token             // comments too
	Starts   map[Pos]bool        // where statements begin
}
