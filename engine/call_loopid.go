package engine

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
)

// LoopID tells a loop from the others of its hook. The zero value says that nothing is
// known of it: it is the next one of those that the last run has come to.
type LoopID struct {
	Source string // what it goes through, such as the path of a file; "": that is not known
	Site   string // which it is in the script: the file, and its number there
	Sites  int    // so many there are in that file
	Again  bool   // it stands in another loop: the hook comes to it again and again
	Aside  bool   // it stands in a function that is no hook, which may be called again and again
	// Version is what stands in the source now; nil: that is not known.
	Version *Version
}

// Version tells what stands in a source from what stands there at another time.
type Version struct {
	Stamp string // it is another one once the source was written: its size and time, or an ETag
	Size  int64  // in bytes
	// Sum is a sum over the first n bytes, or over some of them; 0: there are no n, or that
	// is not known. nil: it never is.
	Sum func(n int64) uint64
}

// version is what is kept of a Version; 0 for what is not known.
type version struct {
	Stamp uint32 `json:"v,omitempty"`
	Size  int64  `json:"z,omitempty"`
	Sum   uint32 `json:"c,omitempty"`
}

func (v *Version) kept() version {
	if v == nil {
		return version{}
	}
	return version{Stamp: uint32(Fingerprint(v.Stamp, nil)), Size: v.Size, Sum: v.sum(v.Size)}
}

func (v *Version) sum(n int64) uint32 {
	if v.Sum == nil {
		return 0
	}
	return uint32(v.Sum(n))
}

// changed says that something else stands in the source now: not the same, written once
// more, nor the same with more after it, if any of it was taken. A source that was written
// twice within a tick of its clock may have the same time and size.
func (was loopCount) changed(now *Version) bool {
	if now == nil || was.Stamp == 0 {
		return false
	}
	other := was.Sum != now.sum(was.Size)
	if !was.written(now) {
		return was.Sum != 0 && other
	}
	return was.N == 0 || was.Sum == 0 || other
}

// written says that the source was written since.
func (was loopCount) written(now *Version) bool {
	return now != nil && was.Stamp != 0 && was.Stamp != uint32(Fingerprint(now.Stamp, nil))
}

// loopKey is what is kept of a LoopID: hashes, 0 for what nothing is known of.
type loopKey struct {
	Source uint64 `json:"s,omitempty"`
	Site   uint64 `json:"w,omitempty"`
	Sites  int    `json:"k,omitempty"`
}

// String is such as " over in/a.csv".
func (id LoopID) String() string {
	if id.Source == "" {
		return ""
	}
	return " over " + id.Source
}

func (id LoopID) key() loopKey {
	if id.Site == "" {
		return loopKey{}
	}
	return loopKey{Source: Fingerprint(id.Source, nil), Site: Fingerprint(id.Site, nil), Sites: id.Sites}
}

