package main

import (
	"log/slog"
	"time"
)

// plainEvery is how often a plain printer writes, at most.
const plainEvery = 5 * time.Second

// plainProgress writes a line into the log every few seconds, for each gauge
// that has changed.
type plainProgress struct {
	env   *Env
	log   *slog.Logger
	last  time.Duration
	shown map[string]gauge
	paces map[string]*pace
}

func newPlainProgress(env *Env, log *slog.Logger) *plainProgress {
	return &plainProgress{env: env, log: log, last: env.Clock.Boot(), shown: map[string]gauge{}, paces: map[string]*pace{}}
}

func (p *plainProgress) show(gauges []gauge) {
	now := p.env.Clock.Boot()
	due := now-p.last >= plainEvery
	if due {
		p.last = now
	}
	for _, g := range gauges {
		if p.paces[g.Name] == nil {
			p.paces[g.Name] = &pace{}
		}
		p.paces[g.Name].look(now, g.Done)
		if !due || p.shown[g.Name] == g {
			continue
		}
		p.shown[g.Name] = g
		line := g.Name + ": " + g.share() + " done"
		if more := g.more(p.paces[g.Name]); more != "" {
			line += ", " + more
		}
		p.log.Info(line)
	}
}

func (p *plainProgress) close() {}
