package mysqlstore

import (
	"io"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest"
)

// A decimal stands in the place of its own question mark, whatever else is one.
func TestDecimalsStandInTheirPlaces(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		h := s.instance(t, StrategySkip).Connect(t, false).Begin(engine.SessionOptions{})
		defer h.Close()
		for q, want := range map[string]string{
			"SELECT '?', ? + 1, '\\'?', ?":          `"?" "2.50" "'?" "x"`,
			"SELECT \"?\\\"\", ?-1, \"?\"\"\", ?":   `"?\"" "0.50" "?\"" "x"`,
			"SELECT ? AS `?`, 1 AS `a``?`, ?":       `"1.50" 1 "x"`,
			"SELECT ? # ?\n, ?":                     `"1.50" "x"`,
			"SELECT ? -- ?\n, ?":                    `"1.50" "x"`,
			"SELECT 3--?, ?":                        `"4.50" "x"`,
			"SELECT /* ? '*/ ?, ? /* ? */":          `"1.50" "x"`,
			"SELECT 'a' /* it's */, ?, ? -- it's ?": `"a" "1.50" "x"`,
		} {
			got, err := resultOf(t.Context(), h, q, []any{engine.Decimal("1.50"), "x"})
			if err != nil || got != want {
				t.Errorf("%s: got %s, %v; want %s", q, got, err, want)
			}
		}
		if _, err := resultOf(t.Context(), h, "SELECT ?", []any{engine.Decimal("1"), engine.Decimal("2")}); err == nil {
			t.Error("two values for one placeholder are taken")
		}
	})
}

// A column that is compared with a decimal is found by its index.
func TestDecimalsAreFoundByAnIndex(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		h := s.instance(t, StrategySkip).Connect(t, false).Begin(engine.SessionOptions{})
		defer h.Close()
		if _, err := h.Ensure(t.Context(), "k", []engine.Column{{Name: "d", Type: "decimal(38,6)"}, {Name: "n", Type: "integer"}}, []string{"d"}); err != nil {
			t.Fatal(err)
		}
		var rows rowList
		for i := range 1000 {
			rows = append(rows, engine.Row{Names: []string{"d", "n"}, Values: []any{int64(i), int64(i)}})
		}
		if _, err := h.Insert(t.Context(), "k", &rows); err != nil {
			t.Fatal(err)
		}
		for q, access := range map[string]string{"SELECT n FROM k WHERE d = ?": "const", "SELECT n FROM k WHERE d < ?": "range"} {
			result, err := h.Query(t.Context(), "EXPLAIN FORMAT=TRADITIONAL "+q, []any{engine.Decimal("7.0")})
			if err != nil {
				t.Fatal(err)
			}
			row, err := result.Next(t.Context())
			if err != nil && err != io.EOF {
				t.Fatal(err)
			}
			if shown := storetest.Shown([][]any{row}); !strings.Contains(shown, `"`+access+`"`) {
				t.Errorf("%s: want access by %s: %s", q, access, shown)
			}
			result.Close()
		}
	})
}
