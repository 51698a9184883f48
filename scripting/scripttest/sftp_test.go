package scripttest

import (
	"strings"
	"testing"
)

// TestScriptsReachTheServersOfTheirTests has a script that lists, reads, writes and
// renames files of a server, also with the process killed.
func TestScriptsReachTheServersOfTheirTests(t *testing.T) {
	by := crashed(t, `
job(needs = ["sftp:bank"])

def consume(ctx, item):
    db.ensure("payments", {"id": "integer", "sum": "integer"}, key = ["id"])
    bank = sftp.connect("bank")
    for f in bank.list("out/*.csv"):
        db.upsert("payments", [{"id": int(r["id"]), "sum": int(r["sum"])} for r in csv.read(bank.open(f.path))], key = ["id"])
    bank.put("in/done.txt", ["done"])
    return [f.path for f in bank.list("**")]
`, `
def test_payments(t):
    bank = t.sftp("bank")
    bank.file("out/a.csv", "id,sum\n1,10\n")
    bank.file("out/b.csv", "id,sum\n2,20\n")
    r = t.run()
    t.eq(t.table("payments"), [{"id": 1, "sum": 10}, {"id": 2, "sum": 20}])
    t.eq(bank.read("in/done.txt"), "done\n")
    t.eq(bank.files(), ["in/done.txt", "out/a.csv", "out/b.csv"])

def test_fresh(t):
    t.eq(t.sftp("bank").files(), [])

def test_unmade(t):
    t.run(expect = "any")
`)
	for name, status := range map[string]Status{"payments": Passed, "fresh": Passed, "unmade": Failed} {
		if r := by[name]; r == nil || r.Status != status {
			t.Errorf("%s:\n%s", name, text(r))
		}
	}
	if told := text(by["unmade"]); !strings.Contains(told, `which the test has not made: t.sftp("bank")`) {
		t.Errorf("a server that is not there is told as\n%s", told)
	}
}

// TestServersOfTestsStrikeOutNoData has data with the words that a password may be.
func TestServersOfTestsStrikeOutNoData(t *testing.T) {
	by := crashed(t, `
job(needs = ["sftp:bank", "ftp:bank2", "s3:archive"])

def consume(ctx, item):
    words = [r["word"] for r in csv.read(sftp.connect("bank").open("a.csv"))]
    words += [r["word"] for r in csv.read(ftp.connect("bank2").open("a.csv"))]
    words += [r["word"] for r in csv.read(s3.open("archive", "a.csv"))]
    log.info(" ".join(words))
    return words
`, `
WORDS = ["none", "test", "test-key", "test-secret", "anonymous", "password"]

def test_words(t):
    for server in t.sftp("bank"), t.ftp("bank2"), t.s3("archive"):
        server.file("a.csv", "word\n" + "\n".join(WORDS) + "\n")
    t.eq(t.run().result, WORDS * 3)
    t.eq(t.logs()[0]["message"], " ".join(WORDS * 3))
`)
	if r := by["words"]; r == nil || r.Status != Passed {
		t.Errorf("words:\n%s", text(r))
	}
}
