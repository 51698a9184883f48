package scripttest

import (
	"io"
	"strings"
	"testing"
)

const outside = `
job(needs = ["db:wh:write", "s3:archive", "s3:many/*", "sftp:bank", "ftp:shop", "mail:*", "http:api.example.com"], retry = retry(max = 3, first = "1m"))

def consume(ctx, item):
    if item == "db":
        db.connect("wh").exec("UPDATE c SET n = n + 1")
    if item == "s3":
        s3.put("archive", "in/%d" % len(list(s3.list("archive", "in/"))), data = "x")
        s3.put("many/one", "large", data = "y" * 300)
    if item == "sftp":
        bank = sftp.connect("bank")
        bank.put("%d.txt" % len(list(bank.list("*"))), ["x"])
    if item == "ftp":
        shop = ftp.connect("shop")
        shop.put("%d.txt" % len(list(shop.list("*"))), ["x"])
    if item == "mail":
        notify.email("a@example.com", "hello " + uuid.v4()[:4], "text")
    if item == "after":
        ctx.on_commit(http.post, "https://api.example.com/done")
`

const outsideTests = `
def test_db(t):
    wh = t.connection("wh")
    wh.exec("CREATE TABLE c (n INTEGER)")
    wh.exec("INSERT INTO c VALUES (0)")
    t.run("db")
    t.eq(wh.value("SELECT n FROM c"), 1)

def test_s3(t):
    t.s3("archive")
    t.s3("many/one")
    t.run("s3")
    t.eq(t.s3("archive").files(), ["in/0"])

def test_sftp(t):
    t.sftp("bank")
    t.run("sftp")
    t.eq(t.sftp("bank").files(), ["0.txt"])

def test_ftp(t):
    t.ftp("shop")
    t.run("ftp")
    t.eq(t.ftp("shop").files(), ["0.txt"])

def test_mail(t):
    t.run("mail")
    t.eq(len(t.mail.sent), 1)

def test_after(t):
    t.http.on("POST", "https://api.example.com/done")
    t.run("after")
    t.eq(len(t.http.calls), 1)
`

// TestWhatACrashChangesOutsideIsShown has a script whose effects outside come twice.
func TestWhatACrashChangesOutsideIsShown(t *testing.T) {
	t.Parallel()
	by := crashed(t, outside, outsideTests)
	for name, want := range map[string][]string{
		"db":    {"table wh.c:", `-{"n": 1}`, `+{"n": 2}`},
		"s3":    {"bucket archive:", ` in/0: "x"`, `+in/1: "x"`},
		"sftp":  {"server bank:", ` 0.txt: "x\n"`, `+1.txt: "x\n"`},
		"ftp":   {"server shop:", ` 0.txt: "x\n"`, `+1.txt: "x\n"`},
		"mail":  {"mail:", " a@example.com: hello ", "+a@example.com: hello "},
		"after": {"before http.post in consume (", "x.star:19)", "-POST https://api.example.com/done"},
	} {
		r := by[name]
		if r.Status != Failed {
			t.Errorf("%s: %s", name, r.Status)
		}
		for _, w := range want {
			if !strings.Contains(text(r), w) {
				t.Errorf("%s: %q is not told:\n%s", name, w, text(r))
			}
		}
	}
}

// TestLargeFilesAreShownByTheirSize also tells two of a size apart.
func TestLargeFilesAreShownByTheirSize(t *testing.T) {
	t.Parallel()
	if got := glance([]byte(strings.Repeat("y", 300))); !strings.HasPrefix(got, "300 bytes, SHA-256 ") {
		t.Error(got)
	}
	if a, b := glance([]byte(strings.Repeat("y", 300))), glance([]byte(strings.Repeat("z", 300))); a == b {
		t.Errorf("two files are both %s", a)
	}
}

