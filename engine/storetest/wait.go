package storetest

import (
	"time"
)

// patience bounds every wait of a test.
const patience = 15 * time.Minute

// until waits until a condition holds: the only place where tests wait for
// time to pass.
func (w *world) until(what string, holds func() bool) {
	w.Helper()
	for began := time.Now(); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > patience {
			w.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}
