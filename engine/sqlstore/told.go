package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// Bounds of what an error tells of a statement.
const (
	shownTables = 6 // whose columns are looked at
	shownOwn    = 500
)

// told makes an error of a script's statement one for its author: what is wrong, in
// the same words on every database, with the database's own behind them. x is the
// connection on which it failed.
func (s *Session) told(ctx context.Context, x Execer, query string, err error) error {
	said, ended := s.hookError(err)
	f, ok := said.(*engine.Failure)
	if ended || !ok || ctx.Err() != nil {
		return err
	}
	t := &teller{s: s, ctx: ctx, x: x, Fault: s.fault(err)}
	if t.Kind == FaultCondition { // MariaDB has one on columns of JSON
		if shape := t.shape(t.Table); shape.typeOf(t.Columns[0]) == "json" {
			t.Kind, f.Code = FaultType, "db.value"
		}
	}
	t.tables = tablesOf(query, s.store.D.Name() == "sqlite")
	if message := t.statement(query); message != "" {
		f.Message = message + t.own()
	}
	return f
}

// teller words a fault of a statement.
type teller struct {
	s   *Session
	ctx context.Context
	x   Execer
	Fault
	tables []tableName // of the statement
}

// shape is a table's shape; empty if it cannot be had. A script may go through
// thousands of errors, so it is remembered where that can be.
func (t *teller) shape(table string) Shape {
	if table == "" {
		return Shape{}
	}
	if shape, ok := t.s.dry.made[table]; ok {
		return shape
	}
	shape, ok, err := t.s.lookBeside(t.ctx, table)
	if !ok && err == nil {
		shape, err = t.s.d.DescribeTable(t.ctx, t.x, table)
	}
	if err != nil {
		return Shape{}
	}
	return shape
}

// own are the database's own words, as they stand behind what is said.
func (t *teller) own() string {
	says := t.s.strikeParts(t.Says)
	if r := []rune(says); len(r) > shownOwn {
		says = string(r[:shownOwn]) + "..."
	}
	if says == "" {
		return ""
	}
	return " (the database says: " + says + ")"
}

// statement says what is wrong with a statement; "": that is not known.
func (t *teller) statement(query string) string {
	switch t.Kind {
	case FaultNoTable:
		return t.noTable()
	case FaultNoColumn:
		return t.noColumn()
	case FaultNoFunction:
		return fmt.Sprintf("there is no function %s in this database's SQL", t.Value)
	case FaultSyntax:
		return t.syntax(query)
	case FaultOverflow:
		return "a number that the statement works out is too large for its type: calculate with decimals, as in CAST(... AS DECIMAL(38,0)), or leave out the rows for which it is"
	case FaultCount:
		return "the statement does not give as many values as it names columns: write one ? or value for each column, and name the columns"
	}
	if len(t.Columns) == 0 && t.Index == "" {
		return ""
	}
	column, of := "", ""
	if len(t.Columns) > 0 {
		column = t.Columns[0]
	}
	if t.Table == "" && len(t.tables) > 0 && t.Kind != FaultAmbiguous { // the one that is written
		t.Table = t.tables[0].name
	}
	if t.Table != "" {
		of = " of " + t.Table
	}
	switch t.Kind {
	case FaultAmbiguous:
		like := "t"
		if len(t.tables) > 0 && t.tables[0].alias != "" {
			like = t.tables[0].alias
		}
		return fmt.Sprintf("several tables of the statement have a column %s: say which one is meant, as in %s.%[1]s", column, like)
	case FaultDuplicate:
		return t.duplicate(nil)
	case FaultNull:
		return fmt.Sprintf("column %s%s cannot be NULL: give it a value", column, of)
	case FaultNotGiven:
		return fmt.Sprintf("column %s%s is left out, and it can neither be NULL nor has it a default: give it a value", column, of)
	}
	if !t.rowKind() {
		return ""
	}
	typ := ""
	if shape := t.shape(t.Table); len(shape.Columns) > 0 {
		if column == TheKey {
			if column = "of the key"; len(shape.keys()) == 1 {
				column = shape.keys()[0]
			}
		}
		typ = shape.typeOf(column)
	}
	is := ""
	if typ != "" {
		is = " is of type " + typ + " and"
	}
	return fmt.Sprintf("column %s%s%s cannot hold the value: %s", strings.ReplaceAll(column, TheKey, "of the key"), of, is, t.why(typ))
}

