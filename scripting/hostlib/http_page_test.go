package hostlib_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// pages serves the numbers 0 to 9, three to a page, in each of the ways in
// which APIs do so. It notes what was asked.
func pages(t *testing.T, asked *[]string) string {
	give := func(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }
	numbers := func(from int) []int {
		list := []int{}
		for n := from; n < min(from+3, 10); n++ {
			list = append(list, n)
		}
		return list
	}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if asked != nil {
			*asked = append(*asked, r.URL.RequestURI())
		}
		number := func(name string, def int) int {
			if n, err := strconv.Atoi(q.Get(name)); err == nil {
				return n
			}
			return def
		}
		from := number("from", 0)
		more := from+3 < 10
		switch r.URL.Path {
		case "/link":
			if more {
				w.Header().Add("Link", `</link?from=0>; rel="first", <https://example.com/?a,b>; title="x, \"y\"; rel=next"; rel=prev`)
				w.Header().Add("Link", fmt.Sprintf(`</link?fields=a,b&from=%d>; title="more"; REL="last Next"`, from+3))
			}
			give(w, numbers(from))
		case "/path":
			meta := map[string]any{}
			if more {
				meta["next"] = fmt.Sprintf("?from=%d", from+3)
			}
			give(w, map[string]any{"data": map[string]any{"list": numbers(from)}, "meta": meta})
		case "/cursor":
			from = number("after", 0)
			next := any(nil)
			if from+3 < 10 {
				next = from + 3
			}
			give(w, map[string]any{"items": numbers(from), "next": next, "filter": q.Get("filter")})
		case "/page":
			give(w, numbers((number("p", 1)-1)*3))
		case "/offset":
			give(w, map[string]any{"items": numbers(number("offset", 0))})
		case "/same":
			give(w, numbers(0))
		case "/circle":
			give(w, map[string]any{"items": numbers(from), "next": fmt.Sprintf("/circle?from=%d", (from+3)%9)})
		case "/endless":
			give(w, map[string]any{"items": []int{from}, "next": fmt.Sprintf("/endless?from=%d", from+1)})
		case "/twins": // pages that are the same, and yet not one
			p := number("p", 1)
			if p < 4 {
				w.Header().Set("Link", fmt.Sprintf(`<?p=%d>; rel=next`, p+1))
			}
			give(w, []int{[]int{0, 7, 7, 8, 7}[p]})
		case "/forever":
			w.Header().Set("Link", fmt.Sprintf(`<?p=%d>; rel=next`, number("p", 0)+1))
			give(w, []int{7})
		case "/holes": // pages without items
			from = number("after", 0)
			if from < 30 {
				give(w, map[string]any{"items": []int{}, "next": from + 1})
				return
			}
			give(w, map[string]any{"items": []int{from}, "next": nil})
		case "/spaced": // what may not stand in a query
			switch q.Get("q") {
			case "":
				give(w, map[string]any{"items": []int{1}, "next": "/spaced?q=a b \u00fc&x=%20"})
			case "a b \u00fc":
				w.Header().Set("Location", "/spaced?q=c d|")
				w.WriteHeader(302)
			default:
				give(w, map[string]any{"items": []int{2}, "next": nil})
			}
		case "/decimals":
			io.WriteString(w, "[1234567890123456.78]")
		case "/none":
			w.WriteHeader(204)
		}
	})
}