// TestWhatIsLargeIsComparedAsAWhole has a difference behind all that is shown, and one in
// the text of a mail.
func TestWhatIsLargeIsComparedAsAWhole(t *testing.T) {
	t.Parallel()
	for language, files := range map[string]map[string]string{
		"Starlark": {"x.star": `
job(needs = ["files:*", "mail:*@example.com"])

def consume(ctx, item):
    known = files.exists("seen.txt")
    files.write("seen.txt", "it was")
    if item == "mail":
        notify.email("a@example.com", "done", "again" if known else "first")
    else:
        db.ensure("t", {"id": "integer"}, key = ["id"])
        db.insert("t", [{"id": n} for n in range(6000)] + [{"id": 9999 if known else 9998}])
`, "x_test.star": `
def test_mail(t):
    t.run("mail")

def test_table(t):
    t.run("table")
`},
		"Lua": {"x.lua": `
job{needs = {"files:*", "mail:*@example.com"}}

function consume(ctx, item)
  local known = files.exists("seen.txt")
  files.write("seen.txt", "it was")
  if item == "mail" then
    notify.email("a@example.com", "done", known and "again" or "first")
  else
    db.ensure("t", {id = "integer"}, {key = {"id"}})
    local rows = {}
    for n = 1, 6000 do rows[n] = {id = n} end
    rows[6001] = {id = known and 9999 or 9998}
    db.insert("t", rows)
  end
end
`, "x_test.lua": `
function test_mail(t)
  t.run("mail")
end

function test_table(t)
  t.run("table")
end
`},
	} {
		for _, r := range suite(t, Options{Jobs: folder(t, files), Crash: true}).Run(t.Context()) {
			wants := map[string][]string{
				"mail":  {`-a@example.com: done "first`, `+a@example.com: done "again`},
				"table": {"table t:", "+... 6001 lines, ", "-... 6001 lines, "},
			}[r.Name]
			for _, want := range wants {
				if told := text(r); r.Status != Passed || !strings.Contains(told, want) {
					t.Errorf("%s: %s: %q is not told:\n%s", language, r.Name, want, told)
				}
			}
		}
	}
}

// TestAnotherOutcomeIsTold has tests that hold with each crash, after which not all is as
// it is without one.
func TestAnotherOutcomeIsTold(t *testing.T) {
	t.Parallel()
	by := crashed(t, `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    db.ensure("t", {"id": "text"})
    if item == "post":
        for _ in range(4):
            http.post("https://api.example.com/orders", json = {"id": 1})
    elif item == "rows":
        for n in range(2):
            db.insert("t", [{"id": str(n)}])
            ctx.checkpoint()
    elif ctx.position == "there":
        http.get("https://api.example.com/orders/1")
    else:
        http.get("https://api.example.com/orders")
        http.put("https://api.example.com/orders", json = {"id": 1})
        http.post("https://api.example.com/orders", json = {"id": 1}, headers = {"Idempotency-Key": "order-1"})
        http.post("https://api.example.com/orders", json = {"query": "{ orders { id } }"})
        db.ensure("random", {"id": "text"})
        db.insert("random", [{"id": hash.sha256(uuid.v4())[:12]}])
        db.insert("t", [{"id": uuid.v4()}])
        ctx.checkpoint("there")
`, `
def stubs(t):
    for method in ["GET", "POST", "PUT"]:
        t.http.on(method, "https://api.example.com/orders")
    t.http.on("GET", "https://api.example.com/orders/1")

def test_post(t):
    stubs(t)
    t.run("post")

def test_rows(t):
    t.run("rows")

def test_sound(t):
    stubs(t)
    t.run("sound")
`)
	for name, wants := range map[string][]string{
		"post": {"ok    ", "x_test.star: post with ", "when the process is killed after http.post in consume (", "x.star:8), and 6 times more there:",
			"the test passes, but the outcome is another", `+POST https://api.example.com/orders {"id":1}`},
		"rows": {"ok    ", "after a checkpoint in consume (", "x.star:12)", "table t:", `+{"id": "0"}`},
	} {
		told := text(by[name])
		for _, want := range wants {
			if !strings.Contains(told, want) {
				t.Errorf("%s: %q is not told:\n%s", name, want, told)
			}
		}
	}
	if r := by["sound"]; r.Status != Passed || len(r.Differs) > 0 || r.Crashes < 5 {
		t.Errorf("the sound one: %s", text(r))
	}
	sum := summarize(&Summary{Tests: []*Result{by["post"], by["rows"], by["sound"]}})
	if line := sum.Line(); !strings.Contains(line, "; 2 tests pass after a crash with another outcome in ") {
		t.Errorf("the summary is %s", line)
	}
	for name, write := range map[string]func(io.Writer) error{"JUnit": sum.JUnit, "TAP": sum.TAP} {
		var b strings.Builder
		if err := write(&b); err != nil || !strings.Contains(b.String(), "the outcome is another") {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
	}
}
