package main

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// liveProgress shows a bar for each gauge, below the log.
type liveProgress struct {
	env  *Env
	con  *console
	bars *mpb.Progress
	mu   sync.Mutex
	all  map[string]*liveBar
}

// liveBar is a gauge on the terminal.
type liveBar struct {
	bar  *mpb.Bar
	now  gauge
	pace pace
}

func newLiveProgress(env *Env, con *console) *liveProgress {
	l := &liveProgress{env: env, con: con, all: map[string]*liveBar{}}
	l.bars = mpb.New(mpb.WithOutput(env.Stderr), mpb.WithRefreshRate(200*time.Millisecond))
	con.show(l.bars)
	return l
}

func (l *liveProgress) show(gauges []gauge, away time.Duration) {
	now := l.env.Clock.Boot() - away
	here := map[string]bool{}
	for _, g := range gauges {
		here[g.Name] = true
		b := l.bar(g)
		l.mu.Lock()
		b.now = g
		b.pace.look(now, g.Done)
		l.mu.Unlock()
		b.bar.SetTotal(g.Total, false)
		b.bar.SetCurrent(g.Done)
	}
	for name, b := range l.all {
		if !here[name] {
			b.bar.Abort(true)
			delete(l.all, name)
		}
	}
}

func (l *liveProgress) said() {}

// bar is the bar of a gauge, a new one at its first time.
func (l *liveProgress) bar(g gauge) *liveBar {
	if b := l.all[g.Name]; b != nil {
		return b
	}
	b := &liveBar{now: g}
	text := func(f func() string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			l.mu.Lock()
			defer l.mu.Unlock()
			return f()
		}, decor.WCSyncSpaceR)
	}
	b.bar = l.bars.New(0, mpb.BarStyle(), mpb.BarWidth(30), mpb.BarFillerMiddleware(unlessNarrow),
		mpb.PrependDecorators(decor.Name(clip(g.Name, 40), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(
			text(func() string { return b.now.share() }),
			text(func() string { return b.now.more(&b.pace) }),
		))
	l.all[g.Name] = b
	return b
}

// unlessNarrow leaves a bar out where there is no room for it.
func unlessNarrow(bar mpb.BarFiller) mpb.BarFiller {
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		if s.AvailableWidth < 10 {
			return nil
		}
		return bar.Fill(w, s)
	})
}

// close takes the bars away.
func (l *liveProgress) close() {
	for _, b := range l.all {
		b.bar.Abort(true)
	}
	l.bars.Wait()
	l.con.show(nil)
}
