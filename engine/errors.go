package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code says in one word what kind of fault an Error is; callers branch on it.
type Code string

// The codes.
const (
	CodeUsage       Code = "usage"       // the caller asked for something that cannot be
	CodeNotFound    Code = "not_found"   // no such job, type, server
	CodeConflict    Code = "conflict"    // it is not in a state that allows this
	CodeUnreachable Code = "unreachable" // the database does not answer
	CodeConnection  Code = "connection"  // another database that scripts reach lets nobody in, or is not there: to wait is no help
	CodeEmpty       Code = "empty"       // the database has no tables yet
	CodeSchema      Code = "schema"      // tables are missing, or newer than the program
	CodeUnsupported Code = "unsupported" // the database lacks something the engine needs
	CodeRetry       Code = "retry"       // a dead-lock, a lock time-out or a lost connection: run it again
	CodeUnknown     Code = "unknown"     // the answer to a COMMIT was lost
	CodeLost        Code = "lost"        // the claim is no longer ours
	CodeInternal    Code = "internal"    // a fault of the engine's own
)

// Error is a fault with a code and, where one is known, what to do about it.
type Error struct {
	Code    Code
	Message string
	Hint    string // what to do, as a sentence; may be empty
	Cause   error  // may be nil
}

// Error is the message, with its cause last.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error of the code.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrapf makes an Error of the code around a cause; the format is for the message alone.
func Wrapf(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// WithHint adds what to do about it.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// CodeOf is the code of the first Error in err's chain, or "".
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// HintOf is the first hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Cause
	}
	return ""
}

// Kind says why an attempt failed.
type Kind string

// The kinds of a failed attempt.
const (
	KindError   Kind = "error"   // the hook raised, or a function it called did
	KindTimeout Kind = "timeout" // the hook ran longer than it may
	KindLimit   Kind = "limit"   // steps, memory or another bound
	KindLost    Kind = "lost"    // its process was lost too often
	KindRejects Kind = "rejects" // too many rows were rejected
	KindPurged  Kind = "purged"  // a person freed it as stuck
)

// LossCode is the code of a Failure that tells of a process that was lost while
// it had the job: no attempt failed by that.
const LossCode = "loss"

// Failure is how an attempt failed: what the fail hook is given, what is kept,
// and what jobs show prints. As an error it is what a hook returns to fail.
type Failure struct {
	Message    string        `json:"message"`
	Kind       Kind          `json:"kind"`
	Code       string        `json:"code,omitempty"` // "db.duplicate", "file.missing"; empty when unknown
	Phase      Phase         `json:"phase,omitempty"`
	Attempt    int           `json:"attempt"`
	Final      bool          `json:"final"`     // no attempt follows, unless the fail hook says so
	Retryable  bool          `json:"retryable"` // false: trying again cannot help
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	Backtrace  string        `json:"backtrace,omitempty"` // file, line, column and call stack

	// Wait says that RetryAfter was given, be it zero.
	Wait bool `json:"wait,omitempty"`
	// Row is the number of the row that was to be written which it is about, from 1;
	// 0: it is about none. Not stored.
	Row int64 `json:"-"`
	// Key is what that row has in the columns of the key by which rows are written, as it
	// is shown: id = 5. Not stored.
	Key string `json:"-"`
	// Cause is what the failure was made from; not stored.
	Cause error `json:"-"`
}

// Error is the message.
func (f *Failure) Error() string { return f.Message }

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Hopeless says that another attempt would meet the same error: the hook did not
// give up by itself, and there may have been attempts left.
func (f *Failure) Hopeless() bool {
	return f.Kind == KindError && !f.Retryable && f.Code != "fail" && f.Code != "internal"
}

// AsFailure turns any error of a hook into a Failure; one that is a Failure
// already comes back as a copy.
func AsFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		c := *f
		if c.Kind == "" {
			c.Kind = KindError
		}
		return &c
	}
	return &Failure{Message: err.Error(), Kind: KindError, Retryable: true, Cause: err}
}

// Bounds of what is kept of a failure, in bytes: any database takes that much.
const (
	maxMessage   = 16 << 10
	maxCode      = 100
	maxBacktrace = 64 << 10
)

// bounded is a failure that any database takes. Secrets must have been struck
// out: one that is cut off would not be found.
func (f *Failure) bounded() *Failure {
	if f == nil {
		return nil
	}
	c := *f
	c.Message, c.Code = Clip(c.Message, maxMessage), Clip(c.Code, maxCode)
	if n := len(c.Backtrace); n > maxBacktrace { // what matters most is at its end
		c.Backtrace = c.Backtrace[:maxBacktrace/2] + "\n...\n" + c.Backtrace[n-maxBacktrace/2:]
	}
	c.Backtrace = Clip(c.Backtrace, maxBacktrace+10)
	return &c
}

// Verdict is an error by which a hook ends itself on purpose: ctx.retry,
// ctx.snooze, ctx.cancel and ctx.fail. No catch holds it.
type Verdict struct {
	Event  Event         // Retried, Snoozed, Withdrawn or GaveUp
	After  time.Duration // for Retried and Snoozed
	Wait   bool          // After was given
	Reason string
	// Backtrace is where the hook decided so, if that is known.
	Backtrace string
}

// Error says which verdict it is, and why.
func (v *Verdict) Error() string {
	word := map[Event]string{Retried: "retry", Snoozed: "snooze", Withdrawn: "cancel", GaveUp: "fail"}[v.Event]
	if v.Reason == "" {
		return "ctx." + word
	}
	return "ctx." + word + ": " + v.Reason
}

// Raw is a JSON value as text, or nil for none.
type Raw = json.RawMessage

// LockedError says that a store has done all but what it names: other transactions
// hold rows of these jobs, or of their keys, for longer than is waited for. It is to
// be tried again.
type LockedError struct{ Jobs []JobID }

// Error names some of the jobs.
func (e *LockedError) Error() string {
	if n := len(e.Jobs); n > 3 {
		return fmt.Sprintf("another transaction holds rows of jobs %d, %d, %d and %d more, or of their keys", e.Jobs[0], e.Jobs[1], e.Jobs[2], n-3)
	}
	return "another transaction holds rows of job " + strings.Trim(strings.ReplaceAll(fmt.Sprint(e.Jobs), " ", ", "), "[]") + ", or of its key"
}
