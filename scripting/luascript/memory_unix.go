//go:build unix

package luascript

import "golang.org/x/sys/unix"

// addressLimit is how much of addresses the process may have, in bytes; 0: as many
// as it wants.
func addressLimit() (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &r); err != nil || uint64(r.Cur) == uint64(unix.RLIM_INFINITY) {
		return 0, err
	}
	return uint64(r.Cur), nil
}
