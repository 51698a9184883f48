package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
)

// typeInfo is what is known of a job type.
type typeInfo struct {
	Type       string                 `json:"type"`
	Doc        string                 `json:"doc"`
	Hooks      []engine.Phase         `json:"hooks"`
	Schedules  []typeSchedule         `json:"schedules"`
	Created    int64                  `json:"created"`
	Completed  int64                  `json:"completed"`
	Failed     int64                  `json:"failed"`
	Cancelled  int64                  `json:"cancelled"`
	Retries    int64                  `json:"retries"`
	Losses     int64                  `json:"losses"`
	Waiting    int                    `json:"waiting"` // due now, at least, when it is waitingLimit
	Delayed    int                    `json:"delayed"` // due later, at least, when it is waitingLimit
	Running    int                    `json:"running"` // in the hands of a server, at least, when it is waitingLimit
	Stats      map[string]int64       `json:"stats"`
	Registered bool                   `json:"registered"` // the database knows it
	OnDisk     *bool                  `json:"on_disk"`    // its script is in the jobs folder; null: there is no such folder
	Errors     []*scripting.LoadError `json:"errors"`     // why its script does not load
	unstarted  bool                   // its script has a schedule that no server has started
}

// typeSchedule is when a type, or an instance of it, fires.
type typeSchedule struct {
	Instance *string    `json:"instance"`
	Schedule string     `json:"schedule"`
	Next     *time.Time `json:"next"`
}

func newTypes(env *Env, g *globals) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "types",
		Short: "List job types: hooks, schedules, counts",
		Long: `List job types: those that the database knows, and those that are only in the jobs folder.
CREATED, COMPLETED, FAILED and CANCELLED count since a type's first job; WAITING is what is due
now, DELAYED what is due later, RUNNING what servers have in hand (each counted to 100,000).
Types whose script is gone, and all of whose jobs are pruned, are left out.`,
		Example: "  dsengine types\n  dsengine types --all -o json",
		Args:    arguments(),
		RunE:    func(c *cobra.Command, _ []string) error { return runTypes(c.Context(), env, g, all) },
	}
	c.Flags().BoolVar(&all, "all", false, "types without script and without jobs too")
	return c
}

func runTypes(ctx context.Context, env *Env, g *globals, all bool) error {
	log, _ := newLogger(env, g)
	s, err := loadScripts(ctx, env, g, log)
	if err != nil {
		return err
	}
	if s.missing {
		env.say("dsengine: warning: there is no jobs folder %q", g.Jobs)
	}
	var list []*typeInfo
	now := env.Clock.Now()
	eng, done, err := openEngine(ctx, env, g, log, toLook)
	switch {
	case err == nil:
		defer done()
		if list, err = registeredTypes(ctx, eng.Store()); err != nil {
			return err
		}
		if now, err = eng.Store().Now(ctx); err != nil {
			return err
		}
	case errors.Is(err, errNoFile) || (engine.CodeOf(err) == engine.CodeEmpty || engine.CodeOf(err) == engine.CodeSchema) && len(s.Files) > 0:
		env.say("%s; these are the scripts in %s", err, g.Jobs)
	default:
		return err
	}
	list = withScripts(list, &s)
	if eng != nil && !all {
		if list, err = withoutGone(ctx, env, eng, list); err != nil {
			return err
		}
	}
	if g.json() {
		return printJSON(env.Stdout, list)
	}
	if len(list) == 0 {
		env.say("there is no job type: put a script into %s", folder(env, g.Jobs))
	}
	p := &printer{w: env.Stdout}
	printTypes(p, list, now)
	return p.err
}

// withoutGone leaves out types without a script and without jobs.
func withoutGone(ctx context.Context, env *Env, eng *engine.Engine, list []*typeInfo) ([]*typeInfo, error) {
	kept := []*typeInfo{}
	for _, t := range list {
		if t.OnDisk != nil && !*t.OnDisk {
			record, err := eng.Type(ctx, t.Type)
			if err != nil {
				return nil, err
			}
			jobs, err := eng.Store().Jobs(ctx, engine.JobFilter{Type: record.ID, Limit: 1})
			if err != nil {
				return nil, err
			}
			if len(jobs) == 0 {
				continue
			}
		}
		kept = append(kept, t)
	}
	if gone := len(list) - len(kept); gone > 0 {
		env.say("%s without script and without jobs: see dsengine types --all", plural(int64(gone), "type is", "types are"))
	}
	return kept, nil
}

// registeredTypes are the types that the database knows.
func registeredTypes(ctx context.Context, store engine.Store) ([]*typeInfo, error) {
	records, err := store.Types(ctx)
	if err != nil {
		return nil, err
	}
	schedules, err := store.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	backlog, err := store.Backlog(ctx, nil, waitingLimit)
	if err != nil {
		return nil, err
	}
	delayed, err := store.Delayed(ctx, waitingLimit)
	if err != nil {
		return nil, err
	}
	running, err := store.Running(ctx, waitingLimit)
	if err != nil {
		return nil, err
	}
	var list []*typeInfo
	for _, r := range records {
		c := r.Counts
		t := &typeInfo{
			Type: r.Name, Doc: r.Doc, Hooks: append([]engine.Phase{}, r.Hooks.List()...), Registered: true,
			Created: c.Created, Completed: c.Completed, Failed: c.Failed, Cancelled: c.Cancelled, Retries: c.Retries, Losses: c.Losses, Running: running[r.ID], Stats: c.Stats,
		}
		for _, s := range schedules {
			if s.Type != r.ID {
				continue
			}
			x := typeSchedule{Instance: optional(s.Instance), Schedule: s.Schedule.String()}
			if !s.NextAt.IsZero() {
				next := s.NextAt.UTC()
				x.Next = &next
			}
			t.Schedules = append(t.Schedules, x)
		}
		for q, n := range backlog {
			if q.Type() == r.ID {
				t.Waiting += n
			}
		}
		for q, d := range delayed {
			if q.Type() == r.ID {
				t.Delayed += d.Jobs
			}
		}
		list = append(list, t)
	}
	return list, nil
}

