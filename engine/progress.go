package engine

import (
	"context"
	"sync"
	"time"
)

// progressWriter keeps how far running hooks are, and writes it once a second.
type progressWriter struct {
	srv   *Server
	mu    sync.Mutex
	now   map[JobID]Progress // of running hooks
	dirty map[JobID]Progress
}

func newProgressWriter(s *Server) *progressWriter {
	return &progressWriter{srv: s, now: map[JobID]Progress{}, dirty: map[JobID]Progress{}}
}

func (w *progressWriter) set(id JobID, p Progress) {
	p.Note = Clip(p.Note, 1000)
	w.mu.Lock()
	w.now[id], w.dirty[id] = p, p
	w.mu.Unlock()
}

// run writes progress until ctx ends.
func (w *progressWriter) run(ctx context.Context) {
	w.srv.keepTrying(ctx, "write progress", nil, func(ctx context.Context) (time.Duration, error) {
		return time.Second, w.write(ctx)
	})
}

func (w *progressWriter) flush(ctx context.Context) { _ = w.write(ctx) }

func (w *progressWriter) write(ctx context.Context) error {
	w.mu.Lock()
	dirty := w.dirty
	w.dirty = map[JobID]Progress{}
	for id := range w.now {
		if !w.srv.running.has(id) {
			delete(w.now, id)
		}
	}
	w.mu.Unlock()
	if len(dirty) == 0 {
		return nil
	}
	err := w.srv.eng.store.SaveProgress(ctx, dirty)
	if err != nil {
		w.mu.Lock()
		for id, p := range dirty {
			if _, newer := w.dirty[id]; !newer {
				w.dirty[id] = p
			}
		}
		w.mu.Unlock()
	}
	return err
}
