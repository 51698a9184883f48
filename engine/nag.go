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

// log logs an error with what to do about it.
func (s *Server) log(level slog.Level, what string, err error, more ...any) {
	args := append(more, "error", err)
	if hint := HintOf(err); hint != "" {
		args = append(args, "hint", hint)
	}
	s.eng.log.Log(context.Background(), level, what, args...)
}
