package hostlib

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/minio/minio-go/v7"
	signing "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
)

// S3 is a store that speaks the protocol of Amazon S3, with one of its buckets or
// all of them.
type S3 struct {
	Endpoint string // "https://s3.example.com"; "": Amazon's in the region
	Region   string // "": that of the endpoint, or us-east-1
	Bucket   string // "": scripts say which, as "store/bucket"
	// The keys; without them requests are not signed. Token goes with keys that are
	// good for a while.
	AccessKey, SecretKey, Token string
}

// ErrNoS3 says that there is no store of a name.
var ErrNoS3 = errors.New("there is no such store")

const (
	// s3Retry is how often an operation is tried again.
	s3Retry = 5
	// s3Timeout is how long nothing may come, or go.
	s3Timeout = 60 * time.Second
	// s3CopyTimeout is how long a store may take to copy what it has itself.
	s3CopyTimeout = 10 * time.Minute
	// maxS3Answer bounds an answer that is no object, in bytes.
	maxS3Answer = 64 << 20
)

// s3Bucket is a bucket, with how it is reached.
type s3Bucket struct {
	shown                 string // as the script calls it
	name                  string // in the store
	url                   *url.URL
	region                string
	access, secret, token string
	reach                 reach // where it may be; the zero value: where needs says of the endpoint
}

// ObjectType is bucket.
func (*s3Bucket) ObjectType() *ObjectType { return bucketType }

// bucketOf is the bucket that an argument names.
func (c *Call) bucketOf(v Value) (*s3Bucket, error) {
	switch v := c.Lang.Plain(v).(type) {
	case *s3Bucket:
		return v, nil
	case string:
		return c.namedBucket(v)
	}
	return nil, Errorf("usage", "bucket: got %s, wanted the name of a bucket, or what s3.bucket gives", c.Lang.TypeName(v))
}

// namedBucket is one that the operator has named.
func (c *Call) namedBucket(name string) (*s3Bucket, error) {
	if name == "" {
		return nil, Errorf("usage", "bucket: its name is empty")
	}
	if err := c.Needs.name("s3", name, c.instance()); err != nil {
		return nil, err
	}
	store, bucket, given := strings.Cut(name, "/")
	if c.Host.S3 == nil {
		return nil, Errorf("s3.settings", "there is no bucket %q: this process has none", store)
	}
	s, err := c.Host.S3(store)
	switch {
	case errors.Is(err, ErrNoS3):
		return nil, Errorf("s3.settings", "there is no bucket %q%s", store, hintOf(err))
	case err != nil:
		return nil, Errorf("s3.settings", "[s3.%s]: %v", store, err)
	case given && s.Bucket != "":
		return nil, Errorf("usage", "bucket: [s3.%s] is the bucket %q: write %q", store, s.Bucket, store)
	}
	if bucket = cmp.Or(s.Bucket, bucket); bucket == "" {
		return nil, Errorf("usage", "bucket: [s3.%s] names no bucket: write \"%s/BUCKET\"", store, store)
	}
	b, err := c.newBucket(name, bucket, s)
	if err != nil {
		return nil, Errorf("s3.settings", "[s3.%s] %v", store, err)
	}
	b.reach = reach{all: true} // the operator names the endpoint
	return b, nil
}

