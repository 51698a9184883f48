package sqlitestore

import "strings"

// current are the words for the time, what they are, and the function that makes them.
var current = map[string]struct {
	kind typKind
	of   string
}{"CURRENT_TIMESTAMP": {typTimestamp, "datetime"}, "CURRENT_DATE": {typDate, "date"}, "CURRENT_TIME": {typTime, "time"}}

// clocks are functions that know the time, and which argument says that it is meant; none
// there does, too.
var clocks = map[string]int{"date": 0, "time": 0, "datetime": 0, "julianday": 0, "unixepoch": 0, "strftime": 1}

// clock puts the time in the place of what means it.
func (r *rewriter) clock(n *node) {
	if r.now == "" {
		return
	}
	now := "'" + r.now + "'"
	if n.kind == nodeNow {
		r.replace(n.from, n.to, current[n.op.text].of+"("+now+")")
		return
	}
	i, is := clocks[n.name]
	switch {
	case n.kind != nodeCall || !is:
	case len(n.kids) > i:
		if k := n.kids[i]; k.kind == nodeText && strings.EqualFold(r.sql[k.from:k.to], "'now'") {
			r.replace(k.from, k.to, now)
		}
	case i == 0:
		r.put(n.to-1, now)
	case len(n.kids) == i:
		r.put(n.to-1, ", "+now)
	}
}
