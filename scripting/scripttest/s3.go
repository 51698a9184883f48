package scripttest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// bucketDomain is where the stores of tests are; nobody else is there.
const bucketDomain = ".s3.test"

// bucket is one that scripts reach by a name, in memory.
type bucket struct {
	w       *world
	name    string // as scripts call it
	inside  string // in its store
	objects *s3mem.Backend
}

// store is one that has buckets.
type store struct {
	host    string
	bucket  string // its only one; "": scripts say which
	objects *s3mem.Backend
	speaks  http.Handler
}

// ObjectType is test_s3.
func (*bucket) ObjectType() *hostlib.ObjectType { return bucketType }

var bucketType = &hostlib.ObjectType{
	Name: "test_s3", Doc: "A bucket, which scripts reach by its name. It is empty at first.",
	Text: func(v hostlib.Value) string { return "<bucket " + v.(*bucket).name + ">" },
	Methods: []*hostlib.Func{
		method("file", "Puts an object into the bucket.", "t.s3(\"archive\").file(\"in/a.csv\", \"id\\n1\\n\")", "t.s3(\"archive\").file(\"in/a.csv\", \"id\\n1\\n\")",
			[]param{{Name: "key", Type: hostlib.String, Doc: "the object's key"}, {Name: "content", Type: hostlib.Text, Doc: "what is in it"}}, "",
			func(_ *hostlib.Call, b *bucket, a *hostlib.Args) (hostlib.Value, error) {
				return nil, b.put(a.String("key"), contentOf(a.Value("content")))
			}),
		method("read", "Gives what is in an object.", "t.s3(\"archive\").file(\"in/a.csv\", \"id\\n1\\n\")\nt.s3(\"archive\").read(\"in/a.csv\")  # \"id\\n1\\n\"", "t.s3(\"archive\").file(\"in/a.csv\", \"id\\n1\\n\")\nt.s3(\"archive\").read(\"in/a.csv\")  -- \"id\\n1\\n\"",
			[]param{{Name: "key", Type: hostlib.String, Doc: "the object's key"}}, "string, or bytes if it is no UTF-8",
			func(_ *hostlib.Call, b *bucket, a *hostlib.Args) (hostlib.Value, error) {
				data, err := b.read(a.String("key"))
				if err != nil {
					return nil, hostlib.Errorf("file.missing", "the bucket %s has no object %q", b.name, a.String("key"))
				}
				return textOrBytes(data), nil
			}),
		method("files", "Lists the keys of all objects, sorted.", "t.s3(\"archive\").files()  # []", "t.s3(\"archive\").files()  -- {}", nil, "list of string",
			func(_ *hostlib.Call, b *bucket, _ *hostlib.Args) (hostlib.Value, error) {
				keys, err := b.keys()
				list := []hostlib.Value{}
				for _, k := range keys {
					list = append(list, k)
				}
				return list, err
			}),
	},
}

func (b *bucket) put(key string, data []byte) error {
	if key == "" || len(key) > 1024 {
		return hostlib.Errorf("usage", "key: got %q, wanted one such as \"in/a.csv\"", key)
	}
	about := map[string]string{"Last-Modified": b.w.clock.Now().UTC().Format(http.TimeFormat)}
	_, err := b.objects.PutObject(b.inside, key, about, bytes.NewReader(data), int64(len(data)), nil)
	return err
}

func (b *bucket) read(key string) ([]byte, error) {
	o, err := b.objects.GetObject(b.inside, key, nil)
	if err != nil {
		return nil, err
	}
	defer o.Contents.Close()
	return io.ReadAll(o.Contents)
}

func (b *bucket) keys() ([]string, error) {
	var keys []string
	page := gofakes3.ListBucketPage{MaxKeys: 1000}
	for {
		list, err := b.objects.ListBucket(b.inside, &gofakes3.Prefix{}, page)
		if err != nil {
			return nil, err
		}
		for _, o := range list.Contents {
			keys = append(keys, o.Key)
		}
		if !list.IsTruncated || len(list.Contents) == 0 {
			slices.Sort(keys)
			return keys, nil
		}
		page.Marker, page.HasMarker = list.Contents[len(list.Contents)-1].Key, true
	}
}

