package sqlitestore

import "strings"

// nodeKind is what an expression is.
type nodeKind byte

const (
	nodeOther     nodeKind = iota // its value is none of ours; kids are parts of it
	nodeNull                      // NULL
	nodeNumber                    // a number as it is written
	nodeText                      // a text, or bytes
	nodeParameter                 // ?
	nodeColumn                    // name, or table.name
	nodeNow                       // CURRENT_TIMESTAMP, CURRENT_DATE, CURRENT_TIME
	nodeParen                     // (a)
	nodeSign                      // -a, +a
	nodeBinary                    // a + b
	nodeCompare                   // a < b, BETWEEN, IN, LIKE: true or false
	nodeLogic                     // AND, OR, NOT, IS NULL
	nodeCall                      // f(a, b)
	nodeCast                      // CAST(a AS type)
	nodeCase                      // CASE
	nodeQuery                     // (SELECT ...)
)

// node is an expression.
type node struct {
	kind     nodeKind
	from, to int
	op       token   // the operator; of a call, the name
	name     string  // of a column, in small letters; of a function; of a type
	table    string  // that is written before the column
	kids     []*node // operands, arguments; of CASE, base, WHEN and THEN by turns, ELSE
	base     bool    // the first of CASE's is the base
	more     []*node // of a call: its order, filter and window
	query    *query
	depth    int // of the tree below
	at       int // of a parameter: its number, from 0; -1: it is numbered by hand

	typ   typ
	typed bool
}

// item is a column of a result, or a term of an order.
type item struct {
	expr  *node  // nil: all columns
	alias string // "" if there is none
	star  string // of which table all columns are; "": of all
}

// query is SELECT with all that belongs to it, or VALUES.
type query struct {
	ctes  []cte
	cores []*core
	order []*node
	limit []*node
}

// cte is a query with a name.
type cte struct {
	name    string
	columns []string
	query   *query
}

// core is one SELECT, or VALUES.
type core struct {
	items  []item
	from   []from
	where  []*node // also of joins
	group  []*node
	having *node
	rows   [][]*node // of VALUES
	merged bool      // columns that sources share come once
}

// from is a source of rows.
type from struct {
	table string // "": query, or something else
	alias string
	query *query
	args  []*node // of a function
}

// write is INSERT, UPDATE or DELETE.
type write struct {
	ctes      []cte
	table     string
	alias     string
	columns   []string // INSERT's; nil: all
	query     *query   // INSERT's rows
	sets      []set
	from      []from
	where     []*node
	returning []item
}

// set is an assignment. One to a list of columns has no column.
type set struct {
	column string
	expr   *node
}

// parser reads a statement. It gives up, by a panic, on what it does not know:
// then the statement stays as it is.
type parser struct {
	sql    string
	list   []token
	at     int
	params int
	depth  int
	merged bool // the sources that were read share columns
}

type notUnderstood struct{}

// maxDepth is how deep expressions and queries go, as in SQLite itself.
const maxDepth = 1000

// deeper counts how deep the parser is in the statement, until the function that
// it gives is called.
func (p *parser) deeper() func() {
	if p.depth++; p.depth > maxDepth {
		p.give()
	}
	return func() { p.depth-- }
}

func (p *parser) now() token         { return p.list[min(p.at, len(p.list)-1)] }
func (p *parser) last() int          { return p.list[min(p.at, len(p.list))-1].to }
func (p *parser) give() *node        { panic(notUnderstood{}) }
func (p *parser) next() token        { t := p.now(); p.at++; return t }
func (p *parser) ahead() token       { return p.list[min(p.at+1, len(p.list)-1)] }
func (p *parser) sign(s string) bool { return p.now().kind == tokenSign && p.now().text == s }

// word says whether the next token is one of the keywords.
func (p *parser) word(words ...string) bool {
	t := p.now()
	if t.kind != tokenWord {
		return false
	}
	for _, w := range words {
		if t.text == w {
			return true
		}
	}
	return false
}

// take passes over the sign or the keyword if it is next.
func (p *parser) take(s string) bool {
	if p.sign(s) || p.word(s) {
		p.at++
		return true
	}
	return false
}

// must passes over signs and keywords that must be next.
func (p *parser) must(list ...string) {
	for _, s := range list {
		if !p.take(s) {
			p.give()
		}
	}
}

