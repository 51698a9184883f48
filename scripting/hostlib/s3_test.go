package hostlib_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/klauspost/compress/zstd"
	"github.com/minio/minio-go/v7"
	signing "github.com/minio/minio-go/v7/pkg/credentials"
)

// objectStore is a store of objects on this machine. It does not check keys.
type objectStore struct {
	t       *testing.T
	url     string
	backend *s3mem.Backend

	mu     sync.Mutex
	asked  []string // methods and paths, with what is asked for of parts and of uploads
	before func(w http.ResponseWriter, r *http.Request) bool
}

const objectKey, objectSecret = "AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// newObjectStore starts one, with the bucket archive, which scripts know by that
// name, and "stores/BUCKET" for all of them.
func newObjectStore(t *testing.T, w *world.World) *objectStore {
	t.Helper()
	s := &objectStore{t: t, backend: s3mem.New()}
	fake := gofakes3.New(s.backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		what := r.Method + " " + r.URL.Path
		for _, name := range []string{"uploads", "uploadId", "partNumber", "start-after", "continuation-token"} {
			if r.URL.Query().Has(name) {
				what += " " + name
			}
		}
		if part := r.Header.Get("Range"); part != "" {
			what += " " + part
		}
		s.asked = append(s.asked, what)
		before := s.before
		s.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	for _, b := range []string{"archive", "people"} {
		if err := s.backend.CreateBucket(b); err != nil {
			t.Fatal(err)
		}
	}
	w.Host.S3 = func(name string) (*hostlib.S3, error) {
		o := &hostlib.S3{Endpoint: s.url, Bucket: name, AccessKey: objectKey, SecretKey: objectSecret}
		switch name {
		case "archive":
		case "stores":
			o.Bucket = ""
		case "half":
			o.SecretKey = ""
		default:
			return nil, engine.Wrapf(engine.CodeNotFound, hostlib.ErrNoS3, "s3").WithHint("add it")
		}
		return o, nil
	}
	return s
}

// s3Answer answers as Amazon S3 does when it refuses something.
func s3Answer(w http.ResponseWriter, status int, code, message, more string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "4442587FB7D0A2F9")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message>%s<RequestId>4442587FB7D0A2F9</RequestId><HostId>x</HostId></Error>", code, message, more)
}

// stamped are headers of an object with the time of its last change.
func stamped(headers map[string]string) map[string]string {
	all := map[string]string{"Last-Modified": "Sun, 01 Mar 2020 10:00:00 GMT"}
	maps.Copy(all, headers)
	return all
}

