package engine

import (
	"context"
	"errors"
	"strings"
)

// RecordSum is a hash of a row's content, or of a key.
type RecordSum [16]byte

// KeySum finds a key: how it begins, and its hash. So keys that come in order, as
// they do in most sources, lie side by side in the table.
type KeySum [24]byte

// RecordHash is the hash of a content, or none.
type RecordHash struct {
	Sum   RecordSum
	Known bool
}

// RecordKey names a row within its source.
type RecordKey struct {
	Sum  KeySum
	Text string // the key as JSON
}

// NewRecordKey makes a key of its JSON and of a hash that equal keys share. Equal
// keys have the same JSON.
func NewRecordKey(text string, hash RecordSum) RecordKey {
	k := RecordKey{Text: text}
	begin := strings.Trim(text, `"[`)
	if digits := strings.Trim(begin, "0123456789") == ""; digits && len(begin) < 8 {
		begin = "       "[:8-max(len(begin), 1)] + begin // 9 before 10
	}
	copy(k.Sum[:8], begin)
	copy(k.Sum[8:], hash[:])
	return k
}

// Bounds of what a record keeps, in bytes of JSON.
const (
	MaxRecordKey = 1000
	MaxRecordID  = 500
)

// Record is what is kept of a row: the hash of the content that was taken last,
// and the id that the row has at its destination.
//
// Job, Phase and Pass say who changed the hash last, and Was is the hash that
// was there before that job's phase. So a phase that begins again, after a crash
// or a failure, compares with what was there when it began, and is given the
// rows that it was given before, in the same order: see Status.
type Record struct {
	Hash  RecordHash
	Was   RecordHash
	Met   RecordHash // what the pass has met instead, in a part that its loop leaves out
	Job   JobID
	Phase Phase
	Pass  int64
	Gone  bool   // it was forgotten; the row stays until that job is final
	ID    string // as JSON; "": none
	Seen  JobID  // the newest run that has seen the row; 0: none
}

// RecordBy is who looks at records and writes them.
type RecordBy struct {
	Scope Scope
	Job   JobID
	Phase Phase
	// Pass tells the executions of the phase's hook apart: what was committed by
	// one that another follows has another number.
	Pass int64
	// Run is the job at the root of the tree of emitters and items: what all of
	// them have seen, the run has seen. 0: nothing is noted as seen.
	Run JobID
}

// RecordStatus is what is known of a row.
type RecordStatus int

// The states.
const (
	RecordNew RecordStatus = iota
	RecordChanged
	RecordSame
)

// String is the state's name.
func (s RecordStatus) String() string { return [...]string{"new", "changed", "same"}[s] }

// by says whether the record's hash was changed last by the same phase of the
// same job.
func (r *Record) by(by RecordBy) bool { return r.Job == by.Job && r.Phase == by.Phase }

// Base is the content with which a hook compares the row; r may be nil. What an
// earlier execution of the same hook has marked does not count.
func (r *Record) Base(by RecordBy) RecordHash {
	switch {
	case r == nil:
		return RecordHash{}
	case !r.by(by):
	case r.Pass != by.Pass:
		return r.Was
	case r.Met.Known:
		return r.Met
	}
	return r.Hash
}

// Status compares a content with the record; r may be nil.
func (r *Record) Status(content RecordSum, by RecordBy) RecordStatus {
	switch base := r.Base(by); {
	case !base.Known:
		return RecordNew
	case base.Sum != content:
		return RecordChanged
	}
	return RecordSame
}

// Linked is the id that the row has at its destination, as JSON, or "".
func (r *Record) Linked() string {
	if r == nil || r.Gone {
		return ""
	}
	return r.ID
}

// RecordWrite is what is to be written about one row. Its parts are carried out
// in the order in which they are here.
type RecordWrite struct {
	Source string
	Key    RecordKey
	// Known says that the record was read before, and Read what it was. If it is
	// another one when it is written, that is CodeConflict.
	Known bool
	Read  *Record

	Forget  bool
	Touch   bool // the hook meets Content again, which an earlier execution has taken
	Set     bool // Content is taken
	Content RecordSum
	Link    bool // the row has this id
	ID      string
	Relink  bool // though it has another one; else that is CodeConflict
	Seen    bool // the run has seen the row
}

// RecordWrites are those of one commit: one for each record at most.
type RecordWrites struct {
	By   RecordBy
	List []RecordWrite
}

// then is what w and a later write of the same row come to together.
func (w RecordWrite) then(later RecordWrite) RecordWrite {
	if !w.Known {
		w.Known, w.Read = later.Known, later.Read
	}
	if later.Forget {
		w.Forget, w.Touch, w.Set, w.Link, w.Relink = true, false, false, false, false
	}
	if later.Set || later.Touch && !w.Set {
		w.Content = later.Content
	}
	w.Touch, w.Set = w.Touch || later.Touch, w.Set || later.Set
	if later.Link {
		w.Relink = w.Relink || later.Relink
		w.Link, w.ID = true, later.ID
	}
	w.Seen = w.Seen || later.Seen
	return w
}

