package hostlib

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// paginateFunc is paginate: of the module, or of a client.
func paginateFunc(of, base string, via func(self Value) *way) *Func {
	params := append([]Param{
		{Name: "url", Type: String, Doc: "the first page"},
		{Name: "next", Type: Any, Default: "link", Named: true, Doc: "where the next page is: \"link\": in the header Link; a path such as \"meta.next\": a URL in the page; " +
			"{\"cursor\": \"after\", \"path\": \"meta.cursor\"}: a value in the page, for that parameter (of both paths the end is where the page has nothing there; a first page that has items, and not even the path's outermost name, or a next page under a name that is almost the same, is an error); {\"page\": \"page\"} or {\"offset\": \"offset\"}: a parameter that counts pages, or items, until a page is empty; " +
			"or a function of the response that gives a URL, a dict of parameters, or None"},
		{Name: "items", Type: String, Default: None, Named: true, Doc: "where the items of a page are, such as \"data.items\"; None: the page is a list of them"},
		{Name: "start", Type: Data, Default: None, Named: true, Doc: "the page to begin with: the cursor of a page from before. It is a URL where next is \"link\" or a path, and a dict of parameters where next names one: {\"after\": \"c2\"}, {\"page\": 0}; of a function what it gave. What an API calls its cursor goes into such a dict"},
		{Name: "pages", Type: Bool, Default: false, Named: true, Doc: "True: gives pages, not items; a page's cursor is what start takes to go on after it"},
		{Name: "max_pages", Type: Int, Default: int64(10_000), Named: true, Doc: "more pages than this are an error"},
		{Name: "params", Type: DictOf, Default: None, Named: true, Doc: "parameters of the first page's URL, and of all where next gives parameters"},
		decimalsParam,
	}, wayParams(of != "http")...)
	fill := strings.NewReplacer("$.", of+".", "$/", base)
	return &Func{
		Name: "paginate", Doc: "Goes through the items of a list that comes in pages of JSON. Lazy: a page is asked for when it is due. A page that is asked for a second time is an error, so that it ends; so is one with the content of another one, if it names the same next page or is merely counted, and content that comes more than 20 times in a row. If the first page has nothing where next looks, and looks as if there were more, the job's log says so. " +
			"To go on where the last job stopped, ask for pages and keep in state the cursor of each that has one, with what was made of its items: only the last page, which has none, is asked for again. So where pages are counted, the next one is asked for before a page is given. Secrets of params that the server's URLs repeat are *** in it; params gives them again.",
		Params: params, Returns: "iterator", Needs: "http", Effect: Read,
		Example: fill.Replace("[u[\"name\"] for u in $.paginate(\"$/users\", items = \"data\", next = \"meta.next\")]  # [\"Ada\", \"Grace\", \"Alan\"]\n" +
			"for page in $.paginate(\"$/users\", items = \"data\", next = \"meta.next\", start = state.get(\"cursor\"), pages = True):\n" +
			"    db.upsert(\"users\", page.items, key = [\"id\"])\n    if page.cursor:\n        state.set(\"cursor\", page.cursor)\n    ctx.checkpoint()"),
		Lua: fill.Replace("list(iter.map(function(u) return u.name end, $.paginate(\"$/users\", {items = \"data\", next = \"meta.next\"})))  -- {\"Ada\", \"Grace\", \"Alan\"}\n" +
			"for page in $.paginate(\"$/users\", {items = \"data\", next = \"meta.next\", start = state.get(\"cursor\"), pages = true}) do\n" +
			"    db.upsert(\"users\", page.items, {key = {\"id\"}})\n    if page.cursor then\n      state.set(\"cursor\", page.cursor)\n    end\n    ctx.checkpoint()\nend"),
		Do: func(c *Call, a *Args) (Value, error) {
			p, err := newPager(c, a, via(a.Self))
			if err != nil {
				return nil, err
			}
			return c.derived(of+".paginate", p.next), nil
		},
	}
}

// page is one page.
type page struct {
	number   int64
	items    []Value
	cursor   Value // for the script: it can be kept
	next     Value // what the loop itself goes on with
	response *response
}

// ObjectType is page.
func (*page) ObjectType() *ObjectType { return pageType }