func (s *objectStore) put(key, content string) {
	s.t.Helper()
	if _, err := s.backend.PutObject("archive", key, stamped(nil), strings.NewReader(content), int64(len(content)), nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *objectStore) get(key string) string {
	s.t.Helper()
	o, err := s.backend.GetObject("archive", key, nil)
	if err != nil {
		return err.Error()
	}
	defer o.Contents.Close()
	text, err := io.ReadAll(o.Contents)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// answer has a function answer in the store's place, where it says true.
func (s *objectStore) answer(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before, s.asked = f, nil
}

func (s *objectStore) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// runS3 runs the body of a consume hook, whose item is the URL of the store.
func (s *objectStore) run(w *world.World, body string) *engine.Job {
	s.t.Helper()
	return askAs(s.t, w, `"s3:archive", "s3:stores/**", "files:**"`, s.url, body)
}

func TestObjectsOfABucket(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	s.put("in/a.csv", "id,name\n1,Ada\n")
	s.put("in/ü & b.csv", "id,name\n2,Grace\n")
	s.put("in/", "")
	s.put("other.txt", "x")
	w.File("out.csv", "id\n7\n")
	for _, c := range []struct{ body, want string }{
		{`return [[o.key, o.size, len(o.etag), o.modified[:2]] for o in s3.list("archive", "in/")]`, `[["in/a.csv",14,32,"20"],["in/ü & b.csv",16,32,"20"]]`},
		{`return [o.key for o in s3.list("stores/archive")]`, `["in/a.csv","in/ü & b.csv","other.txt"]`},
		{`return [o["key"] for o in s3.list("archive", after = "in/a.csv")]`, `["in/ü & b.csv","other.txt"]`},
		{`return [o.key for o in s3.list("archive", "nothing")]`, `[]`},
		{`return [r["name"] for o in s3.list("archive", "in/") for r in csv.read(s3.open("archive", o.key, etag = o.etag))]`, `["Ada","Grace"]`},
		{`o = s3.open("archive", "in/a.csv")
return [o.key, o.size, o.etag == s3.stat("archive", "in/a.csv").etag, files.read(o)]`, `["in/a.csv",14,true,"id,name\n1,Ada\n"]`},
		{`return [s3.exists("archive", "in/a.csv"), s3.exists("archive", "in/z.csv")]`, `[true,false]`},
		{`f = s3.get("archive", "in/a.csv", to = "down/a.csv")
return [f.path, f.size, files.read("down/a.csv")]`, `["down/a.csv",14,"id,name\n1,Ada\n"]`},
		{`o = s3.put("archive", "out/1.csv", "out.csv", type = "text/csv")
return [o.key, o.size, o.modified, o.etag == s3.stat("archive", "out/1.csv").etag]`, `["out/1.csv",5,null,true]`},
		{`s3.put("archive", "out/2.txt", ["a", "b"])
return files.read(s3.open("archive", "out/2.txt"))`, `"a\nb\n"`},
		{`s3.put("archive", "out/3.txt", data = "text")
s3.put("archive", "out/4.txt", data = b"")
return [files.read(s3.open("archive", "out/3.txt")), s3.stat("archive", "out/4.txt").size]`, `["text",0]`},
		{`s3.put("archive", "out/5.csv", s3.open("archive", "in/a.csv"))
return list(csv.read(s3.open("archive", "out/5.csv")))`, `[{"id":"1","name":"Ada"}]`},
		{`o = s3.copy("archive", "in/ü & b.csv", "done/ü.csv")
s3.delete("archive", "in/ü & b.csv")
s3.delete("archive", "in/ü & b.csv")
return [o.key, o.size, [o.key for o in s3.list("archive", "in/")], files.read(s3.open("archive", "done/ü.csv"))]`, `["done/ü.csv",16,["in/a.csv"],"id,name\n2,Grace\n"]`},
		{`o = s3.copy("archive", "in/a.csv", "a.csv", to_bucket = "stores/people")
return [r["name"] for r in csv.read(s3.open("stores/people", "a.csv"))]`, `["Ada"]`},

		{`return s3.open("archive", "in/z.csv")`, `s3.missing: s3.open: open in/z.csv in archive: there is no such object`},
		{`return s3.stat("archive", "in/z.csv")`, `s3.missing: s3.stat: stat in/z.csv in archive: there is no such object`},
		{`return list(s3.list("stores/nowhere"))`, `s3.missing: s3.list: list stores/nowhere: there is no bucket "nowhere" at 127.0.0.1`},
		{`return s3.open("archive", "in/a.csv", etag = "0123")`, `s3.changed: s3.open: open in/a.csv in archive: it has changed since it was listed`},
		{`return [s3.get("archive", o.key, "down/").path for o in s3.list("archive", "in/a")]`, `["down/a.csv"]`},
		{`return s3.get("archive", "in/a.csv", "x/", etag = "0123")`, `s3.changed: s3.get: open in/a.csv in archive: it has changed since it was listed`},
		{`o = s3.open("archive", "in/a.csv")
files.read(o)
files.read(o)`, `usage: files.read: in/a.csv in archive was read already: open it again`},
		{`s3.open("archive", "")`, `usage: s3.open: key: got "", wanted the key of an object`},
		{`s3.put("archive", "x")`, `usage: s3.put: wanted either src or data`},
		{`s3.put("archive", "x", "missing.csv")`, `file.missing: s3.put: there is no file "missing.csv"`},
		{`s3.copy("archive", "in/a.csv", "in/a.csv")`, `usage: s3.copy: to: it is the object itself`},
		{`s3.list("stores/a/b")`, `s3.settings: s3.list: [s3.stores] "a/b" is no name of a bucket: `},
		{`s3.list(1)`, `usage: s3.list: bucket: got int, wanted the name of a bucket, or what s3.bucket gives`},
		{`s3.presign("archive", "in/a.csv", "8d")`, `usage: s3.presign: expires must be from "1s" to "7d"`},
	} {
		j := s.run(w, c.body)
		got := strings.Replace(outcome(j, s.url), strings.TrimPrefix(s.url, "http://"), "127.0.0.1", 1)
		if got != c.want && !(j.Error != nil && strings.HasSuffix(c.want, ": ") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.body, got, c.want)
		}
	}
}

func TestAListGoesOnBehindTheLastKey(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	for i := range 2500 {
		s.put(fmt.Sprintf("in/%05d", i), "x")
	}
	var failed atomic.Int64
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("continuation-token") && failed.Add(1) <= 3 {
			s3Answer(w, 503, "SlowDown", "Please reduce your request rate.", "")
			return true
		}
		return false
	})
	j := s.run(w, `
keys = [o.key for o in s3.list("archive", "in/")]
return [len(keys), len(set(keys)), keys[0], keys[-1]]`)
	if got := outcome(j, s.url); got != `[2500,2500,"in/00000","in/02499"]` {
		t.Error(got)
	}
	if failed.Load() < 1 {
		t.Error("nothing failed")
	}
	// What is not asked for is not listed.
	s.answer(nil)
	if got := outcome(s.run(w, `return [o.key for o in iter.take(s3.list("archive"), 3)]`), s.url); got != `["in/00000","in/00001","in/00002"]` {
		t.Error(got)
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestObjectsAreReadThroughWhatTheyArePackedWith(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	const text = "id,name\n1,Ada\n"
	var gz, zst, tgz bytes.Buffer
	g := gzip.NewWriter(&gz)
	io.WriteString(g, text)
	g.Close()
	z, _ := zstd.NewWriter(&zst)
	io.WriteString(z, text)
	z.Close()
	g = gzip.NewWriter(&tgz)
	tw := tar.NewWriter(g)
	for _, name := range []string{"a.csv", "b.csv"} {
		tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))})
		io.WriteString(tw, text)
	}
	tw.Close()
	g.Close()
	s.put("a.csv.gz", gz.String())
	s.put("a.csv.zst", zst.String())
	s.put("one.zip", zipped(t, map[string]string{"a.csv": text}))
	s.put("two.zip", zipped(t, map[string]string{"a.csv": text, "b.csv": text}))
	s.put("two.tgz", tgz.String())
	s.put("bad.csv.gz", gz.String()[:gz.Len()-9])
	if _, err := s.backend.PutObject("archive", "encoded.csv", stamped(map[string]string{"Content-Encoding": "gzip"}), bytes.NewReader(gz.Bytes()), int64(gz.Len()), nil); err != nil {
		t.Fatal(err)
	}
	w.File("packed.csv.gz", gz.String())
	for _, c := range []struct{ body, want string }{
		{`return [[r["name"] for r in csv.read(s3.open("archive", k))] for k in ["a.csv.gz", "a.csv.zst", "one.zip", "encoded.csv"]]`, `[["Ada"],["Ada"],["Ada"],["Ada"]]`},
		{`return [[e.name, [r["name"] for r in csv.read(e)]] for k in ["two.zip", "two.tgz"] for e in files.entries(s3.open("archive", k))]`,
			`[["a.csv",["Ada"]],["b.csv",["Ada"]],["a.csv",["Ada"]],["b.csv",["Ada"]]]`},
		{`return list(csv.read(s3.open("archive", "two.tgz")))`, `file.archive: csv.read: two.tgz in archive has several files, such as a.csv and b.csv: go through them with files.entries`},
		{`entries = list(files.entries(s3.open("archive", "two.zip")))
csv.read(entries[0])`, `file.archive: csv.read: a.csv in two.zip in archive was passed: read each file of a stream while it is gone through`},
		{`return list(csv.read(s3.open("archive", "bad.csv.gz")))`, `file.truncated: csv.read: bad.csv.gz in archive ends too early: it is not complete`},
		{`return list(files.entries(s3.open("archive", "a.csv.gz")))`, `usage: files.entries: "a.csv.gz" is no archive: its name ends with none of .zip, .tar, .tar.gz, .tgz and .tar.zst`},
		// What is copied stays as it is.
		{`s3.get("archive", "a.csv.gz", to = "down.gz")
s3.put("archive", "b.csv.gz", s3.open("archive", "a.csv.gz"))
s3.put("archive", "c.csv.gz", "packed.csv.gz")
size = s3.stat("archive", "a.csv.gz").size
return [files.stat("down.gz").size == size, s3.stat("archive", "b.csv.gz").size == size, s3.stat("archive", "c.csv.gz").size == size]`, `[true,true,true]`},
	} {
		if got := outcome(s.run(w, c.body), s.url); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.body, got, c.want)
		}
	}
}

