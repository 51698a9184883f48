package hostlib_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/klauspost/compress/zstd"
)

// serve starts a server on this machine.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// httpScript is a script whose consume hook has the body; its item is the URL
// of a server.
func httpScript(needs, body string) string {
	return "load(\"lib/check.star\", \"eq\", \"fails\")\njob(needs = [" + needs + "], retry = retry(max = 1))\ndef consume(ctx, item):\n    " +
		strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") + "\n"
}

const here = `"http:127.0.0.1", "files:**"`

// ask runs the body of a consume hook against a server.
func ask(t *testing.T, w *world.World, url, body string) *engine.Job {
	t.Helper()
	return askAs(t, w, here, url, body)
}

func askAs(t *testing.T, w *world.World, needs, url, body string) *engine.Job {
	t.Helper()
	name := fmt.Sprintf("job%d", len(w.Jobs()))
	w.Script(name, httpScript(needs, body))
	return w.Do(name, fmt.Sprintf("%q", url))
}

// outcome is the job's result, or the code and message of its error, with the
// server's URL as URL.
func outcome(j *engine.Job, url string) string {
	text := string(j.Result)
	if j.Error != nil {
		text = j.Error.Code + ": " + j.Error.Message
	}
	return strings.ReplaceAll(text, url, "URL")
}

func TestWhatAServerAnswersIsAResultOrAnError(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var calls atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		status, _ := strconv.Atoi(r.URL.Path[1:])
		switch r.URL.RawQuery {
		case "text":
			w.Header().Set("Content-Type", "text/plain")
		case "latin", "whole":
			w.Header().Set("Content-Type", "text/plain; charset=iso-8859-1")
		case "xml":
			w.Header().Set("Content-Type", "text/xml; charset=utf-8")
			io.WriteString(w, "<?xml version='1.0' encoding='iso-8859-1'?>\n<a><b>J\xfc</b></a>")
			return
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(status)
		if r.URL.RawQuery == "whole" {
			io.WriteString(w, "{\"what\": \"J\xfc\"}")
		} else if status != 204 && status != 304 {
			io.WriteString(w, "{\"what\":\n \"J\xfc\"}"[:8+map[bool]int{true: 5}[r.URL.RawQuery == "latin"]])
		}
	})
	for _, c := range []struct {
		body, want string
		calls      int64
	}{
		{`return http.get(item + "/204").text()`, `""`, 1},
		{`return http.get(item + "/404")`, `http.404: http.get: GET URL/404: it answered 404 Not Found: {"what":`, 1},
		{`return http.get(item + "/404", ok = [404, 410]).status`, `404`, 1},
		{`return http.get(item + "/206")`, `http.206: http.get: GET URL/206: it answered 206 Partial Content: {"what":`, 4},
		{`return http.get(item + "/206", headers = {"range": "bytes=0-9"}).status`, `206`, 1},
		{`return http.get(item + "/404", ok = [404]).ok`, `false`, 1},
		{`return http.get(item + "/500")`, `http.500: http.get: GET URL/500: it answered 500 Internal Server Error: {"what":`, 4},
		{`return http.get(item + "/500", ok = [500]).status`, `500`, 1},
		{`return http.get(item + "/500", retry = 0)`, `http.500: http.get: GET URL/500: it answered 500 Internal Server Error: {"what":`, 1},
		{`return http.get(item + "/429", retry = 5)`, `http.429: http.get: GET URL/429: it answered 429 Too Many Requests: {"what":`, 6},
		{`return http.delete(item + "/408", retry = 1)`, `http.408: http.delete: DELETE URL/408: it answered 408 Request Timeout: {"what":`, 2},
		{`return http.put(item + "/425", retry = 1)`, `http.425: http.put: PUT URL/425: it answered 425 Too Early: {"what":`, 2},
		{`return http.post(item + "/500", json = 1)`, `http.500: http.post: POST URL/500: it answered 500 Internal Server Error: {"what":`, 1},
		{`return http.post(item + "/503", json = 1)`, `http.503: http.post: POST URL/503: it answered 503 Service Unavailable: {"what":`, 4},
		{`return http.patch(item + "/429", json = 1)`, `http.429: http.patch: PATCH URL/429: it answered 429 Too Many Requests: {"what":`, 4},
		{`return http.post(item + "/500", headers = {"Idempotency-Key": "k"})`, `http.500: http.post: POST URL/500: it answered 500 Internal Server Error: {"what":`, 4},
		{`return http.head(item + "/200").bytes() == bytes("")`, `true`, 1},
		{`return http.get(item + "/200?latin").text()`, `"{\"what\":\n \"J` + "\u00fc" + `"`, 1},
		{`return http.get(item + "/200?text").json()`, `json.syntax: response.json: the answer of URL/200?text is no JSON: line 1, column 9: it ends too early: {"what":`, 1},
		{`return http.get(item + "/200?whole").json()["what"]`, `"J` + "\u00fc" + `"`, 1},
		{`return [files.read(http.get(item + "/200?latin")), list(files.lines(http.get(item + "/200?latin")))[1], list(csv.read(http.get(item + "/200?latin"), sep = "\t", quote = "'"))[0]]`, `["{\"what\":\n \"J` + "\u00fc" + `"," \"J` + "\u00fc" + `",{"{\"what\":":" \"J` + "\u00fc" + `"}]`, 3},
		{`return files.read(http.get(item + "/200?latin"), encoding = "iso-8859-5")`, `"{\"what\":\n \"J` + "\u045c" + `"`, 1},
		{`return list(http.get(item + "/200?xml").xml("a/b"))`, `xml.syntax: response.xml: the answer of URL/200?xml, line 2: it is not UTF-8; say which encoding it has, such as encoding = "windows-1252"`, 1},
		{`return [e.text for e in http.get(item + "/200?xml").xml("a/b", encoding = "iso-8859-1")]`, `["J` + "\u00fc" + `"]`, 1},
		{`return http.get(item + "/304").json()`, `usage: response.json: the answer has no body: nothing has changed since it was asked for last (304); look at .unchanged first`, 1},
		{`r = http.get(item + "/200")
return [r.status, r.ok, r.unchanged, r.url.endswith("/200"), r.header("retry-after"), r.headers["retry-after"], r.header("x", 7), str(r)]`,
			`[200,true,false,true,"0","0",7,"<response 200 OK>"]`, 1},
		{`r = http.get(item + "/200")
return [r.text(), r.text(), len(r.bytes()), list(r.lines())]`, `["{\"what\":","{\"what\":",8,["{\"what\":"]]`, 1},
	} {
		calls.Store(0)
		j := ask(t, w, url, c.body)
		if got := outcome(j, url); got != c.want || calls.Load() != c.calls {
			t.Errorf("%s: got  %s\nwant %s\n%d requests, want %d", c.body, got, c.want, calls.Load(), c.calls)
		}
	}
	for body, want := range map[string]bool{
		`http.get(item + "/404")`: false, `http.get(item + "/501", retry = 1)`: true, `http.post(item + "/408")`: true, `http.get(item + "/429", retry = 0)`: true,
		`http.get(item + "/500", max_body = 3, ok = [500])`: false,
	} {
		f := engine.AsFailure(verdict(t, w, url, body))
		if f.Retryable != want || want && (!f.Wait || f.RetryAfter != 0) {
			t.Errorf("%s: %+v", body, f)
		}
	}
}

