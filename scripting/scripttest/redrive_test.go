package scripttest

import (
	"strings"
	"testing"
)

// rejecting rejects rows, and redrives them once a variable says how.
const rejecting = `
job(needs = ["files:in/*.csv"], rejects = "all")

def clean(r):
    if not r["n"].isdigit() and not vars.get("mended"):
        return reject(r, "no number")
    return {"id": int(r["id"]), "n": int(r["n"].strip("x"))}

def consume(ctx, item):
    db.ensure("t", {"id": "integer", "n": "integer"}, key = ["id"])
    db.upsert("t", [clean(r) for r in csv.read(item["path"])], key = ["id"])

def redrive(ctx, rows):
    for batch in ctx.batches(rows, 2):
        db.ensure("t", {"id": "integer", "n": "integer"}, key = ["id"])
        db.upsert("t", [clean(r) for r in batch], key = ["id"])
    return "redriven"
`

const redriving = `
def test_what_was_rejected(t):
    t.file("in/a.csv", "id,n\n1,1\n2,x2\n3,x3\n4,x4\n")
    t.run({"path": "in/a.csv"})
    t.eq([r["state"] for r in t.rejects()], ["open"] * 3)
    t.vars.set("mended", True)
    r = t.redrive()
    t.eq(r.result, "redriven")
    t.eq(r.stats["read"], 3)
    t.eq([r["n"] for r in t.table("t", order_by = "id")], [1, 2, 3, 4])
    t.eq([r["state"] for r in t.rejects()], ["redriven"] * 3)

def test_rows_that_are_given(t):
    rows = [{"id": "1", "n": "7"}, {"id": "2", "n": "x8"}]
    r = t.redrive(rows)
    t.eq(r.stats["rejected"], 1)
    t.eq(t.table("t"), [{"id": 1, "n": 7}])
    t.eq([r["state"] for r in t.rejects()], ["redriven", "redriven", "open"])
    t.vars.set("mended", True)
    t.redrive()
    t.eq(len(t.table("t")), 2)

def test_what_fails_is_open_again(t):
    r = t.redrive([{"id": "a", "n": "7"}], expect = "failed")
    t.matches(r.error.message, "invalid literal")
    t.eq([r["state"] for r in t.rejects()], ["open"])

def test_nothing(t):
    t.redrive()
`

const wholeItems = `
job(rejects = 0)

def consume(ctx, item):
    if item["n"] < 0 and not vars.get("mended"):
        reject(item, "negative")
        return None
    db.ensure("t", {"n": "integer"}, key = ["n"])
    db.upsert("t", [{"n": abs(item["n"])}], key = ["n"])
    return item["n"]
`

const redrivingItems = `
def test_given(t):
    r = t.redrive([{"n": 1}, {"n": 2}])
    t.eq(r.result, 2)
    t.eq(t.table("t"), [{"n": 1}, {"n": 2}])
    t.eq([r["state"] for r in t.rejects()], ["redriven", "redriven"])

def test_rejected(t):
    t.redrive([{"n": -1}])
    t.eq([r["state"] for r in t.rejects()], ["redriven", "open"])
    t.vars.set("mended", True)
    t.eq(t.redrive().status, "completed")
    t.eq(t.table("t"), [{"n": 1}])
`

func TestRejectedRowsAreRedriven(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"r.star": rejecting, "r_test.star": redriving, "w.star": wholeItems, "w_test.star": redrivingItems})
	onEach(t, func(t *testing.T, use func(*Suite)) {
		s := suite(t, Options{Jobs: dir, Coverage: true})
		defer s.Close()
		use(s)
		ran := 0
		for _, r := range s.Run(t.Context()) {
			ran++
			switch told := text(r); {
			case r.Name == "nothing":
				if r.Status != Failed || !strings.Contains(told, "there is nothing to redrive: no row that was rejected is open") {
					t.Error(told)
				}
			case r.Status != Passed:
				t.Error(told)
			}
		}
		if want := strings.Count(redriving+redrivingItems, "\ndef test_"); ran != want {
			t.Errorf("%d tests ran, not %d", ran, want)
		}
		for _, f := range s.Coverage().Files {
			if f.Covered != f.Total {
				t.Errorf("%s: %d of %d lines are covered", f.File, f.Covered, f.Total)
			}
		}
	})
}

func TestRedrivingIsCrashed(t *testing.T) {
	t.Parallel()
	by := crashed(t, rejecting, strings.Split(redriving, "def test_nothing")[0])
	for name, r := range by {
		least := 4
		if name == "what_fails_is_open_again" { // which is tried once
			least = 2
		}
		if r.Status != Passed || r.Crashes < least {
			t.Errorf("%s: %s", name, text(r))
		}
	}
	if len(by) != 3 {
		t.Errorf("%d tests ran", len(by))
	}
}

// TestACrashBeforeARedriveIsOver: the hook that it killed has run again by then.
func TestACrashBeforeARedriveIsOver(t *testing.T) {
	t.Parallel()
	by := crashed(t, wholeItems, `
def test_after_a_run(t):
    t.run({"n": 1})
    t.redrive([{"n": 2}])
    t.consume({"n": 3})
    t.eq(t.table("t"), [{"n": 1}, {"n": 2}, {"n": 3}])

def test_twice(t):
    t.redrive([{"n": 1}])
    t.redrive([{"n": 1}])
`)
	for name, r := range by {
		if r.Status != Passed || r.Crashes < 4 {
			t.Errorf("%s: %s", name, text(r))
		}
	}
	if len(by) != 2 {
		t.Errorf("%d tests ran", len(by))
	}
}

func TestRowsThatNobodyTakesFailTheTest(t *testing.T) {
	t.Parallel()
	all := results(t, Options{Jobs: folder(t, map[string]string{
		"x.star":      "job(rejects = \"all\")\n\ndef consume(ctx, item):\n    reject({\"a\": 1}, \"no\")\n",
		"x_test.star": "def test_part(t):\n    t.run({\"b\": 2})\n    t.redrive()\n\ndef test_no_rows(t):\n    t.redrive([])\n\ndef test_one(t):\n    t.redrive({\"a\": 1})\n",
	})})
	for name, want := range map[string]string{
		"part":    "1 of the rows cannot be redriven: they were no whole items, and the script has no hook redrive(ctx, rows)",
		"no_rows": "rows: wanted a list of rows, and at least one", "one": "rows: wanted a list of rows",
	} {
		if r := all[name]; r.Status != Failed || !strings.Contains(text(r), want) {
			t.Errorf("%q is not told:\n%s", want, text(r))
		}
	}
}
