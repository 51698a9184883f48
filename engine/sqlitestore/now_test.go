package sqlitestore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// still is a clock that stands still until it is set.
type still struct {
	engine.SystemClock
	at time.Time
}

// Now is the time that it was set to.
func (c *still) Now() time.Time { return c.at }

// TestSQLiteHasTheClocksTime has what SQLite computes from the time itself, in defaults,
// triggers and views too, have that of the store's clock, each its own.
func TestSQLiteHasTheClocksTime(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"SELECT datetime() || ' ' || CURRENT_TIMESTAMP || ' ' || CURRENT_DATE || ' ' || CURRENT_TIME": "2020-02-03 04:05:06 2020-02-03 04:05:06 2020-02-03 04:05:06",
		"SELECT strftime('%Y %f')":        "2020 06.789",
		"SELECT at || ' ' || seen FROM t": "2020-02-03 04:05:06 2020-02-03",
		"SELECT day FROM v":               "2020-02-03",
	}
	for _, o := range []Options{
		{Clock: &still{at: time.Date(2020, 2, 3, 5, 5, 6, 789e6, time.FixedZone("", 3600))}},
		{Clock: &still{at: time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)}},
		{},
	} {
		scratch, err := OpenScratch(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer scratch.Close()
		file, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"), o)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, s := range []*Store{scratch.Store, file} {
			for _, sql := range []string{
				"CREATE TABLE t (id INTEGER, at TEXT DEFAULT CURRENT_TIMESTAMP, seen TEXT)",
				"CREATE TRIGGER u AFTER INSERT ON t BEGIN UPDATE t SET seen = date('now'); END",
				"CREATE VIEW v AS SELECT date('now') AS day",
				"INSERT INTO t (id) VALUES (1)",
			} {
				if _, err := s.Handle().ExecContext(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			for sql, want := range want {
				var got string
				if err := s.Handle().QueryRowContext(t.Context(), sql).Scan(&got); err != nil {
					t.Fatal(err)
				}
				if first := s.opts.Clock.Now().Year() == 2020; first != (got == want) {
					t.Errorf("at %s: %s: %s", s.opts.Clock.Now(), sql, got)
				}
			}
		}
	}
}
