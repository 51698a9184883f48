package hostlib_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

const feed = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE rss [<!ENTITY x "y">]>
<!-- a comment -->
<rss xmlns:g="http://base.google.com/ns/1.0" xmlns="http://default.example">
  <channel>
    <title>Shop</title>
    <item id="1" g:kind="book"><g:price unit="EUR"> 5 </g:price><title><![CDATA[A & B]]> &lt;C&gt;</title></item>
    <other><item id="x"/></other>
    <item id="2"><price>6</price><title>Two</title><tag>a</tag><tag>b</tag><item id="3"/></item>
  </channel>
</rss>
`

func TestBatchesOfElementsNameTheWayOut(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("a.xml", "<a>\n<n>1</n>\n<n>2</n></a>")
	for _, c := range []struct{ body, want string }{
		{`for b in ctx.batches(xml.stream("a.xml", "a/n"), 100): pass`,
			`ctx.batches: the elements must be data, so that they are known again after a crash: node is no data; make dicts of them first: ctx.batches(iter.map(lambda x: x.dict(), ...), 100)`},
		{`for b in ctx.batches([re.compile("x")], 5): pass`, `pattern is no data; make dicts of them first: ctx.batches(iter.map(lambda x: {"`},
		{`for b in ctx.batches([len], 5): pass`, `a function is no data; make dicts of them first: ctx.batches(iter.map(fn, ...), ...), with a function that makes a dict of an element`},
		{`return [b for b in ctx.batches(iter.map(lambda x: {"n": x.text, "line": x.line}, xml.stream("a.xml", "a/n")), 100)]`, `[[{"n":"1","line":2},{"n":"2","line":3}]]`},
	} {
		if got := run(t, w, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.body, got, c.want)
		}
	}
}

