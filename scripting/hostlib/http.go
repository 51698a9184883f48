package hostlib

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

var httpModule = &Module{
	Name: "http",
	Doc: "Requests over HTTP, to hosts that needs names (\"http:api.example.com\"; * stands for any characters). Private addresses of the organisation only where needs names the host itself, and the port if it is not 80 or 443; this machine, its link and a cloud's metadata only where needs names the address (\"http:127.0.0.1\", \"http:localhost\"). " +
		"The operator's proxies are those of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).",
	Funcs: slices.Concat(
		requestFuncs("http", "https://api.example.com/", moduleWay),
		[]*Func{paginateFunc("http", "https://api.example.com/", moduleWay), clientFunc, oauth2Func},
	),
}

// way is how requests are sent where a call does not say.
type way struct {
	base    *url.URL
	header  http.Header
	auth    credentials
	timeout time.Duration
	retry   int64
	maxBody int64
	rate    *rateLimit
}

// moduleWay is that of the functions of the module.
func moduleWay(Value) *way {
	return &way{timeout: defaultHTTPTimeout, retry: defaultHTTPRetry, maxBody: defaultHTTPBody}
}

// wayParams say how a request is sent; those of a client's methods are the
// client's where they are None.
func wayParams(client bool) []Param {
	doc, timeout, retry, maxBody := func(s string) string { return s }, Value(defaultHTTPTimeout), Value(int64(defaultHTTPRetry)), Value("64MB")
	if client {
		doc, timeout, retry, maxBody = func(s string) string { return s + "; None: as the client has it" }, None, None, None
	}
	return []Param{
		{Name: "headers", Type: DictOf, Default: None, Named: true, Doc: "headers by name"},
		{Name: "auth", Type: Any, Default: None, Named: true, Doc: doc("a token (bearer), a pair (user, password), or what http.oauth2 gives; it is sent to the URL's own host only")},
		{Name: "timeout", Type: Duration, Default: timeout, Named: true, Doc: doc("how long nothing may move: no connection, nothing more taken of what is sent, no answer, or nothing more of it. However long all of it takes, it goes on while something moves")},
		{Name: "retry", Type: Int, Default: retry, Named: true, Doc: doc("how often it is sent again, with growing pauses, or those that the server asks for (Retry-After): after no answer, 408, 425, 429 and 5xx; POST and PATCH only after 429 and 503, or with a header Idempotency-Key")},
		{Name: "max_body", Type: Size, Default: maxBody, Named: true, Doc: doc("the longest answer, unpacked")},
	}
}

