package hostlib_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"golang.org/x/net/dns/dnsmessage"
)

// answering is a resolver that says of every name that it is at an address.
func answering(t *testing.T, addr string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Header.Response = true
			m.Additionals = nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()},
				}}
			}
			if out, err := m.Pack(); err == nil {
				pc.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func port(t *testing.T, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// A name is not enough to reach this machine, whoever says that it leads there.
func TestANameThatLeadsToThisMachineIsRefused(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var calls atomic.Int64
	inside := serve(t, func(w http.ResponseWriter, r *http.Request) { calls.Add(1) })
	outside := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://rebind.example.com:"+port(t, inside)+"/latest", http.StatusFound)
	})
	w.Host.SetResolver(answering(t, "127.0.0.1"))
	name := "http://rebind.example.com:" + port(t, inside) + "/"
	refusal := func(at string) string {
		return `needs: http.get: GET ` + at + `: "rebind.example.com" is at 127.0.0.1, which is this machine itself: no name stands for that; if it is meant, add the address, beside the host itself, to what job() says this script needs: needs = ["http:rebind.example.com", "http:127.0.0.1"]`
	}
	// A script that names the address too opens a connection to it, also by a redirect.
	for _, needs := range []string{`"http:rebind.example.com", "http:127.0.0.1"`, `"http:rebind.example.com", "http:localhost"`, `"http:rebind.example.com", "http:127.0.0.1:` + port(t, inside) + `"`} {
		if j := askAs(t, w, needs, name, `return http.get(item).status`); string(j.Result) != "200" || calls.Swap(0) != 1 {
			t.Errorf("%s: %+v", needs, j.Error)
		}
	}
	if j := askAs(t, w, `"http:rebind.example.com", "http:127.0.0.1"`, outside, `return http.get(item).status`); string(j.Result) != "200" || calls.Swap(0) != 1 {
		t.Errorf("by a redirect: %+v", j.Error)
	}
	// Others do not get that connection.
	for _, c := range []struct{ needs, url, want string }{
		{`"http:rebind.example.com"`, name, refusal(name)},
		{`"http:rebind.example.com", "http:127.0.0.1:1"`, name, refusal(name)},
		{`"http:rebind.example.com", "http:127.0.0.2"`, name, refusal(name)},
		{`"http:rebind.example.com", "http:127.0.0.*"`, name, refusal(name)},
		{`"http:rebind.example.com", "sftp:127.0.0.1"`, name, refusal(name)},
		{`"http:*.example.com"`, name, refusal(name)},
		{`"http:*"`, name, refusal(name)},
		{`"http:127.0.0.1", "http:*.example.com"`, outside, refusal(outside)},
		{`"http:127.0.0.1:` + port(t, outside) + `", "http:rebind.example.com"`, outside, refusal(outside)},
		{`"http:127.0.0.1"`, outside, `needs: http.get: GET ` + outside + `: it redirects to another host: "rebind.example.com:` + port(t, inside) + `" is not among what job() says this script needs; add it there: needs = ["http:rebind.example.com:` + port(t, inside) + `"]`},
	} {
		if got := outcome(askAs(t, w, c.needs, c.url, `http.get(item)`), "-"); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.needs, got, c.want)
		}
	}
	if calls.Load() != 0 {
		t.Errorf("%d requests came through", calls.Load())
	}
	// What the operator does not let be reached is not reached by a name either.
	w.Host.Limits = &hostlib.Limits{From: "the test", Allow: []string{"http:*"}, Deny: []string{"http:127.0.0.2"}}
	if got := outcome(askAs(t, w, `"http:rebind.example.com", "http:127.0.0.1"`, name, `return http.get(item).status`), "-"); got != "200" {
		t.Errorf("within the operator's limits: got %s", got)
	}
	w.Host.Limits = &hostlib.Limits{From: "the test", Allow: []string{"http:*.example.com", "http:127.0.0.1"}, Deny: []string{"http:127.0.0.1:" + port(t, inside)}}
	if got := outcome(askAs(t, w, `"http:rebind.example.com", "http:127.0.0.1"`, name, `return http.get(item).status`), "-"); got != refusal(name) {
		t.Errorf("beyond the operator's limits: got %s", got)
	}
}

