package hostlib_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// traces are what must not be found of a secret, by what it is.
func traces(secret string) map[string]string {
	quoted, _ := json.Marshal(secret)
	m := map[string]string{
		"plain": secret, "json": string(quoted[1 : len(quoted)-1]), "query": url.QueryEscape(secret), "path": url.PathEscape(secret),
		"hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	// Of each place in base64 the middle, which is the same whatever is around it.
	for i := range 3 {
		text := base64.RawStdEncoding.EncodeToString([]byte("abc"[:i] + secret))
		m[fmt.Sprintf("base64 +%d", i)] = text[4 : len(text)-4]
		m[fmt.Sprintf("base64url +%d", i)] = base64.RawURLEncoding.EncodeToString([]byte("abc"[:i] + secret))[4 : len(text)-4]
	}
	return m
}

// leaky tries to have a secret kept, in all its encodings and wherever it can.
const leaky = `
job(needs = ["secret:*"], rejects = "all", retry = retry(max = 2, first = "1ms"))

def forms(s):
    return [s, json.encode(s), json.encode({"k": json.encode(s)}), base64.encode(s), base64.encode("u:" + s), base64.encode("me:" + s, url = True),
            base64.encode("a" + s + "z"), s * 3, "?t=" + re.sub("[^A-Za-z0-9]", lambda m: "".join(["%%%s" % hx(b) for b in bytes(m.group()).elems()]), s),
            "".join([hx(b) for b in bytes(s).elems()])]

def hx(b):
    return "0123456789ABCDEF"[b // 16] + "0123456789ABCDEF"[b % 16]

def produce(ctx):
    s = secrets.get("token")
    for n, f in enumerate(forms(s)):
        log.info("log " + f, f = f, nested = {"list": [f, {f: f}]})
        print(f)
        ctx.progress(n, note = f)
        ctx.count("count " + f)
        ctx.emit({"n": n, "form": f, f: 1})
        reject({"row": f, f: 1}, "bad: " + f)
    _, err = catch(error, s)
    log.warn(err.message)
    for fn in [lambda: state.set("s", s), lambda: vars.set(s, 1), lambda: ctx.emit({}, key = s), lambda: ctx.enqueue(ctx.type, {}, key = "k" + s)]:
        _, err = catch(fn)
        if err == None or "holds a secret" not in err.message:
            error("it was kept")
    ctx.on_commit(lambda: error("after the commit: " + s))
    ctx.checkpoint({"position": forms(s)})

def consume(ctx, item):
    s = secrets.get("token")
    if item["n"] == 0:
        if ctx.position == None:
            ctx.checkpoint(s)
        error("it failed: " + " ".join(forms(s)), code = s)
    if item["n"] == 1:
        ctx.retry(after = "1ms", reason = s)
    if item["n"] == 2:
        ctx.fail(s)
    if item["n"] == 3:
        ctx.cancel(s)
    if item["n"] == 4:
        json.decode("{" + s)
    if item["n"] == 5:
        db.exec("INSERT INTO nowhere VALUES ('" + s + "')")
    if item["n"] == 6:
        files.read(s)
    if item["n"] == 7:
        {}[s]
    return {"result": forms(s), s: s}

def fail(ctx, item, err):
    s = secrets.get("token")
    log.error("it failed for good " + s, err = err)
    if item != None and item["n"] == 0:
        error("the fail hook too: " + s)

def finish(ctx, summary):
    return list(summary.results)
`

func TestSecretsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"correct-horse-battery", `p"a\ss/wörd <&> +% 1`} {
		w := world.New(t)
		w.Host.Secret = func(string) (string, error) { return secret, nil }
		w.Script("leaky", leaky)
		j := w.Do("leaky", "1")
		if j.Status != engine.StatusFailed || j.Items != 10 {
			t.Fatalf("the job did not do its work: %s, %d items, %+v", j.Status, j.Items, j.Error)
		}
		seen := map[string]string{"the log": w.Log.String()}
		page, err := json.Marshal(w.Jobs())
		if err != nil {
			t.Fatal(err)
		}
		seen["the jobs"] = string(page)
		for _, j := range w.Jobs() {
			seen[fmt.Sprint("the log of ", j.ID)] = strings.Join(w.Logs(j.ID), "\n")
		}
		if err := w.Store.Close(); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(w.Dir, "world.db*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no database: %v", err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			seen[f] = string(b)
		}
		struck := 0
		for where, text := range seen {
			struck += strings.Count(text, "***")
			for what, trace := range traces(secret) {
				if i := strings.Index(text, trace); i >= 0 {
					t.Errorf("%s is in %s: ...%q...", what, where, text[max(0, i-60):min(len(text), i+len(trace)+60)])
				}
			}
			if bytes.Contains([]byte(text), []byte(secret[:len(secret)-4])) {
				t.Errorf("most of it is in %s", where)
			}
		}
		if struck < 100 {
			t.Errorf("only %d places were struck out", struck)
		}
	}
}

