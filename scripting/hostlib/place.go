package hostlib

import (
	"errors"
	"fmt"
)

// Spot is where one row comes from.
type Spot struct {
	Source string // a path, a URL; "" if that is not known
	Unit   string // what N counts: "line", "row"
	N      int64  // from 1; 0 if that is not known
	Reject int64  // the id of the reject that is redriven; 0: it is none
}

// String is such as "w1.csv, line 3" or "reject 7 (w1.csv, line 3)".
func (s Spot) String() string {
	where := s.Source
	if s.N > 0 {
		where = fmt.Sprintf("%s, %s %d", s.Source, s.Unit, s.N)
	}
	switch {
	case s.Reject == 0:
		return where
	case where == "":
		return fmt.Sprintf("reject %d", s.Reject)
	}
	return fmt.Sprintf("reject %d: %s", s.Reject, where)
}

// Place is where the rows come from that readers gave out last: one row, or
// those of a batch.
type Place struct {
	First, Last Spot
	turn        int // of the loop that they were given to
}

// IsOne says that it is the place of one row.
func (p Place) IsOne() bool { return p.First == p.Last && p != Place{} }

// String is such as "w1.csv, lines 3 to 5", and "" for no place.
func (p Place) String() string {
	switch {
	case p.First == p.Last:
		return p.Last.String()
	case p.Last.Reject != 0:
		return fmt.Sprintf("rejects %d to %d", p.First.Reject, p.Last.Reject)
	}
	return fmt.Sprintf("%s, %ss %d to %d", p.Last.Source, p.Last.Unit, p.First.N, p.Last.N)
}

// at notes the line of a row that a reader gives out.
func (c *Call) at(name string, line int64) { c.came(Spot{Source: name, Unit: "line", N: line}) }

// atRow notes the number of a row that a reader gives out.
func (c *Call) atRow(name string, row int64) { c.came(Spot{Source: name, Unit: "row", N: row}) }

// came notes where a row is from that a reader gives out.
func (c *Call) came(s Spot) {
	p := &c.place
	if p.turn != c.turn || s.Reject == 0 && p.Last.Source != s.Source {
		*p = Place{First: s, turn: c.turn}
	}
	p.Last = s
}

// Turn is called by the language when a loop asks an iterator for its next
// element: rows that are given out from now on are not those of before.
func (c *Call) Turn() { c.turn++ }

// Given is where the rows are that were given out since the last Turn; false if
// none were. If the loop was given a list, and it is known of each of its
// elements where it comes from, the spots say so; they are valid until the next
// Turn.
func (c *Call) Given() (Place, []Spot, bool) {
	var spots []Spot
	if c.spotsTurn == c.turn {
		spots = c.spots
	}
	return c.place, spots, c.place != Place{} && c.place.turn == c.turn
}

// Steady says that what an iterator gives is, each time, the row that a reader
// gave it just before: none was read ahead.
func Steady(it Iterator) bool {
	s, ok := it.(*source)
	return ok && s.steady
}

// Mixed says that what an iterator gives is made of what several readers give: no one
// place is where it comes from.
func Mixed(it Iterator) bool {
	s := sourceOf(it)
	return s != nil && s.roots > 1
}

// spots gathers where the elements of a list come from.
type spots struct {
	c     *Call
	on    bool
	ended bool // a file was read to its end before
	list  []Spot
}

// newSpots gathers for lists of what an iterator gives.
func newSpots(c *Call, it Iterator) spots { return spots{c: c, on: Steady(it)} }

func (s *spots) begin() { s.list, s.ended = s.list[:0], s.c.ended }

// add notes the row that was read last.
func (s *spots) add() {
	if s.on {
		s.list = append(s.list, s.c.place.Last)
	}
}

// give says that the list is given out.
func (s *spots) give() {
	if s.on {
		s.c.spots, s.c.spotsTurn = s.list, s.c.turn
	}
	if s.c.ended && !s.ended {
		s.c.lastTurn = s.c.turn
	}
}

// handing calls a function of the script for the element that an iterator has
// given; with steady it comes from the row that was read last.
func (c *Call) handing(fn Callable, v Value, steady bool) (Value, error) {
	if !steady {
		return fn.Call([]Value{v}, nil)
	}
	was := c.handed
	c.handed = c.place.Last
	at := c.handed
	v, err := fn.Call([]Value{v}, nil)
	c.handed = was
	if err != nil {
		raisedAt(err, at)
	}
	return v, err
}

// raisedAt notes of an error of the script the row at which it was raised, unless that is
// known.
func raisedAt(err error, at Spot) {
	var raised *Raised
	if _, known := RaisedAt(err); !known && errors.As(err, &raised) {
		raised.At = at
	}
}

// Handed is the row for which a function of the script runs, which it gave to
// an iterator such as iter.map; false if none does.
func (c *Call) Handed() (Spot, bool) { return c.handed, c.handed != Spot{} }
