package mysqlstore

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest"
	"github.com/go-sql-driver/mysql"
)

func FuzzTextOfRowsComesApartAgain(f *testing.F) {
	f.Add("plain", []byte("\x00\xff"), "\\N")
	f.Add("", []byte{}, "tab\t, line\n, \\ and \x00\x1a\r")
	f.Add("größer 😀", []byte("\\\t\n"), "\\\\.\n\\.")
	s := &Store{}
	f.Fuzz(func(t *testing.T, a string, b []byte, c string) {
		var text []byte
		for range 2 {
			for _, v := range []any{a, b, nil, c} {
				var ok bool
				if text, ok = s.AppendValue(text, v); !ok {
					t.Fatalf("%q has no text", v)
				}
			}
			text = s.EndRow(text)
		}
		if n := bytes.Count(text, []byte{'\n'}); n != 2 {
			t.Fatalf("%q has %d lines", text, n)
		}
		for range 2 {
			var args []any
			args, text = readRow(text, []bool{false, true, false, false})
			if len(args) != 4 || args[0] != a || !bytes.Equal(args[1].([]byte), b) || args[2] != nil || args[3] != c {
				t.Fatalf("%q, %q, %q came back as %q", a, b, c, args)
			}
		}
		if len(text) > 0 {
			t.Fatalf("%q is left", text)
		}
	})
}

// readRow takes the next row's values apart.
func readRow(text []byte, isHex []bool) (args []any, rest []byte) {
	for i := range isHex {
		end := bytes.IndexAny(text, "\t\n")
		field := text[:end]
		text = text[end+1:]
		switch {
		case string(field) == `\N`:
			args = append(args, nil)
		case isHex[i]:
			raw := make([]byte, hex.DecodedLen(len(field)))
			_, _ = hex.Decode(raw, field) // AppendValue wrote it
			args = append(args, raw)
		default:
			args = append(args, unescaped(field))
		}
	}
	return args, text
}

func unescaped(field []byte) string {
	if bytes.IndexByte(field, '\\') < 0 {
		return string(field)
	}
	out := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' {
			i++
			c = byte(bytes.IndexByte(escapes[:], field[i]))
		}
		out = append(out, c)
	}
	return string(out)
}

// rowsOf gives n rows of ids.
type rowsOf struct{ n, i int }

func (r *rowsOf) Next(context.Context) (engine.Row, error) {
	if r.i == r.n {
		return engine.Row{}, io.EOF
	}
	r.i++
	return engine.Row{Names: []string{"id"}, Values: []any{int64(r.i)}}, nil
}

func TestBulkLoadsWhereTheServerAllowsIt(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		name, db, _ := s.database(t)
		if _, err := db.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		var allowed bool
		if err := db.QueryRow("SELECT @@GLOBAL.local_infile").Scan(&allowed); err != nil {
			t.Fatal(err)
		}
		for _, statements := range []bool{false, true} {
			faults := &storetest.Faults{}
			store, err := Open(t.Context(), s.urlOf(name), Options{Statements: statements, Wrap: func(c driver.Connector) driver.Connector { return faults.Wrap(c) }})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			h := store.Begin(engine.SessionOptions{})
			heard := faults.Listen()
			got, err := h.Bulk(t.Context(), "t", &rowsOf{n: 100}, nil)
			if err != nil || got["inserted"] != 100 {
				t.Errorf("statements %v: got %v, %v", statements, got, err)
			}
			said := heard()
			h.Close() // the rows go, and their locks
			loads, inserts := 0, 0
			for _, q := range said {
				if strings.HasPrefix(q, "LOAD DATA LOCAL") {
					loads++
				}
				if strings.HasPrefix(q, "INSERT") {
					inserts++
				}
			}
			if want := allowed && !statements; (loads == 1) != want || (inserts == 1) == want {
				t.Errorf("allowed %v, statements %v: %d loads and %d inserts", allowed, statements, loads, inserts)
			}
		}
	})
}

// A look that was cancelled, or cut off, is no answer of the server: the next bulk looks again.
func TestBulkLooksAgainAfterALookThatWasNotAnswered(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		name, db, _ := s.database(t)
		var allowed bool
		if err := db.QueryRow("SELECT @@GLOBAL.local_infile").Scan(&allowed); err != nil {
			t.Fatal(err)
		}
		faults := &storetest.Faults{}
		store, err := Open(t.Context(), s.urlOf(name), Options{Wrap: func(c driver.Connector) driver.Connector { return faults.Wrap(c) }})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if store.LoadsText(gone) {
			t.Error("it loads, though the look was cancelled")
		}
		faults.Arm(storetest.Fault{Name: "refused", Mode: storetest.Fail, Err: &mysql.MySQLError{Number: 1317, Message: "Query execution was interrupted"}}, 1)
		store.LoadsText(t.Context())
		if q := faults.Disarm(); !strings.Contains(q, "local_infile") {
			t.Errorf("the fault struck at %q", q)
		}
		if got := store.LoadsText(t.Context()); got != allowed {
			t.Errorf("it loads: %v, want %v", got, allowed)
		}
		heard := faults.Listen()
		if got := store.LoadsText(gone); got != allowed {
			t.Errorf("it loads: %v, want %v", got, allowed)
		}
		if said := heard(); len(said) > 0 {
			t.Errorf("it asked again: %q", said)
		}
	})
}
