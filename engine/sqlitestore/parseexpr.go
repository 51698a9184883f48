package sqlitestore

// exprs reads expressions with commas between them.
func (p *parser) exprs() (list []*node) {
	for {
		list = append(list, p.expr())
		if !p.take(",") {
			return list
		}
	}
}

// levels are SQLite's binary operators of numbers and bits, the loosest first.
var levels = [][]string{{"&", "|", "<<", ">>"}, {"+", "-"}, {"*", "/", "%"}, {"||", "->", "->>"}}

// expr reads an expression.
func (p *parser) expr() *node {
	defer p.deeper()()
	return p.logic("OR", func() *node { return p.logic("AND", p.not) })
}

// done ends a node where the parser is.
func (p *parser) done(kind nodeKind, op token, kids ...*node) *node {
	n := &node{kind: kind, from: kids[0].from, to: p.last(), op: op, kids: kids}
	for _, k := range kids {
		n.depth = max(n.depth, k.depth+1)
	}
	if n.depth > maxDepth {
		p.give()
	}
	return n
}

func (p *parser) logic(word string, part func() *node) *node {
	n := part()
	for p.word(word) {
		op := p.next()
		n = p.done(nodeLogic, op, n, part())
	}
	return n
}

func (p *parser) not() *node {
	if !p.word("NOT") {
		return p.compare()
	}
	defer p.deeper()()
	op := p.next()
	n := p.done(nodeLogic, op, p.not())
	n.from = op.from
	return n
}

// compare reads comparisons. Which of them binds more tightly does not matter
// here: what they give is true or false.
func (p *parser) compare() *node {
	n := p.binary(0)
	for {
		op := p.now()
		not := p.word("NOT") && p.ahead().kind == tokenWord
		if not {
			op = p.ahead()
		}
		switch {
		case !not && op.kind == tokenSign && isComparison[op.text]:
			p.at++
			n = p.done(nodeCompare, op, n, p.binary(0))
		case not && op.text == "NULL":
			p.at += 2
			n = p.done(nodeLogic, op, n)
		case op.kind != tokenWord:
			return n
		case !not && (op.text == "ISNULL" || op.text == "NOTNULL"):
			p.at++
			n = p.done(nodeLogic, op, n)
		case !not && op.text == "IS":
			p.at++
			p.take("NOT")
			if p.take("DISTINCT") {
				p.must("FROM")
			}
			n = p.done(nodeCompare, op, n, p.binary(0))
		case op.text == "BETWEEN":
			p.skip(not)
			low := p.binary(0)
			p.must("AND")
			n = p.done(nodeCompare, op, n, low, p.binary(0))
		case op.text == "IN":
			p.skip(not)
			n = p.in(op, n)
		case op.text == "LIKE" || op.text == "GLOB" || op.text == "REGEXP" || op.text == "MATCH":
			p.skip(not)
			kids := []*node{n, p.binary(0)}
			if p.take("ESCAPE") {
				kids = append(kids, p.binary(0))
			}
			n = p.done(nodeCompare, op, kids...)
		default:
			return n
		}
	}
}

var isComparison = words("= == <> != < <= > >=")

// skip passes over an operator, and NOT before it.
func (p *parser) skip(not bool) {
	p.at++
	if not {
		p.at++
	}
}

// in reads what follows IN.
func (p *parser) in(op token, left *node) *node {
	if !p.sign("(") { // a table
		p.name()
		return p.done(nodeCompare, op, left)
	}
	kids := []*node{left}
	if a := p.ahead(); a.kind == tokenWord && (a.text == "SELECT" || a.text == "VALUES" || a.text == "WITH") {
		kids = append(kids, p.primary())
	} else {
		p.must("(")
		if !p.sign(")") {
			kids = append(kids, p.exprs()...)
		}
		p.must(")")
	}
	return p.done(nodeCompare, op, kids...)
}

// binary reads operators of a level and of those that bind more tightly.
func (p *parser) binary(level int) *node {
	if level == len(levels) {
		return p.collated()
	}
	n := p.binary(level + 1)
	for {
		op, found := p.now(), false
		for _, s := range levels[level] {
			found = found || p.sign(s)
		}
		if !found {
			return n
		}
		p.at++
		n = p.done(nodeBinary, op, n, p.binary(level+1))
	}
}

