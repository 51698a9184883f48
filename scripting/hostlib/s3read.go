package hostlib

import (
	"context"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
)

// s3Page is how many objects are asked for at a time.
const s3Page = 1000

// s3List goes through the objects of a bucket. After a failure it goes on behind
// the last one.
type s3List struct {
	s           *s3Client
	prefix      string
	first, last string // keys that were given
	fails       int    // in a row
	t           *s3Try
	next        func() (minio.ObjectInfo, bool)
	stop        func()
}

func (s *s3Client) list(prefix, after string) (Value, error) {
	if len(prefix) > maxKey || len(after) > maxKey {
		return nil, Errorf("usage", "prefix and after have at most %d bytes, as keys do", maxKey)
	}
	l := &s3List{s: s, prefix: prefix, last: after}
	return s.c.openedBy("s3.list", l.object, l.close), nil
}

// close gives up what is under way.
func (l *s3List) close() error {
	if l.next != nil {
		l.t.end()
		l.stop()
		l.next = nil
	}
	return nil
}

// object is the next one, or io.EOF.
func (l *s3List) object() (Value, error) {
	for {
		o, err := l.found()
		if err != nil {
			return nil, err
		}
		if l.first == "" {
			l.first = o.Key
		} else if o.Key == l.first {
			return nil, l.s.final("s3.error", "%s: the list begins anew with %q: the store does not go on behind the last key", l.what(), o.Key)
		}
		l.last = o.Key
		if o.Size == 0 && strings.HasSuffix(o.Key, "/") {
			continue
		}
		return &object{bucket: l.s.b.shown, key: o.Key, size: o.Size, modified: o.LastModified, etag: o.ETag}, nil
	}
}

func (l *s3List) what() string {
	if l.prefix == "" {
		return "list " + l.s.b.shown
	}
	return "list " + l.prefix + " in " + l.s.b.shown
}

// found is what the store lists next.
func (l *s3List) found() (minio.ObjectInfo, error) {
	for {
		if l.next == nil {
			l.t = l.s.begin(l.s.c.Context())
			l.next, l.stop = iter.Pull(l.s.ListObjectsIter(l.t.ctx, l.s.b.name, minio.ListObjectsOptions{
				Prefix: l.prefix, StartAfter: l.last, Recursive: true, MaxKeys: s3Page,
			}))
		}
		l.s.try, l.t.left = l.t, maxS3Answer
		o, ok := l.next()
		l.t.timer.Stop()
		switch {
		case ok && o.Err == nil:
			l.fails = 0
			return o, nil
		case !ok && l.t.ctx.Err() == nil:
			l.close()
			return o, io.EOF
		}
		failed := l.s.explain(l.what(), l.t, o.Err)
		l.close()
		l.fails++
		if err := l.s.again(l.what(), l.fails, failed); err != nil {
			return o, err
		}
	}
}

// s3Stream is an object that was opened.
type s3Stream struct {
	object
	s        *s3Client
	body     *s3Body
	encoding string // Content-Encoding
	used     bool
}

// ObjectType is s3_stream.
func (*s3Stream) ObjectType() *ObjectType { return s3StreamType }

// open opens an object; with an etag, only if it has that.
func (s *s3Client) open(key, etag string) (*s3Stream, error) {
	o := &s3Stream{object: object{bucket: s.b.shown, key: key}, s: s}
	b := &s3Body{s: s, o: &o.object, etag: etag}
	if err := b.ask(); err != nil {
		return nil, err
	}
	o.body, o.encoding = b, b.info.Metadata.Get("Content-Encoding")
	o.size, o.modified, o.etag = b.info.Size, b.info.LastModified, b.info.ETag
	if b.etag, b.size = o.etag, o.size; o.size < 0 {
		b.Close()
		return nil, s.final("s3.error", "open %s: the store does not say how large it is", o.place())
	}
	s.c.keep(o)
	return o, nil
}

// Close gives up the connection.
func (o *s3Stream) Close() error {
	delete(o.s.c.open, o)
	return o.body.Close()
}

// asItIs is the object as it is.
func (o *s3Stream) asItIs(*Call) (io.Reader, string, string, func() error, error) {
	if o.used {
		return nil, "", "", nil, Errorf("usage", "%s was read already: open it again", o.place())
	}
	o.used = true
	return o.body, o.place(), o.key, o.Close, nil
}

