package engine

import "fmt"

// maxRecordLog is how many writes of records wait in memory: more are written
// into the hook's transaction.
const maxRecordLog = 5000

// maxRecordReads is how many single records are remembered as they were read.
const maxRecordReads = 1000

// recordRef names a record of the hook's scope.
type recordRef struct {
	source string
	sum    KeySum
}

// recordLog is what waits to be written about records, such that the latest
// part of it can be taken back.
type recordLog struct {
	list []recordEntry
	at   map[recordRef]int // of the newest entry about a record
}

type recordEntry struct {
	ref   recordRef
	write RecordWrite // with what the older ones about the record say
	older int         // where the older one is; -1: there is none
}

func (l *recordLog) len() int {
	if l == nil {
		return 0
	}
	return len(l.list)
}

// find is what is to be written about a record, or nil.
func (l *recordLog) find(ref recordRef) *RecordWrite {
	if l == nil {
		return nil
	}
	if i, ok := l.at[ref]; ok {
		return &l.list[i].write
	}
	return nil
}

func (l *recordLog) add(ref recordRef, w RecordWrite) {
	older := -1
	if i, ok := l.at[ref]; ok {
		older, w = i, l.list[i].write.then(w)
	}
	l.at[ref] = len(l.list)
	l.list = append(l.list, recordEntry{ref, w, older})
}

// undo takes back all but the first n entries.
func (l *recordLog) undo(n int) {
	if l == nil {
		return
	}
	for i := len(l.list) - 1; i >= n; i-- {
		if e := &l.list[i]; e.older >= 0 {
			l.at[e.ref] = e.older
		} else {
			delete(l.at, e.ref)
		}
	}
	clear(l.list[n:])
	l.list = l.list[:n]
}

// writes are the newest entries, one for each record.
func (l *recordLog) writes() []RecordWrite {
	if l == nil {
		return nil
	}
	list := make([]RecordWrite, 0, len(l.at))
	for i := range l.list {
		if e := &l.list[i]; l.at[e.ref] == i {
			list = append(list, e.write)
		}
	}
	return list
}

// recordScan is one reading of all rows of a source.
type recordScan struct {
	source string
	ended  bool
	noted  int  // rows that were noted as seen, or as rejected before they could be
	torn   bool // a catch has taken some of those back
}

// noted is how much scans have noted.
func noted(scans []*recordScan) (list []int) {
	for _, s := range scans {
		list = append(list, s.noted)
	}
	return list
}

// undo takes scans back to what they were, with what they had noted then.
func (r *recording) undo(scans []*recordScan, noted []int) {
	r.scans = scans
	for i, s := range scans {
		s.torn = s.torn || s.noted != noted[i]
	}
	r.gen++
}

// recording is what a call knows of records besides what waits.
type recording struct {
	pass  int64
	run   JobID // 0: not looked up
	gen   int   // grows when what waited was written or taken back
	scans []*recordScan
	reads map[recordRef]*Record // single ones, as they were read at gen
	at    int
}

// Records is what is known of the rows of a source.
type Records struct {
	c      *Call
	source string
}

// Records gives a source of the hook's type and instance.
func (c *Call) Records(source string) (*Records, error) {
	if source == "" || len(source) > MaxNameLen {
		return nil, c.misuse("the name of a source has 1 to %d bytes, not %d", MaxNameLen, len(source))
	}
	if err := c.noSecret("the name of a source", source); err != nil {
		return nil, err
	}
	return &Records{c, source}, nil
}

func (c *Call) recordBy() RecordBy {
	return RecordBy{Scope: c.scope(false), Job: c.job.ID, Phase: c.job.Phase, Pass: c.records.pass, Run: c.records.run}
}

// recordWrites are those that wait for the commit.
func (c *Call) recordWrites() RecordWrites {
	if c.pend.records.len() == 0 {
		return RecordWrites{}
	}
	return RecordWrites{By: c.recordBy(), List: c.pend.records.writes()}
}

// flushRecords writes what waits into the hook's transaction. While a loop leaves
// elements out, a savepoint follows, to which what their source writes is taken back;
// but not in a catch of the source.
func (c *Call) flushRecords() error {
	if c.pend.records.len() == 0 {
		return nil
	}
	l := c.skipping
	if l != nil && l.inCatch() {
		l = nil
	}
	if l != nil {
		if err := l.retract(); err != nil {
			return err
		}
	}
	if err := c.eng.store.WriteRecords(c.ctx, c.Session(), c.recordWrites()); err != nil {
		return err
	}
	c.pend.records = nil // a catch keeps the old one
	c.records.gen++
	if l == nil {
		return nil
	}
	at, err := c.mark()
	l.kept = &at
	return err
}

