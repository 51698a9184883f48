package hostlib

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	// s3Part is how much is sent at a time, and held in memory of a stream.
	s3Part = 16 << 20
	// s3Parts is how many parts the protocol allows.
	s3Parts = 10_000
	// s3Copy is how much a store copies at once, in bytes; more goes in parts.
	s3Copy = 5 << 30
	// s3Abort is how long an upload that has failed may take to be given up.
	s3Abort = 10 * time.Second
)

// s3Upload is what is to become an object, a part at a time. All parts but the
// last have the same size, as some stores ask for.
type s3Upload struct {
	name string
	part int64
	// Either a file, or a stream with the part that is read of it.
	file     *os.File
	at, size int64
	stream   *bufio.Reader
	held     bytes.Buffer
	data     []byte // or bytes
}

// next is the next part, its size, and whether there are more. A part can be read
// again.
func (u *s3Upload) next() (part io.ReadSeeker, n int64, more bool, err error) {
	switch {
	case u.file != nil:
		n = min(u.part, u.size-u.at)
		u.at += n
		return io.NewSectionReader(u.file, u.at-n, n), n, u.at < u.size, nil
	case u.stream == nil:
		return bytes.NewReader(u.data), int64(len(u.data)), false, nil
	}
	u.held.Reset()
	if n, err = io.CopyN(&u.held, u.stream, u.part); err != nil && err != io.EOF {
		return nil, 0, false, err
	}
	if err == nil {
		if _, err = u.stream.Peek(1); err != nil && err != io.EOF {
			return nil, 0, false, err
		}
	}
	return bytes.NewReader(u.held.Bytes()), n, err == nil, nil
}

// sums are those by which a store checks a part.
func (u *s3Upload) sums(part io.ReadSeeker, size int64) (md5Base64, sha256Hex string, err error) {
	m, s := md5.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(m, s), part)
	if err == nil && n != size {
		err = Errorf("file.changed", "%q became shorter while it was sent", u.name)
	}
	if err == nil {
		_, err = part.Seek(0, io.SeekStart)
	}
	return base64.StdEncoding.EncodeToString(m.Sum(nil)), hex.EncodeToString(s.Sum(nil)), err
}

// upload opens what s3.put was given.
func (c *Call) upload(a *Args) (*s3Upload, func() error, error) {
	u := &s3Upload{name: "the stream", part: s3Part}
	switch {
	case a.Given("src") == a.Given("data"):
		return nil, nil, Errorf("usage", "wanted either src or data")
	case a.Given("data"):
		u.data = textBytes(a.Value("data"))
		return u, nothing, nil
	}
	switch v := a.Value("src").(type) {
	case string:
		f, err := c.openFile(v)
		if err != nil {
			return nil, nil, err
		}
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, nil, fileError(v, err)
		}
		u.name, u.file, u.size = v, f, info.Size()
		for u.part*s3Parts < u.size {
			u.part += 1 << 20
		}
		return u, f.Close, nil
	case rawStreamer:
		r, name, _, close, err := v.asItIs(c)
		if close == nil {
			close = nothing
		}
		if err == nil {
			u.name, u.stream = name, bufio.NewReader(&watched{c: c, r: r})
		}
		return u, close, err
	default:
		r, name, close, err := c.openSource(v)
		if err == nil {
			u.name, u.stream = name, bufio.NewReader(&watched{c: c, r: r})
		}
		return u, close, err
	}
}

