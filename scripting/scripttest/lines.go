package scripttest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/engine"
)

// maxLines bounds what is kept of a test's log: the first ones and the last ones.
const (
	maxLines  = 60
	keepFirst = 20
)

// lines keeps what is logged during a test, to be shown if it fails. It is a
// slog.Handler.
type lines struct {
	mu   sync.Mutex
	list []line
	left int // lines that there is no room for
}

// line is one that came so often, one after the other.
type line struct {
	text  string
	times int
}

// Enabled says that details are left out.
func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle keeps a line.
func (l *lines) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-5s %s", strings.ToLower(r.Level.String()), r.Message)
	r.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "job" && a.Value.Kind() == slog.KindGroup, a.Key == "backtrace":
		case a.Key == "fields":
			if words := engine.FieldWords(a.Value.Any()); words != "" {
				b.WriteString(" " + words)
			}
		default:
			fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.list); n > 0 && l.list[n-1].text == b.String() {
		l.list[n-1].times++
		return nil
	}
	if l.list = append(l.list, line{b.String(), 1}); len(l.list) > maxLines {
		l.list = slices.Delete(l.list, keepFirst, keepFirst+1)
		l.left++
	}
	return nil
}

// WithAttrs is the handler itself: nobody here asks for it.
func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup is the handler itself.
func (l *lines) WithGroup(string) slog.Handler { return l }

// reset forgets the lines.
func (l *lines) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list, l.left = nil, 0
}

// all are the lines.
func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]string, len(l.list))
	for i, one := range l.list {
		if all[i] = one.text; one.times > 1 {
			all[i] += fmt.Sprintf(" (%d times)", one.times)
		}
	}
	if l.left > 0 {
		all = slices.Insert(all, keepFirst, fmt.Sprintf("(%d lines are left out)", l.left))
	}
	return all
}
