package hostlib_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/itchyny/timefmt-go"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// holds runs checks as a hook and fails with the first that does not hold.
func holds(t *testing.T, checks string) {
	t.Helper()
	t.Parallel()
	w := world.New(t)
	w.Script("checks", "load(\"lib/check.star\", \"eq\", \"fails\")\ndef consume(ctx, item):\n"+checks)
	if j := w.Do("checks", "1"); j.Error != nil {
		t.Fatalf("%s\n%s", j.Error.Message, j.Error.Backtrace)
	}
}

func TestExpressionsFollowPython(t *testing.T) {
	holds(t, `
    eq(re.match(r"b", "ab"), None)
    eq(re.search(r"(a)|(b)", "xb").groups(), (None, "b"))
    eq(re.search(r"(a)|(b)", "xb").groups(""), ("", "b"))
    eq(re.search(r"(a)|(b)", "xb").start(1), -1)
    eq(re.search(r"(a)|(b)", "xb").span(2), (1, 2))
    eq(re.fullmatch(r"a|ab", "ab").group(), "ab")
    eq(re.match(r"a|ab", "ab").group(0), "a")
    eq(re.findall(r"(a)|(b)", "ab"), [("a", ""), ("", "b")])
    eq(re.findall(r"a*", "aab"), ["aa", ""])
    eq(re.split(r"([,;])", "a,b;c"), ["a", ",", "b", ";", "c"])
    eq(re.split(r"(x)?,", "a,b"), ["a", None, "b"])
    eq(re.split(r",", "a,b,c", maxsplit = 1), ["a", "b,c"])
    eq(re.split(r",", ""), [""])
    eq(re.sub(r"(?P<first>\w+) (\w+)", r"\2 \g<first>\g<0>\\\n", "Ada Byron"), "Byron AdaAda Byron\\\n")
    eq(re.sub(r"\d", lambda m: "<%s>" % m.group(), "a1b2", 1), "a<1>b2")
    eq(re.sub(r"x*", "-", "abc"), "-a-b-c-")
    eq(re.sub(r"(a)|b", r"[\1]", "ab"), "[a][]")
    eq(re.sub(r"(?i)ADA", "$1", "ada"), "$1")
    eq([m.span() for m in re.finditer(r"\b\w", "ab cd")], [(0, 1), (3, 4)])
    m = re.search(r"ö(.)", "aöbc")
    eq("aöbc"[m.start(1):m.stop(1)], "b")
    eq(re.findall(r"\w+", "Größe XL"), ["Größe", "XL"])
    eq(re.findall(r"(?a)\w+", "Größe"), ["Gr", "e"])
    eq([m.group("k") for m in re.finditer(r"\b(?P<k>\w+)=", "größe=1 élan=2")], ["größe", "élan"])
    eq(re.sub(r"\s+", " ", "a\u00a0\u2009b"), "a b")
    eq(re.split(r"\W+", "für—über"), ["für", "über"])
    eq(re.search("a$", "ba\n").span(), (1, 2))
    eq(re.search(r"a\Z", "ba\n"), None)
    eq(re.compile(r"(?a)\w\Z").pattern, r"(?a)\w\Z")
    p = re.compile(r"(?P<a>x)(y)")
    eq(p.pattern, r"(?P<a>x)(y)")
    eq(p.groups, 2)
    eq(re.sub(p, r"\g<a>", "xy"), "x")
    eq(p.search("xy").groupdict(), {"a": "x"})
    eq(bool(re.match("a", "a")), True)
    eq(re.findall(re.escape("1+1"), "1+1=2"), ["1+1"])
    fails("no look-around", re.search, r"(?=a)", "a")
    fails("no back references", re.compile, r"(a)\1")
    fails("missing closing", re.compile, r"(a")
    fails("invalid character class range", re.compile, r"[\wz-a]")
    fails("has no group frist (did you mean \"first\"?): it has 1", re.search(r"(?P<first>a)", "a").group, "frist")
    fails("has no group 2", re.sub, "(a)", r"\2", "a")
    fails("there is no \\d", re.sub, "a", r"\d", "a")
    fails("the function gave int, wanted string", re.sub, "a", lambda m: 1, "a")
    fails("wanted string or what re.compile gives", re.search, 1, "a")
`)
}

