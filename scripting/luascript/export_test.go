package luascript

// MemoryIsShort has scripts end that hold more than they may always hold, until
// it is undone.
func MemoryIsShort() (undo func()) {
	before := memoryLimit
	memoryLimit = func() int64 { return 1 }
	return func() { memoryLimit = before }
}
