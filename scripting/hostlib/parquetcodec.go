package hostlib

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codecs, as files number them.
const (
	codecNone = iota
	codecSnappy
	codecGzip
	codecLZO
	codecBrotli
	codecLZ4
	codecZstd
	codecLZ4Raw
)

var errParquetSize = errors.New("it does not unpack to the size that it is said to have")

// parquetUnpacker unpacks pages. It never makes more of one than it is said to be.
type parquetUnpacker struct {
	gzip   *gzip.Reader
	brotli *brotli.Reader
	zstd   *zstd.Decoder
}

// unpack fills to with what is packed in from.
func (u *parquetUnpacker) unpack(codec int, to, from []byte) (err error) {
	if len(to) == 0 && len(from) == 0 {
		return nil
	}
	src := bytes.NewReader(from)
	switch codec {
	case codecNone:
		if len(to) != len(from) {
			return errParquetSize
		}
		copy(to, from)
		return nil
	case codecSnappy:
		n, err := snappy.DecodedLen(from)
		if err == nil && n != len(to) {
			err = errParquetSize
		}
		if err == nil {
			_, err = snappy.Decode(to, from)
		}
		return err
	case codecGzip:
		if u.gzip == nil {
			u.gzip, err = gzip.NewReader(src)
		} else {
			err = u.gzip.Reset(src)
		}
		if err != nil {
			return err
		}
		return fill(to, u.gzip)
	case codecBrotli:
		if u.brotli == nil {
			u.brotli = brotli.NewReader(src)
		} else if err := u.brotli.Reset(src); err != nil {
			return err
		}
		return fill(to, u.brotli)
	case codecZstd:
		if u.zstd == nil {
			u.zstd, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxParquetPage))
		} else {
			err = u.zstd.Reset(src)
		}
		if err != nil {
			return err
		}
		return fill(to, u.zstd)
	case codecLZ4Raw:
		return lz4Block(to, from)
	case codecLZ4:
		if framedLZ4(to, from) == nil {
			return nil
		}
		return lz4Block(to, from)
	}
	return errors.New("it is packed in a way that is not known here") // looked at before
}

// fill reads just as much as there must be.
func fill(to []byte, r io.Reader) error {
	_, err := io.ReadFull(r, to)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errParquetSize
	}
	if err != nil {
		return err
	}
	var more [1]byte
	switch n, err := r.Read(more[:]); {
	case n > 0:
		return errParquetSize
	case err != nil && err != io.EOF:
		return err
	}
	return nil
}

func lz4Block(to, from []byte) error {
	n, err := lz4.UncompressBlock(from, to)
	if err == nil && n != len(to) {
		err = errParquetSize
	}
	return err
}

// framedLZ4 unpacks what Hadoop makes: blocks, each after its size unpacked and
// packed.
func framedLZ4(to, from []byte) error {
	for len(from) > 0 {
		if len(from) < 8 {
			return errParquetSize
		}
		whole, packed := binary.BigEndian.Uint32(from), binary.BigEndian.Uint32(from[4:])
		from = from[8:]
		if uint64(packed) > uint64(len(from)) || uint64(whole) > uint64(len(to)) {
			return errParquetSize
		}
		if err := lz4Block(to[:whole], from[:packed]); err != nil {
			return err
		}
		to, from = to[whole:], from[packed:]
	}
	if len(to) > 0 {
		return errParquetSize
	}
	return nil
}
