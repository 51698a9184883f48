package hostlib

// Effect says what a function changes, for permission checks and dry runs.
type Effect int

// The effects.
const (
	Pure    Effect = iota // it computes: it may be called while a script is loaded
	Read                  // it reads what is outside the script
	Write                 // it writes what commits or is rolled back with the hook
	Outside               // it does what no rollback undoes
)

// Func is an entry of the table: a function of a module, a global, or a method.
type Func struct {
	Module  string // "csv"; "" for a global; for a method the name of its type
	Name    string
	Doc     string // sentences, with a full stop
	Params  []Param
	Returns string // the type of the result; "" for None
	Needs   string // the kind of needs that it asks for: "files"
	Effect  Effect
	Changes string // what it changes, in words, where those of Effect are not all; may be ""
	Same    bool   // what it reads is, for another attempt, most likely what it was: see Call.settled
	Testing bool   // it is for tests
	Example string // in Starlark; a line "expression  # value" is checked by a test
	Lua     string // the same in Lua
	// Do does it. Its arguments have been bound and converted.
	Do func(c *Call, a *Args) (Value, error)
	// Dry is what is done in its place in a dry run; nil: Do, whose effects Host.Dry
	// takes: files, requests and notifications.
	Dry func(c *Call, a *Args) (Value, error)
	// Together is what Do says of arguments that do not go together, for CheckCall: known
	// gives the value of one that is surely there, else nil; may says that one may be.
	Together func(known func(name string) Value, may func(name string) bool) error
	passes   bool // its errors are those of what it calls
}

// Param is a parameter.
type Param struct {
	Name     string
	Type     ParamType
	Default  Value // nil: it must be given; None: it may be left out or be None
	Doc      string
	Named    bool                 // by name only
	Negative bool                 // a Duration may be one
	Rest     bool                 // takes all further positional arguments
	Others   bool                 // takes all further arguments by name
	Choices  []string             // the strings that it may be; none: any
	Later    []string             // choices that this version does not have yet
	Fits     func(s string) error // says of a string that it may not be; nil: Choices tell
	NotYet   bool                 // this version does not have it yet
	// Holds is what Do says of a value, for CheckCall; nil: nothing.
	Holds func(c *Call, v Value) error
}

// None is the Default of a parameter that may be left out.
var None Value = none{}

type none struct{}

// ParamType says what a parameter takes, and how it is converted.
type ParamType int

// The types of parameters, with what Args gives for them.
const (
	Any      ParamType = iota // the value as it is
	Data                      // None, bool, number, string, time, list, dict: all converted
	Bool                      // bool
	Int                       // int64
	Number                    // int64, *big.Int or float64
	String                    // string
	Text                      // string or []byte
	Strings                   // []string
	DictOf                    // *Dict
	Duration                  // time.Duration; scripts write "5m"
	Moment                    // time.Time
	Iterable                  // Iterator; its elements are not converted
	Function                  // Callable
	Source                    // a path, or whatever can be read as a stream
	Size                      // int64, a number of bytes; scripts write "64MB"
	Truth                     // the value as it is, which counts as true or not
)

var paramTypes = [...]string{
	"any value", "data (None, bool, number, string, time, list or dict)", "bool", "int", "number", "string",
	"string or bytes", "list of strings", "dict", `a length of time such as "5m"`, "time", "list or iterator", "function",
	"a path or a stream", `a number of bytes such as "64MB"`, "any value",
}

// String is how the type is called in messages and docs.
func (t ParamType) String() string { return paramTypes[t] }

// String is the name as scripts write it: csv.read, ctx.emit, error.
func (f *Func) String() string {
	if f.Module == "" {
		return f.Name
	}
	return f.Module + "." + f.Name
}

// Param is the parameter of a name, or nil.
func (f *Func) Param(name string) *Param {
	for i := range f.Params {
		if p := &f.Params[i]; p.Name == name && !p.Rest && !p.Others {
			return p
		}
	}
	return nil
}

// TakesDict says that a dict can be given for the parameter.
func (p *Param) TakesDict() bool {
	return p.Type == Any || p.Type == Truth || p.Type == Data || p.Type == DictOf
}

