package coverage

import (
	"bufio"
	"fmt"
	"io"
	"sort"
)

// LCOV writes the coverage in the form of the tool lcov, which many others
// read. A line counts as often as the part of it that ran least, as in the table; one that
// has run in part, as often as the part that ran most, or as its branches were come to: no
// line that did not run has a branch that was taken.
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
		lines, came := f.Lines(), map[int]uint64{}
		for i, br := range f.Branches {
			at := br.At.Line // which may stand within a part that begins before
			if n := sort.Search(len(lines), func(n int) bool { return lines[n].Number > at }); n > 0 {
				at = lines[n-1].Number
			}
			came[at] = max(came[at], br.True+br.False)
			for n, count := range []uint64{br.True, br.False} {
				taken := "-" // the condition was never looked at
				if br.True+br.False > 0 {
					taken = fmt.Sprint(count)
				}
				fmt.Fprintf(b, "BRDA:%d,%d,%d,%s\n", at, i, n, taken)
				if count > 0 {
					hit++
				}
			}
		}
		fmt.Fprintf(b, "BRF:%d\nBRH:%d\n", 2*len(f.Branches), hit)
		hit = 0
		for _, l := range lines {
			n := l.Least
			if n == 0 {
				n = max(came[l.Number], l.Most)
			}
			fmt.Fprintf(b, "DA:%d,%d\n", l.Number, n)
			if n > 0 {
				hit++
			}
		}
		fmt.Fprintf(b, "LF:%d\nLH:%d\nend_of_record\n", len(lines), hit)
	}
	return b.Flush()
}
