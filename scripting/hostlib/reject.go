package hostlib

import "github.com/dsengine/dsengine/engine"

// reject keeps a row that cannot be used, with the reason. Source and line say
// where it came from; "" and 0 where that is not known. An error ends the hook.
func (c *Call) reject(row Value, reason, source string, line int64) error {
	raw, err := c.encode(row)
	if err != nil {
		return Errorf("usage", "row: %v", err)
	}
	return c.Hook.Reject(engine.Rejection{Row: raw, Reason: reason, Source: source, Line: line})
}
