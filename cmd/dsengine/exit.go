package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// exitCode is what the process ends with.
type exitCode int

// The exit codes. Of several, the first of 130, 1, 3, 4, 2 that applies.
const (
	exitDone        exitCode = 0
	exitFailed      exitCode = 1
	exitUsage       exitCode = 2
	exitUnreachable exitCode = 3
	exitJobFailed   exitCode = 4
	exitInterrupted exitCode = 130
)

const exitHelp = `Exit codes:
    0  done; also drained by SIGTERM
    1  it failed
    2  wrong usage; or, at the end of a run, a script did not load (the others ran; not
       with --once, unless it is the script of that job)
    3  the database cannot be reached, was not made yet or has no room, or its URL (--db,
       DSENGINE_DB) cannot be used
    4  a job failed during run --until-idle, run --once or enqueue --wait, or cannot end
       there; or the job of --once or --wait was cancelled
  130  interrupted: the first Ctrl-C lets running hooks end, the second kills at once`

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
	case err == nil:
		return exitDone
	case errors.As(err, &x):
		return x.code
	case ctx.Err() != nil && !(errors.Is(context.Cause(ctx), errTerminated) && engine.CodeOf(err) == engine.CodeUnreachable):
		return exitInterrupted
	}
	switch engine.CodeOf(err) {
	case engine.CodeUsage:
		return exitUsage
	case engine.CodeUnreachable, engine.CodeEmpty:
		return exitUnreachable
	}
	return exitFailed
}

// tell says what went wrong, and on the next line what to do about it.
func tell(ctx context.Context, env *Env, err error) {
	var x *exitError
	if errors.As(err, &x) {
		err = x.err
	}
	switch {
	case err == nil:
		return
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		env.say("dsengine: %v", context.Cause(ctx))
		return
	}
	env.say("dsengine: %s", strings.Join(strings.Fields(err.Error()), " "))
	if hint := engine.HintOf(err); hint != "" {
		env.say("%s", hint)
	}
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
	if name, _, found := strings.Cut(user, ":"); found {
		user = name + ":***"
	}
	return scheme + user + host
}

var (
	passwordOption = regexp.MustCompile(`(?i)([?&;](?:password|passwd|pass|pwd|secret|token)=)[^&;]*`)
	notAPort       = regexp.MustCompile(`^[^:/?]*:[^/?]*[^0-9/?][^/?]*`)
)
