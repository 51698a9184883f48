package hostlib

import (
	"io"
	"net"
	"time"
)

// CSVRows reads rows as csv.parse does by default.
func CSVRows(r io.Reader) func() (Value, error) {
	in, err := (&Call{}).inputFrom("the text", r, nil, "utf-8")
	if err != nil {
		panic(err)
	}
	rows, err := newCSVReader(in, csvDefaults())
	if err != nil {
		panic(err)
	}
	return rows.next
}

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
