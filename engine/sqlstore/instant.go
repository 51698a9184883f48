package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// A text such as 2024-01-01T10:00:00+02:00 is a point in time where it is compared
// with one or becomes one, and a text everywhere else. Servers do not agree: MariaDB
// drops the offset, or refuses it. So where a statement shows that a point in time is
// meant, such a value is written in UTC, as SQLite's statements do. What a statement
// is about is seen from the words around the question mark and the types of the
// columns among them; where they do not tell, the text stays one.

// instant is the point in time that a text with an offset tells.
func instant(v any) (t time.Time, ok bool) {
	s, is := v.(string)
	if !is || len(s) < len("2006-01-02T15:04:05Z") || len(s) > len(time.RFC3339Nano)+3 || s[4] != '-' || s[10] != 'T' && s[10] != ' ' || plainTimestamp(s) {
		return t, false
	}
	if s[len(s)-1] != 'Z' && s[len(s)-3] != ':' || !strings.ContainsAny(s[19:], "Z+-") {
		return t, false
	}
	if t, ok = ParseTimestamp(s); ok {
		ok = hasYear(t)
	}
	return t, ok
}

// instants writes values in UTC that are meant as points in time.
func (s *Session) instants(ctx context.Context, x *sql.Conn, query string, args []any) []any {
	is := func(v any) bool { _, ok := instant(v); return ok }
	if !slices.ContainsFunc(args, is) {
		return args
	}
	m := &meaning{words: tokensOf(query, false)}
	var marks []int
	for i, w := range m.words {
		if w == "?" {
			marks = append(marks, i)
		}
	}
	if len(marks) != len(args) {
		return args
	}
	m.t = &teller{s: s, ctx: ctx, x: x, tables: tablesOf(query, false)}
	args = slices.Clone(args)
	for i, at := range marks {
		if t, ok := instant(args[i]); ok && m.moment(at, at) {
			args[i] = TimeText(t)
		}
	}
	return args
}

// meaning finds out what the values of a statement are.
type meaning struct {
	words []string
	t     *teller
}

// Functions by what they have to do with points in time.
var (
	// alike are of the type of what is given to them.
	alike = words("COALESCE IFNULL NULLIF IF MIN MAX GREATEST LEAST ANY_VALUE NVL")
	// moments are points in time or dates, whatever is given to them.
	moments = words("NOW CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP UTC_TIMESTAMP SYSDATE CURDATE CURRENT_DATE UTC_DATE TIMESTAMP DATE DATE_ADD DATE_SUB ADDDATE SUBDATE TIMESTAMPADD CONVERT_TZ LAST_DAY FROM_UNIXTIME FROM_DAYS STR_TO_DATE MAKEDATE")
	// ofMoments are given points in time or dates.
	ofMoments = words("TIMESTAMP DATE TIME DATE_ADD DATE_SUB ADDDATE SUBDATE TIMESTAMPADD TIMESTAMPDIFF DATEDIFF TIMEDIFF CONVERT_TZ LAST_DAY DATE_FORMAT UNIX_TIMESTAMP TO_DAYS TO_SECONDS EXTRACT YEAR QUARTER MONTH WEEK WEEKDAY WEEKOFYEAR YEARWEEK DAY DAYNAME DAYOFMONTH DAYOFWEEK DAYOFYEAR MONTHNAME HOUR MINUTE SECOND MICROSECOND")
	// castTo are the types of a cast that are such.
	castTo = words("DATE DATETIME TIMESTAMP")
	// noOperand end an operand, and are none themselves.
	noOperand = words("SELECT FROM WHERE AND OR XOR NOT ON SET HAVING WHEN THEN ELSE CASE BY IN VALUES VALUE BETWEEN LIKE IS AS INTERVAL DISTINCT")
)

func (m *meaning) at(i int) string {
	if i < 0 || i >= len(m.words) {
		return ""
	}
	return m.words[i]
}

func (m *meaning) upper(i int) string { return strings.ToUpper(m.at(i)) }

func (m *meaning) isName(i int) bool {
	w := m.at(i)
	return w != "" && (w[0] == '`' || isWordByte(w[0]) && (w[0] < '0' || w[0] > '9')) && !noOperand[strings.ToUpper(w)]
}

