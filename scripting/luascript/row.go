package luascript

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
	lua "github.com/yuin/gopher-lua"
)

// rowMark is the metatable of the metatables of rows that were read from a table or a
// file: all rows of that have its columns, NULL or not, so that a name which is none of
// them is a mistake, and would else be written as NULL. A column that was set to nil is
// nil, as in any table, and is written as NULL. What reads a table past its metatable
// finds nil: rawget, next and pairs.
var rowMark = boot.NewTable()

// sourceKey is where the metatable of rows has their source.
const sourceKey = "(source)"

// columnsOf are the columns that a row was read with, by its metatable; nil: it is none.
func columnsOf(mt lua.LValue) []string {
	if !isRow(mt) {
		return nil
	}
	return mt.(*lua.LTable).RawGetString(sourceKey).(*lua.LUserData).Value.(*source).names
}

// isRow says that a metatable is that of a row.
func isRow(mt lua.LValue) bool {
	t, ok := mt.(*lua.LTable)
	return ok && t.Metatable == lua.LValue(rowMark)
}

// maxSources bounds the sources of rows whose metatables are kept for their next row.
const maxSources = 64

// sourceID tells sources apart: the rows of one share the names of their columns.
type sourceID struct {
	first *string
	n     int
}

// source is where rows come from.
type source struct {
	names []string
	known map[string]bool // made when it is asked for
	meta  *lua.LTable     // of its rows
}

// rowMeta is the metatable of the rows with these columns.
func (r *run) rowMeta(names []string) *lua.LTable {
	id := sourceID{n: len(names)}
	if id.n > 0 {
		id.first = &names[0]
	}
	s := r.sources[id]
	if s != nil {
		return s.meta
	}
	if r.sources == nil {
		r.sources = map[sourceID]*source{}
	}
	if len(r.sources) >= maxSources {
		clear(r.sources)
	}
	s = &source{names: names, meta: boot.NewTable()}
	s.meta.Metatable = rowMark
	s.meta.RawSetString("__index", boot.NewFunction(s.index))
	s.meta.RawSetString(sourceKey, &lua.LUserData{Value: s})
	r.sources[id] = s
	return s.meta
}

// index gives what a row does not hold.
func (s *source) index(l *lua.LState) int {
	if s.known == nil {
		s.known = make(map[string]bool, len(s.names))
		for _, n := range s.names {
			s.known[n] = true
		}
	}
	if name, ok := l.Get(2).(lua.LString); ok && s.known[string(name)] {
		l.Push(lua.LNil)
		return 1
	}
	t, _ := l.Get(1).(*lua.LTable)
	return runOf(l).noColumn(l, s, t, l.Get(2))
}

// Columns are listed where there are few, and short ones.
const (
	listedColumns = 12
	listedBytes   = 40
)

// noColumn raises the error about a column that a row does not have. If the row is one
// of a local file, that does not change from one attempt to the next.
func (r *run) noColumn(l *lua.LState, s *source, row *lua.LTable, key lua.LValue) int {
	name, ok := key.(lua.LString)
	if !ok {
		return r.raisef(l, "the row has no element %s: its elements have the names of the columns", keyText(key))
	}
	columns := slices.Clone(s.names)
	t := contents(row)
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		if column := nameText(k); !s.known[column] {
			columns = append(columns, column)
		}
	}
	hint := engine.SuggestColumn(string(name), columns)
	if hint == "" && len(columns) > 0 && len(columns) <= listedColumns && !slices.ContainsFunc(columns, func(c string) bool { return len(c) > listedBytes }) {
		var shown []string
		for _, c := range columns {
			shown = append(shown, strconv.Quote(c))
		}
		hint = ", it has " + strings.Join(shown, ", ")
	}
	err := fmt.Errorf("the row has no column %q%s; if it need not have it, write rawget(row, %[1]q)", string(name), hint)
	if r.call.IsRow(columns) {
		return r.raise(l, &engine.Failure{Kind: engine.KindError, Message: err.Error()})
	}
	return r.raise(l, err)
}
