package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Databases of tests are used again and again; what the store packages share for
// making one as new.

// TypesTable keeps the job types.
const TypesTable = DefaultPrefix + "types"

// FixedTables are those of the engine whose rows come with the tables.
var FixedTables = []string{DefaultPrefix + "migrations", DefaultPrefix + "schema"}

// Texts reads a column of texts.
func Texts(ctx context.Context, x Execer, query string) (list []string, err error) {
	rows, err := x.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// KeptRecords tells in a line each what is known of the rows of sources: source, key,
// a hash of the content, id.
func (s *Store) KeptRecords(ctx context.Context) (list []string, err error) {
	err = s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var instance, source, key, id text
			var hash raw
			if err := r.Scan(&instance, &source, &key, &hash, &id); err != nil {
				return err
			}
			if instance != "" {
				source += " of " + instance
			}
			line := fmt.Sprintf("%s: %s:", source, key)
			if hash != nil {
				line += fmt.Sprintf(" content %.4x...", []byte(hash))
			}
			list = append(list, strings.TrimRight(line+" "+string(id), " "))
			return nil
		}, "SELECT instance, source, name, hash, id FROM ds_records WHERE gone = 0 ORDER BY type, instance, source, ksum")
	})
	return list, err
}

// Forget forgets all that is remembered of what the tables hold: it was changed
// from outside. Nothing may use the store meanwhile.
func (s *Store) Forget() {
	s.shapes.Clear()
	s.even.Clear()
	s.leavers.forget()
	s.bounds.forget()
	s.prune.forget()
	s.receipts.forget()
	s.anchors.forget()
	s.deltas.forget()
	s.due.forget()
}

func (b *bounds) forget() {
	b.mu.Lock()
	b.m, b.search = nil, pace{}
	b.mu.Unlock()
}

func (p *pruned) forget() {
	p.mu.Lock()
	p.jobs, p.last = nil, pruneKey{}
	p.mu.Unlock()
}

func (r *receipts) forget() {
	r.mu.Lock()
	r.free = nil
	r.mu.Unlock()
}

func (h *head) forget() {
	h.mu.Lock()
	h.from, h.fullAt, h.fullTook = "", 0, 0
	h.mu.Unlock()
}
