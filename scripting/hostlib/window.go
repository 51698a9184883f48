package hostlib

import (
	"cmp"
	"fmt"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// window is what ctx.window gives.
type window struct{ engine.Window }

// ObjectType is window.
func (window) ObjectType() *ObjectType { return windowType }

var windowType = &ObjectType{
	Name: "window", Doc: "The stretch of time that a job is to import: from start on, and not at stop any more.", Record: true,
	Text: func(v Value) string {
		w := v.(window)
		return fmt.Sprintf("<window %s to %s>", w.Start.Format(time.RFC3339Nano), w.End.Format(time.RFC3339Nano))
	},
	Compare: func(a, b Value) int {
		x, y := a.(window), b.(window)
		return cmp.Or(x.Start.Compare(y.Start), x.End.Compare(y.End))
	},
	Attrs: []Attr{
		{Name: "start", Type: "time", Doc: "Where it begins.", Get: func(v Value) (Value, error) { return v.(window).Start, nil }},
		{Name: "stop", Type: "time", Doc: "Where it ends.", Get: func(v Value) (Value, error) { return v.(window).End, nil }},
		{Name: "backfill", Type: "bool", Doc: "Whether it is one of dsengine backfill, which moves nothing on.", Get: func(v Value) (Value, error) { return v.(window).Backfill, nil }},
		{Name: "empty", Type: "bool", Doc: "Whether there is nothing in it: start and stop are the same.", Get: func(v Value) (Value, error) { return v.(window).Empty(), nil }},
	},
}

var ctxWindow = &Func{
	Name: "window", Doc: "Gives the stretch of time that the job is to import. It begins where the last one ended whose job has completed, and ends when the job was scheduled for, or now. " +
		"The first call fixes it for all attempts, phases and items of the job, at once: make it before anything is written to the database. When the job completes, the next one begins at its end; the windows of dsengine backfill leave that as it is. " +
		"Windows of two jobs overlap where both are unfinished at once, or where one that failed is retried after the next has completed, which its log tells: write by key (db.upsert), so that what is imported twice is there once. " +
		"It is empty where there is nothing to import yet.",
	Params: []Param{
		{Name: "start", Type: Moment, Doc: "where the first window of all begins"},
		{Name: "lag", Type: Duration, Default: time.Duration(0), Named: true, Doc: "how far the end stays behind, for data that comes late"},
		{Name: "stop", Type: Moment, Default: None, Named: true, Doc: "where it ends; None: when the job was scheduled for, or now, and lag before"},
	},
	Returns: "window", Effect: Read,
	Changes: "the window is fixed for the job at once; the end of the last one moves when the job completes",
	Example: "w = ctx.window(time.parse(\"2025-01-01\"), lag = \"5m\")\nw.start.format(\"%Y-%m-%d\")  # \"2025-01-01\"\nw.empty  # False",
	Lua:     "local w = ctx.window(time.parse(\"2025-01-01\"), {lag = \"5m\"})\nw.start.format(\"%Y-%m-%d\")  -- \"2025-01-01\"\nw.empty  -- false",
	Do: func(c *Call, a *Args) (Value, error) {
		ask := engine.WindowAsk{Start: a.Time("start"), Lag: a.Duration("lag")}
		if a.Given("stop") {
			ask.End = a.Time("stop")
		}
		w, err := c.Hook.Window(ask)
		if err != nil {
			return nil, err
		}
		return window{w}, nil
	},
}