// reserved are words that no column and no alias is called by.
var reserved = words(`SELECT FROM WHERE GROUP ORDER HAVING LIMIT OFFSET UNION EXCEPT INTERSECT ON USING JOIN INNER LEFT RIGHT
 FULL CROSS NATURAL OUTER WINDOW SET VALUES RETURNING AS AND OR NOT IN IS LIKE GLOB REGEXP MATCH BETWEEN ESCAPE ISNULL NOTNULL
 CASE WHEN THEN ELSE END COLLATE DISTINCT EXISTS INTO UPDATE DELETE INSERT BY ASC DESC NULLS INDEXED CREATE TABLE`)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// isName says whether the next token is a name.
func (p *parser) isName() bool {
	t := p.now()
	return t.kind == tokenName || t.kind == tokenWord && !reserved[t.text]
}

// name is the next token, a name, in small letters.
func (p *parser) name() string {
	if !p.isName() {
		p.give()
	}
	return lower(p.next())
}

func lower(t token) string { return strings.ToLower(t.text) }

// alias is an alias if there is one.
func (p *parser) alias() string {
	if p.take("AS") {
		if p.now().kind == tokenText {
			t := p.next()
			return strings.ToLower(strings.Trim(p.sql[t.from:t.to], "'"))
		}
		return p.name()
	}
	if p.isName() {
		return p.name()
	}
	return ""
}

// parse reads a statement: a query, or a write; neither if it is something else.
func parse(sql string) (q *query, w *write, ok bool) {
	list, ok := tokens(sql)
	if !ok {
		return nil, nil, false
	}
	p := &parser{sql: sql, list: list}
	defer func() {
		if r := recover(); r != nil {
			if _, mine := r.(notUnderstood); !mine {
				panic(r)
			}
			q, w, ok = nil, nil, false
		}
	}()
	ctes := p.with()
	switch {
	case p.word("SELECT", "VALUES"):
		q = p.query(ctes)
	case p.word("INSERT", "REPLACE"):
		w = p.insert(ctes)
	case p.word("UPDATE"):
		w = p.update(ctes)
	case p.word("DELETE"):
		w = p.delete(ctes)
	default:
		return nil, nil, false
	}
	p.take(";")
	return q, w, p.now().kind == tokenEnd
}

// with reads the queries that have names.
func (p *parser) with() (list []cte) {
	if !p.take("WITH") {
		return nil
	}
	p.take("RECURSIVE")
	for {
		c := cte{name: p.name()}
		if p.sign("(") {
			c.columns = p.names()
		}
		p.must("AS")
		if p.take("NOT") {
			p.must("MATERIALIZED")
		} else {
			p.take("MATERIALIZED")
		}
		p.must("(")
		c.query = p.query(p.with())
		p.must(")")
		list = append(list, c)
		if !p.take(",") {
			return list
		}
	}
}

// names reads names in brackets.
func (p *parser) names() (list []string) {
	p.must("(")
	for {
		list = append(list, p.name())
		if !p.take(",") {
			p.must(")")
			return list
		}
	}
}

func (p *parser) query(ctes []cte) *query {
	defer p.deeper()()
	q := &query{ctes: ctes}
	for {
		q.cores = append(q.cores, p.core())
		if !p.word("UNION", "EXCEPT", "INTERSECT") {
			break
		}
		p.at++
		p.take("ALL")
	}
	if p.word("ORDER") {
		q.order = p.order()
	}
	if p.take("LIMIT") {
		q.limit = append(q.limit, p.expr())
		if p.take("OFFSET") || p.take(",") {
			q.limit = append(q.limit, p.expr())
		}
	}
	return q
}

// order reads ORDER BY.
func (p *parser) order() (list []*node) {
	p.must("ORDER", "BY")
	for {
		list = append(list, p.expr())
		if !p.take("ASC") {
			p.take("DESC")
		}
		if p.take("NULLS") && !p.take("FIRST") {
			p.must("LAST")
		}
		if !p.take(",") {
			return list
		}
	}
}

func (p *parser) core() *core {
	c := &core{}
	if p.take("VALUES") {
		for {
			p.must("(")
			c.rows = append(c.rows, p.exprs())
			p.must(")")
			if !p.take(",") {
				return c
			}
		}
	}
	p.must("SELECT")
	if !p.take("DISTINCT") {
		p.take("ALL")
	}
	c.items = p.items()
	if p.take("FROM") {
		outer := p.merged
		p.merged = false
		c.from = p.sources(&c.where)
		c.merged, p.merged = p.merged, outer
	}
	if p.take("WHERE") {
		c.where = append(c.where, p.expr())
	}
	if p.take("GROUP") {
		p.must("BY")
		c.group = p.exprs()
	}
	if p.take("HAVING") {
		c.having = p.expr()
	}
	return c // WINDOW is not understood
}

