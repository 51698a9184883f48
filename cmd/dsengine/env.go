package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Env is all that a command knows of the outside.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer // data, and nothing else
	Stderr io.Writer // all else
	// Lookup reads the environment.
	Lookup func(name string) (string, bool)
	// Environ is all of it, NAME=value.
	Environ func() []string
	// Dir is what relative paths start from; "" is the process's own folder.
	Dir string
	// IsTerminal says whether one of the three streams is a terminal.
	IsTerminal func(stream any) bool
	Clock      engine.Clock
	// Secrets are struck out of what is said; nil knows none.
	Secrets     *engine.Secrets
	secretFiles secretFiles
	// Given are the settings of the command line that decide which database, scripts
	// and files are meant, for what hints say to type.
	Given []givenFlag
	// Program is how a person calls the program, for what hints say to type; ""
	// is dsengine.
	Program string
}

// typed finds commands in a text.
var typed = regexp.MustCompile(`\bdsengine (run|enqueue|backfill|jobs|logs|types|windows|servers|migrate|doctor|rejects|vars|state|test|check|docs|fmt|new|plan|replay)\b`)

// givenFlag is a flag of the command line, as a shell is given it.
type givenFlag struct{ name, words string }

// calls has the commands in a text begin as the program was called, so that they are
// about the same database, scripts and files.
func (e *Env) calls(text string) string {
	if (e.Program == "" || e.Program == "dsengine") && len(e.Given) == 0 {
		return text
	}
	return typed.ReplaceAllStringFunc(text, func(s string) string {
		_, command, _ := strings.Cut(s, " ")
		words := cmp.Or(e.Program, "dsengine")
		for _, f := range e.Given {
			if withoutDatabase[command] && (f.name == "db" || f.name == "prefix") {
				continue
			}
			words += " " + f.words
		}
		return words + " " + command
	})
}

// withoutDatabase are the commands that work on scripts alone; of test, --db is another
// server.
var withoutDatabase = map[string]bool{"test": true, "check": true, "fmt": true, "docs": true, "new": true}

// path is where a file is that a person named.
func (e *Env) path(p string) string {
	if e.Dir == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(e.Dir, p)
}

// lookup reads the environment; an empty variable is none.
func (e *Env) lookup(name string) (string, bool) {
	v, ok := e.Lookup(name)
	return v, ok && v != ""
}

// colour says whether a stream may be coloured.
func (e *Env) colour(stream any) bool {
	_, no := e.lookup("NO_COLOR")
	return !no && e.IsTerminal(stream)
}

// drawsOn says whether something can be drawn on a stream that changes.
func (e *Env) drawsOn(stream any) bool {
	if !e.IsTerminal(stream) {
		return false
	}
	term, _ := e.lookup("TERM")
	return term != "dumb"
}

// say writes a line for a person, beside the data.
func (e *Env) say(format string, args ...any) {
	fmt.Fprintln(e.Stderr, e.told(fmt.Sprintf(format, args...)))
}

// told is a text for a person, without secrets.
func (e *Env) told(text string) string { return e.Secrets.Strike(strike(e.calls(text))) }

// wait waits for d, or for the end of ctx; false means that ctx ended.
func (e *Env) wait(ctx context.Context, d time.Duration) bool {
	done := make(chan struct{})
	t := e.Clock.After(d, func() { close(done) })
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-done:
		return true
	}
}
