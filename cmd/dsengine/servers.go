package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
)

// serverInfo is one incarnation of a server.
type serverInfo struct {
	Server      string          `json:"server"`
	Incarnation engine.ServerID `json:"incarnation"`
	Host        string          `json:"host"`
	PID         int             `json:"pid"`
	State       string          `json:"state"` // alive, stopping (it takes no more jobs), lost, stopped
	Version     string          `json:"version"`
	StartedAt   time.Time       `json:"started_at"`
	SeenAt      time.Time       `json:"seen_at"`
	StoppedAt   *time.Time      `json:"stopped_at"`
	Claimed     int             `json:"claimed"` // jobs in its claims
	// Types says which phases of which types, in which version, it runs.
	Types map[string]engine.Works `json:"types"`

	seenNow bool // the store itself knows that it lives: its heartbeats are rare
}

func newServers(env *Env, g *globals) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:     "servers",
		Short:   "List the processes that run jobs",
		Example: "  dsengine servers\n  dsengine servers --all -o json",
		Args:    arguments(),
		RunE:    func(c *cobra.Command, _ []string) error { return runServers(c.Context(), env, g, all) },
	}
	c.Flags().BoolVar(&all, "all", false, "those that have stopped or were lost too")
	return c
}

func runServers(ctx context.Context, env *Env, g *globals, all bool) error {
	log, _ := newLogger(env, g)
	eng, done, err := openEngine(ctx, env, g, log, toLook)
	if err != nil {
		return err
	}
	defer done()
	rows, err := eng.Store().Servers(ctx, all)
	if err != nil {
		return err
	}
	now, err := eng.Store().Now(ctx)
	if err != nil {
		return err
	}
	list := make([]serverInfo, len(rows))
	for i, r := range rows {
		list[i] = serverInfo{
			Server: r.Name, Incarnation: r.ID, Host: r.Host, PID: r.PID, State: serverState(r), Version: r.Version,
			StartedAt: r.StartedAt.UTC(), SeenAt: r.SeenAt.UTC(), Claimed: r.Claimed, Types: r.Types,
			seenNow: (r.Lives() || r.Stops()) && r.Liveness > 0,
		}
		if r.Dead && !r.StoppedAt.IsZero() {
			list[i].StoppedAt = inUTC(&r.StoppedAt)
		}
	}
	if g.json() {
		return printJSON(env.Stdout, list)
	}
	if len(list) == 0 {
		env.say("no server runs; start one with: dsengine run")
	}
	tellNamesakes(env, list)
	p := &printer{w: env.Stdout}
	var cells [][]string
	for _, s := range list {
		seen := rough(max(0, now.Sub(s.SeenAt))) + " ago"
		if s.seenNow {
			seen = "now"
		}
		cells = append(cells, []string{
			clean(s.Server), fmt.Sprint(s.Incarnation), fmt.Sprintf("%s/%d", clean(s.Host), s.PID), s.State, rough(max(0, now.Sub(s.StartedAt))) + " ago",
			seen, number(int64(s.Claimed)), s.phases(), clip(s.types(), 60),
		})
	}
	p.table([]string{"server", "incarnation", "host/pid", "state", "since", "seen", "claimed", "phases", "types"}, cells, "incarnation", "claimed")
	return p.err
}

// tellNamesakes says which names several processes have that are alive.
func tellNamesakes(env *Env, list []serverInfo) {
	alive := map[string]int64{}
	for _, s := range list {
		if s.State == "alive" {
			alive[s.Server]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(alive)) {
		if n := alive[name]; n > 1 {
			env.say("%d processes run under the name %s: no job is done twice, but lists and logs do not tell them apart; give each a name of its own with --name", n, clean(name))
		}
	}
}

// phases are those that the server runs of any type.
func (s *serverInfo) phases() string {
	var names []string
	for _, p := range engine.Phases {
		for _, w := range s.Types {
			if slices.Contains(w.Phases, p) {
				names = append(names, p.String())
				break
			}
		}
	}
	return strings.Join(names, " ")
}

// types are those that the server runs, and those whose scripts do not load there.
func (s *serverInfo) types() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		if s.Types[name].Broken {
			name += " (does not load)"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// serverState is what an incarnation's row comes to.
func serverState(r engine.ServerRow) string {
	switch {
	case r.Dead && !r.StoppedAt.IsZero():
		return "stopped"
	case r.Stops():
		return "stopping"
	case !r.Lives():
		return "lost"
	}
	return "alive"
}