// duplicate says that a row is there already; values are those of the columns, as
// "id = 1", if they are known.
func (t *teller) duplicate(values []string) string {
	columns := t.Columns
	if len(columns) == 0 && strings.EqualFold(t.Index, PrimaryIndex) && t.Table != "" {
		shape := t.shape(t.Table)
		columns = shape.keys()
	}
	what := fmt.Sprintf("the same values in its unique index %s", t.Index)
	hint := ""
	switch {
	case len(values) > 0:
		what = strings.Join(values, ", ")
	case len(columns) > 0:
		what = "the same " + strings.Join(columns, ", ")
	}
	if len(columns) > 0 {
		hint = fmt.Sprintf(": db.upsert(%q, rows, key = [%s]) updates a row that is there", t.Table, quotedNames(columns))
	}
	return fmt.Sprintf("table %s has a row with %s already%s", t.Table, what, hint)
}

func quotedNames(names []string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(list, ", ")
}

// noTable says which table is not there, and which one is like it.
func (t *teller) noTable() string {
	name := t.Table[strings.LastIndexByte(t.Table, '.')+1:]
	for _, of := range t.tables { // as it is written there
		if strings.EqualFold(bare(of.name), name) {
			name = of.name
		}
	}
	return t.s.noTable(t.ctx, t.x, name)
}

// noColumn says which column is not there, and which one is like it.
func (t *teller) noColumn() string {
	if len(t.Columns) == 0 {
		return ""
	}
	qualifier, column := "", t.Columns[0]
	if i := strings.LastIndexByte(column, '.'); i >= 0 {
		qualifier, column = bare(column[:i]), column[i+1:]
	}
	if strings.Contains(t.Says, "single-quotes") {
		return fmt.Sprintf("there is no column %q: if it is meant as a text, write it in single quotes, or better as a ? with the text as its value", column)
	}
	if t.Table != "" {
		t.tables = []tableName{{name: t.Table, alias: t.Table}}
	}
	tables := t.tables
	if qualifier != "" {
		named := func(n tableName) bool {
			return strings.EqualFold(n.alias, qualifier) || strings.EqualFold(bare(n.name), qualifier)
		}
		if tables = slices.Clone(tables); !slices.ContainsFunc(tables, named) {
			if slices.Contains(tables, tableName{}) {
				return fmt.Sprintf("there is no column %s.%s", qualifier, column)
			}
			var aliases []string
			for _, n := range tables {
				aliases = append(aliases, n.alias)
			}
			return fmt.Sprintf("there is no column %s.%s: the statement has no table %[1]s%[3]s", qualifier, column, engine.Suggest(qualifier, aliases))
		}
		tables = slices.DeleteFunc(tables, func(n tableName) bool { return !named(n) })
	}
	var names, of []string
	for _, n := range tables[:min(len(tables), shownTables)] {
		if n.name == "" {
			continue
		}
		shape := t.shape(n.name)
		if shape.column(column) != nil { // it has become another table since, or another one has it
			t.s.store.shapes.Delete(n.name)
			shape = t.shape(n.name)
		}
		if len(shape.Columns) == 0 {
			continue // a query that is named, say
		}
		of = append(of, n.name)
		for _, c := range shape.Columns {
			names = append(names, c.Name)
		}
	}
	switch {
	case len(of) == 1 && len(tables) == 1:
		return noColumn(of[0], column, names)
	case len(of) == len(tables) && len(of) > 1:
		return fmt.Sprintf("none of the tables %s has a column %q%s", strings.Join(of, ", "), column, engine.Suggest(column, names))
	}
	return fmt.Sprintf("there is no column %q%s", column, engine.Suggest(column, names))
}

// strike takes secrets out of a text.
func (s *Session) strike(text string) string {
	if s.opts.Strike == nil {
		return text
	}
	return s.opts.Strike(text)
}

// strikeParts takes secrets and parts of them out of what a database says.
func (s *Session) strikeParts(text string) string {
	if s.opts.StrikeParts == nil {
		return s.strike(text)
	}
	return s.opts.StrikeParts(text)
}

// fault takes an error to pieces, without secrets in what the database may have cut.
func (s *Session) fault(err error) Fault {
	f := s.d.Fault(err)
	f.Table, f.Index, f.Value = s.strikeParts(f.Table), s.strikeParts(f.Index), s.strikeParts(f.Value)
	for i, c := range f.Columns {
		f.Columns[i] = s.strikeParts(c)
	}
	return f
}

// hookError makes an error of a script's statement one for its author, without secrets
// in the database's words. ended says that the transaction is over.
func (s *Session) hookError(err error) (said error, ended bool) {
	said, ended = s.d.HookError(err)
	if f, ok := said.(*engine.Failure); ok {
		f.Message = s.strikeParts(f.Message)
	}
	return said, ended
}

