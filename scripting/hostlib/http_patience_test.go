package hostlib_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// narrow is a listener whose connections take little that nobody has read yet.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetReadBuffer(16 << 10)
	}
	return c, err
}

// serveNarrow starts a server that takes bodies no faster than it reads them.
func serveNarrow(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Listener = narrow{s.Listener}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// slowly reads as much in each of so many times, with a tick of a clock before each.
func slowly(r io.Reader, times int, much int64) (int64, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var all int64
	for range times {
		<-tick.C
		n, err := io.CopyN(io.Discard, r, much)
		if all += n; err != nil {
			return all, err
		}
	}
	n, err := io.Copy(io.Discard, r)
	return all + n, err
}

// What takes longer than timeout goes on while something moves, in both directions.
func TestATimeoutIsOfWhatStandsStill(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	const size = 40 << 20
	url := serveNarrow(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/again":
			http.Redirect(w, r, "/up", http.StatusTemporaryRedirect)
		case "/up":
			n, err := slowly(r.Body, 50, 800_000)
			fmt.Fprint(w, n, err)
		case "/down":
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for range 50 {
				<-tick.C
				w.Write(make([]byte, 100_000))
				w.(http.Flusher).Flush()
			}
		}
	})
	for _, c := range []struct{ body, want string }{
		{`return http.post(item + "/up", body = "x" * %d, timeout = "2s", retry = 0).text()`, fmt.Sprintf(`"%d <nil>"`, size)},
		{`return http.put(item + "/up", files = {"f": {"content": "x" * %d}}, timeout = "2s", retry = 0).status`, "200"},
		{`return http.post(item + "/again", body = "x" * %d, timeout = "2s", retry = 0).text()`, fmt.Sprintf(`"%d <nil>"`, size)},
		{`return [http.get(item + "/down", timeout = "2s", retry = 0).save("down").size, %d][0]`, "5000000"},
	} {
		began := time.Now()
		j := ask(t, w, url, fmt.Sprintf(c.body, size))
		if got := outcome(j, url); got != c.want {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
		if took := time.Since(began); took < 2500*time.Millisecond {
			t.Errorf("%s: it took %s: that says nothing", c.body, took)
		}
	}
}

// A server that takes no more is one that gives no answer; and nobody waits for it
// once the hook is over.
func TestAnUploadThatStandsStillIsATimeout(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	goOn := make(chan struct{})
	url := serveNarrow(t, func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 1<<20)
		<-goOn
	})
	t.Cleanup(func() { close(goOn) }) // before the server is closed
	upload := fmt.Sprintf(`http.post(item, body = "x" * %d`, 40<<20)
	if got, want := outcome(ask(t, w, url, upload+`, timeout = "300ms")`), url), "http.timeout: http.post: POST URL: no answer within 300ms"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	w.Script("stopped", strings.Replace(httpScript(here, upload+`)`), "job(", "job(timeout = '2s', ", 1))
	began := time.Now()
	j := w.Do("stopped", fmt.Sprintf("%q", url))
	if j.Error == nil || j.Error.Kind != engine.KindTimeout {
		t.Errorf("got %+v", j.Error)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