func TestRetriesEndWithTheFirstGoodAnswer(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var calls atomic.Int64
	var bodies []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(b))
		switch calls.Add(1) {
		case 1:
			w.WriteHeader(503)
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks off
		case 3:
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
		default:
			io.WriteString(w, "whole")
		}
	})
	j := ask(t, w, url, `return http.put(item, body = "sent").text()`)
	if got := outcome(j, url); got != `"whole"` || strings.Join(bodies, " ") != "sent sent sent sent" {
		t.Errorf("got %s, %q", got, bodies)
	}
	logs := strings.Join(w.Logs(j.ID), "\n")
	if strings.Count(logs, "trying again") != 3 || !strings.Contains(logs, "it answered 503 Service Unavailable") || !strings.Contains(logs, "the connection broke off") {
		t.Errorf("got\n%s", logs)
	}
}

// verdict runs a consume hook, and gives the error that it ended with.
func verdict(t *testing.T, w *world.World, url, body string) error {
	t.Helper()
	name := fmt.Sprintf("job%d", len(w.Jobs()))
	typ := w.Script(name, httpScript(here, body))
	hook := typ.Hooks[engine.PhaseConsume]
	var got error
	typ.Hooks[engine.PhaseConsume] = func(c *engine.Call) (engine.Raw, error) {
		_, got = hook(c)
		return nil, nil
	}
	w.Do(name, fmt.Sprintf("%q", url))
	return got
}