func pageAttr(name, typ, doc string, get func(p *page) Value) Attr {
	return Attr{Name: name, Type: typ, Doc: doc, Get: func(v Value) (Value, error) { return get(v.(*page)), nil }}
}

var pageType = &ObjectType{
	Name: "page", Doc: "A page that http.paginate has asked for.",
	Attrs: []Attr{
		pageAttr("items", "list", "The items of the page.", func(p *page) Value { return p.items }),
		pageAttr("cursor", "string or dict", "Where the next page is, as start of http.paginate takes it: a URL, or a dict of parameters where next names one, such as {\"after\": \"c2\"}. None: this is the last one.", func(p *page) Value { return p.cursor }),
		pageAttr("number", "int", "The number of the page in this loop, from 1.", func(p *page) Value { return p.number }),
		pageAttr("response", "response", "The answer that has the page.", func(p *page) Value { return p.response }),
	},
}

// pager asks for one page after the other.
type pager struct {
	c        *Call
	like     *httpRequest // what all requests have in common; its URL has no parameters of ours
	params   *Dict
	find     func(resp *response, content Value, count int) (Value, error) // the next cursor
	counts   string                                                        // the parameter that counts; "": none does
	after    string                                                        // the parameter that a value of the page is for; "": none is
	byItem   bool                                                          // it counts items
	at       []step                                                        // of the items; nil: the page is a list
	path     string                                                        // of the items, as it was given
	whole    bool                                                          // pages, not items
	decimals bool                                                          // see decimalsParam
	byPath   bool                                                          // next is a path, or has one
	resumed  bool                                                          // it begins where another loop ended

	first   url.Values // the parameters of the first page's URL
	cursor  Value      // of the page that is due: nil for the first, a URL, or a *Dict of parameters
	n, most int64      // pages asked for
	left    []Value
	ahead   *page // the one that is due, if it was asked for already; failed: why it did not come
	failed  error
	ended   bool
	seen    bool               // some page had what next leads to
	lacks   string             // what this page has not that next leads to
	asked   map[[16]byte]int64 // the number of the page, by what was asked for
	came    map[[16]byte]came  // and by what came
}

// came is where some content was last.
type came struct {
	number int64
	next   [16]byte // what the page after it was asked for by
	row    int      // how many pages in a row had it
}

// maxSamePages is how many pages in a row may have the same content, if each names
// another page after it: a server that goes on for ever is not gone along with.
const maxSamePages = 20

func newPager(c *Call, a *Args, w *way) (*pager, error) {
	p := &pager{c: c, params: a.Dict("params"), whole: a.Bool("pages"), decimals: a.Bool("decimals"), most: a.Int("max_pages"), cursor: a.Value("start"),
		asked: map[[16]byte]int64{}, came: map[[16]byte]came{}}
	p.resumed = p.cursor != nil
	if p.params == nil {
		p.params = &Dict{}
	}
	if p.most < 1 {
		return nil, Errorf("usage", "max_pages: got %d, wanted at least 1", p.most)
	}
	if a.Given("items") {
		var err error
		p.path = a.String("items")
		if p.at, err = itemPath("items", p.path); err != nil {
			return nil, err
		}
	}
	if err := p.follow(c.Lang.Plain(a.Value("next"))); err != nil {
		return nil, err
	}
	err := p.begins(p.cursor)
	if err != nil {
		return nil, err
	}
	first := *a
	first.vals = append([]Value(nil), a.vals...)
	for i := range first.f.Params {
		if first.f.Params[i].Name == "params" {
			first.vals[i] = nil // each page has them in its own way
		}
	}
	if p.like, err = newRequest(c, &first, http.MethodGet, w); err != nil {
		return nil, err
	}
	query, err := queryOf("params", p.params)
	if err != nil {
		return nil, err
	}
	p.first = withQuery(p.like.url, query).Query()
	if text, ok := p.cursor.(string); ok {
		p.cursor, err = p.refilled(text)
	}
	return p, err
}

