package hostlib

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"golang.org/x/time/rate"
)

// httpRequest is a request of a script, with how it is to be sent.
type httpRequest struct {
	method  string
	url     *url.URL
	header  http.Header
	body    *httpBody // nil: none
	auth    credentials
	ok      func(status int) bool // nil: no status of 400 or more will do
	timeout time.Duration         // how long nothing may move
	retry   int                   // how often it is sent again
	maxBody int64                 // bytes of the answer, unpacked
	limit   *rate.Limiter         // nil: none
	login   bool                  // it only asks for a token
	safe    bool                  // sending it twice does no harm, whatever the method
	still   bool                  // redirects are not followed
	hidden  []string              // secrets, struck out of messages
}

const (
	defaultHTTPTimeout = 30 * time.Second
	defaultHTTPRetry   = 3
	defaultHTTPBody    = 64_000_000

	maxRedirects = 10
	// A longer wait that a server asks for is not spent in the hook: the job
	// is put to sleep.
	maxHTTPWait = 30 * time.Second
	// Unless the hook has written nothing and had answers since its last commit, for
	// which it would ask once more, to be sent to sleep at the same place again: up to
	// this it waits in the hook.
	maxHTTPHold = 5 * time.Minute
	// No server can put a job to sleep for longer; then it is asked again.
	maxHTTPSnooze = 24 * time.Hour
)

// httpBackoff is how long to wait where the server does not say.
var httpBackoff = engine.RetryPolicy{First: 500 * time.Millisecond, Factor: 2, Cap: maxHTTPWait, Jitter: 0.5}

// httpFailure is how one attempt failed.
type httpFailure struct {
	err    error         // for the script
	again  bool          // sending it again can help, and does no harm
	asked  bool          // the server said how long to wait
	wait   time.Duration // if asked
	status int           // 0: no answer came
}

// send sends a request until an answer comes that will do, and waits in between.
func (c *Call) send(rq *httpRequest) (*response, error) {
	renewed := false
	for attempt := 1; ; attempt++ {
		if err := c.throttle(rq.limit); err != nil {
			return nil, err
		}
		authorization := ""
		if rq.auth != nil {
			value, secrets, err := rq.auth.header(c)
			if err != nil {
				return nil, err
			}
			authorization = value
			rq.hidden = append(rq.hidden, secrets...)
		}
		resp, failed := c.attempt(rq, authorization)
		if failed == nil {
			if !rq.login {
				c.answered()
			}
			return resp, nil
		}
		if o, ok := rq.auth.(*oauth); ok && failed.status == http.StatusUnauthorized && !renewed {
			renewed = true
			if err := o.refused(c, authorization); err != nil {
				return nil, err
			}
			attempt--
			continue
		}
		if err := c.pause(rq, attempt, failed); err != nil {
			return nil, err
		}
	}
}

// answered counts the answers that a hook has had since its last commit.
func (c *Call) answered() {
	if !c.counts {
		c.counts = true
		c.Hook.OnCheckpoint(func() { c.answers = 0 })
	}
	c.answers++
}

// pause waits until a request may be sent again, or says why it is not.
func (c *Call) pause(rq *httpRequest, attempt int, failed *httpFailure) error {
	return c.again(map[string]any{"url": c.Hook.StrikeParts(rq.shown())}, rq.retry, attempt, failed)
}

// again waits until what failed may be tried again, at most retry times, or says
// why it is not. about is for the log.
func (c *Call) again(about map[string]any, retry, attempt int, failed *httpFailure) error {
	if c.Context().Err() != nil {
		return context.Cause(c.Context())
	}
	wait := failed.wait
	if !failed.asked {
		backoff := httpBackoff
		if c.Host.Random != nil {
			backoff.Jitter = -1
		}
		wait = backoff.Wait(min(attempt, 20))
	}
	long := failed.asked && wait > maxHTTPWait &&
		(c.answers == 0 || attempt > retry || wait > maxHTTPHold || wait > c.Hook.TimeLeft()/2 || !c.Hook.Unwritten()) // others may wait for what it has locked
	switch {
	case !failed.again || retry == 0:
		return failed.err
	case long && !c.after && c.Hook.Job().Phase != engine.PhaseFail:
		about["status"], about["wait"] = int64(failed.status), engine.FormatDuration(wait)
		then := "the job goes on then"
		if c.answers > 0 {
			then += fmt.Sprintf(" from its last commit, and asks once more for %d answers that it has had since: commit what comes of them before, by ctx.batches or ctx.checkpoint, or the next run may be stopped here, too", c.answers)
		}
		c.Log(slog.LevelWarn, "the server asks to wait: "+then, about)
		return c.Hook.Snooze(wait)
	case attempt > retry || long:
		return failed.err
	}
	about["why"], about["wait"] = c.Hook.StrikeParts(failed.err.Error()), engine.FormatDuration(wait.Round(time.Millisecond))
	c.Log(slog.LevelInfo, "trying again", about)
	return c.Hook.Sleep(wait)
}

