package hostlib

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// What is lost without an error: rows that a function forgets to return, that are
// rejected and kept all the same, and items whose key another one has.

// Mapping says that a function of the table goes on with what its first argument, a
// function, returns.
func Mapping(f *Func) bool { return f != nil && f.String() == "iter.map" }

// HandsOn says that a function of the table calls the one that is its first argument with
// those behind it.
func HandsOn(f *Func) bool { return f.String() == "ctx.on_commit" || f.String() == "catch" }

// Nothing tells of the value of a function that returns none.
func (r *Report) Nothing(at At, name string) {
	r.Add(at, "return", true, "return in it what it makes", fmt.Sprintf("%s returns nothing, but its value is used", name))
}

// KeptReject tells of a row that is rejected and, some lines later, goes on all the same.
func (r *Report) KeptReject(at At, row string, line int) {
	r.Add(at, "reject", true, "return, or go on with the next row, behind reject", fmt.Sprintf("%s is rejected here, and yet goes on in line %d", row, line))
}

// OneKey tells of a loop that emits all its items with one key.
func (r *Report) OneKey(at At, key string) {
	r.Add(at, "key", true, "make the key of what tells the items apart", fmt.Sprintf("ctx.emit: each item of this loop has the key %q: only the first is made", key))
}

// Counted tells of the number of an element that is taken for the element.
func (r *Report) Counted(at At, name string) {
	r.Add(at, "loop", false, fmt.Sprintf("write: for _, %s in ipairs(...)", name), fmt.Sprintf("%s is the number of the element here, not the element", name))
}

// KeysOf are the primary keys that a script makes its tables with, by what tells the
// tables apart, as far as they are known.
type KeysOf map[string]*madeKey

type madeKey struct {
	columns []string // nil: that is not known
	line    int
}

// Made notes the key of a call of ensure; nil: that is not known.
func (k KeysOf) Made(table string, key []string, line int) {
	slices.Sort(key)
	if m := k[table]; m == nil {
		k[table] = &madeKey{key, line}
	} else if !slices.Equal(m.columns, key) {
		m.columns = nil
	}
}

// MadeUnique says that a script may make other unique indexes.
func MadeUnique(source string) bool { return strings.Contains(strings.ToUpper(source), "UNIQUE") }

// UpsertKey tells of rows that are written by a key that is not the table's.
func (r *Report) UpsertKey(f *Func, at At, table string, key []string, made KeysOf) {
	m := made[table]
	slices.Sort(key)
	if f.Name != "upsert" || m == nil || len(m.columns) == 0 || len(key) == 0 || slices.Equal(m.columns, key) {
		return
	}
	if slices.ContainsFunc(r.Problems, func(p *Problem) bool { return p.Line == at.Line && p.Code == "column" }) { // it is no column at all
		return
	}
	r.Add(at, "key", true, "", fmt.Sprintf("%s: key: %s is not the key of the table, which is made with %s in line %d", f, strings.Join(key, ", "), strings.Join(m.columns, ", "), m.line))
}

// TableLike tells of rows that are written to a table whose name is that of one that the
// script makes, but for a letter that is left out, too many or at the wrong place. made are
// those that it makes, each with what tells its database, as the table has it.
func (r *Report) TableLike(f *Func, at At, table string, made []string) {
	for _, m := range made {
		of, name, _ := strings.Cut(table, ".")
		ofOther, other, _ := strings.Cut(m, ".")
		a, b := strings.ToLower(name), strings.ToLower(other)
		if of != ofOther || min(len(name), len(other)) < 5 || a == b || name[0] != other[0] || name[len(name)-1] != other[len(other)-1] {
			continue
		}
		switch d := levenshtein.ComputeDistance(a, b); {
		case d == 1 && len(a) != len(b), d == 2 && letters(a) == letters(b):
			r.Add(at, "table", true, "", fmt.Sprintf("%s: nothing here makes a table %q (did you mean %q?)", f, name, other))
			return
		}
	}
}

