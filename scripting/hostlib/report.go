package hostlib

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// Report gathers what is found in a file that is not run, in whatever language it is.
type Report struct {
	File     string    // as messages name it
	Comment  string    // what begins a comment: "#"
	List     [2]string // what is around a list: "[", "]"
	Problems []*Problem
}

// At is a place in a file; both count from 1.
type At struct{ Line, Column int }

// Add notes something at a place.
func (r *Report) Add(at At, code string, warning bool, hint, message string) {
	r.Tell(LoadError{File: r.File, Line: at.Line, Column: at.Column, Message: message}, code, warning, hint)
}

// Tell notes something that has its place already. Which docs to see, in the message,
// becomes the hint.
func (r *Report) Tell(e LoadError, code string, warning bool, hint string) {
	if message, see, ok := strings.Cut(e.Message, "; see: "); ok {
		e.Message, hint = message, "see: "+see
	}
	r.Problems = append(r.Problems, &Problem{LoadError: e, Code: code, Hint: hint, Warning: warning})
}

// Missing notes a name that a module or a type does not have; what the error says of
// its docs is the hint.
func (r *Report) Missing(at At, of string, err error) {
	hint := DocsHint(of)
	r.Add(at, "name", false, hint, strings.TrimSuffix(err.Error(), "; "+hint))
}

// Faults notes what is wrong with a call of a function that begins at a place; places
// are those of its arguments, as CheckCall counts them.
func (r *Report) Faults(f *Func, start At, places []At, faults []Fault, code string) {
	for _, fault := range faults {
		at := start
		if fault.Arg >= 0 {
			at = places[fault.Arg]
		}
		r.Add(at, code, false, DocsHint(f.String()), Within(f, fault.Err).Error())
	}
}

// Told says that a mistake was found that is what the error is about.
func (r *Report) Told(e *LoadError) bool {
	for _, p := range r.Problems {
		switch {
		case p.Line == e.Line && (p.Column == e.Column || p.Message == e.Message) && !p.Warning:
			return true
		case p.Code == "setting" && !p.Warning && strings.Contains(e.Message, strings.TrimPrefix(p.Message, "job: ")):
			return true // told of the whole call when it was made
		}
	}
	return false
}

var ignored = regexp.MustCompile(`^.*\bcheck:\s*ignore\b[ \t]*([a-z, ]*)`)

// Sorted are the problems in the order of the file, without those that a comment on
// their line says are meant so.
func (r *Report) Sorted(source string) []*Problem {
	lines := strings.Split(source, "\n")
	list := slices.DeleteFunc(r.Problems, func(p *Problem) bool {
		if p.Code == "load" || p.Line == 0 || p.Line > len(lines) {
			return false
		}
		_, comment, _ := strings.Cut(lines[p.Line-1], r.Comment)
		m := ignored.FindStringSubmatch(comment)
		return m != nil && (strings.TrimSpace(m[1]) == "" || slices.Contains(strings.FieldsFunc(m[1], func(c rune) bool { return c == ' ' || c == ',' }), p.Code))
	})
	slices.SortStableFunc(list, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), errorFirst(a, b))
	})
	list = slices.CompactFunc(list, func(a, b *Problem) bool {
		return a.Line == b.Line && a.Column == b.Column && (a.Message == b.Message || a.Code == b.Code)
	})
	errors := map[At]bool{}
	for _, p := range list {
		at := At{p.Line, p.Column}
		errors[at] = errors[at] || !p.Warning
	}
	return slices.DeleteFunc(list, func(p *Problem) bool { return p.Warning && errors[At{p.Line, p.Column}] })
}

func errorFirst(a, b *Problem) int {
	switch {
	case a.Warning == b.Warning:
		return 0
	case a.Warning:
		return 1
	}
	return -1
}

// DocsHint says where a name is documented.
func DocsHint(name string) string { return "see: dsengine docs " + name }

// Within names the function before what is wrong.
func Within(f *Func, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), f.String()) {
		return err
	}
	return Errorf("usage", "%s: %v", f, err)
}

// Wanting gathers what calls need and job() does not say.
type Wanting []wanting

type wanting struct {
	at   At
	line string
	err  error
}

// Look asks what a call needs of what job() says; nil: that is not known. arg gives a
// parameter's value, as Asks has it, and where it stands.
func (w *Wanting) Look(n *Needs, f *Func, arg func(p *Param) (Value, At)) {
	if n == nil {
		return
	}
	at := map[string]At{}
	for _, a := range f.Asks(n, func(p *Param) (v Value) {
		v, at[p.Name] = arg(p)
		return v
	}) {
		if a.Err != nil {
			*w = append(*w, wanting{at[a.Arg], a.Line, a.Err})
		}
	}
}