func TestRowHashesDependOnContentOnly(t *testing.T) {
	holds(t, `
    h = hash.row({"id": 1, "name": "Ada", "tags": ["a", None], "more": {"x": 1, "y": True}})
    eq(len(h), 32)
    eq(hash.row({"more": {"y": True, "x": 1.0}, "tags": ("a", None), "name": "Ada", "id": 1.0}), h)
    eq(hash.row({"id": 1, "n": "x"}, cols = ["id"]), hash.row({"id": decimal.of("1.00")}))
    eq(hash.row({"t": time.parse("2025-01-01T12:00:00Z")}), hash.row({"t": time.parse("2025-01-01T13:00:00+01:00")}))
    eq(hash.row({"n": 1e20}), hash.row({"n": 100000000000000000000}))
    eq(hash.row({"n": -0.0}), hash.row({"n": 0}))
    eq(hash.row({"n": 0.1}), hash.row({"n": decimal.of("0.10")}))
    rows = [{"a": 1}, {"a": "1"}, {"a": None}, {"a": True}, {"a": [1]}, {"a": [[1]]}, {"a": {}}, {"a": []}, {"a": b"1"}, {"b": 1}, {},
            {"a": "x", "b": ""}, {"a": "", "b": "x"}, {"a": ["1", "2"]}, {"a": ["12"]}, {"a": [1, 2]}, {"a": [12]}, {"a": 1.5}, {"a": "1.5"}]
    eq(len(set([hash.row(r) for r in rows])), len(rows))
    fails("the row has no column \"nmae\" (did you mean \"name\"?)", hash.row, {"name": 1}, ["nmae"])
    eq(hash.hmac("key", "The quick brown fox jumps over the lazy dog", alg = "sha1"), "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9")
    eq(hash.hmac(b"key", b"The quick brown fox jumps over the lazy dog", "md5"), "80070713463e7749b90c2dc24911e275")
    fails("wanted \"md5\", \"sha1\", \"sha256\" or \"sha512\" (did you mean \"sha256\"?)", hash.hmac, "k", "x", "sha265")
    eq(hash.crc32("123456789"), "cbf43926")
    eq(hash.xxh64(""), "ef46db3751d8e999")
    eq(hash.xxh3(""), "2d06800538d394c2")
    eq(hash.md5("ö"), hash.md5(b"\xc3\xb6"))
`)
}

func TestBase64AndIdentifiers(t *testing.T) {
	holds(t, `
    eq(base64.encode(b"\xfb\xff", url = True), "-_8")
    eq(base64.decode("-_8=", url = True), b"\xfb\xff")
    eq(base64.decode("+/\n 8"), b"\xfb\xff")
    eq(base64.decode(""), b"")
    fails("see url", base64.decode, "-_8")
    fails("it is no base64 text", base64.decode, "a")
    eq(uuid.v5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "example.com"), uuid.v5("dns", "example.com"))
    fails("did you mean \"dns\"?", uuid.v5, "dnss", "x")
    fails("is no UUID", uuid.parse, "nonsense")
    eq(uuid.parse("urn:uuid:6BA7B810-9DAD-11D1-80B4-00C04FD430C8"), "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    ids = [uuid.v4() for _ in range(100)] + [uuid.v7() for _ in range(100)]
    eq(len(set(ids)), 200)
    eq(set([i[14] for i in ids]), set(["4", "7"]))
    eq(all([i[19] in "89ab" for i in ids]), True)
    eq(ids[100][:8], ids[199][:8]) # within a minute of each other
`)
}

