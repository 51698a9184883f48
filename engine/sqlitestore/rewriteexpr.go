package sqlitestore

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// use is what is done with the value of an expression.
type use byte

const (
	useValue   use = iota // it goes to a function that is not ours, or decides
	useResult             // it is a column of a result
	useRaw                // it goes to a function of ours: a number, or the text of one
	useCompare            // it is compared, or ordered by
	useExact              // it is compared with all its digits, as by BETWEEN and IN
	useText               // it is looked at as text
)

// divDigits is how many more digits a quotient has than what is divided.
const divDigits = 4

// functions of ours that take the place of SQLite's for decimals.
var functions = map[string]string{
	"sum": fnSum, "avg": fnAvg, "abs": fnAbs, "round": fnDecimal, "mod": fnRem,
	"ceil": fnCeil, "ceiling": fnCeil, "floor": fnFloor,
	"min": "", "max": "", "coalesce": "", "ifnull": "", "nullif": "", "iif": "", "if": "",
}

// ofText are functions that look at their arguments as text.
var ofText = words("concat concat_ws group_concat string_agg length char_length lower upper trim ltrim rtrim substr substring replace instr")

// typeOf is the type that an expression has on MySQL.
func (r *rewriter) typeOf(n *node, sc *scope) typ {
	if !n.typed {
		n.typ, n.typed = r.find(n, sc), true
	}
	return n.typ
}

func (r *rewriter) find(n *node, sc *scope) typ {
	switch n.kind {
	case nodeNull:
		return typ{kind: typNull}
	case nodeText:
		return typ{kind: typText}
	case nodeNumber:
		return literalTyp(r.sql[n.from:n.to])
	case nodeParameter:
		if n.at >= 0 && n.at < len(r.args) {
			switch a := r.args[n.at].(type) {
			case nil:
				return typ{kind: typNull}
			case int64, bool:
				return typ{kind: typWhole}
			case engine.Decimal:
				_, scale, _ := a.Digits()
				return typ{kind: typDecimal, scale: scale}
			case float64:
				return typ{kind: typFloat}
			case string, time.Time: // which is sent as text
				return typ{kind: typText}
			}
		}
	case nodeNow:
		return typ{kind: current[n.op.text]}
	case nodeColumn:
		return sc.resolve(n.table, n.name)
	case nodeParen:
		return r.typeOf(n.kids[0], sc)
	case nodeSign:
		t := r.typeOf(n.kids[0], sc)
		return typ{kind: t.kind, scale: t.scale}
	case nodeBinary:
		return r.binary(n.op.text, r.typeOf(n.kids[0], sc), r.typeOf(n.kids[1], sc))
	case nodeCompare, nodeLogic:
		return typ{kind: typWhole}
	case nodeCall:
		return r.called(n, sc)
	case nodeCast:
		if t := columnTyp(n.name); t.kind == typDecimal {
			return typ{kind: typDecimal, scale: t.scale}
		}
		switch strings.ToLower(n.name) {
		case "date":
			return typ{kind: typDate}
		case "datetime":
			return typ{kind: typTimestamp}
		case "integer", "int", "signed", "unsigned", "bigint", "signed integer", "unsigned integer":
			if t := r.typeOf(n.kids[0], sc); t.kind == typDecimal {
				return typ{kind: typDecimal}
			}
			return typ{kind: typWhole}
		case "text", "char":
			return typ{kind: typText}
		case "real", "double", "float":
			return typ{kind: typFloat}
		}
	case nodeCase:
		var list []typ
		for i, k := range n.kids {
			if n.isResult(i) {
				list = append(list, r.typeOf(k, sc))
			}
		}
		return common(list)
	case nodeQuery: // for its type; it is gone through when it is known what for
		before := len(r.edits)
		rel := r.query(n.query, sc, nil, useResult)
		r.edits = r.edits[:before]
		if n.name == "exists" {
			return typ{kind: typWhole}
		}
		if len(rel.columns) == 1 && !rel.open {
			return rel.columns[0].typ
		}
	}
	return typ{}
}