// A host that needs names may be inside the organisation, and nowhere else that is
// not public.
func TestWhereANamedHostMayBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		addr        string
		named, glob bool
	}{
		{"93.184.215.14", true, true}, {"2606:4700::6810:84e5", true, true},
		{"10.1.2.3", true, false}, {"172.16.0.1", true, false}, {"172.31.255.255", true, false}, {"192.168.1.1", true, false},
		{"100.64.0.1", true, false}, {"fd12:3456::1", true, false},
		{"172.32.0.1", true, true},
		{"127.0.0.1", false, false}, {"127.8.8.8", false, false}, {"::1", false, false}, {"0.0.0.0", false, false}, {"::", false, false},
		{"169.254.169.254", false, false}, {"169.254.1.1", false, false}, {"fe80::1", false, false}, {"168.63.129.16", false, false},
		{"fd00:ec2::254", false, false}, {"fd00:ec2::253", false, false}, {"fd00:ec2:0:1::23", false, false}, {"fd00:c1::a9fe:a9fe", false, false},
		{"fd00:42::42", false, false}, {"fd00:ec3::1", true, false}, {"fd20:ce::254", false, false}, {"100.100.100.200", false, false},
		{"64:ff9b::169.254.169.254", false, false}, {"2002:7f00:1::", false, false}, {"::127.0.0.1", false, false}, {"::ffff:0:127.0.0.1", false, false},
		{"224.0.0.1", false, false}, {"255.255.255.255", false, false}, {"198.18.0.1", false, false}, {"192.0.2.1", false, false},
	} {
		addr := netip.MustParseAddr(c.addr)
		for needs, want := range map[string]bool{"http:erp.internal": c.named, "http:*.internal": c.glob} {
			got, err := hostlib.MayReach([]string{needs}, "http://erp.internal/", addr)
			if err != nil || got != want {
				t.Errorf("%s at %s: got %v, %v, want %v", needs, c.addr, got, err, want)
			}
		}
		// Who names the address means it.
		at := "http:" + c.addr
		if addr.Is6() {
			at = "http:[" + c.addr + "]"
		}
		if got, err := hostlib.MayReach([]string{"http:erp.internal", at}, "http://erp.internal/", addr); err != nil || !got {
			t.Errorf("%s named itself: got %v, %v", c.addr, got, err)
		}
	}
}

// The name of a host opens its own service inside the organisation, not what else
// listens there.
func TestANamedHostOpensItsOwnPortInside(t *testing.T) {
	t.Parallel()
	inside, public := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("93.184.215.14")
	for _, c := range []struct {
		url   string
		needs []string
		want  bool
	}{
		{"http://erp.internal/", []string{"http:erp.internal"}, true},
		{"https://erp.internal/", []string{"http:erp.internal"}, true},
		{"https://erp.internal:443/", []string{"http:erp.internal"}, true},
		{"http://erp.internal:6379/", []string{"http:erp.internal"}, false},
		{"http://erp.internal:8080/", []string{"http:erp.internal:8080"}, true},
		{"http://erp.internal:8080/", []string{"http:erp.internal", "http:erp.internal:8080"}, true},
		{"http://erp.internal:6379/", []string{"http:erp.internal", "http:erp.internal:8080"}, false},
		{"http://erp.internal:8080/", []string{"http:erp.internal", "http:*.internal:8080"}, false},
		{"http://erp.internal:8080/", []string{"http:erp.internal", "http:10.1.2.3"}, true},
		{"http://erp.internal:8080/", []string{"http:erp.internal", "http:10.1.2.3:80"}, false},
		{"http://10.1.2.3:8080/", []string{"http:10.1.2.3"}, true},
	} {
		if got, err := hostlib.MayReach(c.needs, c.url, inside); err != nil || got != c.want {
			t.Errorf("%v, %s: got %v, %v", c.needs, c.url, got, err)
		}
		if got, err := hostlib.MayReach(c.needs, c.url, public); err != nil || !got {
			t.Errorf("%v, %s, at a public address: got %v, %v", c.needs, c.url, got, err)
		}
	}
	w := world.New(t)
	w.Host.SetResolver(answering(t, "10.1.2.3"))
	const want = `needs: http.get: GET http://erp.example.com:6379/: "erp.example.com" is at 10.1.2.3, which is no public address; add the host itself with its port, without a glob, to what job() says this script needs: needs = ["http:erp.example.com:6379"]`
	if got := outcome(askAs(t, w, `"http:erp.example.com"`, "http://erp.example.com:6379/", `http.get(item)`), "-"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// elsewhere is a connection that says that the other side is at another address.
type elsewhere struct {
	net.Conn
	at string
}

func (e elsewhere) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(e.at), 80))
}