func (m *meaning) compares(i int) bool { return m.at(i) != "" && strings.Contains("<>=!", m.at(i)) }

func (m *meaning) calculates(i int) bool {
	return m.at(i) != "" && strings.Contains("+-*/%|&^", m.at(i))
}

// moment says whether the value that the words from and to are, and all between them,
// is a point in time or a date, by what is around it.
func (m *meaning) moment(from, to int) bool {
	before := from - 1
	for m.compares(before) {
		before--
	}
	after := to + 1
	for m.compares(after) {
		after++
	}
	switch {
	case before < from-1 && m.endsIn(before, 0):
		return true
	case after > to+1 && m.beginsAt(after):
		return true
	case m.upper(from-1) == "BETWEEN" && m.endsIn(m.unlessNot(from-2), 0):
		return true
	case m.upper(from-1) == "AND" && m.endsIn(m.between(from-2), 0):
		return true
	case m.upper(to+1) == "BETWEEN" && m.beginsAt(to+2), m.upper(to+1) == "NOT" && m.upper(to+2) == "BETWEEN" && m.beginsAt(to+3):
		return true
	case m.calculates(to+1) && m.upper(to+2) == "INTERVAL":
		return true
	}
	return m.inside(from, to)
}

// unlessNot is the place, or the one before a NOT there.
func (m *meaning) unlessNot(i int) int {
	if m.upper(i) == "NOT" {
		return i - 1
	}
	return i
}

// between is the place before the BETWEEN whose AND is behind i, or -1.
func (m *meaning) between(i int) int {
	for ; i >= 0; i-- {
		switch m.upper(i) {
		case ")":
			i = m.opening(i)
		case "BETWEEN":
			return m.unlessNot(i - 1)
		case "(", "AND", "OR", "WHERE", "ON", "HAVING":
			return -1
		}
	}
	return -1
}

// inside is moment for the brackets that a value is in.
func (m *meaning) inside(from, to int) bool {
	open, n := m.enclosing(from)
	if open < 0 {
		return false
	}
	closing := m.closing(open)
	switch f := m.upper(open - 1); {
	case f == "IN":
		return m.endsIn(m.unlessNot(open-2), 0)
	case f == "VALUES", f == "VALUE", f == ",", f == "(":
		if at := m.values(open); at >= 0 {
			return m.written(at, n)
		}
		if outer, _ := m.enclosing(open); m.upper(outer-1) == "IN" { // a list of keys
			return m.endsIn(m.unlessNot(outer-2), n)
		}
		return f != "," && from == open+1 && to == closing-1 && m.moment(open, closing)
	case m.compares(open - 1): // a key of several columns
		before := open - 1
		for m.compares(before) {
			before--
		}
		return m.endsIn(before, n)
	case alike[f]:
		return m.among(open+1, closing) || m.moment(open-1, closing)
	case f == "CAST", f == "CONVERT":
		return m.casts(closing)
	case ofMoments[f]:
		return true
	case from == open+1 && to == closing-1 && !m.isName(open-1):
		return m.moment(open, closing)
	}
	return false
}

// enclosing is the bracket that is open at a place, and how many commas are between.
func (m *meaning) enclosing(i int) (open, commas int) {
	for i--; i >= 0; i-- {
		switch m.words[i] {
		case ")":
			i = m.opening(i)
		case "(":
			return i, commas
		case ",":
			commas++
		}
	}
	return -1, 0
}

