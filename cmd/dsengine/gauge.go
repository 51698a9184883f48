package main

import (
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// gauge says how far one piece of work is.
type gauge struct {
	Name   string
	Done   int64
	Total  int64 // 0: not known
	About  bool  // Total is an estimate
	Failed int64
	Note   string
	Others bool // other servers work on it too: Done and Total are this server's
}

// progress shows gauges to a person. show is given all of them each time, and how long
// in all the database was away so far, in which nothing could be done; said tells it
// that other words of the work were shown just now; close takes them away.
type progress interface {
	show(gauges []gauge, away time.Duration)
	said()
	close()
}

// newProgress shows bars on a terminal, and lines in the log elsewhere.
func newProgress(env *Env, log *slog.Logger, con *console) progress {
	if env.drawsOn(env.Stderr) {
		return newLiveProgress(env, con)
	}
	return newPlainProgress(env, log)
}

// pace follows how fast a gauge moves.
type pace struct {
	first time.Duration // of the first look
	begun int64         // what was done then
	at    time.Duration // of the last look
	done  int64
	rate  float64 // per second; the last ten seconds weigh most
	seen  bool
}

// A pace is told once so much time was seen, and so many steps.
const (
	paceAfter = 3 * time.Second
	paceSteps = 3
)

// look notes how far the work is at a time.
func (p *pace) look(now time.Duration, done int64) {
	if !p.seen || done < p.done {
		*p = pace{first: now, begun: done, at: now, done: done, seen: true}
		return
	}
	dt := (now - p.at).Seconds()
	if dt < 0.2 {
		return
	}
	const horizon = 10 // seconds
	// At first the average since the beginning.
	weight := max(1-math.Exp(-dt/horizon), dt/(now-p.first).Seconds())
	p.rate += weight * (float64(done-p.done)/dt - p.rate)
	p.at, p.done = now, done
}

// known is the rate, or 0 while too little was seen.
func (p *pace) known() float64 {
	if p.at-p.first < paceAfter || p.done-p.begun < paceSteps {
		return 0
	}
	return p.rate
}

// left is how long the rest takes at this pace; 0 when nobody knows.
func (p *pace) left(g gauge) time.Duration {
	rest := g.Total - g.Done
	rate := p.known()
	if g.Total == 0 || rest <= 0 || rate < 0.01 {
		return 0
	}
	d := time.Duration(float64(rest) / rate * float64(time.Second))
	if d > 100*24*time.Hour || d < 0 {
		return 0
	}
	return d
}

// share is done of total; where others take of the same work, done and left.
func (g gauge) share() string {
	if g.Total == 0 {
		return humanize.Comma(g.Done)
	}
	about := ""
	if g.About {
		about = "~"
	}
	if g.Others {
		return humanize.Comma(g.Done) + " by this server, " + about + humanize.Comma(g.Total-g.Done) + " left"
	}
	return humanize.Comma(g.Done) + " of " + about + humanize.Comma(g.Total)
}

// line is the gauge in words.
func (g gauge) line() string {
	switch {
	case g.Others && g.Done == g.Total:
		return humanize.Comma(g.Done) + " done by this server, none waits; other servers may still have some"
	case g.Others:
		return humanize.Comma(g.Done) + " done" + strings.TrimPrefix(g.share(), humanize.Comma(g.Done))
	}
	return g.share() + " done"
}

// more is what else is known: failures, rate, time left, note.
func (g gauge) more(p *pace) string {
	var words []string
	if g.Failed > 0 {
		words = append(words, humanize.Comma(g.Failed)+" failed")
	}
	if rate := p.known(); rate >= 0.1 {
		words = append(words, humanize.CommafWithDigits(rate, digits(rate))+"/s")
	}
	if d := p.left(g); d > 0 && !g.Others { // nobody knows how much of it others do
		words = append(words, rough(d)+" left")
	}
	if g.Note != "" {
		words = append(words, clip(g.Note, 40))
	}
	return strings.Join(words, ", ")
}

// digits is how many digits after the point a rate is worth.
func digits(rate float64) int {
	if rate < 10 {
		return 1
	}
	return 0
}
