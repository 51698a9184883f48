package hostlib

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// The tests do not wait as long as scripts do.
func init() { httpBackoff.First = 5 * time.Millisecond }

// SetResolver has the requests of a host ask another resolver for addresses.
func (h *Host) SetResolver(r *net.Resolver) { h.network.resolver = r }

// DialNamed has the requests of a host to those that needs names, at their own ports,
// make their connections in another way.
func (h *Host) DialNamed(dial func(ctx context.Context, network, to string) (net.Conn, error)) {
	h.network.direct = map[reach]*http.Transport{{named: true}: {DialContext: dial}}
}

// AgeTokens makes the tokens that a host keeps older.
func (h *Host) AgeTokens(by time.Duration) {
	h.tokens.mu.Lock()
	defer h.tokens.mu.Unlock()
	for _, t := range h.tokens.m {
		t.expires = t.expires.Add(-by)
	}
}

// MayReach says whether a script that needs so much may connect to an address to
// ask a URL.
func MayReach(needs []string, at string, addr netip.Addr) (bool, error) {
	n, err := ParseNeeds(needs)
	if err != nil {
		return false, err
	}
	u, err := url.Parse(at)
	if err != nil {
		return false, err
	}
	host, port, explicit, err := hostOf(u)
	if err != nil {
		return false, err
	}
	r, err := n.host("http", host, port, explicit, "")
	return r.allows(addr), err
}
