//go:build linux || darwin

package sqlitestore

import "golang.org/x/sys/unix"

// freeBytes is how much room this user has on a folder's disk.
func freeBytes(dir string) (n uint64, ok bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return uint64(st.Bavail) * uint64(st.Bsize), true
}