func TestPagesAreFollowed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var asked []string
	url := pages(t, &asked)
	const all = `[0,1,2,3,4,5,6,7,8,9]`
	for _, c := range []struct{ call, want, asked string }{
		{`http.paginate(item + "/link")`, all, "/link /link?fields=a,b&from=3 /link?fields=a,b&from=6 /link?fields=a,b&from=9"},
		{`http.paginate(item + "/link", params = {"from": 6})`, `[6,7,8,9]`, "/link?from=6 /link?fields=a,b&from=9"},
		{`http.paginate(item + "/path", next = "meta.next", items = "data.list")`, all, "/path /path?from=3 /path?from=6 /path?from=9"},
		{`http.paginate(item + "/path", next = "$.meta.next", items = "$.data['list']")`, all, "/path /path?from=3 /path?from=6 /path?from=9"},
		{`http.paginate(item + "/cursor", next = {"cursor": "after", "path": "next"}, items = "items", params = {"filter": "x y"})`, all,
			"/cursor?filter=x+y /cursor?filter=x+y&after=3 /cursor?filter=x+y&after=6 /cursor?filter=x+y&after=9"},
		{`http.paginate(item + "/page", next = {"page": "p"}, params = {"size": 3})`, all, "/page?size=3&p=1 /page?size=3&p=2 /page?size=3&p=3 /page?size=3&p=4 /page?size=3&p=5"},
		{`http.paginate(item + "/page", next = {"page": "p"}, start = {"p": 4})`, `[9]`, "/page?p=4 /page?p=5"},
		{`http.paginate(item + "/offset", next = {"offset": "offset"}, items = "items")`, all, "/offset?offset=0 /offset?offset=3 /offset?offset=6 /offset?offset=9 /offset?offset=10"},
		{`http.paginate(item + "/cursor", next = lambda r: {"after": r.json()["next"]} if r.json()["next"] else None, items = "items")`, all, "/cursor /cursor?after=3 /cursor?after=6 /cursor?after=9"},
		{`http.paginate(item + "/cursor", next = lambda r: "?after=%d" % r.json()["next"] if r.json()["next"] else None, items = "items")`, all, "/cursor /cursor?after=3 /cursor?after=6 /cursor?after=9"},
		{`http.paginate(item + "/spaced", next = "next", items = "items")`, `[1,2]`, "/spaced /spaced?q=a%20b%20%C3%BC&x=%20 /spaced?q=c%20d%7C"},
		{`http.paginate(item + "/none")`, `[]`, "/none"},
		{`http.paginate(item + "/decimals")`, `[1234567890123456.8]`, "/decimals"},
		{`http.client(item + "/").paginate("decimals", decimals = True)`, `["1234567890123456.78"]`, "/decimals"},
		{`http.paginate(item + "/twins")`, `[7,7,8,7]`, "/twins /twins?p=2 /twins?p=3 /twins?p=4"},
		{`http.paginate(item + "/twins", next = lambda r: {"p": int(r.url.split("=")[1]) + 1} if r.header("link") else None, start = {"p": 1})`, `[7,7,8,7]`, "/twins?p=1 /twins?p=2 /twins?p=3 /twins?p=4"},
		{`http.paginate(item + "/holes", next = {"cursor": "after", "path": "next"}, items = "items", start = {"after": 20})`, `[30]`,
			"/holes?after=20 /holes?after=21 /holes?after=22 /holes?after=23 /holes?after=24 /holes?after=25 /holes?after=26 /holes?after=27 /holes?after=28 /holes?after=29 /holes?after=30"},
		{`iter.take(http.paginate(item + "/endless", next = "next", items = "items"), 2)`, `[0,1]`, "/endless /endless?from=1"},
		{`http.client(item + "/", rate = "1000/s").paginate("link")`, all, "/link /link?fields=a,b&from=3 /link?fields=a,b&from=6 /link?fields=a,b&from=9"},
	} {
		asked = nil
		j := ask(t, w, url, "return list("+c.call+")")
		if got := outcome(j, url); got != c.want || strings.Join(asked, " ") != c.asked {
			t.Errorf("%s:\ngot  %s, asked %s\nwant %s, asked %s", c.call, got, strings.Join(asked, " "), c.want, c.asked)
		}
		if want := int64(strings.Count(c.want, ",") + 1); j.Stats["read"] != want && c.want != "[]" {
			t.Errorf("%s: %d items read, want %d", c.call, j.Stats["read"], want)
		}
	}
}

