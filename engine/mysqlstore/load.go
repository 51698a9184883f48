package mysqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"
)

// Rows that are loaded as text: values between tabs, rows between line feeds, \N
// for NULL, and a backslash before what would be taken for one of these. Bytes
// are hexadecimal, because the text is UTF-8 and must be.

// errUnknownVariable is the number of the error of a server that has no such variable.
const errUnknownVariable = 1193

// loads remembers whether the server takes text, once it has said so.
type loads struct{ known, on atomic.Bool }

// LoadsText says whether the server takes rows as text from its clients. It is asked
// until it has answered; a refusal later on is remembered too. A Galera node may commit
// such a statement every ten thousand rows (wsrep_load_data_splitting), and with it what
// the hook wrote before: never there.
func (s *Store) LoadsText(ctx context.Context) bool {
	if !s.loads.known.Load() {
		on := false
		if !s.opts.Statements && !s.galera {
			var v sql.NullString
			err := s.control.QueryRowContext(ctx, "SELECT @@GLOBAL.local_infile").Scan(&v)
			var me *mysql.MySQLError
			if err != nil && (!errors.As(err, &me) || me.Number != errUnknownVariable) {
				return false // it has not answered: this time by statements
			}
			on = v.String == "1"
		}
		s.loads.on.Store(on)
		s.loads.known.Store(true)
	}
	return s.loads.on.Load()
}

// AppendValue writes a value and what separates it from the next one.
func (s *Store) AppendValue(b []byte, v any) ([]byte, bool) {
	switch x := v.(type) {
	case nil:
		b = append(b, `\N`...)
	case string:
		b = appendText(b, x)
	case int64:
		b = strconv.AppendInt(b, x, 10)
	case uint64:
		b = strconv.AppendUint(b, x, 10)
	case bool:
		if x {
			b = append(b, '1')
		} else {
			b = append(b, '0')
		}
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return b, false
		}
		b = strconv.AppendFloat(b, x+0, 'g', -1, 64) // no negative zero
	case []byte:
		b = hex.AppendEncode(b, x)
	default:
		return b, false
	}
	return append(b, '\t'), true
}

// escapes are the letters that stand for bytes behind a backslash.
var escapes = [256]byte{'\\': '\\', '\t': 't', '\n': 'n', '\r': 'r', 0: '0', 0x1a: 'Z'}

// appendText writes a text. Most have nothing to escape.
func appendText(b []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		if e := escapes[s[i]]; e != 0 {
			b = append(append(b, s[from:i]...), '\\', e)
			from = i + 1
		}
	}
	return append(b, s[from:]...)
}

// EndRow ends a row.
func (s *Store) EndRow(b []byte) []byte {
	b[len(b)-1] = '\n'
	return b
}

// loaded numbers the texts, so that each has a name of its own.
var loaded atomic.Int64

// LoadText inserts rows. With LOCAL the server goes on after what it would refuse
// elsewhere, and warns; notes are off on hooks' connections.
func (s *Store) LoadText(ctx context.Context, c *sql.Conn, table string, columns []string, isHex []bool, text []byte) (n int64, clean bool, err error) {
	name := fmt.Sprintf("dsengine-%d", loaded.Add(1))
	mysql.RegisterReaderHandler(name, func() io.Reader { return bytes.NewReader(text) })
	defer mysql.DeregisterReaderHandler(name)
	r, err := c.ExecContext(ctx, s.loadSQL(name, table, columns, isHex))
	if err != nil {
		var me *mysql.MySQLError
		if errors.As(err, &me) && (me.Number == 1148 || me.Number == 3948 || me.Number == 2068 || me.Number == 4166) { // it is off
			s.loads.on.Store(false)
			s.loads.known.Store(true)
		}
		return 0, false, err
	}
	if n, err = r.RowsAffected(); err != nil {
		return 0, false, err
	}
	rows, err := c.QueryContext(ctx, "SELECT @@warning_count")
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	var warnings int64
	if rows.Next() {
		err = rows.Scan(&warnings)
	}
	if err == nil {
		err = rows.Err()
	}
	return n, warnings == 0, err
}

func (s *Store) loadSQL(name, table string, columns []string, isHex []bool) string {
	var list, set []string
	for i, column := range columns {
		q := s.Quote(column)
		if isHex[i] {
			v := fmt.Sprintf("@ds_%d", i)
			set = append(set, q+" = UNHEX("+v+")")
			q = v
		}
		list = append(list, q)
	}
	sql := "LOAD DATA LOCAL INFILE 'Reader::" + name + "' INTO TABLE " + s.quoteTable(table) + ` CHARACTER SET utf8mb4` +
		` FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (` + strings.Join(list, ", ") + ")"
	if len(set) > 0 {
		sql += " SET " + strings.Join(set, ", ")
	}
	return sql
}