func (p *parser) collated() *node {
	n := p.unary()
	for p.word("COLLATE") {
		op := p.next()
		p.name()
		n = p.done(nodeOther, op, n)
	}
	return n
}

func (p *parser) unary() *node {
	if !p.sign("-") && !p.sign("+") && !p.sign("~") {
		return p.primary()
	}
	defer p.deeper()()
	op := p.next()
	kind := nodeSign
	if op.text == "~" {
		kind = nodeOther
	}
	n := p.done(kind, op, p.unary())
	n.from = op.from
	return n
}

// primary reads what operators stand between.
func (p *parser) primary() *node {
	t := p.now()
	n := &node{from: t.from, op: t}
	switch {
	case t.kind == tokenText:
		n.kind = nodeText
		p.at++
	case t.kind == tokenNumber:
		n.kind = nodeNumber
		p.at++
	case t.kind == tokenParameter:
		if n.kind, n.at = nodeParameter, -1; t.text == "?" {
			n.at = p.params
			p.params++
		}
		p.at++
	case p.sign("("):
		p.at++
		if p.word("SELECT", "VALUES", "WITH") {
			n.kind, n.query = nodeQuery, p.query(p.with())
		} else if n.kids = p.exprs(); len(n.kids) == 1 {
			n.kind = nodeParen
		}
		p.must(")")
	case p.word("EXISTS"):
		p.at++
		p.must("(")
		n.kind, n.query = nodeQuery, p.query(p.with())
		n.name = "exists"
		p.must(")")
	case p.word("CASE"):
		p.cases(n)
	case p.word("CAST") && p.ahead().text == "(":
		p.at += 2
		n.kind, n.kids = nodeCast, []*node{p.expr()}
		p.must("AS")
		if p.sign(")") {
			p.give() // there is no type
		}
		from := p.now().from
		for depth := 0; depth > 0 || !p.sign(")"); p.at++ {
			if p.sign("(") {
				depth++
			} else if p.sign(")") {
				depth--
			}
			if p.now().kind == tokenEnd {
				p.give()
			}
		}
		n.name = p.sql[from:p.last()]
		p.must(")")
	case p.word("NULL"):
		n.kind = nodeNull
		p.at++
	case p.word("TRUE", "FALSE"):
		n.kind = nodeLogic
		p.at++
	case p.word("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"):
		n.kind = nodeNow
		p.at++
	case p.isName() && p.ahead().text == "(" && t.kind == tokenWord:
		p.call(n)
	case p.isName():
		n.kind, n.name = nodeColumn, p.name()
		for p.take(".") {
			n.table, n.name = n.name, p.name()
		}
	default:
		p.give()
	}
	n.to = p.last()
	return n
}

// cases reads CASE.
func (p *parser) cases(n *node) {
	n.kind = nodeCase
	p.must("CASE")
	if !p.word("WHEN") {
		n.base, n.kids = true, append(n.kids, p.expr())
	}
	for p.take("WHEN") {
		n.kids = append(n.kids, p.expr())
		p.must("THEN")
		n.kids = append(n.kids, p.expr())
	}
	if p.take("ELSE") {
		n.kids = append(n.kids, p.expr())
	}
	p.must("END")
}

// call reads a function with its arguments, its filter and its window.
func (p *parser) call(n *node) {
	n.kind, n.name = nodeCall, lower(p.next())
	p.must("(")
	if !p.take("*") && !p.sign(")") {
		if !p.take("DISTINCT") {
			p.take("ALL")
		}
		n.kids = p.exprs()
		if p.word("ORDER") {
			n.more = p.order()
		}
	}
	p.must(")")
	if p.word("FILTER") && p.ahead().text == "(" {
		p.at += 2
		p.must("WHERE")
		n.more = append(n.more, p.expr())
		p.must(")")
	}
	if !p.take("OVER") {
		return
	}
	p.must("(")
	if p.take("PARTITION") {
		p.must("BY")
		n.more = append(n.more, p.exprs()...)
	}
	if p.word("ORDER") {
		n.more = append(n.more, p.order()...)
	}
	for !p.sign(")") { // the frame
		if p.now().kind == tokenEnd || p.sign("(") || p.now().kind == tokenParameter {
			p.give()
		}
		p.at++
	}
	p.must(")")
}