// requestFuncs are get and its like: of the module, or of a client.
func requestFuncs(of, base string, via func(self Value) *way) []*Func {
	client := of != "http"
	get := func(name, method, doc string, example, lua string) *Func {
		effect, cached := Outside, method == http.MethodGet || method == http.MethodHead
		if cached {
			effect = Read
		}
		params := []Param{
			{Name: "url", Type: String, Doc: "where to"},
			{Name: "params", Type: DictOf, Default: None, Named: true, Doc: "parameters of the URL; a list repeats its name, None leaves it out"},
		}
		if client {
			params[0].Doc = "where to: what follows the client's base_url, or a whole URL"
		}
		params = append(params, wayParams(client)...)
		params = append(params, Param{Name: "ok", Type: Any, Default: None, Named: true, Doc: "statuses that are no error, of those that are one: [404], [206]", Holds: func(c *Call, v Value) error {
			_, err := okOf(c, v)
			return err
		}})
		if cached {
			params = append(params, Param{Name: "cache", Type: Bool, Default: None, Named: true,
				Doc: "True: asks for what has changed since a hook of another job of this type got it and ended well; if nothing has, the answer's unchanged is true and it has no body. It is remembered for each URL with the headers and the auth that were sent"})
		} else {
			params = append(params,
				Param{Name: "json", Type: Data, Default: None, Named: true, Doc: "data to send as JSON"},
				Param{Name: "form", Type: DictOf, Default: None, Named: true, Doc: "fields of a form to send"},
				Param{Name: "body", Type: Text, Default: None, Named: true, Doc: "a text or bytes to send as they are"},
				Param{Name: "files", Type: DictOf, Default: None, Named: true, Doc: "files of a form to send, by field: a path, or {\"content\" or \"path\": ..., \"name\": ..., \"type\": ...}"},
			)
		}
		return &Func{
			Together: func(known func(name string) Value, _ func(name string) bool) error {
				return oneBody(func(name string) bool { return known(name) != nil })
			},
			Name: name, Doc: doc + " A status of 400 or above is an error: http.404 and its like; so is 206, a part, without a header Range. A wait of more than 30s that a server asks for puts the job to sleep, for at most a day, and counts as no attempt; one of up to 5 minutes is waited for in a hook that has had answers since its last commit, and has written nothing.",
			Params: params, Returns: "response", Needs: "http", Effect: effect,
			Example: strings.ReplaceAll(strings.ReplaceAll(example, "$.", of+"."), "$/", base),
			Lua:     strings.ReplaceAll(strings.ReplaceAll(lua, "$.", of+"."), "$/", base),
			Do: func(c *Call, a *Args) (Value, error) {
				rq, err := requestOf(c, a, method, via(a.Self))
				if err != nil {
					return nil, err
				}
				var m *remembered
				if cached && a.Bool("cache") {
					if m, err = c.conditional(rq); err != nil {
						return nil, err
					}
				}
				resp, err := c.send(rq)
				if err == nil && m != nil {
					err = m.keep(c, resp)
				}
				return orNil(resp, err)
			},
		}
	}
	return []*Func{
		get("get", http.MethodGet, "Asks for what is at a URL.",
			"$.get(\"$/users/1\").json()  # {\"id\": 1, \"name\": \"Ada\"}\n$.get(\"$/users/9\", ok = [404]).status  # 404",
			"$.get(\"$/users/1\").json().name  -- \"Ada\"\n$.get(\"$/users/9\", {ok = {404}}).status  -- 404"),
		get("head", http.MethodHead, "Asks for the headers of what is at a URL.",
			"$.head(\"$/users/1\").headers[\"content-type\"]  # \"application/json\"",
			"$.head(\"$/users/1\").headers[\"content-type\"]  -- \"application/json\""),
		get("post", http.MethodPost, "Sends something to a URL. It is sent again when the hook runs again: after a crash, a failed attempt, or when another job has changed state or vars that the hook reads and sets. A header Idempotency-Key tells the receiver, and ctx.on_commit(fn) sends once the job has committed.",
			"$.post(\"$/users\", json = {\"name\": \"Grace\"}).status  # 201",
			"$.post(\"$/users\", {json = {name = \"Grace\"}}).status  -- 201"),
		get("put", http.MethodPut, "Puts something at a URL, in place of what is there.",
			"$.put(\"$/users/1\", json = {\"name\": \"Ada\"}, auth = (\"me\", \"my password\")).ok  # True",
			"$.put(\"$/users/1\", {json = {name = \"Ada\"}, auth = {\"me\", \"my password\"}}).ok  -- true"),
		get("patch", http.MethodPatch, "Changes a part of what is at a URL.",
			"$.patch(\"$/users/1\", json = {\"name\": \"Ada\"}, headers = {\"Idempotency-Key\": \"rename-1\"}).ok  # True",
			"$.patch(\"$/users/1\", {json = {name = \"Ada\"}, headers = {[\"Idempotency-Key\"] = \"rename-1\"}}).ok  -- true"),
		get("delete", http.MethodDelete, "Deletes what is at a URL.",
			"$.delete(\"$/users/1\", ok = [404]).ok  # True",
			"$.delete(\"$/users/1\", {ok = {404}}).ok  -- true"),
	}
}

