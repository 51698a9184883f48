package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

// connectionsTo are connections by URL, of a program whose jobs are in another database.
func connectionsTo(t *testing.T, db string, urls map[string]string) *connections {
	c := &connections{
		env: &Env{Lookup: func(string) (string, bool) { return "", false }, Dir: t.TempDir(), Clock: engine.SystemClock{}},
		g:   &globals{DB: db, Prefix: "ds_"},
		log: slog.New(slog.DiscardHandler),
	}
	c.g.tables.Connections = map[string]connectionTable{}
	for name, url := range urls {
		c.g.tables.Connections[name] = connectionTable{URL: url}
	}
	t.Cleanup(c.Close)
	return c
}

func TestADatabaseThatSaysNothingKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			accepted <- conn // and never a word
		}
	}()
	c := connectionsTo(t, "sqlite:jobs.db", map[string]string{"dead": "mysql://root@" + silent.Addr().String() + "/crm", "good": "sqlite:good.db"})

	first := make(chan error, 1)
	go func() {
		_, err := c.Connect(context.Background(), "dead", false)
		first <- err
	}()
	defer (<-accepted).Close()
	one, err := c.Connect(t.Context(), "good", false)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Connect(t.Context(), "good", false); again != one || err != nil {
		t.Errorf("asked again: another connection, %v", err)
	}
	enough := errors.New("enough")
	ctx, leave := context.WithCancelCause(t.Context())
	leave(enough)
	if _, err := c.Connect(ctx, "dead", false); !errors.Is(err, enough) {
		t.Errorf("who leaves gets %v", err)
	}
	select {
	case err := <-first:
		t.Errorf("the others waited until that one failed: %v", err)
	default:
	}
	c.Close()
	if err := <-first; err == nil {
		t.Error("it is open")
	}
	if len(accepted) > 0 {
		t.Error("it was tried twice at once")
	}
}

func TestAFailedConnectionIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := connectionsTo(t, "sqlite:jobs.db", map[string]string{"crm": "sqlite:crm.db"})
	if _, err := c.Connect(t.Context(), "crm", true); err == nil {
		t.Fatal("there is no such file")
	}
	if _, err := c.Connect(t.Context(), "crm", false); err != nil { // which makes it
		t.Fatal(err)
	}
	if _, err := c.Connect(t.Context(), "crm", true); err != nil {
		t.Fatal(err)
	}
}

func TestTheJobDatabaseOfAServerIsNoConnection(t *testing.T) {
	t.Parallel()
	s, err := dbserver.MariaDB(dbserver.Options{})
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	for _, name := range []string{"jobs", "crm"} {
		if err := s.CreateDatabase(name); err != nil {
			t.Fatal(err)
		}
	}
	c := connectionsTo(t, s.URL("jobs"), map[string]string{"own": s.URL("jobs"), "crm": s.URL("crm")})
	if _, err := c.Connect(t.Context(), "own", false); err == nil || engine.CodeOf(err) != engine.CodeUsage || !strings.Contains(err.Error(), `connection "own": it is the job database itself`) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Connect(t.Context(), "crm", false); err != nil {
		t.Error(err)
	}
}
