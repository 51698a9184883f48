package sqlitestore

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

func TestWhoHasTheWriterIsToldToOtherProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	var stores []*Store
	for range 2 { // two files' handles are to each other what two processes are
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		stores = append(stores, s)
	}
	_, free, err := stores[0].writer.conn(t.Context(), "job 7 (slow)", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("job 7 (slow) of process %d", os.Getpid())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for stores[1].writer.other() != want {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("it says %q, want %q", stores[1].writer.other(), want)
		}
	}
	free(false)
	if got := stores[1].writer.other(); got != "another process" {
		t.Errorf("when it is free it says %q", got)
	}
}

// hands is a clock that the test moves.
type hands struct {
	engine.SystemClock
	at time.Duration
}

func (c *hands) Boot() time.Duration { return c.at }

func TestALongWaitIsToldLessAndLess(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	clock := &hands{}
	w := newWriter(nil, nil, clock, slog.New(slog.NewTextHandler(&b, nil)), "")
	var told []string
	for clock.at = time.Hour; clock.at < time.Hour+2*time.Minute; clock.at += longWait {
		before := b.Len()
		w.tell("renew", clock.at-time.Hour, "job 1 (a)")
		if b.Len() > before {
			told = append(told, engine.FormatDuration(clock.at-time.Hour))
		}
	}
	if got, want := strings.Join(told, " "), "0s 5s 15s 35s 1m15s"; got != want {
		t.Errorf("told at %s, want %s", got, want)
	}
}
