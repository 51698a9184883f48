package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"sync"
)

// maxSent is how many batches may be on their way while the next one is gathered: one is
// written, and one waits, so that the database has not to wait for a hook that is
// slower now and then.
const maxSent = 2

// sending is a batch on its way.
type sending struct {
	b     *batch
	ready chan error // gives one once it is ready to be written
	done  chan error // and one once it is written
}

// sent are the batches of a writer that are on their way.
type sent struct {
	list  []*sending // the oldest first; the hook's own, as spare and last are
	spare []*batch   // to be used again
	last  *sync.WaitGroup
	err   error // why one could not be settled: nothing is given back any more

	mu      sync.Mutex
	queue   []*sending // to be written
	writing bool       // somebody goes through the queue
	failed  error      // nothing is written any more; of whoever goes through it
}

// send has the batch written that was gathered, behind those before it. It is made
// ready meanwhile.
func (w *writer) send(ctx context.Context) error {
	b := w.now
	if b.count == 0 && len(b.refused) == 0 {
		return w.settled(ctx)
	}
	p := &sending{b, make(chan error, 1), make(chan error, 1)}
	before, made := w.sent.last, new(sync.WaitGroup)
	made.Go(func() {
		if before != nil {
			before.Wait() // one at a time
		}
		p.ready <- w.makeReady(b)
	})
	w.sent.last = made
	var err error
	if len(w.sent.list) == maxSent {
		err = w.settle(ctx)
	}
	if err == nil {
		err = w.launch(ctx, p)
	}
	if err != nil {
		made.Wait()
		return err
	}
	w.sent.list = append(w.sent.list, p)
	if n := len(w.sent.spare); n > 0 {
		w.now, w.sent.spare = w.sent.spare[n-1], w.sent.spare[:n-1]
		w.now.clear()
	} else {
		w.now = &batch{}
	}
	return nil
}

// launch puts a batch into the queue, and has that gone through if nobody does.
func (w *writer) launch(ctx context.Context, p *sending) error {
	q := &w.sent
	q.mu.Lock()
	q.queue = append(q.queue, p)
	goes := q.writing
	q.writing = true
	q.mu.Unlock()
	if goes {
		return nil
	}
	err := w.s.launch(ctx, func(c *sql.Conn) { w.writeSent(ctx, c) })
	if err != nil {
		q.queue, q.writing = nil, false // nobody else looks at them
	}
	return err
}

// writeSent writes the batches of the queue until there is none.
func (w *writer) writeSent(ctx context.Context, c *sql.Conn) {
	q := &w.sent
	for {
		q.mu.Lock()
		if len(q.queue) == 0 {
			q.writing = false
			q.mu.Unlock()
			return
		}
		p := q.queue[0]
		q.queue = q.queue[1:]
		q.mu.Unlock()
		if err := <-p.ready; q.failed == nil {
			q.failed = w.s.guarded(ctx, func() error {
				if err != nil || p.b.count == 0 {
					return err
				}
				return w.write(ctx, c, p.b)
			})
		}
		p.done <- q.failed
	}
}

// settled waits for all batches that are on their way.
func (w *writer) settled(ctx context.Context) error {
	for len(w.sent.list) > 0 {
		_ = w.settle(ctx)
	}
	return w.sent.err
}

// settle waits for the oldest one, and rejects what could not be written. It gives the
// first error that there was.
func (w *writer) settle(ctx context.Context) error {
	q := &w.sent
	p := q.list[0]
	q.list = q.list[1:]
	if err := <-p.done; q.err == nil {
		q.err = err
	}
	slices.SortStableFunc(p.b.refused, func(a, b refusal) int { return cmp.Compare(a.row.At, b.row.At) })
	for _, r := range p.b.refused {
		if q.err != nil {
			break
		}
		q.err = w.reject(ctx, r)
	}
	q.spare = append(q.spare, p.b)
	return q.err
}
