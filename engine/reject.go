package engine

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Rejection is an input row that a script refuses.
type Rejection struct {
	Row    Raw    // the row as JSON
	Reason string // why, for people
	Source string // where it came from: a path, a URL; "" if that is not known
	Line   int64  // its line there, from 1; 0 if that is not known
	// WholeItem says that the row is all that the job works on; Call.Reject finds out.
	WholeItem bool
	// Cut says that the row was too large: Row is a string with its beginning.
	Cut bool
}

// Bounds of what is kept of rejects.
const (
	MaxRejectRow    = 1 << 20 // of one row, in bytes of JSON; of a larger one the beginning is kept
	maxRejectReason = 1000    // bytes of a reason, and of a source
	cutRejectRow    = 1000    // bytes that are kept of a row that is too large
)

// Reject sets a row aside: it is kept with its reason, and counted as rejected,
// when the job commits.
func (c *Call) Reject(r Rejection) error {
	if !json.Valid(r.Row) {
		return c.misuse("the row is no JSON")
	}
	r.bound()
	c.pend.rejects = append(c.pend.rejects, r)
	c.Count("rejected", 1)
	return nil
}

// bound cuts what is too large.
func (r *Rejection) bound() {
	r.Reason, r.Source = cutText(r.Reason, maxRejectReason), cutText(r.Source, maxRejectReason)
	if len(r.Row) > MaxRejectRow {
		r.Cut = true
		r.Row, _ = json.Marshal(cutText(string(r.Row), cutRejectRow) + fmt.Sprintf("... (%d bytes)", len(r.Row)))
	}
}

// cutText is a text of n bytes at most.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
