package scripttest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// ObjectType is test_http.
func (*stubs) ObjectType() *hostlib.ObjectType { return httpType }

var httpType = &hostlib.ObjectType{
	Name: "test_http", Doc: "What a test's requests get, and which were made. There is no network: a request that no stub fits fails the test.",
	Attrs: []hostlib.Attr{
		{Name: "calls", Type: "list of test_call", Doc: "The requests that were made, in order. Of what a hook that was killed by --crash makes again, one that does no more then is there once: it reads, puts or deletes the same, or has the same Idempotency-Key or webhook-id.", Get: func(v hostlib.Value) (hostlib.Value, error) {
			s := v.(*stubs)
			s.mu.Lock()
			defer s.mu.Unlock()
			list := []hostlib.Value{}
			for _, c := range s.calls {
				list = append(list, c)
			}
			return list, nil
		}},
	},
	Methods: []*hostlib.Func{
		method("on", "Says what a request gets. Of the stubs that fit, the first that is not spent answers.",
			"t.http.on(\"GET\", \"https://api.example.com/items\", json = [{\"id\": 1}])\nt.http.on(\"POST\", \"https://api.example.com/graphql\", match = {\"variables\": {\"page\": 2}}, json = {\"data\": {\"items\": []}})",
			"t.http.on(\"GET\", \"https://api.example.com/items\", {json = {{id = 1}}})\nt.http.on(\"POST\", \"https://api.example.com/graphql\", {match = {variables = {page = 2}}, json = {data = {items = {}}}})",
			[]param{
				{Name: "method", Type: hostlib.String, Doc: "GET, POST and so on"},
				{Name: "url", Type: hostlib.String, Doc: "the whole URL; its query, if it has one, must be in the request's"},
				{Name: "params", Type: hostlib.DictOf, Default: hostlib.None, Named: true, Doc: "parameters that the request's query must have"},
				{Name: "match", Type: hostlib.Data, Default: hostlib.None, Named: true, Doc: "what must be in the request's body, as t.contains looks for it: a text in the body as it is, all else in its JSON, such as the variables of a GraphQL query"},
				{Name: "status", Type: hostlib.Int, Default: int64(200), Named: true, Doc: "the answer's status"},
				{Name: "json", Type: hostlib.Data, Default: hostlib.None, Named: true, Doc: "the answer's body, as JSON"},
				{Name: "body", Type: hostlib.Text, Default: hostlib.None, Named: true, Doc: "the answer's body, as it is"},
				{Name: "headers", Type: hostlib.DictOf, Default: hostlib.None, Named: true, Doc: "the answer's headers"},
				{Name: "times", Type: hostlib.Int, Default: hostlib.None, Named: true, Doc: "how often it answers; None: always"},
			}, "",
			func(_ *hostlib.Call, s *stubs, a *hostlib.Args) (hostlib.Value, error) { return nil, s.on(a) }),
	},
}

// on adds a stub.
func (s *stubs) on(a *hostlib.Args) error {
	u, err := url.Parse(a.String("url"))
	if err != nil || u.Host == "" {
		return hostlib.Errorf("usage", "url: %q is no whole URL, such as https://api.example.com/items", a.String("url"))
	}
	st := &stub{method: strings.ToUpper(a.String("method")), url: u, match: a.Value("match"), status: int(a.Int("status")), header: http.Header{}, times: -1}
	st.text = st.method + " " + a.String("url")
	if st.status < 100 || st.status > 599 {
		return hostlib.Errorf("usage", "status: got %d, wanted 100 to 599", st.status)
	}
	if a.Given("times") {
		if st.times = int(a.Int("times")); st.times < 1 {
			return hostlib.Errorf("usage", "times: got %d, wanted at least 1", st.times)
		}
	}
	if d := a.Dict("params"); d != nil {
		st.params = url.Values{}
		if err := hostlib.EachParam("params", d, func(name, value string) { st.params.Add(name, value) }); err != nil {
			return err
		}
		st.text += " with " + st.params.Encode()
	}
	if st.match != nil {
		raw, err := hostlib.EncodeJSON(st.match)
		if err != nil {
			return err
		}
		st.text += " that has " + string(raw)
	}
	if d := a.Dict("headers"); d != nil {
		if err := hostlib.EachParam("headers", d, func(name, value string) { st.header.Add(name, value) }); err != nil {
			return err
		}
	}
	switch {
	case a.Given("json") && a.Given("body"):
		return hostlib.Errorf("usage", "give json or body, not both")
	case a.Given("json"):
		raw, err := hostlib.EncodeJSON(a.Value("json"))
		if err != nil {
			return err
		}
		st.body = raw
		if st.header.Get("Content-Type") == "" {
			st.header.Set("Content-Type", "application/json")
		}
	case a.Given("body"):
		switch b := a.Value("body").(type) {
		case string:
			st.body = []byte(b)
		case []byte:
			st.body = b
		}
	}
	s.mu.Lock()
	s.list = append(s.list, st)
	s.mu.Unlock()
	return nil
}

// ObjectType is test_call.
func (*call) ObjectType() *hostlib.ObjectType { return callType }

func callAttr(name, typ, doc string, get func(c *call) hostlib.Value) hostlib.Attr {
	return hostlib.Attr{Name: name, Type: typ, Doc: doc, Get: func(v hostlib.Value) (hostlib.Value, error) { return get(v.(*call)), nil }}
}

var callType = &hostlib.ObjectType{
	Name: "test_call", Doc: "A request that was made.", Record: true,
	Text: func(v hostlib.Value) string { return v.(*call).method + " " + v.(*call).url },
	Attrs: []hostlib.Attr{
		callAttr("method", "string", "GET, POST and so on.", func(c *call) hostlib.Value { return c.method }),
		callAttr("url", "string", "The whole URL.", func(c *call) hostlib.Value { return c.url }),
		callAttr("headers", "dict", "The request's headers, in lower case.", func(c *call) hostlib.Value {
			d := &hostlib.Dict{}
			for name, values := range c.header {
				d.Set(strings.ToLower(name), strings.Join(values, ", "))
			}
			return d
		}),
		callAttr("body", "string, or bytes if it is no UTF-8", "What was sent.", func(c *call) hostlib.Value { return textOrBytes(c.body) }),
		callAttr("json", "any value", "What was sent, read as JSON; None if it is none.", func(c *call) hostlib.Value {
			v, err := hostlib.DecodeJSON(c.body)
			if err != nil {
				return nil
			}
			return v
		}),
		callAttr("status", "int", "The status that it got; 0 if no stub fitted.", func(c *call) hostlib.Value { return int64(c.status) }),
	},
}
