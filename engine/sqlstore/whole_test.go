package sqlstore

import (
	"math"
	"testing"
)

func TestHasFraction(t *testing.T) {
	t.Parallel()
	for _, v := range []any{0.5, -1e-300, "0.5", ".5", "-.5", "1.5e0", "1e-1", "10e-2", "1.25e1", "1e-99999999999999999999", "000.0001"} {
		if !hasFraction(v) {
			t.Errorf("%v is taken for whole", v)
		}
	}
	for _, v := range []any{int64(5), 5.0, 1e300, math.NaN(), math.Inf(1), "5", "5.", "5.0", "1.5e1", "10e-1", "0e-5", "0.0", "1e99999999999999999999", "abc", "1.5x", "", ".", "e", "1.2.3", []byte("1.5"), nil, true} {
		if hasFraction(v) {
			t.Errorf("%v is taken for a fraction", v)
		}
	}
}
