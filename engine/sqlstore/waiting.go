package sqlstore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// viewWaitingFor says in words why the job is not running.
func (t *Tx) viewWaitingFor(j *engine.Job) error {
	say := func(format string, args ...any) error {
		s := fmt.Sprintf(format, args...)
		j.WaitingFor = &s
		return nil
	}
	switch {
	case j.Status == engine.StatusOpen:
		left := int64(0)
		if j.Children != nil {
			left = j.Children.Waiting + j.Children.Running
		}
		return say("waiting for items: %d of %d are left", left, j.Items)
	case j.Status != engine.StatusWaiting:
		return nil
	}
	now, err := t.clock()
	if err != nil {
		return err
	}
	if j.RunAt != nil && j.RunAt.After(now) {
		return say("not due: in %s", engine.FormatDuration(j.RunAt.Sub(now).Round(time.Second)))
	}
	if t.servers == nil {
		list, err := t.s.Servers(t.ctx, false)
		if err != nil {
			return err
		}
		t.servers = append([]engine.ServerRow{}, list...)
	}
	var has, broken, others []string // servers that have its type, whose script does not load, and what those run
	lives, runs, busy := false, false, false
	var stops, silent *engine.ServerRow // the last one that stops, and that is not heard of
	for i := range t.servers {
		s := &t.servers[i]
		lives = lives || s.Lives()
		w, ok := s.Types[j.Type]
		switch {
		case s.Stops():
			stops = s
		case !s.Lives():
			if silent == nil || s.SeenAt.After(silent.SeenAt) {
				silent = s
			}
		case !ok:
		case w.Broken:
			broken = append(broken, s.Name)
		case s.Runs(j.Type, j.Phase):
			runs, busy = true, busy || s.Claimed > 0
		default:
			has = append(has, s.Name)
			for _, p := range w.Phases {
				if !slices.Contains(others, p.String()) {
					others = append(others, p.String())
				}
			}
		}
	}
	switch {
	case !lives && stops != nil:
		return say("no server takes jobs: %s is stopping; start one with dsengine run", stops.Name)
	case !lives && silent != nil:
		return say("no server is heard of: the last one, %s, was %s ago, and may come back; else start one with dsengine run", silent.Name, engine.FormatDuration(now.Sub(silent.SeenAt).Round(time.Second)))
	case !lives:
		return say("no server runs: start one with dsengine run")
	case !runs && len(has) > 0:
		return say("no server runs its phase %s: of this type %s runs %s only", j.Phase, strings.Join(has, ", "), strings.Join(others, ", "))
	case !runs && len(broken) > 0:
		return say("no server has the type: its script does not load on %s", strings.Join(broken, ", "))
	case !runs:
		return say("no server has the type")
	}
	var one int
	before, err := t.row([]any{&one}, fmt.Sprintf("SELECT 1 FROM ds_ready WHERE queue = %d AND id > 0 AND (priority < %d OR priority = %d AND id < %d) LIMIT 1",
		engine.QueueOf(j.TypeID, j.Phase).For(j.Windowed), j.Priority, j.Priority, j.ID))
	switch {
	case err != nil:
		return err
	case before:
		return say("slots busy: jobs before it run first")
	case busy:
		return say("due: a server takes it as soon as a slot is free")
	}
	// Servers that run nothing look again within a second.
	return say("due: a server takes it at its next look")
}