// begins says whether start can be the cursor of a page.
func (p *pager) begins(start Value) error {
	d, isDict := start.(*Dict)
	_, isText := start.(string)
	switch name := p.after + p.counts; {
	case start == nil, isText && name == "":
		return nil
	case isDict:
		_, err := queryOf("start", d)
		return err
	case name != "":
		return Errorf("usage", "start: got %s, wanted what the cursor of a page gave, here a dict of parameters such as {%q: ...}", p.c.Lang.TypeName(start), name)
	}
	return Errorf("usage", "start: got %s, wanted what the cursor of a page gave: a URL, a dict of parameters, or None", p.c.Lang.TypeName(start))
}

// itemPath reads a path such as meta.next or $.data[0].list.
func itemPath(arg, text string) ([]step, error) {
	if !strings.HasPrefix(text, "$") {
		if text = "." + text; strings.HasPrefix(text, ".[") {
			text = text[1:]
		}
		text = "$" + text
	}
	steps, err := parsePath(text)
	if err != nil {
		return nil, Errorf("usage", "%s: %v", arg, err)
	}
	for _, s := range steps {
		if s.kind == '*' {
			return nil, Errorf("usage", "%s: %q leads to many places: write it like \"data.items\"", arg, text)
		}
	}
	return steps, nil
}

// walk follows a path; deep says how many steps it could.
func walk(v Value, steps []step) (found Value, deep int) {
	for _, s := range steps {
		ok := false
		switch in := v.(type) {
		case *Dict:
			if s.kind == '.' {
				v, ok = in.Get(s.name)
			}
		case []Value:
			if ok = s.kind == '[' && s.index < int64(len(in)); ok {
				v = in[s.index]
			}
		}
		if !ok {
			return nil, deep
		}
		deep++
	}
	return v, deep
}

// follow reads what next says.
func (p *pager) follow(next Value) error {
	const wanted = "wanted \"link\", a path such as \"meta.next\", {\"page\": \"page\"}, {\"offset\": \"offset\"}, {\"cursor\": \"after\", \"path\": \"meta.cursor\"} or a function"
	switch next := next.(type) {
	case string:
		if next == "link" {
			p.find = func(resp *response, _ Value, _ int) (Value, error) {
				link := nextLink(resp.header.Values("Link"))
				if link == "" {
					p.lacks = "header Link with rel=\"next\""
				}
				return absolute(resp, link)
			}
			return nil
		}
		steps, err := itemPath("next", next)
		if err != nil {
			return err
		}
		p.byPath = true
		p.find = func(resp *response, content Value, count int) (Value, error) {
			v, err := p.inPage(next, steps, content, count)
			text, isText := v.(string)
			if err != nil || v == nil || v == false || text == "" && isText {
				return nil, err
			}
			if !isText || !strings.ContainsAny(text, "/?") {
				return nil, Errorf("http.page", "what is at %q is no URL; if it is a value for a parameter, write next = {\"cursor\": \"the parameter\", \"path\": %q}", next, next)
			}
			return absolute(resp, text)
		}
		return nil
	case Callable:
		p.find = func(resp *response, _ Value, _ int) (Value, error) {
			v, err := next.Call([]Value{resp}, nil)
			if err != nil {
				return nil, err
			}
			switch v := p.c.Lang.Plain(v).(type) {
			case nil:
				return nil, nil
			case string:
				return absolute(resp, v)
			default:
				d, ok, err := dictOf(p.c, v)
				if err == nil && !ok {
					err = Errorf("usage", "next: the function gave %s, wanted a URL, a dict of parameters, or None", p.c.Lang.TypeName(v))
				}
				if err == nil {
					_, err = queryOf("next", d)
				}
				if err != nil || len(d.Names) == 0 {
					return nil, err
				}
				return d, nil
			}
		}
		return nil
	}
	d, ok, err := dictOf(p.c, next)
	if err != nil {
		return err
	}
	if !ok {
		return Errorf("usage", "next: got %s, %s", p.c.Lang.TypeName(next), wanted)
	}
	said := map[string]string{}
	for i, name := range d.Names {
		text, isText := d.Values[i].(string)
		if !isText || text == "" {
			return Errorf("usage", "next: %s: got %s, wanted the name of a parameter", name, p.c.Lang.TypeName(d.Values[i]))
		}
		said[name] = text
	}
	switch {
	case len(said) == 1 && (said["page"] != "" || said["offset"] != ""):
		p.counts, p.byItem = said["page"]+said["offset"], said["offset"] != ""
		p.find = p.count
	case len(said) == 2 && said["cursor"] != "" && said["path"] != "":
		steps, err := itemPath("next", said["path"])
		if err != nil {
			return err
		}
		p.byPath, p.after = true, said["cursor"]
		p.find = func(_ *response, content Value, count int) (Value, error) {
			v, err := p.inPage(said["path"], steps, content, count)
			if err != nil || v == nil || v == "" || v == false {
				return nil, err
			}
			if _, err := paramText(v); err != nil {
				return nil, Errorf("http.page", "what is at %q is no value for a parameter: it is a list or a dict", said["path"])
			}
			return &Dict{Names: []string{p.after}, Values: []Value{v}}, nil
		}
	default:
		return Errorf("usage", "next: %s", wanted)
	}
	return nil
}

