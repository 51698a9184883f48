package hostlib_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// postOffice is an SMTP server that keeps what it is given.
type postOffice struct {
	host  string
	port  int
	roots *x509.CertPool

	mu    sync.Mutex
	mails []posted
	busy  int           // how many mails it puts off
	hang  chan struct{} // not nil: it never answers to a mail, until this is closed
	auth  bool
}

type posted struct {
	from string
	to   []string
	data []byte
}

// newPostOffice starts one; with secure it speaks STARTTLS and asks who is there.
func newPostOffice(t *testing.T, secure bool) *postOffice {
	t.Helper()
	p := &postOffice{auth: secure}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &letter{office: p}, nil }))
	s.Domain, s.AllowInsecureAuth, s.ErrorLog = "127.0.0.1", !secure, log.New(io.Discard, "", 0)
	if secure {
		// The certificate of a test server is good for 127.0.0.1.
		web := httptest.NewTLSServer(http.NotFoundHandler())
		t.Cleanup(web.Close)
		p.roots = x509.NewCertPool()
		p.roots.AddCert(web.Certificate())
		s.TLSConfig = &tls.Config{Certificates: web.TLS.Certificates}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	p.host, p.port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	return p
}

// settings are how scripts send mail by it.
func (p *postOffice) settings() *hostlib.Mail {
	m := &hostlib.Mail{Host: p.host, Port: p.port, From: "Imports <imports@example.com>", TLS: "none", Roots: p.roots}
	if p.auth {
		m.TLS, m.User, m.Password = "starttls", "imports", func() (string, error) { return "mail-password", nil }
	}
	return m
}

func (p *postOffice) all() []posted {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

// letter is one session.
type letter struct {
	office *postOffice
	known  bool
	posted
}

func (l *letter) AuthMechanisms() []string {
	if l.office.auth {
		return []string{sasl.Plain}
	}
	return nil
}

func (l *letter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "imports" || password != "mail-password" {
			return smtp.ErrAuthFailed
		}
		l.known = true
		return nil
	}), nil
}

func (l *letter) Mail(from string, _ *smtp.MailOptions) error {
	if l.office.auth && !l.known {
		return smtp.ErrAuthRequired
	}
	l.from = from
	return nil
}

func (l *letter) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "there is nobody of that name"}
	}
	l.to = append(l.to, to)
	return nil
}

func (l *letter) Data(r io.Reader) (err error) {
	if l.data, err = io.ReadAll(r); err != nil {
		return err
	}
	p := l.office
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hang != nil {
		<-p.hang
	}
	if p.busy > 0 {
		p.busy--
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later, please"}
	}
	p.mails = append(p.mails, l.posted)
	return nil
}

func (l *letter) Reset()        { l.posted = posted{} }
func (l *letter) Logout() error { return nil }

// part gives the decoded part of a mail of a type.
func part(t *testing.T, m *netmail.Message, kind string) string {
	t.Helper()
	typ, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if typ == kind {
		b, _ := io.ReadAll(quotedprintable.NewReader(m.Body))
		return string(b)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatalf("no %s: %v", kind, err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), kind) {
			b, _ := io.ReadAll(p) // quoted-printable is undone
			return string(b)
		}
	}
}

const mailing = `
job(needs = ["mail:*@example.com", "secret:*"], retry = retry(max = 3, first = "1ms"))
`

