package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
	"github.com/dsengine/dsengine/engine/storetest"
	"github.com/dsengine/dsengine/engine/storetest/dbserver"
)

// said gives what is logged.
type said struct{ lines chan string }

func (s *said) Write(p []byte) (int, error) {
	select {
	case s.lines <- string(p):
	default:
	}
	return len(p), nil
}

// A server whose tablespace must not grow is full: the job waits and says so, burns no
// attempt, and goes on when there is room.
func TestFullServerIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server")
	}
	t.Parallel()
	srv, err := dbserver.MariaDB(dbserver.Options{Buffers: 64, Flags: []string{
		"--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M;ibdata2:60M", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync",
		"--log-bin", "--server-id=1", "--binlog-format=ROW", "--sync-binlog=0",
	}})
	var no *dbserver.NotInstalledError
	if errors.As(err, &no) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := srv.CreateDatabase("full"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s, err := Open(ctx, srv.URL("full"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("mysql", srv.DSN("full"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	exec := func(q string) error {
		_, err := admin.ExecContext(ctx, q)
		return err
	}
	for _, q := range []string{"CREATE TABLE t (x VARCHAR(2000))", "CREATE TABLE filler (x VARCHAR(2000))"} {
		if err := exec(q); err != nil {
			t.Fatal(err)
		}
	}
	log := &said{lines: make(chan string, 1000)}
	eng, err := engine.Open(ctx, s, engine.Options{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	began, filled := make(chan bool, 1000), make(chan struct{})
	big := &engine.Type{Name: "big", Version: "1", Settings: engine.Settings{Retry: engine.RetryPolicy{Max: 1}},
		Hooks: map[engine.Phase]engine.Hook{engine.PhaseConsume: func(c *engine.Call) (engine.Raw, error) {
			began <- true
			<-filled
			_, err := c.Session().Exec(c.Context(), "INSERT INTO t SELECT REPEAT('x', 2000) FROM seq_1_to_4000", nil)
			return nil, err
		}}}
	if _, err := eng.RegisterTypes(ctx, big); err != nil {
		t.Fatal(err)
	}
	made, err := eng.Enqueue(ctx, engine.NewJob{Type: "big"})
	if err != nil {
		t.Fatal(err)
	}
	server, err := eng.NewServer(ctx, engine.ServerOptions{Types: []*engine.Type{big}, Name: "here", UntilIdle: true})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	<-began
	for n := 0; err == nil; n++ { // what is left is too little for the row, and enough for the engine's
		if n > 100 {
			t.Fatal("it does not become full")
		}
		err = exec("INSERT INTO filler SELECT REPEAT('x', 2000) FROM seq_1_to_2000")
	}
	var me *mysql.MySQLError
	if !errors.As(err, &me) || me.Number != 1114 {
		t.Fatalf("want error 1114, got %v\n%s", err, srv.Log())
	}
	close(filled)
	for told := false; !told; {
		select {
		case line := <-log.lines:
			told = strings.Contains(line, "is full") && strings.Contains(line, "type=big") && strings.Contains(line, "make room") &&
				strings.Contains(line, "what waits goes on by itself then")
		case err := <-ended:
			t.Fatalf("the run has ended: %v", err)
		}
	}
	for range 25 { // more often than a dead-lock is tried: it waits, and fails no attempt
		select {
		case <-began:
		case err := <-ended:
			t.Fatalf("the run has ended: %v", err)
		}
	}
	if err := exec("DROP TABLE filler"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	j, err := s.Job(ctx, made[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if j.Status != engine.StatusCompleted || j.Attempt != 1 {
		t.Errorf("want it completed at the first attempt, got %v, attempt %d", j.Status, j.Attempt)
	}

	// A transaction that is larger than the server takes is its job's affair.
	if err := exec("SET GLOBAL max_binlog_cache_size = 65536"); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(ctx, srv.URL("full"), Options{}); err != nil { // with sessions that know it
		t.Fatal(err)
	}
	defer s.Close()
	h := s.Begin(engine.SessionOptions{Job: 1, Type: "t"})
	defer h.Close()
	for i, q := range []string{"INSERT INTO t VALUES ('first')", "INSERT INTO t SELECT REPEAT('x', 2000) FROM seq_1_to_100", "INSERT INTO t VALUES ('last')"} {
		_, err := h.Exec(ctx, q, nil)
		switch f := engine.AsFailure(cmp.Or(err, errors.New(""))); {
		case i != 1 && err != nil:
			t.Errorf("%s: %v", q, err)
		case i == 1 && (f.Code != "db.full" || !strings.HasPrefix(f.Message, "the transaction has written more than the database server lets one write: commit more often, by ctx.batches or ctx.checkpoint, or raise max_binlog_cache_size (")):
			t.Errorf("got %q: %v", f.Code, err)
		}
	}
}

// A COMMIT for which there is no room, because of what its transaction has written, fails
// the attempt: to wait would help nobody.
func TestACommitWithoutRoomFailsTheAttempt(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, server *testServer) {
		ctx := t.Context()
		name, db, spoil := server.database(t)
		spoil()
		if _, err := db.ExecContext(ctx, "CREATE TABLE t (id INTEGER)"); err != nil {
			t.Fatal(err)
		}
		faults := &storetest.Faults{}
		s, err := Open(ctx, server.urlOf(name), Options{Wrap: faults.Wrap})
		must(t, err)
		defer s.Close()
		must(t, s.Prepare(ctx))
		types, err := s.SaveTypes(ctx, []engine.TypeRecord{{Name: "t", Hooks: 1 << engine.PhaseConsume, MaxAttempts: 1}})
		must(t, err)
		queue := engine.QueueOf(types["t"], engine.PhaseConsume)
		_, err = s.Enqueue(ctx, []engine.JobInsert{{Type: types["t"], Phase: engine.PhaseConsume}})
		must(t, err)
		claims, err := s.Claim(ctx, engine.ClaimRequest{Server: 1, Queue: queue, Max: 1, NewID: func() engine.ClaimID { return engine.ClaimID{1} }})
		must(t, err)
		must(t, s.Load(ctx, queue, &claims[0]))
		j := &claims[0].Jobs[0]
		outcome := func() *engine.Outcome {
			return &engine.Outcome{Job: j, Event: engine.Succeeded, To: engine.State{Phase: j.Phase, Status: engine.StatusCompleted}, Attempts: 1, LastOf: &j.Claim}
		}
		h := s.Begin(engine.SessionOptions{Job: j.ID, Type: "t"})
		defer h.Close()
		for _, full := range []bool{true, false} {
			_, err = h.Exec(ctx, "INSERT INTO t VALUES (1)", nil)
			must(t, err)
			if !full {
				must(t, s.Commit(ctx, h, outcome()))
				break
			}
			faults.ArmCommit(storetest.Fault{Mode: storetest.Fail, Err: &mysql.MySQLError{Number: 3, Message: "Error writing file '/tmp/#sql/fd=54' (Errcode: 28 \"No space left on device\")"}})
			err = s.Commit(ctx, h, outcome())
			if f := engine.AsFailure(err); faults.Disarm() != "COMMIT" || engine.CodeOf(err) != "" || f.Code != "db.full" || !strings.Contains(f.Message, "commit more often") {
				t.Errorf("got %q of code %q: %v", f.Code, engine.CodeOf(err), err)
			}
		}
		var rows int
		must(t, db.QueryRowContext(ctx, "SELECT COUNT(*) FROM t").Scan(&rows))
		if rows != 1 {
			t.Errorf("%d rows, want the one that was committed", rows)
		}
	})
}

// What servers say when there is no room, as they write it.
func TestNoRoomIsRecognised(t *testing.T) {
	t.Parallel()
	d := &dialect{}
	for _, c := range []struct {
		number  uint16
		message string
		full    bool
	}{
		{1114, "The table 't' is full", true},
		{1114, "The table '/tmp/#sql-temptable-1a-2-3' is full", true},
		{1021, "Disk full (./db/t.MAD); waiting for someone to free some space... (errno: 28 \"No space left on device\")", true},
		{1030, "Got error 28 \"No space left on device\" from storage engine InnoDB", true},
		{1030, "Got error 28 - 'No space left on device' from storage engine", true},
		{1030, "Got error 135 \"No more room in file\" from storage engine Aria", true},
		{1030, "Got error 122 \"Internal (unspecified) error in handler\" from storage engine InnoDB", false},
		{1030, "Got error 128 \"Out of memory in engine\" from storage engine", false},
		{3, "Error writing file '/tmp/MYfd=5' (Errcode: 28 \"No space left on device\")", true},
		{1026, "Error writing file './binlog.000001' (errno: 28 - No space left on device)", true},
		{1026, "Error writing file './binlog.000001' (errno: 5 - Input/output error)", false},
		{1064, "You have an error in your SQL syntax near 'No space left'", false},
	} {
		err := fmt.Errorf("insert: %w", &mysql.MySQLError{Number: c.number, Message: c.message})
		if got := d.Class(err) == sqlstore.ClassFull; got != c.full {
			t.Errorf("%d %s: waited for: %v", c.number, c.message, got)
		}
		if got := strings.HasPrefix(d.Hint(err), "make room "); got != c.full {
			t.Errorf("%d %s: the hint is %q", c.number, c.message, d.Hint(err))
		}
	}
}

// oneHook is a hook's session on a database of its own, and another connection to that.
func oneHook(t *testing.T, server *testServer) (*sql.DB, engine.Session) {
	t.Helper()
	name, db, spoil := server.database(t)
	spoil()
	s, err := Open(t.Context(), server.urlOf(name), Options{})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	h := s.Begin(engine.SessionOptions{Job: 1, Type: "t"})
	t.Cleanup(func() { h.Close() })
	return db, h
}

// A table that is as large as it may be, and a statement that fills the temporary files,
// are the script's affair: the attempt fails, and its transaction goes on.
func TestFullTablesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, server *testServer) {
		ctx := t.Context()
		db, h := oneHook(t, server)
		for _, q := range []string{
			"CREATE TABLE kept (id INTEGER) ENGINE=InnoDB",
			"CREATE TABLE small (x CHAR(250)) ENGINE=MEMORY MAX_ROWS=10",
			"CREATE TABLE tiny (b TINYINT(1) UNSIGNED, t TINYINT(1))",
		} {
			if _, err := db.ExecContext(ctx, q); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.Exec(ctx, "INSERT INTO kept VALUES (1)", nil); err != nil {
			t.Fatal(err)
		}
		var err error
		for n := 0; err == nil && n < 20; n++ {
			_, err = h.Exec(ctx, "INSERT INTO small WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 900) SELECT REPEAT('x', 250) FROM s", nil)
		}
		f := engine.AsFailure(err)
		byGTID := server.kind == "mysql" && strings.Contains(f.Message, "violates GTID consistency") // not in a transaction
		if !byGTID && (err == nil || f.Code != "db.full" || !f.Retryable || !strings.HasPrefix(f.Message, "table small, which MEMORY keeps, is full: ") || engine.CodeOf(err) != "") {
			t.Errorf("got %q of code %v: %v, want db.full of the table", f.Code, engine.CodeOf(err), err)
		}
		if _, err := h.Exec(ctx, "INSERT INTO kept VALUES (2)", nil); err != nil {
			t.Errorf("the transaction is over: %v", err)
		}
		if _, err := h.Insert(ctx, "tiny", &rowList{{Names: []string{"b"}, Values: []any{int64(200)}}}); err != nil {
			t.Errorf("200 for a TINYINT(1) UNSIGNED: %v", err)
		}
	})
}

// Whose fault it is that there is no room, by what servers say.
func TestFullFaults(t *testing.T) {
	t.Parallel()
	s := &Store{dialect: &dialect{}}
	const statement, transaction, table = "the statement needs more room", "the transaction has written more than", "a table of the statement is full"
	for _, c := range []struct {
		number  uint16
		message string
		script  string // what it is told; "": it is waited for
	}{
		{3, "Error writing file '/tmp/#sql/fd=54' (Errcode: 28 \"No space left on device\")", "for what the transaction has written, which waits there for the commit, or for what the statement needs"},
		{1114, "The table '/tmp/#sql-temptable-1a-2-3' is full", statement},
		{1030, "Got error 135 \"No more room in file\" from storage engine Aria", table},
		{1030, "Got error 28 \"No space left on device\" from storage engine InnoDB", ""},
		{1021, "Disk full (./db/t.MAD); waiting for someone to free some space... (errno: 28 \"No space left on device\")", ""},
		{1021, "Disk full (/tmp/#sql-temptable-1a-2-3.MAD); waiting for someone to free some space... (errno: 28 \"No space left on device\")", statement},
		{3, "Error writing file '/tmp/MYfd=5' (Errcode: 28 \"No space left on device\")", statement},
		{3, "Error writing file '/tmp/MLfd=5' (Errcode: 28 \"No space left on device\")", transaction},
		{1026, "Error writing file '/var/tmp/MLa8Xk2q' (errno: 28 \"No space left on device\")", transaction},
		{1026, "Error writing file './binlog.000001' (errno: 28 - No space left on device)", ""},
		{1026, "Error writing file './db/MYtab.MAD' (errno: 28 - No space left on device)", ""},
		{1026, "Error writing file './db/MLtab.MAD' (errno: 28 - No space left on device)", ""},
		{1197, "Multi-statement transaction required more than 'max_binlog_cache_size' bytes of storage; increase this mysqld variable and try again", transaction},
		{1705, "Multi-row statements required more than 'max_binlog_stmt_cache_size' bytes of storage; increase this mysqld variable and try again", transaction},
	} {
		said, ended := s.HookError(fmt.Errorf("insert: %w", &mysql.MySQLError{Number: c.number, Message: c.message}))
		f := engine.AsFailure(said)
		if ended != (c.script == "") || !ended && (f.Code != "db.full" || !strings.Contains(f.Message, c.script) || !strings.Contains(f.Message, c.message)) {
			t.Errorf("%d %s: got %v, waited for: %v", c.number, c.message, said, ended)
		}
	}
}

// A COMMIT needs no room but for what its transaction has written.
func TestFullAtCommit(t *testing.T) {
	t.Parallel()
	s := &Store{dialect: &dialect{}}
	said, ended := s.HookError(&sqlstore.CommitError{Err: &mysql.MySQLError{Number: 3, Message: "Error writing file '/tmp/#sql/fd=54' (Errcode: 28 \"No space left on device\")"}})
	if f := engine.AsFailure(said); ended || f.Code != "db.full" || !strings.HasPrefix(f.Message, "the transaction has written more than the database server has room for in its folder for temporary files") {
		t.Errorf("got %v, waited for: %v", said, ended)
	}
}

// Tables are looked at once for all errors of a script that goes on.
func TestTablesAreRememberedForErrors(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, server *testServer) {
		ctx := t.Context()
		db, h := oneHook(t, server)
		for i, q := range []string{"CREATE TABLE t (size DECIMAL(4,1))", "ALTER TABLE t MODIFY size DECIMAL(5,1)"} {
			if _, err := db.ExecContext(ctx, q); err != nil {
				t.Fatal(err)
			}
			_, err := h.Exec(ctx, "INSERT INTO t VALUES (12345678)", nil)
			if err == nil || !strings.Contains(err.Error(), "column size of t is of type decimal(4,1)") {
				t.Errorf("%d: got %v, want the type that it had at first", i, err)
			}
			h.Rollback(ctx)
		}
	})
}
