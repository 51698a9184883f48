package scripttest

import (
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

var windowParam = param{Name: "window", Type: hostlib.Data, Default: hostlib.None, Named: true,
	Doc: "what ctx.window gives, as in a job of dsengine backfill: [start, stop], each a time or text such as \"2024-01-01\"; None: what it gives a live job"}

// windowOf reads the window that a job is made for; nil if none is given.
func windowOf(v hostlib.Value) (*engine.Window, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]hostlib.Value)
	if !ok || len(list) != 2 {
		return nil, hostlib.Errorf("usage", "window: wanted a list of two times, [start, stop]")
	}
	start, err := momentOf(list[0])
	if err != nil {
		return nil, err
	}
	stop, err := momentOf(list[1])
	if err != nil {
		return nil, err
	}
	return &engine.Window{Start: start, End: stop, Backfill: true}, nil
}

func momentOf(v hostlib.Value) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return v, nil
	case string:
		if at, err := hostlib.ParseMoment(v); err == nil {
			return at, nil
		}
		return time.Time{}, hostlib.Errorf("usage", "window: %q is no time like \"2024-01-01\" or \"2024-01-01T06:00:00Z\"", v)
	}
	return time.Time{}, hostlib.Errorf("usage", "window: got %s, wanted a time, or text such as \"2024-01-01\"", inStarlark.kind(v))
}
