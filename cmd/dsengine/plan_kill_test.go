//go:build unix

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const heldPlan = `
job(needs = ["http:127.0.0.1", "files:*.txt"])

def consume(ctx, item):
    state.set("n", 1)
    db.ensure("made", {"id": "integer"}, key = ["id"])
    db.insert("made", [{"id": 1}])
    db.exec("UPDATE had SET v = 2")
    ctx.checkpoint("half")
    db.exec("DELETE FROM had")
    files.write("out.txt", "x")
    http.get(item["url"], timeout = "1m")
`

// transactions counts those that are open on the rig's database: other tests use the server
// too. MariaDB makes the table anew only where nobody has read it for 100 ms.
const transactions = `SELECT COUNT(*) FROM information_schema.innodb_trx t
	JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE()`

// picture is all tables with all rows.
func (r *rig) picture() string {
	r.t.Helper()
	q := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
	if !strings.HasPrefix(r.url, "sqlite:") {
		q = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"
	}
	var b strings.Builder
	for _, table := range r.texts(q) {
		rows := r.texts("SELECT * FROM " + table)
		slices.Sort(rows)
		fmt.Fprintf(&b, "%s\n  %s\n", table, strings.Join(rows, "\n  "))
	}
	return b.String()
}

// texts are the rows of a result as texts.
func (r *rig) texts(q string) (list []string) {
	r.t.Helper()
	rows, err := r.db.Query(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	names, _ := rows.Columns()
	for rows.Next() {
		vals, dest := make([][]byte, len(names)), make([]any, len(names))
		for i := range vals {
			dest[i] = &vals[i]
		}
		if err := rows.Scan(dest...); err != nil {
			r.t.Fatal(err)
		}
		words := make([]string, len(vals))
		for i, v := range vals {
			words[i] = string(v)
		}
		list = append(list, strings.Join(words, "|"))
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	return list
}

func TestAPlanThatIsKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *rig{"sqlite": onSQLite, "mariadb": onMariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := open(t)
			asked, release := make(chan struct{}, 10), make(chan struct{})
			web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				asked <- struct{}{}
				<-release
			}))
			t.Cleanup(web.Close)
			t.Cleanup(func() { close(release) })
			r.script("held", heldPlan)
			r.do("enqueue", "held", "--payload", `{"url": "x"}`) // a waiting job of the type, which is left alone
			for _, q := range []string{"CREATE TABLE had (v INTEGER)", "INSERT INTO had VALUES (1)", "CREATE TABLE free (v INTEGER)"} {
				if _, err := r.db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			before := r.picture()
			cmd := r.command("plan", "held", "--payload", fmt.Sprintf(`{"url": %q}`, web.URL))
			temp := t.TempDir()
			cmd.Env = append(os.Environ(), "TMPDIR="+temp)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-asked:
			case err := <-ended:
				t.Fatalf("it ended: %v\n%s", err, out.String())
			case <-time.After(time.Minute):
				_ = cmd.Process.Kill()
				t.Fatal("it does not come so far")
			}
			// Others are not kept from writing meanwhile.
			for _, q := range []string{"INSERT INTO free VALUES (1)", "DELETE FROM free"} {
				if _, err := r.db.Exec(q); err != nil {
					t.Errorf("while it is planned: %v", err)
				}
			}
			if now := r.picture(); now != before {
				t.Errorf("while it is planned\nbefore:\n%s\nnow:\n%s", before, now)
			}
			if name == "mariadb" && r.texts(transactions)[0] != "1" {
				t.Error("it holds no transaction, or two")
			}
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-ended
			if name == "mariadb" { // the server notices
				for began := time.Now(); r.texts(transactions)[0] != "0"; time.Sleep(300 * time.Millisecond) {
					if time.Since(began) > time.Minute {
						t.Fatal("its transaction stays")
					}
				}
			}
			if after := r.picture(); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			if _, err := os.Stat(filepath.Join(r.dir, "out.txt")); err == nil {
				t.Error("it wrote a file")
			}
			next := r.command("plan", "held")
			next.Env = cmd.Env
			if out, _ := next.CombinedOutput(); !strings.Contains(string(out), "would fail") {
				t.Errorf("the next plan said\n%s", out)
			}
			empty(t, temp)
		})
	}
}
