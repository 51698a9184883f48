package sqlitestore

import (
	"strings"
	"testing"
)

// TestTheTimeOfTestsIsWrittenOut has statements that look at the time, run at one that is
// not the machine's.
func TestTheTimeOfTestsIsWrittenOut(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT CURRENT_TIMESTAMP, current_date AS d":                                  "SELECT datetime(NOW) AS \"CURRENT_TIMESTAMP\", date(NOW) AS d",
		"SELECT CURRENT_TIME FROM item":                                                "SELECT time(NOW) AS \"CURRENT_TIME\" FROM item",
		"UPDATE item SET name = date('now', '-1 day')":                                 "UPDATE item SET name = date(NOW, '-1 day')",
		"DELETE FROM item WHERE name < datetime('NOW')":                                "DELETE FROM item WHERE name < datetime(NOW)",
		"INSERT INTO item (n, x) VALUES (unixepoch(), julianday('now'))":               "INSERT INTO item (n, x) VALUES (unixepoch(NOW), julianday(NOW))",
		"SELECT id FROM item WHERE name > strftime('%Y', 'now')":                       "SELECT id FROM item WHERE name > strftime('%Y', NOW)",
		"SELECT id FROM item WHERE name > strftime('%Y')":                              "SELECT id FROM item WHERE name > strftime('%Y', NOW)",
		"SELECT 'now', date('2024-01-01'), \"current_date\", now, date(now) FROM item": "SELECT 'now', date('2024-01-01'), \"current_date\", now, date(now) FROM item",
		"UPDATE item SET at = CURRENT_TIMESTAMP, day = CURRENT_DATE":                   "UPDATE item SET at = dsengine_time(datetime(NOW), 'timestamp'), day = dsengine_time(date(NOW), 'day')",
		"SELECT id FROM item WHERE at < CURRENT_TIMESTAMP":                             "SELECT id FROM item WHERE at < dsengine_time(datetime(NOW), 'timestamp')",
	} {
		tables := shopTables()
		got, _ := rewrite(sql, nil, "2020-01-01", func(table string) relation { return tables[table] })
		if want = strings.ReplaceAll(want, "NOW", "'2020-01-01'"); got != want {
			t.Errorf("%s:\n     %s\nnot  %s", sql, got, want)
		}
	}
}
