package mysqlstore

import (
	"database/sql"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// FromDB makes a value of the driver's one that scripts know, by the column's
// type: whole numbers as int64 or *big.Int, other decimals as exact text, dates
// and times of day as text, points in time as time.Time in UTC. A date that is all
// zeros is none; one of which a part is zero is an error.
func (s *Store) FromDB(v any, column *sql.ColumnType) (any, error) {
	switch x := v.(type) {
	case uint64:
		if x <= 1<<63-1 {
			return int64(x), nil
		}
		return new(big.Int).SetUint64(x), nil
	case float32:
		return sqlstore.Single(float64(x)), nil
	case []byte:
		switch column.DatabaseTypeName() {
		case "BINARY", "VARBINARY", "BLOB", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "GEOMETRY":
			return x, nil
		case "DATE", "DATETIME", "TIMESTAMP":
			return when(string(x), column)
		case "TIME":
			return sqlstore.TimeOfDay(string(x)), nil
		case "BIT":
			return s.FromDB(new(big.Int).SetBytes(x).Uint64(), column)
		case "DECIMAL":
			if _, scale, ok := column.DecimalSize(); ok && scale == 0 {
				return sqlstore.WholeNumber(string(x)), nil
			}
		}
		return string(x), nil
	}
	return v, nil
}

// when reads a date or a point in time. The driver would make another one of what
// older tables hold, which their servers let pass.
func when(text string, column *sql.ColumnType) (any, error) {
	t, ok := sqlstore.ReadTimestamp(text)
	switch isDate := column.DatabaseTypeName() == "DATE"; {
	case !ok && strings.Trim(text, "0-:. ") == "":
		return nil, nil
	case !ok:
		return nil, &engine.Failure{Kind: engine.KindError, Code: "db.value", Retryable: true, Message: fmt.Sprintf(
			"column %s has %q, which is no date: mend the row, or read the column as text, CAST(%[1]s AS CHAR)", column.Name(), text)}
	case isDate:
		return text, nil
	}
	return t, nil
}

// ToDB makes a script's value one that the driver takes.
func (s *Store) ToDB(v any) any {
	switch x := v.(type) {
	case *big.Int:
		if x.IsUint64() { // to a column of bits a text is bytes
			return x.Uint64()
		}
		return x.String()
	case engine.Decimal:
		return string(x)
	case time.Time:
		return sqlstore.TimeText(x)
	}
	return v
}