// opening is the bracket that the one at i closes, or -1.
func (m *meaning) opening(i int) int {
	for depth := 0; i >= 0; i-- {
		switch m.words[i] {
		case ")":
			depth++
		case "(":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// closing is the bracket that closes the one at i, or the end.
func (m *meaning) closing(i int) int {
	for depth := 0; i < len(m.words); i++ {
		switch m.words[i] {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(m.words)
}

// values is the place of the VALUES that a row belongs to which begins at open, or -1.
func (m *meaning) values(open int) int {
	for open--; open >= 0; open-- {
		switch m.upper(open) {
		case ",":
			if open--; m.at(open) != ")" {
				return -1
			}
			open = m.opening(open)
		case "VALUES", "VALUE":
			return open
		default:
			return -1
		}
	}
	return -1
}

// written says whether the n-th value of a row is for a column of points in time;
// values is the place of VALUES.
func (m *meaning) written(values, n int) bool {
	if len(m.t.tables) == 0 {
		return false
	}
	shape := m.t.shape(m.t.tables[0].name)
	if m.at(values-1) != ")" { // all columns
		return n < len(shape.Columns) && isMoment(shape.Columns[n].Type)
	}
	for i := m.opening(values-1) + 1; i > 0 && i < values-1; i++ {
		if m.at(i) == "," {
			n--
		} else if n == 0 {
			return isMoment(shape.typeOf(strings.TrimPrefix(m.at(i), "`")))
		}
	}
	return false
}

// endsIn says whether what ends at a place is a point in time or a date; n is which
// one, if it is several in brackets.
func (m *meaning) endsIn(i, n int) bool {
	if m.at(i) == ")" {
		open := m.opening(i)
		return open >= 0 && m.bracket(open, i, n)
	}
	if m.upper(i-2) == "INTERVAL" {
		return m.calculates(i-3) && m.endsIn(i-4, 0)
	}
	if !m.isName(i) {
		return false
	}
	first := i
	for m.at(first-1) == "." && m.isName(first-2) {
		first -= 2
	}
	return !m.calculates(first-1) && m.column(first, i)
}

// beginsAt says whether what begins at a place is a point in time or a date.
func (m *meaning) beginsAt(i int) bool {
	switch {
	case m.at(i) == "(":
		return m.bracket(i, m.closing(i), 0)
	case !m.isName(i):
		return false
	case m.at(i+1) == "(":
		return m.bracket(i+1, m.closing(i+1), 0)
	}
	last := i
	for m.at(last+1) == "." && m.isName(last+2) {
		last += 2
	}
	return (!m.calculates(last+1) || m.upper(last+2) == "INTERVAL") && m.column(i, last)
}

// bracket says whether a call, or what is in brackets, is a point in time or a date.
func (m *meaning) bracket(open, closing, n int) bool {
	f := m.upper(open - 1)
	switch {
	case moments[f]:
		return true
	case alike[f]:
		return m.among(open+1, closing)
	case f == "CAST", f == "CONVERT":
		return m.casts(closing)
	case m.isName(open-1) && f != "ANY" && f != "ALL" && f != "SOME":
		return false
	case m.upper(open+1) == "SELECT":
		end := open + 2
		for end < closing && m.upper(end) != "FROM" && m.at(end) != "," {
			end++
		}
		return m.among(open+2, end)
	}
	for i := open + 1; i < closing; i++ { // the n-th one
		switch {
		case m.at(i) == "(":
			i = m.closing(i)
		case m.at(i) == ",":
			n--
		case n == 0 && m.beginsAt(i):
			return true
		}
	}
	return false
}

// casts says whether the cast that ends at a bracket makes a point in time or a date.
func (m *meaning) casts(closing int) bool {
	if m.at(closing-1) == ")" { // how many digits it has
		closing = m.opening(closing - 1)
	}
	return castTo[m.upper(closing-1)]
}

// among says whether one of the columns, or calls, between two places is a point in time.
func (m *meaning) among(from, to int) bool {
	for i := from; i < to; i++ {
		if m.at(i-1) != "." && m.beginsAt(i) {
			return true
		}
		if m.at(i) == "(" {
			i = m.closing(i)
		}
	}
	return false
}

// column says whether a column is of points in time or dates; its name, with what is
// before it, is from first to last.
func (m *meaning) column(first, last int) bool {
	name := func(i int) string { return strings.TrimPrefix(m.at(i), "`") }
	if first == last && moments[m.upper(last)] { // CURRENT_TIMESTAMP without brackets
		return true
	}
	for _, of := range m.t.tables {
		if last > first && !strings.EqualFold(of.alias, name(last-2)) && !strings.EqualFold(bare(of.name), name(last-2)) {
			continue
		}
		if shape := m.t.shape(of.name); shape.column(name(last)) != nil {
			return isMoment(shape.typeOf(name(last)))
		}
	}
	for i := range m.words { // of a result
		if i != last && m.upper(i-1) == "AS" && strings.EqualFold(name(i), name(last)) {
			return m.endsIn(i-2, 0)
		}
	}
	return false
}

func isMoment(typ string) bool {
	name, _, err := engine.ParseColumnType(typ)
	return err == nil && (name == "timestamp" || name == "date")
}
