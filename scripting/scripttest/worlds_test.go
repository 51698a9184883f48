package scripttest

import (
	"strings"
	"testing"
)

// TestScriptsReachTheBucketsOfTheirTests has a script that lists, reads, writes, copies
// and deletes objects, also with the process killed.
func TestScriptsReachTheBucketsOfTheirTests(t *testing.T) {
	by := crashed(t, `
job(needs = ["s3:archive", "s3:photos/*", "files:in/*"])

def consume(ctx, item):
    db.ensure("people", {"id": "integer", "name": "text"}, key = ["id"])
    for o in s3.list("archive", "in/"):
        db.upsert("people", [{"id": int(r["id"]), "name": r["name"]} for r in csv.read(s3.open("archive", o.key))], key = ["id"])
        s3.copy("archive", o.key, "done/" + o.key[3:])
    s3.put("archive", "out/all.txt", data = str(db.value("SELECT COUNT(*) FROM people")))
    s3.put("photos/one", "large", data = "x" * 20000000)
    s3.get("archive", "in/a.csv", to = "in/a.csv")
    log.info(s3.presign("archive", "out/all.txt", "10m"))
    return [s3.exists("archive", "nothing"), s3.stat("photos/one", "large").size, s3.stat("archive", "out/all.txt").modified, catch(s3.open, "archive", "in/a.csv", etag = "0123")[1].code]
`, `
def test_people(t):
    archive = t.s3("archive")
    archive.file("in/a.csv", "id,name\n1,Ada\n")
    archive.file("in/b.csv", "id,name\n2,Grace\n")
    archive.file("other", "")
    photos = t.s3("photos/one")
    r = t.run()
    t.eq(r.result, [False, 20000000, "2020-01-01T00:00:00Z", "s3.changed"])
    t.eq(t.table("people"), [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}])
    t.eq(archive.read("out/all.txt"), "2")
    t.contains(t.logs()[-1]["message"], "X-Amz-Date=20200101T000000Z")
    t.eq(archive.files(), ["done/a.csv", "done/b.csv", "in/a.csv", "in/b.csv", "other", "out/all.txt"])
    t.eq(photos.files(), ["large"])
    t.fails(lambda: t.s3("photos"), "one bucket, or a store of several")
    t.fails(lambda: archive.read("nothing"), "has no object")

def test_fresh(t):
    t.eq(t.s3("archive").files(), [])

def test_unmade(t):
    t.run(expect = "any")
`)
	resultsAre(t, by, map[string]Status{"people": Passed, "fresh": Passed, "unmade": Failed}, `which the test has not made: t.s3("archive")`)
}

// TestScriptsReachTheFTPServersOfTheirTests is the same for FTP.
func TestScriptsReachTheFTPServersOfTheirTests(t *testing.T) {
	by := crashed(t, `
job(needs = ["ftp:partner", "files:in/*"])

def consume(ctx, item):
    db.ensure("payments", {"id": "integer", "sum": "integer"}, key = ["id"])
    partner = ftp.connect("partner")
    for f in partner.list("out/*.csv"):
        db.upsert("payments", [{"id": int(r["id"]), "sum": int(r["sum"])} for r in csv.read(partner.open(f.path))], key = ["id"])
    partner.put("in/begun.txt", ["done"])
    partner.move("in/begun.txt", "in/done.txt", exists = "replace")
    partner.put("in/large", ["x" * 3000000])
    partner.get("in/done.txt", "in/")
    return sorted([f.path for f in partner.list("**")])
`, `
def test_payments(t):
    partner = t.ftp("partner")
    partner.file("out/a.csv", "id,sum\n1,10\n")
    partner.file("out/b.csv", "id,sum\n2,20\n")
    r = t.run()
    t.eq(t.table("payments"), [{"id": 1, "sum": 10}, {"id": 2, "sum": 20}])
    t.eq(partner.read("in/done.txt"), "done\n")
    t.eq(partner.files(), ["in/done.txt", "in/large", "out/a.csv", "out/b.csv"])
    t.eq(r.result, partner.files())
    t.fails(lambda: t.sftp("partner"), "speaks ftp already")

def test_fresh(t):
    t.eq(t.ftp("partner").files(), [])

def test_unmade(t):
    t.run(expect = "any")
`)
	resultsAre(t, by, map[string]Status{"payments": Passed, "fresh": Passed, "unmade": Failed}, `t.ftp("partner")`)
}

// TestScriptsSendMailInTheirTests has a script that sends mail, and one address that is
// refused.
func TestScriptsSendMailInTheirTests(t *testing.T) {
	by := crashed(t, `
job(needs = ["mail:*@example.com"], retry = retry(max = 1))

def consume(ctx, item):
    notify.email(["ada@example.com", "Grace <grace@example.com>"], "Import: größer", "All rows\nare in: größer.", html = "<p>All rows are in.</p>")
    return "sent"
`, `
def test_sent(t):
    t.run()
    t.eq(len(t.mail.sent), 1)
    mail = t.mail.sent[0]
    t.eq([mail.to, mail.subject, mail.text, mail.html], [["ada@example.com", "grace@example.com"], "Import: größer", "All rows\nare in: größer.", "<p>All rows are in.</p>"])
    t.contains(mail.sender, "@")
    t.ok(mail.times >= 1)

def test_refused(t):
    t.mail.refuse("Grace@example.com")
    r = t.run(expect = "failed")
    t.eq(r.error.code, "mail.refused")
    t.eq(t.mail.sent, [])
`)
	resultsAre(t, by, map[string]Status{"sent": Passed, "refused": Passed}, "")
}

// TestWorldsHaveTheirOwnTokens has two tests that use the same credentials: each asks
// for its own token.
func TestWorldsHaveTheirOwnTokens(t *testing.T) {
	by := crashed(t, `
job(needs = ["http:api.example.com"])

def consume(ctx, item):
    login = http.oauth2("https://api.example.com/token", "me", "the-secret")
    return http.get("https://api.example.com/rows", auth = login).text() + http.get("https://api.example.com/rows", auth = login).text()
`, `
def once(t):
    t.http.on("POST", "https://api.example.com/token", json = {"access_token": "a-token-of-" + t.name, "expires_in": 3600})
    t.http.on("GET", "https://api.example.com/rows", body = "x", times = 2)
    t.eq(t.run().result, "xx")
    sent = [c.headers["authorization"] for c in t.http.calls if c.method == "GET"]
    t.eq(sent, ["Bearer a-token-of-" + t.name] * 2)

def test_one(t):
    once(t)

def test_two(t):
    once(t)
`)
	resultsAre(t, by, map[string]Status{"one": Passed, "two": Passed}, "")
}

// resultsAre looks at the results of tests, and at what the one says that found nothing made.
func resultsAre(t *testing.T, by map[string]*Result, want map[string]Status, unmade string) {
	t.Helper()
	for name, status := range want {
		if r := by[name]; r == nil || r.Status != status {
			t.Errorf("%s:\n%s", name, text(r))
		}
	}
	if unmade != "" && !strings.Contains(text(by["unmade"]), unmade) {
		t.Errorf("what is not there is told as\n%s", text(by["unmade"]))
	}
}
