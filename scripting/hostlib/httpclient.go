package hostlib

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
	"golang.org/x/time/rate"
)

// client is what http.client gives.
type client struct{ way }

// ObjectType is client.
func (*client) ObjectType() *ObjectType { return clientType }

var clientType = &ObjectType{
	Name: "client", Doc: "One API: where it is, who asks, how often.",
	Attrs: []Attr{
		{Name: "base_url", Type: "string", Doc: "What its URLs begin with, or None.", Get: func(v Value) (Value, error) {
			if base := v.(*client).base; base != nil {
				return shownURL(base), nil
			}
			return nil, nil
		}},
	},
	Methods: clientMethods(),
}

func clientMethods() []*Func {
	way := func(self Value) *way { return &self.(*client).way }
	methods := append(requestFuncs("client", "/", way), paginateFunc("client", "/", way))
	for _, f := range methods {
		f.Example = "client = http.client(\"https://api.example.com\", rate = \"1000/s\")\n" + f.Example
		f.Lua = "local client = http.client(\"https://api.example.com\", {rate = \"1000/s\"})\n" + f.Lua
	}
	return methods
}

var clientFunc = &Func{
	Name: "client", Doc: "Makes a client: one API, with what all requests to it have in common. It may be a global.",
	Params: append([]Param{
		{Name: "base_url", Type: String, Default: None, Doc: "what URLs begin with; headers and auth of the client go to its host only"},
		{Name: "rate", Type: String, Default: None, Named: true, Doc: "how many requests start in a time, such as \"10/s\" or \"100/m\", evenly; all hooks of the process that use the same host and rate share it"},
	}, wayParams(false)...),
	Returns: "client",
	Example: "api = http.client(\"https://api.example.com\", auth = \"a token\", rate = \"100/s\")\napi.get(\"users/1\").json()[\"name\"]  # \"Ada\"",
	Lua:     "local api = http.client(\"https://api.example.com\", {auth = \"a token\", rate = \"100/s\"})\napi.get(\"users/1\").json().name  -- \"Ada\"",
	Do: func(c *Call, a *Args) (Value, error) {
		k := &client{way{timeout: a.Duration("timeout"), retry: a.Int("retry"), maxBody: a.Int("max_body")}}
		if err := checkWay(k.timeout, k.retry, k.maxBody); err != nil {
			return nil, err
		}
		var err error
		if k.header, err = headersOf(a.Dict("headers")); err != nil {
			return nil, err
		}
		if k.auth, err = credentialsOf(c, a.Value("auth")); err != nil {
			return nil, err
		}
		scope := ""
		if a.Given("base_url") {
			base, err := k.way.url(a.String("base_url"))
			if err != nil {
				return nil, err
			}
			if user := base.User; user != nil && k.auth == nil {
				password, _ := user.Password()
				k.auth = basic{user.Username(), password}
			}
			if base.User = nil; base.Path == "" {
				base.Path = "/"
			}
			k.base, scope = base, base.Scheme+"://"+base.Host
		}
		if k.auth != nil && k.header.Get("Authorization") != "" {
			return nil, Errorf("usage", "both auth and a header Authorization are given")
		}
		if text := a.String("rate"); text != "" {
			if k.rate, err = parseRate(text, scope); err != nil {
				return nil, err
			}
		}
		return k, nil
	},
}

var oauth2Func = &Func{
	Name: "oauth2", Doc: "Gives a value for auth: tokens by client credentials of OAuth 2. A token is asked for when it is needed, kept in the process until shortly before it expires, for the scripts whose needs name where it comes from, and renewed once when a server answers 401.",
	Params: []Param{
		{Name: "token_url", Type: String, Doc: "where tokens come from; needs must name its host too"},
		{Name: "id", Type: String, Doc: "the client's id"},
		{Name: "secret", Type: String, Doc: "the client's secret"},
		{Name: "scope", Type: String, Default: None, Doc: "scopes, separated by spaces"},
	},
	Returns: "oauth2",
	Example: "login = http.oauth2(\"https://api.example.com/token\", \"importer\", \"its secret\")\nhttp.get(\"https://api.example.com/private\", auth = login).json()  # \"for you alone\"",
	Lua:     "local login = http.oauth2(\"https://api.example.com/token\", \"importer\", \"its secret\")\nhttp.get(\"https://api.example.com/private\", {auth = login}).json()  -- \"for you alone\"",
	Do: func(_ *Call, a *Args) (Value, error) {
		u, err := (&way{}).url(a.String("token_url"))
		if err != nil {
			return nil, err
		}
		if u.User != nil {
			return nil, Errorf("usage", "token_url: it holds a password: give id and secret instead")
		}
		return &oauth{url: u.String(), id: a.String("id"), secret: a.String("secret"), scope: a.String("scope")}, nil
	},
}

// rateLimit is what a client's rate says.
type rateLimit struct {
	scope string // the base URL's host; "": of the job's type
	text  string
	every time.Duration // between two requests
}

// parseRate reads "10/s".
func parseRate(text, scope string) (*rateLimit, error) {
	count, per, _ := strings.Cut(strings.ReplaceAll(text, " ", ""), "/")
	n, err := strconv.ParseFloat(count, 64)
	unit := per
	if unit != "" && (unit[0] < '0' || unit[0] > '9') {
		unit = "1" + unit
	}
	d, derr := engine.ParseDuration(unit)
	if err != nil || derr != nil || !(n > 0) || n > 1e6 || d <= 0 {
		return nil, Errorf("usage", "rate: got %q, wanted one such as \"10/s\", \"100/m\" or \"5000/h\"", text)
	}
	return &rateLimit{scope: scope, text: text, every: time.Duration(float64(d) / n)}, nil
}

// limits are the limiters of a process.
type limits struct {
	mu sync.Mutex
	m  map[string]*rate.Limiter
}

// maxLimits is how many limiters are kept before those that are idle are not.
const maxLimits = 1000

// limiter is the one that all hooks with the same host and rate share.
func (l *rateLimit) limiter(c *Call) *rate.Limiter {
	scope := l.scope
	if scope == "" {
		scope = c.Hook.Type().Name
	}
	all := &c.Host.limits
	all.mu.Lock()
	defer all.mu.Unlock()
	key := scope + " " + l.text
	if have := all.m[key]; have != nil {
		return have
	}
	if all.m == nil {
		all.m = map[string]*rate.Limiter{}
	}
	if len(all.m) >= maxLimits {
		now := c.Hook.Now()
		for k, have := range all.m {
			if have.TokensAt(now) >= 1 {
				delete(all.m, k)
			}
		}
	}
	// One at a time: no window of time has more than it should.
	all.m[key] = rate.NewLimiter(rate.Every(l.every), 1)
	return all.m[key]
}
