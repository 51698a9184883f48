package plan

import (
	"strings"
	"testing"
)

func TestTablesAreFoundInSQL(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"SELECT * FROM ta":       "ta",
		"SELECT * FROM ta a, tb": "ta tb",
		"SELECT a.x, b.y FROM ta AS a, tb AS b, s.tc WHERE a.x IN (1, 2) ORDER BY x, y": "ta tb s.tc",
		"SELECT * FROM `tc-x`, \"Odd T\", `a``b`":                                       "tc-x|Odd T|a`b",
		"SELECT * FROM `s`.`tc-x` JOIN größe USING (id), zuletzt":                       "s.tc-x größe zuletzt",
		"SELECT * FROM (SELECT x, y FROM ta, tb WHERE x = 'FROM no, no') d, tc":         "ta tb tc",
		"SELECT 'it''s FROM no', \"FROM no\" -- FROM no\n/* FROM no */ FROM ta":         "ta",
		"INSERT IGNORE INTO ta (a, b) SELECT a, b FROM tb":                              "ta tb",
		"INSERT ta VALUES (1, 2), (3, 4)":                                               "ta",
		"INSERT OR IGNORE INTO ta SELECT * FROM tb":                                     "ta tb",
		"REPLACE INTO ta VALUES (REPLACE(x, 'a', 'b'))":                                 "ta",
		"UPDATE LOW_PRIORITY ta, tb SET ta.x = 1, tb.y = 2":                             "ta tb",
		"DELETE a FROM ta a LEFT JOIN tb ON a.x = tb.x WHERE tb.x IS NULL":              "ta tb",
		"WITH w AS (SELECT * FROM ta) SELECT * FROM w, tb":                              "ta w tb",
		"INSERT INTO ta (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 2, b = 3":            "ta",
		"INSERT INTO ta (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2, b = 3":      "ta",
		"DELETE FROM ta":          "ta",
		"SELECT FROM (":           "",
		")) FROM ta":              "ta",
		"SELECT 1 FROM":           "",
		"SELECT x LIKE '\\' FROM": "",
	} {
		sep := " "
		if strings.Contains(want, "|") {
			sep = "|"
		}
		if got := strings.Join(tablesIn(query), sep); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

// A payload is written with its keys in their order, and its numbers as they are.
func TestJSONIsWrittenInItsOrder(t *testing.T) {
	t.Parallel()
	same := func(v any) (any, error) { return v, nil }
	const payload = `{"z": [1, 1.5, null], "a": {"y": 9007199254740993, "b": true}, "m": {}}`
	for n, want := range map[notation]string{
		starlark{}: `{"z": [1, 1.5, None], "a": {"y": 9007199254740993, "b": True}, "m": {}}`,
		lua{}:      `{z = {1, 1.5, null}, a = {y = tonumber("9007199254740993"), b = true}, m = json.object()}`,
	} {
		if got, err := jsonIn(n, []byte(payload), same); err != nil || got != want {
			t.Errorf("got %s %v\nwant %s", got, err, want)
		}
	}
}