func TestPagesThatDoNotEndAreAnError(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := pages(t, nil)
	for _, c := range []struct{ call, want string }{
		{`http.paginate(item + "/same", next = {"page": "p"})`, `http.loop: http.paginate: page 2 has the same content as page 1 (URL/same?p=2): the server does not go on as next says (if its pages may be the same, count them by a function: next = lambda r: {"p": ...})`},
		{`http.paginate(item + "/forever")`, `http.loop: http.paginate: 21 pages in a row have the same content, the last one of URL/forever?p=20: the server goes on for ever`},
		{`http.paginate(item + "/twins", next = {"page": "p"})`, `http.loop: http.paginate: page 2 has the same content as page 1 (URL/twins?p=2): the server does not go on as next says (if its pages may be the same, count them by a function: next = lambda r: {"p": ...})`},
		{`http.paginate(item + "/circle", next = "next", items = "items")`, `http.loop: http.paginate: page 4 has the same content as page 1 (URL/circle?from=0): the server does not go on as next says`},
		{`http.paginate(item + "/circle?from=0", next = "next", items = "items")`, `http.loop: http.paginate: page 4 is page 1 again (URL/circle?from=0): the next page of some page is one from before`},
		{`http.paginate(item + "/endless", next = "next", items = "items", max_pages = 5)`, `http.pages: http.paginate: there are more than 5 pages: raise max_pages, or check next`},
		{`http.paginate(item + "/path", next = "meta.next")`, `http.page: http.paginate: URL/path: the page is no list: say where its items are, such as items = "data": it has data, meta`},
		{`http.paginate(item + "/offset", items = "item")`, `http.page: http.paginate: URL/offset: items: the page has no "item": it has items (a list)`},
		{`http.paginate(item + "/offset", items = "items", next = "mta.next")`, `http.page: http.paginate: next: the page has no "mta.next": it has items (a list). Where the next page is can be told by a function of the response too: next = lambda r: r.json().get(...)`},
		{`http.paginate(item + "/cursor", items = "items", next = "next")`, `http.page: http.paginate: what is at "next" is no URL; if it is a value for a parameter, write next = {"cursor": "the parameter", "path": "next"}`},
		{`http.paginate(item + "/cursor", items = "items", next = {"cursor": "after", "path": "next"}, start = "c2")`, `usage: http.paginate: start: got string, wanted what the cursor of a page gave, here a dict of parameters such as {"after": ...}`},
		{`http.paginate(item + "/page", next = {"page": "p"}, start = 4)`, `usage: http.paginate: start: got int, wanted what the cursor of a page gave, here a dict of parameters such as {"p": ...}`},
		{`http.paginate(item + "/link", start = 4)`, `usage: http.paginate: start: got int, wanted what the cursor of a page gave: a URL, a dict of parameters, or None`},
		{`http.paginate(item + "/link", next = lambda r: 7)`, `usage: http.paginate: next: the function gave int, wanted a URL, a dict of parameters, or None`},
		{`http.paginate(item + "/link", next = lambda r: error("mine", code = "own"))`, `own: mine`},
		{`http.paginate(item + "/link", max_body = 3)`, `http.size: http.paginate: GET URL/link: the answer has more than 3 bytes: raise max_body, such as max_body = "1GB"`},
	} {
		if got := outcome(ask(t, w, url, "for n in "+c.call+": pass"), url); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.call, got, c.want)
		}
	}
}

