package hostlib

import "io"

// CSVRows reads rows as csv.parse does by default.
func CSVRows(r io.Reader) func() (Value, error) {
	return newCSVReader("the text", r, csvOptions{sep: ','}).next
}