// isResult says whether the i-th part of CASE is one of its results.
func (n *node) isResult(i int) bool {
	if n.base {
		i--
	}
	return i >= 0 && (i%2 == 1 || i == len(n.kids)-1-b2i(n.base) && i%2 == 0)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// literalTyp is the type of a number as it is written.
func literalTyp(s string) typ {
	if strings.ContainsAny(s, "eExX_") {
		if _, err := strconv.ParseInt(s, 0, 64); err == nil {
			return typ{kind: typWhole}
		}
		return typ{kind: typFloat}
	}
	whole, fraction, point := strings.Cut(s, ".")
	if _, err := strconv.ParseInt(whole, 10, 64); err == nil && !point {
		return typ{kind: typWhole}
	}
	return typ{kind: typDecimal, scale: len(fraction)}
}

// common is the type of a value that is one of several.
func common(list []typ) typ {
	t := typ{kind: typNull}
	for _, o := range list {
		switch {
		case o.kind == typNull:
		case t.kind == typNull:
			t = typ{kind: o.kind, scale: o.scale}
		case t.kind == o.kind && t.kind != typDecimal:
		case t.exact() && o.exact():
			t = typ{kind: max(t.kind, o.kind), scale: max(t.scale, o.scale)}
		case (t.exact() || t.kind == typFloat) && (o.exact() || o.kind == typFloat):
			t = typ{kind: typFloat}
		case t.kind == typText || o.kind == typText:
			t = typ{kind: typText}
		default:
			return typ{}
		}
	}
	return t
}

// binary is the type of what is calculated of two values.
func (r *rewriter) binary(op string, a, b typ) typ {
	if !strings.Contains("+-*/%", op) {
		return typ{}
	}
	if !a.exact() || !b.exact() {
		if (a.exact() || a.kind == typFloat) && (b.exact() || b.kind == typFloat) {
			return typ{kind: typFloat}
		}
		return typ{}
	}
	if op != "/" && a.kind != typDecimal && b.kind != typDecimal {
		return typ{kind: typWhole}
	}
	scale := max(a.scale, b.scale)
	switch op {
	case "*":
		scale = a.scale + b.scale
	case "/":
		scale = a.scale + divDigits
	}
	return typ{kind: typDecimal, scale: min(scale, maxScale)}
}

// called is the type of what a function gives.
func (r *rewriter) called(n *node, sc *scope) typ {
	var list []typ
	for _, k := range n.kids {
		list = append(list, r.typeOf(k, sc))
	}
	if n.name == "count" || n.name == "row_number" || sameAs[n.name] != "" {
		return typ{kind: typWhole}
	}
	if _, ours := functions[n.name]; !ours || len(list) == 0 {
		return typ{}
	}
	first := typ{kind: list[0].kind, scale: list[0].scale}
	switch n.name {
	case "avg":
		if first.exact() && first.kind != typNull {
			return typ{kind: typDecimal, scale: min(first.scale+divDigits, maxScale)}
		}
		return first
	case "sum":
		if first.kind == typWhole { // it may be more than a column holds
			return typ{kind: typDecimal}
		}
		return first
	case "round":
		if first.kind != typDecimal && first.kind != typWhole {
			return first
		}
		if len(list) == 1 {
			return typ{kind: typDecimal}
		}
		if k := n.kids[1]; k.literal() != nil {
			if digits, err := strconv.Atoi(r.sql[k.from:k.to]); err == nil {
				if first.kind == typWhole {
					digits = 0
				}
				return typ{kind: typDecimal, scale: max(0, min(digits, maxScale))}
			}
		}
		return typ{}
	case "ceil", "ceiling", "floor":
		if first.kind == typDecimal {
			return typ{kind: typDecimal}
		}
		return first
	case "mod":
		if len(list) == 2 {
			return r.binary("%", list[0], list[1])
		}
		return typ{}
	case "coalesce", "ifnull":
		return common(list)
	case "iif", "if":
		return common(list[1:])
	case "nullif":
		if len(list) != 2 || !first.exact() || !list[1].exact() {
			if first.kind == typDecimal {
				return typ{}
			}
			return first
		}
		if first.kind == typWhole && list[1].kind == typDecimal {
			return typ{kind: typDecimal} // so that they are compared by value
		}
		return first
	case "min", "max":
		if len(list) > 1 { // not the aggregate, and MySQL has no such function
			return typ{}
		}
	}
	return first
}

// emit goes through an expression.
func (r *rewriter) emit(n *node, sc *scope, u use) {
	t := r.typeOf(n, sc)
	if t.kind == typDecimal {
		r.decimal(n, t, sc, u)
		return
	}
	if n.kind == nodeCompare && (r.keyed(n, sc) || r.compared(n, sc)) {
		return
	}
	if n.kind == nodeQuery {
		r.query(n.query, sc, nil, useResult)
		return
	}
	if r.spoken(n, t, sc) {
		return
	}
	if t.kind == typFloat && n.kind == nodeBinary { // of which decimals are made floats
		rest := n.op.text == "%" // SQLite's own is of whole numbers
		if rest {
			r.put(n.from, "mod(")
		}
		r.emit(n.kids[0], sc, useRaw)
		if rest {
			r.replace(n.op.from, n.op.to, ",")
		}
		r.emit(n.kids[1], sc, useRaw)
		if rest {
			r.put(n.to, ")")
		}
		return
	}
	if n.kind == nodeCompare && n.op.text == "IN" {
		r.in(n, sc)
		return
	}
	inner := useValue
	switch {
	case n.kind == nodeParen, n.kind == nodeOther && n.op.text == "(": // (a), (a, b)
		inner = u
	case n.kind == nodeCompare:
		if inner = useCompare; slices.Contains([]string{"LIKE", "GLOB", "REGEXP", "MATCH"}, n.op.text) {
			inner = useText
		} else if n.op.text == "BETWEEN" {
			inner = useExact
		}
	case n.kind == nodeBinary && n.op.text == "||",
		n.kind == nodeCall && ofText[n.name],
		n.kind == nodeCall && t.kind == typText && functions[n.name] == "" && n.name != "min" && n.name != "max",
		n.kind == nodeCast && t.kind == typText,
		n.kind == nodeCase && t.kind == typText && !n.base:
		inner = useText
	case n.kind == nodeCase && n.base:
		inner = useCompare
	}
	for _, k := range n.kids {
		r.emit(k, sc, r.beside(n, k, sc, inner))
	}
	for _, k := range n.more {
		r.order(k, sc)
	}
}

// beside is what is done with a part of a comparison, where inner is with others: a
// decimal that is given is beside a text one, too, with all its digits.
func (r *rewriter) beside(n, k *node, sc *scope, inner use) use {
	if n.kind == nodeCompare && k.kind == nodeParameter && r.typeOf(k, sc).kind == typDecimal &&
		slices.ContainsFunc(n.kids, func(k *node) bool { return r.typeOf(k, sc).kind == typText }) {
		return useText
	}
	return inner
}

// in goes through IN: SQLite compares what is in the list as what is before it.
func (r *rewriter) in(n *node, sc *scope) {
	exact := false
	for _, k := range n.kids[1:] {
		exact = exact || r.typeOf(k, sc).kind == typDecimal
	}
	for i, k := range n.kids {
		if t := r.typeOf(k, sc); i == 0 && exact && k.kind != nodeColumn && t.exact() && (t.kind == typWhole || k.literal() != nil || k.kind == nodeParameter) {
			r.wrap(k, t, useExact, func() { r.emit(k, sc, useRaw) })
			continue
		}
		r.emit(k, sc, r.beside(n, k, sc, useExact))
	}
}

// keyed goes through a comparison of a key kept as text with what it equals, if
// it is one: as texts, so that its index is used.
func (r *rewriter) keyed(n *node, sc *scope) bool {
	if !slices.Contains([]string{"=", "==", "IN", "IS"}, n.op.text) {
		return false
	}
	var key typ
	for i, k := range n.kids {
		t := r.typeOf(k, sc)
		switch {
		case k.kind == nodeColumn && t.key && (key == typ{} || key == t):
			key = t
		case k.kind == nodeColumn, k.kind == nodeQuery, i == 0 && n.op.text == "IN":
			return false
		}
	}
	if (key == typ{}) {
		return false
	}
	for _, k := range n.kids {
		if k.kind == nodeColumn || k.kind == nodeNull {
			continue
		}
		r.put(k.from, fnKey+"(")
		r.emit(k, sc, useRaw)
		r.put(k.to, ", "+strconv.Itoa(key.scale)+")")
	}
	return true
}

// compared goes through a comparison of points in time, dates or times of day,
// if it is one: what is given beside a column is written as the column keeps it.
func (r *rewriter) compared(n *node, sc *scope) bool {
	kind := typUnknown
	for _, k := range n.kids {
		if t := r.typeOf(k, sc); k.kind != nodeParameter && times[t.kind] != "" {
			kind = max(kind, t.kind)
		}
	}
	if kind == typUnknown {
		return false
	}
	for _, k := range n.kids {
		t := r.typeOf(k, sc)
		given := k.kind == nodeText || k.kind == nodeParameter || k.kind == nodeNow || k.kind != nodeQuery && times[t.kind] != "" && t.kind != kind
		if given {
			r.put(k.from, fnTime+"(")
		}
		r.emit(k, sc, useValue)
		if given {
			r.put(k.to, ", '"+times[kind]+"')")
		}
	}
	return true
}

// decimal goes through an expression that is a decimal.
func (r *rewriter) decimal(n *node, t typ, sc *scope, u use) {
	collate := " COLLATE " + decimalOrder
	if lit := n.literal(); lit != nil && u != useText && u != useResult {
		text := r.sql[lit.from:lit.to]
		long := len(strings.Trim(text, "0.")) > exactDigits
		if u == useRaw || (u == useCompare || u == useExact) && long {
			if lit != n {
				r.replace(n.from, lit.from, "")
				text = n.op.text + text
			}
			if text = "'" + text + "'"; u != useRaw { // it may be compared with a bare number
				text = "(CAST(" + text + " AS TEXT)" + collate + ")"
			}
			r.replace(lit.from, lit.to, text)
		}
		return
	}
	switch n.kind {
	case nodeParen:
		r.emit(n.kids[0], sc, u)
		return
	case nodeParameter: // it comes as what a literal is left as, or made
		_, long := bare(r.args[n.at].(engine.Decimal)).(string)
		switch {
		case u == useRaw:
		case (u == useCompare || u == useExact) && long:
			r.wrap(n, t, useExact, func() {})
		case u != useCompare && u != useExact:
			r.wrap(n, t, u, func() {})
		}
		return
	case nodeColumn:
		switch {
		case u == useText:
			r.wrap(n, t, u, func() {})
		case (u == useCompare || u == useExact) && t.text:
			r.put(n.to, collate)
		}
		return
	case nodeQuery: // its value is text already, or a column's
		inner := useResult
		if u == useRaw || u == useExact {
			inner = u
		}
		r.query(n.query, sc, nil, inner)
		if u == useCompare || u == useExact {
			r.put(n.to, collate)
		}
		return
	}
	r.wrap(n, t, u, func() { r.calculated(n, sc) })
}

// wrap puts around a decimal what makes it what it is used as. inside goes
// through what is in it.
func (r *rewriter) wrap(n *node, t typ, u use, inside func()) {
	before, behind := "", ""
	scale := ", " + strconv.Itoa(t.scale) + ")"
	switch u {
	case useText:
		before, behind = fnDecimal+"(", scale
	case useExact:
		before, behind = "(CAST(", " AS TEXT) COLLATE "+decimalOrder+")"
	case useValue, useResult, useCompare:
		before, behind = "(CAST("+fnDecimal+"(", scale+" AS TEXT) COLLATE "+decimalOrder+")"
	}
	r.put(n.from, before)
	inside()
	r.put(n.to, behind)
}

// literal is the number if the node is one, with or without a sign.
func (n *node) literal() *node {
	if n.kind == nodeNumber {
		return n
	}
	if n.kind == nodeSign && n.kids[0].kind == nodeNumber {
		return n.kids[0]
	}
	return nil
}

// calculated goes through an expression that calculates a decimal.
func (r *rewriter) calculated(n *node, sc *scope) {
	if n.literal() != nil {
		r.emit(n, sc, useRaw)
		return
	}
	switch n.kind {
	case nodeSign:
		name := ""
		if n.op.text == "-" {
			name = fnNeg
		}
		r.replace(n.op.from, n.op.to, name+"(")
		r.emit(n.kids[0], sc, useRaw)
		r.put(n.to, ")")
	case nodeBinary:
		name := map[string]string{"+": fnAdd, "-": fnSub, "*": fnMul, "/": fnDiv, "%": fnRem}[n.op.text]
		r.put(n.from, name+"(")
		r.emit(n.kids[0], sc, useRaw)
		r.replace(n.op.from, n.op.to, ",")
		r.emit(n.kids[1], sc, useRaw)
		if n.op.text == "/" {
			r.put(n.to, ", "+strconv.Itoa(n.kids[0].digits())+", "+strconv.Itoa(n.kids[1].digits()))
		}
		r.put(n.to, ")")
	case nodeCast:
		r.replace(n.from, n.kids[0].from, fnDecimal+"(")
		r.emit(n.kids[0], sc, useRaw)
		r.replace(n.kids[0].to, n.to, ", "+strconv.Itoa(n.typ.scale)+")")
	case nodeCase:
		for i, k := range n.kids {
			u := useValue
			switch {
			case n.isResult(i):
				u = useRaw
			case n.base:
				u = useCompare
			}
			r.emit(k, sc, u)
		}
	case nodeCall:
		r.call(n, sc)
	}
}

// digits is how many digits behind the point the value of an expression has at
// least, however it comes.
func (n *node) digits() int {
	switch n.kind {
	case nodeParen, nodeSign:
		return n.kids[0].digits()
	case nodeCall, nodeCase, nodeQuery: // it may be one of several
		return 0
	}
	return n.typ.scale
}

// call goes through a function that gives a decimal.
func (r *rewriter) call(n *node, sc *scope) {
	if name := functions[n.name]; name != "" {
		r.replace(n.op.from, n.op.to, name)
	}
	for i, k := range n.kids {
		u := useRaw
		switch {
		case n.name == "min", n.name == "max":
			u = useCompare
		case n.name == "iif" && i == 0, n.name == "if" && i == 0:
			u = useValue
		case n.name == "round" && i == 1:
			continue
		}
		nullif := n.name == "nullif" && k.kind != nodeNull
		if nullif { // it compares, and takes no number for the text of one
			r.put(k.from, fnDecimal+"(")
		}
		r.emit(k, sc, u)
		if nullif {
			r.put(k.to, ", "+strconv.Itoa(2*maxScale)+")")
		}
		if n.name == "round" && len(n.kids) == 1 {
			r.put(k.to, ", 0")
		}
	}
	for _, k := range n.more {
		r.order(k, sc)
	}
}