// cutOff answers with a part of an object, and breaks the connection off.
func cutOff(t *testing.T, w http.ResponseWriter, r *http.Request, content string, some int) {
	from := 0
	status := 200
	if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); n == 1 {
		status = 206
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
	w.Header().Set("Etag", `"abc"`)
	w.Header().Set("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")
	w.WriteHeader(status)
	io.WriteString(w, content[from:min(from+some, len(content))])
	if err := http.NewResponseController(w).Flush(); err != nil {
		t.Error(err)
	}
	panic(http.ErrAbortHandler)
}

func TestAReadGoesOnWhereTheConnectionBrokeOff(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	var b strings.Builder
	b.WriteString("id\n")
	for i := range 100_000 {
		fmt.Fprintf(&b, "%06d\n", i)
	}
	content := b.String()
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		cutOff(t, w, r, content, 150_000)
		return true
	})
	j := s.run(w, `return [len(list(csv.read(s3.open("archive", "big.csv")))), s3.get("archive", "big.csv", to = "big.csv").size]`)
	if got := outcome(j, s.url); got != fmt.Sprintf("[100000,%d]", len(content)) {
		t.Error(got)
	}
	asked := s.requests()
	if len(asked) != 10 || !strings.HasSuffix(asked[1], " bytes=150000-") || !strings.HasSuffix(asked[4], " bytes=600000-") {
		t.Errorf("asked %q", asked)
	}

	// It does not go on for ever, and leaves no part of a file.
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		cutOff(t, w, r, content, map[bool]int{true: 1000}[r.Header.Get("Range") == ""])
		return true
	})
	if got := outcome(s.run(w, `return s3.get("archive", "big.csv", to = "cut.csv")`), s.url); !strings.HasPrefix(got, "s3.unreachable: s3.get: read big.csv in archive: after 1000 of 700003 bytes the connection broke off: ") {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(w.Files, "cut.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a part of the file is there: %v", err)
	}

	// What has changed meanwhile is not the rest of what was read.
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" {
			if r.Header.Get("If-Match") != `"abc"` {
				t.Errorf("If-Match is %q", r.Header.Get("If-Match"))
			}
			s3Answer(w, 412, "PreconditionFailed", "x", "")
			return true
		}
		cutOff(t, w, r, content, 1000)
		return true
	})
	if got := outcome(s.run(w, `return list(csv.read(s3.open("archive", "big.csv")))`), s.url); got != "s3.changed: csv.read: open big.csv in archive: it has changed since it was listed" {
		t.Error(got)
	}
}