// enterLoop begins a counting loop. It is the first of those of the last run that stood
// at the same place of the script and went through the same; or the next one, if nothing
// is known of it. Else it is a new one, as is one over a file that has come in the place of
// one that was read to its end. That is certain as long as all loops come in the same
// order. Else files may have gone, or come, since: then it must not be that something was
// written outside of the passes, of which nobody could tell whether it was committed; and
// a loop that comes once, and was not over, cannot have become one over another source.
func (c *Call) enterLoop(id LoopID) (*loop, error) {
	if c.poison != nil {
		return nil, c.poison
	}
	ls := &c.loops
	l := &loop{c: c, n: ls.next, at: -1, era: ls.era, sure: c.redriven.sure(), catches: len(c.catches)}
	key, gone := id.key(), false
	l.lone = key.Source != 0 && id.Source != "" || !id.Again && !id.Aside
	i := slices.IndexFunc(ls.before, func(was loopCount) bool {
		same := key.Source != 0 && was.loopKey == key
		other := same && was.over() && was.changed(id.Version)
		gone = gone || other
		return same && !other
	})
	met := 0
	if id.Aside {
		met = ls.met(key.Site, i)
	}
	again := id.Again || met > 0
	if i < 0 && len(ls.before) > 0 && (key.Source == 0 || ls.before[0].Source == 0) {
		i = 0
	}
	switch {
	case i >= 0:
		if ls.before[i].index < ls.high && !c.Unwritten() {
			return nil, c.strange("the loop%s comes after others now before which it came then, and the hook has written something between them", id)
		}
	case len(ls.before) > 0:
		for _, was := range ls.before {
			switch {
			case was.Sites != key.Sites && was.Source == key.Source:
				return nil, c.strange("the script has %d such loops in its file now, and had %d then: nobody can tell whether the loop%s is one of those", key.Sites, was.Sites, id)
			case was.Site == key.Site && !id.Again && met < 2 && !was.over():
				return nil, c.strange("the loop%s went over another source then", id)
			}
		}
		if !c.Unwritten() {
			return nil, c.strange("the loop%s was not there then, and the hook has written something before it, of which nobody can tell whether it was committed", id)
		}
		ls.high = math.MaxInt
	}
	ls.keys = append(ls.keys[:l.n:l.n], key)
	ls.next++
	if i < 0 {
		if gone {
			c.Log(slog.LevelWarn, "the source of the loop"+id.String()+" is another one than that which was read to its end: it is read as a whole", nil)
		}
		ls.put(l.n, loopCount{loopKey: key, version: id.Version.kept(), Again: again})
		return l, nil
	}
	l.was = ls.take(i)
	switch {
	case l.was.over() && l.was.written(id.Version):
		c.Log(slog.LevelInfo, "the source of the loop"+id.String()+" was written once more since it was read, and what was read of it is the same: that is left out", nil)
	case !l.was.over() && l.was.N > 0 && l.was.changed(id.Version):
		c.Log(slog.LevelInfo, fmt.Sprintf("the source of the loop%s has changed: the loop goes on behind the %d elements that were committed", id, l.was.N), nil)
	}
	l.at = l.was.index
	l.was.loopKey, l.was.version, l.was.Again = key, id.Version.kept(), again
	ls.put(l.n, l.was)
	l.left = l.was.N
	if l.left > 0 {
		c.skipping = l
	}
	c.restart()
	return l, nil
}

// met is how many loops of a place are known, of the last run and of this one, but for
// the i-th of the last run; 2 are enough.
func (ls *loops) met(site uint64, i int) (n int) {
	for k, was := range ls.before {
		if k != i && was.Site == site {
			n++
		}
	}
	for k := 0; k < len(ls.keys) && n < 2; k++ {
		if ls.keys[k].Site == site {
			n++
		}
	}
	return n
}

// Unwritten says that nothing was written since the last commit.
func (c *Call) Unwritten() bool {
	return !c.pend.touched() && len(c.pend.rejects) == 0 && (c.session == nil || !c.session.Changed())
}

// ends is why a hook must not end as it did, with a result.
func (c *Call) ends(result Raw) error {
	if len(result) > MaxResult {
		return c.misuse("the hook returned %d bytes of JSON, more than %d", len(result), MaxResult)
	}
	return c.missed()
}

// missed is why the hook must not end yet: a loop that was begun, and is not known to be
// over, did not come again. One that stands in another loop may have gone with its source,
// once it was over.
func (c *Call) missed() error {
	for _, was := range c.loops.before {
		if was.Source == 0 || was.N == 0 || was.over() {
			continue
		}
		what := fmt.Sprintf("the loop that had come to element %d of its source then has not come again", was.N)
		if !was.Again {
			return c.strange("the hook has ended, and %s", what)
		}
		c.Log(slog.LevelWarn, "the hook went on from its last commit, and "+what+": if there was more of it, that was not read", nil)
	}
	return nil
}

// strange is an error of a hook whose loops are not those of the last run.
func (c *Call) strange(format string, args ...any) error {
	return &Failure{Kind: KindError, Code: "order", Message: fmt.Sprintf(
		"the hook goes on from its last commit, and ctx.batches and ctx.emit_all leave out what was committed, but "+format+
			"; let it come to the same loops, over sources of the same names, and write inside of their passes, or by key, as db.upsert does, with ctx.checkpoint() before the next loop; then it goes on with: dsengine jobs retry %d; or start from the beginning, which does all again, what was committed too, with: dsengine jobs retry %d --fresh",
		append(args, c.job.ID, c.job.ID)...)}
}
