package hostlib

import (
	"fmt"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// LoopNames are the methods of ctx that are loops which keep their own count.
var LoopNames = []string{"batches", "emit_all"}

// LoopSite is a call of one of LoopNames in a file.
type LoopSite struct {
	Line  int
	Again bool // it stands in the body of a loop
}

// SiteOf is the part of a LoopID that tells of the call in a line of a file, of which
// these are all such calls, as they stand in it.
func SiteOf(file string, sites []LoopSite, line int) engine.LoopID {
	i := slices.IndexFunc(sites, func(s LoopSite) bool { return s.Line == line })
	return engine.LoopID{Site: fmt.Sprintf("%s %d", file, i+1), Sites: len(sites), Again: i >= 0 && sites[i].Again}
}

// loopID tells the loop over an iterator from others.
func (c *Call) loopID(it Iterator) engine.LoopID {
	id := c.Lang.LoopSite()
	id.Source = originOf(it)
	return id
}

// originOf is the file or the table that an iterator reads, by a name that it has in each
// attempt; "" if there is none, or several.
func originOf(it Iterator) string {
	for s := sourceOf(it); s != nil; s = sourceOf(s.over[0]) {
		if s.origin != "" || len(s.over) != 1 {
			return s.origin
		}
	}
	return ""
}

// origin is the name that a source has in each attempt, "" if that is not known: a
// temporary file has another one, and a URL may.
func (c *Call) origin(src Value) string {
	switch src := src.(type) {
	case string:
		if !c.temps[src] {
			return src
		}
	case *remoteFile:
		return src.label()
	case *s3Stream:
		return src.place()
	}
	return ""
}
