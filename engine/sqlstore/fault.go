package sqlstore

// FaultKind is what is wrong with a script's statement, or with a row.
type FaultKind int

// The kinds of faults.
const (
	FaultOther      FaultKind = iota // the database's own words have to do
	FaultNoTable                     // Table is not there
	FaultNoColumn                    // no table has the column
	FaultNoFunction                  // there is no function of the name in Value
	FaultAmbiguous                   // several tables have the column
	FaultSyntax                      // see Near
	FaultCount                       // an INSERT has not as many values as columns
	FaultDuplicate                   // a unique index has the values already
	FaultNull                        // the column must not be NULL
	FaultNotGiven                    // the column was left out, and has no default
	FaultType                        // the column cannot hold the value
	FaultLong                        // the value is too long for the column
	FaultRange                       // the value is out of the column's range
	FaultCondition                   // a condition on the column does not hold
	FaultOverflow                    // the statement works out a number that is too large
)

// Fault is what a database says of a statement or a row, taken to pieces. What it
// does not say is empty.
type Fault struct {
	Kind    FaultKind
	Table   string
	Columns []string // TheKey is the key's only column, where the error does not name it
	Index   string   // of a duplicate; PrimaryIndex is the primary key
	Value   string
	Wanted  string // what the column holds, where its type as Ensure knows it does not tell
	// Near is what stands where the syntax is wrong; "" is the end. Rest says that it
	// is the beginning of all that follows, with the values in it, not one word of the
	// statement. Line is the server's count; 0: it does not tell.
	Near string
	Rest bool
	Line int
	Says string // the database's own words
}

const (
	// TheKey stands for the only column of a table's key: see Fault.
	TheKey = "\x00key"
	// PrimaryIndex is the index of a primary key.
	PrimaryIndex = "PRIMARY"
)

// rowKind says that the fault is one of a value for a column.
func (f *Fault) rowKind() bool {
	return f.Kind == FaultType || f.Kind == FaultLong || f.Kind == FaultRange
}

// why says what is wrong with a value for a column of the type.
func (f *Fault) why(typ string) string {
	size, sized := textSize(typ)
	switch {
	case f.Wanted != "":
		return "it is no " + f.Wanted
	case f.Kind == FaultRange:
		return "it is out of range"
	case f.Kind == FaultLong && sized:
		return tooLong(size)
	case f.Kind == FaultLong:
		return "it is too long"
	case sized:
		return "it is no text, or longer than " + size + " characters"
	}
	return "it is not of that type, or out of its range"
}
