package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Rejection is an input row that a script refuses.
type Rejection struct {
	Row    Raw    // the row as JSON
	Reason string // why, for people
	Source string // where it came from: a path, a URL; "" if that is not known
	Line   int64  // its line there, from 1; 0 if that is not known
	// Loose says that source and line do not tell the row from all others that the
	// hook meets: it is not known by them when a hook goes on from a checkpoint.
	Loose bool
	// WholeItem says that the row is all that the job works on; Call.Reject finds out.
	WholeItem bool
	// Cut says that the row was too large: Row is a string with its beginning.
	Cut bool
}

// Bounds of what is kept of rejects.
const (
	// MaxRejects is how many rejects are kept of one job. Further ones are counted
	// only.
	MaxRejects = 100_000
	// MaxRejectRow bounds one row, in bytes of JSON; of a larger one the beginning
	// is kept. A whole item may be as large as a payload.
	MaxRejectRow = 1 << 20

	maxRejectReason  = 1000     // bytes of a reason, and of a source
	cutRejectRow     = 1000     // bytes that are kept of a row that is too large
	maxPendingReject = 64 << 20 // bytes that wait for one commit
)

// rejectSample is how many rows must be rejected before a checkpoint judges
// them by their share: until then they may just come first.
const rejectSample = 10_000

// Reject sets a row aside: it is kept with its reason, and counted as rejected,
// when the job commits. An error says that the job may not reject so many.
func (c *Call) Reject(r Rejection) error {
	if err := c.Writing(); err != nil {
		return err
	}
	if !json.Valid(r.Row) {
		return c.misuse("the row is no JSON")
	}
	secrets := c.eng.secrets
	if secrets.strikeRaw(&r.Row) {
		c.tellStruck("a rejected row")
	}
	r.Reason, r.Source = secrets.Strike(r.Reason), secrets.Strike(r.Source)
	if known, err := c.rejectedBefore(r); err != nil || known {
		return err
	}
	if r.WholeItem = c.isItem(r.Row); r.WholeItem {
		r.Row = c.Item() // as it is: it is redriven just so
		c.pend.whole++
	}
	if err := c.cameFrom(&r); err != nil {
		return err
	}
	r.bound()
	c.pend.elsewhere = c.pend.elsewhere || r.Line == 0 && !r.WholeItem
	c.Count("rejected", 1)
	if err := c.remember(c.ctx); err != nil {
		return err
	}
	all := c.stats["rejected"] + c.before["rejected"]
	switch size := r.size(); {
	case all <= MaxRejects && c.pend.rejectBytes+size <= maxPendingReject:
		c.pend.rejects = append(c.pend.rejects, r)
		c.pend.rejectBytes += size
	case !c.rejectsFull:
		c.rejectsFull = true
		c.Log(slog.LevelWarn, fmt.Sprintf("so many rows are rejected that further ones are counted and not kept (kept are %d, and %d MB at a time)", MaxRejects, maxPendingReject>>20), nil)
	}
	limit := c.typ.Settings.Rejects
	if limit.kind != limitCount || !c.judged() || all <= limit.count {
		return nil
	}
	if c.skipping != nil {
		return nil // it was counted with what is left out: see forget
	}
	if c.before["rejected"] > 0 {
		if err := c.recallRejects(c.ctx); err != nil {
			return err
		}
	}
	if all -= c.mended; all <= limit.count {
		return nil
	}
	return c.tooManyRejects(all, 0)
}

// rejectedBefore says whether a row, known by its source and line, is met again
// by a hook that goes on from a checkpoint with which it was kept.
func (c *Call) rejectedBefore(r Rejection) (bool, error) {
	if r.Line <= 0 || r.Loose || !c.resumed {
		return false, nil
	}
	if c.rejected == nil {
		var err error
		if c.rejected, err = c.eng.store.RejectPlaces(c.ctx, c.job.ID, c.job.Phase); err != nil {
			return false, err
		}
	}
	return c.rejected[RejectPlace(r.Source, r.Line)], nil
}

// RejectPlace is a number for a source and a line.
func RejectPlace(source string, line int64) uint64 {
	return Fingerprint(validText(source, maxRejectReason), fmt.Append(nil, line))
}

