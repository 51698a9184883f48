package sqlstore

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/gob"
	"io"
	"math/big"
	"os"
	"slices"
	"time"

	"github.com/dsengine/dsengine/engine"
)

const (
	// spoolMemory is how much of a result is kept in memory, about.
	spoolMemory = 8 << 20
	// spoolDisk is how much of it may go to a temporary file.
	spoolDisk = 4 << 30
)

func init() {
	gob.Register(time.Time{})
	gob.Register(&big.Int{})
}

// spool holds the rows of a result that could not stay on the connection: in
// memory at first, then in a temporary file.
type spool struct {
	rows   [][]any
	bytes  int
	file   *os.File
	buf    *bufio.Writer
	enc    *gob.Encoder
	dec    *gob.Decoder
	size   int64 // of the file
	inFile int   // rows in it that were not read yet
}

// add takes a row.
func (p *spool) add(row []any) error {
	n := 16
	for _, v := range row {
		n += 16
		switch x := v.(type) {
		case string:
			n += len(x)
		case []byte:
			n += len(x)
		}
	}
	if p.file == nil && p.bytes+n <= spoolMemory {
		p.rows, p.bytes = append(p.rows, row), p.bytes+n
		return nil
	}
	if p.file == nil {
		f, err := os.CreateTemp("", "dsengine-result-")
		if err != nil {
			return err
		}
		// Gone from the folder at once where the system allows it, so that a crash
		// leaves nothing.
		_ = os.Remove(f.Name())
		p.file, p.buf = f, bufio.NewWriterSize(f, 1<<16)
		p.enc = gob.NewEncoder(p.buf)
	}
	if p.size += int64(n); p.size > spoolDisk {
		return &engine.Failure{Kind: engine.KindLimit, Code: "db.result", Message: "the rest of a result is larger than 4 GB: read it before running other statements, or ask for less at a time"}
	}
	p.inFile++
	return p.enc.Encode(row)
}

// done is called after the last row was added.
func (p *spool) done() error {
	if p.file == nil {
		return nil
	}
	if err := p.buf.Flush(); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	p.dec = gob.NewDecoder(bufio.NewReaderSize(p.file, 1<<16))
	return err
}

// next gives the next row, or io.EOF.
func (p *spool) next() (row []any, err error) {
	if len(p.rows) > 0 {
		row, p.rows = p.rows[0], p.rows[1:]
		return row, nil
	}
	if p.inFile == 0 {
		return nil, io.EOF
	}
	p.inFile--
	err = p.dec.Decode(&row)
	return row, err
}

func (p *spool) close() {
	p.rows = nil
	if p.file != nil {
		p.file.Close()
		os.Remove(p.file.Name()) // where it could not be removed while open
		p.file = nil
	}
}

// spoolOn moves the rest of every result off a connection, so that it is free
// for another statement.
func (s *Session) spoolOn(ctx context.Context, c *sql.Conn) error {
	for _, r := range s.open {
		if r.on == c {
			if err := r.spool(ctx); err != nil {
				return err
			}
		}
	}
	s.open = slices.DeleteFunc(s.open, func(r *result) bool { return r.rows == nil })
	return nil
}
