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
	Failed int64
	Note   string
}

// progress shows gauges to a person. show is given all of them each time;
// close takes them away.
type progress interface {
	show(gauges []gauge)
	close()
}

// newProgress shows bars on a terminal, and lines in the log elsewhere.
func newProgress(env *Env, log *slog.Logger, con *console) progress {
	if env.IsTerminal(env.Stderr) {
		return newLiveProgress(env, con)
	}
	return newPlainProgress(env, log)
}

// pace follows how fast a gauge moves.
type pace struct {
	at   time.Duration // of the last look
	done int64
	rate float64 // per second; the last ten seconds weigh most
	seen bool
}

// look notes how far the work is at a time.
func (p *pace) look(now time.Duration, done int64) {
	dt := (now - p.at).Seconds()
	if p.seen && dt < 0.2 {
		return
	}
	if p.seen {
		const horizon = 10 // seconds
		rate := float64(done-p.done) / dt
		if p.rate == 0 {
			p.rate = rate
		} else {
			weight := 1 - math.Exp(-dt/horizon)
			p.rate += weight * (rate - p.rate)
		}
	}
	p.at, p.done, p.seen = now, done, true
}

// left is how long the rest takes at this pace; 0 when nobody knows.
func (p *pace) left(g gauge) time.Duration {
	rest := g.Total - g.Done
	if g.Total == 0 || rest <= 0 || p.rate < 0.01 {
		return 0
	}
	d := time.Duration(float64(rest) / p.rate * float64(time.Second))
	if d > 100*24*time.Hour || d < 0 {
		return 0
	}
	return d
}

// share is done of total.
func (g gauge) share() string {
	if g.Total == 0 {
		return humanize.Comma(g.Done)
	}
	return humanize.Comma(g.Done) + " of " + humanize.Comma(g.Total)
}

// more is what else is known: failures, rate, time left, note.
func (g gauge) more(p *pace) string {
	var words []string
	if g.Failed > 0 {
		words = append(words, humanize.Comma(g.Failed)+" failed")
	}
	if p.rate >= 0.05 {
		words = append(words, humanize.CommafWithDigits(p.rate, digits(p.rate))+"/s")
	}
	if d := p.left(g); d > 0 {
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
