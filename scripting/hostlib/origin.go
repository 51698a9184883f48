package hostlib

import (
	"errors"
	"sort"

	"github.com/dsengine/dsengine/engine"
)

// maxRuns is how much is kept of where rows are from that are being written: of all that
// a session may have on their way.
const maxRuns = engine.MaxRowsAhead

// origins keeps where rows are from that are written as they are read, so that an error
// about one that was sent with many others says where it is.
type origins struct {
	on   bool // a row is the one that its reader gave out just before
	runs []originRun
}

// originRun is rows that follow each other as their lines do.
type originRun struct {
	row  int64 // the number of the first one
	spot Spot  // where that is
}

// note notes where a row is from, by its number.
func (l *origins) note(row int64, c *Call) {
	if l.on {
		l.add(row, c.place.Last)
	}
}

// add notes where a row is from.
func (l *origins) add(row int64, at Spot) {
	if n := len(l.runs); n > 0 {
		last := &l.runs[n-1]
		if last.spot.N-last.row == at.N-row && last.spot.Source == at.Source && last.spot.Reject == 0 && at.Reject == 0 {
			return
		}
	}
	if len(l.runs) >= 2*maxRuns { // the older half is in the database by now
		l.runs = append(l.runs[:0], l.runs[maxRuns:]...)
	}
	l.runs = append(l.runs, originRun{row, at})
}

// tell adds to an error about a row where that is, if that is known.
func (l *origins) tell(err error) error {
	var f *engine.Failure
	if !errors.As(err, &f) || f.Row == 0 {
		return err
	}
	at := l.spot(f.Row)
	if at.String() == "" {
		return err
	}
	told := *f
	told.Message += " (while at " + at.String() + ")"
	return &told
}

// spot is where a row is from, if that is known.
func (l *origins) spot(row int64) (at Spot) {
	i := sort.Search(len(l.runs), func(i int) bool { return l.runs[i].row > row }) - 1
	if i < 0 {
		return at
	}
	at = l.runs[i].spot
	if at.N > 0 {
		at.N += row - l.runs[i].row
	}
	return at
}
