package luascript

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
	lua "github.com/yuin/gopher-lua"
)

// rowMeta is the metatable of rows that were read from a table or a file: all have the
// columns of that, NULL or not, so that a name which is none of them is a mistake, and
// would else be written as NULL. What reads a table past its metatable finds nil:
// rawget, next and pairs.
var rowMeta = boot.NewTable()

func init() {
	rowMeta.RawSetString("__index", boot.NewFunction(func(l *lua.LState) int {
		t, _ := l.Get(1).(*lua.LTable)
		return runOf(l).noColumn(l, t, l.Get(2))
	}))
}

// Columns are listed where there are few, and short ones.
const (
	listedColumns = 12
	listedBytes   = 40
)

// noColumn raises the error about a column that a row does not have. If the row is one
// of a local file, that does not change from one attempt to the next.
func (r *run) noColumn(l *lua.LState, row *lua.LTable, key lua.LValue) int {
	name, ok := key.(lua.LString)
	if !ok {
		return r.raisef(l, "the row has no element %s: its elements have the names of the columns", keyText(key))
	}
	var columns, shown []string
	short := true
	t := contents(row)
	for k, _ := t.Next(lua.LNil); k != lua.LNil; k, _ = t.Next(k) {
		column := nameText(k)
		short = short && len(column) <= listedBytes && len(columns) < listedColumns
		columns, shown = append(columns, column), append(shown, strconv.Quote(column))
	}
	hint := engine.SuggestColumn(string(name), columns)
	if hint == "" && short && len(columns) > 0 {
		hint = ", it has " + strings.Join(shown, ", ")
	}
	err := fmt.Errorf("the row has no column %q%s; if it need not have it, write rawget(row, %[1]q)", string(name), hint)
	if r.call.IsRow(columns) {
		return r.raise(l, &engine.Failure{Kind: engine.KindError, Message: err.Error()})
	}
	return r.raise(l, err)
}