func TestTheLogTellsOnceOfANamedHostInside(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	w.Host.DialNamed(func(ctx context.Context, network, to string) (net.Conn, error) {
		at := "10.1.2.3"
		if strings.HasPrefix(to, "www.") {
			at = "93.184.215.14"
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(url, "http://"))
		return elsewhere{conn, at}, err
	})
	ask := func(needs, url string) []string {
		j := askAs(t, w, needs, url, "http.get(item)\nhttp.get(item)")
		if j.Error != nil {
			t.Error(j.Error)
		}
		return w.Logs(j.ID)
	}
	if logs := ask(`"http:www.example.com"`, "http://www.example.com"); len(logs) != 0 {
		t.Errorf("of a public host: %q", logs)
	}
	for _, host := range []string{"erp.example.com", "crm.example.com"} {
		logs := ask(`"http:`+host+`"`, "http://"+host)
		if len(logs) != 1 || !strings.Contains(logs[0], "private address") || !strings.Contains(logs[0], host) || !strings.Contains(logs[0], "10.1.2.3") {
			t.Errorf("of %s: %q", host, logs)
		}
		if logs := ask(`"http:`+host+`"`, "http://"+host); len(logs) != 0 {
			t.Errorf("of %s again: %q", host, logs)
		}
	}
}

// What some resolvers take for an address is none here: what may be asked would
// hold for another host than the one that answers.
func TestAHostThatEndsInANumberIsAnAddress(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"2130706433", "127.1", "0x7f.1", "0177.0.0.1", "0x7f000001", "127.0.0.0x1", "0x", "a.0x", "example.1", "1.2.3.4.5", "256.1.1.1", "127.1.", "１２７.１"} {
		const why = "ends in a number and is no address"
		if _, err := hostlib.MayReach([]string{"http:*"}, "http://"+host+"/", netip.Addr{}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v", host, err)
		}
		if _, err := hostlib.ParseNeeds([]string{"http:" + host}); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s in needs: got %v", host, err)
		}
	}
	for _, host := range []string{"1.example.com", "0x7f.example", "example.0xg", "a1", "127.0.0.1", "[::1]", "１２７.0.0.1", "x.1a"} {
		if _, err := hostlib.MayReach([]string{"http:" + host}, "http://"+host+"/", netip.MustParseAddr("127.0.0.1")); err != nil {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

func TestAnInstanceNamesItsHost(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })
	w.Host.SetResolver(answering(t, "127.0.0.1"))
	w.Script("job", "job(needs = ['http:{instance}.shops.example', 'http:127.0.0.1'], instances = {'Acme': {}, 'beta*': {}}, retry = retry(max = 1))\ndef consume(ctx, item):\n    return http.get(item).text()\n")
	do := func(instance, host string) string {
		id := w.Enqueue(engine.NewJob{Type: "job", Instance: instance, Payload: engine.Raw(fmt.Sprintf("%q", "http://"+host+":"+port(t, url)))})
		w.Run()
		return outcome(w.Job(id), port(t, url))
	}
	if got := do("Acme", "acme.shops.example"); got != `"acme.shops.example:URL"` {
		t.Errorf("got %s", got)
	}
	for _, host := range []string{"other.shops.example", "betamax.shops.example"} {
		for _, instance := range []string{"Acme", "beta*"} {
			if got, want := do(instance, host), `needs: http.get: "`+host+`:URL" is not among`; !strings.HasPrefix(got, want) {
				t.Errorf("%s asks %s: got %s", instance, host, got)
			}
		}
	}
}