func letters(s string) string {
	list := []byte(s)
	slices.Sort(list)
	return string(list)
}

// OfTexts says that the rows of an iterator have texts alone.
func OfTexts(f *Func) bool { return f != nil && f.String() == "csv.read" }

// TextNumber tells of a field of a row of texts that is compared with a number. number
// is how it becomes one.
func (r *Report) TextNumber(at At, differs bool, number string) {
	r.Add(at, "compare", true, "compare numbers: "+number, fmt.Sprintf("this is always %t: what csv.read gives are texts, which are never equal to a number", differs))
}

// TextOperator tells of a field of a row of texts that is compared, or calculated, with a
// number. number is how it becomes one.
func (r *Report) TextOperator(at At, op, number string) {
	r.Add(at, "type", false, "make a number of it: "+number, fmt.Sprintf("%s does not work with a text and a number: what csv.read gives are texts", op))
}

// TextRepeated tells of a field of a row of texts that is multiplied.
func (r *Report) TextRepeated(at At, number string) {
	r.Add(at, "type", true, "make a number of it: "+number, "this repeats the text: what csv.read gives are texts")
}

// commits are the functions that cannot be called inside catch, with why.
var commits = map[string]string{"ctx.batches": "commits after each pass", "ctx.checkpoint": "commits"}

// Caught tells of a call that commits, in a function that catch, or its like, is given
// in a line, and to which that surely comes, or only may.
func (r *Report) Caught(f *Func, at At, catch string, line int, surely bool) {
	if f == nil || commits[f.String()] == "" {
		return
	}
	where := "the hook fails there"
	if !surely {
		where = "the hook fails if it comes there"
	}
	r.Add(at, "catch", !surely, "catch what may fail in the loop, or in the step, and not what commits", fmt.Sprintf("%s %s, so it cannot be used inside %s, as in line %d: %s", f, commits[f.String()], catch, line, where))
}

// makers are the functions that make files of their own accord, by name, with the parameter
// that says where.
var makers = map[string]string{"write": "path", "write_lines": "path", "save": "path", "get": "to"}

// MovedFiles follows the files that a function reads, in the order of its calls.
type MovedFiles struct {
	reads  map[string]int  // the lines where they are read, by how the script writes their paths
	made   map[string]bool // files that it makes itself, and would make again
	wrote  bool
	commit bool
}

// Call takes the next call: of f, or of a function that is not known, nil, with how that and
// the arguments are written, as far as they are names, parts of them or texts. It tells of a
// file that is moved or deleted while what was read of it, and written to the database, waits
// for the commit.
func (m *MovedFiles) Call(r *Report, f *Func, fn string, args []string, at At) {
	path := ""
	if len(args) > 0 {
		path = args[0]
	}
	switch {
	case f == nil: // it may commit, where it has ctx
		m.commit = m.commit || slices.ContainsFunc(append(args, fn), func(s string) bool { return s == "ctx" || strings.HasPrefix(s, "ctx.") })
	case commits[f.String()] != "" || f.String() == "ctx.emit_all":
		m.commit = true
	case f.String() == "files.move" || f.String() == "files.remove":
		if line := m.reads[path]; line > 0 && m.wrote && !m.commit && !m.made[path] {
			r.Add(at, "move", true, fmt.Sprintf("ctx.on_commit(%s, path, ...)", f), fmt.Sprintf("%s: what was read of the file in line %d is not committed yet: if the hook fails behind this, the next run does not find it, and its rows are missing", f, line))
		}
	case f.Param(makers[f.Name]) != nil:
		if m.made == nil {
			m.made = map[string]bool{}
		}
		for _, a := range args {
			m.made[a] = true
		}
	case f.Effect == Write:
		m.wrote = m.wrote || f.Param("rows") != nil || f.Name == "exec" || f.Name == "emit" || f.Name == "enqueue"
	case len(f.Params) > 0 && f.Params[0].Type == Source && path != "":
		if m.reads == nil {
			m.reads = map[string]int{}
		}
		m.reads[path] = at.Line
	}
}
