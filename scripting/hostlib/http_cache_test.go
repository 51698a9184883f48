package hostlib_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestWhatHasNotChangedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var version atomic.Value
	version.Store("1")
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		v := version.Load().(string)
		switch r.URL.Path {
		case "/modified":
			w.Header().Set("Last-Modified", "Wed, 01 Jan 2020 00:00:0"+v+" GMT")
			if r.Header.Get("If-Modified-Since") == "Wed, 01 Jan 2020 00:00:0"+v+" GMT" {
				w.WriteHeader(304)
				return
			}
		case "/etag":
			w.Header().Set("ETag", `W/"`+v+`"`)
			if r.Header.Get("If-None-Match") == `W/"`+v+`"` {
				w.WriteHeader(304)
				return
			}
		}
		io.WriteString(w, "n\n"+v+"\n2\n3\n")
	})
	w.Script("job", `
load("lib/check.star", "eq", "fails")
job(needs = ["http:127.0.0.1"], retry = retry(max = 1))
def consume(ctx, item):
    r = http.get(item["url"], cache = True)
    how = item.get("how")
    if how == "catch":
        catch(lambda: [http.get(item["url"] + "?other", cache = True), error("x")])
        return http.get(item["url"] + "?other").status
    if how == "fail":
        error("no")
    if r.unchanged:
        eq((r.status, r.ok), (304, True))
        return "unchanged"
    if how == "checkpoint":
        for rows in ctx.batches(r.csv(), 2):
            log.info("rows", n = len(rows), attempt = ctx.attempt)
        ctx.checkpoint()
        error("after all was committed")
    eq(state.keys(), [])
    return r.text()
`)
	step := func(path, how, want string) {
		t.Helper()
		if got := outcome(w.Do("job", fmt.Sprintf(`{"url": "%s%s", "how": %q}`, url, path, how)), url); got != want {
			t.Errorf("%s %s: got %s, want %s", path, how, got, want)
		}
	}
	step("/etag", "fail", ": no")
	step("/etag", "", `"n\n1\n2\n3\n"`) // a job that failed remembers nothing
	step("/etag", "", `"unchanged"`)
	step("/modified", "", `"n\n1\n2\n3\n"`) // another URL
	step("/modified", "", `"unchanged"`)
	step("/plain", "", `"n\n1\n2\n3\n"`)
	step("/plain", "", `"n\n1\n2\n3\n"`)
	version.Store("2")
	step("/etag", "checkpoint", ": after all was committed")
	step("/etag", "checkpoint", ": after all was committed") // its rows come again: that hook did not end well
	step("/etag", "", `"n\n2\n2\n3\n"`)
	step("/etag", "", `"unchanged"`)
	step("/etag", "catch", "200")
	step("/etag?other", "", `"n\n2\n2\n3\n"`) // what catch has held remembers nothing
	step("/etag?other", "", `"unchanged"`)
}

// A job that begins anew is told nothing of what it got itself: what that was may have come
// to nothing. Other jobs are told.
func TestAJobThatBeginsAnewGetsAllAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(304)
			return
		}
		io.WriteString(w, `[1, 2]`)
	})
	w.Script("job", fmt.Sprintf(`
job(needs = ["http:127.0.0.1", "files:mended"], retry = retry(max = 1))
def produce(ctx):
    r = http.get(%q, cache = True)
    return {"rows": [] if r.unchanged else r.json()}
def consume(ctx, item):
    if not files.exists("mended"): error("no")
    return len(item["rows"])
`, url))
	j := w.Do("job", "null")
	if got := outcome(j, url); got != ": no" {
		t.Fatal(got)
	}
	w.File("mended", "")
	if got := outcome(w.Do("job", "null"), url); got != "0" {
		t.Errorf("another job: got %s, want 0", got)
	}
	if err := w.Store.Retry(t.Context(), j.ID, engine.RetryOptions{From: engine.PhaseProduce}); err != nil {
		t.Fatal(err)
	}
	w.Run()
	if got := outcome(w.Job(j.ID), url); got != "2" {
		t.Errorf("the job that began anew: got %s, want 2", got)
	}
}

