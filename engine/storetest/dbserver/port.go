package dbserver

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// freePort picks a port on which nothing listens, below those that systems
// hand out by themselves: it must still be free after a restart.
func freePort() (int, error) {
	for range 100 {
		if port := 20_000 + rand.IntN(12_000); portIsFree(port) {
			return port, nil
		}
	}
	return 0, errors.New("no free port found on 127.0.0.1")
}

func portIsFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