// addRecord has something written at the next commit, or before.
func (c *Call) addRecord(w RecordWrite) error {
	if err := c.Writing(); err != nil {
		return err
	}
	if err := c.noSecret("a key of records", w.Key.Text); err != nil {
		return err
	}
	if err := c.boundRecords(); err != nil {
		return err
	}
	if c.pend.records == nil {
		c.pend.records = &recordLog{at: map[recordRef]int{}}
	}
	c.pend.records.add(recordRef{w.Source, w.Key.Sum}, w)
	return nil
}

// boundRecords writes what waits if it is much. While a loop leaves elements out, it
// waits for the end of a catch of their source, so that a savepoint can follow.
func (c *Call) boundRecords() error {
	if l := c.skipping; c.pend.records.len() < maxRecordLog || l != nil && l.inCatch() {
		return nil
	}
	return c.flushRecords()
}

// findRun finds the job at the root of the tree that the hook's job is in.
func (c *Call) findRun() error {
	if c.records.run != 0 {
		return nil
	}
	run := c.job.ID
	if c.job.Parent != 0 {
		var err error
		if run, err = c.eng.store.Root(c.ctx, c.job.ID); err != nil {
			return err
		}
	}
	c.records.run = run
	return nil
}

// RecordLook is what is known of some rows, looked up together.
type RecordLook struct {
	r     *Records
	keys  []RecordKey
	found []*Record
	gen   int
}

// Look looks keys up.
func (r *Records) Look(keys []RecordKey) (*RecordLook, error) {
	l := &RecordLook{r: r, keys: keys}
	return l, l.read(0)
}

// read looks up the keys from one on.
func (l *RecordLook) read(from int) error {
	c := l.r.c
	found, err := c.eng.store.Records(c.ctx, c.Session(), c.recordBy(), l.r.source, l.keys[from:])
	if err != nil {
		return err
	}
	l.gen = c.records.gen
	l.found = append(l.found[:from], found...)
	return nil
}

// at is the record of a key, with what waits to be written about it.
func (l *RecordLook) at(i int) (*Record, error) {
	c := l.r.c
	if l.gen != c.records.gen { // what was found may be written over, or taken back
		if err := l.read(i); err != nil {
			return nil, err
		}
	}
	rec := l.found[i]
	if w := c.pend.records.find(recordRef{l.r.source, l.keys[i].Sum}); w != nil {
		rec = w.Apply(rec, c.recordBy())
	}
	return rec, nil
}

// Status compares the i-th key's row with what is known of it.
func (l *RecordLook) Status(i int, content RecordSum) (RecordStatus, error) {
	rec, err := l.at(i)
	return rec.Status(content, l.r.c.recordBy()), err
}

// ID is the id that is linked to the i-th key, as JSON, or "".
func (l *RecordLook) ID(i int) (string, error) {
	rec, err := l.at(i)
	return rec.Linked(), err
}

// Take compares the i-th key's row with what is known of it, and marks it when
// it is new or changed: then it is given to the script. A row that a loop leaves
// out, because it was committed before a crash, keeps the content that was
// committed. A row that is redriven was taken when it was rejected: it is given once
// more. With a scan, the run has seen the row.
func (l *RecordLook) Take(i int, content RecordSum, scan *RecordScan) (given bool, err error) {
	c := l.r.c
	rec, err := l.at(i)
	if err != nil {
		return false, err
	}
	by := c.recordBy()
	if given = rec.Status(content, by) != RecordSame; !given {
		if given, err = c.takesAgain(rec, by); err != nil {
			return false, err
		}
	}
	w := RecordWrite{Source: l.r.source, Key: l.keys[i], Known: true, Read: l.found[i], Content: content}
	switch {
	case given && c.skipping != nil:
		w.Touch = rec != nil && rec.by(by)
	case given:
		w.Set = true
	}
	w.Seen = scan != nil && (w.Set || rec != nil && rec.Seen < by.Run)
	if w.Set || w.Touch || w.Seen {
		err = c.addRecord(w)
	}
	if w.Seen {
		scan.scan.noted++
	}
	return given, err
}

