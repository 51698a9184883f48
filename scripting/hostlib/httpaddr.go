package hostlib

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/idna"
)

// hostNeed is one "http:HOST" of needs, or one of the other kinds that name
// hosts. Those of sftp and ftp may be the name of a connection.
type hostNeed struct {
	kind string
	host string // a name, an address, or a glob, with {instance} in it
	port string // "": any
}

// hostExamples are the kinds of needs that name hosts, with how to write them.
var hostExamples = map[string]string{
	"http": `"http:api.example.com", "http:*.example.com" or "http:api.example.com:8443"`,
	"sftp": `"sftp:bank" (a connection), "sftp:files.example.com" or "sftp:files.example.com:2222"`,
	"ftp":  `"ftp:partner" (a connection), "ftp:ftp.example.com" or "ftp:ftp.example.com:2121"`,
}

// parseHostNeed reads what stands after http: and its like in a line of needs.
func parseHostNeed(what, line, kind, rest string) (hostNeed, error) {
	bad := func(why string) (hostNeed, error) {
		return hostNeed{}, Errorf("usage", "%s: %q %s: write it like %s", what, line, why, hostExamples[kind])
	}
	n := hostNeed{kind: kind, host: rest}
	if inside, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]"); strings.HasPrefix(rest, "[") && ok {
		addr, err := netip.ParseAddr(inside)
		if err != nil || after != "" && after[0] != ':' {
			return bad("is no address in [ ]")
		}
		n.host, n.port = addr.String(), strings.TrimPrefix(after, ":")
		if after == ":" {
			return bad("has no port after the colon")
		}
	} else if host, port, ok := strings.Cut(rest, ":"); ok {
		if strings.HasPrefix(port, "//") {
			return bad("names a URL, not a host")
		}
		if n.host, n.port = host, port; port == "" {
			return bad("has no port after the colon")
		}
	}
	if p, err := strconv.ParseUint(n.port, 10, 16); n.port != "" && (err != nil || p == 0) {
		return bad("has a port that is none (an IPv6 address stands in [ ])")
	}
	switch {
	case n.host == "":
		return bad("has no host after " + kind + ":")
	case strings.ContainsAny(n.host, "/?@ #"):
		return bad("names more than a host")
	case !doublestar.ValidatePattern(strings.ReplaceAll(n.host, instanceMark, "x")):
		return bad("is no glob")
	}
	if n.host = strings.ToLower(strings.TrimSuffix(n.host, ".")); !globMeta.MatchString(n.host) {
		host, err := hostName(n.host)
		if err != nil {
			return bad(err.Error())
		}
		n.host = host
	}
	return n, nil
}

const instanceMark = "{instance}"

// hostName is the one form in which a host is compared: lower case, ASCII,
// without the dot at the end.
func hostName(host string) (string, error) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", fmt.Errorf("names a network interface")
		}
		return addr.Unmap().String(), nil
	}
	ascii := true
	for i := range len(host) {
		ascii = ascii && host[i] < 0x80
	}
	if host != "" && !ascii {
		name, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", fmt.Errorf("is no name of a host")
		}
		if addr, err := netip.ParseAddr(name); err == nil {
			return addr.String(), nil
		}
		host = name
	}
	if endsInNumber(host) {
		return "", errNumber
	}
	return host, nil
}

// errNumber is of what some take for an address, in their own ways: 127.1 and
// 2130706433 may be this machine.
var errNumber = errors.New("ends in a number and is no address that can be told: it has four numbers from 0 to 255, without zeros before them")