func TestMailIsSentByARealServer(t *testing.T) {
	t.Parallel()
	w, office := world.New(t), newPostOffice(t, true)
	w.Host.Mail = office.settings()
	w.Host.Secret = func(string) (string, error) { return "s3cr3t-token", nil }
	w.Script("mail", mailing+`
def consume(ctx, item):
    s = secrets.get("x")
    return notify.email(["Ada <ada@example.com>", "b@example.com"], "größer als " + s, "Zeile 1\nZeile 2: " + s, html = "<b>" + s + "</b>")
`)
	j := w.Do("mail", "1")
	if string(j.Result) != "true" {
		t.Fatalf("got %s, %+v", j.Result, j.Error)
	}
	mails := office.all()
	if len(mails) != 1 || mails[0].from != "imports@example.com" || !slices.Equal(mails[0].to, []string{"ada@example.com", "b@example.com"}) {
		t.Fatalf("got %+v", mails)
	}
	if bytes.Contains(mails[0].data, []byte("s3cr3t-token")) {
		t.Errorf("a secret was sent: %s", mails[0].data)
	}
	read := func() *netmail.Message {
		m, err := netmail.ReadMessage(bytes.NewReader(mails[0].data))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := read()
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "größer als ***" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if got := part(t, read(), "text/plain"); strings.ReplaceAll(got, "\r\n", "\n") != "Zeile 1\nZeile 2: ***" {
		t.Errorf("text %q", got)
	}
	if got := part(t, read(), "text/html"); got != "<b>***</b>" {
		t.Errorf("html %q", got)
	}
	if id := m.Header.Get("Message-Id"); !strings.HasSuffix(id, "@example.com>") || len(id) != len("<@example.com>")+32 || m.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("headers %v", m.Header)
	}
	if strings.Contains(w.Log.String(), "mail-password") {
		t.Error("the password was logged")
	}
}

func TestANotificationIsSentOnceInItsWindow(t *testing.T) {
	t.Parallel()
	w, office := world.New(t), newPostOffice(t, false)
	w.Host.Mail = office.settings()
	w.Script("mail", mailing+`
def consume(ctx, item):
    how = item["how"]
    if how == "same":
        return notify.email("a@example.com", "same", "text")
    if how == "fails":
        sent = notify.email("a@example.com", "fails", "attempt %d" % ctx.attempt, key = "fails")
        if ctx.attempt < 3:
            error("again")
        return sent
    if how == "writes":
        db.ensure("t", {"n": "integer"})
        db.insert("t", [{"n": 1}])
        sent = notify.email("a@example.com", "writes", "text", key = "writes")
        db.insert("t", [{"n": 2}])
        return sent
    if how == "always":
        return notify.email("a@example.com", "always", "text", window = "0s")
    if how == "key":
        return notify.email(item["to"], "s", item["text"], key = "k")
`)
	for _, c := range []struct {
		payload, result string
		mails           int // in all
	}{
		{`{"how":"same"}`, "true", 1},
		{`{"how":"same"}`, "false", 1}, // each run is another incarnation: the database knows
		{`{"how":"fails"}`, "false", 2},
		{`{"how":"fails"}`, "false", 2},
		{`{"how":"writes"}`, "true", 3},
		{`{"how":"writes"}`, "false", 3},
		{`{"how":"always"}`, "true", 4},
		{`{"how":"always"}`, "true", 5},
		{`{"how":"key","to":"a@example.com","text":"one"}`, "true", 6},
		{`{"how":"key","to":"a@example.com","text":"two"}`, "false", 6},
		{`{"how":"key","to":"b@example.com","text":"two"}`, "true", 7},
	} {
		j := w.Do("mail", c.payload)
		got := string(j.Result)
		if j.Error != nil {
			got = "failed: " + j.Error.Message
		}
		if n := len(office.all()); got != c.result || n != c.mails {
			t.Errorf("%s: got %s and %d mails in all, want %s and %d", c.payload, got, n, c.result, c.mails)
		}
	}
	// Its window passes.
	w.Exec("UPDATE ds_notices SET ends_at = '2020-01-01 00:00:00.000000'")
	if j := w.Do("mail", `{"how":"same"}`); string(j.Result) != "true" {
		t.Errorf("after the window: got %s", j.Result)
	}
	// Of many jobs at the same time one sends it.
	before := len(office.all())
	for range 20 {
		w.Enqueue(engine.NewJob{Type: "mail", Payload: engine.Raw(`{"how":"key","to":"c@example.com","text":"many"}`)})
	}
	w.Run()
	if n := len(office.all()) - before; n != 1 {
		t.Errorf("20 jobs sent %d mails", n)
	}
}

