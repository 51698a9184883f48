package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// keyForever is keep_for of a key that is never taken again.
const keyForever = -1

// keepFor is how long a key stays taken after its job completed, in seconds.
func keepFor(u engine.Unique) int64 {
	switch u.Mode {
	case engine.UniqueForever:
		return keyForever
	case engine.UniqueFor:
		return int64(u.For / time.Second)
	}
	return 0
}

// keyRow is a key as it is stored.
type keyRow struct {
	job    engine.JobID
	token  []byte
	doneAt Time

	looked  bool // status and started are its job's
	status  int64
	started Time
}

// counts says whether a key counts as taken for a newcomer's mode. The state of
// its holder is read only here: most keys are new.
func (t *Tx) counts(k *keyRow, u engine.Unique, lock bool) (bool, error) {
	if u.Mode == engine.UniqueForever {
		return true, nil
	}
	h := &holderRow{status: engine.Status(k.status), started: k.started}
	if !k.looked {
		var err error
		if h, err = t.holderOf(k.job); err != nil {
			return false, err
		}
	}
	final := h == nil || h.status.Final() ||
		t.apart() && h.seen == t && !k.doneAt.IsZero() // it ended and was pruned since the snapshot
	switch {
	case u.Mode == engine.UniqueFor && final && !k.doneAt.IsZero():
		now, err := t.clock()
		return now.Sub(k.doneAt.Time) < u.For, err
	case u.Mode == engine.UniqueWaiting && !final:
		if !h.started.IsZero() {
			return false, nil
		}
		seen, err := t.waits(k.job, lock)
		return seen != nil, err
	}
	return !final, nil
}

// holderRow is the job that holds a key.
type holderRow struct {
	seen     *Tx // what sees it: this transaction, or others
	typ      engine.TypeID
	phase    engine.Phase
	status   engine.Status
	priority int
	windowed engine.Windowed
	started  Time
	runAt    Time
}

// holderOf reads the job that holds a key; nil if it is gone.
//
// A caller's transaction may show an old snapshot, in which the job is not there
// yet, or had ended before it was retried. A locking read would tell, but where the
// row is gone it locks the gap at REPEATABLE READ, which stops all enqueueing for as
// long as the caller likes; and where it is there, it keeps the job from completing.
// So the job is read as others see it. One that they do not know the transaction has
// made itself, or it was pruned since the snapshot.
func (t *Tx) holderOf(id engine.JobID) (*holderRow, error) {
	views := []*Tx{t}
	if t.apart() {
		views = []*Tx{t.s.On(t.ctx, t.s.Reader), t}
	}
	for _, v := range views {
		h := &holderRow{seen: v}
		found, err := v.row([]any{&h.typ, &h.phase, &h.status, &h.priority, &h.windowed, &h.started, &h.runAt},
			"SELECT type, phase, status, priority, windowed, "+v.asText("started_at")+", "+v.asText("run_at")+" FROM ds_jobs WHERE id = ?", id)
		if err != nil {
			return nil, err
		}
		if found {
			return h, nil
		}
	}
	return nil, nil
}

// takeKeys decides for each job with a key whether it may be made: made[i].ID
// is the holder's when not. It locks the keys in the order of their hashes; a
// key is won by writing its row, and who won is read back by a token, because
// affected rows do not tell.
func (t *Tx) takeKeys(jobs []engine.JobInsert, made []engine.Enqueued) ([]keyed, error) {
	var ks []keyed
	for i := range jobs {
		if jobs[i].Key != "" {
			k := keyed{i: i, hash: engine.KeyHash(jobs[i].Instance, jobs[i].Key)}
			rand.Read(k.token[:])
			ks = append(ks, k)
		}
	}
	sort.SliceStable(ks, func(a, b int) bool {
		x, y := &ks[a], &ks[b]
		if jobs[x.i].Type != jobs[y.i].Type {
			return jobs[x.i].Type < jobs[y.i].Type
		}
		return bytes.Compare(x.hash[:], y.hash[:]) < 0
	})
	won := ks[:0]
	for n := 0; n < len(ks); n += insertChunk {
		chunk := ks[n:min(n+insertChunk, len(ks))]
		if err := t.writeKeys(jobs, chunk); err != nil {
			return nil, err
		}
		rows, err := t.readKeys(jobs, chunk)
		if err != nil {
			return nil, err
		}
		for _, k := range chunk {
			row, found := rows[typedHash{jobs[k.i].Type, k.hash}]
			if !found {
				return nil, engine.Errorf(engine.CodeRetry, "take key %q: it is gone again", jobs[k.i].Key)
			}
			ok, err := t.judgeKey(jobs, made, k, row)
			if err != nil {
				return nil, err
			}
			if ok {
				won = append(won, k)
			}
		}
	}
	return won, nil
}