// Secrets in the URL, whatever its parameters are called, or in what the server
// answers are not remembered, and no job fails for them.
func TestWhatIsRememberedHoldsNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "4f5e6d&key 99/x"
	w := world.New(t)
	w.Host.Secret = func(string) (string, error) { return secret, nil }
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tag := `"v1"`
		if r.URL.Path == "/echo" {
			tag = fmt.Sprintf("%q", r.FormValue("appid"))
		}
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(304)
			return
		}
		io.WriteString(w, r.FormValue("appid"))
	})
	w.Script("job", `
job(needs = ["http:127.0.0.1", "secret:owm"], retry = retry(max = 1))
def consume(ctx, item):
    r = http.get(item, params = {"appid": secrets.get("owm"), "q": "x"}, cache = True)
    return "unchanged" if r.unchanged else r.text() == secrets.get("owm")
`)
	for _, c := range []struct{ path, want string }{{"/", "true"}, {"/", `"unchanged"`}, {"/echo", "true"}, {"/echo", "true"}} {
		if got := outcome(w.Do("job", fmt.Sprintf("%q", url+c.path)), url); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
	typ, err := w.Engine.Type(t.Context(), "job")
	if err != nil {
		t.Fatal(err)
	}
	names, err := w.Store.VariableNames(t.Context(), engine.Scope{Type: typ.ID})
	if err != nil || len(names) != 1 {
		t.Fatalf("%q are remembered: %v", names, err)
	}
	v, err := w.Store.Variable(t.Context(), engine.Scope{Type: typ.ID}, names[0])
	if err != nil || strings.Contains(string(v.Value), "4f5e6d") || !strings.Contains(string(v.Value), "appid=***") {
		t.Errorf("%s is remembered: %v", v.Value, err)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"x"`)
		if r.Header.Get("If-None-Match") == `"x"` {
			w.WriteHeader(304)
		}
	})
	w.Script("job", `
job(needs = ["http:127.0.0.1"])
def consume(ctx, item):
    known = 0
    for n in range(item["from"], item["to"]):
        if http.head(item["url"] + "/%d" % n, cache = True).unchanged: known += 1
    return known
`)
	for _, c := range []struct{ span, known string }{{`"from": 0, "to": 900`, "0"}, {`"from": 900, "to": 1100`, "0"}, {`"from": 900, "to": 1100`, "200"}} {
		if got := outcome(w.Do("job", fmt.Sprintf(`{"url": %q, %s}`, url, c.span)), url); got != c.known {
			t.Errorf("%s: %s are known, want %s: those of the oldest jobs are forgotten", c.span, got, c.known)
		}
	}
	typ, err := w.Engine.Type(t.Context(), "job")
	if err != nil {
		t.Fatal(err)
	}
	names, err := w.Store.VariableNames(t.Context(), engine.Scope{Type: typ.ID})
	if err != nil || len(names) != 1000 {
		t.Errorf("%d are remembered: %v", len(names), err)
	}
}

// Who asks, and in which way, is part of what is remembered: that nothing has
// changed is said of what the same one got.
func TestWhatOneGotIsNotTakenForWhatAnotherGets(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Host.Secret = func(name string) (string, error) { return "the-secret-" + name, nil }
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"access_token": "token", "expires_in": 1}`)
			return
		}
		w.Header().Set("ETag", `"v1"`) // of the whole collection
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(304)
			return
		}
		io.WriteString(w, "for "+r.Header.Get("Authorization")+r.Header.Get("X-Tenant"))
	})
	w.Script("job", `
job(needs = ["http:127.0.0.1", "secret:*"])
def consume(ctx, item):
    how = item["how"]
    if "user" in how:
        how["auth"] = (how.pop("user"), secrets.get(how.pop("password")))
    elif "client" in how:
        how["auth"] = http.oauth2(item["url"] + "/token", how.pop("client"), secrets.get("x"))
    elif "secret" in how:
        how["auth"] = secrets.get(how.pop("secret"))
    r = http.get(item["url"], cache = True, **how)
    return "unchanged" if r.unchanged else "new"
`)
	for _, how := range []string{
		`{}`, `{"secret": "ada"}`, `{"secret": "grace"}`, `{"user": "ada", "password": "x"}`, `{"user": "grace", "password": "x"}`,
		`{"client": "ada"}`, `{"client": "grace"}`, `{"headers": {"X-Tenant": "1"}}`, `{"headers": {"X-Tenant": "2"}}`, `{"headers": {"Authorization": "Basic 1"}}`,
	} {
		for _, want := range []string{`"new"`, `"unchanged"`} {
			if got := outcome(w.Do("job", fmt.Sprintf(`{"url": %q, "how": %s}`, url, how)), url); got != want {
				t.Errorf("%s: got %s, want %s", how, got, want)
			}
		}
	}
	// Who has another password is not known to be the same one.
	for _, want := range []string{`"new"`, `"unchanged"`} {
		if got := outcome(w.Do("job", fmt.Sprintf(`{"url": %q, "how": {"user": "ada", "password": "new"}}`, url)), url); got != want {
			t.Errorf("with another password: got %s, want %s", got, want)
		}
	}
	typ, err := w.Engine.Type(t.Context(), "job")
	if err != nil {
		t.Fatal(err)
	}
	names, err := w.Store.VariableNames(t.Context(), engine.Scope{Type: typ.ID})
	if err != nil || len(names) != 11 {
		t.Errorf("%d are remembered: %v", len(names), err)
	}
	for _, n := range names {
		v, err := w.Store.Variable(t.Context(), engine.Scope{Type: typ.ID}, n)
		if err != nil || strings.Contains(n+string(v.Value), "secret") || strings.Contains(n+string(v.Value), "grace") /* no hash has it */ {
			t.Errorf("%s is %s: %v", n, v.Value, err)
		}
	}
}
