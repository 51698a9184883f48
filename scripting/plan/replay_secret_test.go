package plan_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// Secrets are struck out of all that a saved test holds.
func TestNoSecretIsSaved(t *testing.T) {
	t.Parallel()
	for ending, script := range map[string]string{
		".star": `
job(retry = retry(max = 1), needs = ["secret:key", "files:in/*"])

def consume(ctx, item):
    key = secrets.get("key")
    row = db.one("SELECT * FROM keys_of")
    if files.read("in/f.txt") == vars.get("key") and row["raw"] == bytes(key) and item["key"] == key:
        error("all have it")
`,
		".lua": `
job{retry = retry{max = 1}, needs = {"secret:key", "files:in/*"}}

function consume(ctx, item)
  local key = secrets.get("key")
  local row = db.one("SELECT * FROM keys_of")
  if files.read("in/f.txt") == vars.get("key") and row.raw == key and item.key == key then
    error("all have it")
  end
end
`,
	} {
		t.Run(ending[1:], func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, s *site) {
				s.ending = ending
				s.script("keys", script)
				const secret = "hush-hush-key"
				for _, q := range []string{
					"CREATE TABLE keys_of (id INTEGER PRIMARY KEY, raw BLOB, name VARCHAR(50))", fmt.Sprintf("INSERT INTO keys_of VALUES (1, X'%x', 'of %s')", secret, secret),
				} {
					_, err := s.db.ExecContext(t.Context(), q)
					s.must(err)
				}
				s.File("in/f.txt", secret)
				s.must(s.Store.SetVariables(t.Context(), []engine.VariableWrite{{Name: "key", Value: engine.Raw(`"` + secret + `"`), Seen: -1}}))
				for _, typ := range s.loader() {
					s.Add(typ)
				}
				id := s.Enqueue(engine.NewJob{Type: "keys", Payload: engine.Raw(`{"key": "` + secret + `", "` + secret + `": 1}`)})
				s.Run()
				r, name, err := s.replay(id)
				s.must(err)
				if len(r.Failures) != 1 || r.Failures[0].Message != "all have it" {
					t.Fatalf("got %+v", r.Failures)
				}
				written, err := os.ReadFile(filepath.Join(s.jobs, "keys_test"+ending))
				s.must(err)
				if strings.Contains(string(written), "hush") {
					t.Errorf("the test has the secret:\n%s", written)
				}
				if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Failed || !strings.Contains(got.Failures[0].Message, "all have it") {
					t.Errorf("the test: %s %+v\n%s", got.Status, got.Failures, written)
				}
			})
		})
	}
}

// The test asks for a token, as the job did, and gets one that is none.
func TestAReplayWithALoginIsSaved(t *testing.T) {
	t.Parallel()
	for ending, script := range map[string]string{
		".star": `
job(retry = retry(max = 1), needs = ["http:*.example.com"])

def consume(ctx, item):
    login = http.oauth2("https://auth.example.com/token", "me", "the-hush-hush-word")
    for n in range(2):
        answer = http.get("https://api.example.com/%d" % n, auth = login).json()
    error("it has %s" % answer["it has"])
`,
		".lua": `
job{retry = retry{max = 1}, needs = {"http:*.example.com"}}

function consume(ctx, item)
  local login = http.oauth2("https://auth.example.com/token", "me", "the-hush-hush-word")
  local answer
  for n = 0, 1 do
    answer = http.get("https://api.example.com/" .. n, {auth = login}).json()
  end
  error("it has " .. answer["it has"])
end
`,
	} {
		for what, c := range map[string]struct {
			kind, token, want string
			status            int
		}{
			"json":    {"application/json", `{"access_token": "hush-hush-1", "refresh_token": "hush-hush-2", "token_type": "Bearer", "expires_in": 3600}`, "it has failed", 200},
			"form":    {"application/x-www-form-urlencoded", `access_token=hush-hush-1&expires_in=3600`, "it has failed", 200},
			"refused": {"application/json", `{"error": "invalid_client", "error_description": "who is that", "hint": "hush-hush-3"}`, "it answered 401 Unauthorized: invalid_client who is that", 401},
		} {
			t.Run(ending[1:]+" "+what, func(t *testing.T) {
				t.Parallel()
				s := embedded(t)
				s.ending = ending
				s.script("logs", script)
				s.web = func(r *http.Request) (*http.Response, error) {
					if r.URL.Path != "/token" {
						return answer(r, 200, `{"it has": "failed"}`)
					}
					res, err := answer(r, c.status, c.token)
					res.Header.Set("Content-Type", c.kind)
					return res, err
				}
				s.runWith()
				_, name, err := s.replay(s.Jobs()[0].ID)
				s.must(err)
				written, err := os.ReadFile(filepath.Join(s.jobs, "logs_test"+ending))
				s.must(err)
				if strings.Contains(string(written), "hush") {
					t.Errorf("the test has a secret:\n%s", written)
				}
				if got := s.test(strings.TrimPrefix(name, "test_")); got.Status != scripttest.Failed || len(got.Failures) != 1 || !strings.Contains(got.Failures[0].Message, c.want) {
					t.Errorf("the test: %s %+v\n%s", got.Status, got.Failures, written)
				}
			})
		}
	}
}

// runWith makes a job and works, with requests answered by web.
func (s *site) runWith() {
	s.t.Helper()
	l := s.loader()
	for _, typ := range l {
		s.Add(typ)
	}
	s.Enqueue(engine.NewJob{Type: l[0].Name})
	s.Run()
}

// loader loads the scripts for a run whose requests web answers.
func (s *site) loader() []*engine.Type {
	s.t.Helper()
	dry := &hostlib.Dry{Send: func(r *http.Request, _ bool, _ func(*http.Request) (*http.Response, error)) (*http.Response, error) {
		return s.web(r)
	}}
	r, err := scripting.Load(s.jobs, scripting.Options{Files: s.Files, Connections: s.World, Dry: dry, Secret: func(name string) (string, error) { return "hush-hush-" + name, nil }})
	s.must(err)
	return r.Types
}

// batched goes on behind its batches, and fails at the end while it is told to.
const batched = `
job(retry = retry(max = 1), needs = ["files:in.csv"])

def produce(ctx):
    ctx.count("pages", 1)
    return {}

def consume(ctx, item):
    for rows in ctx.batches(csv.read("in.csv"), 2):
        if rows[0]["id"] == "5" and vars.get("down"):
            error("the database is down")
        db.upsert("people", rows, key = ["id"])
`