// throttle waits until a limiter lets a request pass. It waits in the hook,
// however long it is: a job that was put to sleep would begin from its last
// checkpoint, and use up what it had waited for.
func (c *Call) throttle(l *rate.Limiter) error {
	if l == nil {
		return nil
	}
	now := c.Hook.Now()
	r := l.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		if err := c.Hook.Sleep(wait); err != nil {
			r.CancelAt(c.Hook.Now())
			return err
		}
	}
	return nil
}

func (rq *httpRequest) shown() string { return hide(shownURL(rq.url), rq.hidden) }

// failure makes an error about a request.
func (rq *httpRequest) failure(code, format string, args ...any) *engine.Failure {
	f := Errorf(code, "%s %s: %s", rq.method, rq.shown(), hide(fmt.Sprintf(format, args...), rq.hidden))
	return f
}

// accepts says whether an answer with the status will do. A part of what was asked
// for is only what the script has asked for, or it would be taken for the whole.
func (rq *httpRequest) accepts(status int) bool {
	if rq.ok != nil && rq.ok(status) {
		return true
	}
	return status < 400 && (status != http.StatusPartialContent || rq.header.Get("Range") != "")
}

// repeatable says whether sending it twice does no harm.
func (rq *httpRequest) repeatable() bool {
	switch rq.method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return true
	}
	return rq.safe || rq.header.Get("Idempotency-Key") != ""
}

// errNoAnswer ends an attempt in which nothing came for too long.
var errNoAnswer = errors.New("no answer")

// attempt sends a request once.
func (c *Call) attempt(rq *httpRequest, authorization string) (*response, *httpFailure) {
	outer := c.Context()
	if rq.login {
		outer = asLogin(outer)
	}
	ctx, cancel := context.WithCancelCause(outer)
	patience := newPatience(rq.timeout, func() { cancel(errNoAnswer) })
	give := func(f *httpFailure) (*response, *httpFailure) {
		patience.rest()
		cancel(nil)
		return nil, f
	}
	req, err := rq.build(patience.trace(ctx), authorization, patience)
	if err != nil {
		return give(&httpFailure{err: err})
	}
	last := rq.url
	client := &http.Client{CheckRedirect: rq.redirect, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		last = r.URL
		patience.moved() // a redirect is an answer
		return c.roundTrip(r)
	})}
	res, err := client.Do(req)
	if err != nil {
		return give(rq.noAnswer(ctx, err, last))
	}
	resp := &response{c: c, rq: rq, status: res.StatusCode, header: res.Header, url: last, patience: patience, cancel: cancel, ctx: ctx}
	patience.rest()
	if err := resp.begin(res.Body); err != nil {
		resp.Close()
		return nil, &httpFailure{err: err, again: rq.repeatable() && brokeOff(err)}
	}
	if rq.accepts(resp.status) {
		return resp, nil
	}
	defer resp.Close()
	return nil, rq.refused(c, resp)
}

// roundTripper is an http.RoundTripper made of a function.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls it.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// build makes the request for one attempt.
func (rq *httpRequest) build(ctx context.Context, authorization string, p *patience) (*http.Request, error) {
	req := (&http.Request{Method: rq.method, URL: rq.url, Header: rq.header.Clone(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "dsengine")
	}
	if req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", acceptedEncodings)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	if rq.body != nil {
		open := p.sent(rq.body.open)
		body, err := open()
		if err != nil {
			return nil, err
		}
		req.Body, req.GetBody, req.ContentLength = body, open, rq.body.size
	}
	return req, nil
}

// kept are the headers that go along to another host.
var keptHeaders = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Accept-Language": true, "Content-Type": true, "User-Agent": true,
	"If-None-Match": true, "If-Modified-Since": true, "Range": true,
}