func TestXMLStreams(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Patience = 10 * time.Minute // with the race detector on a slow machine
	w.File("feed.xml", feed)
	w.File("feed.zip", zipped(t, map[string]string{"feed.xml": feed}))
	w.File("latin.xml", "<?xml version='1.0' encoding='ISO-8859-1'?>\n<a><b>\xe9</b></a>")
	w.File("utf16.xml", "\xff\xfe"+strings.Join(strings.Split("<?xml version='1.0' encoding='UTF-16'?><a><b>c</b></a>", ""), "\x00")+"\x00")
	w.File("japan.xml", "<?xml version='1.0' encoding='Shift_JIS'?>\n<a><b>\xfd</b></a>")
	w.File("klingon.xml", "<?xml version='1.0' encoding='klingon'?>\n<a/>")
	w.File("wrong.xml", "<?xml version='1.0' encoding='UTF-8'?>\n<a>\n<b>\xe9</b></a>")
	w.File("bom.xml", "\xef\xbb\xbf<a><b>x</b></a>")
	w.File("marked.xml", "\xef\xbb\xbf<?xml version='1.0' encoding='ISO-8859-1'?><a><b>é</b></a>")
	w.File("new.xml", "<?xml version='1.1'?><a/>")
	w.File("empty.xml", "<a></a>")
	w.File("bomb.xml", `<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a><b>&c;</b></a>`)
	w.File("outside.xml", `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a><b>&b;</b></a>`)
	entities := func(dtd, text string) string { return "<!DOCTYPE a [" + dtd + "]><a><b>" + text + "</b></a>" }
	w.File("entity.xml", entities("<!ENTITY co 'A&#38;amp;B &#169;'>\n<!ENTITY co 'later'><!-- <!ENTITY no 'x'> --><!ENTITY % p 'q'><!ENTITY in \"<!ELEMENT x 'y'>\"><!ENTITY two \"&co;, 'Ltd'\r\n\"><!ENTITY lt '&#38;#60;'>", "&two;&lt;<![CDATA[&co;]]>"))
	w.File("latinentity.xml", "<?xml version='1.0' encoding='ISO-8859-1'?>\n"+entities("<!ENTITY u '\xfc'>", "&u;"))
	w.File("nbsp.xml", entities("<!ENTITY x 'y'>", "&nbsp;"))
	w.File("markup.xml", entities("<!ENTITY x '&#60;c/>'>", "&x;"))
	w.File("self.xml", entities("<!ENTITY x '&x;'>", "&x;"))
	w.File("half.xml", entities("<!ENTITY x '&#xD800;'>", "&x;"))
	laughs := "<!ENTITY a0 'ha'>"
	for n := range 30 {
		laughs += fmt.Sprintf("<!ENTITY a%d '&a%d;&a%[2]d;'>", n+1, n)
	}
	w.File("laughs.xml", entities(laughs, "&a30;"))
	w.File("laugh.xml", entities(laughs, "&a3;"))
	w.File("square.xml", entities("<!ENTITY x '"+strings.Repeat("x", 60000)+"'>", strings.Repeat("&x;", 100_000)))
	w.File("cut.xml", "<a>\n<b>x</b>\n<b>y")
	w.File("cross.xml", "<a>\n<b>x</c></a>")
	w.File("two.xml", "<a/>\n<a/>")
	w.File("after.xml", "<a/>\nx")
	w.File("nothing.xml", "<!-- no -->")
	w.File("text.xml", "hello")
	w.File("twice.xml", "<a>\n<b c='1' c='2'/></a>")
	w.File("deep.xml", "<r>"+strings.Repeat("<a>", 600)+strings.Repeat("</a>", 600)+"</r>")
	_, _, longest := hostlib.Bounds()
	w.File("long.xml", "<r>\n<a>"+strings.Repeat("<b>"+strings.Repeat("x", 1000)+"</b>", longest/900)+"</a></r>")
	w.File("longtext.xml", "<r>\n<!-- "+strings.Repeat("x", longest+1<<20)+"--></r>")
	w.File("longaside.xml", "<r>"+strings.Repeat("<b>"+strings.Repeat("x", 1000)+"</b>", longest/900)+"<a>y</a></r>")
	for _, c := range []struct{ args, want string }{
		{`"feed.xml", "rss/channel/item"`, `["1","2"]`},
		{`"feed.xml", "/rss/channel/item"`, `["1","2"]`},
		{`"feed.zip", "rss/channel/item"`, `["1","2"]`},
		{`"feed.xml", "//item"`, `["1","x","2"]`}, // 3 is within 2
		{`"feed.xml", "rss//item"`, `["1","x","2"]`},
		{`"feed.xml", "rss/*/item"`, `["1","2"]`},
		{`"feed.xml", "//other/item"`, `["x"]`},
		{`"feed.xml", "//item[@id='2']"`, `["2"]`},
		{`"feed.xml", "//item[@kind]"`, `["1"]`},
		{`"feed.xml", "//item[@g:kind='book']"`, `["1"]`},
		{`"feed.xml", "//d:item", namespaces = {"d": "http://default.example"}`, `["1","x","2"]`},
		{`"feed.xml", "//{http://default.example}item"`, `["1","x","2"]`},
		{`"feed.xml", "//{http://other.example}item"`, `[]`},
		{`"feed.xml", "//x:item", namespaces = {"d": "http://default.example"}`, `has the prefix "x", which namespaces does not have`},
		{`"feed.xml", "rss/channel/nothing"`, `[]`},
		{`"feed.xml", "rss/canal/item"`, `xml.stream: feed.xml: there is nothing at rss/canal/item; the outermost element is <rss>`},
		{`"feed.xml", "rss/nope:item"`, `xml.stream: feed.xml: there is nothing at rss/nope:item: the document does not declare the prefix "nope"; give its namespace by namespaces = {"nope": "..."}`},
		{`"feed.xml", "//item[@nope:id]"`, `the document does not declare the prefix "nope"`},
		{`"feed.xml", "item"`, `there is nothing at item; the outermost element is <rss>`},
		{`"feed.xml", "rss/item[1]"`, `only [@name] and [@name='value'] can be used here`},
		{`"feed.xml", "rss/item/@id"`, `leads to no elements`},
		{`"feed.xml", "rss/[x]"`, `has no name where a step begins`},
		{`"feed.xml", "//item[@id!='2']"`, `has "id!", which is no name`},
		{`"feed.xml", "//item[@id>='2']"`, `has "id>", which is no name`},
		{`"feed.xml", "rss/channel/text()"`, `has "text()", which is no name`},
		{`"feed.xml", "rss/.."`, `has "..", which is no name`},
		{`"feed.xml", "rss/1a"`, `has "1a", which is no name`},
		{`"feed.xml", "rss/channel/größe-1.a_·"`, `[]`},
		{`"new.xml", "a"`, `new.xml, line 1: unsupported version "1.1"; only version 1.0 is supported`},
		{`"feed.xml", "rss/item["`, `has no name where a step begins`},
		{`"feed.xml", "rss/item[@a=1]"`, `has no quoted value after =`},
		{`"feed.xml", "rss/item[@a='1]"`, `has a quote that is not closed`},
		{`"feed.xml", "rss item"`, `has something else than / after a step`},
		{`"feed.xml", ""`, `has no name where a step begins`},
		{`"empty.xml", "a/b"`, `[]`},
		{`"cut.xml", "a/b"`, `xml.stream: cut.xml, line 3: it ends before <b> does`},
		{`"cross.xml", "a/b"`, `xml.stream: cross.xml, line 2: </c> ends nothing that is open`},
		{`"two.xml", "a"`, `two.xml, line 2: there is a second outermost element <a>`},
		{`"after.xml", "a"`, `after.xml, line 2: there is text outside of the outermost element`},
		{`"nothing.xml", "a"`, `nothing.xml, line 1: there is no element`},
		{`"text.xml", "a"`, `text.xml, line 1: there is text outside of the outermost element`},
		{`"twice.xml", "a/b"`, `twice.xml, line 2: <b> has the attribute c twice`},
		{`"bomb.xml", "a/b"`, `[null]`},
		{`"outside.xml", "a/b"`, `outside.xml, line 1: the entity &b; lies outside of the document, where nothing is read`},
		{`"nbsp.xml", "a/b"`, `nbsp.xml, line 1: there is no entity &nbsp;: the document does not declare it`},
		{`"markup.xml", "a/b"`, `markup.xml, line 1: the entity &x; has elements in it, which are not read`},
		{`"self.xml", "a/b"`, `self.xml, line 1: the entity &x; has an & in it that begins no text which is known by then`},
		{`"half.xml", "a/b"`, `half.xml, line 1: the entity &x; has an & in it that begins no text`},
		{`"laughs.xml", "a/b"`, `laughs.xml, line 1: the entity &a30; makes more than 65536 bytes of the entities`},
		{`"square.xml", "a/b"`, fmt.Sprintf("xml.stream: an element of square.xml is longer than %d bytes", longest)},
		{`"wrong.xml", "a/b"`, `wrong.xml, line 3: it is not UTF-8; say which encoding it has, such as encoding = "windows-1252"`},
		{`"japan.xml", "a/b"`, `japan.xml, line 2: it has bytes that mean nothing in Shift_JIS; say which encoding it has, such as encoding = "windows-1252"`},
		{`"latin.xml", "a/b", encoding = "shift_jis"`, `latin.xml, line 2: it has bytes that mean nothing in shift_jis; say which encoding it has`},
		{`"klingon.xml", "a/b"`, `klingon.xml, line 1: its declaration names the encoding "klingon", which is none that is known: say which it has, such as encoding = "windows-1252"`},
		{`"deep.xml", "//b"`, `it is nested more than 500 levels deep`},
		{`"long.xml", "r/a"`, fmt.Sprintf("xml.stream: an element of long.xml is longer than %d bytes", longest)},
		{`"longtext.xml", "r/a"`, fmt.Sprintf("xml.stream: an element of longtext.xml is longer than %d bytes", longest)},
		{`"longaside.xml", "r/a"`, `[null]`},
	} {
		if got := run(t, w, `return [e.attr("id") for e in xml.stream(`+c.args+`)]`); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.args, got, c.want)
		}
	}
	for _, c := range []struct{ args, want string }{
		{`"latin.xml", "a/b"`, `["é"]`},
		{`"latin.xml", "a/b", encoding = "iso-8859-5"`, `["щ"]`},
		{`"utf16.xml", "a/b"`, `["c"]`},
		{`"bom.xml", "a/b"`, `["x"]`},
		{`"bomb.xml", "a/b"`, `["bbbbbbbb"]`},
		{`"entity.xml", "a/b"`, `["A&B ©, 'Ltd'\n<&co;"]`},
		{`"latinentity.xml", "a/b"`, `["ü"]`},
		{`"laugh.xml", "a/b"`, `["` + strings.Repeat("ha", 8) + `"]`},
		{`"marked.xml", "a/b"`, `["é"]`},
		{`["<a>", "<b>1", "</b></a>"], "a/b"`, `["1"]`},
		{`"feed.xml", "//title"`, `["Shop","A & B <C>","Two"]`},
	} {
		if got := run(t, w, `return [e.text for e in xml.stream(`+c.args+`)]`); got != c.want {
			t.Errorf("%s: got %s, want %s", c.args, got, c.want)
		}
	}
}

