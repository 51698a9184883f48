package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// logWriter gathers what hooks log and writes it a few times a second, on a
// connection of its own: a hook that is rolled back keeps its lines.
type logWriter struct {
	srv   *Server
	mu    sync.Mutex
	lines []LogLine
	full  chan struct{}
	turn  chan struct{} // holds one while lines are written
}

const (
	logEvery    = 200 * time.Millisecond
	logBuffer   = 10_000 // lines; beyond it the oldest are dropped
	maxLogField = 16 << 10
	maxLogBytes = 1 << 20 // written at once
)

func newLogWriter(s *Server) *logWriter {
	return &logWriter{srv: s, full: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
}

// add takes a line of a hook.
func (w *logWriter) add(c *Call, level slog.Level, message string, fields map[string]any) {
	line := LogLine{Job: c.job.ID, Type: c.job.Type, Phase: c.job.Phase, Attempt: c.Attempt(), At: c.srv.now(), Level: levelName(level), Message: w.srv.eng.secrets.Strike(message)}
	line.Message = Clip(line.Message, maxLogField)
	if len(fields) > 0 {
		b, err := plainJSON(fields)
		b = w.srv.eng.secrets.StrikeJSON(b)
		if err != nil || len(b) > maxLogField {
			// Secrets go first: of one that is cut in two, half would be left.
			b, _ = plainJSON(map[string]string{"fields": Clip(w.srv.eng.secrets.Strike(fmt.Sprint(fields)), 1000)})
		}
		line.Fields = b
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.logged = true
	left, few := &c.logLeft, level >= slog.LevelWarn
	if few { // what somebody should look at has room of its own
		left = &c.warnLeft
	}
	about := slog.Group("job", "id", c.job.ID, "type", c.typ.Name)
	if *left--; *left >= 0 || few {
		w.srv.eng.log.LogAttrs(context.Background(), level, message, about, slog.Any("fields", fields))
	}
	if *left < 0 {
		return
	}
	if *left == 0 {
		line.Level, line.Message, line.Fields = "warn", fmt.Sprintf("more than %d lines: of this attempt only warnings and errors are kept from here on", maxLogLines), nil
		if few {
			line.Message = fmt.Sprintf("more than %d warnings and errors: those of this attempt are kept no longer", maxLogLines)
		}
		w.srv.eng.log.LogAttrs(context.Background(), slog.LevelWarn, line.Message, about)
	}
	if w.lines = append(w.lines, line); len(w.lines) > logBuffer {
		w.lines = w.lines[len(w.lines)-logBuffer:]
	}
	if len(w.lines) >= 500 {
		poke(w.full)
	}
}

// note keeps a line about a job that no hook has logged.
func (w *logWriter) note(j *ClaimedJob, attempt int, message string) {
	line := LogLine{Job: j.ID, Type: j.Type, Phase: j.Phase, Attempt: attempt, At: w.srv.now(), Level: levelName(slog.LevelInfo), Message: message}
	w.mu.Lock()
	w.lines = append(w.lines, line)
	w.mu.Unlock()
}

// run writes lines until ctx ends.
func (w *logWriter) run(ctx context.Context) {
	w.srv.keepTrying(ctx, "write the log", w.full, func(ctx context.Context) (time.Duration, error) {
		return logEvery, w.write(ctx)
	})
}

// flush writes what is left.
func (w *logWriter) flush(ctx context.Context) {
	if err := w.write(ctx); err != nil {
		w.srv.atEnd("write the log", err)
	}
}

// drop forgets what is not written.
func (w *logWriter) drop() {
	w.mu.Lock()
	w.lines = nil
	w.mu.Unlock()
}

// write writes the lines that there are, once those are written, or given back, that are
// being written.
func (w *logWriter) write(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	w.mu.Lock()
	lines := w.lines
	w.lines = nil
	w.mu.Unlock()
	for len(lines) > 0 {
		n, size := 0, 0
		for n < min(len(lines), 500) && size < maxLogBytes {
			size += len(lines[n].Message) + len(lines[n].Fields)
			n++
		}
		err := w.srv.eng.store.AppendLogs(ctx, lines[:n])
		switch CodeOf(err) {
		case "", CodeRetry, CodeUnreachable, CodeUnknown:
		default: // one of them cannot be written: the others are not to wait for it
			for i := range lines[:n] {
				if bad := w.srv.eng.store.AppendLogs(ctx, lines[i:i+1]); bad != nil {
					w.srv.eng.log.Error("a line of a job's log is dropped", "job", lines[i].Job, "error", bad)
				}
			}
			err = nil
		}
		if err != nil {
			w.mu.Lock()
			w.lines = append(lines, w.lines...)
			w.mu.Unlock()
			return err
		}
		lines = lines[n:]
	}
	return nil
}

// Clip makes a text one that any database takes: valid UTF-8, n bytes at most.
func Clip(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}

// FieldWords writes the fields of a log line for people, by name: a=1 b="two words". They
// are a Raw, or what was given to Call.Log.
func FieldWords(fields any) string {
	var all map[string]json.RawMessage
	if raw, err := plainJSON(fields); err != nil || json.Unmarshal(raw, &all) != nil {
		return ""
	}
	words := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := string(all[name])
		var text string
		if json.Unmarshal(all[name], &text) == nil && text != "" && !strings.ContainsAny(text, " \t\n\"=") {
			value = text
		}
		words = append(words, name+"="+value)
	}
	return strings.Join(words, " ")
}
