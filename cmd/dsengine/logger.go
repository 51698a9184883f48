package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/lmittmann/tint"

	"github.com/dsengine/dsengine/engine"
)

// console is standard error, shared by log lines and live bars: while bars
// are shown, lines go above them. Passwords in URLs and secrets are struck out.
type console struct {
	mu    sync.Mutex
	base  io.Writer
	above io.Writer // of the bars, while they are shown; nil otherwise

	secrets *engine.Secrets
}

// Write writes whole lines.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.put(c.base, []byte(c.secrets.Strike(strike(string(p))))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// put writes whole lines above the bars, or where there are none to w.
func (c *console) put(w io.Writer, lines []byte) error {
	if c.above != nil {
		if _, err := c.above.Write(lines); err == nil {
			return nil
		}
	}
	_, err := w.Write(lines)
	return err
}

// data is standard output for whole lines that come while bars are shown: if that is a
// terminal too, it is the same one.
func (c *console) data(env *Env) io.Writer {
	if !env.drawsOn(env.Stdout) {
		return env.Stdout
	}
	return beside{c, env.Stdout}
}

// beside writes whole lines above the bars of a console.
type beside struct {
	con *console
	out io.Writer
}

func (b beside) Write(lines []byte) (int, error) {
	b.con.mu.Lock()
	defer b.con.mu.Unlock()
	if err := b.con.put(b.out, lines); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// show has lines go above bars, or with nil to standard error again.
func (c *console) show(above io.Writer) {
	c.mu.Lock()
	c.above = above
	c.mu.Unlock()
}

// newLogger logs to standard error: time, level, message.
func newLogger(env *Env, g *globals) (*slog.Logger, *console) {
	level := slog.LevelInfo
	if g.Verbose {
		level = slog.LevelDebug
	}
	c := &console{base: env.Stderr, secrets: env.Secrets}
	if env.IsTerminal(env.Stderr) {
		return slog.New(flattened{tint.NewTextHandler(c, &tint.Options{Level: level, TimeFormat: "15:04:05", NoColor: !env.colour(env.Stderr)})}), c
	}
	return slog.New(flattened{slog.NewTextHandler(c, &slog.HandlerOptions{Level: level})}), c
}

// flattened logs the fields of a script's line one by one.
type flattened struct{ slog.Handler }

// Handle logs a record.
func (h flattened) Handle(ctx context.Context, r slog.Record) error {
	flat := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		fields, ok := a.Value.Any().(map[string]any)
		if !ok || a.Key != "fields" {
			fields = map[string]any{a.Key: a.Value.Any()}
		}
		for _, k := range slices.Sorted(maps.Keys(fields)) {
			if trace, ok := fields[k].(string); ok && k == "backtrace" {
				if at := places(trace); at != "" {
					flat.AddAttrs(slog.String("at", at))
				}
			} else {
				flat.AddAttrs(slog.Any(k, printable(fields[k])))
			}
		}
		return true
	})
	return h.Handler.Handle(ctx, flat)
}

// WithAttrs is the handler with attributes.
func (h flattened) WithAttrs(attrs []slog.Attr) slog.Handler {
	return flattened{h.Handler.WithAttrs(attrs)}
}

// WithGroup is the handler within a group.
func (h flattened) WithGroup(name string) slog.Handler { return flattened{h.Handler.WithGroup(name)} }

// place is a line of a backtrace: where a call was; in Lua without a column.
var place = regexp.MustCompile(`(?m)^\s*(\S+?:\d+(?::\d+)?): (in \S+)`)

// places is a backtrace on one line, the innermost call first.
func places(backtrace string) string {
	var list []string
	for _, m := range place.FindAllStringSubmatch(backtrace, -1) {
		list = append(list, m[1]+" "+m[2])
	}
	if len(list) == 0 {
		return clip(backtrace, 300)
	}
	slices.Reverse(list)
	return strings.Join(list, ", called from ")
}

// printable is a field as a log line shows it: lists and tables as JSON.
func printable(v any) any {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any, []any:
		if b, err := marshal(v); err == nil {
			return string(b)
		}
		return fmt.Sprint(v)
	}
	return v
}