// APIs that leave out next, and what is around it, on their last page end there.
// Where next leads to nothing on the first page, which looks as if there were
// more, the job's log says so.
func TestTheEndOfPagesIsToldFromAMistake(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		page := map[string]any{"items": []int{from}}
		more := from < 2
		switch r.URL.Path {
		case "/bare": // the last page has no meta
			if more {
				page["meta"] = map[string]any{"next": fmt.Sprintf("/bare?from=%d", from+1), "after": from + 1}
			}
		case "/total":
			page["total"] = 3
		case "/pages":
			page["paging"] = map[string]any{"total_pages": 3}
		case "/more":
			page["has_more"] = more
		case "/header":
			w.Header().Set("Link", `</header?from=1>; rel="next"`)
		case "/full":
			page["items"] = make([]int, 50)
		case "/one":
			page["meta"] = map[string]any{"total": 1, "next": nil, "pages": 1}
		case "/empty":
			page["items"], page["total"] = []int{}, 10
		case "/hal": // of one page alone
			page["_links"] = map[string]any{"self": map[string]any{"href": "/hal"}}
		case "/calendar": // the last page has another token
			page["nextSyncToken"] = "x"
		case "/list":
			json.NewEncoder(w).Encode(make([]int, 20))
			return
		}
		json.NewEncoder(w).Encode(page)
	})
	const way = ". Say by next where the next one is; it may be a function of the response: next = lambda r: r.json().get(...)"
	says := func(path, lacks, why, has string) string {
		return "warn http.paginate: URL" + path + " has no " + lacks + ", so that there is no next page; but there may be more, since " + why + ". The page has " + has + way
	}
	mistaken := func(lacks, has string) string {
		return "http.page: http.paginate: next: the page has no " + lacks + ": it has " + has + ". Where the next page is can be told by a function of the response too: next = lambda r: r.json().get(...)"
	}
	for _, c := range []struct{ path, args, want, log string }{
		{"/bare", `, next = "meta.next"`, "[0,1,2]", ""},
		{"/bare", `, next = {"cursor": "from", "path": "meta.after"}`, "[0,1,2]", ""},
		{"/bare", `, next = {"cursor": "from", "path": "meta.after"}, start = {"from": 2}`, "[2]", ""},
		{"/bare", `, next = {"cursor": "from", "path": "meta.after"}, params = {"from": 2}`, mistaken(`"meta.after"`, "items (a list)"), ""},
		{"/bare", `, next = "meta.nxt"`, mistaken(`"meta.nxt" (did you mean "meta.next"?)`, "items (a list), meta"), ""},
		{"/bare", `, next = "mta.next"`, mistaken(`"mta.next" (did you mean "meta.next"?)`, "items (a list), meta"), ""},
		{"/bare", `, next = "meta.Next"`, mistaken(`"meta.Next" (did you mean "meta.next"?)`, "items (a list), meta"), ""},
		{"/bare", `, next = {"cursor": "from", "path": "meta.aftr"}`, mistaken(`"meta.aftr" (did you mean "meta.after"?)`, "items (a list), meta"), ""},
		{"/more", `, next = "hasmore"`, mistaken(`"hasmore" (did you mean "has_more"?)`, "has_more, items (a list)"), ""},
		{"/bare", `, next = "meta.page.url"`, "[0]", says("/bare", `"meta.page.url"`, `it has "meta.after"`, "items (a list), meta")},
		{"/hal", `, next = "_links.next.href"`, "[0]", ""},
		{"/calendar", `, next = {"cursor": "pageToken", "path": "nextPageToken"}`, "[0]", says("/calendar", `"nextPageToken"`, `it has "nextSyncToken"`, "items (a list), nextSyncToken")},
		{"/bare", "", "[0]", says("/bare", `header Link with rel="next"`, `it has "meta.after"`, "items (a list), meta")},
		{"/total", `, next = "next"`, "[0]", says("/total", `"next"`, `its "total" is 3`, "items (a list), total")},
		{"/pages", `, next = "next"`, "[0]", says("/pages", `"next"`, `its "paging.total_pages" is 3`, "items (a list), paging")},
		{"/more", `, next = "next"`, "[0]", says("/more", `"next"`, `it has "has_more"`, "has_more, items (a list)")},
		{"/header", `, next = "next"`, "[0]", says("/header", `"next"`, `it has a header Link with rel="next" (next = "link" follows those)`, "items (a list)")},
		{"/full", `, next = "next"`, "", says("/full", `"next"`, "it has just 50 items", "items (a list)")},
		{"/full", "", "", ""},
		{"/one", `, next = "meta.next"`, "[0]", ""},
		{"/one", `, next = "meta.nxt"`, "[0]", ""},
		{"/empty", `, next = "next"`, "[]", ""},
		{"/empty", `, next = "meta.next"`, "[]", ""},
	} {
		j := ask(t, w, url, "return list(http.paginate(item + \""+c.path+"\", items = \"items\""+c.args+"))")
		if got := outcome(j, url); c.want != "" && got != c.want {
			t.Errorf("%s%s:\ngot  %s\nwant %s", c.path, c.args, got, c.want)
		}
		if got := strings.ReplaceAll(strings.Join(w.Logs(j.ID), "\n"), url, "URL"); got != c.log {
			t.Errorf("%s%s: the log\ngot  %s\nwant %s", c.path, c.args, got, c.log)
		}
	}
	j := ask(t, w, url, `return len(list(http.paginate(item + "/list", next = "next")))`)
	if got, log := outcome(j, url), strings.Join(w.Logs(j.ID), "\n"); got != "20" || !strings.Contains(log, "since it has just 20 items. The page is no dict. Say by next") {
		t.Errorf("a list: %s, %s", got, log)
	}
}

