package scripttest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// stubs answer a test's requests in the network's place.
type stubs struct {
	w       *world
	mu      sync.Mutex
	list    []*stub
	calls   []*call
	again   map[string][]*call // what the run of a hook had asked that was killed, by what it says; see forget
	repeats bool               // the hook that runs is of the job whose hook was killed
}

// stub is an answer to come.
type stub struct {
	method string
	url    *url.URL
	params url.Values    // that the request must have; nil: any
	match  hostlib.Value // what its body must have in it; nil: whatever it has
	status int
	header http.Header
	body   []byte
	times  int // how often it still answers; negative: always
	text   string
}

// call is a request that was made.
type call struct {
	method, url string
	header      http.Header
	body        []byte
	status      int
	by          *stub // that has answered; nil: none did
	login       bool  // it asks for a token that the process keeps
}

// fits says whether the stub is for a request. Without a query of its own it
// takes any.
func (s *stub) fits(rq *http.Request, body []byte) bool {
	if s.method != rq.Method || s.url.Scheme != rq.URL.Scheme || origin(s.url) != origin(rq.URL) {
		return false
	}
	if a, b := s.url.EscapedPath(), rq.URL.EscapedPath(); a != b && (a != "" || b != "/") {
		return false
	}
	got := rq.URL.Query()
	for name, values := range s.url.Query() {
		if strings.Join(got[name], "\x00") != strings.Join(values, "\x00") {
			return false
		}
	}
	for name, values := range s.params {
		if strings.Join(got[name], "\x00") != strings.Join(values, "\x00") {
			return false
		}
	}
	if s.match == nil {
		return true
	}
	in := hostlib.Value(string(body))
	if _, text := s.match.(string); !text {
		in, _ = hostlib.DecodeJSON(body) // what is no JSON has nothing in it
	}
	held, _ := holds(in, s.match)
	return held
}

// origin is the host of a URL with its port, where that is not the usual one.
func origin(u *url.URL) string {
	host := strings.TrimSuffix(strings.ToLower(u.Host), ":"+map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return strings.TrimSuffix(host, ":")
}

// RoundTrip answers a request by the first stub that fits and is not spent.
func (s *stubs) RoundTrip(rq *http.Request) (*http.Response, error) {
	if answer, ok := s.w.object(rq); ok {
		return answer, nil
	}
	var body []byte
	if rq.Body != nil {
		var err error
		body, err = io.ReadAll(rq.Body)
		rq.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{method: rq.Method, url: rq.URL.String(), header: rq.Header.Clone(), body: body, login: hostlib.IsLogin(rq.Context())}
	if had := s.again[c.says()]; s.repeats && len(had) > 0 {
		s.again[c.says()] = had[1:]
		s.calls = append(slices.DeleteFunc(s.calls, func(c *call) bool { return c == had[0] }), had[0]) // it is made now
		return had[0].by.answer(rq), nil
	}
	s.calls = append(s.calls, c)
	spent := 0
	for _, stub := range s.list {
		if !stub.fits(rq, body) {
			continue
		}
		if stub.times == 0 {
			spent++
			continue
		}
		if stub.times > 0 {
			stub.times--
		}
		c.status, c.by = stub.status, stub
		return stub.answer(rq), nil
	}
	message := s.unmatched(rq, spent)
	s.w.note(message)
	f := hostlib.Errorf("test.http", "%s", message)
	f.Retryable = false // another attempt would find no other stubs
	return nil, f
}

// answer is what a request gets.
func (s *stub) answer(rq *http.Request) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", s.status, http.StatusText(s.status)), StatusCode: s.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: s.header.Clone(), Request: rq,
		Body: io.NopCloser(bytes.NewReader(s.body)), ContentLength: int64(len(s.body)),
	}
}

// of says whether a stub is of a host.
func (s *stubs) of(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.list, func(x *stub) bool { return strings.EqualFold(x.url.Hostname(), host) })
}

// unmatched says what a request would have needed.
func (s *stubs) unmatched(rq *http.Request, spent int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "no stub answers %s %s", rq.Method, rq.URL)
	if spent > 0 {
		b.WriteString(": those that fit have answered as often as they were to")
	}
	if len(s.list) == 0 {
		fmt.Fprintf(&b, "; the test says what it gets by t.http.on(%q, %q, json = ...)", rq.Method, rq.URL)
		return b.String()
	}
	b.WriteString("; there are:")
	for _, stub := range s.list {
		fmt.Fprintf(&b, "\n    %s", stub.text)
		if stub.times == 0 {
			b.WriteString(" (spent)")
		}
		if strings.Contains(stub.url.Path, "*") || strings.Contains(stub.url.Host, "*") {
			b.WriteString(" (* stands for itself: each URL needs a stub of its own)")
		}
	}
	return b.String()
}

// told is the request in a line.
func (c *call) told() string {
	return strings.TrimRight(fmt.Sprintf("%s %s %s", c.method, c.url, c.body), " ")
}

// graphQuery is a query of GraphQL, which reads; a mutation writes.
var graphQuery = regexp.MustCompile(`"query"\s*:\s*"(\s|\\n)*(query\b|\{)`)

// reads says that the request changes nothing; one for a token does not either.
func (c *call) reads() bool {
	return c.method == http.MethodGet || c.method == http.MethodHead || bytes.Contains(c.body, []byte("grant_type=")) || graphQuery.Match(c.body)
}

// replaces says that requests of a method say how something is to be, so that another one
// of the same does no more.
func replaces(method string) bool { return method == http.MethodPut || method == http.MethodDelete }

// says is what tells a request that does no more when it is made again: it reads, it says
// how something is to be, or it has a key. Who takes webhooks drops what comes with an id
// that it has had, whatever it says. "": another one does more.
func (c *call) says() string {
	key, id := c.header.Get("Idempotency-Key"), c.header.Get("Webhook-Id")
	switch {
	case c.reads() || replaces(c.method):
		return c.told() + c.header.Get("Range")
	case key != "":
		return key + " " + c.told()
	case id != "":
		return id + " " + c.url
	}
	return ""
}

// made is how many requests there were.
func (s *stubs) made() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// begins is told that a hook begins, and whether it is of the job whose hook was killed. It
// gives how many requests there were.
func (s *stubs) begins(repeats bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repeats = repeats
	return len(s.calls)
}

// forget is told that the run of a hook was killed, with its first request, and the first
// that it had not committed. What it has merely read since then is taken back. What else
// does no more when it is made again gets the same answer, and does not count: see says.
func (s *stubs) forget(start, mark int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.again = map[string][]*call{}
	kept := s.calls[:start:start]
	for i, c := range s.calls[start:] {
		says := c.says()
		switch {
		case c.login: // the token is there still
		case c.reads() && start+i >= mark:
			if c.by != nil && c.by.times >= 0 {
				c.by.times++
			}
			continue
		case says != "" && c.by != nil:
			s.again[says] = append(s.again[says], c)
		}
		kept = append(kept, c)
	}
	s.calls = kept
}

// anew has no request get the answer of an earlier one any more.
func (s *stubs) anew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.again = nil
}
