package plan

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Request is a request that a script made.
type Request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   string `json:"body,omitempty"` // the beginning
	Status int    `json:"status"`         // 0: no answer came
	Sent   bool   `json:"sent"`           // it was really made; else its answer is made up
	Error  string `json:"error,omitempty"`
}

// maxBody is how much of a request's body is shown, and lookedBody how much is searched
// for secrets before, in bytes.
const maxBody, lookedBody = 2000, 64 << 10

// madeUp is the body of the answer to a request that was not sent.
const madeUp = "{}"

// send makes requests that only read, and those for tokens, and answers the others.
func (w *World) send(r *http.Request, login bool, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if w.ctx.Err() != nil { // it was stopped, and the hook has not met that yet
		return nil, context.Cause(w.ctx)
	}
	seen := &Request{Method: r.Method, URL: r.URL.Redacted()}
	w.mu.Lock()
	w.report.RequestCount++
	if len(w.report.Requests) < 5*maxListed {
		w.report.Requests = append(w.report.Requests, seen)
	}
	w.mu.Unlock()
	if r.Method == http.MethodGet || r.Method == http.MethodHead || login {
		seen.Sent = true
		asked := r
		if w.opts.Keep { // what is kept is to be read
			asked = r.Clone(r.Context())
			asked.Header.Set("Accept-Encoding", "identity")
		}
		res, err := send(asked)
		if err != nil {
			seen.Error = err.Error()
			return nil, err
		}
		seen.Status = res.StatusCode
		if w.opts.Keep {
			w.kept.answer(r, res, login)
		}
		return res, nil
	}
	if r.Body != nil {
		head, err := io.ReadAll(io.LimitReader(r.Body, lookedBody))
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		seen.Body = w.opts.Secrets.Strike(string(head)) // before it is cut, or a part would be shown
		if len(seen.Body) > maxBody {
			seen.Body = seen.Body[:maxBody] + "..."
		}
		if !utf8.ValidString(strings.ToValidUTF8(seen.Body, "")) || bytes.IndexByte(head, 0) >= 0 {
			seen.Body = "(bytes)"
		}
	}
	seen.Status = http.StatusOK
	w.say("requests that write were not sent: each was answered 200 with the body %s, which the real answer may not be", madeUp)
	res := &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(madeUp)), ContentLength: int64(len(madeUp)),
	}
	if w.opts.Keep {
		w.kept.answer(r, res, false)
	}
	return res, nil
}
