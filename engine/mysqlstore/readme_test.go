package mysqlstore

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
)

// grantOfReadme finds the privileges that the README tells people to grant.
var grantOfReadme = regexp.MustCompile(`(?m)^GRANT (.*) ON imports\.\* TO`)

// limitedUser makes a user who has on a database what the README grants, and
// nothing else, and gives the database's URL with them.
func (s *testServer) limitedUser(t *testing.T, database string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	grant := grantOfReadme.FindSubmatch(readme)
	if grant == nil {
		t.Fatal("the README grants nothing")
	}
	user := "u_" + database[len("dsengine_test_"):]
	name := fmt.Sprintf("'%s'@'%%'", user)
	for _, q := range []string{
		"DROP USER IF EXISTS " + name,
		"CREATE USER " + name + " IDENTIFIED BY 'a long password'",
		fmt.Sprintf("GRANT %s ON %s.* TO %s", grant[1], database, name),
	} {
		if _, err := s.admin.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	t.Cleanup(func() { s.admin.Exec("DROP USER " + name) })
	u, err := url.Parse(s.urlOf(database))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "a long password")
	return u.String()
}

// What the README grants, what an error advises and what doctor looks for is one
// list; EXECUTE besides is for scripts that CALL, and TRIGGER for dsengine plan.
func TestTheGrantsAreOneList(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(grantOfReadme.FindSubmatch(readme)[1]), privilegeList()+", EXECUTE, TRIGGER"; got != want {
		t.Errorf("the README grants %s, want %s", got, want)
	}
	for _, host := range []string{"localhost", "10.0.0.1"} { // a user without a name is there at most at the first
		err := unreachable(&mysql.MySQLError{Number: 1045, Message: "Access denied for user 'me'@'" + host + "' (using password: YES)"}, &mysql.Config{User: "me"})
		if got, want := strings.Contains(engine.HintOf(err), "DROP USER ''@'localhost'"), host == "localhost"; got != want {
			t.Errorf("%s: hint %q", host, engine.HintOf(err))
		}
	}
	err = unreachable(&mysql.MySQLError{Number: 1044, Message: "Access denied"}, &mysql.Config{DBName: "imports", User: "o'me"})
	if got, want := engine.HintOf(err), "let the user use it: GRANT "+privilegeList()+" ON `imports`.* TO 'o''me'@'...'"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheGrantsOfTheReadmeAreEnough(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		ctx := t.Context()
		name, db, spoil := s.database(t)
		spoil()
		if _, err := db.Exec("CREATE PROCEDURE nothing() SELECT 1"); err != nil {
			t.Fatal(err)
		}
		store, err := Open(ctx, s.limitedUser(t, name), Options{Prefix: "own_"})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if _, err := store.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		if err := store.Prepare(ctx); err != nil {
			t.Fatal(err)
		}
		r, err := store.Describe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want, single := StrategySkip, true
		if err := s.admin.QueryRow("SELECT @@GLOBAL.group_replication_single_primary_mode").Scan(&single); err == nil && !single {
			want = StrategyCompare
		}
		if r.Strategy != want {
			t.Errorf("jobs are claimed by %s (%s), want %s", r.Strategy, r.Reason, want)
		}
		for _, c := range r.Checks {
			if c.Name == "group replication" && !c.OK {
				t.Errorf("%s: %s", c.Name, c.Value)
			}
		}
		h := store.Begin(engine.SessionOptions{Job: 1, Type: "t"})
		defer h.Close()
		if _, err := h.Ensure(ctx, "t", []engine.Column{{Name: "id", Type: "integer"}, {Name: "v", Type: "integer", Nullable: true}}, []string{"id"}); err != nil {
			t.Fatal("ensure: ", err)
		}
		for what, do := range map[string]func() (engine.Stats, error){
			"insert": func() (engine.Stats, error) { return h.Insert(ctx, "t", &rowsOf{n: 3}) },
			"upsert": func() (engine.Stats, error) {
				return h.Upsert(ctx, "t", &rowsOf{n: 3}, engine.Upsert{Key: []string{"id"}})
			},
			"bulk": func() (engine.Stats, error) {
				return h.Bulk(ctx, "t", &rowsOf{n: 3}, &engine.Upsert{Key: []string{"id"}})
			},
			"merge": func() (engine.Stats, error) {
				return h.Merge(ctx, "t", &rowsOf{n: 3}, engine.Merge{Key: []string{"id"}})
			},
		} {
			if _, err := do(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			h.Rollback(ctx)
		}
		if _, err := h.Exec(ctx, "CALL nothing()", nil); err != nil {
			t.Error("call: ", err)
		}
	})
}