// Rejected notes what was rejected before a scan could see it: that the run has seen those
// rows whose keys are known, and how many there are besides.
func (r *Records) Rejected(scan *RecordScan, keys []RecordKey, others int64) error {
	l, err := r.Look(keys)
	if err != nil {
		return err
	}
	run := r.c.records.run
	for i, key := range keys {
		switch rec, err := l.at(i); {
		case err != nil:
			return err
		case rec == nil || rec.Gone:
			others++
		case rec.Seen < run:
			if err := r.c.addRecord(RecordWrite{Source: r.source, Key: key, Seen: true}); err != nil {
				return err
			}
			scan.scan.noted++
		}
	}
	if others == 0 {
		return nil
	}
	if err := r.c.Writing(); err != nil {
		return err
	}
	scan.scan.noted++
	return r.c.Count(UnseenCount, others)
}

// unseen is how many rows the job and its items have rejected so that nobody knows whether
// they are known.
func (c *Call) unseen() (int64, error) {
	err := c.recall(c.ctx)
	n := c.stats[UnseenCount] + c.before[UnseenCount]
	if c.summary != nil {
		n += c.summary.Stats[UnseenCount]
	}
	return n, err
}

// takesAgain says of a row that is the same as one that was taken whether it is redriven: of
// an item, which may have others, if the job has taken it that rejected the item.
func (c *Call) takesAgain(rec *Record, by RecordBy) (bool, error) {
	switch own := rec.by(by); {
	case c.job.Redrive == 0 || own && rec.Pass == by.Pass:
		return false, nil
	case c.job.Redrive == RedriveRows || own:
		return true, nil
	}
	x, err := c.ofItem()
	return x != nil && rec.Job == x.Job, err
}

// Status compares one row with what is known of it, and remembers what it has
// read for Mark.
func (r *Records) Status(key RecordKey, content RecordSum) (RecordStatus, error) {
	l, err := r.Look([]RecordKey{key})
	if err != nil {
		return 0, err
	}
	s := &r.c.records
	if s.at != s.gen || len(s.reads) >= maxRecordReads || s.reads == nil {
		s.at, s.reads = s.gen, map[recordRef]*Record{}
	}
	s.reads[recordRef{r.source, key.Sum}] = l.found[0]
	return l.Status(0, content)
}

// Mark notes that the row of a key has been taken with this content.
func (r *Records) Mark(key RecordKey, content RecordSum) error {
	w := RecordWrite{Source: r.source, Key: key, Set: true, Content: content}
	if s := &r.c.records; s.at == s.gen {
		w.Read, w.Known = s.reads[recordRef{r.source, key.Sum}]
	}
	return r.c.addRecord(w)
}

// Link notes the id, JSON, that the row of a key has at its destination. If it
// has another one, which this hook does not know of, the hook runs again;
// replace says that it gets the new one.
func (r *Records) Link(key RecordKey, id string, replace bool) error {
	if len(id) > MaxRecordID {
		return r.c.misuse("an id of %d bytes is too large: at most %d", len(id), MaxRecordID)
	}
	if err := r.c.noSecret("an id of records", id); err != nil {
		return err
	}
	if w := r.c.pend.records.find(recordRef{r.source, key.Sum}); w != nil && w.Link && w.ID != id && !replace {
		return r.c.misuse("%s was linked to %s before, and now to %s: give replace = True if that is meant", key.Text, w.ID, id)
	}
	return r.c.addRecord(RecordWrite{Source: r.source, Key: key, Link: true, ID: id, Relink: replace})
}

// Forget forgets the row of a key: it will be new.
func (r *Records) Forget(key RecordKey) error {
	return r.c.addRecord(RecordWrite{Source: r.source, Key: key, Forget: true})
}

// ForgetAll forgets all rows of the source.
func (r *Records) ForgetAll() error {
	c := r.c
	if err := c.flushRecords(); err != nil {
		return err
	}
	c.records.gen++
	return c.eng.store.ForgetSource(c.ctx, c.Session(), c.recordBy(), r.source)
}

// RecordScan is a reading of all rows of a source, or with other jobs of the
// same run of a part of them.
type RecordScan struct{ scan *recordScan }

