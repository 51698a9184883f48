package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dsengine/dsengine/engine"
)

// payloadLines are the lines of a file of payloads, read one by one.
type payloadLines struct {
	name string // of the file; "-" for standard input
	size int64  // of the file; 0 when it is not known
	file io.Closer
	r    *bufio.Reader
	line int    // number of the last line that was read
	bad  int    // of the line that is no payload; 0: none so far
	read int64  // bytes so far
	like string // the other flags of the command, for one that goes on
}

func openPayloads(env *Env, name string) (*payloadLines, error) {
	if name == "-" {
		return &payloadLines{name: name, r: bufio.NewReaderSize(env.Stdin, 1<<16)}, nil
	}
	f, err := openNamed(env, "payloads", name)
	if err != nil {
		return nil, err
	}
	l := &payloadLines{name: name, file: f, r: bufio.NewReaderSize(f, 1<<16)}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		l.size = info.Size()
	}
	return l, nil
}

// Close closes the file.
func (l *payloadLines) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// next is the next payload, or io.EOF. Empty lines are passed over.
func (l *payloadLines) next() (engine.Raw, error) {
	for {
		text, err := l.readLine()
		if err != nil {
			return nil, err
		}
		text = bytes.TrimSpace(text)
		if l.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		}
		if len(text) == 0 {
			continue
		}
		if err := whyNoJSON(text); err != nil {
			l.bad = l.line
			return nil, usage("line %d of %s is no JSON: %v", l.line, l.title(), err)
		}
		return text, nil
	}
}

// readLine is the next line, its end included.
func (l *payloadLines) readLine() ([]byte, error) {
	var line []byte
	l.line++
	for {
		part, err := l.r.ReadSlice('\n')
		line = append(line, part...)
		l.read += int64(len(part))
		switch {
		case len(line) > engine.MaxPayload+2:
			l.bad = l.line
			return nil, usage("line %d of %s is too long: a payload has at most %s bytes", l.line, l.title(), humanize.Comma(engine.MaxPayload))
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(line) > 0:
			return line, nil
		case err != nil && err != io.EOF:
			return nil, engine.Wrapf(engine.CodeInternal, err, "read %s", l.title())
		}
		return line, err
	}
}

func (l *payloadLines) title() string {
	if l.name == "-" {
		return "standard input"
	}
	return l.name
}

// enqueueBatch bounds how many jobs, and how many bytes of them, one
// transaction makes.
const (
	enqueueBatch = 5000
	enqueueBytes = 16 << 20
)

// enqueueLines makes a job of each line, as many in a transaction as
// enqueueBatch says. An error says what was made before it, and how to go on.
func enqueueLines(ctx context.Context, env *Env, g *globals, eng *engine.Engine, show progress, like engine.NewJob, lines *payloadLines) error {
	var made int64
	var batch []engine.NewJob
	bytes, begun, unsure := 0, 0, 0 // begun: the last line that was made a job, or passed over
	flush := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(batch) > 0 {
			lasting, done := lingering(ctx, env.Clock)
			_, err := eng.Enqueue(lasting, batch...)
			done()
			if engine.CodeOf(err) == engine.CodeUnknown {
				unsure = lines.line
			}
			if err != nil {
				return err
			}
			made += int64(len(batch))
		}
		begun, batch, bytes = lines.line, batch[:0], 0
		show.show([]gauge{{Name: "enqueue " + like.Type, Done: made, Total: lines.estimate(made), About: lines.read < lines.size}}, 0)
		return nil
	}
	err := func() error {
		for {
			payload, err := lines.next()
			if err != nil {
				last := lines.line
				lines.line--
				if ferr := flush(); ferr != nil {
					return ferr
				}
				if lines.line = last; err == io.EOF {
					return nil
				}
				return err
			}
			job := like
			job.Payload = payload
			batch = append(batch, job)
			if bytes += len(payload); len(batch) == enqueueBatch || bytes > enqueueBytes {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}()
	show.close()
	switch {
	case err != nil && ctx.Err() != nil:
		env.say("dsengine: %v: %s", context.Cause(ctx), lines.soFar(made, begun, unsure, like.Type))
		return exit(exitInterrupted)
	case err != nil:
		return stopped(err, lines.soFar(made, begun, unsure, like.Type))
	case g.json():
		return printJSON(env.Stdout, map[string]int64{"count": made})
	}
	p := printer{w: env.Stdout}
	p.line("%d", made)
	return p.err
}

// stopped adds to an error what was done before it.
func stopped(err error, soFar string) error {
	code := engine.CodeOf(err)
	var e *engine.Error
	if code == "" || !errors.As(err, &e) {
		code = engine.CodeInternal
	}
	return engine.Wrapf(code, err, "%s", "enqueue").WithHint("%s", soFar)
}

// linger is for how long a batch may go on that is under way when the command is
// interrupted: to its end, so that it is known which lines were made jobs.
const linger = 5 * time.Second

// lingering gives a context that ends so long after ctx.
func lingering(ctx context.Context, clock engine.Clock) (context.Context, func()) {
	lasting, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	undo := context.AfterFunc(ctx, func() {
		clock.After(linger, func() { stop(context.Cause(ctx)) })
	})
	return lasting, func() { undo(); stop(nil) }
}

// soFar says how many jobs were made, to the line begun, and how to make the others. Of
// the lines behind it up to unsure, if that is not 0, it is not known.
func (l *payloadLines) soFar(made int64, begun, unsure int, typ string) string {
	s := "no job was enqueued before it"
	if made > 0 {
		s = plural(made, "job was", "jobs were") + " enqueued before it (to line " + fmt.Sprint(begun) + ")"
	}
	goOn := func(line string) string {
		if l.name == "-" {
			return fmt.Sprintf("begin with line %s of the input", line)
		}
		return fmt.Sprintf("tail -n +%s %s | dsengine enqueue %s --payloads -%s", line, quotedWord(l.name), typ, l.like)
	}
	switch {
	case unsure > 0:
		return s + fmt.Sprintf("; lines %d to %d may have been made jobs, all of them or none: the newest job, shown by dsengine jobs list --type %s --limit 1 -o json, has the payload of line %[2]d if they were. Then LINE is %[4]d, else %[1]d, to go on: %[5]s",
			begun+1, unsure, typ, unsure+1, goOn("LINE"))
	case made == 0:
		return s
	case l.bad > 0:
		return s + fmt.Sprintf("; mend line %d, then: %s", l.bad, goOn(fmt.Sprint(begun+1)))
	}
	return s + "; to go on: " + goOn(fmt.Sprint(begun+1))
}

// estimate is how many lines there are, by the size of those so far; 0 when it
// is not known.
func (l *payloadLines) estimate(made int64) int64 {
	if l.size == 0 || l.read == 0 {
		return 0
	}
	if l.read >= l.size {
		return made
	}
	return max(made, int64(float64(made)*float64(l.size)/float64(l.read)))
}