func TestALongWaitPutsTheJobToSleep(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var calls atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		date := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		w.Header().Set("Date", date.Format(http.TimeFormat))
		w.Header().Set("Retry-After", map[string]string{
			"/seconds": "90", "/date": date.Add(2 * time.Minute).Format(http.TimeFormat), "/long": "99999999", "/past": date.Add(-time.Hour).Format(http.TimeFormat),
		}[r.URL.Path])
		w.WriteHeader(429)
	})
	for path, want := range map[string]time.Duration{"/seconds": 90 * time.Second, "/date": 2 * time.Minute, "/long": 24 * time.Hour} {
		calls.Store(0)
		err := verdict(t, w, url+path, "catch(http.post, item, json = 1)\nerror('it goes on')")
		var v *engine.Verdict
		if !errors.As(err, &v) || v.Event != engine.Snoozed || v.After != want || calls.Load() != 1 {
			t.Errorf("%s: got %v, %+v after %d requests", path, err, v, calls.Load())
		}
	}
	calls.Store(0)
	if err := verdict(t, w, url+"/past", "http.get(item, retry = 2)"); err == nil || !strings.Contains(err.Error(), "429") || calls.Load() != 3 {
		t.Errorf("got %v after %d requests", err, calls.Load())
	}
	calls.Store(0)
	err := verdict(t, w, url+"/seconds", "http.get(item, retry = 0)")
	if f := engine.AsFailure(err); f.Code != "http.429" || f.RetryAfter != 90*time.Second || !f.Wait {
		t.Errorf("without retries: got %+v", f)
	}
}

func TestAJobThatSleepsIsLeftInPeace(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(503)
	})
	typ := w.Script("job", httpScript(here, "for u in http.paginate(item): pass"))
	id := w.Enqueue(engine.NewJob{Type: "job", Payload: engine.Raw(fmt.Sprintf("%q", url))})
	s, err := w.Engine.NewServer(t.Context(), engine.ServerOptions{Types: []*engine.Type{typ}, Name: "here"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	defer func() { stop(); <-ended }()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		j := w.Job(id)
		if logs := w.Logs(id); j.RunAt != nil && time.Until(*j.RunAt) > 50*time.Minute && len(logs) > 0 {
			if j.Status != engine.StatusWaiting || j.Attempt > 1 || j.Error != nil {
				t.Errorf("got %s, attempt %d, %+v", j.Status, j.Attempt, j.Error)
			}
			if len(logs) != 1 || !strings.HasPrefix(logs[0], "warn the server asks to wait: the job goes on then") {
				t.Errorf("got %q", logs)
			}
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("it does not sleep: %+v", j)
		}
	}
}

func TestNoHookButTheJobsOwnPutsItToSleep(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var calls atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Path == "/busy" {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(503)
		}
	})
	w.Script("commit", httpScript(here, "ctx.on_commit(lambda: http.post(item + '/well', json = 1).text())\nctx.on_commit(lambda: http.post(item + '/busy'))\nctx.on_commit(lambda: http.get(item, cache = True))"))
	j := w.Do("commit", fmt.Sprintf("%q", url))
	want := `error on_commit: http.post: POST URL/busy: it answered 503 Service Unavailable
error on_commit: http.get: cache: a function given to ctx.on_commit runs after the commit: nothing commits what it remembers`
	if got := strings.ReplaceAll(strings.Join(w.Logs(j.ID), "\n"), url, "URL"); got != want || j.Status != engine.StatusCompleted || calls.Load() != 2 {
		t.Errorf("got %s after %d requests\n%s", j.Status, calls.Load(), got)
	}
	calls.Store(0)
	w.Script("fails", `
job(needs = ["http:127.0.0.1"], retry = retry(max = 2, first = "1ms"))
def consume(ctx, item):
    if ctx.attempt == 1:
        error("once")
def fail(ctx, item, err):
    http.post(item + "/busy", json = err.message)
`)
	j = w.Do("fails", fmt.Sprintf("%q", url))
	if logs := strings.Join(w.Logs(j.ID), "\n"); j.Status != engine.StatusCompleted || j.Attempt != 2 || calls.Load() != 1 || !strings.Contains(logs, "the fail hook failed: http.post: POST") {
		t.Errorf("got %s in attempt %d after %d requests\n%s", j.Status, j.Attempt, calls.Load(), logs)
	}
}