// putS3 is s3.put.
func putS3(c *Call, a *Args) (Value, error) {
	s, key, err := c.s3Object(a)
	if err != nil {
		return nil, err
	}
	u, close, err := c.upload(a)
	if err != nil {
		return nil, err
	}
	defer close()
	opts := minio.PutObjectOptions{ContentType: a.String("type"), DisableContentSha256: true} // we sum up ourselves
	part, n, more, err := u.next()
	if err != nil {
		return nil, err
	}
	o := &object{bucket: s.b.shown, key: key, size: n}
	if more {
		err = s.multipart(o, u, part, n, opts)
	} else {
		err = s.put(o, u, part, opts)
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// put sends an object at once.
func (s *s3Client) put(o *object, u *s3Upload, part io.ReadSeeker, opts minio.PutObjectOptions) error {
	sum5, sum256, err := u.sums(part, o.size)
	if err != nil {
		return err
	}
	return s.once("put "+o.place(), func(ctx context.Context) error {
		if _, err := part.Seek(0, io.SeekStart); err != nil {
			return err
		}
		info, err := s.PutObject(ctx, s.b.name, o.key, part, o.size, sum5, sum256, opts)
		o.etag = info.ETag
		return err
	})
}

// multipart sends an object in parts, of which the first has been read. It is
// there once the last has come; after an error, nothing of it is.
func (s *s3Client) multipart(o *object, u *s3Upload, part io.ReadSeeker, n int64, opts minio.PutObjectOptions) (err error) {
	what := "put " + o.place()
	var id string
	if err := s.once(what, func(ctx context.Context) (err error) {
		id, err = s.NewMultipartUpload(ctx, s.b.name, o.key, opts)
		return err
	}); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.abort(o.key, id)
		}
	}()
	var parts []minio.CompletePart
	o.size = 0
	for more := true; more; {
		if len(parts) > 0 {
			if part, n, more, err = u.next(); err != nil {
				return err
			}
		}
		if len(parts) == s3Parts {
			return s.final("s3.error", "%s: %s has more than %d bytes: write it to a file, whose size is known before, and put that", what, u.name, s3Parts*u.part)
		}
		sum5, sum256, err := u.sums(part, n)
		if err != nil {
			return err
		}
		number := len(parts) + 1
		if err := s.once(what, func(ctx context.Context) error {
			if _, err := part.Seek(0, io.SeekStart); err != nil {
				return err
			}
			sent, err := s.PutObjectPart(ctx, s.b.name, o.key, id, number, part, n,
				minio.PutObjectPartOptions{Md5Base64: sum5, Sha256Hex: sum256, DisableContentSha256: true})
			if err == nil {
				parts = append(parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
			}
			return err
		}); err != nil {
			return err
		}
		o.size += n
	}
	s.patient = s3CopyTimeout // the store puts it together
	return s.once(what, func(ctx context.Context) error {
		info, err := s.CompleteMultipartUpload(ctx, s.b.name, o.key, id, parts, opts)
		o.etag = info.ETag
		return err
	})
}

// abort gives up an upload, also when the hook must end.
func (s *s3Client) abort(key, id string) {
	s.patient = s3Abort
	t := s.begin(context.WithoutCancel(s.c.Context()))
	defer t.end()
	_ = s.AbortMultipartUpload(t.ctx, s.b.name, key, id) // what stays is not seen, and the error that led here is told
}

// copyS3 is s3.copy.
func copyS3(c *Call, a *Args) (Value, error) {
	s, key, err := c.s3Object(a)
	if err != nil {
		return nil, err
	}
	to := &object{bucket: s.b.shown, key: a.String("to")}
	if err := checkKey("to", to.key); err != nil {
		return nil, err
	}
	into := s.b
	if a.Given("to_bucket") {
		if into, err = c.bucketOf(a.Value("to_bucket")); err != nil {
			return nil, err
		}
		if into.url.Host != s.b.url.Host || into.access != s.b.access {
			return nil, Errorf("usage", "to_bucket: %s is at another store, or has other keys: use s3.put(to, key, s3.open(from, key))", into.shown)
		}
		to.bucket = into.shown
	}
	if into.name == s.b.name && to.key == key {
		return nil, Errorf("usage", "to: it is the object itself")
	}
	from, err := s.stat(key)
	if err != nil {
		return nil, err
	}
	to.size = from.size
	s.patient = s3CopyTimeout
	src, dst := minio.CopySrcOptions{Bucket: s.b.name, Object: key, MatchETag: from.etag}, minio.CopyDestOptions{Bucket: into.name, Object: to.key}
	err = s.once("copy "+from.place(), func(ctx context.Context) error {
		var info minio.UploadInfo
		var err error
		if from.size <= s3Copy {
			info, err = s.Client.CopyObject(ctx, dst, src)
		} else {
			info, err = s.ComposeObject(ctx, dst, src)
		}
		to.etag, to.modified = info.ETag, info.LastModified
		return err
	})
	if err != nil {
		return nil, err
	}
	return to, nil
}

// remove deletes an object.
func (s *s3Client) remove(key string) error {
	return s.once("delete "+key+" in "+s.b.shown, func(ctx context.Context) error {
		return s.RemoveObject(ctx, s.b.name, key, minio.RemoveObjectOptions{})
	})
}
