package scripttest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAHookGoesOnInItsLoops has hooks go on behind what their loops have taken.
func TestAHookGoesOnInItsLoops(t *testing.T) {
	t.Parallel()
	const consume = `
def produce(ctx):
    ctx.emit_all([{"n": n} for n in range(5)])

def consume(ctx, item):
    seen = []
    for batch in ctx.batches([1, 2, 3], 2):
        seen.append(batch)
        if batch[0] == 1:
            break
    for batch in ctx.batches([1, 2, 3, 4, 5], 2):
        seen.append(batch)
    return [ctx.position, seen]
`
	dir := folder(t, map[string]string{"x.star": consume, "x_test.star": `
def test_in_starlark(t):
    t.eq(t.consume(1).result, [None, [[1, 2], [1, 2], [3, 4], [5]]])
    t.eq(t.consume(1, loops = []).result, [None, [[1, 2], [1, 2], [3, 4], [5]]])
    t.eq(t.consume(1, position = 7, loops = [0]).result, [7, [[1, 2], [1, 2], [3, 4], [5]]])
    left = {"taken": 2, "over": "left"}
    t.eq(t.consume(1, loops = [left, 2]).result, [None, [[3, 4], [5]]])
    t.eq(t.consume(1, loops = [left, {"taken": 5, "over": "ended"}]).result, [None, []])
    t.eq(t.consume(1, loops = [left, {"over": "ended"}]).result, [None, []])
    t.eq(t.consume(1, loops = [left, {"taken": 5, "over": "last"}]).result, [None, []])
    short = t.consume(1, loops = [left, 9], expect = "failed").error
    t.eq([short.code, "or start from the beginning, which does all again, what was committed too, with: dsengine jobs retry " in short.message], ["order", True])
    t.eq([i["n"] for i in t.produce(loops = [3]).items], [3, 4])

def test_counted(t):
    t.fails(lambda: t.consume(1, counted = {"rejected": 1}), "a hook that begins has counted nothing: give position, or loops, too")
    t.fails(lambda: t.consume(1, loops = [2], counted = 2), "counted: wanted a dict, such as")
    t.fails(lambda: t.consume(1, loops = [2], counted = {"rejected": "1"}), "counted: rejected: got \"1\", wanted a whole number")

def test_wrong(t):
    t.fails(lambda: t.consume(1, loops = 2), "loops: wanted a list, such as \\[2\\]")
    t.fails(lambda: t.consume(1, loops = ["x"]), "loops\\[0\\]: got \"x\", wanted how many elements were taken")
    t.fails(lambda: t.consume(1, loops = [1, -1]), "loops\\[1\\]: got -1")
    t.fails(lambda: t.consume(1, loops = [{"over": "left"}]), "taken is missing")
    t.fails(lambda: t.consume(1, loops = [{"taken": 1, "over": "x"}]), "over: got \"x\", wanted one of ended, left, last")
    t.fails(lambda: t.consume(1, loops = [{"took": 1}]), "there is no \"took\": taken, over")
`, "x2.star": consume, "x2_test.lua": `
function test_in_lua(t)
  t.eq(t.consume(1, {loops = {{taken = 2, over = "left"}, 4}}).result, {null, {{5}}})
  t.eq(#t.consume(1, {loops = {}}).result[2], 4)
end
`})
	allAre(t, results(t, Options{Jobs: dir}), Passed)
}