func TestPartsOfASecretInAURLAreNotTold(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{"/", "#", "?", "%", " ", "@"} {
		secret := "wJalrXUtnFEMI" + mark + "K7MDENGbPxRfiCY"
		w := world.New(t)
		w.Host.Secret = func(string) (string, error) { return secret, nil }
		w.Host.SetResolver(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}
		}})
		for _, url := range []string{`"http://u:" + s + "@host.example/x"`, `"http://" + s + "/"`, `"http://host.example/" + s`, `s + "/x"`} {
			for _, call := range []string{"http.get(%s, retry = 0)", "http.client(%s)", `notify.webhook(%s, {})`} {
				j := askAs(t, w, `"http:**", "secret:*"`, "x", "s = secrets.get(\"s\")\nreturn str("+fmt.Sprintf(call, url)+")")
				told := outcome(j, "-") + strings.Join(w.Logs(j.ID), "\n")
				for i := range len(secret) - 8 {
					if strings.Contains(strings.ToLower(told), strings.ToLower(secret[i:i+8])) {
						t.Errorf("%q, %s of %s: it tells %q: %s", mark, call, url, secret[i:i+8], told)
						break
					}
				}
			}
		}
	}
}

func TestSecretsThatCannotBeHad(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	get := func(name string) string {
		w.Script("get", "job(needs = ['secret:a_*', 'secret:{instance}'])\ndef consume(ctx, item):\n    return secrets.get("+fmt.Sprintf("%q", name)+")\n")
		j := w.Do("get", "1")
		w.Forget("get")
		if j.Error == nil {
			return string(j.Result)
		}
		return j.Error.Code + ": " + j.Error.Message
	}
	if got, want := get("a_b"), `secret.missing: secrets.get: there is no secret "a_b": this process has none`; got != want {
		t.Errorf("got %s", got)
	}
	w.Host.Secret = func(name string) (string, error) {
		if name == "a_short" {
			return "abc", nil
		}
		return "", engine.Wrapf(engine.CodeNotFound, hostlib.ErrNoSecret, "x").WithHint("set it")
	}
	for name, want := range map[string]string{
		"a_b":     `secret.missing: secrets.get: there is no secret "a_b": set it`,
		"a_short": `secret.short: secrets.get: the secret "a_short": a secret needs at least 4 characters, so that it can be struck out of logs`,
		"b":       `needs: secrets.get: "b" is not among what job() says this script needs; add it there: needs = ["secret:b"]`,
	} {
		if got := get(name); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestTheOperatorNarrowsWhatScriptsNeed(t *testing.T) {
	t.Parallel()
	limits := &hostlib.Limits{
		From: "dsengine.toml: [needs]", Allow: []string{"files:in/**", "secret:*", "mail:*@example.com", "http:**"}, Deny: []string{"files:in/private/**", "secret:prod_*", "http:*.internal"},
		Types: map[string]*hostlib.Limits{"crm/*": {From: "dsengine.toml: [needs.types.\"crm/*\"]", Deny: []string{"secret:*"}}},
	}
	for _, c := range []struct{ typ, needs, want string }{
		{"a", `"files:in/*.csv", "secret:test_x", "secret:*", "mail:ada@example.com", "files:in/**"`, ""},
		{"a", `"files:out/*.csv"`, `needs: "files:out/*.csv" is refused: dsengine.toml: [needs] allow = ["files:in/**", "secret:*", "mail:*@example.com", "http:**"] does not have it`},
		{"a", `"files:**"`, `"files:**" is refused`},
		{"a", `"files:in/private/x"`, `needs: "files:in/private/x" is refused: dsengine.toml: [needs] deny = ["files:in/private/**", "secret:prod_*", "http:*.internal"] has it`},
		{"a", `"secret:prod_key"`, "deny = "},
		{"a", `"http:api.example.com"`, ""},
		{"a", `"http:db.internal:8443"`, `needs: "http:db.internal:8443" is refused: dsengine.toml: [needs] deny = ["files:in/private/**", "secret:prod_*", "http:*.internal"] has it`},
		{"a", `"mail"`, `"mail" is refused`},
		{"a", `"mail:*@example.org"`, "is refused"},
		{"crm/x", `"secret:test"`, `needs: "secret:test" is refused: dsengine.toml: [needs.types."crm/*"] deny = ["secret:*"] has it`},
		{"crm/x", `"files:in/a"`, ""},
	} {
		w := world.New(t)
		w.Host.Limits = limits
		errs := w.Loads(c.typ, "\njob(needs = ["+c.needs+"])\ndef consume(ctx, item): pass\n")
		if got := strings.Join(errs, "\n"); c.want == "" && got != "" || !strings.Contains(got, c.want) || c.want != "" && !strings.HasPrefix(got, "jobs/"+c.typ+".star:2:5: job: ") {
			t.Errorf("%s: got %s, want %s", c.needs, got, c.want)
		}
	}
}

func TestTheOperatorNarrowsConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		allow, deny []string
		needs       string
		refused     bool
	}{
		{nil, []string{"db:crm"}, "db:crm", true},
		{nil, []string{"db:crm"}, "db:crm:write", true}, // what may not be read is not written
		{nil, []string{"db:crm:write"}, "db:crm", false},
		{nil, []string{"db:crm:write"}, "db:crm:write", true},
		{nil, []string{"db:*:write"}, "db:erp:write", true},
		{[]string{"db:crm"}, nil, "db:crm", false},
		{[]string{"db:crm"}, nil, "db:crm:write", true},
		{[]string{"db:crm:write"}, nil, "db:crm", false},
		{[]string{"files:**"}, nil, "db:crm", true},
	} {
		w := world.New(t)
		w.Host.Limits = &hostlib.Limits{From: "x", Allow: c.allow, Deny: c.deny}
		errs := w.Loads("a", fmt.Sprintf("job(needs = [%q])\ndef consume(ctx, item): pass\n", c.needs))
		if got := strings.Join(errs, ""); strings.Contains(got, "is refused") != c.refused || (got != "") != c.refused {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestWhatAGlobHidesIsRefusedWhenItIsTouched(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Host.Limits = &hostlib.Limits{From: "x.toml: [needs]", Deny: []string{"secret:prod_*", "files:in/b.txt"}}
	w.Host.Secret = func(string) (string, error) { return "s3cr3t-token", nil }
	w.File("in/a.txt", "a")
	w.File("in/b.txt", "b")
	w.Script("touch", `
load("lib/check.star", "eq", "fails")
job(needs = ["secret:*", "files:in/*"])
def consume(ctx, item):
    eq(len(secrets.get("test_key")), 12)
    fails("\"secret:prod_key\" is refused: x.toml: [needs] deny = [\"secret:prod_*\", \"files:in/b.txt\"] has it", secrets.get, "prod_key")
    eq(files.read("in/a.txt"), "a")
    fails("\"files:in/b.txt\" is refused", files.read, "in/b.txt")
`)
	if j := w.Do("touch", "1"); j.Error != nil {
		t.Error(j.Error.Message)
	}
}

func TestLimitsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, l := range []*hostlib.Limits{
		{From: "x", Allow: []string{"file:a"}}, {From: "x", Deny: []string{"files:"}}, {From: "x", Types: map[string]*hostlib.Limits{"[": {From: "y"}}},
		{From: "x", Types: map[string]*hostlib.Limits{"a": {From: "y", Deny: []string{"files:/a"}}}},
	} {
		if err := l.Validate(); err == nil {
			t.Errorf("%+v passes", l)
		}
	}
}

// Data that holds a secret's text by chance is another when it comes back: that is told.
func TestWhatIsKeptWithoutASecretIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{`ctx.emit({"path": "import/a"})`, "an item held the text of a secret"},
		{`ctx.checkpoint("import")`, "the position held the text of a secret"},
		{`reject({"kind": "import"}, "bad")`, "a rejected row held the text of a secret"},
		{`return "an import"`, "the payload held the text of a secret"},
		{`ctx.emit({"path": "in/a"})`, ""},
	} {
		w := world.New(t)
		w.Host.Secret = func(string) (string, error) { return "import", nil }
		w.Script("job", "job(needs = ['secret:user'], rejects = 5)\ndef produce(ctx):\n    secrets.get('user')\n    "+c.body+"\ndef consume(ctx, item): pass\ndef redrive(ctx, rows): pass\n")
		j := w.Do("job", "null")
		if got := strings.Join(w.Logs(j.ID), "\n"); j.Error != nil || !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: got %v and the log %q, want %q", c.body, j.Error, got, c.want)
		}
	}
}