func TestWhoAsksIsToldToTheFirstHostAlone(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	show := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, fmt.Sprintf("[%q]", r.URL.Path+" "+r.Header.Get("Authorization")+r.Header.Get("X-Key")))
	}
	other := strings.Replace(serve(t, show), "127.0.0.1", "localhost", 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/1" {
			w.Header().Set("Link", "</2>; rel=next")
		} else {
			w.Header().Set("Link", "<"+other+"/3>; rel=next")
		}
		show(w, r)
	})
	for _, call := range []string{`http.paginate(item + "/1", auth = "tok", headers = {"X-Key": "k"})`, `http.client(item, auth = "tok", headers = {"X-Key": "k"}).paginate("/1")`} {
		if got := outcome(askAs(t, w, here+`, "http:localhost"`, url, "return list("+call+")"), url); got != `["/1 Bearer tokk","/2 Bearer tokk","/3 "]` {
			t.Errorf("%s: got %s", call, got)
		}
	}
}

func TestAJobGoesOnAtTheCursorInItsState(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	for _, way := range []string{`"/path", next = "meta.next", items = "data.list"`, `"/cursor", next = {"cursor": "after", "path": "next"}, items = "items"`, `"/page", next = {"page": "p"}`, `"/offset", next = {"offset": "offset"}, items = "items"`} {
		url := pages(t, nil)
		name := fmt.Sprintf("job%d", len(w.Jobs()))
		w.Script(name, httpScript(here, `
db.ensure("`+name+`", {"n": "integer"}, key = ["n"])
for page in http.paginate(item + `+way+`, start = state.get("cursor"), pages = True):
    db.insert("`+name+`", [{"n": n} for n in page.items])
    state.set("cursor", page.cursor)
    if page.number == 2:
        error("it broke")
    ctx.checkpoint()`))
		// Each job commits one page more, and breaks at the next.
		for done := 3; done <= 9; done += 3 {
			if j := w.Do(name, fmt.Sprintf("%q", url)); j.Error == nil || j.Error.Message != "it broke" {
				t.Errorf("%s: %+v", way, j.Error)
			}
			if got, want := w.Query("SELECT count(*), max(n) FROM "+name), fmt.Sprintf("%d|%d\n", done, done-1); got != want {
				t.Errorf("%s: got %q, want %q", way, got, want)
			}
		}
		if j := w.Do(name, fmt.Sprintf("%q", url)); j.Error != nil || w.Query("SELECT count(*) FROM "+name) != "10\n" {
			t.Errorf("%s: %+v", way, j.Error)
		}
	}
}

