package sqlstore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// timeLayout is how times are written in SQL text, in UTC.
const timeLayout = "2006-01-02 15:04:05.000000"

// never is the time that stands for none: a NULL that becomes a value makes the
// row grow, and splits pages when jobs complete.
const never = "1970-01-01 00:00:00.000000"

// stamp is a time as an argument or inside JSON; the zero time is never.
func stamp(t time.Time) string {
	if t.IsZero() {
		return never
	}
	return t.UTC().Format(timeLayout)
}

// TimeText is a time as the value of a statement: the same text on all databases, also
// where a text is made of it.
func TimeText(t time.Time) string { return t.UTC().Format(timeLayout) }

// literal is a time as SQL text.
func literal(t time.Time) string { return "'" + stamp(t) + "'" }

// Time scans a stored time; never, and NULL, become the zero time.
type Time struct{ time.Time }

// Scan reads what the drivers give: a time or text.
func (t *Time) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		t.Time = time.Time{}
		return nil
	case time.Time:
		t.Time = v.UTC()
	case string:
		return t.parse(v)
	case []byte:
		return t.parse(string(v))
	default:
		return fmt.Errorf("a time came as %T", src)
	}
	if t.Unix() == 0 {
		t.Time = time.Time{}
	}
	return nil
}

func (t *Time) parse(s string) (err error) {
	if t.Time, err = time.Parse("2006-01-02 15:04:05.999999", s); err == nil && t.Unix() == 0 {
		t.Time = time.Time{}
	}
	return err
}

// TimeOfDay writes the fraction of a time of day with six digits, or none. What is
// behind the microseconds is left out.
func TimeOfDay(s string) string {
	whole, fraction, _ := strings.Cut(s, ".")
	if fraction = strings.TrimRight(fraction[:min(len(fraction), 6)], "0"); fraction == "" {
		return whole
	}
	return whole + "." + fraction + strings.Repeat("0", 6-len(fraction))
}

// ptr is the time, or nil for none.
func (t Time) ptr() *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.Time
	return &u
}

// text scans a nullable text; NULL becomes "".
type text string

func (t *text) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*t = ""
	case string:
		*t = text(v)
	case []byte:
		*t = text(v)
	default:
		return fmt.Errorf("a text came as %T", src)
	}
	return nil
}

// raw scans a nullable JSON text into a copy of its own; NULL becomes nil.
type raw engine.Raw

func (r *raw) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*r = nil
	case string:
		*r = raw(v)
	case []byte:
		*r = append(raw(nil), v...)
	default:
		return fmt.Errorf("a JSON text came as %T", src)
	}
	return nil
}

// whole is where a whole number is scanned into without being made text and read
// again, which database/sql does for all but a few types.
type whole[T ~int | ~int8 | ~int64 | ~uint8 | ~uint32] struct{ to *T }

func into[T ~int | ~int8 | ~int64 | ~uint8 | ~uint32](to *T) *whole[T] { return &whole[T]{to} }

// Scan reads what the drivers give: a number or text.
func (w *whole[T]) Scan(src any) error {
	var n int64
	switch v := src.(type) {
	case int64:
		n = v
	case uint64:
		n = int64(v)
	case []byte:
		var err error
		if n, err = strconv.ParseInt(string(v), 10, 64); err != nil {
			return err
		}
	default:
		return fmt.Errorf("a whole number came as %T", src)
	}
	if *w.to = T(n); int64(*w.to) != n {
		return fmt.Errorf("the number %d is too large", n)
	}
	return nil
}

// nullRaw is an argument that is NULL when nil.
func nullRaw(r engine.Raw) any {
	if r == nil {
		return nil
	}
	return string(r)
}

// listMost is how many ids there are in a list at most: of one of 1000 and more MariaDB
// makes a table, which it joins.
const listMost = 500

// idList writes ids as "1,2,3".
func idList[T ~int64 | ~uint32](ids []T) string {
	b := make([]byte, 0, 12*len(ids))
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return string(b)
}

// refs writes a claim's jobs as JSON: runs of ids that follow each other and
// have the same epoch, [first id, how many, epoch, first id, how many, epoch, ...].
// A batch of new jobs is a run or two, whatever its size.
func refs(jobs []engine.JobRef) string {
	b := []byte{'['}
	for i := 0; i < len(jobs); {
		n := 1
		for i+n < len(jobs) && jobs[i+n].ID == jobs[i].ID+engine.JobID(n) && jobs[i+n].Epoch == jobs[i].Epoch {
			n++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendInts(b, int64(jobs[i].ID), int64(n), int64(jobs[i].Epoch))
		i += n
	}
	return string(append(b, ']'))
}

func parseRefs(s string) ([]engine.JobRef, error) {
	var n []int64
	if err := json.Unmarshal([]byte(s), &n); err != nil || len(n)%3 != 0 {
		return nil, engine.Errorf(engine.CodeInternal, "a claim holds no list of jobs: %.60q", s)
	}
	var jobs []engine.JobRef
	for i := 0; i < len(n); i += 3 {
		for k := range n[i+1] {
			jobs = append(jobs, engine.JobRef{ID: engine.JobID(n[i] + k), Epoch: engine.Epoch(n[i+2])})
		}
	}
	return jobs, nil
}

// inRuns is a condition that holds for the ids and no others: ranges where they
// follow each other, which is less to read and to plan than a list. It is for
// reading only: a statement that writes would wait for the row behind a range.
func inRuns(column string, ids []engine.JobID) string {
	var b []byte
	runs := 0
	for i := 0; i < len(ids); {
		n := 1
		for i+n < len(ids) && ids[i+n] == ids[i]+engine.JobID(n) {
			n++
		}
		if runs++; runs > 1 {
			b = append(b, " OR "...)
		}
		b = append(append(b, column...), " BETWEEN "...)
		b = appendInts(b, int64(ids[i]))
		b = append(b, " AND "...)
		b = appendInts(b, int64(ids[i])+int64(n)-1)
		i += n
	}
	if runs > 8 {
		b = b[:0]
		for part := range slices.Chunk(ids, listMost) {
			if len(b) > 0 {
				b = append(b, " OR "...)
			}
			b = append(b, column+" IN ("+idList(part)+")"...)
		}
	}
	return "(" + string(b) + ")"
}

// marks writes n placeholders as "?,?,?".
func marks(n int) string {
	return strings.TrimSuffix(strings.Repeat("?,", n), ",")
}

// toJSON writes a value that cannot fail to be written.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// statsText is counts as JSON, or nil for none.
func statsText(s engine.Stats) any {
	if len(s) == 0 {
		return nil
	}
	return toJSON(s)
}

func parseStats(r raw) engine.Stats {
	s := engine.Stats{}
	if r != nil {
		_ = json.Unmarshal(r, &s)
	}
	return s
}

// appendInts appends numbers to SQL text.
func appendInts(b []byte, ns ...int64) []byte {
	for i, n := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return b
}
