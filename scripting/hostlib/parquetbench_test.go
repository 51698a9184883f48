package hostlib_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/parquet-go/parquet-go"
)

// benchRow is a row of six columns, such as imports have.
type benchRow struct {
	ID      int64     `parquet:"id,delta"`
	Name    string    `parquet:"name"`
	City    string    `parquet:"city,dict"`
	Price   int64     `parquet:"price,decimal(2:18)"`
	Created time.Time `parquet:"created,timestamp(microsecond)"`
	Score   *float64  `parquet:"score,optional"`
}

func benchRows(from, n int) []benchRow {
	rows := make([]benchRow, n)
	for i := range rows {
		k := from + i
		score := float64(k) / 3
		rows[i] = benchRow{int64(k), fmt.Sprintf("Jane Doe %d", k), fmt.Sprintf("Springfield %d", k%500), int64(k * 7), time.UnixMicro(int64(k) * 1e6), &score}
		if k%10 == 0 {
			rows[i].Score = nil
		}
	}
	return rows
}

// BenchmarkParquet reads rows of six columns; the figure is for one row.
func BenchmarkParquet(b *testing.B) {
	const rows = 100_000
	file := parquetOf(b, benchRows(0, rows), parquet.Compression(&parquet.Zstd))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		next, err := hostlib.ParquetRows(file)
		for err == nil {
			_, err = next()
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*rows), "ns/row")
}