// scriptBucket is s3.bucket.
func scriptBucket(c *Call, a *Args) (Value, error) {
	name := a.String("name")
	if err := c.Needs.name("s3", name, c.instance()); err != nil {
		return nil, err
	}
	b, err := c.newBucket(name, name, &S3{
		Endpoint: a.String("endpoint"), Region: a.String("region"),
		AccessKey: a.String("access_key"), SecretKey: a.String("secret_key"), Token: a.String("token"),
	})
	if err != nil {
		return nil, Errorf("usage", "%v", err)
	}
	host, port, explicit, err := hostOf(b.url)
	if err == nil {
		_, err = c.Needs.host("http", host, port, explicit, c.instance())
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// newBucket reads what is said about a bucket.
func (c *Call) newBucket(shown, name string, s *S3) (*s3Bucket, error) {
	b := &s3Bucket{shown: shown, name: name, region: s.Region, access: s.AccessKey, secret: s.SecretKey, token: s.Token}
	if err := s3utils.CheckValidBucketName(name); err != nil {
		return nil, fmt.Errorf("%q is no name of a bucket: %s", name, strings.ToLower(err.Error()))
	}
	endpoint := s.Endpoint
	switch {
	case endpoint == "" && s.Region == "":
		return nil, errors.New("endpoint: it is missing: write it like \"https://s3.example.com\", or give the region of Amazon S3")
	case endpoint == "":
		endpoint = "https://s3." + s.Region + ".amazonaws.com"
	}
	var err error
	if b.url, err = url.Parse(endpoint); err != nil {
		return nil, fmt.Errorf("endpoint: it is no URL: %v", hideURL(err))
	}
	switch _, _, _, err := hostOf(b.url); {
	case err != nil:
		return nil, fmt.Errorf("endpoint: %v", err)
	case b.url.User != nil || b.url.RawQuery != "" || strings.Trim(b.url.Path, "/") != "":
		return nil, errors.New("endpoint: it has more than a host and a port: write it like \"https://s3.example.com\"")
	case (b.access == "") != (b.secret == ""):
		return nil, errors.New("access_key and secret_key go together: one of them is missing")
	}
	if b.region == "" {
		b.region = cmp.Or(s3utils.GetRegionFromURL(*b.url), "us-east-1")
	}
	for _, secret := range []string{b.secret, b.token} {
		if secret == "" {
			continue
		}
		if err := c.Hook.Secret(secret); err != nil {
			return nil, fmt.Errorf("secret_key: %v", err)
		}
	}
	return b, nil
}

// s3Client does the operations of one call of a function. It is the transport of
// the library that signs them: all requests pass by RoundTrip.
type s3Client struct {
	*minio.Core
	c       *Call
	b       *s3Bucket
	patient time.Duration // how long nothing may come
	try     *s3Try        // the one under way
}

// s3Client is for what an argument names.
func (c *Call) s3Client(bucket Value) (*s3Client, error) {
	b, err := c.bucketOf(bucket)
	if err != nil {
		return nil, err
	}
	s := &s3Client{c: c, b: b, patient: s3Timeout}
	s.Core, err = minio.NewCore(b.url.Host, &minio.Options{
		Creds: signing.NewStaticV4(b.access, b.secret, b.token), Secure: b.url.Scheme == "https", Region: b.region,
		Transport: s, MaxRetries: 1, // we try again, by the engine's clock
	})
	if err != nil {
		return nil, Errorf("s3.settings", "%s: endpoint: %v", b.shown, err)
	}
	s.SetS3EnableDualstack(false) // the endpoint is what it was said to be
	return s, nil
}

// s3Try is one try at an operation. Its context ends as soon as it has failed:
// the library would wait before it gives up, by the clock of this machine.
type s3Try struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer // ends it when nothing comes
	left   int64       // bytes that an answer may have; below 0: any number
	failed error       // why, where the library does not know
	asked  bool        // the store said how long to wait
	wait   time.Duration
}

// errS3Failed ends the context of a try that has failed.
var errS3Failed = errors.New("the try has failed")

// begin begins one.
func (s *s3Client) begin(ctx context.Context) *s3Try {
	t := &s3Try{left: maxS3Answer}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	t.timer = time.AfterFunc(s.patient, func() { t.cancel(errNoAnswer) })
	s.try = t
	return t
}

// end gives up what it holds.
func (t *s3Try) end() {
	t.timer.Stop()
	t.cancel(nil)
}

// fail notes why it has failed.
func (t *s3Try) fail(err error) {
	if t.failed == nil {
		t.failed = err
	}
	t.cancel(errS3Failed)
}

// do does an operation until it succeeds, and waits in between. what is for
// messages. The try that succeeded has not ended: it holds the answer.
func (s *s3Client) do(what string, f func(ctx context.Context) error) (*s3Try, error) {
	for n := 1; ; n++ {
		t := s.begin(s.c.Context())
		err := f(t.ctx)
		if err == nil {
			t.timer.Stop()
			return t, nil
		}
		t.end()
		if err := s.again(what, n, s.explain(what, t, err)); err != nil {
			return nil, err
		}
	}
}

// once does an operation whose answer is read when f returns.
func (s *s3Client) once(what string, f func(ctx context.Context) error) error {
	t, err := s.do(what, f)
	if err == nil {
		t.end()
	}
	return err
}

// again waits until what failed may be tried again, or says why it is not.
func (s *s3Client) again(what string, n int, failed *httpFailure) error {
	return s.c.again(map[string]any{"what": what}, s3Retry, n, failed)
}

// RoundTrip sends one request of the library, if the script may ask its host.
func (s *s3Client) RoundTrip(r *http.Request) (*http.Response, error) {
	t := s.try
	r = r.WithContext(t.ctx) // the library does not always pass it on
	if r.Body != nil {
		r.Body = &s3Flow{t: t, from: r.Body, patient: s.patient}
	}
	host, _, _, err := hostOf(r.URL)
	to := s.b.reach
	if err == nil && to == (reach{}) {
		// What needs says is about the endpoint; a bucket may have a host below it.
		own, port, explicit, _ := hostOf(s.b.url)
		to, err = s.c.Needs.host("http", own, port, explicit, s.c.instance())
	}
	if err != nil {
		t.fail(err)
		return nil, err
	}
	t.timer.Reset(s.patient)
	res, err := s.c.carry(r, host, to)
	if err != nil {
		if context.Cause(t.ctx) == nil {
			t.fail(err)
		}
		return nil, err
	}
	res.Body = &s3Flow{t: t, from: res.Body, patient: s.patient, answer: true}
	if retryableStatus(res.StatusCode) && res.StatusCode != http.StatusNotImplemented {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		res.Body.Close()
		said := minio.ErrorResponse{}
		_ = xml.Unmarshal(text, &said) // some have no text, or another one
		said.StatusCode = res.StatusCode
		t.wait, t.asked = retryAfter(res.Header.Get("Retry-After"), res.Header.Get("Date"), s.c.Hook.Now())
		t.fail(said)
		res.Body = io.NopCloser(bytes.NewReader(text))
	}
	return res, nil
}

// s3Flow is a body that must go on moving: of a request, or of an answer.
type s3Flow struct {
	t       *s3Try
	from    io.ReadCloser
	patient time.Duration
	answer  bool
}

// Read reads the next piece.
func (f *s3Flow) Read(b []byte) (int, error) {
	f.t.timer.Reset(f.patient)
	n, err := f.from.Read(b)
	if !f.answer {
		return n, err // what was read has yet to be sent
	}
	f.t.timer.Stop()
	if f.t.left >= 0 {
		if f.t.left -= int64(n); f.t.left < 0 {
			err = Errorf("s3.error", "the answer has more than %d bytes", maxS3Answer)
		}
	}
	if err != nil && err != io.EOF && context.Cause(f.t.ctx) == nil {
		f.t.failed = err
	}
	return n, err
}

// Close gives it up.
func (f *s3Flow) Close() error { return f.from.Close() }

// explain says why a try at an operation failed.
func (s *s3Client) explain(what string, t *s3Try, err error) *httpFailure {
	if s.c.Context().Err() != nil {
		return &httpFailure{err: context.Cause(s.c.Context())}
	}
	if context.Cause(t.ctx) == errNoAnswer && t.failed == nil {
		return &httpFailure{err: Errorf("s3.unreachable", "%s: nothing came for %s", what, engine.FormatDuration(s.patient)), again: true}
	}
	if t.failed != nil {
		err = t.failed
	}
	var said minio.ErrorResponse
	var private *privateError
	var failure *engine.Failure
	var syntax *xml.SyntaxError
	switch {
	case Decided(err):
		return &httpFailure{err: err}
	case errors.As(err, &said):
		return s.refused(what, t, said)
	case errors.As(err, &private):
		return &httpFailure{err: Errorf("needs", "%s: %v", what, private)}
	case errors.As(err, &failure):
		return &httpFailure{err: failure}
	case errors.As(err, &syntax):
		return &httpFailure{err: s.final("s3.error", "%s: the answer is not of the protocol of S3: is %s the endpoint of a store?", what, s.b.url)}
	}
	var inner *url.Error
	for errors.As(err, &inner) {
		err = inner.Err // its own message shows the whole URL
	}
	why, again, known := noConnection(err)
	return &httpFailure{err: Errorf("s3.unreachable", "%s: %s: %s", what, s.b.url.Host, why), again: again || !known}
}

// final makes an error that another attempt would meet again.
func (s *s3Client) final(code, format string, args ...any) *engine.Failure {
	f := Errorf(code, format, args...)
	f.Retryable = false
	return f
}

// s3Denied are words for why keys are refused.
var s3Denied = map[string]string{
	"SignatureDoesNotMatch": "the secret key is wrong",
	"InvalidAccessKeyId":    "the access key is not known there",
	"ExpiredToken":          "the keys have expired",
	"InvalidToken":          "the token is wrong",
	"RequestTimeTooSkewed":  "the clock of this machine is wrong, or that of the store",
	"AccountProblem":        "there is a problem with the account",
}

// s3Busy are the codes of what a store may do later, whatever its status.
var s3Busy = map[string]bool{
	"RequestTimeout": true, "SlowDown": true, "InternalError": true, "ServiceUnavailable": true, "Throttling": true,
	"ThrottlingException": true, "RequestLimitExceeded": true, "RequestThrottled": true, "OperationAborted": true,
}

// refused says why a store refused something.
func (s *s3Client) refused(what string, t *s3Try, said minio.ErrorResponse) *httpFailure {
	status := said.StatusCode
	told := cmp.Or(said.Code, statusText(status))
	fail := func(code, format string, args ...any) *httpFailure {
		return &httpFailure{err: s.final(code, "%s: %s", what, fmt.Sprintf(format, args...)), status: status}
	}
	switch {
	case t.failed != nil || status != 0 && s3Busy[said.Code]:
		f := Errorf("s3.busy", "%s: the store answered %s", what, strings.TrimSpace(statusText(status)+" "+said.Code))
		if t.asked {
			f.RetryAfter, f.Wait = t.wait, true
		}
		return &httpFailure{err: f, again: true, asked: t.asked, wait: t.wait, status: status}
	case s3Denied[said.Code] != "":
		return fail("s3.denied", "%s (%s)", s3Denied[said.Code], said.Code)
	case said.Code == minio.NoSuchBucket:
		return fail("s3.missing", "there is no bucket %q at %s", s.b.name, s.b.url.Host)
	case said.Code == minio.NoSuchKey, status == http.StatusNotFound && said.Code != minio.NoSuchUpload:
		return fail("s3.missing", "there is no such object")
	case status == http.StatusPreconditionFailed || status == http.StatusNotModified:
		return fail("s3.changed", "it has changed since it was listed")
	case said.Code == minio.AuthorizationHeaderMalformed, said.Code == minio.InvalidRegion, status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect:
		if said.Region != "" && said.Region != s.b.region {
			return fail("s3.region", "the bucket is in the region %q, not in %q: set region", said.Region, s.b.region)
		}
		return fail("s3.region", "the bucket is in another region than %q, or at another endpoint than %s (%s)", s.b.region, s.b.url.Host, told)
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return fail("s3.denied", "the store refuses it to these keys (%s); where they may not list the bucket, it says so of missing objects too", told)
	}
	return fail("s3.error", "the store answered %s: %s", told, said.Error())
}
