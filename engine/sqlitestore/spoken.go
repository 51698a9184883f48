package sqlitestore

// sameAs are functions that are called otherwise here: LENGTH is of bytes on servers.
var sameAs = map[string]string{"length": "octet_length", "char_length": "length", "character_length": "length"}

// spoken goes through what SQLite takes for something else, and does not tell: false if it
// is something else.
func (r *rewriter) spoken(n *node, t typ, sc *scope) bool {
	between := func(text string, u use) {
		for i, k := range n.kids {
			if i > 0 {
				r.replace(n.kids[i-1].to, k.from, text)
			}
			r.emit(k, sc, u)
		}
	}
	switch {
	case n.kind == nodeCall && sameAs[n.name] != "" && len(n.kids) == 1:
		r.replace(n.op.from, n.op.to, sameAs[n.name])
		r.emit(n.kids[0], sc, useText)
	case n.kind == nodeCall && n.name == "mod" && t.kind == typWhole: // which gives a float here
		r.replace(n.op.from, n.op.to, "(")
		between(") % (", useValue)
		r.put(n.to, ")")
	case n.kind == nodeCall && n.name == "concat" && len(n.kids) > 0: // of NULL it is NULL
		r.replace(n.op.from, n.op.to, "(")
		between(") || (", useText)
		r.put(n.to, " || '')")
	case n.kind == nodeCast && (t.kind == typDate || t.kind == typTimestamp):
		of, as := "date(", asDay
		if t.kind == typTimestamp { // as columns hold it
			of, as = "strftime('%Y-%m-%d %H:%M:%S.000000', ", asTimestamp
		}
		r.replace(n.from, n.kids[0].from, of+fnTime+"(")
		r.emit(n.kids[0], sc, useValue)
		r.replace(n.kids[0].to, n.to, ", '"+as+"'))")
	default:
		return false
	}
	return true
}
