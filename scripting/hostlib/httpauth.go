package hostlib

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// credentials are what a request proves by who asks.
type credentials interface {
	// header is the Authorization header, and the secrets in it.
	header(c *Call) (value string, secrets []string, err error)
	// identity tells apart who asks: it has what renewals leave as it is. It may have
	// secrets, and goes into hashes only.
	identity() []string
}

type bearer string

func (b bearer) identity() []string { return []string{"bearer", string(b)} }

func (b bearer) header(*Call) (string, []string, error) {
	return "Bearer " + string(b), []string{string(b)}, nil
}

type basic struct{ user, password string }

func (b basic) identity() []string { return []string{"basic", b.user, b.password} }

func (b basic) header(*Call) (string, []string, error) {
	coded := base64.StdEncoding.EncodeToString([]byte(b.user + ":" + b.password))
	return "Basic " + coded, []string{b.password, coded}, nil
}

// credentialsOf reads an auth argument; nil if there is none.
func credentialsOf(c *Call, v Value) (credentials, error) {
	switch v := c.Lang.Plain(v).(type) {
	case nil:
		return nil, nil
	case string:
		if v == "" {
			return nil, Errorf("usage", "auth: the token is empty")
		}
		return bearer(v), nil
	case *oauth:
		return v, nil
	default:
		p := Param{Name: "auth", Type: Strings}
		pair, err := p.convert(c, v)
		if list, _ := pair.([]string); err == nil && len(list) == 2 {
			return basic{list[0], list[1]}, nil
		}
		return nil, Errorf("usage", "auth: got %s, wanted a token, a pair (user, password), or what http.oauth2 gives", c.Lang.TypeName(v))
	}
}

// oauth is what http.oauth2 gives.
type oauth struct{ url, id, secret, scope string }

func (o *oauth) shown() string {
	u, err := url.Parse(o.url)
	if err != nil {
		return "token_url"
	}
	return shownURL(u)
}

func (o *oauth) identity() []string { return []string{"oauth2", o.url, o.id, o.scope} }

// ObjectType is oauth2.
func (*oauth) ObjectType() *ObjectType { return oauth2Type }

var oauth2Type = &ObjectType{
	Name: "oauth2", Doc: "Client credentials of OAuth 2: a value for auth.",
	Attrs: []Attr{
		{Name: "token_url", Type: "string", Doc: "Where tokens come from.", Get: func(v Value) (Value, error) { return v.(*oauth).url, nil }},
	},
}

// tokens keeps the tokens of a process, while they are valid.
type tokens struct {
	mu sync.Mutex
	m  map[[32]byte]*token
}

// token is one that all hooks with the same credentials use.
type token struct {
	busy    chan struct{} // holds one element while somebody uses the rest
	config  clientcredentials.Config
	value   string
	expires time.Time // by the clock of hooks
}

// maxTokens bounds what tokens keeps.
const maxTokens = 1000

// kept is the token that hooks share which ask for the same one, and may ask there in
// the same way: what a script may not reach gives it no token by way of another one.
func (o *oauth) kept(c *Call) (*token, error) {
	u, err := url.Parse(o.url)
	if err != nil {
		return nil, Errorf("usage", "token_url is no URL")
	}
	_, at, err := c.mayAsk(u)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%q %+v", []string{o.url, o.id, o.secret, o.scope}, at))
	t := &c.Host.tokens
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.m[key]
	if k == nil {
		if t.m == nil || len(t.m) >= maxTokens {
			t.m = map[[32]byte]*token{}
		}
		k = &token{busy: make(chan struct{}, 1), config: clientcredentials.Config{
			ClientID: o.id, ClientSecret: o.secret, TokenURL: o.url, Scopes: strings.Fields(o.scope),
		}}
		t.m[key] = k
	}
	return k, nil
}

func (t *token) lock(c *Call) error {
	select {
	case t.busy <- struct{}{}:
		return nil
	case <-c.Context().Done():
		return context.Cause(c.Context())
	}
}