func TestDecimalsAreExact(t *testing.T) {
	holds(t, `
    d = decimal.of
    eq(str(d("0.10") + d("0.20")), "0.30")
    eq(d("0.1") + d("0.2") == d("0.3"), True)
    eq(str(d("1.50") * 3), "4.50")
    eq(str(3 - d("1.50")), "1.50")
    eq(str(-d("1.50")), "-1.50")
    eq(str(d("-0.00")), "0.00")
    eq(str(d(1) / 3), "0.3333333333333333333333333333")
    eq(str(d(2) / 3), "0.6666666666666666666666666667")
    eq(str(d("10") / 4), "2.5")
    eq(str(d("6") / 2), "3")
    eq(str(d("600.00") / 2), "300.00")
    eq(str(d("600") / d("0.5")), "1200")
    eq(str(1 / d("8")), "0.125")
    eq(str(d("1e3")), "1000")
    eq(str(d(0.1)), "0.1")
    eq(str(d(12345678901234567890123) * 10), "123456789012345678901230")
    eq(sorted([d("2"), d("-1"), d("1.5")]) == [d("-1"), d("1.5"), d("2")], True)
    eq(d("1.50") == d("1.5"), True)
    eq({d("1.50"): 1}[d("1.5")], 1)
    eq((d("1.50").scale, d("1.50").sign, d("-2").sign, d("0").sign, d("1e2").scale), (2, 1, -1, 0, 0))
    eq(bool(d("0.00")), False)
    eq(d("2.5").compare("2.50"), 0)
    modes = ["half_even", "half_up", "half_down", "up", "down", "ceiling", "floor"]
    eq([str(d("2.5").round(0, m)) for m in modes], ["2", "3", "2", "3", "2", "3", "2"])
    eq([str(d("-2.5").round(0, m)) for m in modes], ["-2", "-3", "-2", "-3", "-2", "-2", "-3"])
    eq([str(d("2.51").round(0, m)) for m in modes], ["3", "3", "3", "3", "2", "3", "2"])
    eq(str(d("5").round(2)), "5.00")
    eq(str(d("1234").round(-2)), "1200")
    eq(d("99999999999999999999.9").to_int(), 99999999999999999999)
    eq(json.encode({"n": d("12345678901234567890.10")}), '{"n":12345678901234567890.10}')
    eq(math.sum([d("0.1")] * 10) == d("1"), True)
    eq(math.sum([1, None, 2.5]), 3.5)
    eq(math.sum([1 << 62, 1 << 62, -1]), (1 << 63) - 1)
    eq(math.sum([]), 0)
    fails("element 2: got string, wanted a number", math.sum, [1, "2"])
    fails("a float is not exact", lambda: d("1") + 0.5)
    fails("division by zero", lambda: d("1") / 0)
    fails("is no decimal number", d, "12,50")
    fails("is no decimal number", d, "NaN")
    fails("at most 10000 digits", d, "1e2000")
    fails("wanted a number, or text", d, [])
    fails("did you mean \"half_up\"?", d("1").round, 0, "halfup")
    db.ensure("prices", {"id": "integer", "price": "decimal(20,2)"}, key = ["id"])
    db.insert("prices", [{"id": 1, "price": d("123456789012345678.90")}])
    eq(str(d(db.value("SELECT price FROM prices WHERE price > ?", d("1")))), "123456789012345678.90")
`)
}

