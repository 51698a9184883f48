package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/dsengine/dsengine/engine"
)

// processes opens a file several times: two files' handles are to each other what two
// processes are.
func processes(t *testing.T, n int) (path string, stores []*Store) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "db")
	for range n {
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stores = append(stores, s)
	}
	return path, stores
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, late := time.NewTicker(2*time.Millisecond), time.NewTimer(time.Minute)
	defer tick.Stop()
	defer late.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// takeWriter takes the writer, until free.
func takeWriter(t *testing.T, s *Store, who string) (free func()) {
	t.Helper()
	c, release, err := s.writer.conn(t.Context(), who, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		_, err := c.ExecContext(context.Background(), "COMMIT")
		if err != nil {
			t.Error(err)
		}
		release(err != nil)
	}
}

// locked says that somebody has locked a turnstile. It has the lock for a moment
// itself if nobody has.
func locked(gate *turnstile) bool {
	f := flock.New(gate.path)
	defer f.Close()
	if !gate.closed() {
		return false
	}
	ok, err := f.TryLock()
	return err == nil && !ok
}

// A process that commits and begins again at once does not keep the writer from one
// that has waited, whichever way that begins its transaction.
func TestWhoWaitsHasTheWriterBeforeWhoHadIt(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(ctx context.Context, s *Store) (end func() error, err error){
		"a hook": func(ctx context.Context, s *Store) (func() error, error) {
			c, free, err := s.writer.conn(ctx, "job 2 (short)", nil)
			return func() error {
				defer free(false)
				_, err := c.ExecContext(ctx, "COMMIT")
				return err
			}, err
		},
		"a program's own": func(ctx context.Context, s *Store) (func() error, error) {
			tx, err := s.Handle().BeginTx(ctx, nil)
			if err != nil {
				return nil, err
			}
			return tx.Commit, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stores := processes(t, 2)
			greedy, waiting := stores[0], stores[1]
			for round := range 8 {
				free := takeWriter(t, greedy, "job 1 (greedy)")
				order := make(chan string, 2)
				go func() {
					end, err := begin(t.Context(), waiting)
					order <- "waiting"
					if err == nil {
						err = end()
					}
					if err != nil {
						t.Error(err)
					}
				}()
				until(t, "the turnstile is locked", func() bool { return locked(waiting.writer.gate) })
				free()
				free = takeWriter(t, greedy, "job 1 (greedy)")
				order <- "greedy"
				free()
				if first := <-order; first != "waiting" {
					t.Errorf("round %d: %s had the writer first", round, first)
				}
				<-order
				until(t, "the turnstile is gone", func() bool { return !greedy.writer.gate.closed() })
			}
		})
	}
}

// helper is set in a process that this test starts: the file to write to.
const helper = "DSENGINE_TEST_TURNSTILE"