func TestNodes(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("feed.xml", feed)
	for _, c := range []struct{ expr, want string }{
		{`first.name`, `"item"`},
		{`first.namespace`, `"http://default.example"`},
		{`first.line`, `7`},
		{`str(first)`, `"<node item>"`},
		{`first.attr("kind")`, `"book"`},
		{`first.attr("g:kind")`, `"book"`},
		{`first.attr("x:kind")`, `null`},
		{`first.attr("none", "d")`, `"d"`},
		{`first.get("price")`, `"5"`},
		{`first.get("g:price")`, `"5"`},
		{`first.get("price/@unit")`, `"EUR"`},
		{`first.get("nothing", 0)`, `0`},
		{`first.find("nothing")`, `null`},
		{`first.get("title[@a!='x']/b")`, `has "a!", which is no name`},
		{`xml.parse("<a xml:lang='de'/>", namespaces = {"x": "u"}).attr("xml:lang")`, `"de"`},
		{`first.find("title").text`, `"A & B <C>"`},
		{`first.find("@id")`, `"1"`},
		{`first.find(".").name`, `"item"`},
		{`first.get("./title")`, `"A & B <C>"`},
		{`first.find("a/@id/b")`, `has an attribute that is not at its end`},
		{`[e.text for e in second.find_all("tag")]`, `["a","b"]`},
		{`second.get("tag[2]")`, `"b"`},
		{`second.get("tag[3]")`, `null`},
		{`second.get("*[price='7']")`, `null`},
		{`[e.name for e in second.find_all("*")]`, `["price","title","tag","tag","item"]`},
		{`root.get("channel/item[price='6']/@id")`, `"2"`},
		{`root.get("channel/item[price]/@id")`, `"1"`},
		{`root.find_all("//item/@id")`, `["1","x","2","3"]`},
		{`root.find_all("//channel//item/@id")`, `["1","x","2","3"]`},
		{`root.find_all("//item//item/@id")`, `["3"]`},
		{`root.find_all("//*//*//item/@id")`, `["x","3"]`},
		{`root.find_all("//item[1]/@id")`, `["1","x","3"]`},
		{`first.dict()`, `{"@id":"1","@g:kind":"book","g:price":{"@unit":"EUR","#text":"5"},"title":"A & B <C>"}`},
		{`second.dict(lists = ["title"])`, `{"@id":"2","price":"6","title":["Two"],"tag":["a","b"],"item":{"@id":"3"}}`},
		{`xml.parse("<a/>").dict()`, `""`},
		{`xml.parse("<a>x<b/>y</a>").text`, `"xy"`},
		{`xml.parse("<?xml version='1.0' encoding='latin1'?><a>é</a>").text`, `"é"`},
		{`xml.parse(b"<?xml version='1.0' encoding='latin1'?><a>\xe9</a>").text`, `"é"`},
		{`xml.parse("<a xml:lang='de'/>").attr("{http://www.w3.org/XML/1998/namespace}lang")`, `"de"`},
		{`xml.parse("<p:a xmlns:p='u'><p:b xmlns:p='v'/><p:b/></p:a>", namespaces = {"x": "u"}).find_all("x:b")[0].namespace`, `"u"`},
		{`xml.parse("<a><b></a>")`, `xml.parse: the text, line 1: </a> ends nothing that is open`},
		{`xml.parse("")`, `xml.parse: the text, line 1: there is no element`},
		{`json.encode(first)`, `node is no data`},
	} {
		body := fmt.Sprintf(`root = xml.parse(files.read("feed.xml"))
first, second = root.find_all("channel/item")
return [%s]`, c.expr)
		if got := run(t, w, body); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.expr, got, c.want)
		}
	}
	if got := run(t, w, `return len(xml.parse("<a " + " ".join(["a%d='x'" % n for n in range(300000)]) + "/>").dict())`); got != `300000` { // and not after minutes
		t.Errorf("got %s", got)
	}
	body := `return xml.parse("<r>" + "<a>" * 400 + "</a>" * 400 + "</r>").find_all("//*//*//*//*//*//*//*//*//*//*")[-1].name`
	if got := run(t, w, body); got != `"a"` { // and not after hours
		t.Errorf("got %s", got)
	}
}

