package mysqlstore

import (
	"context"
	"net"
	"strings"
	"syscall"
	"time"
)

// dialer makes connections that break when the machine at the other end has not been
// heard of for that long: it is gone, or its address has moved to another one. By
// itself the operating system takes minutes to notice. A statement that takes longer
// is not concerned: the machine answers for it.
func dialer(silent time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silent / 3, Interval: silent / 3, Count: 3},
		Control: func(network, _ string, c syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			return c.Control(func(fd uintptr) { limitUnanswered(int(fd), silent) })
		},
	}
	return d.DialContext
}