func (t *token) unlock() { <-t.busy }

func (o *oauth) header(c *Call) (string, []string, error) {
	t, err := o.kept(c)
	if err != nil {
		return "", nil, err
	}
	if err := t.lock(c); err != nil {
		return "", nil, err
	}
	defer t.unlock()
	if t.value == "" || !t.expires.IsZero() && !c.Hook.Now().Before(t.expires) {
		if err := t.fetch(c, o); err != nil {
			return "", nil, err
		}
	}
	// A server may tell it in whatever it answers. One that is too short to be
	// found in texts is no secret.
	_ = c.Hook.PassingSecret(t.value)
	return "Bearer " + t.value, []string{t.value, o.secret}, nil
}

// refused forgets a token that a server did not take, unless there is another
// one by now. header is the one that was refused.
func (o *oauth) refused(c *Call, header string) error {
	t, err := o.kept(c)
	if err != nil {
		return err
	}
	if err := t.lock(c); err != nil {
		return err
	}
	defer t.unlock()
	if "Bearer "+t.value == header {
		t.value = ""
	}
	return nil
}

// fetch gets a new token.
func (t *token) fetch(c *Call, o *oauth) error {
	sender := &tokenSender{c: c, secrets: []string{o.secret}}
	got, err := t.config.Token(context.WithValue(c.Context(), oauth2.HTTPClient, &http.Client{Transport: sender, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}))
	if sender.err != nil {
		return sender.err
	}
	if err != nil {
		var refused *oauth2.RetrieveError
		why := "it gave no token" + sender.answered()
		if errors.As(err, &refused) && refused.Response != nil {
			why = "it answered " + statusText(refused.Response.StatusCode)
			if refused.ErrorCode != "" {
				why += fmt.Sprintf(": %s %s", refused.ErrorCode, refused.ErrorDescription)
			}
		}
		f := Errorf("http.oauth2", "get a token from %s: %s", o.shown(), hide(strings.TrimSpace(why), sender.secrets))
		f.Retryable = false
		return f
	}
	t.value, t.expires = got.AccessToken, time.Time{}
	if !got.Expiry.IsZero() {
		life := time.Until(got.Expiry) // its clock is the machine's
		t.expires = c.Hook.Now().Add(life - min(30*time.Second, life/10))
	}
	return nil
}

// tokenSender sends requests for tokens as it does all others: with retries,
// and checked.
type tokenSender struct {
	c       *Call
	secrets []string
	last    *response
	err     error // that no second form of the request would mend
}

// RoundTrip gives any answer but those after which trying again can help.
func (s *tokenSender) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.err != nil {
		return nil, s.err
	}
	form, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	rq := &httpRequest{
		method: r.Method, url: r.URL, header: r.Header.Clone(), body: bytesBody(form), safe: true, login: true, hidden: s.secrets,
		timeout: defaultHTTPTimeout, retry: defaultHTTPRetry, maxBody: 1 << 20, still: true, ok: func(status int) bool { return !retryableStatus(status) },
	}
	resp, err := s.c.send(rq)
	if err == nil {
		err = resp.load()
	}
	if err != nil {
		s.err = err
		return nil, err
	}
	s.last = resp
	return &http.Response{
		StatusCode: resp.status, Status: statusText(resp.status), Header: resp.header, Request: r,
		Body: io.NopCloser(bytes.NewReader(resp.body)), ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// answered is what the server has answered in place of a token. Of JSON nothing is
// shown: another token may be in it.
func (s *tokenSender) answered() string {
	if s.last == nil {
		return ""
	}
	said := ": it answered " + statusText(s.last.status)
	if kind := s.last.header.Get("Content-Type"); kind != "" {
		said += ", " + kind
	}
	if body := bytes.TrimSpace(s.last.body); len(body) == 0 || body[0] != '<' {
		return said
	}
	return said + s.last.excerpt()
}
