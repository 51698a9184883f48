package scripttest

import "testing"

// TestTablesAreThoseOfProduction has tables that a test makes by SQL hold, and refuse, the
// same values on every database, and be read in one order, and SQL say the same.
func TestTablesAreThoseOfProduction(t *testing.T) {
	onEach(t, func(t *testing.T, use func(*Suite)) {
		s := suite(t, Options{Jobs: "testdata/tables"})
		use(s)
		defer s.Close()
		for _, r := range s.Run(t.Context()) {
			if r.Status != Passed {
				t.Error(text(r))
			}
		}
	})
}