func TestNoAnswerIsATimeout(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Write(make([]byte, 100_000))
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	for _, c := range []struct {
		body, want string
		retries    int
	}{
		{`http.get(item, timeout = "30ms", retry = 2)`, `http.timeout: http.get: GET URL: no answer within 30ms`, 2},
		{`http.post(item, timeout = "30ms", retry = 2)`, `http.timeout: http.post: POST URL: no answer within 30ms`, 0},
		{`http.get(item + "/body", timeout = "2s").text()`, `http.timeout: response.text: GET URL/body: nothing more of the answer came for 2s`, 0},
		{`http.get(item + "/body", timeout = "2s").save("x.bin")`, `http.timeout: response.save: GET URL/body: nothing more of the answer came for 2s`, 0},
	} {
		j := ask(t, w, url, c.body)
		if got := outcome(j, url); got != c.want || len(w.Logs(j.ID)) != c.retries {
			t.Errorf("%s: got %s after %q\nwant %s", c.body, got, w.Logs(j.ID), c.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(w.Files, "*")); len(left) > 0 {
		t.Errorf("a file of half an answer is there: %s", left)
	}
	if left, _ := filepath.Glob(filepath.Join(w.Files, ".*")); len(left) > 0 {
		t.Errorf("something is left over: %s", left)
	}
}

func TestAHangingServerDoesNotHoldAHook(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	type span struct{ began, ended time.Time }
	spans := make(chan span, 10)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		s := span{began: time.Now()}
		if r.URL.Path == "/wait" {
			w.Header().Set("Retry-After", "29")
			w.WriteHeader(503)
			spans <- s
			return
		}
		if r.URL.Path == "/body" {
			w.Write(make([]byte, 100_000))
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
		s.ended = time.Now()
		spans <- s
	})
	for _, body := range []string{`http.get(item)`, `http.get(item + "/body").json()`, `http.get(item + "/wait")`, `for r in http.get(item + "/body").lines(): pass`} {
		name := fmt.Sprintf("job%d", len(w.Jobs()))
		w.Script(name, strings.Replace(httpScript(here, body), "job(", "job(timeout = '200ms', ", 1))
		late, bound := time.Hour, 100*time.Millisecond
		for range 5 { // a busy machine may be late now and then
			j := w.Do(name, fmt.Sprintf("%q", url))
			if j.Error == nil || j.Error.Kind != engine.KindTimeout {
				t.Fatalf("%s: %+v", body, j.Error)
			}
			s := <-spans
			if s.ended.IsZero() { // it waited for the next attempt: the end of the job counts
				s.ended, bound = time.Now(), 5*time.Second
			}
			// The hook began before its request came.
			if late = min(late, s.ended.Sub(s.began)-200*time.Millisecond); late < bound {
				break
			}
		}
		if late > bound {
			t.Errorf("%s: it ended %s late", body, late)
		}
	}
}

func TestNothingBeyondTheBoundIsRead(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	zeros := make([]byte, 1<<20)
	gzipped := func(b []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		z.Write(b)
		z.Close()
		return out.Bytes()
	}
	bomb := bytes.Repeat(zeros, 30)
	zst, _ := zstd.NewWriter(nil)
	bodies := map[string][]byte{
		"/plain": bomb, "/gzip": gzipped(bomb), "/twice": gzipped(gzipped(bomb)), "/zstd": zst.EncodeAll(bomb, nil),
		"/empty": bytes.Repeat(gzipped(nil), 400_000), // packed pieces of nothing
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if kind := map[string]string{"/gzip": "gzip", "/twice": "gzip, gzip", "/zstd": "zstd", "/empty": "gzip"}[r.URL.Path]; kind != "" {
			w.Header().Set("Content-Encoding", kind)
		}
		w.Write(bodies[r.URL.Path])
	})
	for _, path := range []string{"/plain", "/gzip", "/twice", "/zstd", "/empty"} {
		for _, body := range []string{`len(http.get(item, max_body = "3MB").text())`, `http.get(item, max_body = "3MB").save("x")`, `list(http.get(item, max_body = "3MB").lines())`, `http.get(item, max_body = 1000)`} {
			j := ask(t, w, url+path, body)
			if j.Error == nil || j.Error.Code != "http.size" || !strings.Contains(j.Error.Message, "raise max_body") {
				t.Errorf("%s: %s: %+v", path, body, j.Error)
			}
			if path == "/empty" {
				break
			}
		}
	}
	if j := ask(t, w, url+"/gzip", `http.get(item, max_body = "1MiB").text()`); j.Error == nil {
		t.Error("more than the bound was read")
	}
	exact := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(zeros) })
	if j := ask(t, w, exact, `return len(http.get(item, max_body = 1 << 20).bytes())`); string(j.Result) != fmt.Sprint(1<<20) {
		t.Errorf("an answer of just that size: %+v", j.Error)
	}
	if j := ask(t, w, exact, `return len(http.get(item, max_body = 9223372036854775807).bytes())`); string(j.Result) != fmt.Sprint(1<<20) {
		t.Errorf("without a bound: %+v", j.Error)
	}
}

