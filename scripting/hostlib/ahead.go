package hostlib

import (
	"sync"
	"sync/atomic"
)

// Rows of a file are read some time before they are asked for, by a goroutine of
// their own: what a script does with each row costs most, and the reading is done
// beside it. So is giving them the script's form, if it has looked at those before.
// Small files are not worth it.
const (
	aheadFrom  = 1000    // rows that are read without
	aheadRows  = 1000    // at once: to wake for fewer costs processor time
	aheadBytes = 1 << 20 // at once, about
)

// rowMaker is a Language that makes rows of text its own in any goroutine.
type rowMaker interface {
	// RowMaker gives what does to rows with these names what Native does to them.
	RowMaker(names []string) func(*TextRow) Value
}

// ahead reads rows before they are asked for.
type ahead struct {
	ready chan *readRows
	now   *readRows // what is given out
	i     int
	first *TextRow    // of those that are given out; nil: rows have other forms
	seen  atomic.Bool // the script has seen it
	stop  chan struct{}
	once  sync.Once
	ended chan struct{}
}

// readRows are rows that were read, and what came after them.
type readRows struct {
	rows  []Value
	lines []int64 // where each begins
	cut   bool    // the last one may not be there as a whole yet
	err   error
}

// readAhead reads on in a goroutine. The reader is its own from here on; what it
// reads from must not touch the call.
func (c *Call) readAhead(r *csvReader) *ahead {
	var native func(*TextRow) Value
	if m, ok := c.Lang.(rowMaker); ok && r.names != nil {
		native = m.RowMaker(r.names)
	}
	a := &ahead{ready: make(chan *readRows, 2), now: &readRows{}, stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		for {
			b := &readRows{rows: make([]Value, 0, aheadRows), lines: make([]int64, 0, aheadRows)}
			for size := 0; b.err == nil && len(b.rows) < aheadRows && size < aheadBytes; size += len(r.text) {
				var row Value
				if row, b.err = r.nextContained(); b.err == nil {
					if text, ok := row.(*TextRow); ok && native != nil && a.seen.Load() {
						row = native(text)
					}
					b.rows, b.lines = append(b.rows, row), append(b.lines, r.start)
				}
			}
			b.cut = r.lines.cut
			select {
			case a.ready <- b:
			case <-a.stop:
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	return a
}

// nextContained is next; a panic of it is an error.
func (r *csvReader) nextContained() (row Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			row, err = nil, Panicked("csv.read", p)
		}
	}()
	return r.next()
}

// next is the next row, and the line where it begins.
func (a *ahead) next() (Value, int64, error) {
	for a.i == len(a.now.rows) {
		if a.now.err != nil {
			return nil, 0, a.now.err
		}
		if a.first != nil && a.first.Seen {
			a.first = nil
			a.seen.Store(true)
		}
		was := len(a.now.rows)
		a.now, a.i = <-a.ready, 0
		if was == 0 && len(a.now.rows) > 0 {
			a.first, _ = a.now.rows[0].(*TextRow)
		}
	}
	a.i++
	return a.now.rows[a.i-1], a.now.lines[a.i-1], nil
}

// close ends the goroutine.
func (a *ahead) close() {
	a.once.Do(func() { close(a.stop) })
	<-a.ended
}
