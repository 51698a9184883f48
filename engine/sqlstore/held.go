package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Whoever enqueues in a transaction of his own holds the keys that he names until
// he commits, however long that is. What the engine does for many jobs at once must
// not wait for that: a transaction that meets such a row is run again without the
// jobs whose rows others hold.

// heldFor is how long rows count as held after somebody waited for some in vain:
// until then nobody waits, but leaves out what is locked at once.
const heldFor = 5 * time.Second

// held remembers what others held when it was last looked for.
type held struct {
	mu      sync.Mutex
	until   time.Duration                  // by Clock.Boot: rows are held till then
	parents map[engine.JobID]time.Duration // emitters that are not folded till then
}

// crowded says that somebody has just waited in vain.
func (h *held) crowded(now time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return now < h.until
}

// met notes that somebody waited in vain.
func (h *held) met(now time.Duration) {
	h.mu.Lock()
	h.until = now + heldFor
	h.mu.Unlock()
}

// leave notes emitters whose rows are held, and gives those that are so anew.
func (h *held) leave(now time.Duration, ids map[engine.JobID]bool) (fresh []engine.JobID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parents == nil {
		h.parents = map[engine.JobID]time.Duration{}
	}
	for id := range ids {
		if _, known := h.parents[id]; !known {
			fresh = append(fresh, id)
		}
		h.parents[id] = now + heldFor
	}
	return fresh
}

// left are the emitters that are not to be looked at now. Those whose time has come
// are forgotten when they were looked at in vain no more.
func (h *held) left(now time.Duration) (ids []engine.JobID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, until := range h.parents {
		switch {
		case now < until:
			ids = append(ids, id)
		case now > until+2*heldFor:
			delete(h.parents, id)
		}
	}
	return ids
}

// aroundHeld runs f in a transaction that does not wait for what others hold for
// longer: once one has waited in vain, f is told to leave out what is locked.
func (s *Store) aroundHeld(ctx context.Context, what string, f func(t *Tx, skip bool) error, found func(*Tx) (bool, error)) error {
	return s.writeOn(ctx, s.brisk(), what, func(t *Tx) error {
		err := f(t, s.held.crowded(s.Clock.Boot()))
		s.noteHeld(err)
		return err
	}, found)
}

// brisk is where transactions run that wait for locks a second or so only.
func (s *Store) brisk() *sql.DB {
	if s.Brisk == nil {
		return s.DB
	}
	return s.Brisk
}

// patient is where transactions run that may wait for what callers hold.
func (s *Store) patient() *sql.DB {
	if s.Patient == nil {
		return s.DB
	}
	return s.Patient
}

// noteHeld notes whether a transaction has waited in vain.
func (s *Store) noteHeld(err error) {
	if s.D.Locked(err) {
		s.held.met(s.Clock.Boot())
	}
}

// lockedRow is what a statement reads that locks jobs by a list of ids and wants no more
// than that. Of the key alone MySQL goes through the whole index, while the table is small
// beside the list: it would wait for jobs that are not in it.
const lockedRow = "id, epoch"

// lockFree locks those of the jobs' rows, and of their keys, that nobody else has
// locked, and gives the jobs of which all are locked now. A row that is gone counts
// as somebody else's.
func (t *Tx) lockFree(ids []engine.JobID, keys []heldKey) (map[engine.JobID]bool, error) {
	free := make(map[engine.JobID]bool, len(ids))
	err := t.queryIDs(func(r *sql.Rows) error {
		var id engine.JobID
		err := r.Scan(&id, new(engine.Epoch))
		free[id] = true
		return err
	}, "SELECT "+lockedRow+" FROM ds_jobs"+t.s.D.ByKey()+" WHERE id", ids, " ORDER BY id"+t.s.D.Skip())
	if err != nil {
		return nil, err
	}
	if t.ours, err = t.keyRows(keys, t.s.D.Skip()); err != nil {
		return nil, err
	}
	for _, k := range keys {
		if !t.ours[typedHash{k.typ, k.hash}] {
			delete(free, k.job)
		}
	}
	return free, nil
}

// gets says whether the transaction may touch a key's row: one that it does not wait
// for and did not get is of another, who may have inserted it just now.
func (t *Tx) gets(typ engine.TypeID, hash [20]byte) bool {
	return t.ours == nil || t.ours[typedHash{typ, hash}]
}

// keyRows says which keys have a row, or with a lock at the end which of them it got.
func (t *Tx) keyRows(keys []heldKey, lock string) (map[typedHash]bool, error) {
	sortHeld(keys)
	got := map[typedHash]bool{}
	for len(keys) > 0 {
		typ, n := keys[0].typ, 1
		for n < min(len(keys), insertChunk) && keys[n].typ == typ {
			n++
		}
		args := []any{typ}
		for i := range keys[:n] {
			args = append(args, keys[i].hash[:])
		}
		err := t.query(func(r *sql.Rows) error {
			var hash []byte
			err := r.Scan(&hash, new(engine.JobID))
			got[typedHash{typ, [20]byte(hash)}] = true
			return err
		}, "SELECT hash, job FROM ds_keys"+t.s.D.ByKey()+" WHERE type = ? AND hash IN ("+marks(n)+") ORDER BY type, hash"+lock, args...)
		if err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return got, nil
}

// divideHeld tells the jobs that are there, locked now with their keys, from those
// whose row or key somebody else has. Jobs that are gone are neither, and a key that
// no row is seen of is nobody's: if there is one, it is not theirs.
func (t *Tx) divideHeld(ids []engine.JobID) (free, held map[engine.JobID]bool, err error) {
	there := map[engine.JobID]bool{}
	var keys []heldKey
	err = t.queryIDs(func(r *sql.Rows) error {
		var k heldKey
		var instance, key text
		err := r.Scan(&k.job, &k.typ, &instance, &key)
		if there[k.job] = true; key != "" {
			k.hash = engine.KeyHash(string(instance), string(key))
			keys = append(keys, k)
		}
		return err
	}, "SELECT id, type, instance, job_key FROM ds_jobs"+t.s.D.ByKey()+" WHERE id", ids, "")
	if err != nil {
		return nil, nil, err
	}
	rows, err := t.keyRows(keys, "")
	if err != nil {
		return nil, nil, err
	}
	keys = slices.DeleteFunc(keys, func(k heldKey) bool { return !rows[typedHash{k.typ, k.hash}] })
	if free, err = t.lockFree(ids, keys); err != nil {
		return nil, nil, err
	}
	held = map[engine.JobID]bool{}
	for id := range there {
		if !free[id] {
			held[id] = true
		}
	}
	return free, held, nil
}