// CommitError is an error of a COMMIT, as HookError is given it.
type CommitError struct{ Err error }

// Error is what the database says.
func (e *CommitError) Error() string { return e.Err.Error() }

// Unwrap is the driver's error.
func (e *CommitError) Unwrap() error { return e.Err }

// refused makes an error of COMMIT a Failure if there is no room for what the
// transaction itself has written: to run it again, or to wait, would be no help.
func (s *Session) refused(err error) error {
	said, ended := s.hookError(&CommitError{err})
	if f, ok := said.(*engine.Failure); ok && !ended && f.Code == "db.full" {
		return f
	}
	return err
}

// textSize is the length of a type text(n).
func textSize(typ string) (size string, ok bool) {
	rest, ok := strings.CutPrefix(typ, "text(")
	return strings.TrimSuffix(rest, ")"), ok
}

// keys are the columns of a table's key.
func (s *Shape) keys() (columns []string) {
	for _, c := range s.Columns {
		if c.Key {
			columns = append(columns, c.Name)
		}
	}
	return columns
}

// tableName is a table as a statement names it, and what its columns are called by.
type tableName struct{ name, alias string }

func bare(table string) string { return table[strings.LastIndexByte(table, '.')+1:] }

// Words that a table follows, and those that are no other name of a table.
var (
	beforeTable = words("FROM JOIN INTO UPDATE")
	noAlias     = words("WHERE SET VALUES VALUE SELECT ON USING JOIN INNER LEFT RIGHT CROSS NATURAL OUTER STRAIGHT_JOIN FULL GROUP ORDER HAVING LIMIT UNION EXCEPT INTERSECT FOR LOCK WINDOW DEFAULT USE FORCE IGNORE INDEXED NOT RETURNING PARTITION")
	betweenOf   = words("IGNORE LOW_PRIORITY DELAYED HIGH_PRIORITY QUICK ONLY OR REPLACE ABORT FAIL ROLLBACK INTO")
)

// tablesOf finds the tables that a statement names, the one that it writes first.
// One without a name stands for what is in brackets.
func tablesOf(sql string, lite bool) (list []tableName) {
	tokens := tokensOf(sql, lite)
	at := func(i int) string {
		if i < len(tokens) {
			return tokens[i]
		}
		return ""
	}
	isName := func(t string) bool { return t != "" && (t[0] == '`' || isWordByte(t[0])) }
	for i := 0; i < len(tokens); i++ {
		if !beforeTable[strings.ToUpper(tokens[i])] {
			continue
		}
		i++
		for betweenOf[strings.ToUpper(at(i))] {
			i++
		}
		for ; ; i++ {
			if at(i) == "(" {
				list = append(list, tableName{})
			}
			if !isName(at(i)) {
				break
			}
			n := tableName{name: strings.TrimPrefix(at(i), "`")}
			for i++; at(i) == "." && isName(at(i+1)); i += 2 {
				n.name += "." + strings.TrimPrefix(at(i+1), "`")
			}
			n.alias = bare(n.name)
			if strings.EqualFold(at(i), "AS") {
				i++
			}
			if isName(at(i)) && !noAlias[strings.ToUpper(at(i))] && !beforeTable[strings.ToUpper(at(i))] {
				n.alias = strings.TrimPrefix(at(i), "`")
				i++
			}
			if !slices.Contains(list, n) {
				list = append(list, n)
			}
			if at(i) != "," {
				break
			}
		}
		i--
	}
	return list
}

// tokensOf are the words of a statement, names in quotes with ` before them, and its
// signs; comments and texts are left out.
func tokensOf(sql string, lite bool) (list []string) {
	for i := 0; i < len(sql); {
		c, end := sql[i], i+1
		switch {
		case c == '#' && !lite, strings.HasPrefix(sql[i:], "--"):
			end = skipTo(sql, i, "\n")
		case strings.HasPrefix(sql[i:], "/*"):
			end = skipTo(sql, i+2, "*/")
		case c == '\'' || c == '"' && !lite:
			end = skipString(sql, i, !lite)
			list = append(list, "'")
		case c == '`' || c == '"' || c == '[' && lite:
			if end = skipString(sql, i, false); c == '[' {
				end = skipTo(sql, i, "]")
			}
			list = append(list, "`"+strings.Trim(sql[i:end], "`\"[]"))
		case isWordByte(c):
			for end < len(sql) && isWordByte(sql[end]) {
				end++
			}
			list = append(list, sql[i:end])
		case c > ' ':
			list = append(list, string(c))
		}
		i = end
	}
	return list
}
