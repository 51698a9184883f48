package hostlib_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

const shop = `<!DOCTYPE html>
<html><head><title>Shop &amp; more</title><style>p { color: red }</style>
<script>var x = "<p>no</p>";</script></head>
<body>
<h1>  Prices
 today </h1>
<p class="lead">One<br>two <b>bold</b>, <i>x</i>.<p>Next&nbsp;one
<ul><li><a href="/item/1?x=1#top">First</a><li><a href="item/2">Second</a><li><a href="mailto:a@example.com">Mail</a><li><a href="/item/1?x=1">First again</a></ul>
<table id=t>
<thead><tr><th rowspan=2>Item<th colspan=2>Price</tr><tr><th>EUR<th>USD</tr></thead>
<tr><td>Tea<td>1,50<td>1.60
<tr><td rowspan=2>Cups<td colspan=2>10
<tr><td>11
</table>
<table id=plain><tr><td>id<td>name<tr><td>1<td><table><tr><td>inner</table></table>
</body></html>`

func TestHTML(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("shop.html", shop)
	w.File("latin.html", "<meta charset=iso-8859-1><p>gr\xf6\xdfer")
	w.File("old.html", "<meta http-equiv=Content-Type content='text/html; charset=windows-1251'><p>\xcf\xf0\xe8")
	w.File("wide.html", "\xff\xfe<\x00p\x00>\x00\xe9\x00")
	w.File("late.html", "<p>"+strings.Repeat("x", 3000)+"</p><b>größer</b>")
	w.File("plain.html", "<p>gr\xf6\xdfer \x80")
	page := `doc = html.read("shop.html")` + "\n"
	for _, c := range []struct{ body, want string }{
		{page + `return [doc.name, doc.parent, doc.children[0].name, doc.first("title").text]`, `["document",null,"html","Shop & more"]`},
		{page + `return [doc.first("h1").text, doc.first("h1").raw_text]`, `["Prices today","  Prices\n today "]`},
		{page + `return [doc.first("p.lead").text, doc.select("p")[1].text]`, `["One two bold, x.","Next one"]`},
		{page + `return doc.first("head").text`, `"Shop & more"`},
		{page + `return [li.text for li in doc.select("ul > li:nth-child(2n)")]`, `["Second","First again"]`},
		{page + `return [doc.first("h7"), doc.get("h7", "none"), doc.get("b"), doc.first("a").attr("HREF"), doc.first("a").attr("rel", 7)]`, `[null,"none","bold","/item/1?x=1#top",7]`},
		{page + `return doc.links("https://example.com/shop/")`, `["https://example.com/item/1?x=1","https://example.com/shop/item/2"]`},
		{page + `doc.links()`, `element.links: nobody knows where the link "/item/1?x=1#top" leads from: say where the page is from`},
		{page + `doc.links("/x")`, `base: "/x" is no whole URL`},
		{page + `return doc.first("i").html() + doc.first("p.lead").html(True)`, `"<i>x</i>One<br/>two <b>bold</b>, <i>x</i>."`},
		{page + `return doc.first("li").parent.name + " " + doc.first("li").children[0].name`, `"ul a"`},
		{page + `return doc.first("#t").table()`, `[{"Item":"Tea","Price EUR":"1,50","Price USD":"1.60"},{"Item":"Cups","Price EUR":"10","Price USD":"10"},{"Item":"Cups","Price EUR":"11","Price USD":null}]`},
		{page + `return doc.table(names = "snake")[0]`, `{"item":"Tea","price_eur":"1,50","price_usd":"1.60"}`},
		{page + `return doc.first("#plain").table()`, `[{"id":"1","name":"inner"}]`},
		{page + `return doc.first("#plain").table(header = False)`, `[["id","name"],["1","inner"]]`},
		{page + `return doc.first("#plain").table(header = ["a", "b", "c"])[1]`, `{"a":"1","b":"inner","c":null}`},
		{page + `doc.first("#plain").table(header = ["a"])`, `row 1 of the table has 2 cells, and there are 1 names`},
		{page + `doc.first("ul").table()`, `there is no table in <ul>`},
		{`html.parse("<table><tr><th>a<th>a<tr><td>1<td>2</table>").table()`, `the head of the table: columns 1 and 2 are both named "a"`},
		{`return html.parse("<table><tr><td rowspan=0>a<td>b<tr><td>c<tr><td>d</table>").table(header = False)`, `[["a","b"],["a","c"],["a","d"]]`},
		{`return html.parse("<table><tr><td>a<td rowspan=2>b<td>c<tr><td>d</table>").table(header = False)`, `[["a","b","c"],["d","b"]]`},
		{`return html.parse("<table></table>").table()`, `[]`},
		{`html.parse("<p>").select("div > ")`, `css: "div > " is no selector: behind "div`},
		{`html.parse("<p>").select("p[x='1'")`, `css: "p[x='1'" is no selector: behind "p", at character 2: `},
		{`html.parse("<p>").select("p:hovering(2)")`, `is no selector: behind "p", at character 2: unknown pseudoclass`},
		{`html.parse(7)`, `page: got int, wanted a string, bytes, or a stream; html.read reads files`},
		{`return html.read("latin.html").first("p").text`, `"größer"`},
		{`return html.read("old.html").first("p").text`, `"При"`},
		{`return html.read("wide.html").first("p").text`, `"é"`},
		{`return html.read("late.html").first("b").text`, `"größer"`},
		{`return html.read("plain.html").first("p").text`, `"größer €"`},
		{`return html.read("plain.html", encoding = "iso-8859-2").first("p").text`, `"größer`},
		{`return html.parse(b"<p>gr\xc3\xb6\xc3\x9fer").first("p").text`, `"größer"`},
		{`return html.parse("<meta charset=latin1><p>größer").first("p").text`, `"größer"`},
		{`return html.parse("").text`, `""`},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}

func TestHTMLOfAnAnswer(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Host.HTTP = tripper(func(r *http.Request) (*http.Response, error) {
		body := "<p>gr\xf6\xdfer <a href='b'>b</a>"
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/html; charset=latin1"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})
	w.Script("job", `job(needs = ["http:shop.example.com"])
def consume(ctx, item):
    doc = html.parse(http.get("https://shop.example.com/a/"))
    return [doc.first("p").text, doc.links()]
`)
	if j := w.Do("job", "1"); string(j.Result) != `["größer b",["https://shop.example.com/a/b"]]` {
		t.Errorf("got %s %+v", j.Result, j.Error)
	}
}

// TestHostileHTML are small pages that would become large trees, or take for ever.
func TestHostileHTML(t *testing.T) {
	t.Parallel()
	numbered := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	many := func(s string, bytes int) string { return strings.Repeat(s, bytes/len(s)) }
	for _, c := range []struct{ name, page, want string }{
		{"ten million tags within one another", strings.Repeat("<div>", 10_000_000), "file.size"},
		{"three million tags within one another", strings.Repeat("<div>", 3_000_000), "html.depth"},
		{"millions of paragraphs", many("<p>", 7<<20), "html.size"},
		{"bold in each paragraph anew", "<p>" + numbered("<b id=%d>", 400) + many("<p>x", 4<<20), "html.size"},
		{"the same with attributes", "<p><b " + numbered("a%d ", 50_000) + ">" + many("<p>x", 1<<20), "html.size"},
		{"misnested", many("<b><i><p></b></i>", 1<<19), ""},
		{"links in links", many("<a><table><td>", 1<<20), ""},
		{"tables in tables", many("<table>", 1<<20), ""},
		{"text in tables", "<table>" + many("x<b>", 1<<20), ""},
		{"attributes", "<p " + numbered("a%d=1 ", 100_000) + ">", ""},
		{"one attribute again and again", "<p " + many("a ", 1<<20) + ">", ""},
		{"html again and again", many("<html a b c>", 1<<19), ""},
		{"ends of nothing", many("</p>", 1<<20), ""},
		{"options", "<select>" + many("<option>", 1<<20), ""},
		{"entities", many("&amp;", 1<<20), ""},
		{"a comment that does not end", "<!--" + many("x", 1<<20), ""},
		{"templates", many("<template>", 1<<20), "html.depth"},
		{"svg", many("<svg><a>", 1<<20), "html.depth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begun := time.Now()
			root, err := hostlib.ParseHTML([]byte(c.page))
			if err != nil {
				if code := hostlib.FailureOf(err).Code; code == "" || c.want != "" && code != c.want {
					t.Errorf("got %v, want %q", err, c.want)
				}
			} else {
				if c.want != "" {
					t.Errorf("it was parsed, want %q", c.want)
				}
				hostlib.HTMLText(root)
			}
			t.Logf("%s: %.1f s, %v", c.name, time.Since(begun).Seconds(), err)
		})
	}
}

// How pages are kept from filling the memory depends on a list that the parser has.
// If this fails, a new version of it has another one: look at how it keeps the
// elements that it makes again, and name that in htmlparse.go.
func TestTheParserHasItsList(t *testing.T) {
	if !hostlib.HTMLListFound() {
		t.Error("the parser of golang.org/x/net/html has no list of the name that htmlparse.go knows")
	}
}

// Without the list pages are parsed all the same, and those that would fill the memory
// are refused. It is not parallel: all pages are parsed without it meanwhile.
func TestPagesAreParsedWithoutTheParsersList(t *testing.T) {
	defer hostlib.HideHTMLList()()
	if hostlib.HTMLListFound() {
		t.Fatal("the list is there")
	}
	root, err := hostlib.ParseHTML([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := hostlib.HTMLFind(root, "table tr"); err != nil || len(found) == 0 {
		t.Errorf("found %d, %v", len(found), err)
	}
	var attributes strings.Builder
	for n := range 50_000 {
		fmt.Fprintf(&attributes, "a%d ", n)
	}
	for name, page := range map[string]string{
		"bold in each paragraph anew": "<p>" + strings.Repeat("<b id=x>", 400) + strings.Repeat("<p>x", 1<<20),
		"the same with attributes":    "<p><b " + attributes.String() + ">" + strings.Repeat("<p>x", 1<<18),
		"millions of paragraphs":      strings.Repeat("<p>", 5<<20),
	} {
		if _, err := hostlib.ParseHTML([]byte(page)); err == nil || hostlib.FailureOf(err).Code != "html.size" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := hostlib.ParseHTML([]byte(strings.Repeat("<p><b><i a=1>x</i></b>", 1<<18))); err != nil {
		t.Errorf("what is closed: %v", err)
	}
}

// FuzzHTML parses any page. What is found in it is in it, and in its order.
func FuzzHTML(f *testing.F) {
	f.Add([]byte(shop), "table tr > td, a[href^='/']")
	f.Add([]byte("<b><p></b><table><b><td>x</table>"), "b:not(:has(p))")
	f.Add([]byte("<svg><title><p>x</svg>"), "p:nth-last-of-type(2n+1) ~ *")
	f.Add([]byte("<template><tr><td rowspan=0 colspan=9>x"), ":contains(\"x\"):matches([a-z]+)")
	f.Add([]byte("\xff\xfe<\x00"), "*")
	f.Add([]byte("<table><tr><td colspan=3 rowspan=2>a<td><tr><td>b<tr><th>c"), ":empty")
	f.Fuzz(func(t *testing.T, page []byte, css string) {
		root, err := hostlib.ParseHTML(page)
		if err != nil {
			if hostlib.FailureOf(err).Code == "" {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		all := hostlib.HTMLText(root)
		if strings.Contains(all, "  ") || strings.Trim(all, " \t\n\f\r") != all {
			t.Fatalf("%q is not normal", all)
		}
		tables, err := hostlib.HTMLFind(root, "table")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range tables {
			if _, err := hostlib.HTMLRows(e); err != nil && hostlib.FailureOf(err).Code != "html.size" {
				t.Fatal(err)
			}
		}
		found, err := hostlib.HTMLFind(root, css)
		if err != nil {
			if hostlib.FailureOf(err).Code != "usage" {
				t.Fatal(err)
			}
			return
		}
		for _, e := range found {
			hostlib.HTMLText(e)
		}
	})
}