// The way that docs tell to go on misses no item that comes later, even on the page
// that was the last one.
func TestPagesThatGrowAreGoneOnWith(t *testing.T) {
	t.Parallel()
	const loops = `job({needs = {"http:127.0.0.1"}})
function consume(ctx, item)
  db.ensure("%[1]s", {id = "integer"}, {key = {"id"}})
  for page in http.paginate(item .. "/%[2]s", {items = "data", next = %[3]s, start = state.get("cursor"), pages = true}) do
    db.upsert("%[1]s", page.items, {key = {"id"}})
    if page.cursor then
      state.set("cursor", page.cursor)
    end
    ctx.checkpoint()
  end
end
`
	w := world.New(t)
	for _, way := range [][3]string{
		{"link", `"link"`}, {"path", `"meta.next"`}, {"cursor", `{"cursor": "from", "path": "meta.cursor"}`, `{cursor = "from", path = "meta.cursor"}`},
		{"page", `{"page": "p"}`, `{page = "p"}`}, {"offset", `{"offset": "from"}`, `{offset = "from"}`},
	} {
		for _, lua := range []bool{false, true} {
			have := 0
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				from, _ := strconv.Atoi(r.URL.Query().Get("from"))
				if n, err := strconv.Atoi(r.URL.Query().Get("p")); err == nil {
					from = 10 * (n - 1)
				}
				list, meta := []any{}, map[string]any{}
				for n := from; n < min(from+10, have); n++ {
					list = append(list, map[string]any{"id": n})
				}
				if from+10 < have {
					w.Header().Set("Link", fmt.Sprintf(`</link?from=%d>; rel="next"`, from+10))
					meta = map[string]any{"next": fmt.Sprint("/path?from=", from+10), "cursor": from + 10}
				}
				json.NewEncoder(w).Encode(map[string]any{"data": list, "meta": meta})
			})
			name := "star_" + way[0]
			if lua {
				name = "lua_" + way[0]
				next := way[2]
				if next == "" {
					next = way[1]
				}
				w.Lua(name, fmt.Sprintf(loops, name, way[0], next))
			} else {
				w.Script(name, httpScript(here, `
db.ensure("`+name+`", {"id": "integer"}, key = ["id"])
for page in http.paginate(item + "/`+way[0]+`", items = "data", next = `+way[1]+`, start = state.get("cursor"), pages = True):
    db.upsert("`+name+`", page.items, key = ["id"])
    if page.cursor:
        state.set("cursor", page.cursor)
    ctx.checkpoint()`))
			}
			for _, have = range []int{25, 28, 48, 50, 51} {
				if j := w.Do(name, fmt.Sprintf("%q", url)); j.Error != nil {
					t.Errorf("%s: %+v", name, j.Error)
				}
				if got := w.Query("SELECT count(*) FROM " + name); got != fmt.Sprintln(have) {
					t.Errorf("%s: got %s of %d", name, got, have)
				}
			}
		}
	}
}

// A server that repeats the secret in the URL of the next page does not keep a job
// from going on there.
func TestACursorHoldsNoSecretOfTheFirstPage(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t/+&key"
	w := world.New(t)
	w.Host.Secret = func(string) (string, error) { return secret, nil }
	var asked []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("appid") != secret {
			w.WriteHeader(401)
			return
		}
		p, _ := strconv.Atoi(r.FormValue("p"))
		asked = append(asked, strconv.Itoa(p)+r.FormValue("sort"))
		if p < 3 {
			w.Header().Set("Link", fmt.Sprintf("<?sort=a%%2Cb&appid=%s&p=%d>; rel=next", url.QueryEscape(secret), p+1))
		}
		json.NewEncoder(w).Encode([]int{p})
	})
	for _, way := range []string{
		`http.paginate(item, params = {"appid": secrets.get("key"), "per": 1}, `,
		`http.paginate(item + "?appid=" + PERCENT, `,
		`http.client(item + "?appid=" + PERCENT).paginate("", `,
	} {
		asked = nil
		name := fmt.Sprintf("job%d", len(w.Jobs()))
		way = strings.ReplaceAll(way, "PERCENT", `secrets.get("key").replace("/", "%2F").replace("+", "%2B").replace("&", "%26")`)
		w.Script(name, httpScript(here+`, "secret:key"`, `
for page in `+way+`start = state.get("cursor"), pages = True):
    state.set("cursor", page.cursor)
    if page.number == 2:
        error("it broke")
    ctx.checkpoint()
`))
		for range 3 {
			j := w.Do(name, fmt.Sprintf("%q", url))
			if j.Error == nil || j.Error.Message != "it broke" {
				t.Fatalf("%s: %+v", way, j.Error)
			}
			typ, err := w.Engine.Type(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			v, err := w.Store.Variable(t.Context(), engine.Scope{Type: typ.ID}, "cursor")
			if kept := string(v.Value); err != nil || strings.Contains(kept, "s3cr3t") || !strings.Contains(kept, "appid=***") {
				t.Errorf("%s: %s is kept: %v", way, kept, err)
			}
		}
		if j := w.Do(name, fmt.Sprintf("%q", url)); j.Error != nil {
			t.Errorf("%s: %+v", way, j.Error)
		}
		if got := strings.Join(asked, " "); got != "0 1a,b 1a,b 2a,b 2a,b 3a,b 3a,b" {
			t.Errorf("%s: asked for %s", way, got)
		}
	}
	// What was struck out is not made up, and is told to no other host.
	if got, want := outcome(askAs(t, w, here, url, `return list(http.paginate(item, start = item + "/?appid=***&p=2"))`), url),
		"usage: http.paginate: start: it has appid=***, where a secret was: give appid in params, as for the first page"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "[%q]", r.FormValue("appid")) })
	if got := outcome(askAs(t, w, here+`, "secret:key"`, url, `return list(http.paginate(item, params = {"appid": secrets.get("key")}, start = "`+other+`/?appid=***"))`), url); got != `["***"]` {
		t.Errorf("got %s", got)
	}
}

