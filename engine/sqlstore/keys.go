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
	status, started := k.status, k.started
	look := func(end string) (final bool, err error) {
		found := true
		if !k.looked || end != "" {
			found, err = t.row([]any{&status, &started}, "SELECT status, started_at FROM ds_jobs WHERE id = ?"+end, k.job)
		}
		return !found || engine.Status(status).Final(), err
	}
	final, err := look("")
	if err == nil && final && lock && t.foreign {
		// A caller's transaction may show an old snapshot, in which a job that holds
		// the key is not there yet, or had ended before it was retried.
		final, err = look(t.s.D.Lock())
	}
	if err != nil {
		return false, err
	}
	switch {
	case u.Mode == engine.UniqueFor && final && !k.doneAt.IsZero():
		now, err := t.clock()
		return now.Sub(k.doneAt.Time) < u.For, err
	case u.Mode == engine.UniqueWaiting && !final:
		if !started.IsZero() {
			return false, nil
		}
		return t.waits(k.job, lock)
	}
	return !final, nil
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
		for n < len(ks) && jobs[ks[n].i].Type == typ {
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
		}, "SELECT hash, job, token, done_at FROM ds_keys"+t.s.D.ByKey()+" WHERE type = ? AND hash IN ("+marks(n)+")"+t.s.D.Lock(), args...)
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

// waits says whether a job waits to be claimed; with lock, its row is locked
// and nobody can claim it until the transaction ends.
func (t *Tx) waits(id engine.JobID, lock bool) (bool, error) {
	end := ""
	if lock {
		end = t.s.D.Lock()
	}
	var typ, phase, status, priority int64
	var windowed engine.Windowed
	var runAt Time
	now := ""
	if t.foreign { // see counts
		now = end
	}
	found, err := t.row([]any{&typ, &phase, &status, &priority, &windowed, &runAt}, "SELECT type, phase, status, priority, windowed, run_at FROM ds_jobs WHERE id = ?"+now, id)
	if err != nil || !found || engine.Status(status) != engine.StatusWaiting {
		return false, err
	}
	var one int
	if !runAt.IsZero() {
		if found, err = t.row([]any{&one}, "SELECT 1 FROM ds_delayed WHERE due = ? AND id = ?"+end, stamp(runAt.Time), id); err != nil || found {
			return found, err
		}
	}
	return t.row([]any{&one}, "SELECT 1 FROM ds_ready WHERE queue = ? AND priority = ? AND id = ?"+end,
		engine.QueueOf(engine.TypeID(typ), engine.Phase(phase)).For(windowed), priority, id)
}

// replacePayload gives a job that still waits another payload; not one that is
// part-way with the old one: past a checkpoint, with items, or in a later phase.
func (t *Tx) replacePayload(id engine.JobID, p engine.Raw) (bool, error) {
	waits, err := t.waits(id, true)
	if err != nil || !waits {
		return false, err
	}
	var partWay bool
	_, err = t.row([]any{&partWay}, fmt.Sprintf("SELECT CASE WHEN j.checkpoints > 0 OR j.items > 0 OR j.phase IN (%d, %d) OR p.item IS NOT NULL THEN 1 ELSE 0 END FROM ds_jobs j LEFT JOIN ds_payloads p ON p.id = j.id WHERE j.id = ?",
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
