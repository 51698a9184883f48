package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestStopwatch(t *testing.T) {
	const limit = 3 * time.Second
	sleeps := func(n time.Duration) func(*stopwatch) { return func(*stopwatch) { time.Sleep(n * time.Second) } }
	pause, resume, anew, stop := (*stopwatch).pause, (*stopwatch).resume, (*stopwatch).anew, (*stopwatch).stop
	for name, c := range map[string]struct {
		steps []func(*stopwatch)
		want  time.Duration // when it fires; 0: never
	}{
		"alone":                        {nil, 3 * time.Second},
		"paused":                       {[]func(*stopwatch){sleeps(1), pause, sleeps(5), resume}, 8 * time.Second},
		"paused within a pause":        {[]func(*stopwatch){sleeps(1), pause, pause, sleeps(1), resume, sleeps(4), resume}, 8 * time.Second},
		"begun anew":                   {[]func(*stopwatch){sleeps(2), anew}, 5 * time.Second},
		"begun anew in a pause":        {[]func(*stopwatch){sleeps(2), pause, pause, resume, anew, sleeps(1), resume}, 6 * time.Second},
		"stopped":                      {[]func(*stopwatch){sleeps(2), stop, stop}, 0},
		"stopped, and paused later":    {[]func(*stopwatch){sleeps(2), stop, pause, resume, anew}, 0},
		"stopped while a pause was on": {[]func(*stopwatch){pause, stop, resume}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var got time.Duration
				w := newStopwatch(SystemClock{}, limit, func() { got = time.Since(began) })
				for _, step := range c.steps {
					step(w)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if got != c.want {
					t.Errorf("it fired after %v, want %v", got, c.want)
				}
			})
		})
	}
}