// TestLoopsAreKnownAgain has hooks that are tried again and come to other loops first than
// the time before: files are gone, or a loop is.
func TestLoopsAreKnownAgain(t *testing.T) {
	t.Parallel()
	test := func(name, second string) string {
		return `
def test_` + name + `(t):
    t.file("in/1.csv", "id,price\n1,1\n2,1\n3,1\n4,9\n")
    t.file("in/2.csv", "id,price\n1,2\n2,2\n3,2\n4,9\n")
    t.run()
    t.eq(sorted([r["price"] for r in t.table("prices")]), ` + second + `)
`
	}
	files := func(name string) string { return test(name, "[1, 1, 1, 2, 2, 2, 9, 9]") }
	once := func(name string) string { return test(name, "[1, 1, 1, 1, 1, 1, 9, 9]") }
	const starlark = `
job(needs = ["files:in/*", "files:done/*"], retry = retry(first = "1s"))

def copy(ctx, path, bad = False):
    for batch in ctx.batches(csv.read(path), 2):
        if bad and ctx.attempt == 1 and batch[0]["id"] == "3":
            error("no")
        db.insert("prices", [{"price": int(r["price"])} for r in batch])

def produce(ctx):
    db.ensure("prices", {"price": "integer"})
`
	const lua = `
job({needs = {"files:in/*", "files:done/*"}, retry = retry({first = "1s"})})

local function row(r) return {price = tonumber(r.price)} end

function produce(ctx)
  db.ensure("prices", {price = "integer"})
`
	remote := func(needs, body string) string {
		return strings.Replace(starlark, `"files:in/*", "files:done/*"`, `"`+needs+`"`, 1) + body
	}
	dir := folder(t, map[string]string{"a.star": starlark + `
    for f in files.list("in/*.csv"):
        copy(ctx, f.path, f.path == "in/2.csv")
        files.move(f.path, "done/")
`, "a_test.star": files("a"), "b.star": starlark + `
    if not state.get("loaded"):
        copy(ctx, "in/1.csv")
        state.set("loaded", True)
    for batch in ctx.batches(csv.read("in/1.csv"), 2):
        if ctx.attempt == 1 and batch[0]["id"] == "3":
            error("no")
        db.insert("prices", [{"price": int(r["price"])} for r in batch])
`, "b_test.star": once("b"), "c.lua": lua + `
  for _, f in ipairs(files.list("in/*.csv")) do
    for batch in ctx.batches(csv.read(f.path), 2) do
      if ctx.attempt == 1 and f.path == "in/2.csv" and batch[1].id == "3" then error("no") end
      db.insert("prices", iter.map(row, batch))
    end
    files.move(f.path, "done/")
  end
end
`, "c_test.star": files("c"), "d.lua": lua + `
  if not state.get("loaded") then
    for batch in ctx.batches(csv.read("in/1.csv"), 2) do db.insert("prices", iter.map(row, batch)) end
    state.set("loaded", true)
  end
  for batch in ctx.batches(csv.read("in/1.csv"), 2) do
    if ctx.attempt == 1 and batch[1].id == "3" then error("no") end
    db.insert("prices", iter.map(row, batch))
  end
end
`, "d_test.star": once("d"), "e.star": remote("sftp:bank", `
    bank = sftp.connect("bank")
    for f in bank.list("in/*.csv"):
        copy(ctx, bank.open(f.path), f.path == "in/2.csv")
        bank.move(f.path, "done/")
`), "e_test.star": `
def test_e(t):
    bank = t.sftp("bank")
    for n in [1, 2]:
        bank.file("in/%d.csv" % n, "id,price\n1,%d\n2,%d\n3,%d\n4,9\n" % (n, n, n))
    t.run()
    t.eq(sorted([r["price"] for r in t.table("prices")]), [1, 1, 1, 2, 2, 2, 9, 9])
`, "f.star": remote("s3:archive", `
    for o in s3.list("archive", "in/"):
        copy(ctx, s3.open("archive", o.key), o.key == "in/2.csv")
        s3.delete("archive", o.key)
`), "f_test.star": `
def test_f(t):
    for n in [1, 2]:
        t.s3("archive").file("in/%d.csv" % n, "id,price\n1,%d\n2,%d\n3,%d\n4,9\n" % (n, n, n))
    t.run()
    t.eq(sorted([r["price"] for r in t.table("prices")]), [1, 1, 1, 2, 2, 2, 9, 9])
`, "g.star": `
job(needs = ["db:crm:write"], retry = retry(first = "1s"))

def produce(ctx):
    db.ensure("prices", {"price": "integer"})
    crm = db.connect("crm")
    for table in [r["name"] for r in crm.query("SELECT name FROM left_over ORDER BY name")]:
        for batch in ctx.batches(crm.scan(table, by = ["id"]), 2):
            if ctx.attempt == 1 and table == "b" and batch[0]["id"] == 3:
                error("no")
            db.insert("prices", [{"price": r["price"]} for r in batch])
        crm.exec("DELETE FROM left_over WHERE name = ?", table)
`, "g_test.star": `
def test_g(t):
    crm = t.connection("crm")
    crm.ensure("left_over", {"name": "text(9)"})
    crm.insert("left_over", [{"name": "a"}, {"name": "b"}])
    for n, table in enumerate(["a", "b"]):
        crm.ensure(table, {"id": "integer", "price": "integer"}, key = ["id"])
        crm.insert(table, [{"id": i, "price": n + 1 if i < 4 else 9} for i in [1, 2, 3, 4]])
    t.run()
    t.eq(sorted([r["price"] for r in t.table("prices")]), [1, 1, 1, 2, 2, 2, 9, 9])
`, "h.star": starlark + `
    for f in files.list("in/*.csv"):
        rows = part(ctx, f.path)
        for batch in rows:
            insert(ctx, f.path, batch)
        ctx.on_commit(files.move, f.path, "done/")
        ctx.checkpoint()

def part(ctx, path):
    return ctx.batches(csv.read(path), 2)

def insert(ctx, path, batch):
    if ctx.attempt == 1 and path == "in/2.csv":
        error("no")
    db.insert("prices", [{"price": int(r["price"])} for r in batch])
`, "h_test.star": files("h"), "i.star": starlark + `
    batches = ctx.batches
    for f in files.list("in/*.csv"):
        for batch in batches(csv.read(f.path), 2):
            if ctx.attempt == 1 and f.path == "in/2.csv":
                error("no")
            db.insert("prices", [{"price": int(r["price"])} for r in batch])
        ctx.on_commit(files.move, f.path, "done/")
        ctx.checkpoint()
`, "i_test.star": files("i"), "j.lua": lua + `
  for _, f in ipairs(files.list("in/*.csv")) do
    for batch in ctx:batches(csv.read(f.path), 2) do
      if ctx.attempt == 1 and f.path == "in/2.csv" then error("no") end
      db.insert("prices", iter.map(row, batch))
    end
    files.move(f.path, "done/")
  end
end
`, "j_test.star": files("j"), "k.lua": `
job({needs = {"files:in/*", "files:done/*"}, retry = retry({first = "1s"})})

local function row(r) return {price = tonumber(r.price)} end

local function part(ctx, path) return ctx.batches(csv.read(path), 2) end

function produce(ctx)
  db.ensure("prices", {price = "integer"})
  for _, f in ipairs(files.list("in/*.csv")) do
    for batch in part(ctx, f.path) do
      if ctx.attempt == 1 and f.path == "in/2.csv" then error("no") end
      db.insert("prices", iter.map(row, batch))
    end
    ctx.on_commit(files.move, f.path, "done/")
    ctx.checkpoint()
  end
end
`, "k_test.star": files("k"), "l.star": starlark + `
    for f in files.list("in/*.zip"):
        for e in files.entries(f.path):
            copy(ctx, e, f.path == "in/2.zip")
        files.move(f.path, "done/")
`, "l_test.star": `
def test_l(t):
    t.file("in/1.zip", base64.decode("` + zipped(t, 1) + `"))
    t.file("in/2.zip", base64.decode("` + zipped(t, 2) + `"))
    t.run()
    t.eq(sorted([r["price"] for r in t.table("prices")]), [1, 1, 1, 2, 2, 2, 9, 9])
`})
	allAre(t, results(t, Options{Jobs: dir}), Passed)
}

