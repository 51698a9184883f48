package hostlib

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/klauspost/compress/zstd"
)

// acceptedEncodings are those that unpacking knows.
const acceptedEncodings = "gzip, deflate, zstd"

// httpWindow bounds what unpacking zstd may hold in memory.
const httpWindow = 8 << 20

// unpacking undoes the encodings of a body, the last one first. What is packed
// may have little more than limit bytes, so that one that unpacks to nothing
// ends too.
func unpacking(r io.Reader, encodings []string, limit int64) (io.Reader, *engine.Failure) {
	var list []string
	for _, e := range strings.Split(strings.Join(encodings, ","), ",") {
		if e = strings.ToLower(strings.TrimSpace(e)); e != "" && e != "identity" {
			list = append(list, e)
		}
	}
	if len(list) > 3 {
		return nil, Errorf("http.encoding", "the answer is packed %d times", len(list))
	}
	for i := len(list) - 1; i >= 0; i-- {
		packed := &packed{r: bufio.NewReader(r), left: limit + 1<<20}
		switch list[i] {
		case "gzip", "x-gzip":
			packed.unpack = func(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) }
		case "deflate":
			packed.unpack = inflate
		case "zstd":
			packed.unpack = func(r *bufio.Reader) (io.Reader, error) {
				return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(httpWindow))
			}
		default:
			return nil, Errorf("http.encoding", "the answer is packed as %q, which dsengine cannot unpack: ask for another form by headers = {\"Accept-Encoding\": \"gzip\"}", list[i])
		}
		r = packed
	}
	return r, nil
}

// packed unpacks from when it is first read: an empty body is empty.
type packed struct {
	r      *bufio.Reader
	unpack func(*bufio.Reader) (io.Reader, error)
	from   io.Reader
	left   int64
}

// Read reads what was unpacked.
func (p *packed) Read(b []byte) (int, error) {
	if p.from == nil {
		if _, err := p.r.Peek(1); err != nil {
			return 0, err
		}
		from, err := p.unpack(bufio.NewReader(&capped{p}))
		if err != nil {
			return 0, err
		}
		p.from = from
	}
	return p.from.Read(b)
}

// capped reads what is packed, up to a bound.
type capped struct{ p *packed }

// Read gives an error beyond the bound.
func (c *capped) Read(b []byte) (int, error) {
	if c.p.left <= 0 {
		return 0, Errorf("http.size", "the answer is too large, even packed: raise max_body, such as max_body = \"1GB\"")
	}
	n, err := c.p.r.Read(b[:min(int64(len(b)), c.p.left)])
	c.p.left -= int64(n)
	return n, err
}

// inflate undoes deflate: as the standard has it, or without its envelope, as
// some servers send it.
func inflate(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}
