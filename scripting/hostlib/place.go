package hostlib

import "fmt"

// Place is where in an input the rows are that readers gave out last: one row,
// or those of a batch.
type Place struct {
	name        string
	first, last int64  // lines, or rows
	unit        string // what they are: "line", "row"
	turn        int    // of the loop that they were given to
}

// String is such as "w1.csv, line 3", and "" for no place.
func (p Place) String() string {
	switch {
	case p.name == "":
		return ""
	case p.first == p.last:
		return fmt.Sprintf("%s, %s %d", p.name, p.unit, p.last)
	}
	return fmt.Sprintf("%s, %ss %d to %d", p.name, p.unit, p.first, p.last)
}

// at notes the line of a row that a reader gives out.
func (c *Call) at(name string, line int64) { c.atUnit(name, "line", line) }

// atRow notes the number of a row that a reader gives out.
func (c *Call) atRow(name string, row int64) { c.atUnit(name, "row", row) }

func (c *Call) atUnit(name, unit string, n int64) {
	p := &c.place
	if p.turn != c.turn || p.name != name {
		*p = Place{name: name, unit: unit, first: n, turn: c.turn}
	}
	p.last = n
}

// Turn is called by the language when a loop asks an iterator for its next
// element: rows that are given out from now on are not those of before.
func (c *Call) Turn() { c.turn++ }

// Given is where the rows are that were given out since the last Turn; false if
// none were.
func (c *Call) Given() (Place, bool) {
	return c.place, c.place.name != "" && c.place.turn == c.turn
}
