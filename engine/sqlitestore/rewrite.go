package sqlitestore

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine/sqlstore"
)

// SQLite calculates with binary floats, cuts quotients of whole numbers, and
// gives an expression no type. So a script's statement is made to say what MySQL
// would understand: where an expression is a decimal there, here it calls the
// functions of function.go, and its value is text with the digits that it has
// there. As CAST(... AS TEXT) COLLATE dsengine_decimal that text is compared by
// its value with whatever it is compared with: the cast has SQLite make text of
// bare numbers and parameters, the collation orders texts of numbers, and a
// column of numbers makes a number of it.
//
// Columns alone stay as they are, so that their indexes are used. A statement
// that is not understood stays as it is.

// typKind is what an expression's values are, as far as it matters here.
type typKind byte

const (
	typUnknown typKind = iota
	typNull
	typWhole
	typFloat
	typDecimal
	typText
	typDate
	typTime
	typTimestamp
)

// times are the types of texts that say when.
var times = map[typKind]string{typDate: asDate, typTime: asTime, typTimestamp: asTimestamp}

// typ is the type of an expression.
type typ struct {
	kind  typKind
	scale int  // of decimals: how many digits stand behind the point
	cut   int  // of a column of points in time: how many digits of a second of six it does not keep
	text  bool // a column that is kept as text
	key   bool // of which equal values are equal texts
}

func (t typ) exact() bool { return t.kind == typWhole || t.kind == typDecimal || t.kind == typNull }

// column is a column of a table or of a result.
type column struct {
	name     string
	typ      typ
	neutral  string // the type as db.ensure names it
	declared string // the name as the table has it
}

// relation is what a query or a table gives; open: it may give more.
type relation struct {
	columns []column
	open    bool
	needs   string   // the key of a table of db.ensure that SQLite would number by itself
	whole   []string // its columns of whole numbers
	truth   []string // its columns of booleans
	ours    bool     // it is a table of db.ensure
}

// scope is where names are looked up.
type scope struct {
	up      *scope
	names   []string // of the sources
	sources []relation
	ctes    map[string]relation
	aliases map[string]typ // of the result's columns
}

// resolve finds a column.
func (s *scope) resolve(table, name string) typ {
	for ; s != nil; s = s.up {
		found, open := []typ(nil), false
		for i, src := range s.sources {
			if table != "" && s.names[i] != table {
				continue
			}
			open = open || src.open
			for _, c := range src.columns {
				if c.name == name {
					found = append(found, c.typ)
				}
			}
		}
		switch {
		case len(found) > 0 && !slices.ContainsFunc(found, func(t typ) bool { return t != found[0] }):
			return found[0]
		case len(found) > 0 || open:
			return typ{}
		}
		if t, ok := s.aliases[name]; ok && table == "" {
			return t
		}
	}
	return typ{}
}

// calls is what a column of a result is called on servers, as it is written, where it is
// called otherwise here: as the table has it.
func (s *scope) calls(n *node, sql string) string {
	written := n.written(sql)
	for _, src := range s.sources {
		for _, c := range src.columns {
			if c.name == n.name && c.declared != "" && c.declared != written {
				return written
			}
		}
	}
	return ""
}

// written is a column's name as it is written.
func (n *node) written(sql string) string {
	text := sql[n.from:n.to]
	list, _ := tokens(text)
	last := list[len(list)-2] // before the end
	if last.kind == tokenName {
		return last.text
	}
	return text[last.from:last.to]
}

// cte finds a query by its name.
func (s *scope) cte(name string) (relation, bool) {
	for ; s != nil; s = s.up {
		if r, ok := s.ctes[name]; ok {
			return r, true
		}
	}
	return relation{}, false
}

// edit puts text in the place of bytes.
type edit struct {
	from, to int
	text     string
}

// rewriter rewrites one statement.
type rewriter struct {
	sql    string
	args   []any
	lookup func(table string) relation
	edits  []edit
	give   map[int]func(any) any // see sqlstore.Statement
}

// rewrite has a statement say what it says on MySQL; give is for the values of
// its result.
func rewrite(sql string, args []any, lookup func(table string) relation) (text string, give map[int]func(any) any) {
	q, w, ok := parse(sql)
	if !ok {
		return sql, nil
	}
	r := &rewriter{sql: sql, args: args, lookup: lookup}
	if q != nil {
		r.typed(r.query(q, nil, nil, useResult))
	} else {
		r.write(w)
	}
	return r.text(), r.give
}

// typed finds the columns of a result whose values come as another type.
func (r *rewriter) typed(result relation) {
	if result.open {
		return
	}
	r.give = map[int]func(any) any{}
	for i, c := range result.columns {
		switch {
		case c.typ.kind == typDecimal && c.typ.scale == 0:
			r.give[i] = func(v any) any {
				if s, ok := v.(string); ok {
					return sqlstore.WholeNumber(s)
				}
				return v
			}
		case c.typ.kind == typFloat:
			r.give[i] = func(v any) any {
				if x, ok := numberOf(v); ok {
					f, _ := strconv.ParseFloat(x.text(), 64)
					return f
				}
				return v
			}
		case c.typ.kind == typTimestamp:
			r.give[i] = func(v any) any {
				if s, ok := v.(string); ok {
					if t, ok := sqlstore.ParseTimestamp(s); ok {
						return t
					}
				}
				return v
			}
		}
	}
}