// isItem says whether a row is all that the job works on.
func (c *Call) isItem(row Raw) bool {
	phase := c.job.Phase
	if phase == PhaseFail {
		phase = c.job.FailedPhase
	}
	item := c.Item()
	if phase != PhaseConsume || item == nil || c.job.Redrive == RedriveRows {
		return false
	}
	if bytes.Equal(row, item) {
		return true
	}
	if c.parsed == nil {
		c.parsed = parseJSON(item)
	}
	return reflect.DeepEqual(c.parsed, parseJSON(row))
}

func parseJSON(text Raw) (v any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_ = d.Decode(&v)
	return v
}

// bound cuts what is too large, and mends what is no text.
func (r *Rejection) bound() {
	r.Reason, r.Source = validText(r.Reason, maxRejectReason), validText(r.Source, maxRejectReason)
	r.Row = bytes.ToValidUTF8(r.Row, []byte("\uFFFD"))
	most := MaxRejectRow
	if r.WholeItem {
		most = MaxPayload
	}
	if len(r.Row) > most {
		r.Cut = true
		r.Row, _ = json.Marshal(validText(string(r.Row), cutRejectRow) + fmt.Sprintf("... (%d bytes)", len(r.Row)))
	}
}

func (r *Rejection) size() int { return len(r.Row) + len(r.Reason) + len(r.Source) + 100 }

