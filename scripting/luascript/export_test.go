package luascript

// MemoryIsShort has scripts end that hold more than 4 MB, until it is undone.
func MemoryIsShort() (undo func()) {
	limit, least := memoryLimit, leastHeld
	memoryLimit, leastHeld = func() int64 { return 1 }, 4<<20
	return func() { memoryLimit, leastHeld = limit, least }
}
