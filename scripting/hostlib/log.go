package hostlib

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/dsengine/dsengine/engine"
)

var logModule = &Module{
	Name: "log",
	Doc:  "Lines about the job. They are kept whatever becomes of the hook.",
	Funcs: []*Func{
		logFunc("debug", slog.LevelDebug, "Logs a detail."),
		logFunc("info", slog.LevelInfo, "Logs what happens."),
		logFunc("warn", slog.LevelWarn, "Logs what somebody should look at."),
		logFunc("error", slog.LevelError, "Logs an error. The hook goes on; to stop it, call error()."),
	},
}

func logFunc(name string, level slog.Level, doc string) *Func {
	return &Func{
		Name: name, Doc: doc,
		Params: []Param{
			{Name: "msg", Type: Any, Doc: "what to say"},
			{Name: "fields", Type: Any, Others: true, Doc: "more about it, by name"},
		},
		Example: "log." + name + "(\"read a file\", path = \"data/people.csv\", rows = 2)",
		Lua:     "log." + name + "(\"read a file\", {path = \"data/people.csv\", rows = 2})",
		Do: func(c *Call, a *Args) (Value, error) {
			var fields map[string]any
			if len(a.More) > 0 {
				fields = make(map[string]any, len(a.More))
				for _, f := range a.More {
					fields[f.Name] = c.logged(f.Value)
				}
			}
			text, ok := c.logged(a.Value("msg")).(string)
			if !ok {
				raw, err := c.encode(a.Value("msg"), JSONForm{})
				if err != nil {
					return nil, err
				}
				text = string(raw)
			}
			c.Log(level, text, fields)
			return nil, nil
		},
	}
}

// Log writes a line about the job, or about the script while it is loaded.
func (c *Call) Log(level slog.Level, message string, fields map[string]any) {
	switch {
	case c.Hook != nil:
		c.Hook.Log(level, message, fields)
	case c.Host.Log != nil:
		c.Host.Log.LogAttrs(context.Background(), level, message, slog.Any("fields", fields))
	}
}

// encode gives a value of the script as JSON of a form.
func (c *Call) encode(v Value, f JSONForm) (engine.Raw, error) {
	data, err := c.Lang.Data(v)
	if err != nil {
		return nil, err
	}
	return f.Encode(data)
}

// logged gives a value the form that logs can write; what is no data is told
// by its type.
func (c *Call) logged(v Value) any {
	data, err := c.Lang.Data(v)
	if err != nil {
		return "<" + c.Lang.TypeName(v) + ">"
	}
	return plainGo(data)
}

func plainGo(v Value) any {
	switch v := v.(type) {
	case nil, bool, int64, float64, string:
		return v
	case *big.Int:
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration:
		return engine.FormatDuration(v)
	case []byte:
		return string(v)
	case Decimal:
		return v.String()
	case []Value:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plainGo(v[i])
		}
		return list
	case *Dict:
		m := make(map[string]any, len(v.Names))
		for i, n := range v.Names {
			m[n] = plainGo(v.Values[i])
		}
		return m
	}
	if t := TypeOf(v); t != nil && t.Record {
		if d, err := t.Dict(v); err == nil {
			return plainGo(d)
		}
	}
	return fmt.Sprint(v)
}
