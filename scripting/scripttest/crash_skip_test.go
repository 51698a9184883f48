package scripttest

import "testing"

// TestATestThatIsLeftOutAfterACrashFails: it shows nothing.
func TestATestThatIsLeftOutAfterACrashFails(t *testing.T) {
	by := crashed(t, `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    http.post("https://api.example.com/x")
`, `
def test_skip(t):
    t.http.on("POST", "https://api.example.com/x")
    t.run()
    if len(t.http.calls) > 1:
        t.skip("why")
`)
	r := by["skip"]
	if r == nil || r.Status != Failed || len(r.Failures) == 0 || r.Failures[0].Message != "it is left out (why), and without a crash it is not: nothing shows what came of the crash" ||
		r.Failures[0].Crash == nil || r.Failures[0].Crash.What != "after http.post" {
		t.Errorf("skip:\n%s", text(r))
	}
}
