package hostlib_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestSortingAndJoining(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Patience = 5 * time.Minute
	w.File("l.csv", "id,n\n1,a\n2,b\n2,c\n4,d\n")
	w.File("r.csv", "id,m\n0,v\n2,w\n2,x\n3,y\n4,z\n")
	const join = `def ids(key, **more):
    return [(l["n"], r["m"] if r else None) for l, r in iter.join(csv.read("l.csv"), csv.read("r.csv"), key, **more)]
`
	for _, c := range []struct{ body, want string }{
		// More than is held in memory goes through a file, and comes back as it was.
		{`rows = lambda: iter.map(lambda n: {"n": (n * 7) % 30, "at": n, "s": "x" * 1000000}, range(90))
for reverse in [False, True]:
    want = [(r["n"], r["at"]) for r in iter.sorted([{"n": (n * 7) % 30, "at": n} for n in range(90)], key = "n", reverse = reverse)]
    got = [(r["n"], r["at"]) for r in iter.sort(rows(), key = "n", reverse = reverse) if len(r["s"]) == 1000000]
    if got != want: return got
return len(want)`, `90`},
		{`big = "x" * 20000000
values = [1, 1 << 80, -5, 0.1, float("inf"), True, None, "é", b"\x00\xff", (1, [2, {"a": None}]), decimal.of("1.50"), time.from_unix(5), time.from_unix(9) - time.from_unix(3)]
got = [v for v, s in iter.sort([(v, big) for v in values[:3]] + [(v, "") for v in values], key = lambda p: 0)]
return [(a, type(a), type(b)) if not str(a).startswith("b") else 0 for a, b in zip(got, values[:3] + values) if a != b or str(a) != str(b)]`, `[[[1,[2,{"a":null}]],"list","tuple"]]`},
		{`return list(iter.sort([3, 1, 2]))`, `[1,2,3]`},
		{`return list(iter.sort([]))`, `[]`},
		{`return list(iter.sort([1, "a"]))`, `iter.sort: string and int have no order: give a key`},
		{`return list(iter.sort([{"a": 1}], key = "b"))`, `iter.sort: key: an element has no "b"`},
		{`return list(iter.sort([len]))`, `function is no data`},
		{`return list(iter.sort([1, 2], key = lambda n: error("bad %d" % n)))`, `bad 1`},
		{`for r in iter.sort(csv.read("l.csv"), key = "n", reverse = True): break
return r["n"]`, `"d"`},
		{join + `return [ids("id"), ids("id", sorted = True)]`, `[[["b","w"],["b","x"],["c","w"],["c","x"],["d","z"]],[["b","w"],["b","x"],["c","w"],["c","x"],["d","z"]]]`},
		{join + `return [ids("id", how = "left"), ids("id", how = "left", sorted = True)]`, `[[["a",null],["b","w"],["b","x"],["c","w"],["c","x"],["d","z"]],[["a",null],["b","w"],["b","x"],["c","w"],["c","x"],["d","z"]]]`},
		{join + `return ids(lambda r: int(r["id"]), other_key = lambda r: float(r["id"]) - 1)`, `[["a","w"],["a","x"],["b","y"],["c","y"]]`},
		{`return [list(iter.join([None, 1, None], [None, 1, None], lambda n: n, sorted = s, how = "left")) for s in [True, False]]`, `[[[null,null],[1,1],[null,null]],[[null,null],[1,1],[null,null]]]`},
		// Keys are equal by their value, in either way of joining.
		{`kinds = [1, 1.0, decimal.of("1"), decimal.of("1.00")]
tenths = [0.1, decimal.of("0.10")]
large = [1 << 70, float(1 << 70), decimal.of(str(1 << 70))]
wide = [float("inf"), float("inf")]
got = []
for keys in [kinds, tenths, large, wide]:
    for key in [lambda n: n, lambda n: (n, "a"), lambda n: [2, [n]]]:
        for s in [True, False]:
            got.append(len(list(iter.join(keys, keys, key, sorted = s))) == len(keys) * len(keys))
return got`, `[` + strings.Repeat("true,", 23) + `true]`},
		{`mixed = [-1, 0.5, decimal.of("0.75"), 1.0, (1 << 53) + 1, float(1 << 53) + 2]
return [len(list(iter.join(mixed, mixed, lambda n: n, sorted = s))) for s in [True, False]]`, `[6,6]`},
		{`return list(iter.join([1], [float("nan")], lambda n: n))`, `key: it is NaN, which is equal to nothing: give None`},
		{`return list(iter.join([float("nan")], [1], lambda n: (1, n), sorted = True))`, `key: it is NaN, which is equal to nothing: give None`},
		{`return list(iter.join([1, 1], [1] * 3, lambda n: n, most = 2))`, `iter.join: other has more elements than most allows to be held in memory`},
		{`return list(iter.join([1, 1], [1] * 3, lambda n: n, most = 2, sorted = True))`, `iter.join: one key has more elements than most allows`},
		{`return len(list(iter.join([1, 2], [1, 1, 2, 2], lambda n: n, most = 2, sorted = True)))`, `4`},
		{`return list(iter.join([2, 1], [1], lambda n: n, sorted = True))`, `element 2 of it has a smaller key than the one before`},
		{`return list(iter.join([1, 3], [2, 1], lambda n: n, sorted = True))`, `element 2 of other has a smaller key`},
		{`return list(iter.join([1], [1], "id", how = "outer"))`, `how: got "outer", wanted "inner" or "left"`},
		{`for l, r in iter.join(csv.read("l.csv"), csv.read("r.csv"), "id"): break
return l["n"]`, `"b"`},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) || c.want[0] == '[' && got != c.want {
			t.Errorf("%.200s: got %.300s, want %s", c.body, got, c.want)
		}
	}
	// The loops that were left above left nothing open, for that is an error here.
	if got := run(t, w, `it = iter.sort(csv.read("l.csv"), key = "n")`); !strings.Contains(got, "was opened and never read to its end") {
		t.Errorf("a sort that is not read is no leak: %s", got)
	}
}