func TestWhatAStoreRefusesIsToldInWords(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	for _, c := range []struct {
		status                    int
		code, message, more, want string
		retryable                 bool
		calls                     int
	}{
		{403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
			"<AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256</StringToSign><SignatureProvided>abc</SignatureProvided>",
			"s3.denied: s3.open: open k in archive: the secret key is wrong (SignatureDoesNotMatch)", false, 1},
		{403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", "<AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId>",
			"s3.denied: s3.open: open k in archive: the access key is not known there (InvalidAccessKeyId)", false, 1},
		{403, "AccessDenied", "Access Denied", "", "s3.denied: s3.open: open k in archive: the store refuses it to these keys (AccessDenied); where they may not list the bucket, it says so of missing objects too", false, 1},
		{403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", "", "s3.denied: s3.open: open k in archive: the clock of this machine is wrong, or that of the store (RequestTimeTooSkewed)", false, 1},
		{400, "ExpiredToken", "The provided token has expired.", "", "s3.denied: s3.open: open k in archive: the keys have expired (ExpiredToken)", false, 1},
		{400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'", "<Region>eu-west-1</Region>",
			"s3.region: s3.open: open k in archive: the bucket is in the region \"eu-west-1\", not in \"us-east-1\": set region", false, 1},
		{301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.", "", "s3.region: s3.open: open k in archive: the bucket is in another region than \"us-east-1\", or at another endpoint than HOST (PermanentRedirect)", false, 1},
		{404, "NoSuchBucket", "The specified bucket does not exist", "", "s3.missing: s3.open: open k in archive: there is no bucket \"archive\" at HOST", false, 1},
		{501, "NotImplemented", "A header you provided implies functionality that is not implemented.", "", "s3.error: s3.open: open k in archive: the store answered NotImplemented: A header you provided implies functionality that is not implemented.", false, 1},
		{503, "SlowDown", "Please reduce your request rate.", "", "s3.busy: s3.open: open k in archive: the store answered 503 Service Unavailable SlowDown", true, 6},
		{500, "InternalError", "We encountered an internal error. Please try again.", "", "s3.busy: s3.open: open k in archive: the store answered 500 Internal Server Error InternalError", true, 6},
		{400, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.", "", "s3.busy: s3.open: open k in archive: the store answered 400 Bad Request RequestTimeout", true, 6},
	} {
		s.answer(func(w http.ResponseWriter, r *http.Request) bool {
			s3Answer(w, c.status, c.code, c.message, c.more)
			return true
		})
		j := s.run(w, `return s3.open("archive", "k")`)
		got := strings.ReplaceAll(outcome(j, s.url), strings.TrimPrefix(s.url, "http://"), "HOST")
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.code, got, c.want)
		}
		if n := len(s.requests()); n != c.calls {
			t.Errorf("%s: %d requests, want %d", c.code, n, c.calls)
		}
	}
	// An endpoint that is no store.
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		io.WriteString(w, "<html><body>Welcome<br></body></html>")
		return true
	})
	if got := outcome(s.run(w, `return list(s3.list("archive"))`), s.url); !strings.HasPrefix(got, "s3.error: s3.list: list archive: ") {
		t.Error(got)
	}
	// One where nobody listens.
	s.answer(nil)
	gone := httptest.NewServer(nil)
	gone.Close()
	w.Host.S3 = func(string) (*hostlib.S3, error) { return &hostlib.S3{Endpoint: gone.URL, Bucket: "archive"}, nil }
	if got := outcome(s.run(w, `return list(s3.list("archive"))`), s.url); !strings.HasPrefix(got, "s3.unreachable: s3.list: list archive: 127.0.0.1:") || !strings.Contains(got, "connection refused") {
		t.Error(got)
	}
	if strings.Contains(w.Log.String(), objectSecret) {
		t.Error("the secret key is in the log")
	}
}