// ticking is a test's clock as the store reads it.
type ticking struct{ *clock }

// Since is how long ago a time was.
func (t ticking) Since(then time.Time) time.Duration { return t.Now().Sub(then) }

// bucket is the one of a name, made now if it is not there.
func (w *world) bucket(name string) (*bucket, error) {
	shown, inside, several := strings.Cut(name, "/")
	if shown == "" || several && inside == "" {
		return nil, hostlib.Errorf("usage", "name: got %q, wanted that of a bucket as scripts call it, such as \"archive\" or \"archive/photos\"", name)
	}
	s := w.stores[shown]
	if s == nil {
		s = &store{host: fmt.Sprintf("n%d%s", len(w.stores)+1, bucketDomain), objects: s3mem.New(s3mem.WithTimeSource(ticking{w.clock}))}
		if !several {
			s.bucket = "bucket"
		}
		s.speaks = gofakes3.New(s.objects, gofakes3.WithTimeSource(ticking{w.clock}), gofakes3.WithTimeSkewLimit(0), gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
		w.stores[shown] = s
	}
	if several == (s.bucket != "") {
		return nil, hostlib.Errorf("usage", "name: %q is one bucket, or a store of several: not both", shown)
	}
	if !several {
		inside = s.bucket
	}
	there, err := s.objects.BucketExists(inside)
	if err == nil && !there {
		err = s.objects.CreateBucket(inside)
	}
	if err != nil {
		return nil, hostlib.Errorf("usage", "name: %q: %v", name, err)
	}
	return &bucket{w: w, name: name, inside: inside, objects: s.objects}, nil
}

// store3 says how scripts reach a store that the test has made.
func (w *world) store3(name string) (*hostlib.S3, error) {
	s := w.stores[name]
	if s == nil {
		w.note(fmt.Sprintf("the script uses the bucket %q, which the test has not made: t.s3(%q)", name, name))
		return nil, engine.Wrapf("", hostlib.ErrNoS3, "the test has not made it").WithHint("t.s3(%q)", name)
	}
	return &hostlib.S3{Endpoint: "https://" + s.host, Region: "us-east-1", Bucket: s.bucket, AccessKey: "test-key", SecretKey: secret}, nil
}

// answering takes what a handler answers.
type answering struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header and its like are those of http.ResponseWriter.
func (a *answering) Header() http.Header { return a.header }

// WriteHeader takes the status.
func (a *answering) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write takes a piece of the body.
func (a *answering) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// answer is the answer to a request.
func (a *answering) answer(rq *http.Request) *http.Response {
	a.WriteHeader(http.StatusOK)
	size := int64(a.body.Len())
	if rq.Method == http.MethodHead {
		size = -1
		if n, err := strconv.ParseInt(a.header.Get("Content-Length"), 10, 64); err == nil {
			size = n
		}
		a.body.Reset()
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Request: rq, Body: io.NopCloser(&a.body), ContentLength: size,
	}
}

// object answers a request to a store of the test; false: it is for somebody else.
func (w *world) object(rq *http.Request) (*http.Response, bool) {
	if !strings.HasSuffix(rq.URL.Host, bucketDomain) {
		return nil, false
	}
	for _, s := range w.stores {
		if s.host != rq.URL.Host {
			continue
		}
		in := rq.Clone(rq.Context())
		in.RequestURI, in.Host = rq.URL.RequestURI(), rq.URL.Host
		if in.Body == nil {
			in.Body = http.NoBody
		}
		if in.ContentLength >= 0 { // handlers look for it there
			in.Header.Set("Content-Length", strconv.FormatInt(in.ContentLength, 10))
		}
		out := &answering{header: http.Header{}}
		s.speaks.ServeHTTP(out, in)
		in.Body.Close()
		if etag := rq.Header.Get("If-Match"); etag != "" && rq.Method == http.MethodGet && out.header.Get("ETag") != etag { // which gofakes3 does not look at
			out = &answering{header: http.Header{}, status: http.StatusPreconditionFailed}
		}
		return out.answer(rq), true
	}
	return nil, false
}
