package luascript

import (
	"errors"
	"strings"

	"github.com/dsengine/dsengine/scripting/luascript/luasyntax"
)

// Format gives a script the form that all scripts have; see luasyntax.Format. The error
// is a *hostlib.LoadError: the script cannot be read.
func Format(shown string, source []byte) ([]byte, error) {
	f := &file{path: shown, shown: shown, source: source}
	if err := f.compile(false, false); err != nil {
		f.wrong(err)
		return nil, f.errs[0]
	}
	text, err := luasyntax.Format(strings.TrimPrefix(string(source), byteOrderMark))
	var e *luasyntax.Error
	if errors.As(err, &e) {
		f.fail(place{e.Line, e.Column}, "it cannot be formatted, though it may run: %s", e.Message)
		return nil, f.errs[0]
	}
	return []byte(text), err
}