// text is the statement with the edits.
func (r *rewriter) text() string {
	if len(r.edits) == 0 {
		return r.sql
	}
	sort.SliceStable(r.edits, func(i, k int) bool { return r.edits[i].from < r.edits[k].from })
	var b []byte
	// What stood apart by a sign, as in SELECT+1, does so still.
	add := func(text string) {
		if len(b) > 0 && text != "" && wordByte(b[len(b)-1]) && wordByte(text[0]) {
			b = append(b, ' ')
		}
		b = append(b, text...)
	}
	at := 0
	for _, e := range r.edits {
		b = append(b, r.sql[at:max(at, e.from)]...)
		add(e.text)
		if at = max(at, e.to); e.text != "" && at < len(r.sql) && wordByte(e.text[len(e.text)-1]) && wordByte(r.sql[at]) {
			b = append(b, ' ')
		}
	}
	return string(append(b, r.sql[at:]...))
}

func (r *rewriter) put(at int, text string) { r.edits = append(r.edits, edit{at, at, text}) }
func (r *rewriter) replace(from, to int, text string) {
	r.edits = append(r.edits, edit{from, to, text})
}

// query goes through a query. into are the types of the columns that its rows
// are written to; u is what is done with its columns.
func (r *rewriter) query(q *query, up *scope, into []typ, u use) relation {
	sc := &scope{up: up}
	r.with(sc, q.ctes)
	var result relation
	for i, c := range q.cores {
		inner := &scope{up: sc}
		rel := r.core(c, inner, into, u, len(q.cores) > 1)
		if i == 0 {
			result = rel
			for _, n := range q.order {
				r.order(n, inner)
			}
		}
	}
	return result
}

// with goes through the queries that have names.
func (r *rewriter) with(sc *scope, ctes []cte) {
	sc.ctes = map[string]relation{}
	for _, c := range ctes {
		sc.ctes[c.name] = relation{open: true} // it may read itself
		rel := r.query(c.query, sc, nil, useResult)
		if c.columns != nil {
			if len(c.columns) != len(rel.columns) || rel.open {
				rel = relation{open: true}
			}
			for i := range rel.columns {
				rel.columns[i].name = c.columns[i]
			}
		}
		sc.ctes[c.name] = rel
	}
}

// core goes through one SELECT.
func (r *rewriter) core(c *core, sc *scope, into []typ, u use, compound bool) relation {
	if c.rows != nil {
		for _, row := range c.rows {
			for i, n := range row {
				r.assign(n, at(into, i), sc)
			}
		}
		return relation{open: true}
	}
	r.from(c.from, sc)
	var result relation
	star := false
	for _, it := range c.items {
		star = star || it.expr == nil
	}
	result.open = star && c.merged
	sc.aliases = map[string]typ{}
	aliases := map[string]typ{}
	for i, it := range c.items {
		if it.expr == nil {
			for k, src := range sc.sources {
				if it.star == "" || it.star == sc.names[k] {
					result.columns, result.open = append(result.columns, src.columns...), result.open || src.open
				}
			}
			continue
		}
		t := r.typeOf(it.expr, sc)
		bare := it.expr.kind == nodeColumn
		name := it.alias
		if name == "" {
			if name = it.expr.name; !bare {
				name = strings.ToLower(r.sql[it.expr.from:it.expr.to])
			}
		} else {
			aliases[name] = t
		}
		result.columns = append(result.columns, column{name: name, typ: t})
		if !star && into != nil {
			r.assign(it.expr, at(into, i), sc)
			continue
		}
		as := ""
		if bare && it.alias == "" && u == useResult {
			as = sc.calls(it.expr, r.sql)
		}
		before := len(r.edits)
		if compound && bare && t.kind == typDecimal {
			r.wrap(it.expr, t, useResult, func() {})
		} else {
			r.emit(it.expr, sc, u)
		}
		if len(r.edits) > before && it.alias == "" {
			shown := r.sql[it.expr.from:it.expr.to]
			if bare {
				shown = it.expr.written(r.sql)
			}
			as = shown
		}
		if as != "" {
			r.put(it.expr.to, ` AS "`+strings.ReplaceAll(as, `"`, `""`)+`"`)
		}
	}
	sc.aliases = aliases
	for _, n := range c.where {
		r.emit(n, sc, useValue)
	}
	for _, n := range c.group {
		r.order(n, sc)
	}
	if c.having != nil {
		r.emit(c.having, sc, useValue)
	}
	return result
}

