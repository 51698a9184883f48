package sqlstore

import (
	"context"

	"github.com/dsengine/dsengine/engine"
)

// schedulePing keeps the server from ending the transaction of a hook that is
// busy elsewhere. A process that is frozen does not ping, and loses its locks.
func (s *Session) schedulePing() {
	every := s.d.PingEvery()
	if every <= 0 {
		return
	}
	s.ping = s.store.Clock.After(every, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.conn == nil || s.ended != nil {
			return
		}
		// Spooling may take long, and keeps the connection in use.
		if err := s.spoolOn(context.Background(), s.conn); err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), every)
			err = s.conn.PingContext(ctx)
			cancel()
			if err != nil { // also after a time-out: the driver has closed it
				s.broken, s.ended = true, severed(err)
			}
		}
		if s.ended == nil {
			s.schedulePing()
		} else if s.opts.Ended != nil {
			s.opts.Ended(s.ended)
		}
	})
}

func (s *Session) stopPing() {
	if s.ping != nil {
		s.ping.Stop()
		s.ping = nil
	}
}

// severed is why a transaction is over whose connection is gone.
func severed(err error) error {
	return engine.Wrapf(engine.CodeRetry, engine.Severed(err), "the job's transaction was lost with its connection")
}