// writeKeys inserts the keys that nobody holds. One that is held stays as it
// is, but is locked.
func (t *Tx) writeKeys(jobs []engine.JobInsert, ks []keyed) error {
	q := []byte("INSERT INTO ds_keys (type, hash, job, token, keep_for) VALUES ")
	args := make([]any, 0, 2*len(ks))
	for n := range ks {
		if n > 0 {
			q = append(q, ',')
		}
		j := &jobs[ks[n].i]
		q = append(q, '(')
		q = append(appendInts(q, int64(j.Type)), ",?,0,?,"...)
		q = append(appendInts(q, keepFor(j.Unique)), ')')
		args = append(args, ks[n].hash[:], ks[n].token[:])
	}
	_, err := t.exec(string(q)+t.s.D.Upsert("type, hash", "job = ds_keys.job"), args...)
	return err
}

type typedHash struct {
	typ  engine.TypeID
	hash [20]byte
}

// readKeys reads keys back that writeKeys has locked. It is a locking read too,
// because in a caller's transaction another one may show an old snapshot.
func (t *Tx) readKeys(jobs []engine.JobInsert, ks []keyed) (map[typedHash]*keyRow, error) {
	rows := make(map[typedHash]*keyRow, len(ks))
	for len(ks) > 0 {
		typ, n := jobs[ks[0].i].Type, 1
		for n < min(len(ks), listMost) && jobs[ks[n].i].Type == typ {
			n++
		}
		args := []any{typ}
		for _, k := range ks[:n] {
			args = append(args, k.hash[:])
		}
		err := t.query(func(r *sql.Rows) error {
			var hash []byte
			var row keyRow
			if err := r.Scan(&hash, &row.job, &row.token, &row.doneAt); err != nil {
				return err
			}
			rows[typedHash{typ, [20]byte(hash)}] = &row
			return nil
		}, "SELECT hash, job, token, "+t.asText("done_at")+" FROM ds_keys"+t.s.D.ByKey()+" WHERE type = ? AND hash IN ("+marks(n)+")"+t.s.D.Lock(), args...)
		if err != nil {
			return nil, err
		}
		ks = ks[n:]
	}
	return rows, nil
}

// judgeKey decides about one key. If another job holds it and it counts, the
// newcomer is not made; if it does not count any more, the newcomer takes it.
func (t *Tx) judgeKey(jobs []engine.JobInsert, made []engine.Enqueued, k keyed, row *keyRow) (won bool, err error) {
	j := &jobs[k.i]
	if bytes.Equal(row.token, k.token[:]) {
		return true, nil
	}
	holder := row.job
	if holder == 0 { // a job of this same call has just won it
		for i := range made {
			if i != k.i && jobs[i].Key == j.Key && jobs[i].Type == j.Type && jobs[i].Instance == j.Instance && made[i].ID == 0 {
				if j.Replace {
					jobs[i].Payload = j.Payload
				}
				made[k.i] = engine.Enqueued{ID: -engine.JobID(i + 1), Replaced: j.Replace}
				return false, nil
			}
		}
	}
	counts, err := t.counts(row, j.Unique, true)
	if err != nil {
		return false, err
	}
	if !counts {
		// job = 0: others of this call with the same key find a job of this call.
		if _, err := t.exec("UPDATE ds_keys SET job = 0, token = ?, keep_for = ?, done_at = ? WHERE type = ? AND hash = ?",
			k.token[:], keepFor(j.Unique), never, j.Type, k.hash[:]); err != nil {
			return false, err
		}
		*row = keyRow{token: k.token[:]}
		return true, nil
	}
	if j.Foretold > 0 {
		return false, engine.Errorf(engine.CodeConflict, "key %q was taken meanwhile", j.Key)
	}
	made[k.i] = engine.Enqueued{ID: holder}
	if j.Replace {
		if made[k.i].Replaced, err = t.replacePayload(holder, j.Payload); err != nil {
			return false, err
		}
	}
	return false, nil
}