// validText is at most n bytes of a text.
func validText(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// judged says whether the setting rejects counts here: not for rows that are
// redriven, which were refused before, and not where the job has failed anyhow.
func (c *Call) judged() bool { return c.job.Redrive == 0 && c.job.Phase != PhaseFail }

// recallRejects reads what became of the rejects that were committed before this
// call: those of the phase that stand, and those that were mended since.
func (c *Call) recallRejects(ctx context.Context) error {
	if c.recalled {
		return nil
	}
	k, err := c.eng.store.CommittedRejects(ctx, c.job.ID, c.job.Phase)
	if err != nil {
		return err
	}
	c.earlier, c.whole, c.mended, c.recalled = k.Standing, c.whole+k.Whole, k.Mended, true
	c.elsewhere = c.elsewhere || k.Unplaced
	return nil
}

// judgeRejects says whether the job has rejected more than it may, in this call or
// before a checkpoint from which it goes on, but for what was redriven since. A
// phase that ended was judged then. A share is of the rows that were read, or, where
// the script has them from elsewhere, of those that were written and rejected, if that
// is more; a job that rejects the only thing it works on has no share. Before the end
// it counts only once many were rejected.
func (c *Call) judgeRejects(ctx context.Context, end bool) error {
	limit := c.typ.Settings.Rejects.WithDefaults()
	if !c.judged() || limit.kind == limitNone || !end && c.stats["rejected"] == 0 {
		return nil
	}
	if c.resumed {
		if err := c.recallRejects(ctx); err != nil {
			return err
		}
	}
	if c.stats["rejected"]+c.earlier == 0 {
		return nil
	}
	if err := c.recall(ctx); err != nil {
		return err
	}
	if c.before["rejected"] > 0 {
		if err := c.recallRejects(ctx); err != nil {
			return err
		}
	}
	stats := c.stats.Plus(c.before)
	all := stats["rejected"] - c.mended
	n := all - c.whole - c.pend.whole
	rows := stats["read"]
	if rows < n || c.elsewhere || c.pend.elsewhere {
		rows = max(rows, n+stats["inserted"]+stats["updated"]+stats["unchanged"])
	}
	switch {
	case limit.kind == limitCount && all > limit.count:
		return c.tooManyRejects(all, 0)
	case limit.kind == limitShare && (end || n >= rejectSample) && float64(n) > limit.share*float64(rows):
		return c.tooManyRejects(n, rows)
	}
	return nil
}

func (c *Call) tooManyRejects(n, rows int64) error {
	what := fmt.Sprintf("%d rows were rejected", n)
	if n == 1 {
		what = "1 row was rejected"
	}
	if rows > 0 {
		what = fmt.Sprintf("%d of %d rows were rejected", n, rows)
	}
	why := ""
	if len(c.pend.rejects) > 0 {
		why = c.pend.rejects[0].why()
	} else if err := c.eng.store.Rejects(c.ctx, RejectFilter{Job: c.job.ID, Open: true, NoRows: true}, func(x *Reject) bool {
		r := Rejection{Reason: x.Reason}
		if x.Source != nil && x.Line != nil {
			r.Source, r.Line = *x.Source, *x.Line
		}
		why = r.why()
		return false
	}); err != nil {
		return err
	}
	// What checkpoints have committed is not read again: only a redrive mends it, or
	// beginning anew.
	again := fmt.Sprintf("dsengine jobs retry %d", c.job.ID)
	switch {
	case c.earlier+c.saved["rejected"] == 0:
	case c.typ.Redrive == nil && c.whole+c.pend.whole == 0:
		again = fmt.Sprintf("%s --fresh, which does all again, what was committed too; or, with a hook redrive(ctx, rows), these rows alone: dsengine rejects redrive --type %s --job %d, and when that has run: %[1]s", again, c.typ.Name, c.job.ID)
	default:
		again = fmt.Sprintf("dsengine rejects redrive --type %s --job %d, and when that has run: %s; or, where the source was read wrongly: %[3]s --fresh, which does all again, what was committed too", c.typ.Name, c.job.ID, again)
	}
	return &Failure{Kind: KindRejects, Code: "rejects", Message: fmt.Sprintf(
		"%s, more than rejects = %s allows%s; see them with: dsengine rejects list --job %d; once the script is mended: %s", what, c.typ.Settings.Rejects.WithDefaults(), why, c.job.ID, again)}
}

// why is the reason of the first of some rejects, with its place.
func (r Rejection) why() string {
	s := fmt.Sprintf("; the first: %.200s", r.Reason)
	if r.Line > 0 {
		s += fmt.Sprintf(" (%s, line %d)", r.Source, r.Line)
	}
	return s
}

// RejectLimit says how many rows a job may reject before it fails. The zero
// value is the default: 10% of the rows.
type RejectLimit struct {
	kind  limitKind
	count int64
	share float64 // 0 to 1
}

type limitKind uint8

const (
	limitDefault limitKind = iota
	limitCount
	limitShare
	limitNone
)

// RejectCount tolerates n rejects.
func RejectCount(n int64) RejectLimit { return RejectLimit{kind: limitCount, count: n} }

// RejectShare tolerates a share of the rows, from 0 to 1.
func RejectShare(share float64) RejectLimit { return RejectLimit{kind: limitShare, share: share} }

// RejectAll tolerates any number of rejects.
func RejectAll() RejectLimit { return RejectLimit{kind: limitNone} }

// ParseRejectLimit reads "10%" or "all".
func ParseRejectLimit(s string) (RejectLimit, error) {
	if s == "all" {
		return RejectAll(), nil
	}
	var share json.Number
	text, ok := strings.CutSuffix(s, "%")
	if ok && json.Unmarshal([]byte(strings.TrimSpace(text)), &share) == nil {
		if f, err := share.Float64(); err == nil && f >= 0 && f <= 100 {
			return RejectShare(f / 100), nil
		}
	}
	return RejectLimit{}, Errorf(CodeUsage, "rejects: got %q, wanted a number of rows, a share such as \"10%%\", or \"all\"", s)
}

// WithDefaults is the limit, or the default if it is zero.
func (l RejectLimit) WithDefaults() RejectLimit {
	if l.kind == limitDefault {
		return RejectShare(0.1)
	}
	return l
}

// Validate says whether the limit can be.
func (l RejectLimit) Validate() error {
	if l.count < 0 || l.share < 0 || l.share > 1 {
		return Errorf(CodeUsage, "rejects must not be negative, nor more than 100%%")
	}
	return nil
}

// String is the limit as scripts write it.
func (l RejectLimit) String() string {
	switch l = l.WithDefaults(); l.kind {
	case limitCount:
		return fmt.Sprint(l.count)
	case limitShare:
		return fmt.Sprintf("%q", fmt.Sprintf("%.6g%%", 100*l.share))
	}
	return `"all"`
}
