package hostlib

import (
	"errors"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// Judge says of a failure, made of err, that another attempt cannot help, if it is an
// error of the language itself, such as for a key that a dict does not have, and another
// attempt would be given the same. What functions of the table say of their errors stays,
// and what scripts say by error(...).
func (c *Call) Judge(f *engine.Failure, err error) {
	var said *engine.Failure
	if f.Code == "" && !errors.As(err, &said) && c.settled() {
		f.Retryable = false
	}
}

// settled says that whatever the hook was given up to now, another attempt gets again,
// as far as anybody can tell: what the job has, and one local file. Files are replaced
// as a whole or written on at their end, so of one that is read line by line all but a
// last line without an end is there for good. Where there are two, one may be there for
// what the other refers to, and come later.
func (c *Call) settled() bool { return c.Hook != nil && !c.varies && c.opened <= 1 }

// IsRow says whether a dict with these keys is as the rows of the local file are that
// the hook has read last: what such a row does not have, the file does not have.
func (c *Call) IsRow(keys []string) bool { return len(keys) > 0 && slices.Equal(keys, c.columns) }
