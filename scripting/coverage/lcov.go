package coverage

import (
	"bufio"
	"fmt"
	"io"
)

// LCOV writes the coverage in the form of the tool lcov, which many others
// read. A line counts as often as the part of it that ran least, so that its
// figures are those of the table.
func (r *Report) LCOV(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, f := range r.files {
		fmt.Fprintf(b, "TN:\nSF:%s\n", f.Name)
		hit := 0
		for _, fn := range f.Funcs {
			fmt.Fprintf(b, "FN:%d,%s\n", fn.Line, fn.Name)
		}
		for _, fn := range f.Funcs {
			fmt.Fprintf(b, "FNDA:%d,%s\n", fn.Count, fn.Name)
			if fn.Count > 0 {
				hit++
			}
		}
		fmt.Fprintf(b, "FNF:%d\nFNH:%d\n", len(f.Funcs), hit)
		hit = 0
		for i, br := range f.Branches {
			for n, count := range []uint64{br.True, br.False} {
				taken := "-" // the condition was never looked at
				if br.True+br.False > 0 {
					taken = fmt.Sprint(count)
				}
				fmt.Fprintf(b, "BRDA:%d,%d,%d,%s\n", br.At.Line, i, n, taken)
				if count > 0 {
					hit++
				}
			}
		}
		fmt.Fprintf(b, "BRF:%d\nBRH:%d\n", 2*len(f.Branches), hit)
		hit = 0
		lines := f.Lines()
		for _, l := range lines {
			fmt.Fprintf(b, "DA:%d,%d\n", l.Number, l.Least)
			if l.Least > 0 {
				hit++
			}
		}
		fmt.Fprintf(b, "LF:%d\nLH:%d\nend_of_record\n", len(lines), hit)
	}
	return b.Flush()
}
