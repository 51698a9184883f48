package mysqlstore

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// A server that takes no more connections is one that is away: hooks wait for it, and
// burn no attempt.
func TestConnectionsThatAreNotToBeHadAreWaitedFor(t *testing.T) {
	t.Parallel()
	for _, number := range []uint16{1040, 1203, 1226} {
		d := &dialect{}
		err := &mysql.MySQLError{Number: number, Message: "Too many connections"}
		if got := d.Class(err); got != sqlstore.ClassUnreachable {
			t.Errorf("%d is of class %v", number, got)
		}
		if hint := d.Hint(err); !strings.Contains(hint, "--connections") {
			t.Errorf("%d: the hint is %q", number, hint)
		}
	}
	onEveryServer(t, func(t *testing.T, s *testServer) {
		const most = 7
		name, _, _ := s.database(t)
		account := fmt.Sprintf("'few_%d'@'%%'", os.Getpid())
		for _, q := range []string{
			"CREATE USER " + account + " IDENTIFIED BY 'few' WITH MAX_USER_CONNECTIONS " + fmt.Sprint(most),
			"GRANT ALL ON " + name + ".* TO " + account,
		} {
			if _, err := s.admin.Exec(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		t.Cleanup(func() { s.admin.Exec("DROP USER " + account) })
		u := *s.url
		u.User, u.Path = url.UserPassword(fmt.Sprintf("few_%d", os.Getpid()), "few"), "/"+name
		store, err := Open(t.Context(), u.String(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		if got := store.allowed(t.Context()); got != most {
			t.Errorf("the server is said to take %d, want %d", got, most)
		}
		var hooks []engine.Session
		for err = nil; err == nil; {
			if len(hooks) > most {
				t.Fatalf("the server takes %d", len(hooks))
			}
			h := store.Begin(engine.SessionOptions{})
			t.Cleanup(h.Close)
			err = reads(t.Context(), h)
			hooks = append(hooks, h)
		}
		if engine.CodeOf(err) != engine.CodeUnreachable || !strings.Contains(engine.HintOf(err), "dsengine doctor") {
			t.Errorf("got %q, %v, hint %q", engine.CodeOf(err), err, engine.HintOf(err))
		}
		hooks[0].Close()
		if err := reads(t.Context(), hooks[len(hooks)-1]); err != nil {
			t.Errorf("after another has given its connection back: %v", err)
		}
	})
}

// reads reads something.
func reads(ctx context.Context, h engine.Session) error {
	rows, err := h.Query(ctx, "SELECT 1", nil)
	if err != nil {
		return err
	}
	return rows.Close()
}