func TestRedirectsAreFollowedWithCare(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	show := func(w http.ResponseWriter, r *http.Request) {
		seen := map[string]string{}
		for _, name := range []string{"Authorization", "X-Api-Key", "X-Tenant", "Cookie", "Referer", "Accept"} {
			if v := r.Header.Get(name); v != "" {
				seen[name] = v
			}
		}
		json.NewEncoder(w).Encode(seen)
	}
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if back := r.URL.Query().Get("back"); back != "" {
			http.Redirect(w, r, back, http.StatusFound)
			return
		}
		show(w, r)
	})
	other = strings.Replace(other, "127.0.0.1", "localhost", 1)
	var calls atomic.Int64
	var url string
	url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/show", http.StatusMovedPermanently)
		case "/other":
			http.Redirect(w, r, other, http.StatusFound)
		case "/there-and-back":
			http.Redirect(w, r, other+"?back="+url+"/show", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop?key=secret99", http.StatusFound)
		case "/kept":
			http.Redirect(w, r, "/echo", http.StatusTemporaryRedirect)
		case "/echo":
			io.Copy(w, r.Body)
		default:
			show(w, r)
		}
	})
	const sent = `, auth = "tok", headers = {"X-Api-Key": "k", "X-Tenant": "t", "Cookie": "c", "Accept": "a/b"}).json()`
	for _, c := range []struct{ call, want string }{
		{`http.get(item + "/same?api_key=x"` + sent, `{"Accept":"a/b","Authorization":"Bearer tok","Cookie":"c","X-Api-Key":"k","X-Tenant":"t"}`},
		{`http.get(item + "/other"` + sent, `{"Accept":"a/b"}`},
		{`http.get(item + "/there-and-back"` + sent, `{"Accept":"a/b"}`},
		{`http.get(item.replace("//", "//me:pw@") + "/other").json()`, `{}`},
		{`http.get(item + "/same").url`, `"URL/show"`},
		{`http.post(item + "/kept", json = {"a": 1}).json()`, `{"a":1}`},
		{`http.client(item, auth = "tok", headers = {"X-Api-Key": "k"}).get("` + other + `").json()`, `{}`},
		{`http.client(item, auth = "tok").get("show").json()`, `{"Authorization":"Bearer tok"}`},
	} {
		if got := outcome(askAs(t, w, here+`, "http:localhost"`, url, "return "+c.call), url); got != c.want {
			t.Errorf("%s: got %s, want %s", c.call, got, c.want)
		}
	}
	calls.Store(0)
	if got := outcome(ask(t, w, url, `http.get(item + "/loop")`), url); got != `http.redirect: http.get: GET URL/loop: it was redirected 10 times, last to URL/loop?key=***` || calls.Load() != 10 {
		t.Errorf("got %s after %d requests", got, calls.Load())
	}
}

func TestSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(503)
		io.WriteString(w, "you sent "+r.Header.Get("Authorization")+" and "+r.Header.Get("X-Api-Key")+" and "+r.URL.RawQuery)
	})
	secrets := []string{"hunter22", "tok-5678", "key-1234", "sig/ 9999", "sig%2F+9999", "Z3JhY2U6aHVudGVyMjI="}
	for _, body := range []string{
		`http.get(item.replace("//", "//grace:hunter22@") + "/a?page=3&Access_Token=tok-5678", params = {"sig": "sig/ 9999"}, headers = {"X-Api-Key": "key-1234"})`,
		`http.get(item + "/a", auth = "tok-5678", headers = {"x-api-key": "key-1234"})`,
		`http.get(item + "/a", auth = ("grace", "hunter22"))`,
		`http.client(item.replace("//", "//grace:hunter22@") + "?apikey=key-1234", auth = "tok-5678").get("a")`,
		`http.get("http://grace:hunter22@127.0.0.1:1/?token=tok-5678")`,
		`http.get("http://grace:hunter22@127.0.0.1:x/?token=tok-5678")`,
		`http.get("http://grace:hunter22@other.example/?token=tok-5678")`,
		`error(str(http.client(item, auth = ("grace", "hunter22"))) + http.client(item + "?token=tok-5678").base_url + str(http.oauth2(item, "id", "hunter22")))`,
	} {
		j := ask(t, w, url, body)
		if j.Error == nil {
			t.Fatalf("%s: no error", body)
		}
		told := j.Error.Message + "\n" + j.Error.Backtrace + "\n" + strings.Join(w.Logs(j.ID), "\n")
		for _, s := range secrets {
			if strings.Contains(told, s) {
				t.Errorf("%s: it tells %s:\n%s", body, s, told)
			}
		}
	}
	if got := outcome(ask(t, w, url, `http.get(item + "/a?page=3&key=abcdef", retry = 0)`), url); got != "http.503: http.get: GET URL/a?page=3&key=***: it answered 503 Service Unavailable: you sent and and page=3&key=***" {
		t.Errorf("got %s", got)
	}
}

func TestConnectionErrorsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	w.Host.SetResolver(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, fmt.Errorf("no servers here")
	}})
	for _, c := range []struct{ call, want string }{
		{`http.post("` + closed + `", retry = 1)`, "http.connect: http.post: POST " + closed + ": dial tcp " + l.Addr().String() + ": connect: connection refused"},
		{`http.get("` + tls.URL + `")`, "http.connect: http.get: GET " + tls.URL + ": its certificate cannot be trusted: x509: certificate signed by unknown authority"},
		{`http.get("http://nowhere.example.com/", retry = 0)`, "http.connect: http.get: GET http://nowhere.example.com/: ask for its address: no servers here"},
	} {
		j := askAs(t, w, `"http:127.0.0.1", "http:*.example.com"`, "x", c.call)
		if got := outcome(j, "-"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s\nwant %s", c.call, got, c.want)
		}
		retried := len(w.Logs(j.ID))
		if want := strings.Count(c.call, "retry = 1"); retried != want {
			t.Errorf("%s: %d retries, want %d", c.call, retried, want)
		}
	}
}

// It sets the environment, so it runs alone.
func TestTheOperatorsProxyIsUsed(t *testing.T) {
	w := world.New(t)
	var asked atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.RequestURI + " " + r.Header.Get("Proxy-Authorization"))
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		io.WriteString(w, "by proxy")
	})
	withPassword := strings.Replace(proxy, "//", "//user:proxy-pass@", 1)
	t.Setenv("HTTP_PROXY", withPassword)
	t.Setenv("HTTPS_PROXY", withPassword)
	t.Setenv("NO_PROXY", "direct.example.com")
	t.Setenv("REQUEST_METHOD", "")
	if got := outcome(askAs(t, w, `"http:*.example.com"`, "x", `return http.get("http://api.example.com/a").text()`), "-"); got != `"by proxy"` {
		t.Errorf("got %s", got)
	}
	if got := asked.Load(); got != "GET http://api.example.com/a Basic dXNlcjpwcm94eS1wYXNz" {
		t.Errorf("got %s", got)
	}
	j := askAs(t, w, `"http:*.example.com"`, "x", `http.get("https://api.example.com/a", retry = 0)`)
	if got := outcome(j, "-"); !strings.HasPrefix(got, "http.connect: http.get: GET https://api.example.com/a: ") || strings.Contains(got, "proxy-pass") || asked.Load() != "CONNECT api.example.com:443 Basic dXNlcjpwcm94eS1wYXNz" {
		t.Errorf("got %s, asked %s", got, asked.Load())
	}
	if got := outcome(askAs(t, w, `"http:*"`, "x", `http.get("http://10.1.2.3/")`), "-"); !strings.Contains(got, `needs = ["http:10.1.2.3"]`) {
		t.Errorf("a private address by proxy: got %s", got)
	}
}