func TestMailThatCannotBeSent(t *testing.T) {
	t.Parallel()
	w, office := world.New(t), newPostOffice(t, true)
	w.Script("mail", mailing+`
def consume(ctx, item):
    return [notify.email(item, "s", "t"), ctx.attempt]
`)
	try := func(payload string) string {
		j := w.Do("mail", payload)
		if j.Error != nil {
			return j.Error.Code + ": " + j.Error.Message
		}
		return string(j.Result)
	}
	wrong := func(change func(m *hostlib.Mail)) *hostlib.Mail {
		m := office.settings()
		change(m)
		return m
	}
	for _, c := range []struct {
		what, payload, want string
		mail                *hostlib.Mail
	}{
		{"nobody said how", `"a@example.com"`, "mail.settings: notify.email: nobody has said how mail is sent", nil},
		{"to whom it may not", `"a@example.org"`, `needs: notify.email: "a@example.org" is not among what job() says this script needs; add it there: needs = ["mail:a@example.org"]`, office.settings()},
		{"no address", `"ada"`, `usage: notify.email: to: "ada" is no address`, office.settings()},
		{"nobody", `[]`, "usage: notify.email: to: got an empty list", office.settings()},
		{"a number", `1`, "usage: notify.email: to: got int, wanted an address or a list of them", office.settings()},
		{"refused", `"nobody@example.com"`, "mail.refused: notify.email: send mail by 127.0.0.1: ", office.settings()},
		{"a wrong password", `"a@example.com"`, "notify.email: send mail by 127.0.0.1: ", wrong(func(m *hostlib.Mail) { m.Password = func() (string, error) { return "wrong-password", nil } })},
		{"no password", `"a@example.com"`, "mail.settings: notify.email: [mail] password cannot be had: gone", wrong(func(m *hostlib.Mail) { m.Password = func() (string, error) { return "", errors.New("gone") } })},
		{"a server that nobody vouches for", `"a@example.com"`, "certificate", wrong(func(m *hostlib.Mail) { m.Roots = x509.NewCertPool() })},
		{"no tls of that name", `"a@example.com"`, `mail.settings: notify.email: [mail] tls: got "startls", wanted "starttls", "tls" or "none" (did you mean "starttls"?)`, wrong(func(m *hostlib.Mail) { m.TLS = "startls" })},
		{"no port", `"a@example.com"`, "mail.settings: notify.email: [mail] port must be from 1 to 65535", wrong(func(m *hostlib.Mail) { m.Port = -1 })},
		{"from nobody", `"a@example.com"`, `mail.settings: notify.email: [mail] from: "" is no address`, wrong(func(m *hostlib.Mail) { m.From = "" })},
		{"afterwards it is sent all the same", `"a@example.com"`, "[true,1]", office.settings()},
	} {
		w.Host.Mail = c.mail
		if got := try(c.payload); !strings.Contains(got, c.want) || strings.Contains(got, "-password") {
			t.Errorf("%s: got %s, want %s", c.what, got, c.want)
		}
	}
	office.busy = 2
	if got := try(`"b@example.com"`); got != "[true,3]" {
		t.Errorf("a server that is busy twice: got %s", got)
	}
	if strings.Contains(w.Log.String(), "-password") {
		t.Error("a password was logged")
	}
}

func TestAServerThatDoesNotAnswerEndsWithTheHook(t *testing.T) {
	t.Parallel()
	w, office := world.New(t), newPostOffice(t, false)
	office.hang = make(chan struct{})
	defer close(office.hang)
	w.Host.Mail = office.settings()
	w.Script("mail", `
job(needs = ["mail"], timeout = "300ms", retry = retry(max = 1))
def consume(ctx, item):
    notify.email("a@example.com", "s", "t")
`)
	if j := w.Do("mail", "1"); j.Error == nil || j.Error.Kind != engine.KindTimeout {
		t.Errorf("got %+v", j.Error)
	}
}

