package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dsengine/dsengine/engine"
)

// logsOptions say whose lines to show.
type logsOptions struct {
	Of     string // a type, a job's id, or "" for all
	Follow bool
	Limit  int
}

// logLine is a line as JSON.
type logLine struct {
	Type string `json:"type"`
	engine.LogLine
}

func newLogs(env *Env, g *globals) *cobra.Command {
	o := logsOptions{Limit: 100}
	c := &cobra.Command{
		Use:   "logs [TYPE or ID]",
		Short: "Show what jobs logged",
		Long: `Show what jobs logged, the newest lines last.

With -f it goes on until it is interrupted, across all attempts; for one job it ends when
the job is final. As JSON it prints one array, or with -f one object a line.`,
		Example: `  dsengine logs
  dsengine logs airports --limit 1000
  dsengine logs 42 -f`,
		ValidArgsFunction: completeTypes(env, g),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Of = args[0]
				args = args[1:]
			}
			if err := arguments()(c, args); err != nil {
				return err
			}
			err := runLogs(c.Context(), env, g, o)
			if o.Follow && errors.Is(context.Cause(c.Context()), errTerminated) {
				return nil // it was to go on until then
			}
			return err
		},
	}
	o.flags(c.Flags())
	return c
}

func (o *logsOptions) flags(f *pflag.FlagSet) {
	f.BoolVarP(&o.Follow, "follow", "f", false, "go on with new lines")
	numberFlag(f, &o.Limit, "limit", 1, "the last so many lines: a `number` (default 100)")
}

func runLogs(ctx context.Context, env *Env, g *globals, o logsOptions) error {
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toLook)
	if err != nil {
		return err
	}
	defer done()
	l := logReader{env: env, store: eng.Store(), names: map[engine.TypeID]string{}, seen: map[int64]bool{}, json: g.json()}
	if id, err := strconv.ParseInt(o.Of, 10, 64); err == nil {
		l.job = engine.JobID(id)
		if _, err := l.store.Job(ctx, l.job); err != nil {
			return err
		}
	} else if o.Of != "" {
		t, err := typeNamed(ctx, eng, o.Of)
		if err != nil {
			return err
		}
		l.typ = t.ID
	}
	lines, err := l.store.Logs(ctx, l.job, l.typ, 0, true, o.Limit)
	if err == nil {
		lines, err = l.withFailures(ctx, lines)
	}
	if err != nil {
		return err
	}
	if o.Follow {
		return l.follow(ctx, lines)
	}
	return l.list(ctx, lines)
}

// logReader shows lines of a job, a type, or all.
type logReader struct {
	env   *Env
	store engine.Store
	job   engine.JobID
	typ   engine.TypeID
	names map[engine.TypeID]string
	last  int64 // the highest number that was shown
	seen  map[int64]bool
	tried int // attempts of the job that were looked at
	json  bool
}

func (l *logReader) list(ctx context.Context, lines []engine.LogLine) error {
	if l.json {
		all := make([]logLine, len(lines))
		for i, line := range lines {
			all[i] = logLine{l.name(ctx, line.Type), line}
		}
		return printJSON(l.env.Stdout, all)
	}
	if len(lines) == 0 {
		l.env.say("nothing was logged")
	}
	if err := l.print(ctx, lines); err != nil || l.typ == 0 {
		return err
	}
	types, err := l.store.Types(ctx)
	for _, t := range types {
		if t.ID == l.typ && t.Counts.Failed > 0 {
			l.env.say("why jobs failed: dsengine jobs list --type %s --status failed", t.Name)
		}
	}
	return err
}

// logOverlap is how many numbers are read again: a line that got a lower number
// may be committed later.
const logOverlap = 1000