// Scan begins to read all rows of the source.
func (r *Records) Scan() (*RecordScan, error) {
	if err := r.c.findRun(); err != nil {
		return nil, err
	}
	s := &recordScan{source: r.source}
	r.c.records.scans = append(r.c.records.scans, s)
	return &RecordScan{s}, nil
}

// End says that all of them were read.
func (s *RecordScan) End() { s.scan.ended = true }

// MissingRecords are the rows of a source that the run has not seen.
type MissingRecords struct {
	r     *Records
	after *KeySum
	page  []MissingRecord
	end   bool
	begun bool
	max   float64
	share bool
	fresh bool
}

// Missing gives the rows that this run has not seen. If they are more than max,
// or with share than so many of a hundred, it is an error: half a source must
// not pass for the whole of it. So is it if rows were rejected that may be among them;
// fresh says that those are new ones.
func (r *Records) Missing(max float64, share, fresh bool) *MissingRecords {
	return &MissingRecords{r: r, max: max, share: share, fresh: fresh}
}

// missingPage is how many are read at once.
const missingPage = 500

// Next is the next one; false after the last.
func (m *MissingRecords) Next() (MissingRecord, bool, error) {
	if !m.begun {
		if err := m.begin(); err != nil {
			return MissingRecord{}, false, err
		}
		m.begun = true
	}
	if len(m.page) == 0 && !m.end {
		c := m.r.c
		page, err := c.eng.store.MissingRecords(c.ctx, c.Session(), c.recordBy(), m.r.source, m.after, missingPage)
		if err != nil {
			return MissingRecord{}, false, err
		}
		m.page, m.end = page, len(page) < missingPage
		if len(page) > 0 {
			last := page[len(page)-1].Key.Sum
			m.after = &last
		}
	}
	if len(m.page) == 0 {
		return MissingRecord{}, false, nil
	}
	next := m.page[0]
	m.page = m.page[1:]
	return next, true, nil
}

// begin makes sure that it is known what is missing.
func (m *MissingRecords) begin() error {
	c, source := m.r.c, m.r.source
	if err := c.findRun(); err != nil {
		return err
	}
	read := false
	for _, s := range c.records.scans {
		if s.source != source {
			continue
		}
		if !s.ended {
			return c.misuse("a records.changed(%q, ..., whole = True) was not read to its end, so nobody knows yet what is missing: use what it gives, all of it, before", source)
		}
		if s.torn {
			return c.misuse("a catch has taken back some of what records.changed(%q, ..., whole = True) had seen, so nobody knows what is missing: read it outside of that catch", source)
		}
		read = true
	}
	if s := c.summary; s != nil && s.Failed+s.Cancelled > 0 {
		return c.misuse("%d items of this job were not completed, so nobody knows what is missing of %q: ask for it only if summary.failed and summary.cancelled are 0", s.Failed+s.Cancelled, source)
	}
	if err := c.flushRecords(); err != nil {
		return err
	}
	n, err := c.eng.store.CountRecords(c.ctx, c.Session(), c.recordBy(), source)
	if err != nil {
		return err
	}
	if n.Missing > 0 && n.Missing == n.Known && !read {
		return c.misuse("no records.changed(%q, ..., whole = True) was read in this run, so nobody knows what is missing", source)
	}
	if unseen, err := c.unseen(); err != nil {
		return err
	} else if n.Missing > 0 && unseen > 0 && !m.fresh {
		return &Failure{Kind: KindError, Code: "records.rejected", Message: fmt.Sprintf(
			"%d rows of %q are missing, and %d were rejected that are not known by their keys, or have none: nobody knows whether those are among the missing; see them with: dsengine rejects list --job %d; if they cannot be, give new_rejects = True",
			n.Missing, source, unseen, c.job.ID)}
	}
	allowed, of, limit := m.max, "", fmt.Sprint(m.max)
	if m.share {
		allowed *= float64(n.Known) / 100
		of, limit = fmt.Sprintf(" of %d", n.Known), fmt.Sprintf("%q", limit+"%")
	}
	if float64(n.Missing) > allowed {
		return &Failure{Kind: KindError, Code: "records.max_missing", Retryable: true, Message: fmt.Sprintf(
			"%d%s rows of %q are missing, and max_missing = %s allows fewer: is the source complete?", n.Missing, of, source, limit)}
	}
	return nil
}
