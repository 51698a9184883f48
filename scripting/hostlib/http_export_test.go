package hostlib

import (
	"net"
	"time"
)

// The tests do not wait as long as scripts do.
func init() { httpBackoff.First = 5 * time.Millisecond }

// SetResolver has the requests of a host ask another resolver for addresses.
func (h *Host) SetResolver(r *net.Resolver) { h.network.resolver = r }
