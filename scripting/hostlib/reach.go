package hostlib

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"code.dny.dev/ssrf"
)

// publicOnly knows which addresses are no public ones: those of the registries of
// special addresses, and one by which a cloud answers for its own machines.
var publicOnly = ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")))

// insidePrefixes are those of the networks that organisations have for themselves:
// a host that needs names may be there.
var insidePrefixes = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
}

// metadataPrefixes are those at which clouds answer for their own machines, of what
// lies among insidePrefixes.
var metadataPrefixes = []netip.Prefix{
	netip.MustParsePrefix("100.100.100.200/32"), netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("fd20:ce::254/128"),
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), netip.MustParsePrefix("fd00:42::42/128"),
}

// ownPorts are those of what the kinds of needs name, which the host's name alone
// opens inside an organisation.
var ownPorts = map[string][]string{"http": {"80", "443"}, "sftp": {"22"}, "ftp": {"21", "990"}}

// among says whether an address is of one of the networks.
func among(addr netip.Addr, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// isInside says whether an address is one inside an organisation. No other that is
// not public is: this machine, its link, what a cloud tells its machines, and all
// whose meaning depends on who asks.
func isInside(addr netip.Addr) bool {
	return among(addr, insidePrefixes) && !among(addr, metadataPrefixes)
}

// reach says at which addresses a host may be that a script may ask. All may be at
// public ones. It can be compared.
type reach struct {
	all   bool   // at any: the operator says where the host is
	named bool   // inside an organisation: needs names the host, without a glob, and the port if it is none of ownPorts
	near  string // at these, too, wherever they are: needs names them; "localhost" is this machine
}

// allows says whether a host may be at an address.
func (r reach) allows(addr netip.Addr) bool {
	if r.all || publicOnly.SafeAddr(addr) == nil || r.named && isInside(addr) {
		return true
	}
	return slices.ContainsFunc(strings.Fields(r.near), func(named string) bool {
		return named == addr.String() || named == "localhost" && addr.IsLoopback()
	})
}

// check is what a dialler asks about each address; kind is that of the needs that
// allow more of them.
func (r reach) check(kind string) addrCheck {
	if r.all {
		return nil
	}
	return func(host string, at netip.AddrPort) error {
		if r.allows(at.Addr()) {
			return nil
		}
		return &privateError{kind, host, at}
	}
}

// addrCheck says whether an address may be dialled to reach a host; nil: any may.
type addrCheck func(host string, at netip.AddrPort) error

// reachOf says where a host may be that has been found in needs.
func (n *Needs) reachOf(kind, host, port, instance string) reach {
	named, _, byPort := n.findHost(kind, host, port, instance)
	if !named {
		return reach{}
	}
	near := []string{}
	for _, h := range n.hosts {
		_, err := netip.ParseAddr(h.host)
		if h.kind != kind || h.port != "" && h.port != port || err != nil && h.host != "localhost" {
			continue
		}
		line, has := needsHost(kind, h.host, port, h.port != ""), func(n *Needs) bool {
			_, ok, _ := n.findHost(kind, h.host, port, instance)
			return ok
		}
		if !slices.ContainsFunc(n.limits, func(l *limit) bool { return l.refuse(line, has) != nil }) {
			near = append(near, h.host)
		}
	}
	slices.Sort(near)
	return reach{named: byPort || slices.Contains(ownPorts[kind], port), near: strings.Join(slices.Compact(near), " ")}
}

// privateError is a host that is at an address where the script may not reach it.
type privateError struct {
	kind string // of needs that it takes
	host string
	at   netip.AddrPort
}

// Error says what to do.
func (e *privateError) Error() string {
	addr, port := e.at.Addr(), strconv.Itoa(int(e.at.Port()))
	own, at := needsHost(e.kind, e.host, "", false), needsHost(e.kind, addr.String(), "", false)
	const add = "to what job() says this script needs: needs = ["
	switch {
	case e.host == addr.String():
		return fmt.Sprintf("%s is no public address; add the host itself, without a glob, %s%q]", e.host, add, own)
	case isInside(addr) && slices.Contains(ownPorts[e.kind], port):
		return fmt.Sprintf("%q is at %s, which is no public address; add the host itself, without a glob, %s%q]", e.host, addr, add, own)
	case isInside(addr):
		return fmt.Sprintf("%q is at %s, which is no public address; add the host itself with its port, without a glob, %s%q]", e.host, addr, add, needsHost(e.kind, e.host, port, true))
	}
	return fmt.Sprintf("%q is at %s, which is %s: no name stands for that; if it is meant, add the address, beside the host itself, %s%q, %q]", e.host, addr, placeOf(addr), add, own, at)
}

// placeOf says in words where an address leads that is neither public nor inside
// an organisation.
func placeOf(addr netip.Addr) string {
	switch {
	case addr.IsLoopback(), addr.IsUnspecified():
		return "this machine itself"
	case among(addr, metadataPrefixes), addr == netip.AddrFrom4([4]byte{169, 254, 169, 254}), addr == netip.AddrFrom4([4]byte{168, 63, 129, 16}):
		return "where a cloud tells its machines their secrets"
	case addr.IsLinkLocalUnicast():
		return "on this machine's own link"
	}
	return "a special address"
}

// maxTold bounds the hosts of which a process remembers that it has told.
const maxTold = 1000

// tellInside writes to the job's log, once for each host in a process, that a host
// is inside an organisation: whoever reads that knows what its name opens.
func (c *Call) tellInside(host string, r reach, conn net.Addr) {
	if !r.named || conn == nil {
		return
	}
	at, err := netip.ParseAddrPort(conn.String())
	addr := at.Addr().Unmap()
	if err != nil || !isInside(addr) || host == addr.String() || !c.Host.network.first(host) {
		return
	}
	c.Log(slog.LevelInfo, "a host that needs names is at a private address", map[string]any{"host": host, "address": addr.String()})
}

// first says whether a host is new to it.
func (n *network) first(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told[host] {
		return false
	}
	if n.told == nil || len(n.told) >= maxTold {
		n.told = map[string]bool{}
	}
	n.told[host] = true
	return true
}