// zipped is a zip of a file of prices, as base64.
func zipped(t *testing.T, price int) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("prices.csv")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(w, "id,price\n1,%[1]d\n2,%[1]d\n3,%[1]d\n4,9\n", price)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// TestAFileInThePlaceOfOneThatIsDoneIsRead has files come under the names of others that
// were read to their end, and moved, while the job waits to be tried again: they have as
// many rows, and the same last one.
func TestAFileInThePlaceOfOneThatIsDoneIsRead(t *testing.T) {
	t.Parallel()
	const again, want = `"id,price\n1,3\n2,3\n3,3\n4,9\n"`, "[1, 1, 1, 2, 2, 2, 3, 3, 3, 9, 9, 9]"
	test := func(name, put string) string {
		return `
def test_` + name + `(t):
    for n in [1, 2]:
        ` + put + `.file("in/%d.csv" % n, "id,price\n1,%d\n2,%d\n3,%d\n4,9\n" % (n, n, n))
    t.run()
    t.eq(sorted([r["price"] for r in t.table("prices")]), ` + want + `)
`
	}
	script := func(needs, list, open, move, write string) string {
		return `
job(needs = [` + needs + `], retry = retry(first = "1s"))

def produce(ctx):
    db.ensure("prices", {"price": "integer"})
    ` + list + `
        for batch in ctx.batches(csv.read(` + open + `), 2):
            if batch[-1]["price"] == "2" and not files.exists("failed"):
                files.write("failed", "")
                ` + write + `
                error("no")
            db.insert("prices", [{"price": int(r["price"])} for r in batch])
        ctx.on_commit(` + move + `)
        ctx.checkpoint()
`
	}
	dir := folder(t, map[string]string{
		"a.star":      script(`"files:in/*", "files:done/*", "files:failed"`, `for f in files.list("in/*.csv"):`, "f.path", `files.move, f.path, "done/"`, `files.write("in/1.csv", `+again+`)`),
		"a_test.star": test("a", "t"),
		"b.star": script(`"sftp:bank", "files:failed"`, `bank = sftp.connect("bank")
    for f in bank.list("in/*.csv"):`, "bank.open(f.path)", `bank.move, f.path, "done/" + str(ctx.attempt) + "-" + f.path[3:]`, `bank.put("in/1.csv", [`+again+`])`),
		"b_test.star": test("b", `t.sftp("bank")`),
		"c.star":      script(`"s3:archive", "files:failed"`, `for o in s3.list("archive", "in/"):`, `s3.open("archive", o.key)`, `s3.delete, "archive", o.key`, `s3.put("archive", "in/1.csv", [`+again+`])`),
		"c_test.star": test("c", `t.s3("archive")`),
		"d.lua": `
job({needs = {"files:in/*", "files:done/*", "files:failed"}, retry = retry({first = "1s"})})

function produce(ctx)
  db.ensure("prices", {price = "integer"})
  for _, f in ipairs(files.list("in/*.csv")) do
    for batch in ctx.batches(csv.read(f.path), 2) do
      if batch[2].price == "2" and not files.exists("failed") then
        files.write("failed", "")
        files.write("in/1.csv", ` + again + `)
        error("no")
      end
      db.insert("prices", iter.map(function(r) return {price = tonumber(r.price)} end, batch))
    end
    ctx.on_commit(files.move, f.path, "done/")
    ctx.checkpoint()
  end
end
`, "d_test.star": test("d", "t"),
		"e.star":      script(`"files:in/*", "files:failed"`, `for f in files.list("in/*.csv"):`, "f.path", `log.info, f.path`, `files.write("in/1.csv", files.read("in/1.csv"))`),
		"e_test.star": strings.Replace(test("e", "t"), want, "[1, 1, 1, 2, 2, 2, 9, 9]", 1), // it stays, and is written once more
	})
	allAre(t, results(t, Options{Jobs: dir}), Passed)
}