// count is the cursor after a page with so many items.
func (p *pager) count(_ *response, _ Value, count int) (Value, error) {
	if count == 0 {
		return nil, nil
	}
	n, err := p.counted()
	if err != nil {
		return nil, err
	}
	if p.byItem {
		n += int64(count)
	} else {
		n++
	}
	return &Dict{Names: []string{p.counts}, Values: []Value{n}}, nil
}

// counted is the count of the page that is due.
func (p *pager) counted() (int64, error) {
	for _, v := range []Value{p.cursor, p.params} {
		d, _ := v.(*Dict)
		if d == nil {
			continue
		}
		if v, ok := d.Get(p.counts); ok && v != nil {
			n, isInt := asInt(v)
			if !isInt {
				return 0, Errorf("usage", "%s: got %s, wanted int", p.counts, p.c.Lang.TypeName(v))
			}
			return n, nil
		}
	}
	if p.byItem {
		return 0, nil
	}
	return 1, nil
}

// absolute is a URL in an answer as a cursor; nil for none.
func absolute(resp *response, text string) (Value, error) {
	if text == "" {
		return nil, nil
	}
	u, err := resp.url.Parse(text)
	if err != nil {
		return nil, Errorf("http.page", "the next page has no URL that can be read: %v", hideURL(err))
	}
	u.User, u.Fragment = nil, ""
	return u.String(), nil
}

// request is the one for the page that is due.
func (p *pager) request() (*httpRequest, error) {
	rq := *p.like
	rq.header = rq.header.Clone()
	if text, ok := p.cursor.(string); ok {
		u, err := rq.url.Parse(text)
		if err != nil {
			return nil, Errorf("usage", "start: it is no URL: %v", hideURL(err))
		}
		rq.url = withQuery(u, "")
		if !sameOrigin(p.like.url, u) { // what proves who asks is for the first page's host
			rq.auth = nil
			for name := range rq.header {
				if !keptHeaders[name] {
					rq.header.Del(name)
				}
			}
		}
		return &rq, nil
	}
	d := &Dict{Names: append([]string(nil), p.params.Names...), Values: append([]Value(nil), p.params.Values...)}
	if more, ok := p.cursor.(*Dict); ok {
		for i, name := range more.Names {
			d.Set(name, more.Values[i])
		}
	}
	if p.counts != "" {
		n, err := p.counted()
		if err != nil {
			return nil, err
		}
		d.Set(p.counts, n)
	}
	query, err := queryOf("params", d)
	if err != nil {
		return nil, err
	}
	rq.url = withQuery(p.like.url, query)
	return &rq, nil
}

// next is the next item, or page.
func (p *pager) next() (Value, error) {
	for {
		if len(p.left) > 0 {
			v := p.left[0]
			p.left = p.left[1:]
			p.c.read(1)
			return v, nil
		}
		if p.ended {
			return nil, io.EOF
		}
		got, err := p.ahead, p.failed
		if p.ahead, p.failed = nil, nil; got == nil && err == nil {
			got, err = p.fetch()
		}
		if err != nil {
			return nil, err
		}
		p.cursor, p.ended = got.next, got.next == nil
		if !p.whole {
			p.left = got.items
			continue
		}
		if p.counts != "" && len(got.items) == 0 {
			continue
		}
		p.c.read(int64(len(got.items)))
		if p.counts != "" && !p.byItem && !p.ended {
			// The last page may be filled up later: it has no cursor, so that it is asked for again.
			if p.ahead, p.failed = p.fetch(); p.failed != nil || len(p.ahead.items) == 0 {
				got.cursor = nil
			}
		}
		return got, nil
	}
}

