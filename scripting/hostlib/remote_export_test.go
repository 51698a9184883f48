package hostlib

import "time"

// SetRemoteIdle has sessions with servers of files asked earlier whether they are
// still there.
func (h *Host) SetRemoteIdle(d time.Duration) { h.remoteIdle = d }
