package hostlib

import (
	"math/big"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Value is what passes between scripts and host functions:
//
//	nil, bool, int, int64, *big.Int, float64, string, []byte,
//	time.Time, time.Duration, []Value, *Dict, *TextRow, Tuple, JSON,
//	Iterator, Callable, and any value with an ObjectType
//
// or a value of the script's own language that no host function has looked into.
type Value = any

// Dict is a dict in the order in which it was written. Dicts of one source may
// share Names, which must not be changed then.
type Dict struct {
	Names  []string
	Values []Value
	Unsure bool // it is empty, and as well a list without elements: Lua's {}
	Row    bool // its names are the columns of what it was read from: to ask for another one is a mistake
}

// Get is the value of a name; false if there is none.
func (d *Dict) Get(name string) (Value, bool) {
	for i, n := range d.Names {
		if n == name {
			return d.Values[i], true
		}
	}
	return nil, false
}

// Set adds a name, or gives it another value.
func (d *Dict) Set(name string, v Value) {
	for i, n := range d.Names {
		if n == name {
			d.Values[i] = v
			return
		}
	}
	d.Names = append(d.Names, name)
	d.Values = append(d.Values, v)
}

// TextRow is a row of strings, as csv.read gives it. Scripts see a dict. It is
// cheaper than a Dict: all its strings are parts of one.
type TextRow struct {
	Names []string // shared by the rows of one source; not to be changed
	text  string
	at    []int32 // for each field where it begins and ends; a null begins at -1
	Seen  bool    // the script was given it, in its own form
}

// Field is a field of the row; false if it is null.
func (r *TextRow) Field(i int) (string, bool) {
	from := r.at[2*i]
	if from < 0 {
		return "", false
	}
	return r.text[from:r.at[2*i+1]], true
}

// Dict is the row as a Dict.
func (r *TextRow) Dict() *Dict {
	d := &Dict{Names: r.Names, Values: make([]Value, len(r.Names)), Row: true}
	for i := range d.Values {
		if s, ok := r.Field(i); ok {
			d.Values[i] = s
		}
	}
	return d
}

// Tuple is several values at once: what catch returns, or the elements of
// iter.enumerate. Lua has them as several results.
type Tuple []Value

// Set is a set of a language that has them, as Data gives it where Call.Sets asks for it;
// elsewhere a set is a list.
type Set []Value

// JSON is JSON text that becomes a value when the script gets to see it.
type JSON engine.Raw

// Iterator gives values until io.EOF. It is lazy and one-shot; its end, or its
// failure, is final and closes it. Languages call Begin and Leave around loops.
type Iterator interface {
	Next() (Value, error)
	// Close gives up what it holds. It may be called at any time, twice too.
	Close() error
}

// Callable is a function of the script.
type Callable interface {
	Name() string
	// Call runs it. Its error is Raised, and must be passed on as it is.
	Call(args []Value, named []Named) (Value, error)
}

// Named is an argument given by name.
type Named struct {
	Name  string
	Value Value
}

// Object is a value with attributes and methods.
type Object interface {
	ObjectType() *ObjectType
}

// TypeOf is the type of a value that has attributes and methods, or nil.
func TypeOf(v Value) *ObjectType {
	switch v := v.(type) {
	case Object:
		return v.ObjectType()
	case time.Time:
		return timeType
	case time.Duration:
		return durationType
	}
	return nil
}

// Language is what the host library must know of the language of the script
// that runs. It belongs to one Call and is used by its goroutine alone.
type Language interface {
	// Plain gives a scalar, an iterator, an object or a function in the form of
	// this package. Lists, dicts and their like come back as they are.
	Plain(v Value) Value
	// Data gives a value in the form of this package, all the way down; an error
	// if it holds what cannot be data, such as a function.
	Data(v Value) (Value, error)
	// Iterate iterates over a list or whatever else the language can loop over;
	// false if v is no such thing. The elements are not converted.
	Iterate(v Value) (Iterator, bool)
	// Row gives a dict, its values converted by Plain; false if v is no dict. If
	// its names are those of like, in that order, it shares them.
	Row(v Value, like []string) (*Dict, bool, error)
	// Native is the script's own form of a value.
	Native(v Value) (Value, error)
	// Truth says whether the language takes the value for true.
	Truth(v Value) bool
	// Range is how the language names the piece of a string from a byte to
	// another, from 0 and without the last: 0, 2 in Starlark; 1, 2 in Lua.
	Range(from, to int) (start, stop int64)
	// Spot says where a row comes from: one that a loop was given, alone or in a
	// batch, or else the one that the loop over rows is at; false if that is not known.
	Spot(row Value) (Spot, bool)
	// Drops says that the script makes nothing of what the host function gives that
	// runs, whose own name is given.
	Drops(name string) bool
	// Where is the place in the script that runs, as file:line; "" if there is none.
	Where() string
	// LoopSite is what a LoopID tells of the call that runs, without Source.
	LoopSite() engine.LoopID
	// TypeName is how the language calls the value's type; that of nil is what NULL is
	// called in rows, lists and dicts: None, in Lua null. What was given, or came back
	// from a function, is given as the script has it: in Lua it may be nil, too.
	TypeName(v Value) string
	// Signature is how the language calls the function.
	Signature(f *Func) string
	// Failure gives an error of a script's function the form in which a hook
	// returns it: a Failure with a backtrace, or a verdict as it is.
	Failure(err error) error
	// Caught is called when an error was caught, so that the script goes on,
	// whatever had stopped it.
	Caught()
}

// Caller is a place in a script where a host function is called.
type Caller struct {
	File   string
	Line   int
	Func   string   // the script's function that calls it
	Text   string   // the call as it is written; "" if that is not known
	Via    []string // the places from which that function was called, innermost first: file:line; at most MaxVia
	Locals []Named  // the variables of the function; values as the script has them
}

// MaxVia bounds Caller.Via.
const MaxVia = 10

// Inspector is a Language that can tell where a host function was called.
type Inspector interface {
	Language
	Caller() Caller
	// Fell is where the innermost function of the script was when an error arose, and
	// what its variables were as far as that was kept; false if none ran. It is to be
	// called before the script goes on.
	Fell(err error) (Caller, bool)
}

// asInt says whether v is a whole number that fits in 64 bits.
func asInt(v Value) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		if n := int64(v); float64(n) == v {
			return n, true
		}
	}
	return 0, false
}

// asFloat says whether v is a number.
func asFloat(v Value) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	return 0, false
}
