package plan_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// A script that meets what db.ensure cannot say: numbers that the table gives, defaults,
// unique keys beside the primary one, and columns that must have a value.
const designed = `
job(retry = retry(max = 1))

def consume(ctx, item):
    db.upsert("goods", [{"k": "a", "name": "new"}, {"k": "z", "name": "made"}], key = ["k"])
    db.insert("plain", [{"id": 7, "code": "x"}])
    made = db.one("SELECT id, n, s, price, kind, note FROM goods WHERE k = 'z'")
    known = db.value("SELECT COUNT(*) FROM plain WHERE code = 'y'")
    _, missing = catch(db.insert, "goods", [{"k": "b"}])
    _, twice = catch(db.insert, "plain", [{"id": 8, "code": "y"}])
    error("%d, %d %s %s %s %s, %d, %s and %s" % (made["id"], made["n"], made["s"], made["price"], made["kind"], made["note"], known, missing.code if missing else None, twice.code if twice else None))
`

func TestATestHasTablesAsTheyAre(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("goods", designed)
		numbers, kind, later, trigger := "INTEGER PRIMARY KEY", "TEXT", "", "CREATE TRIGGER audit AFTER DELETE ON goods BEGIN DELETE FROM plain; END"
		if s.ending = ".star"; strings.HasSuffix(t.Name(), "mariadb") {
			numbers, kind, later, trigger = "BIGINT AUTO_INCREMENT PRIMARY KEY", "ENUM('a', 'b')", "(6)", "CREATE TRIGGER audit AFTER DELETE ON goods FOR EACH ROW DELETE FROM plain"
		}
		for _, q := range []string{
			"CREATE TABLE goods (id " + numbers + ", k VARCHAR(20) NOT NULL UNIQUE, name VARCHAR(50) NOT NULL, n BIGINT NOT NULL DEFAULT 7, s VARCHAR(20) DEFAULT 'it''s', price DECIMAL(8,2) DEFAULT 1.50, kind " + kind + " NOT NULL DEFAULT 'a', note TEXT DEFAULT 'none'," +
				" at DATETIME" + later + " DEFAULT CURRENT_TIMESTAMP" + later + ", CHECK (n > 0))",
			"INSERT INTO goods (id, k, name, n, at) VALUES (40, 'a', 'old', 1, '2026-01-02 03:04:05')",
			"CREATE TABLE plain (id BIGINT PRIMARY KEY, code VARCHAR(20) UNIQUE)", "INSERT INTO plain VALUES (1, 'y')", trigger,
		} {
			_, err := s.db.ExecContext(t.Context(), q)
			s.must(err)
		}
		s.runWith()
		jobs := s.Jobs()
		const want = "7 it's 1.50 a none, 1, db.constraint and db.duplicate"
		if e := jobs[len(jobs)-1].Error; e == nil || !strings.Contains(e.Message, want) {
			t.Fatalf("the job: %+v", e)
		}
		_, name, err := s.replay(1)
		s.must(err)
		written, err := os.ReadFile(filepath.Join(s.jobs, "goods_test.star"))
		s.must(err)
		for _, want := range []string{
			"`id` BIGINT PRIMARY KEY AUTO_INCREMENT", "`n` BIGINT NOT NULL DEFAULT 7", "`at` DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6)", "UNIQUE (`k`)",
			`t.db.ensure("plain", {"id": "integer", "code": "text(20)"}, key = ["id"])`, "ON `plain` (`code`)",
			"# left out of the table goods: the trigger audit", "# left out of the table goods: ", "condition",
		} {
			if !strings.Contains(string(written), want) {
				t.Errorf("the test does not say %s", want)
			}
		}
		for _, url := range append([]string{"", world.Server(t).URL("")}, given()...) {
			suite, err := scripttest.Find(scripttest.Options{Jobs: s.jobs, Run: regexp.MustCompile(strings.TrimPrefix(name, "test_") + "$")})
			s.must(err)
			if url != "" {
				s.must(suite.Use(t.Context(), url))
			}
			got := suite.Run(t.Context())
			s.must(suite.Close())
			if len(got) != 1 || got[0].Status != scripttest.Failed || !strings.Contains(got[0].Failures[0].Message, "41, "+want) {
				t.Errorf("on %q: %+v", url, got[0].Failures[0])
			}
		}
		if t.Failed() {
			t.Logf("%s", written)
		}
	})
}

// given are the servers of the environment.
func given() []string {
	return strings.FieldsFunc(os.Getenv("DSENGINE_TEST_MYSQL"), func(r rune) bool { return r == ',' || r == ' ' })
}

// odd names tables in all the ways in which SQL does.
const odd = `
job(retry = retry(max = 1))

def consume(ctx, item):
    n = db.value("SELECT COUNT(*) FROM ta a, tb b WHERE a.id = b.id")
    db.exec("INSERT INTO ~tc-x~ (id) SELECT id + 10 FROM größe")
    error("%d, %d and %d" % (n, db.value("SELECT SUM(id) FROM ~tc-x~"), db.value("SELECT COUNT(*) FROM ~Odd T~")))
`

func TestATestHasAllTablesThatSQLNames(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *site) {
		s.script("odd", strings.ReplaceAll(odd, "~", "`"))
		for _, name := range []string{"ta", "tb", "`tc-x`", "größe", "`Odd T`"} {
			for _, q := range []string{"CREATE TABLE " + name + " (id INTEGER PRIMARY KEY)", "INSERT INTO " + name + " VALUES (1), (2)"} {
				_, err := s.db.ExecContext(t.Context(), q)
				s.must(err)
			}
		}
		s.runWith()
		_, name, err := s.replay(1)
		s.must(err)
		written, err := os.ReadFile(filepath.Join(s.jobs, "odd_test.star"))
		s.must(err)
		if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Failed || !strings.Contains(got.Failures[0].Message, ": 2, 26 and 2") {
			t.Errorf("the test: %s %+v\n%s", got.Status, got.Failures[0], written)
		}
	})
}
