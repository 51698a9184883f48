package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

// bench is one run of this command.
type bench struct {
	options
	temp   string
	report *report
}

// sample is one drain.
type sample struct {
	JobsPerSecond float64         `json:"jobs_per_second"`
	Seconds       float64         `json:"seconds"`
	Busy          float64         `json:"busy"`             // share of the processors that others used just before
	Detail        json.RawMessage `json:"detail,omitempty"` // as the peer printed it
	Dsengine      *dsengineDetail `json:"dsengine,omitempty"`
}

// build compiles what is to be run.
func (b *bench) build(ctx context.Context) error {
	peers := filepath.Join(b.root, "testdata", "peers")
	var targets [][2]string
	for _, name := range []string{"bare", "river"} {
		if b.has(name) || b.has("mysql") {
			targets = append(targets, [2]string{peers, "./" + name})
		}
	}
	if b.needsDsengine() {
		targets = append(targets, [2]string{b.root, "./cmd/dsengine"})
	}
	for _, t := range targets {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", b.program(filepath.Base(t[1])), t[1])
		cmd.Dir, cmd.Stdout, cmd.Stderr = t[0], os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build %s: %w", t[1], err)
		}
	}
	return errors.Join(b.writeJobs(), b.writeImports())
}

func (b *bench) program(name string) string { return filepath.Join(b.temp, name) }

// measure runs the parts.
func (b *bench) measure(ctx context.Context) error {
	for round := range b.rounds {
		if b.has("dsengine") || b.has("lua") || b.has("bare") {
			if err := b.onMariaDB(ctx, func(p *place) error { return b.drains(ctx, p, round) }); err != nil {
				return err
			}
		}
		if b.has("load") || b.has("upsert") {
			if err := b.onMariaDB(ctx, func(p *place) error { return b.imports(ctx, p, round) }); err != nil {
				return err
			}
		}
		if b.has("river") {
			if err := b.river(ctx); err != nil {
				return err
			}
		}
		if b.has("mysql") {
			for _, url := range b.mysql {
				if err := b.onServer(ctx, url, func(p *place) error { return b.drains(ctx, p, round) }); err != nil {
					return err
				}
			}
		}
		if b.has("sqlite") {
			if err := b.drain(ctx, sqlitePlace(b.temp), b.n, dsengine, noop); err != nil {
				return err
			}
		}
	}
	if b.has("large") {
		for range b.largeRounds {
			if err := b.onMariaDB(ctx, func(p *place) error { return b.drain(ctx, p, b.large, dsengine, noop) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// drains drains with dsengine, in both languages, and with the bare loop. Each round
// begins with another one.
func (b *bench) drains(ctx context.Context, p *place, round int) error {
	do := []func() error{}
	if b.has("dsengine") || b.has("lua") || p.foreign {
		do = append(do, func() error { return b.drain(ctx, p, b.n, dsengine, noop) })
	}
	if b.has("lua") {
		do = append(do, func() error { return b.drain(ctx, p, b.n, inLua, noopLua) })
	}
	if b.has("bare") || p.foreign {
		do = append(do, func() error { return b.bare(ctx, p) })
	}
	for i := range do {
		if err := do[(i+round)%len(do)](); err != nil {
			return err
		}
	}
	return nil
}

// onMariaDB lends a fresh server.
func (b *bench) onMariaDB(ctx context.Context, use func(*place) error) error {
	s, err := dbserver.MariaDB(dbserver.Options{Buffers: b.buffers, Flags: []string{"--innodb-log-file-size=1G"}})
	if err != nil {
		return err
	}
	defer s.Stop()
	p, err := serverPlace(ctx, s.URL(""))
	if err != nil {
		return err
	}
	return use(p)
}

// onServer lends a server that runs already.
func (b *bench) onServer(ctx context.Context, url string, use func(*place) error) error {
	p, err := serverPlace(ctx, url)
	if err != nil {
		return err
	}
	p.foreign = true
	return use(p)
}

// bare drains with the bare loop.
func (b *bench) bare(ctx context.Context, p *place) error {
	return p.use(ctx, func(url string) error {
		others := busy()
		args := []string{"-db", url, "-batch", strconv.Itoa(b.batch), "-workers", strconv.Itoa(b.bareWorkers)}
		if b.selfFill {
			args = append(args, "-fill", strconv.Itoa(b.n), "-migrations", filepath.Join(b.root, "engine", "mysqlstore", "migrations"))
		} else if _, err := b.enqueue(ctx, url, b.n, noop); err != nil {
			return err
		}
		s, err := b.peer(ctx, "bare", args...)
		if err != nil {
			return err
		}
		s.Busy = others
		b.report.add(bareLoop, p.name, b.n, s)
		return nil
	})
}

// river drains with River, on a server that the program starts itself.
func (b *bench) river(ctx context.Context) error {
	others := busy()
	s, err := b.peer(ctx, "river", "-n", strconv.Itoa(b.n), "-workers", b.riverWorkers, "-connections", b.riverConnections)
	if err != nil {
		return err
	}
	var d struct {
		Settings struct{ River, Postgres string }
	}
	if err := json.Unmarshal(s.Detail, &d); err != nil {
		return err
	}
	version, _, _ := strings.Cut(d.Settings.Postgres, " ")
	s.Busy = others
	b.report.add(river+d.Settings.River, "PostgreSQL "+version, b.n, s)
	return nil
}

// peer runs a program that prints its figures as one line of JSON.
func (b *bench) peer(ctx context.Context, name string, args ...string) (sample, error) {
	cmd := exec.CommandContext(ctx, b.program(name), args...)
	interruptible(cmd)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", name, err)
	}
	var s sample
	if err := json.Unmarshal(out, &s); err != nil {
		return s, fmt.Errorf("%s printed %q: %w", name, out, err)
	}
	s.Detail = json.RawMessage(strings.TrimSpace(string(out)))
	return s, nil
}
