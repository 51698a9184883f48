package hostlib_test

import (
	"context"
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

// What takes longer than timeout goes on while something moves, in both directions.
// Neither side takes much that the other has not read yet; what moves does so many
// times within timeout.
func TestATimeoutIsOfWhatStandsStill(t *testing.T) {
	t.Parallel()
	const size, piece, times, timeout = 2_000_000, 25_000, 60, 5 * time.Second
	const tick = 100 * time.Millisecond
	url := serveNarrow(t, func(w http.ResponseWriter, r *http.Request) {
		ticks := time.NewTicker(tick)
		defer ticks.Stop()
		switch r.URL.Path {
		case "/again":
			http.Redirect(w, r, "/up", http.StatusTemporaryRedirect)
		case "/up":
			var all int64
			for range times {
				<-ticks.C
				n, err := io.CopyN(io.Discard, r.Body, piece)
				if all += n; err != nil {
					fmt.Fprint(w, all, err)
					return
				}
			}
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, all+n, err)
		case "/down":
			for range times {
				<-ticks.C
				w.Write(make([]byte, piece))
				w.(http.Flusher).Flush()
			}
		}
	})
	for name, c := range map[string]struct{ body, want string }{
		"post":     {`return http.post(item + "/up", body = "x" * %d, timeout = "5s", retry = 0).text()`, fmt.Sprintf(`"%d <nil>"`, size)},
		"form":     {`return http.put(item + "/up", files = {"f": {"content": "x" * %d}}, timeout = "5s", retry = 0).status`, "200"},
		"redirect": {`return http.post(item + "/again", body = "x" * %d, timeout = "5s", retry = 0).text()`, fmt.Sprintf(`"%d <nil>"`, size)},
		"get":      {`return [http.get(item + "/down", timeout = "5s", retry = 0).save("down").size, %d][0]`, fmt.Sprint(piece * times)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			narrow := &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
				c, err := (&net.Dialer{}).DialContext(ctx, network, to)
				if err == nil {
					err = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
				}
				return c, err
			}}
			t.Cleanup(narrow.CloseIdleConnections)
			w.Host.HTTP = narrow
			began := time.Now()
			j := ask(t, w, url, fmt.Sprintf(c.body, size))
			if got := outcome(j, url); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if took := time.Since(began); took <= timeout {
				t.Errorf("it took %s: that says nothing", took)
			}
		})
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