// Needs tells of needs that job() does not say, with the line that does.
func (r *Report) Needs(n *Needs, list Wanting) {
	if len(list) == 0 {
		return
	}
	lines := slices.Clone(n.Lines)
	for _, m := range list {
		if m.line != "" && !slices.Contains(lines, m.line) {
			lines = append(lines, m.line)
		}
	}
	all := lines
	lines = fuller(all)
	for i, line := range lines {
		lines[i] = fmt.Sprintf("%q", line)
	}
	for _, m := range list {
		if m.line == "" { // it can never be needed
			r.Add(m.at, "call", false, "", m.err.Error())
			continue
		}
		if slices.Contains(all, m.line+":write") { // a database that is written, here or elsewhere
			m.line += ":write"
			if slices.ContainsFunc(list, func(o wanting) bool { return o.line == m.line && o.at.Line == m.at.Line }) {
				continue
			}
		}
		r.Add(m.at, "needs", false, fmt.Sprintf("in job(): needs = %s%s%s", r.List[0], strings.Join(lines, ", "), r.List[1]),
			fmt.Sprintf("%q is not among what job() says this script needs", m.line))
	}
}

// otherTypes are types of columns by the names that databases and languages give
// them.
var otherTypes = map[string]string{
	"int": "integer", "bigint": "integer", "smallint": "integer", "tinyint": "integer", "long": "integer", "serial": "integer", "number": "decimal(20,6)",
	"string": "text", "str": "text", "char": "text", "varchar": "text", "nvarchar": "text", "clob": "text", "longtext": "text", "uuid": "text(36)",
	"real": "float", "double": "float", "numeric": "decimal(20,6)", "decimal": "decimal(20,6)", "money": "decimal(20,2)",
	"bool": "boolean", "bit": "boolean", "datetime": "timestamp", "timestamptz": "timestamp", "blob": "bytes", "binary": "bytes", "bytea": "bytes",
	"jsonb": "json", "dict": "json", "list": "json", "array": "json", "object": "json",
}

// ColumnType tells of a type of columns that there is not.
func (r *Report) ColumnType(f *Func, at At, column, typ string) {
	_, _, err := engine.ParseColumnType(typ)
	if err == nil {
		return
	}
	word, size, sized := strings.Cut(strings.ToLower(strings.TrimSpace(typ)), "(")
	hint := DocsHint(f.String())
	if other := otherTypes[strings.TrimSpace(word)]; other != "" {
		if base, _, _ := strings.Cut(other, "("); sized && (base == "text" || base == "decimal") {
			for _, with := range []string{base + "(" + size, base + "(" + strings.TrimSuffix(size, ")") + ",0)"} {
				if columnFits(with) {
					other = with
					break
				}
			}
		}
		hint = fmt.Sprintf("write %q", other)
	} else if s := Suggest(word, engine.ColumnTypes); s != "" {
		hint = strings.Trim(s, " ()")
	}
	r.Add(at, "type", false, hint, fmt.Sprintf("%s: column %q: %v", f, column, err))
}

func columnFits(typ string) bool {
	_, _, err := engine.ParseColumnType(typ)
	return err == nil
}

// Column tells of a column that a table does not have, which a script makes with those
// that are there, in a line.
func (r *Report) Column(f *Func, at At, name string, there map[string]bool, line int) {
	if there[name] {
		return
	}
	columns := slices.Sorted(maps.Keys(there))
	r.Add(at, "column", true, "", fmt.Sprintf("%s: there is no column %q%s: the table is made with %s in line %d", f, name, Suggest(name, columns), strings.Join(columns, ", "), line))
}

// Marks tells of a statement that has not as many ? as it is given values. count
// counts them; whether a name is one tells the database.
func (r *Report) Marks(f *Func, at At, sql string, given int, count func(sql string, names bool) (n int, numbered bool)) {
	var n int
	for _, names := range []bool{true, false} { // whatever database it runs on
		var numbered bool
		if n, numbered = count(sql, names); numbered || n == given {
			return
		}
	}
	values := fmt.Sprintf("%d values", given)
	if given == 1 {
		values = "1 value"
	}
	r.Add(at, "sql", true, "give one value for each ?", fmt.Sprintf("%s: the statement has %d ? and is given %s", f, n, values))
}

// Further adds to the errors of a script that does not load the mistakes that are found
// without running it, and gives those that tell the same its place: an interpreter knows
// that of a call, where it is an argument that is wrong, or no column.
func Further(errs []*LoadError, found []*Problem) []*LoadError {
	errs = slices.Clone(errs)
	moved := map[int]bool{}
	for _, problem := range found {
		if problem.Warning {
			continue
		}
		told, at := false, -1
		for i, e := range errs {
			told = told || e.File == problem.File && e.Line == problem.Line && e.Column == problem.Column
			same := problem.Code == "setting" && strings.Contains(e.Message, strings.TrimPrefix(problem.Message, "job: ")) ||
				e.File == problem.File && e.Line == problem.Line && strings.HasPrefix(e.Message, problem.Message)
			if same && !moved[i] {
				at = i
			}
		}
		e := problem.LoadError
		if problem.Hint != "" && !strings.HasPrefix(problem.Hint, "see: ") {
			e.Message += "; " + problem.Hint
		}
		switch {
		case told:
		case at >= 0:
			e.Message, e.Via = errs[at].Message, errs[at].Via
			errs[at], moved[at] = &e, true
		default:
			errs = append(errs, &e)
		}
	}
	slices.SortStableFunc(errs, func(a, b *LoadError) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return errs
}