func TestAnswersAreUnpacked(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	const text = "alpha\nbeta\n"
	pack := func(name string) []byte {
		var b bytes.Buffer
		var z io.WriteCloser
		switch name {
		case "gzip", "cut":
			z = gzip.NewWriter(&b)
		case "zlib":
			z = zlib.NewWriter(&b)
		case "raw":
			z, _ = flate.NewWriter(&b, 6)
		case "zstd":
			z, _ = zstd.NewWriter(&b)
		}
		io.WriteString(z, text)
		z.Close()
		if name == "cut" {
			b.Truncate(b.Len() - 6)
		}
		return b.Bytes()
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[1:]
		w.Header().Set("Content-Encoding", map[string]string{"gzip": "gzip", "cut": "gzip", "zlib": "deflate", "raw": "deflate", "zstd": "zstd", "br": "br", "none": "gzip"}[name])
		w.Header().Set("Asked", r.Header.Get("Accept-Encoding"))
		if name != "br" && name != "none" && r.Method != "HEAD" {
			w.Write(pack(name))
		}
	})
	for name, want := range map[string]string{
		"gzip": `"alpha\nbeta\n"`, "zlib": `"alpha\nbeta\n"`, "raw": `"alpha\nbeta\n"`, "zstd": `"alpha\nbeta\n"`, "none": `""`,
		"cut": "http.encoding: http.get: GET URL/cut: unpack the answer: unexpected EOF",
		"br":  `http.encoding: http.get: GET URL/br: the answer is packed as "br", which dsengine cannot unpack: ask for another form by headers = {"Accept-Encoding": "gzip"}`,
	} {
		if got := outcome(ask(t, w, url, `return http.get(item + "/`+name+`").text()`), url); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if got := outcome(ask(t, w, url, `r = http.head(item + "/gzip")
return [r.text(), r.header("asked")]`), url); got != `["","gzip, deflate, zstd"]` {
		t.Errorf("head: got %s", got)
	}
}

