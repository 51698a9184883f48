package hostlib

import (
	"crypto/rand"
	"encoding/base32"
	"io"
)

// random is where what must differ from all else comes from. It does not fail.
func (h *Host) random() io.Reader {
	if h != nil && h.Random != nil {
		return h.Random
	}
	return rand.Reader
}

// randomBytes are n of them.
func (h *Host) randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = io.ReadFull(h.random(), b)
	return b
}

// tempName is a name for a file that is not to stay, which ends like another one.
func (h *Host) tempName(name string) string {
	return tempPrefix + base32.StdEncoding.EncodeToString(h.randomBytes(10))[:12] + "-" + name
}
