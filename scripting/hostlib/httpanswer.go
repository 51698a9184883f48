package hostlib

import (
	"cmp"
	"io"
	"net/http"
	"strings"
)

func responseAttr(name, typ, doc string, get func(r *response) Value) Attr {
	return Attr{Name: name, Type: typ, Doc: doc, Get: func(v Value) (Value, error) { return get(v.(*response)), nil }}
}

// answer begins the examples of responses.
const answer, luaAnswer = "answer = http.get(\"https://api.example.com/", "local answer = http.get(\"https://api.example.com/"

var answerEncoding = Param{Name: "encoding", Type: String, Default: None, Named: true, Doc: "the character set of the text; None: what the server says, or utf-8"}

var responseType = &ObjectType{
	Name: "response", Doc: "The answer to a request. text, bytes and json read all of it, as often as they are called; jsonl, csv, lines and save let it pass through, once if it is long, and csv, jsonl, lines and xml read through .gz and .zst. It can be given to csv.read, json.stream and whatever else takes a stream.",
	Text: func(v Value) string { return "<response " + statusText(v.(*response).status) + ">" },
	Attrs: []Attr{
		responseAttr("status", "int", "The status: 200 and its like.", func(r *response) Value { return int64(r.status) }),
		responseAttr("ok", "bool", "Whether the status is below 400.", func(r *response) Value { return r.status < 400 }),
		responseAttr("unchanged", "bool", "Whether nothing has changed since it was asked for last (304, see cache): there is no body then.", func(r *response) Value {
			return r.status == http.StatusNotModified
		}),
		responseAttr("headers", "dict", "The headers, by name in lower case; several of one name are joined by commas.", func(r *response) Value { return r.headers() }),
		responseAttr("url", "string", "Where the answer came from, after redirects.", func(r *response) Value {
			u := *r.url
			u.User = nil
			return u.String()
		}),
	},
	Methods: []*Func{
		{
			Name: "header", Doc: "Gives a header by its name, however it is written.",
			Params:  []Param{{Name: "name", Type: String, Doc: "such as \"Content-Type\""}, {Name: "default", Type: Any, Default: None, Doc: "what to give if it is not there"}},
			Returns: "string",
			Example: answer + "users/1\")\nanswer.header(\"Content-Type\")  # \"application/json\"",
			Lua:     luaAnswer + "users/1\")\nanswer.header(\"Content-Type\")  -- \"application/json\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				if v, ok := a.Self.(*response).headers().Get(strings.ToLower(a.String("name"))); ok {
					return v, nil
				}
				return a.Value("default"), nil
			},
		},
		{
			Name: "text", Doc: "Gives the body as text.",
			Params: []Param{answerEncoding}, Returns: "string", Effect: Read,
			Example: answer + "words.txt\")\nanswer.text()  # \"alpha\\nbeta\\n\"",
			Lua:     luaAnswer + "words.txt\")\nanswer.text()  -- \"alpha\\nbeta\\n\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				return a.Self.(*response).text(a.String("encoding"))
			},
		},
		{
			Name: "bytes", Doc: "Gives the body as it is.",
			Returns: "bytes", Effect: Read,
			Example: answer + "words.txt\")\nlen(answer.bytes())  # 11",
			Lua:     luaAnswer + "words.txt\")\n#answer.bytes()  -- 11",
			Do: func(_ *Call, a *Args) (Value, error) {
				r := a.Self.(*response)
				err := r.load()
				return r.body, err
			},
		},
		{
			Name: "json", Doc: "Reads the body as JSON: UTF-8, else in the character set that its byte order mark or the server says.",
			Params:  []Param{decimalsParam},
			Returns: "any value", Effect: Read,
			Example: answer + "users/1\")\nanswer.json()  # {\"id\": 1, \"name\": \"Ada\"}",
			Lua:     luaAnswer + "users/1\")\nanswer.json().name  -- \"Ada\"",
			Do:      func(_ *Call, a *Args) (Value, error) { return a.Self.(*response).json(a.Bool("decimals")) },
		},
		{
			Name: "jsonl", Doc: "Reads the body as JSON lines, see json.lines. Lazy.",
			Params:  jsonLinesParams,
			Returns: "iterator", Effect: Read,
			Example: answer + "people.jsonl\")\n[row[\"name\"] for row in answer.jsonl()]  # [\"Ada\", \"Grace\"]",
			Lua:     luaAnswer + "people.jsonl\")\nlist(answer.jsonl())[2].name  -- \"Grace\"",
			Do: func(c *Call, a *Args) (Value, error) {
				reject, err := c.onBad(a)
				if err != nil {
					return nil, err
				}
				in, err := a.Self.(*response).input("jsonl", a.String("encoding"))
				if err != nil {
					return nil, err
				}
				return c.jsonLines("response.jsonl", in, a.Bool("decimals"), reject), nil
			},
		},
		{
			Name: "csv", Doc: "Reads the body as rows of comma-separated values, see csv.read. Lazy.",
			Params: append([]Param{answerEncoding}, csvParams...), Returns: "iterator of dict", Effect: Read,
			Example: answer + "people.csv\")\nlist(answer.csv())  # [{\"id\": \"1\", \"name\": \"Ada\"}]",
			Lua:     luaAnswer + "people.csv\")\nlist(answer.csv())  -- {{id = \"1\", name = \"Ada\"}}",
			Do: func(c *Call, a *Args) (Value, error) {
				o, err := csvOptionsOf(c, a)
				if err != nil {
					return nil, err
				}
				in, err := a.Self.(*response).input("csv", a.String("encoding"))
				if err != nil {
					return nil, err
				}
				return c.csvRows("response.csv", in, o)
			},
		},
		{
			Name: "lines", Doc: "Reads the body line by line, without the line ends. Lazy.",
			Params: []Param{answerEncoding}, Returns: "iterator of string", Effect: Read,
			Example: answer + "words.txt\")\nlist(answer.lines())  # [\"alpha\", \"beta\"]",
			Lua:     luaAnswer + "words.txt\")\nlist(answer.lines())  -- {\"alpha\", \"beta\"}",
			Do: func(c *Call, a *Args) (Value, error) {
				in, err := a.Self.(*response).input("lines", a.String("encoding"))
				if err != nil {
					return nil, err
				}
				return c.textLines("response.lines", in), nil
			},
		},
		{
			Name: "xml", Doc: "Reads the elements at a path of a body that is XML, see xml.stream. Lazy.",
			Params: []Param{
				{Name: "path", Type: String, Doc: "which elements, from the outermost one on, " + xmlPathDoc},
				spacesParam,
				{Name: "encoding", Type: String, Default: None, Named: true, Doc: "the character set; None: as the server or the document says"},
			},
			Returns: "iterator of node", Effect: Read,
			Example: answer + "feed.xml\")\n[e.find(\"title\").text for e in answer.xml(\"feed/entry\")]  # [\"One\"]",
			Lua:     luaAnswer + "feed.xml\")\nlist(iter.map(function(e) return e.find(\"title\").text end, answer.xml(\"feed/entry\")))  -- {\"One\"}",
			Do: func(c *Call, a *Args) (Value, error) {
				spaces, err := xmlSpaces(a.Dict("namespaces"))
				if err != nil {
					return nil, err
				}
				path, err := xmlStreamPath(a.String("path"), spaces)
				if err != nil {
					return nil, err
				}
				r, charset := a.Self.(*response), a.String("encoding")
				if charset == "" {
					charset = r.declared()
				}
				in, err := r.input("xml", cmp.Or(charset, "utf-8"))
				if err != nil {
					return nil, err
				}
				return c.xmlElements("response.xml", in, charset == "", path, spaces), nil
			},
		},
		{
			Name: "save", Doc: "Writes the body to a file, which is there when all of it has come and is on disk, in place of one that was there before. A file .gz stays packed, if the path ends in .gz too, whether the server sends it as it is or with Content-Encoding: gzip.",
			Params:  []Param{{Name: "path", Type: String, Doc: "where to, below the files folder; needs must name it"}},
			Returns: "file", Needs: "files", Effect: Outside,
			Example: answer + "people.csv\")\nanswer.save(\"data/downloads/people.csv\").size  # 14",
			Lua:     luaAnswer + "people.csv\")\nanswer.save(\"data/downloads/people.csv\").size  -- 14",
			Do: func(c *Call, a *Args) (Value, error) {
				r := a.Self.(*response)
				if _, err := c.permit(a.String("path")); err != nil {
					return nil, err
				}
				from, err := r.take("save")
				if err != nil {
					return nil, err
				}
				defer r.Close()
				f, err := c.writeFile(a.String("path"), false, func(w io.Writer) error {
					return r.save(w, a.String("path"), from)
				})
				if err != nil {
					return nil, err
				}
				return f, nil
			},
		},
	},
}
