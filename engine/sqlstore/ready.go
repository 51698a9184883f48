package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// readyParts is how many dives are in one statement at most.
const readyParts = 200

// look is one at which queues have something to claim.
type look struct {
	s     *Store
	ready []engine.Queue
	last  engine.JobID  // when the search began
	slow  time.Duration // a statement that takes so long comes by dead rows
}

// Ready says which of the queues have something to claim: a dive into the index
// for each, many in one statement. Queues for which a full scan is due, or a scan of the
// priorities beside the bounds, get one of their own. Where dives into queues without
// bounds take long, those that do are searched for, and get some.
func (s *Store) Ready(ctx context.Context, queues []engine.Queue) ([]engine.Queue, error) {
	l := &look{s: s}
	var open []engine.Queue
	var parts []string
	for _, q := range queues {
		v := s.bounds.get(q, s.Clock.Boot())
		at, beside := boundConditions(v.at)
		switch {
		case len(v.at) == 0:
			open = append(open, q)
			continue
		case v.full:
			if _, err := l.full(ctx, q); err != nil {
				return nil, err
			}
			continue
		case v.beside:
			took, err := l.ask(ctx, dives(q, beside))
			if err != nil {
				return nil, err
			}
			if s.bounds.lookedBeside(q, s.Clock.Boot(), took); l.has(q) {
				s.bounds.found(q)
			}
		}
		parts = append(parts, dives(q, at)...)
	}
	for some := range slices.Chunk(parts, readyParts) {
		if _, err := l.ask(ctx, some); err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(open, readyParts) {
		took, err := l.ask(ctx, divesInto(some))
		if err == nil && took >= slowLook && s.D.Bounds() != BoundsNone {
			err = l.search(ctx, some)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(l.ready)
	return slices.Compact(l.ready), nil
}

// dives are those into a queue by conditions.
func dives(q engine.Queue, conds []string) (parts []string) {
	for _, cond := range conds {
		parts = append(parts, fmt.Sprintf("SELECT %d AS queue FROM (SELECT 1 FROM ds_ready WHERE queue = %d AND %s AND %s LIMIT 1) x", q, q, cond, allIDs))
	}
	return parts
}

func divesInto(queues []engine.Queue) (parts []string) {
	for _, q := range queues {
		parts = append(parts, dives(q, []string{allIDs})...)
	}
	return parts
}

func (l *look) has(q engine.Queue) bool { return slices.Contains(l.ready, q) }

// ask notes the queues in which dives find something.
func (l *look) ask(ctx context.Context, parts []string) (took time.Duration, err error) {
	began := l.s.Clock.Boot()
	err = l.s.read(ctx, func(t *Tx) error {
		return t.query(func(r *sql.Rows) error {
			var q engine.Queue
			err := r.Scan(&q)
			l.ready = append(l.ready, q)
			return err
		}, strings.Join(parts, " UNION ALL "))
	})
	return l.s.Clock.Boot() - began, err
}

// full looks at all of a queue.
func (l *look) full(ctx context.Context, q engine.Queue) (took time.Duration, err error) {
	if took, err = l.ask(ctx, dives(q, []string{allIDs})); err != nil {
		return 0, err
	}
	found := l.has(q)
	if l.s.bounds.scanned(q, l.s.Clock.Boot(), took, !found); found {
		l.s.bounds.found(q)
	}
	return took, nil
}

// search gives bounds to those of some queues that are slow to look at, unless the last
// search was too recent for what it took.
func (l *look) search(ctx context.Context, some []engine.Queue) error {
	began := l.s.Clock.Boot()
	if !l.s.bounds.maySearch(began) {
		return nil
	}
	if err := l.s.read(ctx, func(t *Tx) error {
		_, err := t.row([]any{into(&l.last)}, "SELECT COALESCE(MAX(id), 0) FROM ds_jobs")
		return err
	}); err != nil {
		return err
	}
	plain := l.s.Clock.Boot() - began // a statement that has nothing to look for
	l.slow = plain + max(plain, fullScanCheap)
	err := l.halve(ctx, some)
	l.s.bounds.searched(began, l.s.Clock.Boot())
	return err
}

// halve searches by halves for what takes long.
func (l *look) halve(ctx context.Context, some []engine.Queue) error {
	if some = slices.DeleteFunc(slices.Clone(some), l.has); len(some) > 1 {
		took, err := l.ask(ctx, divesInto(some))
		if err != nil || took < l.slow {
			return err
		}
		half := len(some) / 2
		if err := l.halve(ctx, some[:half]); err != nil {
			return err
		}
		return l.halve(ctx, some[half:])
	}
	for _, q := range some {
		v := l.s.bounds.get(q, l.s.Clock.Boot())
		took, err := l.full(ctx, q)
		if err != nil {
			return err
		}
		if !l.has(q) && took >= l.slow { // as if the last job had been claimed
			l.s.milestones(ctx, q, l.s.bounds.raise(q, v, []readyRow{{ref: engine.JobRef{ID: l.last}}}))
		}
	}
	return nil
}