// ErrLinked is the cause of a CodeConflict that may last: however often the hook runs,
// the row has another id, unless the hook looks.
var ErrLinked = errors.New("look with records.id before records.link, or give replace = True")

// Fits says whether the record is the one that was read, and whether it may be
// linked; r may be nil. What it says of r.Seen never matters.
func (w *RecordWrite) Fits(r *Record) error {
	if w.Known {
		read, now := Record{}, Record{}
		if w.Read != nil {
			read = *w.Read
		}
		if r != nil {
			now = *r
		}
		read.Seen, now.Seen, read.ID, now.ID = 0, 0, "", ""
		if read != now {
			return Errorf(CodeConflict, "the record of %s in %q was changed meanwhile", w.Key.Text, w.Source)
		}
	}
	if id := r.Linked(); w.Link && !w.Relink && !w.Forget && id != "" && id != w.ID {
		return Wrapf(CodeConflict, ErrLinked, "%s in %q is linked to %s already, not to %s", w.Key.Text, w.Source, id, w.ID)
	}
	return nil
}

// OnlySeen says that nothing is written but that the run has seen the row.
func (w *RecordWrite) OnlySeen() bool {
	return w.Seen && !w.Forget && !w.Touch && !w.Set && !w.Link
}

// Apply is what a write makes of a record; r may be nil, and so may what it makes.
func (w *RecordWrite) Apply(r *Record, by RecordBy) *Record {
	if r == nil && !w.Set && !w.Link {
		return nil
	}
	n := Record{}
	if r != nil {
		n = *r
	}
	own := func() {
		if r == nil || !r.by(by) {
			n.Was = RecordHash{}
			if r != nil {
				n.Was = r.Hash
			}
			n.Job, n.Phase = by.Job, by.Phase
		}
		n.Pass, n.Met = by.Pass, RecordHash{}
	}
	if w.Forget && r != nil {
		own()
		n.Hash, n.Gone = RecordHash{}, true // ID stays, for the run that meets it again
	}
	if w.Touch && n.by(by) {
		own()
		if met := (RecordHash{w.Content, true}); met != n.Hash && !n.Gone {
			n.Met = met
		}
	}
	if w.Set {
		own()
		n.Hash = RecordHash{w.Content, true}
	}
	if (w.Set || w.Link) && n.Gone {
		n.Gone, n.ID = false, ""
	}
	if w.Link {
		n.ID = w.ID
	}
	if w.Seen {
		n.Seen = max(n.Seen, by.Run)
	}
	return &n
}

// RecordCounts are the rows of a source.
type RecordCounts struct {
	Known   int64 // not forgotten
	Missing int64 // of them, those that the run has not seen
}

// MissingRecord is a row that the run has not seen.
type MissingRecord struct {
	Key RecordKey
	ID  string // as JSON; "": none
}

// RecordSource is what is known of a source, as people see it.
type RecordSource struct {
	Source string `json:"source"`
	Rows   int64  `json:"rows"`
	Linked int64  `json:"linked"` // of them, those that have an id
	Job    *JobID `json:"job"`    // the newest job that took one
}

// RecordDesk is what people do with records, outside of hooks. What a hook has
// forgotten whose job is not final is not among them.
type RecordDesk interface {
	// RecordSources lists the sources of a type's instance. It reads all their rows.
	RecordSources(ctx context.Context, s Scope) ([]RecordSource, error)
	// RecordsOf reads what is kept under keys, in their order; nil where nothing is.
	RecordsOf(ctx context.Context, s Scope, source string, keys []RecordKey) ([]*Record, error)
	// ForgetRecords forgets the rows of keys, or with nil those of a whole source, in
	// small transactions, and says how many there were. A hook that has read one of
	// them and marks it runs again.
	ForgetRecords(ctx context.Context, s Scope, source string, keys []RecordKey) (int64, error)
}

// RecordStore keeps what is known of the rows of scripts' sources. All of it is
// done in a hook's session: it sees what it has written there, and what it
// writes commits, or is taken back, with all else. Outcome.Records are written
// by Commit.
type RecordStore interface {
	// Records reads what is kept under keys, in their order; nil where nothing is.
	Records(ctx context.Context, s Session, by RecordBy, source string, keys []RecordKey) ([]*Record, error)
	// WriteRecords writes in the session's transaction. CodeConflict says that the
	// hook must run again.
	WriteRecords(ctx context.Context, s Session, w RecordWrites) error
	// CountRecords counts the rows of a source.
	CountRecords(ctx context.Context, s Session, by RecordBy, source string) (RecordCounts, error)
	// MissingRecords are rows that no run as new as this one has seen, by the
	// hash of their key, above one. What an earlier execution of the same hook has
	// forgotten is among them.
	MissingRecords(ctx context.Context, s Session, by RecordBy, source string, after *KeySum, limit int) ([]MissingRecord, error)
	// ForgetSource forgets all rows of a source.
	ForgetSource(ctx context.Context, s Session, by RecordBy, source string) error
}