// redirect decides about a redirect, and what goes along.
func (rq *httpRequest) redirect(req *http.Request, via []*http.Request) error {
	if rq.still {
		return http.ErrUseLastResponse
	}
	if len(via) >= maxRedirects {
		f := rq.failure("http.redirect", "it was redirected %d times, last to %s", len(via), shownURL(req.URL))
		f.Retryable = false
		return f
	}
	req.Header.Del("Referer") // its parameters may hold secrets
	left := !sameOrigin(rq.url, req.URL)
	for _, r := range via {
		left = left || !sameOrigin(rq.url, r.URL)
	}
	for name := range req.Header {
		if left && !keptHeaders[name] {
			req.Header.Del(name)
		}
	}
	return nil
}

// sameOrigin says whether two URLs lead to the same place: what is meant for
// one may be told the other. That https follows http does no harm.
func sameOrigin(a, b *url.URL) bool {
	if a.Scheme == "http" && b.Scheme == "https" && a.Port() == "" && b.Port() == "" {
		return strings.EqualFold(a.Hostname(), b.Hostname())
	}
	ha, pa, _, err1 := hostOf(a)
	hb, pb, _, err2 := hostOf(b)
	return err1 == nil && err2 == nil && ha == hb && pa == pb && a.Scheme == b.Scheme
}

// noAnswer says why no answer came; last is where the request was redirected
// to, if it was.
func (rq *httpRequest) noAnswer(ctx context.Context, err error, last *url.URL) *httpFailure {
	var inner *url.Error
	for errors.As(err, &inner) {
		err = inner.Err // its own message shows the whole URL
	}
	cause := context.Cause(ctx)
	var private *privateError
	var failure *engine.Failure
	switch {
	case cause == errNoAnswer:
		return &httpFailure{err: rq.failure("http.timeout", "no answer within %s", engine.FormatDuration(rq.timeout)), again: rq.repeatable()}
	case cause != nil:
		return &httpFailure{err: cause}
	case Decided(err):
		return &httpFailure{err: err}
	case errors.As(err, &private):
		return &httpFailure{err: rq.failure("needs", "%v", private)}
	case errors.As(err, &failure) && failure.Code == "needs" && last != rq.url:
		return &httpFailure{err: rq.failure("needs", "it redirects to another host: %s", failure.Message)}
	case errors.As(err, &failure):
		return &httpFailure{err: failure}
	}
	why, again, known := noConnection(err)
	return &httpFailure{err: rq.failure("http.connect", "%s", why), again: again || !known && rq.repeatable()}
}

// noConnection says in words why there is no connection, and whether there may be
// one later; known says that nothing was sent.
func noConnection(err error) (why string, again, known bool) {
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &cert):
		return fmt.Sprintf("its certificate cannot be trusted: %v", cert.Err), false, true
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("there is no host %q", dns.Name), false, true
	case errors.As(err, &dns):
		return "ask for its address: " + dns.Err, true, true
	case errors.As(err, &op) && op.Op == "dial":
		return err.Error(), true, true
	}
	return err.Error(), false, false
}

// brokeOff says whether an error is one of the connection, not of what came.
func brokeOff(err error) bool {
	var f *engine.Failure
	return errors.As(err, &f) && (f.Code == "http.connect" || f.Code == "http.timeout")
}

// retryableStatus says whether the same request may succeed later.
func retryableStatus(status int) bool {
	switch status {
	case http.StatusPartialContent, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// refused is the failure of an answer that will not do.
func (rq *httpRequest) refused(c *Call, resp *response) *httpFailure {
	f := rq.failure("http."+strconv.Itoa(resp.status), "it answered %s%s", statusText(resp.status), resp.excerpt())
	f.Retryable = retryableStatus(resp.status)
	out := &httpFailure{err: f, status: resp.status}
	if !f.Retryable {
		return out
	}
	declined := resp.status == http.StatusTooManyRequests || resp.status == http.StatusServiceUnavailable
	out.again = declined || rq.repeatable()
	if out.wait, out.asked = retryAfter(resp.header.Get("Retry-After"), resp.header.Get("Date"), c.Hook.Now()); out.asked {
		f.RetryAfter, f.Wait = out.wait, true
	}
	return out
}

// retryAfter reads how long a server asks to wait: seconds, or a date, which
// is compared with the server's own clock where it tells it.
func retryAfter(text, date string, now time.Time) (time.Duration, bool) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 {
		return time.Duration(min(n, maxHTTPSnooze.Seconds()) * float64(time.Second)), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if d, err := http.ParseTime(date); err == nil {
		now = d
	}
	return min(max(at.Sub(now), 0), maxHTTPSnooze), true
}
