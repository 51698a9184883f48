package hostlib

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// noticeParams say when a notification is the same as one that was sent.
var noticeParams = []Param{
	{Name: "key", Type: String, Default: None, Named: true, Doc: "what it is about, such as \"feed down\": another text with the same key is the same notification; None: the text itself"},
	{Name: "window", Type: Duration, Default: time.Hour, Named: true, Doc: "how long the same notification is not sent again, by any server; \"0s\": it always is"},
}

var notifyModule = &Module{
	Name: "notify",
	Doc: "Tells people, or other programs, that something has happened. A notification is sent at once, whatever becomes of the hook, and once within its window: " +
		"a hook that runs again, another job of the type or another server does not repeat it. A process that dies just after sending may. To tell how many rows have changed, notify in the hook finish, from summary.stats, or count in a table: a sum in a variable is wrong after a crash (see ctx.batches). Each function says whether it was sent.",
	Funcs: []*Func{
		{
			Name: "webhook", Doc: "Posts JSON to a URL, as http.post does. With sign it is signed in the way of Standard Webhooks: headers webhook-id, webhook-timestamp and webhook-signature. The webhook-id stays the same when a notification is sent twice.",
			Params: append([]Param{
				{Name: "url", Type: String, Doc: "where to"},
				{Name: "json", Type: Data, Doc: "what to say"},
				{Name: "sign", Type: String, Default: None, Named: true, Doc: "the secret by which it is signed; one that begins with whsec_ is base64"},
				{Name: "headers", Type: DictOf, Default: None, Named: true, Doc: "more headers by name"},
			}, noticeParams...),
			Returns: "bool", Needs: "http", Effect: Outside,
			Example: "notify.webhook(\"https://api.example.com/hooks/imports\", {\"job\": ctx.id}, sign = secrets.get(\"hook_key\"), key = \"done\")  # True",
			Lua:     "notify.webhook(\"https://api.example.com/hooks/imports\", {job = ctx.id}, {sign = secrets.get(\"hook_key\"), key = \"done\"})  -- true",
			Do:      func(c *Call, a *Args) (Value, error) { return c.webhook(a) },
		},
		{
			Name: "email", Doc: "Sends mail by the server that [mail] of dsengine.toml names. Secrets in it are struck out.",
			Params: append([]Param{
				{Name: "to", Type: Any, Doc: "an address, or a list of them"},
				{Name: "subject", Type: String, Doc: "the subject, on one line"},
				{Name: "text", Type: String, Doc: "the text"},
				{Name: "html", Type: String, Default: None, Doc: "the same as HTML"},
			}, noticeParams...),
			Returns: "bool", Needs: "mail", Effect: Outside,
			Example: "notify.email(\"ada@example.com\", \"The feed is empty\", \"Since this morning.\", key = \"feed empty\")  # True",
			Lua:     "notify.email(\"ada@example.com\", \"The feed is empty\", \"Since this morning.\", nil, {key = \"feed empty\"})  -- true",
			Do:      func(c *Call, a *Args) (Value, error) { return c.email(a) },
		},
		{
			Name: "slack", Doc: "Posts a message to Slack, or to what takes the same webhooks. The webhook's URL is a secret; the script needs it, and its host. Secrets in the text are struck out.",
			Params: append([]Param{
				{Name: "text", Type: String, Doc: "the message"},
				{Name: "webhook", Type: String, Default: "slack_webhook", Named: true, Doc: "the name of the secret that holds the webhook's URL"},
			}, noticeParams...),
			Returns: "bool", Needs: "secret", Effect: Outside,
			Example: "notify.slack(\"customers: the feed is empty\", key = \"feed empty\", window = \"6h\")  # True",
			Lua:     "notify.slack(\"customers: the feed is empty\", {key = \"feed empty\", window = \"6h\"})  -- true",
			Do:      func(c *Call, a *Args) (Value, error) { return c.slack(a) },
		},
	},
}

// notice sends a notification unless it was sent within its window. to is who
// gets it, content what it says. send is given what identifies it.
func (c *Call) notice(a *Args, kind, to, content string, send func(ctx context.Context, id string) error) (Value, error) {
	window := a.Duration("window")
	if window < 0 || window > 400*24*time.Hour {
		return nil, Errorf("usage", "window: got %q, wanted at most \"400d\"", engine.FormatDuration(window))
	}
	mode := "text"
	if a.Given("key") {
		mode, content = "key", a.String("key")
	}
	id := engine.NoticeKey(c.Hook.Type().Name, c.Hook.Job().Instance, kind, to, mode, content)
	sent, err := c.Hook.Notify(id, window, func(ctx context.Context) error { return unslept(send(ctx, id)) })
	if err != nil {
		return nil, err
	}
	return sent, nil
}

// unslept makes an error of what would put the job to sleep: a notification is
// not worth running the hook again.
func unslept(err error) error {
	var v *engine.Verdict
	if !errors.As(err, &v) {
		return err
	}
	f := Errorf("notify.busy", "it could not be sent: its server asks to wait")
	f.RetryAfter, f.Wait = v.After, v.Wait
	return f
}

func (c *Call) webhook(a *Args) (Value, error) {
	raw, err := EncodeJSON(a.Value("json"))
	if err != nil {
		return nil, Errorf("usage", "json: %v", err)
	}
	header, err := headersOf(a.Dict("headers"))
	if err != nil {
		return nil, err
	}
	return c.notice(a, "webhook", a.String("url"), string(raw), func(_ context.Context, id string) error {
		if err := c.sign(header, id, raw, a.String("sign")); err != nil {
			return err
		}
		return c.postJSON(a.String("url"), header, raw)
	})
}

// sign adds the headers of Standard Webhooks: the id with which a receiver knows
// a message that comes twice, and with a secret the signature.
func (c *Call) sign(header http.Header, id string, body []byte, secret string) error {
	id = "msg_" + id
	header.Set("Webhook-Id", id)
	if secret == "" {
		return nil
	}
	key := []byte(secret)
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return Errorf("usage", "sign: what follows whsec_ is no base64 text")
		}
	}
	at := strconv.FormatInt(c.Hook.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	header.Set("Webhook-Timestamp", at)
	header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

// postJSON posts JSON as http.post does.
func (c *Call) postJSON(url string, header http.Header, raw []byte) error {
	w := moduleWay(nil)
	u, err := w.url(url)
	if err != nil {
		return err
	}
	header.Set("Content-Type", "application/json")
	rq := &httpRequest{
		method: http.MethodPost, url: u, header: header, body: bytesBody(raw), timeout: w.timeout, retry: int(w.retry), maxBody: 1 << 20,
		safe: true, // the receiver knows it again, or reads it twice
	}
	if user := u.User; user != nil {
		password, _ := user.Password()
		rq.auth, rq.url.User = basic{user.Username(), password}, nil
		rq.hidden = append(rq.hidden, password)
	}
	resp, err := c.send(rq)
	if err != nil {
		return err
	}
	return resp.Close()
}

func (c *Call) slack(a *Args) (Value, error) {
	name := a.String("webhook")
	url, err := c.secret(name)
	if err != nil {
		return nil, err
	}
	text := c.Hook.Strike(a.String("text"))
	raw, err := EncodeJSON(&Dict{Names: []string{"text"}, Values: []Value{text}})
	if err != nil {
		return nil, err
	}
	return c.notice(a, "slack", name, text, func(context.Context, string) error { return c.postJSON(url, http.Header{}, raw) })
}