// withScripts adds what the jobs folder says.
func withScripts(list []*typeInfo, s *scripts) []*typeInfo {
	of := func(name string) *typeInfo {
		for _, t := range list {
			if t.Type == name {
				return t
			}
		}
		t := &typeInfo{Type: name}
		list = append(list, t)
		return t
	}
	here := true
	for _, script := range s.Types {
		t := of(script.Name)
		t.OnDisk = &here
		if len(t.Schedules) == 0 {
			t.Schedules = scheduleOf(script)
			t.unstarted = len(t.Schedules) > 0
		}
		if t.Registered {
			continue
		}
		t.Doc = script.Doc
		for _, p := range engine.Phases {
			if script.Hooks[p] != nil {
				t.Hooks = append(t.Hooks, p)
			}
		}
	}
	for _, name := range s.broken() {
		t := of(name)
		t.OnDisk = &here
		t.Errors = s.Why[name]
	}
	slices.SortFunc(list, func(a, b *typeInfo) int { return cmp.Compare(a.Type, b.Type) })
	for _, t := range list {
		if t.OnDisk == nil && !s.missing {
			gone := false
			t.OnDisk = &gone
		}
		// Lists are never null.
		t.Hooks = append([]engine.Phase{}, t.Hooks...)
		t.Schedules = append([]typeSchedule{}, t.Schedules...)
		t.Errors = append([]*scripting.LoadError{}, t.Errors...)
		if t.Stats == nil {
			t.Stats = map[string]int64{}
		}
	}
	return append([]*typeInfo{}, list...)
}

// scheduleOf is when a script would have its type fire.
func scheduleOf(script *engine.Type) (list []typeSchedule) {
	set := script.Settings
	if len(set.Instances) == 0 && set.InstancesVar == "" && !set.Schedule.IsZero() {
		list = append(list, typeSchedule{Schedule: set.Schedule.String()})
	}
	for _, name := range slices.Sorted(maps.Keys(set.Instances)) {
		if in := set.Instances[name].Schedule; !in.IsZero() {
			list = append(list, typeSchedule{Instance: optional(name), Schedule: in.String()})
		}
	}
	return list
}

func printTypes(p *printer, list []*typeInfo, now time.Time) {
	head := []string{"type", "hooks", "schedule", "next", "created", "completed", "failed", "cancelled", "waiting", "delayed", "running", "note"}
	var rows [][]string
	for _, t := range list {
		var hooks []string
		for _, h := range t.Hooks {
			hooks = append(hooks, h.String())
		}
		schedule, next := t.firing(now)
		rows = append(rows, []string{
			clean(t.Type), strings.Join(hooks, " "), schedule, next, humanize.Comma(t.Created), number(t.Completed), number(t.Failed), number(t.Cancelled), atLeast(t.Waiting), atLeast(t.Delayed), atLeast(t.Running), t.note(),
		})
	}
	p.table(head, rows, "created", "completed", "failed", "cancelled", "waiting", "delayed", "running")
}

// atLeast is a count that stops at waitingLimit.
func atLeast(n int) string {
	if n >= waitingLimit {
		return number(int64(n)) + "+"
	}
	return number(int64(n))
}

// firing is the schedule that fires first, and when.
func (t *typeInfo) firing(now time.Time) (schedule, next string) {
	switch {
	case len(t.Schedules) == 0 && (len(t.Errors) > 0 || t.OnDisk == nil || !*t.OnDisk):
		return "", "" // nobody can tell
	case len(t.Schedules) == 0:
		return "on demand", ""
	}
	first := slices.MinFunc(t.Schedules, func(a, b typeSchedule) int {
		switch {
		case a.Next == nil && b.Next == nil:
			return 0
		case a.Next == nil:
			return 1
		case b.Next == nil:
			return -1
		}
		return a.Next.Compare(*b.Next)
	})
	schedule = first.Schedule
	if n := len(t.Schedules); n > 1 {
		schedule = fmt.Sprintf("%d instances, first %s: %s", n, clean(orEmpty(first.Instance)), schedule)
	} else if first.Instance != nil {
		schedule = clean(*first.Instance) + ": " + schedule
	}
	if first.Next == nil {
		return schedule, ""
	}
	if !first.Next.After(now) {
		return schedule, "due"
	}
	return schedule, distance(*first.Next, now)
}

// note says where a type's script is not.
func (t *typeInfo) note() string {
	switch {
	case len(t.Errors) > 0:
		return "does not load: " + clip(t.Errors[0].Error(), 80)
	case t.OnDisk != nil && !*t.OnDisk:
		return "no script here"
	case !t.Registered:
		return "only on disk: never run"
	case t.unstarted:
		return "its schedule has not begun: dsengine run begins it"
	}
	return ""
}