// open says whether the function takes any argument by name.
func (f *Func) open() bool {
	n := len(f.Params)
	return n > 0 && f.Params[n-1].Others
}

// Const is a value of a module: math.pi.
type Const struct {
	Name  string
	Doc   string
	Value Value
}

// Module is a named set of functions.
type Module struct {
	Name   string
	Doc    string
	Funcs  []*Func
	Consts []Const
}

// Func is the module's function of a name, or nil.
func (m *Module) Func(name string) *Func { return findFunc(m.Funcs, name) }

// Names are those of all that the module has.
func (m *Module) Names() []string {
	names := funcNames(m.Funcs)
	for _, c := range m.Consts {
		names = append(names, c.Name)
	}
	return names
}

// Missing is the error about a name that the module does not have.
func (m *Module) Missing(name string) error { return missing(m.Name, name, m.Names()) }

// ObjectType describes values with attributes and methods.
type ObjectType struct {
	Name    string
	Doc     string
	Attrs   []Attr
	Methods []*Func
	Example string // a whole file in Starlark; "": none
	Lua     string // the same in Lua
	// Record says that its attributes can be read by index too, and that it is
	// data: as JSON it is an object of them.
	Record bool
	// Text is how a value prints; nil: as <name>.
	Text func(self Value) string
	// Compare orders two values; nil: they cannot be.
	Compare func(a, b Value) int
	// Binary does a + b and its like, where one of them is of this type; nil and
	// no error says that it does not know how.
	Binary func(op string, a, b Value) (Value, error)
	// Truth says whether a value counts as true; nil: always.
	Truth func(self Value) bool
	// Key is what makes two values equal, as text; nil: they are no keys of dicts.
	Key func(self Value) string
}

// isData says that its values can be kept, and sent.
func (t *ObjectType) isData() bool { return t.Record || t.Key != nil }

// Attr is an attribute of an object.
type Attr struct {
	Name string
	Type string
	Doc  string
	Get  func(self Value) (Value, error)
}

// Attr is the attribute of a name, or nil.
func (t *ObjectType) Attr(name string) *Attr {
	for i := range t.Attrs {
		if t.Attrs[i].Name == name {
			return &t.Attrs[i]
		}
	}
	return nil
}

// Method is the method of a name, or nil.
func (t *ObjectType) Method(name string) *Func { return findFunc(t.Methods, name) }

// Names are those of all attributes and methods.
func (t *ObjectType) Names() []string {
	names := funcNames(t.Methods)
	for _, a := range t.Attrs {
		names = append(names, a.Name)
	}
	return names
}

// Missing is the error about a name that the type does not have.
func (t *ObjectType) Missing(name string) error { return missing(t.Name, name, t.Names()) }

// NoElements says that values of the type have no elements, and what there is instead; key
// is that of the element, as it is written.
func (t *ObjectType) NoElements(key string) string {
	hint := ""
	switch {
	case t.Method("get") != nil:
		hint = ": use .get(" + key + ")"
	case len(t.Attrs) > 0:
		hint = ": use its attributes, such as ." + t.Attrs[0].Name
	}
	return t.Name + " has no elements" + hint
}

// String is how a value of the type prints.
func (t *ObjectType) String(self Value) string {
	if t.Text != nil {
		return t.Text(self)
	}
	return "<" + t.Name + ">"
}

// Told says that values of the type are told of with a script's variables: errors, and
// those that are equal by what they are, such as times.
func (t *ObjectType) Told() bool { return t.Key != nil || t.Name == "err" }

// Dict holds all attributes of a value of a Record type.
func (t *ObjectType) Dict(self Value) (*Dict, error) {
	d := &Dict{}
	for i := range t.Attrs {
		v, err := t.Attrs[i].Get(self)
		if err != nil {
			return nil, err
		}
		d.Set(t.Attrs[i].Name, v)
	}
	return d, nil
}

func findFunc(list []*Func, name string) *Func {
	for _, f := range list {
		if f.Name == name {
			return f
		}
	}
	return nil
}

func funcNames(list []*Func) []string {
	names := make([]string, 0, len(list))
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}
