package hostlib_test

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// BenchmarkCSV reads rows of six columns, beside encoding/csv; the figure is for
// one row.
func BenchmarkCSV(b *testing.B) {
	const rows = 20_000
	for _, kind := range []struct{ name, line string }{
		{"plain", "%d,Jane Doe,jane@example.com,Springfield,US,2020-01-01T00:00:00Z\n"},
		{"quoted", "%d,\"Doe, Jane\",jane@example.com,Springfield,US,2020-01-01T00:00:00Z\n"},
	} {
		var text strings.Builder
		text.WriteString("id,name,email,city,country,created\n")
		for n := range rows {
			fmt.Fprintf(&text, kind.line, n)
		}
		for _, reader := range []struct {
			name string
			read func(io.Reader) error
		}{
			{"encoding/csv", func(r io.Reader) error {
				cr := csv.NewReader(r)
				cr.ReuseRecord = true
				for {
					if _, err := cr.Read(); err != nil {
						return err
					}
				}
			}},
			{"csv.read", func(r io.Reader) error {
				next := hostlib.CSVRows(r, true, nil)
				for {
					if _, err := next(); err != nil {
						return err
					}
				}
			}},
		} {
			b.Run(kind.name+"/"+reader.name, func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					n++
					if err := reader.read(strings.NewReader(text.String())); err != io.EOF {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*rows), "ns/row")
			})
		}
	}
}
