package hostlib_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestOAuthTokensAreKeptAndRenewed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var tokens, calls atomic.Int64
	var valid atomic.Value
	valid.Store("t1")
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/token":
			id, secret, ok := r.BasicAuth()
			if !ok { // one that wants them in the form
				id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
			}
			if id != "me" || secret != "pass word" || r.PostFormValue("grant_type") != "client_credentials" {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(401)
				io.WriteString(w, `{"error": "invalid_client", "error_description": "not `+secret+`"}`)
				return
			}
			n := tokens.Add(1)
			if r.PostFormValue("scope") == "flaky" && n == 1 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(503)
				return
			}
			if r.PostFormValue("scope") == "page" {
				w.Header().Set("Content-Type", "text/html")
				io.WriteString(w, "<html>log in first</html>")
				return
			}
			w.Header().Set("Content-Type", "application/json")
			if r.PostFormValue("scope") == "other" {
				io.WriteString(w, `{"id_token": "another"}`)
				return
			}
			fmt.Fprintf(w, `{"access_token": "t%d", "token_type": "bearer", "expires_in": %s}`, n, map[bool]string{true: "0.5", false: "3600"}[r.PostFormValue("scope") == "short"])
		default:
			calls.Add(1)
			if r.Header.Get("Authorization") != "Bearer "+valid.Load().(string) {
				w.WriteHeader(401)
				return
			}
			io.WriteString(w, r.Header.Get("Authorization"))
		}
	})
	login := func(scope string) string {
		return `http.oauth2(item + "/token", "me", "pass word", scope = "` + scope + `")`
	}
	if got := outcome(ask(t, w, url, "a = "+login("x")+"\nreturn [http.get(item, auth = a).text(), http.get(item, auth = a).text()]"), url); got != `["Bearer t1","Bearer t1"]` || tokens.Load() != 1 {
		t.Errorf("got %s, %d tokens", got, tokens.Load())
	}
	valid.Store("t2") // the server has forgotten the first one
	if got := outcome(ask(t, w, url, "return http.post(item, json = 1, auth = "+login("x")+").text()"), url); got != `"Bearer t2"` || tokens.Load() != 2 {
		t.Errorf("after a 401: got %s, %d tokens", got, tokens.Load())
	}
	valid.Store("none")
	calls.Store(0)
	if got := outcome(ask(t, w, url, "return http.client(item, auth = "+login("x")+").get('/a').text()"), url); got != `http.401: client.get: GET URL/a: it answered 401 Unauthorized` || tokens.Load() != 3 || calls.Load() != 2 {
		t.Errorf("refused twice: got %s, %d tokens, %d requests", got, tokens.Load(), calls.Load())
	}
	tokens.Store(0)
	valid.Store("t2")
	if got := outcome(ask(t, w, url, "return http.get(item, auth = "+login("flaky")+").text()"), url); got != `"Bearer t2"` {
		t.Errorf("a server that fails once: got %s", got)
	}
	for scope, want := range map[string]string{
		"page":  `http.oauth2: http.get: get a token from URL/token: it gave no token: it answered 200 OK, text/html: <html>log in first</html>`,
		"other": `http.oauth2: http.get: get a token from URL/token: it gave no token: it answered 200 OK, application/json`,
	} {
		if got := outcome(ask(t, w, url, "http.get(item, auth = "+login(scope)+")"), url); got != want {
			t.Errorf("%s: got %s, want %s", scope, got, want)
		}
	}
	j := ask(t, w, url, `http.get(item, auth = http.oauth2(item + "/token", "me", "wrong-secret"))`)
	if got, want := outcome(j, url), `http.oauth2: http.get: get a token from URL/token: it answered 401 Unauthorized: invalid_client not ***`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := outcome(ask(t, w, url, `http.get(item, auth = http.oauth2("https://login.example.com/token", "me", "x"))`), url); !strings.Contains(got, `needs = ["http:login.example.com"]`) {
		t.Errorf("got %s", got)
	}
}

func TestAnExpiredTokenIsNotUsed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var tokens atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token": "t%d", "expires_in": 3600}`, tokens.Add(1))
			return
		}
		io.WriteString(w, r.Header.Get("Authorization"))
	})
	get := func() string {
		return outcome(ask(t, w, url, `return http.get(item, auth = http.oauth2(item + "/token", "me", "x")).text()`), url)
	}
	for _, c := range []struct {
		age  time.Duration
		want string
	}{{0, `"Bearer t1"`}, {59 * time.Minute, `"Bearer t1"`}, {31 * time.Second, `"Bearer t2"`}, {0, `"Bearer t2"`}} {
		w.Host.AgeTokens(c.age)
		if got := get(); got != c.want {
			t.Errorf("%s later: got %s, want %s", c.age, got, c.want)
		}
	}
}

// A token is for the scripts that may ask for it: that another one has it already
// lets nobody use it whose needs do not name where it comes from.
func TestATokenIsForThoseWhoMayAskForIt(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var tokens atomic.Int64
	login := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "t%d", "expires_in": 3600}`, tokens.Add(1))
	})
	login = strings.Replace(login, "127.0.0.1", "localhost", 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) })
	body := fmt.Sprintf(`return http.get(item, auth = http.oauth2(%q, "me", "the-secret")).text()`, login+"/token")
	both := `"http:127.0.0.1", "http:localhost"`
	for _, c := range []struct {
		needs, want string
		tokens      int64
	}{
		{both, `"Bearer t1"`, 1},
		{both, `"Bearer t1"`, 1},
		{`"http:127.0.0.1"`, `needs: http.get: "localhost:` + port(t, login) + `" is not among what job() says this script needs; add it there: needs = ["http:localhost:` + port(t, login) + `"]`, 1},
		{`"http:127.0.0.1", "http:local*"`, `needs: http.get: POST ` + login + `/token: "localhost" is at 127.0.0.1, which is this machine itself`, 1},
		{both, `"Bearer t1"`, 1},
	} {
		if got := outcome(askAs(t, w, c.needs, url, body), url); !strings.HasPrefix(got, c.want) || tokens.Load() != c.tokens {
			t.Errorf("%s: got %s, %d tokens\nwant %s, %d tokens", c.needs, got, tokens.Load(), c.want, c.tokens)
		}
	}
	w.Host.Limits = &hostlib.Limits{From: "the test", Deny: []string{"http:localhost"}}
	if got := outcome(askAs(t, w, `"http:127.0.0.1", "http:local*"`, url, body), url); !strings.HasPrefix(got, "needs.refused: ") {
		t.Errorf("denied by the operator: got %s", got)
	}
}