// Whatever a server tells of the credentials that it was sent, in an error or in
// an answer that a script logs and returns, is struck out.
func TestCredentialsThatAServerEchoesAreNotTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Host.Secret = func(name string) (string, error) { return "the secret \"" + name + "\"", nil }
	const token = "issued/token+4711=="
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(map[string]any{"access_token": token, "expires_in": 3600})
			return
		}
		if r.URL.Path == "/bad" {
			w.WriteHeader(400)
		}
		sent := r.Header.Get("Authorization")
		user, password, _ := r.BasicAuth()
		json.NewEncoder(w).Encode([]any{"you sent", sent, r.Header.Get("X-Api-Key"), user, password, base64.StdEncoding.EncodeToString([]byte("so: " + sent)), r.URL.RawQuery})
	})
	long := strings.Repeat("long+", 300)
	needs := here + `, "secret:*"`
	oauth := `auth = http.oauth2(item + "/token", "me", secrets.get("client"))`
	for _, c := range []struct {
		name, auth string
		secret     string
		kept       bool // it is a secret wherever it turns up, not in messages of http only
	}{
		{"a token of OAuth 2", oauth, token, true},
		{"a secret as token", `auth = secrets.get("key")`, `the secret "key"`, true},
		{"a secret as password", `auth = ("grace", secrets.get("key"))`, `the secret "key"`, true},
		{"a secret in a header", `headers = {"X-Api-Key": secrets.get("key")}`, `the secret "key"`, true},
		{"a secret in a parameter", `params = {"q": secrets.get("key")}`, `the secret "key"`, true},
		{"a long literal token", `auth = "` + long + `"`, long, false},
		{"a literal token", `auth = "literal/token \"1\""`, `literal/token "1"`, false},
		{"a literal password", `auth = ("grace", "literal/word \"1\"")`, `literal/word "1"`, false},
		{"a literal header", `headers = {"X-Api-Key": "literal/key \"1\""}`, `literal/key "1"`, false},
	} {
		bodies := []string{`http.get(item + "/bad", ` + c.auth + `)`}
		if c.kept {
			bodies = append(bodies, `r = http.get(item + "/good", `+c.auth+`)
log.info(r.text(), sent = r.json(), body = r.bytes())
print(r.json())
ctx.progress(1, note = r.text())
_, err = catch(state.set, "x", r.text())
if err == None or "holds a secret" not in err.message:
    error("it was kept")
reject({"answer": r.json()}, r.text())
return r.json()`)
		}
		for _, body := range bodies {
			j := askAs(t, w, needs, url, body)
			page, err := json.Marshal(j)
			if err != nil {
				t.Fatal(err)
			}
			var rejected strings.Builder
			if err := w.Store.Rejects(t.Context(), engine.RejectFilter{Job: j.ID}, func(r *engine.Reject) bool {
				fmt.Fprintf(&rejected, "%s %s\n", r.Reason, r.Row)
				return true
			}); err != nil {
				t.Fatal(err)
			}
			told := string(page) + "\n" + strings.Join(w.Logs(j.ID), "\n") + rejected.String() + w.Log.String()
			if !strings.Contains(told, "you sent") || !strings.Contains(told, "***") {
				t.Errorf("%s: it tells nothing: %s", c.name, told)
			}
			for form, text := range traces(c.secret) {
				if strings.Contains(told, text[:min(len(text), 100)]) {
					t.Errorf("%s: %s: it tells it as %s: %q\n%s", c.name, body, form, text, told)
				}
			}
		}
	}
}
