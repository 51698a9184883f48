package scripttest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// stubs answer a test's requests in the network's place.
type stubs struct {
	w     *world
	mu    sync.Mutex
	list  []*stub
	calls []*call
}

// stub is an answer to come.
type stub struct {
	method string
	url    *url.URL
	params url.Values // that the request must have; nil: any
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
}

// fits says whether the stub is for a request. Without a query of its own it
// takes any.
func (s *stub) fits(rq *http.Request) bool {
	if s.method != rq.Method || s.url.Scheme != rq.URL.Scheme || s.url.Host != rq.URL.Host {
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
	return true
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
	c := &call{method: rq.Method, url: rq.URL.String(), header: rq.Header.Clone(), body: body}
	s.calls = append(s.calls, c)
	spent := 0
	for _, stub := range s.list {
		if !stub.fits(rq) {
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
		return &http.Response{
			Status: fmt.Sprintf("%d %s", stub.status, http.StatusText(stub.status)), StatusCode: stub.status,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: stub.header.Clone(), Request: rq,
			Body: io.NopCloser(bytes.NewReader(stub.body)), ContentLength: int64(len(stub.body)),
		}, nil
	}
	message := s.unmatched(rq, spent)
	s.w.note(message)
	return nil, hostlib.Errorf("test.http", "%s", message)
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
