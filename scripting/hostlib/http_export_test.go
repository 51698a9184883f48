package hostlib

import (
	"net"
	"time"
)

// The tests do not wait as long as scripts do.
func init() { httpBackoff.First = 5 * time.Millisecond }

// SetResolver has the requests of a host ask another resolver for addresses.
func (h *Host) SetResolver(r *net.Resolver) { h.network.resolver = r }

// AgeTokens makes the tokens that a host keeps older.
func (h *Host) AgeTokens(by time.Duration) {
	h.tokens.mu.Lock()
	defer h.tokens.mu.Unlock()
	for _, t := range h.tokens.m {
		t.expires = t.expires.Add(-by)
	}
}
