//go:build !linux

package engine

import "time"

var processStart = time.Now()

// bootTime takes the larger of the monotonic and the wall clock's progress:
// where the monotonic clock stands still in a suspend, the wall clock does not.
func bootTime() time.Duration {
	mono := time.Since(processStart)
	wall := time.Duration(time.Now().UnixNano() - processStart.UnixNano())
	return max(mono, wall)
}
