package luascript

import (
	"github.com/dsengine/dsengine/scripting/hostlib"
	lua "github.com/yuin/gopher-lua"
)

// TakesNames says whether a table with a name, given to a function after so many other
// arguments, gives arguments by name.
func TakesNames(f *hostlib.Func, before int, name string) bool {
	t := boot.NewTable()
	t.RawSetString(name, lua.LTrue)
	return (&builtin{Func: f}).takesNames(t, before)
}

// MemoryIsShort has scripts end that hold more than 4 MB, until it is undone.
func MemoryIsShort() (undo func()) {
	limit, least := memoryLimit, leastHeld
	memoryLimit, leastHeld = func() int64 { return 1 }, 4<<20
	return func() { memoryLimit, leastHeld = limit, least }
}

// Printed is what print shows of an expression.
func Printed(expression string) string {
	l := lua.NewState()
	defer l.Close()
	if err := l.DoString("return " + expression); err != nil {
		return err.Error()
	}
	return printed(l, l.Get(-1), func(text string) string { return text })
}
