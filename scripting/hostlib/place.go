package hostlib

import "fmt"

// Place is where in an input the rows are that readers gave out last: one row,
// or those of a batch.
type Place struct {
	name        string
	first, last int64 // lines
	turn        int   // of the loop that they were given to
}

// String is such as "w1.csv, line 3", and "" for no place.
func (p Place) String() string {
	switch {
	case p.name == "":
		return ""
	case p.first == p.last:
		return fmt.Sprintf("%s, line %d", p.name, p.last)
	}
	return fmt.Sprintf("%s, lines %d to %d", p.name, p.first, p.last)
}

// at notes the line of a row that a reader gives out.
func (c *Call) at(name string, line int64) {
	p := &c.place
	if p.turn != c.turn || p.name != name {
		*p = Place{name: name, first: line, turn: c.turn}
	}
	p.last = line
}

// Turn is called by the language when a loop asks an iterator for its next
// element: rows that are given out from now on are not those of before.
func (c *Call) Turn() { c.turn++ }

// Given is where the rows are that were given out since the last Turn; false if
// none were.
func (c *Call) Given() (Place, bool) {
	return c.place, c.place.name != "" && c.place.turn == c.turn
}