func TestSubjectsHaveOneLine(t *testing.T) {
	t.Parallel()
	w, office := world.New(t), newPostOffice(t, false)
	w.Host.Mail = office.settings()
	w.Script("mail", mailing+`
load("lib/check.star", "fails")
def consume(ctx, item):
    fails("more than one line", notify.email, "a@example.com", "s\nBcc: b@example.com", "t")
    fails("is no address", notify.email, "a@example.com\nBcc: b@example.com", "s", "t")
    fails("wanted at most", notify.email, "a@example.com", "s", "t", window = "9999d")
`)
	if j := w.Do("mail", "1"); j.Error != nil || len(office.all()) > 0 {
		t.Errorf("got %+v and %d mails", j.Error, len(office.all()))
	}
}

func TestWebhooksAreSignedAndKnownAgain(t *testing.T) {
	t.Parallel()
	type hit struct {
		path, id, at, signature, kind, extra string
		body                                 []byte
	}
	var mu sync.Mutex
	var hits []hit
	fail := map[string]int{"/busy": 1, "/gone": 1000}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		hits = append(hits, hit{r.URL.Path, r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), r.Header.Get("Content-Type"), r.Header.Get("X-Extra"), body})
		switch {
		case r.URL.Path == "/wait":
			rw.Header().Set("Retry-After", "3600")
			rw.WriteHeader(429)
		case r.URL.Path == "/gone":
			rw.WriteHeader(410)
		case fail[r.URL.Path] > 0:
			fail[r.URL.Path]--
			rw.WriteHeader(503)
		}
	}))
	t.Cleanup(s.Close)
	w := world.New(t)
	w.Host.Secret = func(name string) (string, error) {
		if name == "slack_webhook" {
			return s.URL + "/slack/T0/B0/verysecret", nil
		}
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte("the signing key")), nil
	}
	w.Script("hook", fmt.Sprintf(`
load("lib/check.star", "eq", "fails")
job(needs = ["http:127.0.0.1", "secret:*"], retry = retry(max = 1))
def consume(ctx, item):
    url = %q
    eq(notify.webhook(url + "/a", {"n": 1}, sign = secrets.get("key"), headers = {"X-Extra": "x"}), True)
    eq(notify.webhook(url + "/a", {"n": 1}), False)
    eq(notify.webhook(url + "/busy", [1]), True)
    fails("410", notify.webhook, url + "/gone", {})
    fails("its server asks to wait", notify.webhook, url + "/wait", {})
    fails("no base64", notify.webhook, url + "/b", {}, sign = "whsec_***")
    eq(notify.webhook(url + "/b", {}, sign = "plain"), True)
    eq(notify.slack("it holds " + secrets.get("key")), True)
    eq(notify.slack("it holds " + secrets.get("key")), False)
    fails("is not among what job() says", notify.webhook, "https://example.com/", {})
    _, err = catch(notify.slack, "x" * 10, webhook = "none")
`, s.URL))
	if j := w.Do("hook", "1"); j.Error != nil {
		t.Fatal(j.Error.Message)
	}
	first := hits[0]
	mac := hmac.New(sha256.New, []byte("the signing key"))
	fmt.Fprintf(mac, "%s.%s.%s", first.id, first.at, first.body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); first.signature != want || !strings.HasPrefix(first.id, "msg_") || first.kind != "application/json" || first.extra != "x" || string(first.body) != `{"n":1}` {
		t.Errorf("got %+v, want the signature %s", first, want)
	}
	if hits[1].path != "/busy" || hits[2].path != "/busy" || hits[1].id != hits[2].id || hits[1].id == first.id {
		t.Errorf("sent again: got %+v", hits[1:3])
	}
	i := slices.IndexFunc(hits, func(h hit) bool { return strings.HasPrefix(h.path, "/slack/") })
	if i < 0 || string(hits[i].body) != `{"text":"it holds ***"}` {
		t.Errorf("slack got %+v", hits)
	}
	if strings.Contains(w.Log.String(), "verysecret") {
		t.Error("the webhook's URL was logged")
	}
}