func TestALargeObjectGoesInParts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	line := strings.Repeat("0123456789abcde", 68) + "\n" // 1021 bytes
	content := strings.Repeat(line, 40_000)              // three parts
	w.File("big.txt", content)
	for _, src := range []string{`"big.txt"`, `files.lines("big.txt")`} {
		s.answer(nil)
		j := s.run(w, `return s3.put("archive", "big.txt", `+src+`).size`)
		if got := outcome(j, s.url); got != fmt.Sprint(len(content)) {
			t.Fatal(got)
		}
		if s.get("big.txt") != content {
			t.Errorf("%s: the object is not what was put", src)
		}
		want := []string{"POST /archive/big.txt uploads", "PUT /archive/big.txt uploadId partNumber", "PUT /archive/big.txt uploadId partNumber", "PUT /archive/big.txt uploadId partNumber", "POST /archive/big.txt uploadId"}
		if got := s.requests(); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: asked %q", src, got)
		}
		s.run(w, `s3.delete("archive", "big.txt")`)
	}
	// A part that is refused is sent again; a store that has no more of it gets the
	// upload taken back.
	var refused atomic.Int64
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("partNumber") == "2" && refused.Add(1) == 1 {
			io.Copy(io.Discard, r.Body)
			s3Answer(w, 500, "InternalError", "x", "")
			return true
		}
		return false
	})
	if got := outcome(s.run(w, `return s3.put("archive", "big.txt", files.lines("big.txt")).size`), s.url); got != fmt.Sprint(len(content)) || s.get("big.txt") != content {
		t.Error(got)
	}
	s.answer(nil)
	j := s.run(w, `
def bad(n):
    if n == 30000:
        error("no more")
    return "x" * 1020
s3.put("archive", "cut.txt", iter.map(bad, range(40000)))`)
	if got := outcome(j, s.url); !strings.Contains(got, "no more") {
		t.Error(got)
	}
	if got := s.requests(); got[len(got)-1] != "DELETE /archive/cut.txt uploadId" {
		t.Errorf("asked %q", got)
	}
	if got := s.get("cut.txt"); len(got) > 1000 {
		t.Error("a part of it is there")
	}
}

