package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// What is tried again and again is told of at once where the database cannot be
// used, and otherwise when it has gone on for TellAfter; then at longer and
// longer intervals, from nagFirst to nagLast.
const (
	TellAfter = 3 * time.Second
	nagFirst  = time.Minute
	nagLast   = 5 * time.Minute
)

// Nag says when to tell of something that goes on being wrong. The zero value is
// ready, and any number may use it at once.
type Nag struct {
	mu          sync.Mutex
	told, pause time.Duration
}

// Due says whether to tell of it now, by Clock.Boot.
func (n *Nag) Due(now time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now-n.told > 2*n.pause {
		n.pause = 0 // nothing was told for long: it is another fault
	}
	if n.pause > 0 && now-n.told < n.pause {
		return false
	}
	n.told, n.pause = now, min(max(nagFirst, 2*n.pause), nagLast)
	return true
}

// tries counts how often in a row a hook was run again in vain.
type tries struct {
	n     int
	since time.Duration // when it first was, by Clock.Boot
}

// tellTries says that a job cannot go on because of the database, for all jobs
// together: what stops one stops most.
func (s *Server) tellTries(what string, j *ClaimedJob, t *Type, r tries, err error) {
	if r.n == 0 {
		r.since = s.eng.clock.Boot()
	}
	s.waitOut(nil, what, r.since, err, "job", j.ID, "type", t.Name)
}

// log logs an error with what to do about it.
func (s *Server) log(level slog.Level, what string, err error, more ...any) {
	args := append(more, "error", err)
	if hint := HintOf(err); hint != "" {
		args = append(args, "hint", hint)
	}
	s.eng.log.Log(context.Background(), level, what, args...)
}
