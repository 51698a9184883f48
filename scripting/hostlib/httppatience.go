package hostlib

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// patience ends an attempt at a request when nothing moves for too long: no
// connection is made, nothing is taken of what is sent, nothing comes. However long
// the whole takes, it goes on as long as something moves.
type patience struct {
	span  time.Duration
	timer *time.Timer

	mu      sync.Mutex
	waiting bool // somebody waits for the other side
}

// newPatience begins to wait; out is called once when it has waited for too long.
func newPatience(span time.Duration, out func()) *patience {
	return &patience{span: span, timer: time.AfterFunc(span, out), waiting: true}
}

// wait waits from now on.
func (p *patience) wait() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = true
	p.timer.Reset(p.span)
}

// rest waits no longer: the script is busy, or all is over.
func (p *patience) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = false
	p.timer.Stop()
}

// moved notes that something has moved. What moves while nobody waits, such as the
// rest of what is sent to a server that has answered already, does not count.
func (p *patience) moved() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting {
		p.timer.Reset(p.span)
	}
}

// trace has connections that are made count as something that moves.
func (p *patience) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { p.moved() },
		WroteRequest: func(httptrace.WroteRequestInfo) { p.moved() },
	})
}

// sent is a body whose pieces count as they are taken.
func (p *patience) sent(open func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		body, err := open()
		if err != nil || body == http.NoBody {
			return body, err
		}
		return &sentBody{body, p}, nil
	}
}

// sentBody is one of them.
type sentBody struct {
	io.ReadCloser
	p *patience
}

// sentPiece is the most that one read gives: small enough for a slow line to take
// in time.
const sentPiece = 32 << 10

// Read gives the next piece: the one before was taken.
func (s *sentBody) Read(b []byte) (int, error) {
	s.p.moved()
	return s.ReadCloser.Read(b[:min(len(b), sentPiece)])
}