func TestLongAnswersPassThroughOnce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	gone := make(chan bool, 1)
	url := serve(t, func(rw http.ResponseWriter, r *http.Request) {
		var w io.Writer = rw
		if strings.HasSuffix(r.URL.Path, ".gz") {
			z := gzip.NewWriter(rw)
			defer z.Close()
			w = z
		}
		if r.URL.Path == "/endless" {
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 1000)+"\n"); err != nil {
					gone <- true
					return
				}
			}
		}
		fmt.Fprint(w, "\ufeffn,t\n")
		for n := range 50_000 {
			fmt.Fprintf(w, "%d,text\n", n)
		}
	})
	for _, c := range []struct{ body, want string }{
		{`return max([int(r["n"]) for r in http.get(item).csv()])`, `49999`},
		{`return len(list(http.get(item).lines()))`, `50001`},
		{`return len(list(csv.read(http.get(item))))`, `50000`},
		{`return len(list(csv.read(http.get(item + "/feed.csv.gz?x=1"))))`, `50000`},
		{`return len(list(http.get(item + "/feed.csv.gz").csv()))`, `50000`},
		{`return list(http.get(item + "/feed.csv.gz").csv())[0] == {"n": "0", "t": "text"}`, `true`},
		{`return http.get(item + "/feed.csv.gz").bytes()[:2] == b"\x1f\x8b"`, `true`},
		{`return http.get(item).save("a/b/c.csv").size`, `538897`},
		{`r = http.get(item)
for row in r.csv(): break
return r.text()`, `usage: response.text: the answer was read already, by csv: it can be gone through once`},
		{`r = http.get(item)
n = len(r.text())
return [n, len(list(r.csv())), len(list(r.lines()))]`, `[538894,50000,50001]`},
		{`for l in http.get(item + "/endless").lines(): return len(l)`, `1000`},
	} {
		if got := outcome(ask(t, w, url, c.body), url); got != c.want {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
	<-gone // the end of the hook closed what it had left open
	b, err := os.ReadFile(filepath.Join(w.Files, "a", "b", "c.csv"))
	if err != nil || len(b) != 538897 || !bytes.HasSuffix(b, []byte("49999,text\n")) {
		t.Errorf("got %d bytes, %v", len(b), err)
	}
}

func TestWhatIsSentArrives(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("out/report.csv", strings.Repeat("a,b\n", 50_000))
	var mu sync.Mutex
	tries := map[string]int{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		out := map[string]any{"query": r.URL.RawQuery, "type": r.Header.Get("Content-Type"), "length": r.ContentLength, "agent": r.UserAgent(), "auth": r.Header.Get("Authorization")}
		if r.URL.Path == "/files" {
			if err := r.ParseMultipartForm(1 << 20); err != nil {
				out["error"] = err.Error()
			}
			mu.Lock()
			tries[r.URL.Path]++
			first := tries[r.URL.Path] == 1
			mu.Unlock()
			if first {
				w.WriteHeader(503) // and once more, all of it
				return
			}
			out["type"], out["length"] = nil, nil
			out["fields"] = r.MultipartForm.Value
			files := map[string]string{}
			for field, list := range r.MultipartForm.File {
				f, _ := list[0].Open()
				b, _ := io.ReadAll(f)
				files[field] = fmt.Sprintf("%s %s %d", list[0].Filename, list[0].Header.Get("Content-Type"), len(b))
			}
			out["files"] = files
		} else {
			b, _ := io.ReadAll(r.Body)
			out["body"] = string(b)
		}
		json.NewEncoder(w).Encode(out)
	})
	for _, c := range []struct{ call, want string }{
		{`http.get(item + "/?z=0", params = {"b": [1, 2], "a": "x y&", "none": None, "yes": True, "f": 1.5, "d": decimal.of("1.50")})`,
			`{"agent":"dsengine","auth":"","body":"","length":0,"query":"z=0&b=1&b=2&a=x+y%26&none=&yes=true&f=1.5&d=1.50","type":""}`},
		{`http.post(item, json = {"id": 9007199254740993})`, `{"agent":"dsengine","auth":"","body":"{\"id\":9007199254740993}","length":23,"query":"","type":"application/json"}`},
		{`http.post(item, form = {"a": "ü", "b": [1, decimal.of("2.50")]}, auth = ("me", "p"))`, `{"agent":"dsengine","auth":"Basic bWU6cA==","body":"a=%C3%BC&b=1&b=2.50","length":19,"query":"","type":"application/x-www-form-urlencoded"}`},
		{`http.put(item, body = "text", headers = {"User-Agent": "mine"}, auth = "tok")`, `{"agent":"mine","auth":"Bearer tok","body":"text","length":4,"query":"","type":"text/plain; charset=utf-8"}`},
		{`http.patch(item, body = bytes("raw"), headers = {"content-type": "x/y"})`, `{"agent":"dsengine","auth":"","body":"raw","length":3,"query":"","type":"x/y"}`},
		{`http.get(item.replace("//", "//ann:pw@"))`, `{"agent":"dsengine","auth":"Basic YW5uOnB3","body":"","length":0,"query":"","type":""}`},
		{`http.post(item + "/files", form = {"kind": "daily"}, files = {"report": "out/report.csv", "note": {"content": "hi", "name": "n.txt", "type": "text/plain"}})`,
			`{"agent":"dsengine","auth":"","fields":{"kind":["daily"]},"files":{"note":"n.txt text/plain 2","report":"report.csv application/octet-stream 200000"},"length":null,"query":"","type":null}`},
	} {
		got := outcome(ask(t, w, url, "return "+c.call+".json()"), url)
		if c.want = strings.Replace(c.want, "&none=", "", 1); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.call, got, c.want)
		}
	}
	for _, c := range []struct{ call, want string }{
		{`http.post(item, files = {"f": "../x"})`, `file.path: http.post: "../x" leads out of the files folder`},
		{`http.post(item, files = {"f": "no.csv"})`, `file.missing: http.post: there is no file "no.csv"`},
		{`http.post(item, files = {"f": {"content": "x", "nme": "y"}})`, `usage: http.post: files: "f" has no "nme" (did you mean "name"?): it is a path, or a dict with path or content, name, type`},
		{`http.post(item, files = {"f": {}})`, `usage: http.post: files: "f": wanted a path, or a dict with either path or content`},
	} {
		if got := outcome(ask(t, w, url, c.call), url); got != c.want {
			t.Errorf("%s: got %s, want %s", c.call, got, c.want)
		}
	}
}
