package hostlib

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/dsengine/dsengine/engine"
)

// LoopNames are the methods of ctx that are loops which keep their own count.
var LoopNames = []string{"batches", "emit_all"}

// LoopSite is a call of one of LoopNames in a file.
type LoopSite struct {
	Line  int
	In    string // the function of the file that it stands in; "": none
	Again bool   // it stands in the body of a loop
	Aside bool   // it stands in a function that is no hook
}

// SiteOf is the part of a LoopID that tells of the call in a line of a file, of which
// these are all such calls, as they stand in it. One that is called by another name is
// not among them. Those of the hook redrive, which a script may get once a job has stopped,
// are counted by themselves.
func SiteOf(file string, sites []LoopSite, line int) engine.LoopID {
	i := slices.IndexFunc(sites, func(s LoopSite) bool { return s.Line == line })
	if i < 0 {
		return engine.LoopID{Site: file, Aside: true}
	}
	id := engine.LoopID{Again: sites[i].Again, Aside: sites[i].Aside}
	redrives := func(s LoopSite) bool { return s.In == RedriveHook }
	for k, s := range sites {
		if redrives(s) != redrives(sites[i]) {
			continue
		}
		if id.Sites++; k == i {
			id.Site = fmt.Sprintf("%s %d", file, id.Sites)
		}
	}
	if redrives(sites[i]) {
		id.Site += " " + RedriveHook
	}
	return id
}

// loopID tells the loop over an iterator from others.
func (c *Call) loopID(it Iterator) engine.LoopID {
	id, o := c.Lang.LoopSite(), originOf(it)
	id.Source, id.Version = o.name, c.version(o.src)
	return id
}

// origin is the file or the table that an iterator reads.
type origin struct {
	name string // the same one in each attempt; "": that is not known
	src  Value  // what it was opened by
}

// originOf is what an iterator reads: of several, all that have a name, and the version of
// the first one.
func originOf(it Iterator) (o origin) {
	s := sourceOf(it)
	switch {
	case s == nil:
		return origin{}
	case s.origin.name != "":
		return s.origin
	}
	for _, over := range s.over {
		switch of := originOf(over); {
		case o.name == "":
			o = of
		case of.name != "":
			o.name += " and " + of.name
		}
	}
	return o
}

// origin is that of a source. A temporary file has another name in each attempt, and a URL
// may.
func (c *Call) origin(src Value) origin {
	switch o := src.(type) {
	case string:
		if !c.temps[o] {
			return origin{o, src}
		}
	case *entry:
		if of := c.origin(o.of); of.name != "" {
			return origin{o.name + " in " + of.name, o}
		}
	case *remoteFile:
		return origin{o.label(), src}
	case *s3Stream:
		return origin{o.place(), src}
	}
	return origin{}
}

// version is what stands in a source now; nil: that is not known.
func (c *Call) version(src Value) *engine.Version {
	written := func(size int64, at time.Time) *engine.Version {
		return &engine.Version{Stamp: fmt.Sprint(size, " ", at.UnixNano()), Size: size}
	}
	switch src := src.(type) {
	case string:
		f, err := c.stat(src)
		if err != nil {
			return nil
		}
		v := written(f.size, f.modified)
		v.Sum = func(n int64) uint64 { return c.fileSum(src, n) }
		return v
	case *entry:
		switch {
		case src.sum != "":
			return &engine.Version{Stamp: fmt.Sprint(src.size, " ", src.sum), Size: src.size}
		case src.modified.Unix() > 0:
			return written(src.size, src.modified)
		}
		return c.version(src.of) // some write no times
	case *remoteFile:
		if at := src.opened; !at.modified.IsZero() {
			return written(at.size, at.modified)
		}
		return written(src.size, src.modified)
	case *s3Stream:
		return &engine.Version{Stamp: src.etag, Size: src.size}
	}
	return nil
}

// A file of up to summedWhole bytes is summed as a whole, of a larger one as much, in
// blocks of inputBuffer bytes all over it.
const summedWhole = 64 << 20

// fileSum is a sum over the first n bytes of a file; 0: there are fewer.
func (c *Call) fileSum(p string, n int64) uint64 {
	f, err := c.openFile(p)
	if err != nil {
		return 0
	}
	defer f.Close()
	sum, blocks, size := xxhash.New(), int64(1), n
	if n > summedWhole {
		blocks, size = summedWhole/inputBuffer, inputBuffer
	}
	for i := range blocks {
		from := (n - size) * i / max(blocks-1, 1)
		if read, err := io.Copy(sum, io.NewSectionReader(f, from, size)); err != nil || read < size {
			return 0
		}
	}
	return max(sum.Sum64(), 1)
}