func TestCalendar(t *testing.T) {
	holds(t, `
    day = lambda t: t.format("%Y-%m-%d")
    eq(day(time.parse("2023-12-31").add(months = 2)), "2024-02-29")
    eq(day(time.parse("2024-02-29").add(years = 1)), "2025-02-28")
    eq(day(time.parse("2024-03-31").add(months = -1)), "2024-02-29")
    eq(day(time.parse("2024-01-31").add(months = 1, days = 1)), "2024-03-01")
    eq(day(time.parse("2024-01-01").add(weeks = 1, days = -1)), "2024-01-07")
    berlin = time.date(2025, 3, 29, 12, timezone = "Europe/Berlin")
    eq(berlin.add(days = 1).hour, 12)
    eq(berlin.add(days = 1) - berlin, time.duration("23h"))
    days = list(time.windows(time.date(2025, 3, 29, timezone = "Europe/Berlin"), time.date(2025, 4, 1, timezone = "Europe/Berlin"), "day"))
    eq([(b - a).hours for a, b in days], [24.0, 23.0, 24.0])
    eq(list(time.windows(berlin, berlin, "1h")), [])
    hours = list(time.windows(time.parse("2025-01-01"), time.parse("2025-01-01T02:30:00Z"), "1h"))
    eq([(a.hour, b.hour, b.minute) for a, b in hours], [(0, 1, 0), (1, 2, 0), (2, 2, 30)])
    eq((time.date(2024, 12, 31).yearday, time.from_unix(0.25).nanosecond), (366, 250000000))
    noon = time.date(2018, 11, 4, 12, timezone = "America/Sao_Paulo")
    eq([str(time.trunc(noon, u)) for u in ["day", "hour"]], ["2018-11-04T01:00:00-02:00", "2018-11-04T12:00:00-02:00"])
    eq([str(a) for a, b in time.windows(time.date(2024, 9, 7, timezone = "America/Santiago"), time.date(2024, 9, 10, timezone = "America/Santiago"), "day")], ["2024-09-07T00:00:00-04:00", "2024-09-08T01:00:00-03:00", "2024-09-09T00:00:00-03:00"])
    for text, zone, want in [("2025-10-26T02:30", "Europe/Berlin", "2025-10-26T02:30:00+02:00"), ("2025-03-30T02:30", "Europe/Berlin", "2025-03-30T03:30:00+02:00"), ("2025-11-02T01:30", "America/New_York", "2025-11-02T01:30:00-04:00"), ("2025-03-09T02:30", "America/New_York", "2025-03-09T03:30:00-04:00")]:
        eq([str(time.parse(text, timezone = zone)), str(time.parse(text, "%Y-%m-%dT%H:%M", zone))], [want, want])
        y, m, d, h = int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13])
        eq([str(time.date(y, m, d, h, 30, timezone = zone)), str(time.date(y, m, d - 1, h, 30, timezone = zone).add(days = 1))], [want, want])
    fails("the month has 28", time.date, 2025, 2, 29)
    fails("month: got 13, wanted 1 to 12", time.date, 2025, 13)
    fails("step must be longer than 0s", time.windows, berlin, berlin, "0s")
    fails("did you mean \"month\"?", time.windows, berlin, berlin, "months")
    fails("no time of the format", time.parse, "31.02.2025", "%d.%m.%Y")
    fails("no time of the format", time.parse, "20250431", "%Y%m%d")
    for text, format in [("20240230", "%Y%m%d"), ("300224", "%d%m%y"), ("2023-366", "%Y-%j"), ("30.02.2024 30", "%d.%m.%Y %M"), ("29 Feb", "%d %b"), ("2023 53 7", "%G %V %u"), ("2023 53 6", "%Y %W %u")]:
        fails("has no such", time.parse, text, format)
    eq(day(time.parse("2024-366", "%Y-%j")), "2024-12-31")
    eq(day(time.parse("29 1 2024", "%d %u %Y")), "2024-01-29")
    eq(day(time.parse("2020 53 7", "%G %V %u")), "2021-01-03")
    eq(day(time.parse("2024 01 0", "%Y %U %w")), "2024-01-07")
    eq(time.parse("2024-07-01 10:00 CEST", "%Y-%m-%d %H:%M %Z", "Europe/Berlin").in_timezone("UTC").hour, 8)
    eq([time.parse("2024-10-27 02:30 " + z, "%Y-%m-%d %H:%M %Z", "Europe/Berlin").in_timezone("UTC").hour for z in ["CEST", "CET"]], [0, 1])
    eq([time.parse("10:00 " + z, "%H:%M %Z", "Asia/Tokyo").in_timezone("UTC").hour for z in ["UTC", "gmt", "Z"]], [10, 10, 10])
    eq(time.parse("2024-01-05 10:00 +0130 (XY)", "%Y-%m-%d %H:%M %z (%Z)").in_timezone("UTC").format("%H:%M"), "08:30")
    fails("PST is no zone that can be told: give timezone or %z", time.parse, "2024-01-01 10:00 PST", "%Y-%m-%d %H:%M %Z")
    fails("CET is no zone that Europe/Berlin has at that time", time.parse, "2024-07-01 10:00 CET", "%Y-%m-%d %H:%M %Z", "Europe/Berlin")
    fails("there is no %Q", time.parse, "2024", "%Y%Q")
    fails('format: "02.01.2006" has no %: it is as for strptime, such as "%d.%m.%Y" for 28.03.2026', time.parse, "28.03.2026", "02.01.2006")
    fails("there is no %Q", time.now().format, "%Y %Q")
    fails("there is no %", time.now().format, "100%")
    fails("%-d is for writing", time.parse, "1", "%-d")
    eq(time.parse("2024-01-05").format("%-d.%-m.%y 100%% %:z"), "5.1.24 100% +00:00")
    fails("it has \"x\" where %H is wanted", time.parse, "2024 x", "%Y %H")
    fails("behind it there is \"!\"", time.parse, "2024!", "%Y")
    eq(day(time.parse("1.3.2031 8:30", "%d.%m.%Y %H:%M")), "2031-03-01")
    fails("it has \"24\" where %Y (4 digits) is wanted", time.parse, "01.02.24", "%d.%m.%Y")
    fails("it has \"202-1\" where %G (4 digits) is wanted", time.parse, "202-1", "%G-%V")
    fails("it ends where %Y (4 digits) is wanted", time.parse, "1.", "%m.%Y")
    fails("where %y (2 digits) is wanted", time.parse, "5", "%y")
    fails("where %C (2 digits) is wanted", time.parse, "2-1", "%C-%d")
    fails("%-y is for writing times", time.parse, "5", "%-y")
    eq([day(time.parse("01.02." + y, "%d.%m.%y")) for y in ["24", "68", "69"]], ["2024-02-01", "2068-02-01", "1969-02-01"])
    fails("the hour 13 is not AM", time.parse, "13:00 AM", "%H:%M %p")
    fails("the hour 0 is not PM", time.parse, "00:30 pm", "%H:%M %p")
    eq([time.parse(h, "%H %p").hour for h in ["13 PM", "00 AM", "02 PM", "12 AM", "12 PM"]], [13, 0, 14, 0, 12])
`)
}