// items reads the columns of a result.
func (p *parser) items() (list []item) {
	for {
		switch {
		case p.take("*"):
			list = append(list, item{})
		case p.isName() && p.ahead().text == "." && p.list[min(p.at+2, len(p.list)-1)].text == "*":
			list = append(list, item{star: p.name()})
			p.at += 2
		default:
			list = append(list, item{expr: p.expr(), alias: p.alias()})
		}
		if !p.take(",") {
			return list
		}
	}
}

// sources reads what follows FROM; conditions of joins go to where.
func (p *parser) sources(where *[]*node) (list []from) {
	for {
		list = append(list, p.source(where)...)
		if p.take("ON") {
			*where = append(*where, p.expr())
		} else if p.take("USING") {
			p.names()
			p.merged = true
		}
		if p.take(",") {
			continue
		}
		if !p.word("NATURAL", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "JOIN") {
			return list
		}
		for !p.take("JOIN") {
			p.merged = p.merged || p.word("NATURAL")
			if !p.word("NATURAL", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "OUTER") {
				p.give()
			}
			p.at++
		}
	}
}

func (p *parser) source(where *[]*node) []from {
	defer p.deeper()()
	if p.take("(") {
		if !p.word("SELECT", "VALUES", "WITH") {
			list := p.sources(where)
			p.must(")")
			return list
		}
		f := from{query: p.query(p.with())}
		p.must(")")
		f.alias = p.alias()
		return []from{f}
	}
	f := from{table: p.name()}
	if p.take(".") {
		f.table = p.name()
	}
	if p.take("(") {
		f.table, f.alias = "", f.table
		if !p.sign(")") {
			f.args = p.exprs()
		}
		p.must(")")
	} else {
		f.alias = f.table
	}
	if a := p.alias(); a != "" {
		f.alias = a
	}
	return []from{f}
}

func (p *parser) insert(ctes []cte) *write {
	w := &write{ctes: ctes}
	if !p.take("REPLACE") {
		p.must("INSERT")
		if p.take("OR") {
			p.at++
		}
	}
	p.must("INTO")
	p.target(w)
	if p.sign("(") {
		w.columns = p.names()
	}
	if p.take("DEFAULT") {
		p.must("VALUES")
	} else {
		w.query = p.query(p.with())
	}
	for p.take("ON") {
		p.must("CONFLICT")
		if p.sign("(") {
			p.names()
			if p.take("WHERE") {
				w.where = append(w.where, p.expr())
			}
		}
		p.must("DO")
		if p.take("NOTHING") {
			continue
		}
		p.must("UPDATE", "SET")
		w.sets = append(w.sets, p.sets()...)
		if p.take("WHERE") {
			w.where = append(w.where, p.expr())
		}
	}
	p.returned(w)
	return w
}

// target reads the table that is written to.
func (p *parser) target(w *write) {
	w.table = p.name()
	if p.take(".") {
		w.table = p.name()
	}
	w.alias = w.table
	if p.take("AS") {
		w.alias = p.name()
	}
}

func (p *parser) update(ctes []cte) *write {
	w := &write{ctes: ctes}
	p.must("UPDATE")
	if p.take("OR") {
		p.at++
	}
	p.target(w)
	p.must("SET")
	w.sets = p.sets()
	if p.take("FROM") {
		w.from = p.sources(&w.where)
	}
	if p.take("WHERE") {
		w.where = append(w.where, p.expr())
	}
	p.returned(w)
	return w
}

func (p *parser) delete(ctes []cte) *write {
	w := &write{ctes: ctes}
	p.must("DELETE", "FROM")
	p.target(w)
	if p.take("WHERE") {
		w.where = append(w.where, p.expr())
	}
	p.returned(w)
	return w
}

func (p *parser) returned(w *write) {
	if p.take("RETURNING") {
		w.returning = p.items()
	}
}

// sets reads assignments.
func (p *parser) sets() (list []set) {
	for {
		s := set{}
		if p.sign("(") {
			p.names()
		} else {
			s.column = p.name()
		}
		p.must("=")
		s.expr = p.expr()
		list = append(list, s)
		if !p.take(",") {
			return list
		}
	}
}