// nameKeyHolders writes the ids of the new jobs into the keys that they won.
func (t *Tx) nameKeyHolders(jobs []engine.JobInsert, made []engine.Enqueued, ks []keyed) error {
	for n := 0; n < len(ks); n += insertChunk {
		chunk := ks[n:min(n+insertChunk, len(ks))]
		q := []byte("INSERT INTO ds_keys (type, hash, job, token, keep_for) VALUES ")
		args := make([]any, 0, 2*len(chunk))
		for i, k := range chunk {
			if i > 0 {
				q = append(q, ',')
			}
			q = append(q, '(')
			q = append(appendInts(q, int64(jobs[k.i].Type)), ",?,"...)
			q = append(appendInts(q, int64(made[k.i].ID)), ",?,0)"...)
			args = append(args, k.hash[:], k.token[:])
		}
		if _, err := t.exec(string(q)+t.s.D.Upsert("type, hash", "job = VALUES(job)"), args...); err != nil {
			return err
		}
	}
	for i := range made { // a job of the same call stands for it
		if id := made[i].ID; id < 0 {
			made[i].ID = made[-id-1].ID
		}
	}
	return nil
}

// waits says whether a job waits to be claimed, and gives what sees it, or nil;
// with lock, the row in which it waits is locked and nobody can claim it until the
// transaction ends.
//
// In a caller's transaction the row is looked for before it is locked: see holderOf.
// Only if it goes in between, the gap is locked all the same.
func (t *Tx) waits(id engine.JobID, lock bool) (*Tx, error) {
	h, err := t.holderOf(id)
	if err != nil || h == nil || h.status != engine.StatusWaiting {
		return nil, err
	}
	end := ""
	if lock {
		end = t.s.D.Lock()
	}
	in := func(q string, args ...any) (bool, error) {
		var one int
		if t.apart() && end != "" {
			if found, err := h.seen.row([]any{&one}, q, args...); err != nil || !found {
				return false, err
			}
		}
		return t.row([]any{&one}, q+end, args...)
	}
	found := false
	if !h.runAt.IsZero() {
		found, err = in("SELECT 1 FROM ds_delayed WHERE due = ? AND id = ?", stamp(h.runAt.Time), id)
	}
	if err == nil && !found {
		found, err = in("SELECT 1 FROM ds_ready WHERE queue = ? AND priority = ? AND id = ?", engine.QueueOf(h.typ, h.phase).For(h.windowed), h.priority, id)
	}
	if err != nil || !found {
		return nil, err
	}
	return h.seen, nil
}

// replacePayload gives a job that still waits another payload; not one that is
// part-way with the old one: past a checkpoint, with items, or in a later phase.
func (t *Tx) replacePayload(id engine.JobID, p engine.Raw) (bool, error) {
	seen, err := t.waits(id, true)
	if err != nil || seen == nil {
		return false, err
	}
	var partWay bool
	_, err = seen.row([]any{&partWay}, fmt.Sprintf("SELECT CASE WHEN j.checkpoints > 0 OR j.items > 0 OR j.phase IN (%d, %d) OR p.item IS NOT NULL THEN 1 ELSE 0 END FROM ds_jobs j LEFT JOIN ds_payloads p ON p.id = j.id WHERE j.id = ?",
		engine.PhaseFinish, engine.PhaseFail), id)
	if err != nil || partWay {
		return false, err
	}
	_, err = t.exec("INSERT INTO ds_payloads (id, payload) VALUES (?, ?)"+t.s.D.Upsert("id", "payload = VALUES(payload)"), id, nullRaw(p))
	return err == nil, err
}

// lockKeys locks keys in the order in which all do, where a job's own is to be
// freed by the transaction that takes others.
func (t *Tx) lockKeys(ks []typedHash) error {
	if t.s.D.Lock() == "" {
		return nil // one writer
	}
	ks = slices.DeleteFunc(ks, func(k typedHash) bool { return !t.gets(k.typ, k.hash) })
	slices.SortFunc(ks, func(a, b typedHash) int {
		return cmp.Or(cmp.Compare(a.typ, b.typ), bytes.Compare(a.hash[:], b.hash[:]))
	})
	for len(ks) > 0 {
		n := 1
		for n < min(len(ks), insertChunk) && ks[n].typ == ks[0].typ {
			n++
		}
		args := []any{ks[0].typ}
		for i := range ks[:n] {
			args = append(args, ks[i].hash[:])
		}
		err := t.query(func(*sql.Rows) error { return nil },
			"SELECT job FROM ds_keys"+t.s.D.ByKey()+" WHERE type = ? AND hash IN ("+marks(n)+") ORDER BY type, hash"+t.s.D.Lock(), args...)
		if err != nil {
			return err
		}
		ks = ks[n:]
	}
	return nil
}

// heldKey is a key and the job that holds it.
type heldKey struct {
	typ  engine.TypeID
	hash [20]byte
	job  engine.JobID
}

