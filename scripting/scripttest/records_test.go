package scripttest

import "testing"

// TestRecordsAreSetAndSeen has tests say what is known of rows, and look at it.
func TestRecordsAreSetAndSeen(t *testing.T) {
	dir := folder(t, map[string]string{
		"crm.star": `
job(instances = {"a": {}, "b": {}})

def consume(ctx, item):
    new = [r["id"] for r in records.changed("crm", [{"id": n, "name": "Ada"} for n in range(4)], key = "id", fields = ["name"], whole = True)]
    records.link("crm", ["DE", 7], "person-7", replace = True)
    return {"new": new, "ids": records.ids("crm", [1, "x", ["DE", 7]]), "missing": [m["key"] for m in records.missing("crm", max_missing = "all")]}
`, "crm_test.star": `
def test_in_starlark(t):
    t.records.mark("crm", 1, {"name": "Ada", "at": 1.5}, fields = ["name"], instance = "a")
    t.records.mark("crm", 2, {"name": "Eve"}, instance = "a")
    t.records.mark("crm", 3, "9cc24ae28e7ff5a56a5a0bd37d4eb8f2", instance = "a")
    t.records.mark("crm", "x", {}, instance = "a")
    t.records.link("crm", 1, 4711, instance = "a")
    t.records.link("crm", "x", "gone", instance = "a")
    t.records.link("crm", ["DE", 7], 5, instance = "a")
    t.eq(t.consume(instance = "a").result, {"new": [0, 2, 3], "ids": [4711, "gone", "person-7"], "missing": [["DE", 7], "x"]})
    t.eq([t.records.status("crm", n, {"name": "Ada"}, instance = "a") for n in [0, 1, 2, 9]], ["same", "same", "same", "new"])
    t.eq(t.records.status("crm", 1, {"name": "Eve", "x": 1}, fields = ["name"], instance = "a"), "changed")
    t.eq([t.records.id("crm", ["DE", 7], instance = "a"), t.records.id("crm", 9, instance = "a")], ["person-7", None])
    t.eq(t.consume(instance = "b").result["ids"], [None, None, "person-7"])

def test_wrong(t):
    t.fails(lambda: t.records.mark("crm", 1, "00"), "row: got \"00\", wanted the row, or a hash of 32 digits")
    t.fails(lambda: t.records.mark("crm", 1, 2), "row: got int, wanted dict")
    t.fails(lambda: t.records.mark("crm", 1.5, {}), "key: got float, wanted a string or a whole number")
    t.fails(lambda: t.records.link("crm", 1, 1.5), "id: got float, wanted a string or a whole number")
`, "crm2.lua": `
function consume(ctx, item)
  return {status = records.status("crm", {"DE", 7}, {name = "Ada"}), id = records.id("crm", {"DE", 7})}
end
`, "crm2_test.lua": `
function test_in_lua(t)
  t.records.mark("crm", {"DE", 7}, {name = "Ada"})
  t.records.link("crm", {"DE", 7}, 4711)
  t.eq(t.consume().result, {status = "same", id = 4711})
  t.eq(t.records.status("crm", {"DE", 7}, {name = "Eve"}), "changed")
  t.eq(t.records.id("crm", {"DE", 7}), 4711)
  t.eq(t.records.id("crm", 1), nil)
end
`})
	onEach(t, func(t *testing.T, use func(*Suite)) {
		s := suite(t, Options{Jobs: dir})
		use(s)
		for _, r := range s.Run(t.Context()) {
			if r.Status != Passed {
				t.Error(text(r))
			}
		}
	})
}
