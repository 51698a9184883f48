package hostlib

import (
	"errors"
	"io"
	"slices"
	"unsafe"

	"github.com/dsengine/dsengine/engine"
)

// Judge says of a failure, made of err, that another attempt cannot help, if it is an
// error of the language itself, such as for a key that a dict does not have, and another
// attempt would be given the same; so it is of a value that its column cannot hold, and of
// too many steps from the beginning on. What functions of the table say of their other errors stays, and what scripts say by
// error(...). row says that the script was at one row of a loop over rows.
func (c *Call) Judge(f *engine.Failure, err error, row bool) {
	var said *engine.Failure
	long := f.Code == "limit.steps" && c.Hook != nil && c.Hook.Job().Checkpoints == 0
	if (long || f.Code == "" && !errors.As(err, &said) || f.Code == "db.value") && c.settled(row) {
		f.Retryable = false
	}
}

// settled says that whatever the hook was given up to now, another attempt gets again,
// as far as anybody can tell: what the job has, and one local file. Files are replaced
// as a whole or written on at their end, so of one that is read line by line all but a
// last line without an end is there for good. Its end is not: what the whole of it lacks
// may come. The last batch is given when the end was met, and each of its rows is there
// for good all the same. Where there are two files, one may be there for what the other
// refers to, and come later.
func (c *Call) settled(row bool) bool {
	last := c.lastTurn > 0 && c.lastTurn == c.turn
	return c.Hook != nil && !c.varies && c.files <= 1 && (!c.ended || row && last)
}

// ends notes that a file that may be written on was read to its end, if err says so.
// Those that can be read only if they are whole (xlsx, parquet, xml, one JSON text, the
// files in an archive) are not noted.
func (c *Call) ends(in *input, err error) {
	c.ended = c.ended || err == io.EOF && in.local && !in.whole
}

// tells notes that a function that writes says what became of it, which is by what the
// database has: another attempt may be told something else. It need not be noted where
// the script makes nothing of it.
func (c *Call) tells(f *Func) {
	if f.Effect != Write || c.varies || c.Hook == nil {
		return
	}
	switch f.Returns {
	case "int", "bool", "stats":
		c.varies = !c.Lang.Drops(f.Name)
	}
}

// IsRow says whether a dict with these keys is a row of the local file that the hook has
// read last: what such a row does not have, the file does not have. Its keys are the very
// strings that the reader has made of the names of the columns: those of a dict from
// elsewhere, such as an answer, may only be equal to them.
func (c *Call) IsRow(keys []string) bool {
	return len(keys) > 0 && slices.EqualFunc(keys, c.columns, func(a, b string) bool {
		return a == b && (a == "" || unsafe.StringData(a) == unsafe.StringData(b))
	})
}
