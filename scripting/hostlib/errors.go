package hostlib

import (
	"errors"
	"io"
	"io/fs"

	"github.com/dsengine/dsengine/engine"
)

// Errorf makes an error for a script: a code such as "file.missing", or "",
// and a message that speaks to the script's author. A mistake in the script
// itself is not tried again.
func Errorf(code, format string, args ...any) *engine.Failure {
	f := engine.Errorf("", format, args...)
	return &engine.Failure{Kind: engine.KindError, Code: code, Message: f.Message, Retryable: !mistake(code)}
}

// codeIs says whether err has the code.
func codeIs(err error, code string) bool {
	var f *engine.Failure
	return errors.As(err, &f) && f.Code == code
}

// mistake says whether a code is one of mistakes in the script or its settings,
// which another attempt meets again, whatever it reads.
func mistake(code string) bool {
	switch code {
	case "usage", "needs", "needs.refused", "file.path", "json.path", "xml.path", "re.syntax":
		return true
	}
	return false
}

// Raised is an error that the script raised itself, or that a function of the
// script gave back to a host function. It is passed on as it is.
type Raised struct {
	Err error
	At  Spot // of the row for which the function ran; zero: that is not known
}

// Error is the message.
func (r *Raised) Error() string { return r.Err.Error() }

// Unwrap is the error that was raised.
func (r *Raised) Unwrap() error { return r.Err }

// RaisedAt is where the row is for which a function ran that raised an error; false
// if that is not known.
func RaisedAt(err error) (Spot, bool) {
	var r *Raised
	for errors.As(err, &r) {
		if r.At != (Spot{}) {
			return r.At, true
		}
		err = r.Err
	}
	return Spot{}, false
}

// Decided says whether err is no failure of the script: a verdict, or what
// ends a hook from outside. Such errors are passed on as they are.
func Decided(err error) bool {
	var v *engine.Verdict
	if errors.As(err, &v) {
		return true
	}
	for _, stop := range []error{engine.ErrLost, engine.ErrDrained, engine.ErrCancelled} {
		if errors.Is(err, stop) {
			return true
		}
	}
	return false
}

// EndsTest says whether err is that by which a function of t has ended a test.
func EndsTest(err error) bool {
	var end interface{ EndsTest() }
	return errors.As(err, &end)
}

// FailureOf gives any error but the Decided ones as a Failure, with a code.
func FailureOf(err error) *engine.Failure {
	var f *engine.Failure
	if errors.As(err, &f) {
		return f
	}
	message := err.Error()
	if hint := engine.HintOf(err); hint != "" {
		message += " (" + hint + ")"
	}
	code := codeOf(err)
	return &engine.Failure{Kind: engine.KindError, Code: code, Message: message, Retryable: !mistake(code), Cause: err}
}

// codeOf is the word by which scripts tell errors apart.
func codeOf(err error) string {
	var syn *SyntaxError
	switch code := engine.CodeOf(err); {
	case errors.As(err, &syn):
		return "json.syntax"
	case code == engine.CodeUsage:
		return "usage"
	case code != "":
		return "db." + string(code)
	case errors.Is(err, fs.ErrNotExist):
		return "file.missing"
	case errors.Is(err, fs.ErrPermission):
		return "file.denied"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "file.truncated"
	}
	return ""
}

// within puts the name of the function before the message.
func within(name string, err error) error {
	var raised *Raised
	if err == nil || err == io.EOF || errors.As(err, &raised) || Decided(err) {
		return err
	}
	f := *FailureOf(err)
	f.Message, f.Cause = name+": "+f.Message, err
	return &f
}
