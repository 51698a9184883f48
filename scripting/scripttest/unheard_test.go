package scripttest

import (
	"strings"
	"testing"
)

// quiet has errors that change nothing of how the job ends, each in a run of its own.
const quiet = `
job(needs = ["http:api.example.com", "secret:known"], retry = retry(max = 1))

def secret():
    secrets.get("pw")

def post():
    http.post("https://other.example.com/in")

def bad():
    error("too late")

def consume(ctx, item):
    if item == "caught secret":
        _ = catch(secret)
    elif item == "caught request":
        return catch(post)[1].code
    elif item == "refused":
        post()
    elif item == "after":
        ctx.on_commit(bad)
    else:
        error("no")

def fail(ctx, item, err):
    if item == "fail":
        item["nokey"]
    if item == "after fail":
        ctx.on_commit(bad)
`

const quietTests = `
def test_secret(t):
    t.run("caught secret")

def test_request(t):
    t.run("caught request")

def test_after(t):
    t.run("after")

def test_after_alone(t):
    t.consume("after")

def test_fail(t):
    t.run("fail", expect = "failed")

def test_after_fail(t):
    t.fail("after fail", "no")

def test_refused(t):
    t.eq(t.run("refused", expect = "failed").error.code, "needs")
    t.eq(t.consume("refused", expect = "failed").error.code, "needs")

def test_wanted(t):
    t.secret("pw", "a-secret")
    t.run("caught secret")
    t.http.on("POST", "https://other.example.com/never")
    t.eq(t.run("caught request").result, "needs")
    t.eq(t.run("after", expect = "any").status, "completed")
    t.consume("after", expect = "any")
    t.run("fail", expect = "any")
    t.run("other", expect = "failed")
`

// TestErrorsThatOnlyTheLogTellsFailTheTest has errors that the script catches, or that come
// too late.
func TestErrorsThatOnlyTheLogTellsFailTheTest(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"secret":      `"pw" is not among what job() says this script needs; add it there: needs = ["secret:pw"]`,
		"request":     `"other.example.com" is not among what job() says this script needs; add it there: needs = ["http:other.example.com"]`,
		"after":       "a function given to ctx.on_commit failed: too late",
		"after_alone": "a function given to ctx.on_commit failed: too late",
		"fail":        "the fail hook failed: ",
		"after_fail":  "a function given to ctx.on_commit failed: too late",
		"refused":     "", "wanted": "",
	}
	for _, crash := range []bool{false, true} {
		dir := folder(t, map[string]string{"x.star": quiet, "x_test.star": quietTests})
		for _, r := range suite(t, Options{Jobs: dir, Crash: crash}).Run(t.Context()) {
			told := text(r)
			if (r.Status == Failed) != (want[r.Name] != "") || !strings.Contains(told, want[r.Name]) || len(r.Failures) > 1 {
				t.Errorf("%s: %q is not told:\n%s", r.Name, want[r.Name], told)
			}
		}
	}
}
