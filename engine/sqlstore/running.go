package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// Running counts the jobs in claims by type, of the limit of them with the lowest
// ids. It reads the claims, and the claimed jobs by primary key.
func (s *Store) Running(ctx context.Context, limit int) (map[engine.TypeID]int, error) {
	held, err := s.claimed(ctx)
	if err != nil {
		return nil, err
	}
	ids := slices.Sorted(maps.Keys(held))
	counts := map[engine.TypeID]int{}
	for batch := range slices.Chunk(ids[:min(len(ids), limit)], listMost) {
		some := make(map[engine.JobID]holder, len(batch))
		for _, id := range batch {
			some[id] = held[id]
		}
		err := s.read(ctx, func(t *Tx) error {
			return t.query(func(r *sql.Rows) error {
				var typ engine.TypeID
				var n int
				err := r.Scan(&typ, &n)
				counts[typ] += n
				return err
			}, fmt.Sprintf("SELECT j.type, COUNT(*) FROM ds_jobs j%s WHERE j.id IN (%s) AND j.status = %d AND %s GROUP BY j.type",
				s.D.ByKey(), idList(batch), engine.StatusWaiting, inClaims("j", some)))
		})
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}
