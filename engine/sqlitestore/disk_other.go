//go:build !linux && !darwin

package sqlitestore

// freeBytes is not known here.
func freeBytes(string) (n uint64, ok bool) { return 0, false }