// orNil keeps a nil *response from becoming a Value.
func orNil(r *response, err error) (Value, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// requestOf makes a request of the arguments of get and its like.
func requestOf(c *Call, a *Args, method string, w *way) (*httpRequest, error) {
	rq, err := newRequest(c, a, method, w)
	if err != nil {
		return nil, err
	}
	if rq.ok, err = okOf(c, a.Value("ok")); err != nil {
		return nil, err
	}
	if a.f.Param("json") == nil {
		return rq, nil
	}
	if rq.body, err = bodyOf(c, a); err != nil {
		return nil, err
	}
	if rq.body != nil && rq.header.Get("Content-Type") == "" {
		rq.header.Set("Content-Type", rq.body.kind)
	}
	return rq, nil
}

// newRequest reads what all requests have.
func newRequest(c *Call, a *Args, method string, w *way) (*httpRequest, error) {
	rq := &httpRequest{method: method, header: http.Header{}, timeout: w.timeout, retry: int(w.retry), maxBody: w.maxBody}
	u, err := w.url(a.String("url"))
	if err != nil {
		return nil, err
	}
	query, err := queryOf("params", a.Dict("params"))
	if err != nil {
		return nil, err
	}
	rq.url = withQuery(u, query)
	if w.base == nil || sameOrigin(w.base, u) {
		rq.auth, rq.header = w.auth, w.header.Clone()
		if rq.header == nil {
			rq.header = http.Header{}
		}
	}
	if user := u.User; user != nil {
		password, _ := user.Password()
		rq.auth, rq.url.User = basic{user.Username(), password}, nil
	}
	own, err := headersOf(a.Dict("headers"))
	if err != nil {
		return nil, err
	}
	for name, values := range own {
		rq.header[name] = values
	}
	if a.Given("auth") {
		if rq.auth, err = credentialsOf(c, a.Value("auth")); err != nil {
			return nil, err
		}
	}
	if rq.auth != nil && own.Get("Authorization") != "" {
		return nil, Errorf("usage", "both auth and a header Authorization are given")
	}
	for name, values := range rq.header {
		if secretName.MatchString(name) {
			rq.hidden = append(rq.hidden, values...)
		}
	}
	for name, values := range rq.url.Query() {
		if secretName.MatchString(name) {
			rq.hidden = append(rq.hidden, values...)
		}
	}
	if w.rate != nil {
		rq.limit = w.rate.limiter(c)
	}
	return rq, rq.settings(a)
}

// settings reads how the request is to be sent.
func (rq *httpRequest) settings(a *Args) error {
	if a.Given("timeout") {
		rq.timeout = a.Duration("timeout")
	}
	if a.Given("retry") {
		rq.retry = int(min(max(a.Int("retry"), -1), 101))
	}
	if a.Given("max_body") {
		rq.maxBody = a.Int("max_body")
	}
	return checkWay(rq.timeout, int64(rq.retry), rq.maxBody)
}

func checkWay(timeout time.Duration, retry, maxBody int64) error {
	switch {
	case timeout < time.Millisecond:
		return Errorf("usage", "timeout must be at least \"1ms\"")
	case retry < 0 || retry > 100:
		return Errorf("usage", "retry must be from 0 to 100")
	case maxBody < 1:
		return Errorf("usage", "max_body must be at least 1")
	}
	return nil
}

// url is where a call leads: to what follows the client's base, or anywhere.
func (w *way) url(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		if m := hostAndPort.FindStringSubmatch(text); m != nil {
			return nil, Errorf("usage", "url: %q begins with neither http:// nor https://%s", m[1], writeScheme(m[1]))
		}
		return nil, Errorf("usage", "url: it is no URL: %v", hideURL(err))
	}
	if w.base != nil && u.Scheme == "" && u.Host == "" {
		joined := *w.base
		if u.Path != "" {
			joined = *w.base.JoinPath(u.EscapedPath())
		}
		joined.RawQuery, joined.Fragment = joinQuery(w.base.RawQuery, u.RawQuery), ""
		u = &joined
	}
	if _, _, _, err := hostOf(u); err != nil {
		return nil, err
	}
	return u, nil
}

// hideURL is an error about a URL without what it quotes of that, which may hold secrets.
func hideURL(err error) error {
	if e, ok := err.(*url.Error); ok {
		err = e.Err
	}
	if what, _, quotes := strings.Cut(err.Error(), ` "`); quotes {
		return fmt.Errorf("%s: what has a meaning in URLs is to be percent-encoded", what)
	}
	return err
}

func joinQuery(a, b string) string {
	if a != "" && b != "" {
		return a + "&" + b
	}
	return a + b
}

// withQuery is a URL with further parameters.
func withQuery(u *url.URL, query string) *url.URL {
	v := *u
	v.RawQuery, v.Fragment, v.RawFragment = joinQuery(u.RawQuery, query), "", ""
	return &v
}

// ownHeaders are those that scripts cannot set.
var ownHeaders = map[string]bool{
	"Host": true, "Content-Length": true, "Transfer-Encoding": true, "Connection": true, "Upgrade": true,
	"Te": true, "Trailer": true, "Expect": true, "Keep-Alive": true, "Proxy-Authorization": true, "Proxy-Connection": true,
}

// headersOf reads headers by name; None leaves one out.
func headersOf(d *Dict) (http.Header, error) {
	h := http.Header{}
	var bad error
	err := EachParam("headers", d, func(name, value string) {
		switch canonical := http.CanonicalHeaderKey(name); {
		case !httpguts.ValidHeaderFieldName(name):
			bad = Errorf("usage", "headers: %q is no name of a header", name)
		case ownHeaders[canonical]:
			bad = Errorf("usage", "headers: %s is set by dsengine itself", canonical)
		case !httpguts.ValidHeaderFieldValue(value):
			bad = Errorf("usage", "headers: the value of %s holds a line end or another character that no header can", canonical)
		default:
			h.Add(canonical, value)
		}
	})
	return h, firstError(err, bad)
}

// okOf reads a list of statuses.
func okOf(c *Call, v Value) (func(int) bool, error) {
	if c.Lang.Plain(v) == nil {
		return nil, nil
	}
	it, isList := c.Iterate(c.Lang.Plain(v))
	if !isList {
		return nil, Errorf("usage", "ok: got %s, wanted a list of statuses such as [404]", c.Lang.TypeName(v))
	}
	defer it.Close()
	var list []int64
	for {
		e, err := it.Next()
		if isEOF(err) {
			return func(status int) bool { return slices.Contains(list, int64(status)) }, nil
		}
		if err != nil {
			return nil, err
		}
		n, isInt := asInt(c.Lang.Plain(e))
		if !isInt || n < 100 || n > 599 {
			return nil, Errorf("usage", "ok: got %s in the list, wanted statuses such as 404", c.Lang.TypeName(e))
		}
		list = append(list, n)
	}
}
