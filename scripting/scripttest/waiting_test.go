package scripttest

import (
	"testing"
)

// A job that would ask for all again when it goes on waits where it is, if that takes minutes
// only: else a limit of requests in some time would never let it through.
func TestAJobWaitsForALimitWithWhatItHas(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"job.star": `
job(needs = ["http:api.example.com"])
def consume(ctx, item):
    for i in range(item["before"]): ctx.checkpoint(http.get("https://api.example.com/x").status)
    return [http.get("https://api.example.com/x").status for i in range(6)]
`,
		"job_test.star": `
def limited(t, wait):
    t.http.on("GET", "https://api.example.com/x", times = 3)
    t.http.on("GET", "https://api.example.com/x", status = 429, headers = {"Retry-After": wait}, times = 1)
    t.http.on("GET", "https://api.example.com/x")

def told(t): return [l["message"] for l in t.logs() if l["message"].startswith("the server asks")]

def test_minutes(t):
    limited(t, "90")
    began = t.clock.now()
    t.eq(t.run({"before": 0}).result, [200] * 6)
    t.eq(len(t.http.calls), 7)
    t.eq((t.clock.now() - began).seconds, 90.0)
    t.eq(told(t), [])

def test_longer(t):
    limited(t, "301")
    t.eq(t.run({"before": 0}).result, [200] * 6)
    t.eq(len(t.http.calls), 10)
    t.eq(told(t), ["the server asks to wait: the job goes on then from its last commit, and asks once more for 3 answers that it has had since: commit what comes of them before, by ctx.batches or ctx.checkpoint, or the next run may be stopped here, too"])

def test_nothing_is_lost(t):
    limited(t, "90")
    t.eq(t.run({"before": 3}).result, [200] * 6)
    t.eq(told(t), ["the server asks to wait: the job goes on then"])
`})
	for name, r := range results(t, Options{Jobs: dir}) {
		if r.Status != Passed {
			t.Errorf("%s: %s", name, r.Status)
			for _, f := range r.Failures {
				t.Error(f.Message, f.Detail)
			}
		}
	}
}
