package scripttest

import (
	"crypto/sha256"
	"math/rand/v2"
	"sync"
)

// dice are random to the script and the same in each run of a test. After a crash they
// go on: what a script makes of them once more is something else, as it is outside of
// tests.
type dice struct {
	mu   sync.Mutex
	from *rand.ChaCha8
}

// newDice are those of a test of a name.
func newDice(test string) *dice {
	return &dice{from: rand.NewChaCha8(sha256.Sum256([]byte(test)))}
}

// Read fills b.
func (d *dice) Read(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.from.Read(b)
}