// sortHeld puts keys in the order in which all lock them.
func sortHeld(ks []heldKey) {
	slices.SortFunc(ks, func(a, b heldKey) int {
		return cmp.Or(cmp.Compare(a.typ, b.typ), bytes.Compare(a.hash[:], b.hash[:]))
	})
}

// deleteKeys deletes keys that their jobs still hold, where a condition on the
// row (alias r) holds.
func (t *Tx) deleteKeys(ks []heldKey, where string) error {
	ks = slices.DeleteFunc(ks, func(k heldKey) bool { return !t.gets(k.typ, k.hash) })
	sortHeld(ks)
	for chunk := range slices.Chunk(ks, insertChunk) {
		list := make([][]any, 0, len(chunk))
		for _, k := range chunk {
			list = append(list, []any{int64(k.typ), hex.EncodeToString(k.hash[:]), int64(k.job)})
		}
		if _, err := t.deleteIn("ds_keys", where, toJSON(list), KeyColumn{"type", KeyInt}, KeyColumn{"hash", KeyHex}, KeyColumn{"job", KeyInt}); err != nil {
			return err
		}
	}
	return nil
}

// releaseKeys frees the keys of jobs that became final, unless they are kept.
func (t *Tx) releaseKeys(outcomes []*engine.Outcome) error {
	var ks, done []heldKey
	for _, o := range outcomes {
		if o.Job.Key == "" || !o.To.Status.Final() {
			continue
		}
		k := heldKey{o.Job.Type, engine.KeyHash(o.Job.Instance, o.Job.Key), o.Job.ID}
		if !t.gets(k.typ, k.hash) {
			continue
		}
		if ks = append(ks, k); o.To.Status == engine.StatusCompleted {
			done = append(done, k)
		}
	}
	// Those to keep on do not match the DELETE: of a completed job they are
	// stamped, of another they stay for its retry, as long as it is kept itself.
	sortHeld(done)
	for _, k := range done {
		if _, err := t.exec("UPDATE ds_keys SET done_at = "+t.s.D.Now()+" WHERE type = ? AND hash = ? AND job = ? AND keep_for <> 0", k.typ, k.hash[:], k.job); err != nil {
			return err
		}
	}
	return t.deleteKeys(ks, "r.keep_for = 0")
}

// KeyHolders says which jobs hold keys that count as taken just now.
func (s *Store) KeyHolders(ctx context.Context, jobs []engine.JobInsert) ([]engine.KeyHolder, error) {
	holders := make([]engine.KeyHolder, len(jobs))
	byType := map[engine.TypeID][]int{}
	for i := range jobs {
		if jobs[i].Key != "" {
			byType[jobs[i].Type] = append(byType[jobs[i].Type], i)
		}
	}
	if len(byType) == 0 {
		return holders, nil
	}
	err := s.read(ctx, func(t *Tx) error {
		for typ, list := range byType {
			for n := 0; n < len(list); n += insertChunk {
				if err := t.keyHolders(typ, jobs, list[n:min(n+insertChunk, len(list))], holders); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return holders, err
}

func (t *Tx) keyHolders(typ engine.TypeID, jobs []engine.JobInsert, list []int, holders []engine.KeyHolder) error {
	at := map[[20]byte][]int{}
	args := []any{typ}
	for _, i := range list {
		hash := engine.KeyHash(jobs[i].Instance, jobs[i].Key)
		if at[hash] = append(at[hash], i); len(at[hash]) == 1 {
			args = append(args, hash[:])
		}
	}
	held := map[[20]byte]*keyRow{}
	err := t.query(func(r *sql.Rows) error {
		var hash []byte
		row := keyRow{looked: true}
		err := r.Scan(&hash, &row.job, &row.doneAt, &row.status, &row.started)
		held[[20]byte(hash)] = &row
		return err
	}, fmt.Sprintf("SELECT k.hash, k.job, k.done_at, COALESCE(j.status, %d), j.started_at FROM ds_keys k%s LEFT JOIN ds_jobs j ON j.id = k.job WHERE k.job <> 0 AND k.type = ? AND k.hash IN (%s)",
		engine.StatusCancelled, t.s.D.ByKey(), marks(len(args)-1)), args...)
	if err != nil {
		return err
	}
	for hash, row := range held {
		for _, i := range at[hash] {
			counts, err := t.counts(row, jobs[i].Unique, false)
			if err != nil {
				return err
			}
			if counts {
				holders[i] = engine.KeyHolder{Job: row.job, Status: engine.Status(row.status)}
				if !row.doneAt.IsZero() { // it may be pruned
					holders[i].Status = engine.StatusCompleted
				}
			}
		}
	}
	return nil
}