// fetch asks for the page that is due.
func (p *pager) fetch() (*page, error) {
	if p.n++; p.n > p.most {
		return nil, p.stuck("http.pages", "there are more than %d pages: raise max_pages, or check next", p.most)
	}
	rq, err := p.request()
	if err != nil {
		return nil, err
	}
	asked := sum([]byte(rq.url.String()))
	if was := p.asked[asked]; was > 0 {
		return nil, p.stuck("http.loop", "page %d is page %d again (%s): the next page of some page is one from before", p.n, was, rq.shown())
	}
	p.asked[asked] = p.n
	resp, err := p.c.send(rq)
	if err != nil {
		return nil, err
	}
	if resp.status == http.StatusNoContent {
		return &page{number: p.n, response: resp, items: []Value{}}, nil
	}
	content, err := resp.json(p.decimals)
	if err != nil {
		return nil, err
	}
	list, err := p.items(content)
	if err != nil {
		return nil, Errorf("http.page", "%s: %v", rq.shown(), err)
	}
	p.lacks = ""
	cursor, err := p.find(resp, content, len(list))
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		if err := p.again(rq, resp.body, cursor); err != nil {
			return nil, err
		}
	}
	p.warn(rq, resp, content, len(list))
	return &page{number: p.n, items: list, cursor: p.keepable(cursor), next: cursor, response: resp}, nil
}

func (p *pager) stuck(code, format string, args ...any) error {
	f := Errorf(code, format, args...)
	f.Retryable = false
	return f
}

// again is the error about a page whose content was there before, if that means that
// the server does not go on. Pages that are the same are none as long as each names
// another page after it; what merely counts them has no such sign.
func (p *pager) again(rq *httpRequest, body []byte, cursor Value) error {
	raw, err := EncodeJSON(cursor)
	if err != nil {
		return err
	}
	content, now := sum(body), came{number: p.n, next: sum(raw), row: 1}
	was, seen := p.came[content]
	inRow := seen && was.number == p.n-1
	if inRow {
		now.row = was.row + 1
	}
	switch {
	case seen && was.next == now.next, inRow && p.counts != "":
		hint := ""
		if p.counts != "" {
			hint = fmt.Sprintf(" (if its pages may be the same, count them by a function: next = lambda r: {%q: ...})", p.counts)
		}
		return p.stuck("http.loop", "page %d has the same content as page %d (%s): the server does not go on as next says%s", p.n, was.number, rq.shown(), hint)
	case now.row > maxSamePages:
		return p.stuck("http.loop", "%d pages in a row have the same content, the last one of %s: the server goes on for ever", now.row, rq.shown())
	}
	p.came[content] = now
	return nil
}

// sum stands for a text in maps.
func sum(text []byte) [16]byte {
	h := sha256.Sum256(text)
	return [16]byte(h[:16])
}

// items are those of a page.
func (p *pager) items(content Value) ([]Value, error) {
	v, deep := walk(content, p.at)
	list, ok := v.([]Value)
	d, isDict := v.(*Dict)
	switch {
	case deep < len(p.at):
		return nil, Errorf("http.page", "items: the page has no %q%s", p.path, namesOf(content))
	case v == nil && len(p.at) > 0:
		return nil, nil // null, where others have a list
	case !ok && len(p.at) == 0:
		return nil, Errorf("http.page", "the page is no list: say where its items are, such as items = \"data\"%s", namesOf(content))
	case isDict && len(d.Names) == 0:
		return nil, Errorf("http.page", "items leads to {}, an empty dict, not to a list")
	case !ok:
		return nil, Errorf("http.page", "items leads to %s, not to a list%s", p.c.Lang.TypeName(v), namesOf(content))
	}
	return list, nil
}
