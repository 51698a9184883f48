package hostlib

import "io"

// CSVRows reads rows as csv.parse does by default.
func CSVRows(r io.Reader) func() (Value, error) {
	in, err := (&Call{}).inputFrom("the text", r, nil, "utf-8")
	if err != nil {
		panic(err)
	}
	rows, err := newCSVReader(in, csvDefaults())
	if err != nil {
		panic(err)
	}
	return rows.next
}
