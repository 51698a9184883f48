package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// sighting is a server's beat, and since when we have seen it stand still.
type sighting struct {
	beat  int64
	since time.Duration
}

// bury declares servers dead whose processes are gone, and does nothing else: what may
// wait for a lock would keep it from looking. A server is dead when its lease has
// passed on the database's clock and its beat has not moved for a lease by our own: a
// clock that is set, or a database that was away, kills nobody.
func (s *Server) bury(ctx context.Context) {
	seen := map[ServerID]sighting{}
	var looked time.Duration // when we looked last
	namesake := false
	s.keepTrying(ctx, "look for servers that are gone", nil, func(ctx context.Context) (time.Duration, error) {
		asked := s.eng.clock.Boot()
		servers, err := s.eng.store.Servers(ctx, false)
		now := s.eng.clock.Boot()
		if err != nil || now-asked > s.opts.Lease/3 || now-looked > 2*s.opts.Lease/3 {
			clear(seen) // others could not renew their leases either, or this process stood still
		}
		if err != nil {
			return 0, err
		}
		looked = now
		still := map[ServerID]sighting{}
		for _, o := range servers {
			if o.ID == s.id() {
				continue
			}
			g, ok := seen[o.ID]
			lives := ok && (g.beat != o.Beat || o.Liveness > 0)
			if !ok || g.beat != o.Beat {
				g = sighting{o.Beat, now}
			}
			still[o.ID] = g
			if lives && !namesake {
				namesake = s.tellNamesake(o)
			}
			gone := o.Liveness < 0 || o.Liveness == 0 && o.Expired && now-g.since >= s.opts.Lease
			if !gone {
				continue
			}
			dead, err := s.eng.store.MarkDead(ctx, o.ID, o.Beat)
			if err != nil { // its row may be locked: the others are not to wait for it
				if ctx.Err() != nil || isAway(err) || errors.Is(err, ErrSevered) {
					clear(seen)
					return 0, err
				}
				s.log(slog.LevelWarn, "declare a server dead", err, "server", o.Name, "incarnation", o.ID)
				continue
			}
			if dead {
				args := append([]any{"server", o.Name, "host", o.Host, "pid", o.PID, "incarnation", o.ID}, lastHeardOf(o, o.Liveness != 0)...)
				s.eng.log.Warn("a server is lost: other servers take its jobs", args...)
				poke(s.wakeRescue)
			}
		}
		seen = still
		return s.opts.Lease / 3, nil
	})
}

// tellNamesake says that another process, which was there before, runs under this
// server's name; false if it has another one, or came later and tells it itself. One
// that runs until it is idle, or one job, is not told: it is gone soon.
func (s *Server) tellNamesake(o ServerRow) bool {
	if o.Name != s.opts.Name || o.ID > s.id() || s.opts.UntilIdle || len(s.opts.Once) > 0 {
		return false
	}
	s.eng.log.Warn("another process runs under this server's name: both work, and no job is done twice, but lists and logs do not tell them apart. Give each a name of its own (--name)",
		"server", o.Name, "host", o.Host, "pid", o.PID, "incarnation", o.ID, "this_incarnation", s.id())
	return true
}

// lastHeardOf says when a server that is lost was heard of last. Where the store itself
// tells who lives, beats are rare, and the last one says nothing.
func lastHeardOf(o ServerRow, told bool) []any {
	if told {
		return nil
	}
	return []any{"last_heard_of", o.SeenAt.UTC().Format(time.DateTime + " UTC")}
}