// TestAFileThatIsDeliveredOnceMore has a file that was read to its end be written once
// more while the job waits: as it was, it is left out, and it is read where it has another
// price in its middle, of as many digits.
func TestAFileThatIsDeliveredOnceMore(t *testing.T) {
	t.Parallel()
	prices := func(price int) string {
		text := "id,price,pad\n"
		for i := range 40 {
			if i != 20 {
				text += fmt.Sprintf("%d,1,%s\n", i, strings.Repeat("x", 8000))
			} else {
				text += fmt.Sprintf("%d,%d,%s\n", i, price, strings.Repeat("x", 8000))
			}
		}
		return text
	}
	const year = 365 * 24 * time.Hour
	content := func(pack func(files ...string) string, price, time int) string {
		if pack == nil {
			return prices(price)
		}
		return pack("prices.csv", prices(price), "readme.txt", fmt.Sprint(time)) // the archive is another one, anyhow
	}
	tarred := func(of time.Time) func(files ...string) string {
		return func(files ...string) string {
			var b bytes.Buffer
			w, at := tar.NewWriter(&b), of
			for i := 0; i < len(files); i += 2 {
				if err := w.WriteHeader(&tar.Header{Name: files[i], Size: int64(len(files[i+1])), Mode: 0o644, ModTime: at}); err != nil {
					t.Fatal(err)
				}
				w.Write([]byte(files[i+1]))
				at = at.Add(year)
			}
			w.Close()
			return b.String()
		}
	}
	zipped := func(files ...string) string {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for i := 0; i < len(files); i += 2 {
			f, err := w.Create(files[i])
			if err != nil {
				t.Fatal(err)
			}
			f.Write([]byte(files[i+1]))
		}
		w.Close()
		return b.String()
	}
	jobs := map[string]string{}
	for name, c := range map[string]struct {
		needs, begin, put, sources, write string
		pack                              func(files ...string) string
	}{
		"file": {`"files:in/*"`, "", "t.file", `["in/%d" % n]`, "files.write", nil},
		"zip":  {`"files:in/*"`, "", "t.file", `files.entries("in/%d.zip" % n, "*.csv")`, "files.write", zipped},
		"tar":  {`"files:in/*"`, "", "t.file", `files.entries("in/%d.tar" % n, "*.csv")`, "files.write", tarred(time.Unix(1e9, 0))},
	} {
		for _, price := range []int{5, 6} {
			end, rows, pack := "", 80+40*(price-5), c.pack
			if pack != nil {
				end = "." + name
			}
			if name == "tar" && price == 6 {
				pack = tarred(time.Unix(2e9, 0))
			}
			text := func(pack func(files ...string) string, price, time int) string {
				return `base64.decode("` + base64.StdEncoding.EncodeToString([]byte(content(pack, price, time))) + `")`
			}
			job := fmt.Sprintf("%s%d", name, price)
			jobs[job+".star"] = `
job(needs = [` + c.needs + `], retry = retry(first = "1s"))
MORE = ` + text(pack, price, 2) + `

def produce(ctx):
    db.ensure("prices", {"price": "integer"})
    ` + c.begin + `
    failed = files.exists("in/failed")
    if failed:
        ` + c.write + `("in/1` + end + `", MORE)
    for n in [1, 2]:
        for src in ` + c.sources + `:
            for batch in ctx.batches(csv.read(src), 10):
                if n == 2 and not failed:
                    files.write("in/failed", "")
                    error("no")
                db.insert("prices", [{"price": int(r["price"])} for r in batch])
            ctx.checkpoint()
`
			jobs[job+"_test.star"] = `
FIRST = ` + text(c.pack, 5, 1) + `

def test_` + job + `(t):
    for n in [1, 2]:
        ` + c.put + `("in/%d` + end + `" % n, FIRST)
    t.run()
    t.eq(len(t.table("prices")), ` + fmt.Sprint(rows) + `)
`
		}
	}
	allAre(t, results(t, Options{Jobs: folder(t, jobs)}), Passed)
}