// follow shows lines as they come, until the job is final or ctx ends.
func (l *logReader) follow(ctx context.Context, lines []engine.LogLine) error {
	oldest := int64(0)
	for _, line := range lines {
		if line.ID > 0 {
			oldest = line.ID - 1
			break
		}
	}
	final, rounds := false, 0
	for {
		if err := l.print(ctx, lines); err != nil {
			return err
		}
		// Lines are written a moment after the job's end.
		if rounds++; final && rounds > 3 {
			return nil
		}
		if l.job != 0 && !final {
			j, err := l.store.Job(ctx, l.job)
			if err != nil && !passing(err) {
				return err
			}
			if err == nil && j.Status.Final() {
				final, rounds = true, 0
			}
		}
		if !l.env.wait(ctx, 250*time.Millisecond) {
			return context.Cause(ctx)
		}
		var err error
		if lines, err = l.store.Logs(ctx, l.job, l.typ, max(oldest, l.last-logOverlap), false, 2*logOverlap); err == nil {
			lines, err = l.withFailures(ctx, lines)
		}
		if err != nil && !passing(err) {
			return err
		}
	}
}

// withFailures adds a line for each attempt of the job that failed and was not
// told yet.
func (l *logReader) withFailures(ctx context.Context, lines []engine.LogLine) ([]engine.LogLine, error) {
	if l.job == 0 {
		return lines, nil
	}
	j, err := l.store.Job(ctx, l.job)
	if err != nil {
		return nil, err
	}
	attempts, err := l.store.Attempts(ctx, l.job)
	if err != nil {
		return nil, err
	}
	for _, a := range attempts[min(l.tried, len(attempts)):] {
		if a.Failure == nil {
			continue
		}
		fields, err := marshal(map[string]string{"at": places(a.Failure.Backtrace)})
		if err != nil {
			return nil, err
		}
		lines = append(lines, engine.LogLine{
			Job: a.Job, Type: j.TypeID, Phase: a.Phase, Attempt: a.Attempt, At: a.FinishedAt, Level: "error",
			Message: "the attempt failed: " + a.Failure.Message, Fields: fields,
		})
	}
	l.tried = len(attempts)
	slices.SortStableFunc(lines, func(a, b engine.LogLine) int { return a.At.Compare(b.At) })
	return lines, nil
}

// passing says whether an error may be gone at the next try.
func passing(err error) bool {
	code := engine.CodeOf(err)
	return code == engine.CodeRetry || code == engine.CodeUnreachable
}

// print shows the lines that were not shown yet.
func (l *logReader) print(ctx context.Context, lines []engine.LogLine) error {
	p := &printer{w: l.env.Stdout}
	for _, line := range lines {
		if l.seen[line.ID] {
			continue
		}
		l.seen[line.ID] = line.ID != 0 // 0: made here
		l.last = max(l.last, line.ID)
		if !l.json {
			p.line("%s", logText(line, l.name(ctx, line.Type)))
			continue
		}
		b, err := marshal(logLine{l.name(ctx, line.Type), line})
		if err != nil {
			return err
		}
		p.line("%s", b)
	}
	if len(l.seen) > 4*logOverlap {
		maps.DeleteFunc(l.seen, func(id int64, _ bool) bool { return id < l.last-logOverlap })
	}
	return p.err
}

// name is a type's name.
func (l *logReader) name(ctx context.Context, id engine.TypeID) string {
	if l.names[id] == "" {
		types, err := l.store.Types(ctx)
		if err != nil {
			return ""
		}
		for _, t := range types {
			l.names[t.ID] = t.Name
		}
	}
	return l.names[id]
}

// logText is a line for people; with a type it names the job.
func logText(l engine.LogLine, typ string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-5s ", l.At.UTC().Format("2006-01-02 15:04:05.000"), strings.ToUpper(l.Level))
	if typ != "" {
		fmt.Fprintf(&b, "%s %d ", clean(typ), l.Job)
	}
	fmt.Fprintf(&b, "%s/%d  %s", l.Phase, l.Attempt, strings.ReplaceAll(clean(l.Message), "\n", "\n    "))
	if words := engine.FieldWords(l.Fields); words != "" {
		b.WriteString(" " + clean(words))
	}
	return b.String()
}