// stream is what is in the object, unpacked.
func (o *s3Stream) stream(c *Call) (io.Reader, string, func() error, error) {
	r, name, file, close, err := o.asItIs(c)
	if err != nil {
		return nil, "", nil, err
	}
	if strings.EqualFold(o.encoding, "gzip") && !strings.HasSuffix(strings.ToLower(file), ".gz") {
		file += ".gz"
	}
	r, close, err = c.openNamed(name, file, r, close)
	return r, name, close, err
}

// s3Body reads an object. Where the connection breaks off it goes on, as long as
// the object is the same.
type s3Body struct {
	s        *s3Client
	o        *object
	etag     string // "": any
	at, size int64
	info     minio.ObjectInfo
	body     io.ReadCloser // nil: closed
	t        *s3Try
	fails    int // in a row, without a byte in between
	err      error
}

// ask asks for what is left of the object.
func (b *s3Body) ask() error {
	var opts minio.GetObjectOptions
	if b.etag != "" {
		if err := opts.SetMatchETag(b.etag); err != nil {
			return err
		}
	}
	if b.at > 0 {
		if err := opts.SetRange(b.at, 0); err != nil {
			return err
		}
	}
	var err error
	b.t, err = b.s.do("open "+b.o.place(), func(ctx context.Context) (err error) {
		b.body, b.info, _, err = b.s.GetObject(ctx, b.s.b.name, b.o.key, opts)
		return err
	})
	if err != nil {
		return err
	}
	b.t.left = -1
	if b.etag != "" && bareETag(b.info.ETag) != bareETag(b.etag) { // some stores do not look at it
		b.Close()
		return b.s.final("s3.changed", "open %s: it has changed since it was listed", b.o.place())
	}
	return nil
}

// bareETag is an etag without quotes, and without the mark of one that another encoding
// shares.
func bareETag(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), "\"") }

// Read reads on.
func (b *s3Body) Read(p []byte) (int, error) {
	for {
		if b.err != nil {
			return 0, b.err
		}
		if b.body == nil {
			return 0, Errorf("usage", "%s was closed", b.o.place())
		}
		n, err := b.body.Read(p)
		if b.at += int64(n); n > 0 {
			b.fails = 0
			return n, nil // an error comes again
		}
		switch {
		case err == nil:
		case err == io.EOF && b.at == b.size:
			b.err = err
		default:
			b.err = b.resume(err)
		}
	}
}

// resume goes on where the connection broke off, or says why not.
func (b *s3Body) resume(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	what := "read " + b.o.place()
	failed := b.s.explain(what, b.t, err)
	if codeIs(failed.err, "s3.unreachable") {
		failed.err = Errorf("s3.unreachable", "%s: after %d of %d bytes the connection broke off: %v", what, b.at, b.size, err)
	}
	failed.again = failed.again && b.etag != ""
	b.Close()
	b.fails++
	if err := b.s.again(what, b.fails, failed); err != nil {
		return err
	}
	if err := b.ask(); err != nil {
		return err
	}
	if b.at > 0 && b.info.Size != b.size-b.at {
		b.Close()
		return b.s.final("s3.error", "%s: the store does not give a part of it, from byte %d on, when it is asked for that", what, b.at)
	}
	return nil
}

// Close gives up the connection.
func (b *s3Body) Close() error {
	if b.body == nil {
		return nil
	}
	b.t.end() // first: there is no use in reading the rest
	b.body.Close()
	b.body = nil
	return nil
}

// stat is what is known of an object.
func (s *s3Client) stat(key string) (*object, error) {
	o := &object{bucket: s.b.shown, key: key}
	err := s.once("stat "+o.place(), func(ctx context.Context) error {
		info, err := s.StatObject(ctx, s.b.name, key, minio.StatObjectOptions{})
		o.size, o.modified, o.etag = info.Size, info.LastModified, info.ETag
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// getS3 is s3.get.
func getS3(c *Call, a *Args) (Value, error) {
	s, key, err := c.s3Object(a)
	if err != nil {
		return nil, err
	}
	to := a.String("to")
	if strings.HasSuffix(to, "/") {
		to += path.Base(key)
	}
	if _, err := c.permit(to); err != nil {
		return nil, err
	}
	o, err := s.open(key, a.String("etag"))
	if err != nil {
		return nil, err
	}
	defer o.Close()
	f, err := c.writeFile(to, false, func(w io.Writer) error {
		_, err := io.Copy(w, o.body)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}