// What is misspelt in a path, or in a namespace, is told with what is there.
func TestAPathThatLeadsToNothingIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.File("a.xml", `<e><items><p/><p/><x:r xmlns:x="urn:x"/></items></e>`)
	w.File("none.xml", `<e><items></items></e>`)
	w.File("some.xml", `<e><items><p/><q k="1"/></items></e>`)
	for i, c := range []struct{ call, want string }{
		{`"a.xml", "e/items/q"`, `warn xml.stream: a.xml: there is nothing at e/items/q; within step 2 of it are <p>, <x:r> of the namespace "urn:x"`},
		{`"a.xml", "e/items/b:p", namespaces = {"b": "urn:b"}`, `warn xml.stream: a.xml: there is nothing at e/items/b:p; within step 2 of it are <p>, <x:r> of the namespace "urn:x"`},
		{`"a.xml", "//q"`, `warn xml.stream: a.xml: there is nothing at //q; in the document are <e>, <items>, <p>, <x:r> of the namespace "urn:x"`},
		{`"none.xml", "e/items/q"`, ""},
		{`"some.xml", "e/items/q"`, ""},
	} {
		name := fmt.Sprintf("job%d", i)
		w.Script(name, "job(needs = [\"files:*\"])\ndef consume(ctx, item):\n    list(xml.stream("+c.call+"))\n")
		j := w.Do(name, "1")
		if got := strings.Join(w.Logs(j.ID), "\n"); j.Status != engine.StatusCompleted || got != c.want {
			t.Errorf("%s: %s, got %q, want %q", c.call, j.Status, got, c.want)
		}
	}
}