func TestBucketsMustBeNeeded(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	s.put("a.txt", "a")
	connect := `s3.bucket("archive", endpoint = item)`
	for _, c := range []struct{ needs, body, want string }{
		{`"s3:other"`, `s3.list("archive")`, `needs: s3.list: "archive" is not among what job() says this script needs; add it there: needs = ["s3:archive"]`},
		{`"s3:arch*"`, `return [o.key for o in s3.list("archive")]`, `["a.txt"]`},
		{`"s3:stores/people"`, `s3.list("stores/archive")`, `needs: s3.list: "stores/archive" is not among what job() says this script needs; add it there: needs = ["s3:stores/archive"]`},
		{`"s3:nope"`, `s3.list("nope")`, `s3.settings: s3.list: there is no bucket "nope": add it`},
		{`"s3:half"`, `s3.list("half")`, `s3.settings: s3.list: [s3.half] access_key and secret_key go together: one of them is missing`},
		{`"s3:stores"`, `s3.list("stores")`, `usage: s3.list: bucket: [s3.stores] names no bucket: write "stores/BUCKET"`},
		{`"s3:archive/x"`, `s3.list("archive/x")`, `usage: s3.list: bucket: [s3.archive] is the bucket "archive": write "archive"`},
		{`"s3:archive"`, connect, `needs: s3.bucket: "HOST" is not among what job() says this script needs; add it there: needs = ["http:HOST"]`},
		{`"s3:other", "http:127.0.0.1"`, connect, `needs: s3.bucket: "archive" is not among what job() says this script needs; add it there: needs = ["s3:archive"]`},
		{`"s3:archive", "http:127.0.0.1"`, `return [o.key for o in s3.list(` + connect + `)]`, `["a.txt"]`},
		{`"s3:archive", "http:127.0.0.*"`, `return [o.key for o in s3.list(` + connect + `)]`,
			`needs: s3.list: list archive: 127.0.0.1 is no public address; add the host itself, without a glob, to what job() says this script needs: needs = ["http:127.0.0.1"]`},
		{`"s3:*", "http:*"`, `s3.bucket("archive", endpoint = "https://x.example.com/path")`, `usage: s3.bucket: endpoint: it has more than a host and a port: write it like "https://s3.example.com"`},
		{`"s3:*", "http:*"`, `s3.bucket("archive")`, `usage: s3.bucket: endpoint: it is missing: write it like "https://s3.example.com", or give the region of Amazon S3`},
		{`"s3:*", "http:*"`, `s3.bucket("Archive!", region = "eu-west-1")`, `usage: s3.bucket: "Archive!" is no name of a bucket: bucket name contains invalid characters`},
		{`"s3:*", "http:s3.eu-west-1.amazonaws.com"`, `return str(s3.bucket("archive", region = "eu-west-1"))`, `"<bucket archive>"`},
	} {
		got := strings.ReplaceAll(outcome(askAs(t, w, c.needs, s.url, c.body), s.url), strings.TrimPrefix(s.url, "http://"), "HOST")
		if got != c.want {
			t.Errorf("%s, %s:\ngot  %s\nwant %s", c.needs, c.body, got, c.want)
		}
	}
}

