package mysqlstore

import (
	"time"

	"golang.org/x/sys/unix"
)

// limitUnanswered breaks a connection that has not been answered for d. Where it cannot
// be set the system's own limit holds.
func limitUnanswered(fd int, d time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
