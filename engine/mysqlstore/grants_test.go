package mysqlstore

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

// missingPrivileges are those that checks name, with their hints.
func missingPrivileges(r engine.Report) (names []string, hints string) {
	for _, c := range r.Checks {
		if name, ok := strings.CutPrefix(c.Name, "privilege "); ok && !c.OK {
			names, hints = append(names, name), hints+c.Hint+"\n"
		}
	}
	return names, hints
}

func TestEachMissingPrivilegeIsNamed(t *testing.T) {
	t.Parallel()
	onEveryServer(t, func(t *testing.T, s *testServer) {
		name, db, _ := s.database(t)
		user := fmt.Sprintf("d'e%d", os.Getpid())
		account := "'" + quoted(user) + "'@'%'"
		admin := func(format string, args ...any) {
			t.Helper()
			if q := fmt.Sprintf(format, args...); q != "" {
				if _, err := s.admin.Exec(q); err != nil {
					t.Fatalf("%s: %v", q, err)
				}
			}
		}
		admin("CREATE USER %s IDENTIFIED BY 'p w'", account)
		t.Cleanup(func() { s.admin.Exec("DROP USER " + account) })
		u := *s.url
		u.User, u.Path = url.UserPassword(user, "p w"), "/"+name
		open := func() *Store {
			t.Helper()
			store, err := Open(t.Context(), u.String(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			return store
		}
		all := []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "CREATE TEMPORARY TABLES"}
		tables := func() (list []string) {
			t.Helper()
			rows, err := db.Query("SHOW TABLES")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var table sql.NullString
				if err := rows.Scan(&table); err != nil {
					t.Fatal(err)
				}
				list = append(list, table.String)
			}
			return list
		}
		before := tables()
		look := func(store *Store) (missing []string, hints string) {
			t.Helper()
			store.choice = choice{}
			r, err := store.Describe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			missing, hints = missingPrivileges(r)
			return missing, hints
		}
		admin("GRANT CREATE VIEW ON %s.* TO %s", name, account) // it may connect, and nothing else
		if got, hints := look(open()); !slices.Equal(got, all) || !strings.Contains(hints, fmt.Sprintf("GRANT INSERT ON `%s`.* TO %s", name, account)) {
			t.Errorf("with none granted: %v\n%s", got, hints)
		}
		admin("GRANT %s ON %s.* TO %s", strings.Join(all, ", "), name, account)
		store := open()
		if got, hints := look(store); len(got) > 0 {
			t.Errorf("with all granted: %v\n%s", got, hints)
		}
		for _, p := range all {
			admin("REVOKE %s ON %s.* FROM %s", p, name, account)
			if got, _ := look(open()); !slices.Equal(got, []string{p}) {
				t.Errorf("without %s: %v", p, got)
			}
			admin("GRANT %s ON %s.* TO %s", p, name, account)
		}

		// One that is granted on a few tables only.
		admin("REVOKE INSERT ON %s.* FROM %s", name, account)
		for _, table := range store.ownTables() {
			if table != "ds_jobs" {
				admin("GRANT INSERT ON %s.%s TO %s", name, table, account)
			}
		}
		if got, hints := look(open()); !slices.Equal(got, []string{"INSERT"}) || !strings.Contains(hints, fmt.Sprintf("GRANT INSERT ON `%s`.`ds_jobs` TO %s", name, account)) {
			t.Errorf("without INSERT on a table: %v\n%s", got, hints)
		}

		// What fails for want of it says so.
		fails := open()
		ids, err := fails.SaveTypes(t.Context(), []engine.TypeRecord{{Name: "t", Hooks: 1 << engine.PhaseConsume}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = fails.Enqueue(t.Context(), []engine.JobInsert{{Type: ids["t"], Phase: engine.PhaseConsume}})
		if hint := engine.HintOf(err); !strings.Contains(hint, fmt.Sprintf("the database user %q needs the privilege INSERT; dsengine doctor", user)) {
			t.Errorf("got %v, with the hint %q", err, hint)
		}
		if after := tables(); !slices.Equal(before, after) {
			t.Errorf("tables before: %v, after: %v", before, after)
		}
	})
}
