package hostlib

import "math"

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
