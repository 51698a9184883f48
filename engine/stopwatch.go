package engine

import (
	"sync"
	"time"
)

// stopwatch fires once when its limit has been used up.
type stopwatch struct {
	clock Clock
	limit time.Duration
	fire  func()

	mu     sync.Mutex
	left   time.Duration
	pauses int // those that have begun: it runs while there are none
	since  time.Time
	timer  Timer
}

func newStopwatch(clock Clock, limit time.Duration, fire func()) *stopwatch {
	w := &stopwatch{clock: clock, limit: limit, fire: fire, left: limit, pauses: 1}
	w.resume()
	return w
}

// pause stops it until resume is called as often as pause was.
func (w *stopwatch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pauses++; w.pauses == 1 {
		w.timer.Stop()
		w.left -= w.clock.Now().Sub(w.since)
	}
}

func (w *stopwatch) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pauses--; w.pauses == 0 {
		w.since = w.clock.Now()
		w.timer = w.clock.After(max(w.left, 0), w.fire)
	}
}

// anew gives it its whole limit once more.
func (w *stopwatch) anew() {
	w.pause()
	w.mu.Lock()
	w.left = w.limit
	w.mu.Unlock()
	w.resume()
}

// rest is what is left of its limit.
func (w *stopwatch) rest() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pauses > 0 {
		return w.left
	}
	return w.left - w.clock.Now().Sub(w.since)
}

// stop stops it for good.
func (w *stopwatch) stop() { w.pause() }