func TestAPresignedURLIsASecret(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	s.put("a.txt", "alpha\n")
	j := askAs(t, w, `"s3:archive", "http:127.0.0.1"`, s.url, `
url = s3.presign("archive", "a.txt", "10m")
log.info("made", url = url)
return [http.get(url).text(), url]`)
	if j.Error != nil {
		t.Fatal(j.Error)
	}
	var got []string
	if err := json.Unmarshal(j.Result, &got); err != nil || got[0] != "alpha\n" {
		t.Fatalf("%s, %v", j.Result, err)
	}
	u, err := url.Parse(got[1])
	if err != nil || u.Query().Get("X-Amz-Signature") != "***" || u.Query().Get("X-Amz-Expires") != "600" || u.Path != "/archive/a.txt" {
		t.Errorf("got %s", got[1])
	}
	signature := regexp.MustCompile(`Signature=[0-9a-f]{64}`)
	if lines := strings.Join(w.Logs(j.ID), "\n") + w.Log.String(); !strings.Contains(lines, "made") || signature.MatchString(lines) {
		t.Errorf("logged %s", lines)
	}
}

// TestPresignedURLsAreSignedAsTheLibraryDoes signs what it has signed again, at the time
// that it has taken.
func TestPresignedURLsAreSignedAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"a.txt", "in/ü & b+c.csv", "a=b?.txt"} {
		for endpoint, region := range map[string]string{"127.0.0.1:9000": "us-east-1", "s3.eu-central-1.amazonaws.com": "eu-central-1"} {
			c, err := minio.NewCore(endpoint, &minio.Options{Creds: signing.NewStaticV4("me", "mine", "token"), Secure: true, Region: region})
			if err != nil {
				t.Fatal(err)
			}
			u, err := c.Presign(t.Context(), "PUT", "archive", key, 10*time.Minute, nil)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse("20060102T150405Z", u.Query().Get("X-Amz-Date"))
			if err != nil {
				t.Fatal(err)
			}
			want := u.String()
			if hostlib.SignS3(u, "PUT", region, at); u.String() != want {
				t.Errorf("got  %s\nwant %s", u, want)
			}
			if hostlib.SignS3(u, "PUT", region, at.AddDate(0, 0, 1)); u.String() == want {
				t.Errorf("the next day it is the same: %s", u)
			}
		}
	}
}

func TestCallsToAStoreEndWithTheHook(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newObjectStore(t, w)
	s.put("a.txt", "alpha\n")
	w.File("a.txt", "alpha\n")
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/archive/slow" {
			w.Header().Set("Content-Length", "1000")
			w.Header().Set("Etag", `"abc"`)
			w.Header().Set("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")
			w.WriteHeader(200)
			http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
		return true
	})
	for i, body := range []string{
		`list(s3.list("archive"))`, `s3.open("archive", "a.txt")`, `files.read(s3.open("archive", "slow"))`, `s3.get("archive", "slow", to = "b.txt")`,
		`s3.put("archive", "b.txt", "a.txt")`, `s3.stat("archive", "a.txt")`, `s3.copy("archive", "a.txt", "b.txt")`, `s3.delete("archive", "a.txt")`,
	} {
		name := fmt.Sprintf("wait%d", i)
		w.Script(name, strings.Replace(httpScript(`"s3:archive", "files:**"`, body), "job(", "job(timeout = '300ms', ", 1))
		if j := w.Do(name, "1"); j.Error == nil || j.Error.Kind != engine.KindTimeout {
			t.Errorf("%s: %+v", body, j.Error)
		}
	}
}