func TestARateIsShared(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	var times []time.Time
	var mu sync.Mutex
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		times = append(times, time.Now())
		mu.Unlock()
	})
	w.Script("job", httpScript(here, `
http.client(item, rate = "50/s").get("a")
http.client(item + "/b", rate = "50/s").get("b")`))
	for range 5 {
		w.Enqueue(engine.NewJob{Type: "job", Payload: engine.Raw(fmt.Sprintf("%q", url))})
	}
	began := time.Now()
	w.Run()
	if len(times) != 10 {
		t.Fatalf("got %d requests", len(times))
	}
	if took := times[9].Sub(began); took < 9*20*time.Millisecond {
		t.Errorf("ten requests took %s", took)
	}
	if j := w.Jobs()[0]; j.Error != nil {
		t.Errorf("%+v", j.Error)
	}
}

func TestAClientIsForOneAPI(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("X"))
	})
	for _, c := range []struct{ call, want string }{
		{`http.client(item + "/v1").get("users").text()`, `"GET /v1/users  "`},
		{`http.client(item + "/v1/").get("/users/").text()`, `"GET /v1/users/  "`},
		{`http.client(item + "/v1").get("").text()`, `"GET /v1  "`},
		{`http.client(item + "/v1?v=2").get("a%2Fb?x=1", params = {"y": 2}).text()`, `"GET /v1/a%2Fb?v=2&x=1&y=2  "`},
		{`http.client(item).post("?q=1").text()`, `"POST /?q=1  "`},
		{`http.client(item + "/v1").get(item + "/v2/x").text()`, `"GET /v2/x  "`},
		{`http.client(item, auth = "tok", headers = {"X": "own"}).delete("a").text()`, `"DELETE /a Bearer tok own"`},
		{`http.client(item, auth = "tok", headers = {"X": "own"}).put("a", auth = ("a", "b"), headers = {"x": "new"}).text()`, `"PUT /a Basic YTpi new"`},
		{`http.client(headers = {"X": "own"}).patch(item + "/a").text()`, `"PATCH /a  own"`},
		{`http.client(item.replace("//", "//a:b@")).head("a").status`, `200`},
		{`http.client(item, max_body = 3).get("a").text()`, `http.size: client.get: GET URL/a: the answer has more than 3 bytes: raise max_body, such as max_body = "1GB"`},
		{`http.client(item).get("a", ok = "x")`, `usage: client.get: ok: got string, wanted a list of statuses such as [404]`},
	} {
		if got := outcome(ask(t, w, url, "return "+c.call), url); got != c.want {
			t.Errorf("%s: got %s, want %s", c.call, got, c.want)
		}
	}
}

func TestManyHooksAskAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"access_token": "t", "expires_in": 3600}`)
			return
		}
		json.NewEncoder(w).Encode(r.Header.Get("Authorization") + r.URL.Path)
	})
	w.Script("job", fmt.Sprintf(`
job(needs = ["http:127.0.0.1"], slots = {"consume": 16})
API = http.client(%q, rate = "10000/s", auth = http.oauth2(%q + "/token", "me", "x"))
def consume(ctx, item):
    return API.get("n/%%d" %% item).json()
`, url, url))
	for n := range 100 {
		w.Enqueue(engine.NewJob{Type: "job", Payload: engine.Raw(strconv.Itoa(n))})
	}
	w.Run()
	for n, j := range w.Jobs() {
		if got, want := outcome(j, url), fmt.Sprintf(`"Bearer t/n/%d"`, n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
