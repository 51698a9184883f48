package hostlib

import (
	"context"
	"math"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// finite says that a value is not one of the floats that databases do not have.
func finite(v Value) bool {
	f, ok := v.(float64)
	return !ok || !math.IsNaN(f) && !math.IsInf(f, 0)
}

// kindOf is how the value's type is called, or which float it is that databases
// do not have.
func (c *Call) kindOf(v Value) string {
	f, ok := c.Lang.Plain(v).(float64)
	switch {
	case ok && math.IsNaN(f):
		return "a float that is not a number"
	case ok && math.IsInf(f, 0):
		return "a float that is infinite"
	}
	return c.Lang.TypeName(v)
}

// keyed gives rows whose key is complete: None would be equal to nothing, not
// even to None.
type keyed struct {
	rows *rowSource
	key  []string
}

// Next is the next row.
func (s keyed) Next(ctx context.Context) (engine.Row, error) {
	row, err := s.rows.Next(ctx)
	if err != nil {
		return row, err
	}
	for i, name := range row.Names {
		if row.Values[i] == nil && slices.Contains(s.key, name) {
			return row, Errorf("usage", "row %d, column %q: got None, wanted a value: the column is part of the key", s.rows.n, name)
		}
	}
	return row, nil
}