// A process that is killed while it waits keeps nobody from writing, and its file goes.
func TestATurnstileOfAProcessThatWasKilled(t *testing.T) {
	if path := os.Getenv(helper); path != "" {
		s, err := Open(t.Context(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = s.writer.conn(t.Context(), "killed", nil)
		t.Fatal("it has the writer: ", err)
	}
	t.Parallel()
	path, stores := processes(t, 2)
	free := takeWriter(t, stores[0], "job 1 (a)")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(self, "-test.run=^"+t.Name()+"$")
	other.Env = append(os.Environ(), helper+"="+path)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the turnstile is closed", stores[0].writer.gate.closed)
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait()
	free()
	began := time.Now()
	for _, s := range stores {
		takeWriter(t, s, "job 2 (b)")()
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %s to write", d)
	}
	if _, err := os.Stat(path + "-turnstile"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its file: %v", err)
	}
}

// A process that is frozen while it waits does not keep others from writing for ever.
func TestATurnstileOfAProcessThatIsFrozen(t *testing.T) {
	t.Parallel()
	_, stores := processes(t, 2)
	lock, none := stores[0].writer.gate.close(t.Context(), closeEvery)
	if lock == nil || none {
		t.Fatal("it cannot be closed")
	}
	defer removeLocked(lock)
	takeWriter(t, stores[1], "job 1 (a)")()
}

// Where no file can be made beside the database the writer is waited for without one.
func TestNoTurnstile(t *testing.T) {
	t.Parallel()
	_, stores := processes(t, 2)
	gate := stores[1].writer.gate
	gate.path = filepath.Join(gate.path, "no", "such", "folder")
	free := takeWriter(t, stores[0], "job 1 (a)")
	tried, had := make(chan struct{}), make(chan error, 1)
	go func() {
		tries := 0
		had <- gate.pass(t.Context(), func() error {
			_, err := stores[1].Handle().ExecContext(t.Context(), beginWriting)
			return err
		}, func() {
			if tries++; tries == 2*openTries {
				close(tried)
			}
		})
	}()
	<-tried
	free()
	if err := <-had; err != nil {
		t.Error(err)
	}
}

// A wait that is given up names the job that has the writer, in this process and in
// another one.
func TestAWaitThatIsGivenUpNamesTheHolder(t *testing.T) {
	t.Parallel()
	_, stores := processes(t, 2)
	free := takeWriter(t, stores[0], "job 7 (slow)")
	defer free()
	until(t, "the holder is told", func() bool { return strings.HasPrefix(stores[1].writer.other(), "job 7 ") })
	abroad := fmt.Sprintf("wait for job 7 (slow) of process %d, which is writing: context canceled", os.Getpid())
	waits := func(s *Store, ctx context.Context) chan error {
		failed := make(chan error, 1)
		go func() {
			_, _, err := s.writer.conn(ctx, "vars set", nil)
			failed <- err
		}()
		return failed
	}
	first, stopFirst := context.WithCancel(t.Context())
	firstFailed := waits(stores[1], first)
	until(t, "the first one waits for the other process", func() bool {
		w := stores[1].writer
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.abroad
	})
	for _, x := range []struct {
		s    *Store
		want string
	}{
		{stores[0], "wait for job 7 (slow), which is writing: context canceled"},
		{stores[1], abroad}, // it waits for one that waits for it
	} {
		ctx, stop := context.WithCancel(t.Context())
		failed := waits(x.s, ctx)
		until(t, "it waits", func() bool {
			x.s.writer.mu.Lock()
			defer x.s.writer.mu.Unlock()
			return len(x.s.writer.waiting) == 1
		})
		stop()
		if err := <-failed; err == nil || err.Error() != x.want {
			t.Errorf("got %v, want %s", err, x.want)
		}
	}
	stopFirst()
	if err := <-firstFailed; err == nil || err.Error() != abroad {
		t.Errorf("got %v, want %s", err, abroad)
	}
}

// What the engine cannot write in time, since a job is writing, is tried again: the
// database is not away.
func TestAWriterThatIsNotFreeInTimeIsNoOutage(t *testing.T) {
	t.Parallel()
	_, stores := processes(t, 1)
	free := takeWriter(t, stores[0], "job 7 (slow)")
	defer free()
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	err := stores[0].Store.StopServer(ctx, 1)
	if engine.CodeOf(err) != engine.CodeRetry || !strings.Contains(err.Error(), "job 7 (slow)") {
		t.Errorf("got code %q: %v", engine.CodeOf(err), err)
	}
}

// alarms is a clock whose timers ring when the test says so.
type alarms struct {
	engine.SystemClock
	set chan func()
}

func (c *alarms) After(_ time.Duration, f func()) engine.Timer {
	c.set <- f
	return time.NewTimer(time.Hour)
}

// A wait that is told of has not to begin anew.
func TestTurnsAreInTheOrderOfAsking(t *testing.T) {
	t.Parallel()
	clock := &alarms{set: make(chan func(), 10)}
	w := newWriter(nil, nil, clock, nil, "")
	if err := w.acquire(t.Context(), "holder", nil); err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 4)
	ask := func(ctx context.Context, who string) (ring func(), ended chan error) {
		ended = make(chan error, 1)
		go func() {
			err := w.acquire(ctx, who, nil)
			if err == nil {
				order <- who
				w.release()
			}
			ended <- err
		}()
		return <-clock.set, ended
	}
	ring, first := ask(t.Context(), "first")
	ctx, stop := context.WithCancel(t.Context())
	_, gone := ask(ctx, "gone")
	_, last := ask(t.Context(), "last")
	ring()
	<-clock.set // the first one waits on
	stop()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v of a wait that was given up", err)
	}
	w.release()
	if err := errors.Join(<-first, <-last); err != nil {
		t.Fatal(err)
	}
	if got := <-order + " " + <-order; got != "first last" {
		t.Errorf("the turns were %s, want first last", got)
	}
	if err := w.acquire(t.Context(), "after", nil); err != nil { // it is free
		t.Fatal(err)
	}
}

// A statement outside of a transaction waits for a writer of another process, too.
func TestAStatementOfItsOwnWaits(t *testing.T) {
	t.Parallel()
	_, stores := processes(t, 2)
	if _, err := stores[0].Handle().ExecContext(t.Context(), "CREATE TABLE t (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	free := takeWriter(t, stores[0], "job 1 (a)")
	tries, done := 0, make(chan error, 1)
	tried := make(chan struct{})
	go func() {
		c, err := stores[1].Handle().Conn(t.Context())
		if err == nil {
			defer c.Close()
			err = c.Raw(func(dc any) error {
				k := dc.(*keeper)
				return k.try("INSERT", func() error {
					if tries++; tries == 3 {
						close(tried)
					}
					_, err := k.exec(t.Context(), "INSERT INTO t VALUES (1)", nil)
					return err
				})
			})
		}
		done <- err
	}()
	<-tried
	free()
	if err := <-done; err != nil {
		t.Error(err)
	}
	var n int
	if err := stores[0].Reader.QueryRow("SELECT COUNT(*) FROM t").Scan(&n); err != nil || n != 1 {
		t.Errorf("there are %d rows (%v)", n, err)
	}
}
