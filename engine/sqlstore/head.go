package sqlstore

import (
	"sync"
	"time"
)

// head remembers where the living rows of a table begin that is only appended
// to and deleted from at its head: what was deleted there is walked over until
// the server purges it. As with bounds, what appears before it is found by a
// full scan, at most a twentieth of the time.
type head struct {
	mu       sync.Mutex
	from     string // SQL literal; "": the beginning
	fullAt   time.Duration
	fullTook time.Duration
}

// condition is " AND column >= ..." for the next scan; full says that it begins
// at the beginning.
func (h *head) condition(column string, now time.Duration) (cond string, full bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.from == "" || now-h.fullAt >= fullScanShare*h.fullTook {
		return "", true
	}
	return " AND " + column + " >= " + h.from, false
}

// scanned notes a full scan.
func (h *head) scanned(now, took time.Duration) {
	h.mu.Lock()
	h.fullAt, h.fullTook = now, took
	h.mu.Unlock()
}

// advance notes that everything before from is gone.
func (h *head) advance(from string) {
	h.mu.Lock()
	h.from = from
	h.mu.Unlock()
}