func TestLoopsOverSeveral(t *testing.T) {
	holds(t, `
    eq(list(iter.zip([1, 2], ["a", "b", "c"])), [(1, "a"), (2, "b")])
    eq(list(iter.zip()), [])
    fails("the second one is longer than the first one, which has 1 elements", lambda: list(iter.zip([1], [1, 2], strict = True)))
    fails("the first one is longer than the second one, which has 1 elements", lambda: list(iter.zip([1, 2], [1], strict = True)))
    eq(list(iter.zip([1, 2], [3, 4], strict = True)), [(1, 3), (2, 4)])
    eq(list(iter.group([], "k")), [])
    eq(list(iter.group([3, 4, 1, 3], lambda n: n % 2)), [(1, [3]), (0, [4]), (1, [1, 3])])
    fails("more than 2 elements", lambda: list(iter.group([1, 1, 1], lambda n: n, most = 2)))
    eq(iter.sorted([3, 1.5, 2]), [1.5, 2, 3])
    eq(iter.sorted(["b", "a"], reverse = True), ["b", "a"])
    eq(iter.sorted([(2, "a"), (1, "b"), (1, "a")]), [(1, "a"), (1, "b"), (2, "a")])
    eq(iter.sorted([{"k": 1, "n": 1}, {"k": 0}, {"k": 1, "n": 2}], key = "k"), [{"k": 0}, {"k": 1, "n": 1}, {"k": 1, "n": 2}])
    fails("have no order: give a key", iter.sorted, [1, "a"])
    fails("an element has no \"kk\"", iter.sorted, [{"k": 1}], key = "kk")
`)
}

func TestTooManyElementsToSortIsALimit(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("checks", "def consume(ctx, item):\n    iter.sorted(range(4), most = 3)\n")
	if j := w.Do("checks", "1"); j.Error == nil || j.Error.Kind != "limit" || j.Error.Code != "iter.sorted" {
		t.Errorf("got %+v", j.Error)
	}
}

// TestTimesThatAreWrittenAreReadAgain compares with the library that writes them.
func TestTimesThatAreWrittenAreReadAgain(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		at := time.Unix(r.Int64N(3e9), r.Int64N(1e6)*1000).In(berlin)
		for _, format := range []string{
			"%Y-%m-%d %H:%M:%S.%f", "%d%m%y", "%c", "%x %X", "%D %r", "%v %R", "%F %T %z", "%s", "%e.%m.%Y %k:%M", "%C%y-%j",
			"%G-W%V-%u", "%g %V %a", "%Y %U %w", "%Y %W %A", "%B %d, %Y %l%P", "%FT%T%:z", "%a, %d %b %Y %H:%M:%S %::z", "%h %e%t%Y%n%%",
		} {
			text := timefmt.Format(at, format)
			want, err := timefmt.ParseInLocation(text, format, berlin)
			if err != nil {
				t.Fatal(err)
			}
			got, err := hostlib.ParseTime(text, format, berlin)
			if err != nil || !got.Equal(want) {
				t.Fatalf("%q as %q: got %v (%v), want %v", text, format, got, err, want)
			}
		}
	}
}
