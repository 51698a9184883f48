package main

import (
	"log/slog"
	"time"
)

// plainEvery is how often a plain printer writes, at most.
const plainEvery = 5 * time.Second

// plainProgress writes a line into the log every few seconds, for each gauge
// that has changed. Work that is done as soon as it is there, as that of a schedule
// which fires every few seconds, has no line.
type plainProgress struct {
	env   *Env
	log   *slog.Logger
	last  time.Duration
	shown map[string]gauge
	paces map[string]*pace
	open  map[string]time.Duration // since when there was always something left
}

func newPlainProgress(env *Env, log *slog.Logger) *plainProgress {
	return &plainProgress{env: env, log: log, last: env.Clock.Boot(), shown: map[string]gauge{}, paces: map[string]*pace{}, open: map[string]time.Duration{}}
}

func (p *plainProgress) show(gauges []gauge, away time.Duration) {
	now := p.env.Clock.Boot()
	due := now-p.last >= plainEvery
	if due {
		p.last = now
	}
	here := map[string]bool{}
	for _, g := range gauges {
		here[g.Name] = true
		if p.paces[g.Name] == nil {
			p.paces[g.Name] = &pace{}
		}
		p.paces[g.Name].look(now-away, g.Done)
		left := g.Total == 0 || g.Done < g.Total
		if _, open := p.open[g.Name]; left && !open {
			p.open[g.Name] = now
		}
		if !left {
			delete(p.open, g.Name)
		}
		was, told := p.shown[g.Name]
		if !due || was == g || left && now-p.open[g.Name] < tellAfter || !left && !told {
			continue
		}
		p.shown[g.Name] = g
		if !left {
			delete(p.shown, g.Name) // what comes next is other work
		}
		line := g.Name + ": " + g.line()
		if more := g.more(p.paces[g.Name]); more != "" {
			line += ", " + more
		}
		p.log.Info(line)
	}
	for name := range p.paces {
		if !here[name] {
			delete(p.paces, name)
			delete(p.open, name)
			delete(p.shown, name)
		}
	}
}

func (p *plainProgress) said() { p.last = p.env.Clock.Boot() }

func (p *plainProgress) close() {}
