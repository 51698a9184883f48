package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Notice is a notification that was sent, or is about to be.
type Notice struct {
	Key string        // 32 hexadecimal digits
	Job JobID         // that sends it
	For time.Duration // how long it counts from now; 0: it was not sent
}

// NoticeStore remembers which notifications were sent, so that all servers
// together send each once.
type NoticeStore interface {
	// TakeNotice takes a notice for a job that is about to send it, for n.For; false
	// if one with its key counts: it was sent, or another job is about to. writes
	// says that the hook's own transaction may hold the right to write: a store that
	// has one writer only looks then.
	TakeNotice(ctx context.Context, n Notice, writes bool) (bool, error)
	// NoticeCounts says whether a notice counts that is not the job's own, or was
	// sent. It writes nothing.
	NoticeCounts(ctx context.Context, n Notice) (bool, error)
	// KeepNotices remembers what was sent, and forgets what was not. The list has
	// no key twice, and is sorted by it.
	KeepNotices(ctx context.Context, list []Notice) error
}

// noticeHold is how long a job may take to send a notification that it has taken.
// If its process dies meanwhile, the job itself takes it again.
const noticeHold = 10 * time.Minute

// maxNotices bounds what a process itself remembers.
const maxNotices = 10_000

// NoticeKey is the key of a notification: what it is and who is to get it.
func NoticeKey(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Notify calls send, unless a notification with the key was sent within window:
// by any server, by an attempt that failed, by one that was rolled back. It says
// whether it was sent. It is sent at once, whatever becomes of the hook; a process
// that dies just after sends it again. A window of 0 always sends it.
func (c *Call) Notify(key string, window time.Duration, send func(context.Context) error) (bool, error) {
	if window <= 0 {
		return true, send(c.ctx)
	}
	k := c.srv.notices
	if k.knows(key) {
		return false, nil
	}
	taken, err := c.eng.store.TakeNotice(c.ctx, Notice{Key: key, Job: c.job.ID, For: noticeHold}, c.session != nil && c.session.Wrote())
	if err != nil || !taken || k.knows(key) { // it may have been sent meanwhile by one that only looked
		return false, err
	}
	n := Notice{Key: key, Job: c.job.ID}
	if err = send(c.ctx); err == nil {
		n.For = window
	}
	k.keep(n)
	return err == nil, err
}

// noticeKeeper remembers what this process has sent, and writes it down as soon
// as it can: a hook that holds SQLite's writer does not wait for itself. Who is
// to send one the database alone says: a hook that only asks keeps no other from it.
type noticeKeeper struct {
	srv     *Server
	mu      sync.Mutex
	sent    map[string]time.Time // until when they count
	pending map[string]Notice    // to be written; For counts from at
	at      map[string]time.Time
	wake    chan struct{}
}

func newNoticeKeeper(s *Server) *noticeKeeper {
	return &noticeKeeper{
		srv: s, sent: map[string]time.Time{}, pending: map[string]Notice{}, at: map[string]time.Time{},
		wake: make(chan struct{}, 1),
	}
}

// knows says whether this process has sent it, within its window.
func (k *noticeKeeper) knows(key string) bool {
	now := k.srv.eng.clock.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	until, ok := k.sent[key]
	return ok && now.Before(until)
}

// keep has it written what became of a notice.
func (k *noticeKeeper) keep(n Notice) {
	now := k.srv.eng.clock.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending[n.Key], k.at[n.Key] = n, now
	if n.For > 0 {
		if len(k.sent) >= maxNotices {
			maps.DeleteFunc(k.sent, func(_ string, until time.Time) bool { return !now.Before(until) })
		}
		if len(k.sent) < maxNotices {
			k.sent[n.Key] = now.Add(n.For)
		}
	}
	poke(k.wake)
}

// run writes until ctx ends.
func (k *noticeKeeper) run(ctx context.Context) {
	k.srv.keepTrying(ctx, "keep notifications", k.wake, func(ctx context.Context) (time.Duration, error) {
		return time.Minute, k.write(ctx)
	})
}

// flush writes what is left.
func (k *noticeKeeper) flush(ctx context.Context) {
	if err := k.write(ctx); err != nil {
		k.srv.atEnd("keep notifications", err)
	}
}

func (k *noticeKeeper) write(ctx context.Context) error {
	k.mu.Lock()
	pending, at := k.pending, k.at
	k.pending, k.at = map[string]Notice{}, map[string]time.Time{}
	k.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	now := k.srv.eng.clock.Now()
	list := make([]Notice, 0, len(pending))
	for key, n := range pending {
		if n.For > 0 {
			n.For = max(n.For-now.Sub(at[key]), time.Millisecond)
		}
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b Notice) int { return strings.Compare(a.Key, b.Key) })
	err := k.srv.eng.store.KeepNotices(ctx, list)
	if err != nil {
		k.mu.Lock()
		for key, n := range pending {
			if _, newer := k.pending[key]; !newer {
				k.pending[key], k.at[key] = n, at[key]
			}
		}
		k.mu.Unlock()
	}
	return err
}