func at(list []typ, i int) typ {
	if i < len(list) {
		return list[i]
	}
	return typ{}
}

// from goes through sources.
func (r *rewriter) from(list []from, sc *scope) {
	for _, f := range list {
		rel := relation{open: true}
		switch {
		case f.query != nil:
			rel = r.query(f.query, sc.up, nil, useResult)
		case f.table != "":
			var ok bool
			if rel, ok = sc.cte(f.table); !ok {
				rel = r.lookup(f.table)
			}
		default:
			for _, n := range f.args {
				r.emit(n, sc, useValue)
			}
		}
		sc.names, sc.sources = append(sc.names, f.alias), append(sc.sources, rel)
	}
}

// order goes through a term of an order or a group. A number alone is the place
// of a column.
func (r *rewriter) order(n *node, sc *scope) {
	if n.kind == nodeNumber {
		return
	}
	if n.kind == nodeColumn && n.table == "" {
		if t, ok := sc.aliases[n.name]; ok && !t.text {
			return
		}
	}
	r.emit(n, sc, useCompare)
}

// write goes through INSERT, UPDATE or DELETE.
func (r *rewriter) write(w *write) {
	sc := &scope{}
	r.with(sc, w.ctes)
	table := r.lookup(w.table)
	inner := &scope{up: sc, names: []string{w.alias}, sources: []relation{table}}
	if w.query != nil {
		var into []typ
		if !table.open {
			for _, c := range table.columns {
				into = append(into, c.typ)
			}
			if w.columns != nil {
				into = nil
				for _, name := range w.columns {
					into = append(into, inner.resolve("", name))
				}
			}
		}
		r.query(w.query, sc, into, useResult)
		inner.names, inner.sources = append(inner.names, "excluded"), append(inner.sources, table)
	}
	r.from(w.from, inner)
	for _, s := range w.sets {
		target := typ{}
		if s.column != "" {
			target = (&scope{names: []string{""}, sources: []relation{table}}).resolve("", s.column)
		}
		r.assign(s.expr, target, inner)
	}
	for _, n := range w.where {
		r.emit(n, inner, useValue)
	}
	for _, it := range w.returning {
		if it.expr != nil {
			r.emit(it.expr, inner, useValue)
		}
	}
}

// assign goes through an expression whose value is written to a column.
func (r *rewriter) assign(n *node, target typ, sc *scope) {
	t := r.typeOf(n, sc)
	name, how := fnDecimal, "0"
	switch {
	case target.kind == typDecimal && n.kind != nodeNull:
		how = strconv.Itoa(target.scale)
	case target.kind == typWhole && t.kind == typDecimal:
	case times[target.kind] != "" && (n.kind == nodeText || n.kind == nodeParameter || n.kind == nodeNow || times[t.kind] != "" && t != target):
		name, how = fnTime, "'"+times[target.kind]+"'"
		switch target.kind {
		case typDate:
			how = "'" + asDay + "'"
		case typTimestamp:
			how = "'" + asTimestampOf(target.cut) + "'"
		}
	case target.kind == typText && r.isBytes(n):
		r.put(n.from, "CAST(")
		r.emit(n, sc, useRaw)
		r.put(n.to, " AS TEXT)")
		return
	case t.kind == typDecimal && n.kind == nodeParameter && target.kind != typFloat:
		r.emit(n, sc, useText) // with all its digits
		return
	default:
		r.emit(n, sc, useValue)
		return
	}
	r.put(n.from, name+"(")
	r.emit(n, sc, useRaw)
	r.put(n.to, ", "+how+")")
}

// isBytes says whether an expression is a value that is bytes.
func (r *rewriter) isBytes(n *node) bool {
	if n.kind != nodeParameter || n.at < 0 || n.at >= len(r.args) {
		return false
	}
	_, is := r.args[n.at].([]byte)
	return is
}

// columnTyp is the type of a column by what it was declared as.
func columnTyp(declared string) typ {
	base, numbers, _ := strings.Cut(strings.ToLower(declared), "(")
	base = strings.TrimSpace(base)
	text, key := base == "decimal_text", base == "decimal_key_text"
	if text || key || base == "decimal" || base == "numeric" {
		_, scale, _ := strings.Cut(strings.TrimSuffix(numbers, ")"), ",")
		if n, err := strconv.Atoi(strings.TrimSpace(scale)); err == nil {
			return typ{kind: typDecimal, scale: n, text: text || key, key: key}
		}
		return typ{}
	}
	switch neutral := neutralType(declared); {
	case neutral == "integer", neutral == "boolean":
		return typ{kind: typWhole}
	case neutral == "float":
		return typ{kind: typFloat}
	case neutral == "bytes", neutral == "json":
		return typ{}
	case neutral == "date":
		return typ{kind: typDate}
	case neutral == "time":
		return typ{kind: typTime}
	case neutral == "timestamp":
		return typ{kind: typTimestamp}
	}
	return typ{kind: typText}
}
