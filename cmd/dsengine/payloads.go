package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
		var v json.RawMessage
		if err := json.Unmarshal(text, &v); err != nil {
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
// enqueueBatch says. An error says what was made before it.
func enqueueLines(ctx context.Context, env *Env, g *globals, eng *engine.Engine, show progress, like engine.NewJob, lines *payloadLines) error {
	var made int64
	var batch []engine.NewJob
	bytes, begun := 0, 0 // begun: the last line that was made a job, or passed over
	flush := func() error {
		if len(batch) > 0 {
			if _, err := eng.Enqueue(ctx, batch...); err != nil {
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
		env.say("dsengine: %v: %s", context.Cause(ctx), lines.soFar(made, begun, like.Type))
		return exit(exitInterrupted)
	case err != nil:
		return stopped(err, lines.soFar(made, begun, like.Type))
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

// soFar says how many jobs were made, and how to make the others.
func (l *payloadLines) soFar(made int64, begun int, typ string) string {
	if made == 0 {
		return "no job was enqueued before it"
	}
	s := plural(made, "job was", "jobs were") + " enqueued before it (to line " + fmt.Sprint(begun) + ")"
	first := "to go on"
	if l.bad > 0 {
		first = fmt.Sprintf("mend line %d, then", l.bad)
	}
	if l.name == "-" {
		return s + fmt.Sprintf("; %s: begin with line %d of the input", first, begun+1)
	}
	return s + fmt.Sprintf("; %s: tail -n +%d %s | dsengine enqueue %s --payloads -%s", first, begun+1, quotedWord(l.name), typ, l.like)
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