// endsInNumber says whether the last label of a host is a number, in any way that
// some read it.
func endsInNumber(host string) bool {
	last := strings.TrimSuffix(host, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// host says whether the script may ask a host, and at which addresses it may be.
func (n *Needs) host(kind, host, port string, explicit bool, instance string) (reach, error) {
	line := needsHost(kind, host, port, explicit)
	if err := n.permit(line, strings.TrimPrefix(line, kind+":"), func(n *Needs) bool {
		_, ok, _ := n.findHost(kind, host, port, instance)
		return ok
	}); err != nil {
		return reach{}, err
	}
	return n.reachOf(kind, host, port, instance), nil
}

// findHost looks for a host; literal says that it is there without a glob, byPort that
// it is there so with the port.
func (n *Needs) findHost(kind, host, port, instance string) (literal, ok, byPort bool) {
	for _, h := range n.hosts {
		if h.kind != kind || h.port != "" && h.port != port {
			continue
		}
		plain := strings.ReplaceAll(h.host, instanceMark, strings.ToLower(instance))
		glob := strings.ReplaceAll(h.host, instanceMark, escapeGlob(strings.ToLower(instance)))
		switch {
		case plain == host && !globMeta.MatchString(strings.ReplaceAll(h.host, instanceMark, "")):
			// A host that is the instance's name alone was named by whoever made
			// the job, not by the script.
			ok = true
			literal = literal || h.host != instanceMark
			byPort = byPort || h.host != instanceMark && h.port != ""
		case doublestar.MatchUnvalidated(glob, host):
			ok = true
		}
	}
	return literal, ok, byPort
}

// needsHost is the line of needs for a host.
func needsHost(kind, host, port string, explicit bool) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if explicit {
		host += ":" + port
	}
	return kind + ":" + host
}

// network is how a Host reaches others. Connections are kept apart by what
// they may reach, so that none is used by a script that may not.
type network struct {
	once     sync.Once
	proxied  *http.Transport // to the operator's proxy, which asks for us
	proxy    func(*url.URL) (*url.URL, error)
	resolver *net.Resolver // nil: the system's; tests have another one

	mu     sync.Mutex
	direct map[reach]*http.Transport
	told   map[string]bool // hosts inside an organisation, see Call.tellInside
}

// maxReaches bounds the transports of a network: scripts differ little in what they
// may reach.
const maxReaches = 100

func (n *network) start() {
	n.once.Do(func() {
		n.proxy = httpproxy.FromEnvironment().ProxyFunc()
		n.proxied = n.transport(nil)
		n.proxied.Proxy = func(r *http.Request) (*url.URL, error) { return n.proxy(r.URL) }
	})
}

// within is the transport to hosts that may be where r says.
func (n *network) within(r reach) *http.Transport {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.direct[r]; t != nil {
		return t
	}
	if n.direct == nil || len(n.direct) >= maxReaches {
		for _, t := range n.direct {
			t.CloseIdleConnections() // what is under way goes on
		}
		n.direct = map[reach]*http.Transport{}
	}
	n.direct[r] = n.transport(r.check("http"))
	return n.direct[r]
}

// maxDial bounds how long a connection is waited for.
const maxDial = 30 * time.Second

// dial connects to an address. check, which may be nil, is asked about each that
// the host's name stands for, before it is dialled.
func (n *network) dial(ctx context.Context, network, to string, check addrCheck) (net.Conn, error) {
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		return nil, err
	}
	if name, err := hostName(host); err == nil {
		host = name
	}
	// What nobody waits for any more ends too.
	d := net.Dialer{Resolver: n.resolver, Timeout: maxDial, KeepAlive: 30 * time.Second}
	if check != nil {
		// After the name was resolved: nothing can change in between.
		d.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return check(host, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
		}
	}
	return d.DialContext(ctx, network, to)
}

// transport makes one; check is asked about each address before it is dialled.
func (n *network) transport(check addrCheck) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			return n.dial(ctx, network, to, check)
		},
		ForceAttemptHTTP2: true, DisableCompression: true, // we unpack, within bounds
		MaxIdleConnsPerHost: 16, MaxIdleConns: 256, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 30 * time.Second, ExpectContinueTimeout: time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

