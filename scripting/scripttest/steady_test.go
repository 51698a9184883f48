package scripttest

import (
	"strings"
	"testing"
)

// chance has scripts that do something once more after a crash, beside what is made at
// random; and right ones.
const chance = `
job(needs = ["http:api.example.com", "db:shop:write", "files:**", "mail:*"])

def token():
    return base64.encode(hash.sha256(uuid.v4())[:9])

def consume(ctx, item):
    if item == "orders":
        http.put("https://api.example.com/session", json = {"nonce": hash.sha256(uuid.v4())})
        http.post("https://api.example.com/orders", json = {"id": 1})
    elif item == "rows":
        db.connect("shop").insert("sold", [{"token": token(), "id": 1}])
    elif item == "files":
        files.write("out/%s.txt" % token().replace("/", "-"), "x")
    elif item == "mail":
        notify.email("a@example.com", "hello " + token(), "text")
    else:
        db.ensure("t", {"id": "integer", "token": "text"})
        for n in range(ctx.position or 0, 3):
            db.insert("t", [{"id": n, "token": token()}])
            ctx.checkpoint(n + 1)
        files.write("last.txt", token())
        http.put("https://api.example.com/session", json = {"id": 1, "token": token()})
`

const chanceTests = `
def test_orders(t):
    t.http.on("PUT", "https://api.example.com/session")
    t.http.on("POST", "https://api.example.com/orders")
    t.run("orders")

def test_rows(t):
    t.connection("shop").exec("CREATE TABLE sold (token varchar(64), id integer)")
    t.run("rows")

def test_files(t):
    t.run("files")

def test_mail(t):
    t.run("mail")

def test_right(t):
    t.http.on("PUT", "https://api.example.com/session")
    t.run("right")
`

// TestWhatIsRandomHidesNothingElse tells what comes twice after a crash also where
// something beside it is another each time.
func TestWhatIsRandomHidesNothingElse(t *testing.T) {
	t.Parallel()
	by := crashed(t, chance, chanceTests)
	for name, want := range map[string]string{
		"orders": `+POST https://api.example.com/orders {"id":1}`, "rows": `+{"token": "#", "id": 1}`, "files": "file #:", "mail": "+a@example.com: hello #",
	} {
		if told := text(by[name]); by[name].Status != Passed || !strings.Contains(told, "the outcome is another") || !strings.Contains(told, want) {
			t.Errorf("%s: %q is not told:\n%s", name, want, told)
		}
	}
	if r := by["right"]; r.Status != Passed || len(r.Differs) > 0 {
		t.Errorf("%s", text(r))
	}
}
