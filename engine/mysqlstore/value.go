package mysqlstore

import (
	"database/sql"
	"math/big"
	"strconv"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// FromDB makes a value of the driver's one that scripts know, by the column's
// type: whole numbers as int64 or *big.Int, other decimals as exact text, dates
// and times of day as text, points in time as time.Time in UTC.
func (s *Store) FromDB(v any, column *sql.ColumnType) any {
	switch x := v.(type) {
	case uint64:
		if x <= 1<<63-1 {
			return int64(x)
		}
		return new(big.Int).SetUint64(x)
	case float32:
		// The shortest decimal that is this number, as the server prints it.
		f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
		return f
	case time.Time:
		if column.DatabaseTypeName() == "DATE" {
			return x.Format(time.DateOnly)
		}
		return x.UTC()
	case []byte:
		switch column.DatabaseTypeName() {
		case "BINARY", "VARBINARY", "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "GEOMETRY":
			return x
		case "TIME":
			return sqlstore.TimeOfDay(string(x))
		case "BIT":
			return new(big.Int).SetBytes(x).Int64()
		case "DECIMAL":
			if _, scale, ok := column.DecimalSize(); ok && scale == 0 {
				return sqlstore.WholeNumber(string(x))
			}
		}
		return string(x)
	}
	return v
}

// ToDB makes a script's value one that the driver takes.
func (s *Store) ToDB(v any) any {
	switch x := v.(type) {
	case *big.Int:
		return x.String()
	case engine.Decimal:
		return string(x)
	case time.Time:
		return x.UTC().Truncate(time.Microsecond) // the server would round
	}
	return v
}
