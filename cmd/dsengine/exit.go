package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
)

// exitCode is what the process ends with.
type exitCode int

// The exit codes. Of several, the first of 141, 130, 1, 3, 4, 2 that applies.
const (
	exitDone        exitCode = 0
	exitFailed      exitCode = 1
	exitUsage       exitCode = 2
	exitUnreachable exitCode = 3
	exitJobFailed   exitCode = 4
	exitInterrupted exitCode = 130
	exitUnheard     exitCode = 141
)

const exitHelp = `Exit codes:
    0  done; also drained by SIGTERM or SIGHUP
    1  it failed
    2  wrong usage, also where what was named is not there: a job, a type, a file (but 1
       where vars, state or records has no such value); or, at the end of a run, a script did
       not load (the others ran; not with --once, unless it is the script of that job)
    3  the database cannot be reached, was not made yet or has no room, or its URL (--db,
       DSENGINE_DB) cannot be used
    4  a job failed during run --until-idle, run --once or enqueue --wait, or cannot end
       there; or the job of --once or --wait was cancelled
  130  interrupted: the first Ctrl-C lets running hooks end, the second kills at once
  141  nobody reads its output any more, as in | head: it has stopped as SIGTERM stops it`

// exitError ends the program with a code. Without an error there is nothing
// left to say.
type exitError struct {
	code exitCode
	err  error
}

// Error is the error's message.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

// Unwrap is the error.
func (e *exitError) Unwrap() error { return e.err }

// exit ends the program with a code and nothing more to say.
func exit(code exitCode) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code: code}
}

// usage is an error about how the program was called.
func usage(format string, args ...any) *engine.Error {
	return engine.Errorf(engine.CodeUsage, format, args...)
}

// codeOf is what the process ends with after err.
func codeOf(ctx context.Context, err error) exitCode {
	var x *exitError
	switch {
	case errors.Is(context.Cause(ctx), errUnheard):
		return exitUnheard
	case err == nil:
		return exitDone
	case errors.As(err, &x):
		return x.code
	case ctx.Err() != nil && !(errors.Is(context.Cause(ctx), errTerminated) && engine.CodeOf(err) == engine.CodeUnreachable):
		return exitInterrupted
	}
	switch engine.CodeOf(err) {
	case engine.CodeUsage, engine.CodeNotFound:
		return exitUsage
	case engine.CodeUnreachable, engine.CodeEmpty:
		return exitUnreachable
	}
	return exitFailed
}

// tell says what went wrong, and on the next line what to do about it; with -o json
// as one object on one line.
func tell(ctx context.Context, env *Env, err error, asJSON bool) {
	code := codeOf(ctx, err)
	var x *exitError
	if errors.As(err, &x) {
		err = x.err
	}
	if err == nil || code == exitUnheard && (errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled) || errors.Is(err, errUnheard)) {
		return
	}
	t := toldError{Code: errorCode(code, err), Message: strings.Join(strings.Fields(err.Error()), " ")}
	var unloaded *notLoaded
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
		t.Message = context.Cause(ctx).Error()
	} else {
		t.Hint = optional(engine.HintOf(err))
		if errors.As(err, &unloaded) {
			t.NotLoaded = unloaded.why
		}
	}
	if asJSON {
		t.print(env)
		return
	}
	for _, e := range t.NotLoaded {
		env.say("%s", e)
	}
	env.say("dsengine: %s", t.Message)
	if t.Hint != nil {
		env.say("%s", *t.Hint)
	}
}

// toldError is an error as JSON.
type toldError struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Hint    *string `json:"hint"`
	// NotLoaded says why the script does not load that the error is about.
	NotLoaded []*scripting.LoadError `json:"not_loaded,omitempty"`
}

func (t toldError) print(env *Env) {
	t.Message = env.told(t.Message)
	if t.Hint != nil {
		hint := env.told(*t.Hint)
		t.Hint = &hint
	}
	for i, e := range t.NotLoaded {
		c := *e
		c.Message = env.told(c.Message)
		t.NotLoaded[i] = &c
	}
	line, err := marshal(map[string]toldError{"error": t})
	if err == nil {
		_, _ = fmt.Fprintf(env.Stderr, "%s\n", line)
	}
}

// errorCode is a word for an error that ends the program with a code: as the engine
// has it, where it does not say otherwise than the code.
func errorCode(code exitCode, err error) string {
	c := engine.CodeOf(err)
	switch {
	case code == exitInterrupted:
		return "interrupted"
	case code == exitUsage && c != engine.CodeNotFound:
		return string(engine.CodeUsage)
	case code == exitUnreachable && c != engine.CodeEmpty:
		return string(engine.CodeUnreachable)
	case code == exitFailed && c == engine.CodeUsage, c == "":
		return "failed"
	}
	return string(c)
}

// password finds what stands between the user and the last @ of a URL.
var password = regexp.MustCompile(`(://[^:/@\s"']*:)[^\s"']*@`)

// strike strikes out the passwords of URLs.
func strike(s string) string {
	return password.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasSuffix(m, ":password@") {
			return m // of an example
		}
		return password.ReplaceAllString(m, "${1}***@")
	})
}

// shownURL is a database URL to be shown: whatever may be a password is struck
// out of it, also where it cannot be read as a URL.
func shownURL(url string) string {
	url = passwordOption.ReplaceAllString(url, "${1}***")
	scheme, rest, slashes := strings.Cut(url, "://")
	if slashes {
		scheme += "://"
	} else if scheme, rest = "", url; strings.HasPrefix(url, "mysql:") || strings.HasPrefix(url, "sqlite:") {
		scheme, rest, _ = strings.Cut(url, ":")
		scheme += ":"
	}
	if scheme == "sqlite:" {
		return url
	}
	user, host := "", rest
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, host = rest[:at], rest[at:]
	} else if m := notAPort.FindString(rest); m != "" { // the @ was forgotten
		user, host = m, rest[len(m):]
	}
	if name, password, _ := strings.Cut(user, ":"); password != "" {
		user = name + ":***"
	}
	return scheme + user + host
}

var (
	passwordOption = regexp.MustCompile(`(?i)([?&;](?:password|passwd|pass|pwd|secret|token)=)[^&;]*`)
	notAPort       = regexp.MustCompile(`^[^:/?]*:[^/?]*[^0-9/?][^/?]*`)
)