// hostAndPort finds a host with a port where a URL ought to begin with http://.
var hostAndPort = regexp.MustCompile(`^((?:[\w.-]+|\[[0-9a-fA-F:.]+\]):\d+)(?:[/?#]|$)`)

// schemeHint says what to write for a URL that begins with no http://.
func schemeHint(u *url.URL) string {
	digits := len(u.Opaque) - len(strings.TrimLeft(u.Opaque, "0123456789"))
	first, _, _ := strings.Cut(u.Path, "/")
	switch {
	case u.Scheme != "" && digits > 0: // localhost:8080/x
		return writeScheme(u.Scheme + ":" + u.Opaque[:digits])
	case u.Scheme == "" && u.Host != "":
		return writeScheme(u.Host)
	case u.Scheme == "" && (strings.Contains(first, ".") || first == "localhost"):
		return writeScheme(first)
	}
	return ""
}

// writeScheme says so for a host, which may have a port.
func writeScheme(host string) string {
	scheme, name := "https://", host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		scheme = "http://"
	}
	return fmt.Sprintf(": write %q", scheme+host+"/...")
}

// hostOf is where a URL leads.
func hostOf(u *url.URL) (host, port string, explicit bool, err error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", "", false, Errorf("usage", "%q begins with neither http:// nor https://%s", shownURL(u), schemeHint(u))
	}
	if host, err = hostName(u.Hostname()); err == errNumber {
		return "", "", false, Errorf("usage", "%q: its host %v", shownURL(u), err)
	} else if err != nil || host == "" {
		return "", "", false, Errorf("usage", "%q names no host", shownURL(u))
	}
	if port = u.Port(); port != "" {
		return host, port, true, nil
	}
	if u.Scheme == "http" {
		return host, "80", false, nil
	}
	return host, "443", false, nil
}

// mayAsk gives the host of a URL, if the script may ask it, and where it may be then.
func (c *Call) mayAsk(u *url.URL) (host string, to reach, err error) {
	host, port, explicit, err := hostOf(u)
	if err == nil {
		to, err = c.Needs.host("http", host, port, explicit, c.instance())
		c.tellRefused("http", host, err)
	}
	return host, to, err
}

// roundTrip sends one request, if the script may ask its host. All requests of
// scripts pass here, redirects too.
func (c *Call) roundTrip(r *http.Request) (*http.Response, error) {
	host, to, err := c.mayAsk(r.URL)
	if err != nil {
		return nil, err
	}
	if query := escapedQuery(r.URL.RawQuery); query != r.URL.RawQuery {
		u := *r.URL
		u.RawQuery = query
		r = r.WithContext(r.Context())
		r.URL = &u
	}
	return c.sendOrDry(r, func(r *http.Request) (*http.Response, error) { return c.carry(r, host, to) })
}

// escapedQuery is a query in which what may not stand there as it is, such as a space, is
// percent-encoded. What is so already stays.
func escapedQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// carry sends one request to a host that the script may ask, which may be where to
// says.
func (c *Call) carry(r *http.Request, host string, to reach) (*http.Response, error) {
	if c.Host.HTTP != nil {
		return c.Host.HTTP.RoundTrip(r)
	}
	n := &c.Host.network
	n.start()
	proxy, err := n.proxy(r.URL)
	switch {
	case err != nil:
		return nil, Errorf("http.connect", "the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY) is no URL")
	case proxy != nil:
		if addr, err := netip.ParseAddr(host); err == nil && !to.allows(addr) {
			_, port, _, _ := hostOf(r.URL)
			number, _ := strconv.ParseUint(port, 10, 16)
			return nil, &privateError{"http", host, netip.AddrPortFrom(addr, uint16(number))}
		}
		return n.proxied.RoundTrip(r)
	}
	var conn net.Addr
	defer func() { c.tellInside(host, to, conn) }()
	return n.within(to).RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { conn = i.Conn.RemoteAddr() },
	})))
}
