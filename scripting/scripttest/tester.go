package scripttest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// tester is the t of a test.
type tester struct {
	*world
	soft    []*Stop // failed cases
	path    []string
	file    string   // of the test
	goldens *goldens // of the suite
	wrote   []string // golden files
	reads   []string // fixtures and golden files, there or not
}

// ObjectType is t.
func (*tester) ObjectType() *hostlib.ObjectType { return testerType }

// Stop ends a test: it failed, or is left out.
type Stop struct {
	Skipped bool
	Message string
	Detail  string // more lines, such as a diff
	Caller  hostlib.Caller
	Inner   *hostlib.Caller // where the error arose that it is about; nil: there is none, or it is not known
}

// Error is the message.
func (s *Stop) Error() string { return s.Message }

// EndsTest says that nothing in the script catches it.
func (*Stop) EndsTest() {}

// stop ends the test where it is.
func stop(c *hostlib.Call, s *Stop) error {
	if in, ok := c.Lang.(hostlib.Inspector); ok {
		s.Caller = in.Caller()
	}
	return &hostlib.Raised{Err: s}
}

func failed(c *hostlib.Call, detail, format string, args ...any) error {
	return stop(c, &Stop{Message: fmt.Sprintf(format, args...), Detail: detail})
}

type param = hostlib.Param

// method makes a function of t, or of one of its parts, with an example in each language.
func method[T any](name, doc, example, lua string, params []param, returns string, do func(c *hostlib.Call, self T, a *hostlib.Args) (hostlib.Value, error)) *hostlib.Func {
	return &hostlib.Func{
		Name: name, Doc: doc, Params: params, Returns: returns, Effect: hostlib.Outside, Testing: true, Example: example, Lua: lua,
		Do: func(c *hostlib.Call, a *hostlib.Args) (hostlib.Value, error) { return do(c, a.Self.(T), a) },
	}
}

var (
	anyValue     = func(name, doc string) param { return param{Name: name, Type: hostlib.Any, Doc: doc} }
	messageParam = param{Name: "message", Type: hostlib.String, Default: hostlib.None, Doc: "what to say if it does not hold"}
)

var testerType = &hostlib.ObjectType{
	Name: "t", Doc: "What a test is given: it runs the job, says what the world is like, and looks at what came of it.",
	Attrs: []hostlib.Attr{
		{Name: "name", Type: "string", Doc: "The test's name.", Get: func(v hostlib.Value) (hostlib.Value, error) { return v.(*tester).path[0], nil }},
		{Name: "mail", Type: "test_mail", Doc: "The mail server by which scripts send with notify.email, and what was sent.", Get: func(v hostlib.Value) (hostlib.Value, error) { return v.(*tester).office(), nil }},
		{Name: "http", Type: "test_http", Doc: "What requests get, and which were made.", Get: func(v hostlib.Value) (hostlib.Value, error) { return v.(*tester).http, nil }},
		{Name: "clock", Type: "test_clock", Doc: "The test's clock. It starts at 2020-01-01T00:00:00Z.", Get: func(v hostlib.Value) (hostlib.Value, error) { return &watch{v.(*tester)}, nil }},
		{Name: "state", Type: "test_values", Doc: "The job type's own values.", Get: func(v hostlib.Value) (hostlib.Value, error) {
			return &values{w: v.(*tester).world}, nil
		}},
		{Name: "vars", Type: "test_values", Doc: "The values that all types share.", Get: func(v hostlib.Value) (hostlib.Value, error) {
			return &values{w: v.(*tester).world, shared: true}, nil
		}},
		{Name: "records", Type: "test_records", Doc: "What the job type has noted of the rows of its sources.", Get: func(v hostlib.Value) (hostlib.Value, error) {
			return &sources{v.(*tester).world}, nil
		}},
		{Name: "db", Type: "connection", Doc: "The job database, with the functions of db. Each commits at once; exec makes tables too: give it what SHOW CREATE TABLE shows of those that you have in production. Also without a server, such a table refuses what it refuses there: an empty field for a date, 300 for a tinyint, a text that is too long. Its text is compared letter by letter, on a server (--db) too, unless the statement names a character set or a collation, by which servers alone go. Its foreign keys are enforced by servers alone.", Get: func(v hostlib.Value) (hostlib.Value, error) {
			return v.(*tester).jobDatabase()
		}},
	},
}

func init() {
	testerType.Methods = slices.Concat(runMethods(), verifyMethods(), fileMethods(), worldMethods())
	for of, t := range map[string]*hostlib.ObjectType{"t": testerType, "t.clock": clockType, "t.state": valuesType, "t.records": recordsType, "t.http": httpType, "t.sftp": sftpType, "t.ftp": ftpType, "t.s3": bucketType, "t.mail": mailType} {
		for _, f := range t.Methods {
			f.Module = of // as tests write it
		}
	}
}

// Types are the types of the objects that tests meet.
func Types() []*hostlib.ObjectType {
	return []*hostlib.ObjectType{testerType, outcomeType, clockType, valuesType, recordsType, httpType, callType, sftpType, ftpType, bucketType, mailType, letterType}
}

// worldMethods say what the world is like.
func worldMethods() []*hostlib.Func {
	return []*hostlib.Func{
		method("fixture", "Reads a file beside the file of tests, or below its folder.", "t.file(\"a.csv\", t.fixture(\"fixtures/a.csv\"))", "t.file(\"a.csv\", t.fixture(\"fixtures/a.csv\"))",
			[]param{{Name: "path", Type: hostlib.String, Doc: "where, from the folder of the file of tests"}}, "string, or bytes if it is no UTF-8",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				return t.fixture(a.String("path"))
			}),
		method("secret", "Sets a secret that scripts get by secrets.get.", "t.secret(\"crm_token\", \"a-long-token\")", "t.secret(\"crm_token\", \"a-long-token\")",
			[]param{{Name: "name", Type: hostlib.String, Doc: "its name"}, {Name: "value", Type: hostlib.String, Doc: "its value, at least 4 characters"}}, "",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				if err := (*engine.Secrets)(nil).Add(a.String("value")); err != nil {
					return nil, err
				}
				t.secrets[a.String("name")] = a.String("value")
				return nil, nil
			}),
		method("connection", "Gives the database that scripts reach by db.connect(name): an empty one at first.", "t.connection(\"crm\").exec(\"CREATE TABLE people (id INTEGER PRIMARY KEY)\")", "t.connection(\"crm\").exec(\"CREATE TABLE people (id INTEGER PRIMARY KEY)\")",
			[]param{{Name: "name", Type: hostlib.String, Doc: "the connection's name"}}, "connection",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				c, err := t.connect(t.ctx, a.String("name"), false)
				if err != nil {
					return nil, err
				}
				return hostlib.NewConnection(a.String("name"), autocommitOn(c)), nil
			}),
		method("sftp", "Gives the server of files that scripts reach by sftp.connect(name): an empty one at first.", "t.sftp(\"bank\").file(\"a.csv\", \"id\\n1\\n\")", "t.sftp(\"bank\").file(\"a.csv\", \"id\\n1\\n\")",
			[]param{{Name: "name", Type: hostlib.String, Doc: "the server's name"}}, "test_sftp",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				return t.server("sftp", a.String("name"))
			}),
		method("ftp", "Gives the server of files that scripts reach by ftp.connect(name): an empty one at first.", "t.ftp(\"partner\").file(\"a.csv\", \"id\\n1\\n\")", "t.ftp(\"partner\").file(\"a.csv\", \"id\\n1\\n\")",
			[]param{{Name: "name", Type: hostlib.String, Doc: "the server's name"}}, "test_ftp",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				return t.server("ftp", a.String("name"))
			}),
		method("s3", "Gives the bucket that scripts reach by its name: an empty one at first.", "t.s3(\"archive\").file(\"in/a.csv\", \"id\\n1\\n\")", "t.s3(\"archive\").file(\"in/a.csv\", \"id\\n1\\n\")",
			[]param{{Name: "name", Type: hostlib.String, Doc: "the bucket as scripts call it: the name of [s3.NAME], or \"NAME/BUCKET\" where that has several"}}, "test_s3",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				return t.bucket(a.String("name"))
			}),
		method("table", "Gives the rows of a table of the job database, in the same order on every database: NULL comes first, text by its bytes. A json column comes as its text, which MySQL writes in a way of its own: compare json.decode of it.",
			"t.table(\"people\", order_by = \"id\")  # [{\"id\": 1, \"name\": \"Ada\"}, {\"id\": 2, \"name\": \"Grace\"}]",
			"t.table(\"people\", {order_by = \"id\"})  -- {{id = 1, name = \"Ada\"}, {id = 2, name = \"Grace\"}}",
			[]param{{Name: "name", Type: hostlib.String, Doc: "the table"}, {Name: "order_by", Type: hostlib.String, Default: hostlib.None, Doc: "the columns by which they are sorted, and then by all others; None: by all of them"}}, "list of dict",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				return t.table(a.String("name"), a.String("order_by"))
			}),
		method("logs", "Gives what the hooks have logged: dicts with level, message, fields, phase and attempt.", "t.logs()[0][\"message\"]  # \"imported\"", "t.logs()[1].message  -- \"imported\"", nil, "list of dict",
			func(_ *hostlib.Call, t *tester, _ *hostlib.Args) (hostlib.Value, error) { return t.logged() }),
		method("rejects", "Gives the rows that were rejected: dicts with row, reason, source, line and state: open, redriving, redriven or closed. Those of a job come by source and line.", "len(t.rejects())  # 0", "#t.rejects()  -- 0", nil, "list of dict",
			func(_ *hostlib.Call, t *tester, _ *hostlib.Args) (hostlib.Value, error) { return t.rejected() }),
		method("enqueued", "Gives the jobs of other types, and of this one, that were made and have not been run: dicts with type, payload, key, phase, priority and run_at.", "t.enqueued()[0][\"type\"]  # \"mail\"", "t.enqueued()[1].type  -- \"mail\"", nil, "list of dict",
			func(_ *hostlib.Call, t *tester, _ *hostlib.Args) (hostlib.Value, error) { return t.waiting() }),
		method("skip", "Ends the test: it is left out, for a reason.", "t.skip(\"needs the new feed\")", "t.skip(\"needs the new feed\")",
			[]param{{Name: "reason", Type: hostlib.String, Doc: "why"}}, "",
			func(c *hostlib.Call, _ *tester, a *hostlib.Args) (hostlib.Value, error) {
				return nil, stop(c, &Stop{Skipped: true, Message: a.String("reason")})
			}),
	}
}

func (t *tester) fixture(p string) (hostlib.Value, error) {
	t.reads = append(t.reads, filepath.Join(t.folder, filepath.FromSlash(p)))
	root, err := os.OpenRoot(t.folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	data, err := root.ReadFile(filepath.FromSlash(p))
	if err != nil {
		return nil, hostlib.Errorf("file.missing", "there is no fixture %q below %s: %v", p, t.folder, err)
	}
	return textOrBytes(data), nil
}

// values are a type's state, or the shared variables.
type values struct {
	w      *world
	shared bool
}

// ObjectType is test_values.
func (*values) ObjectType() *hostlib.ObjectType { return valuesType }

var valueName = param{Name: "name", Type: hostlib.String, Doc: "the value's name"}

var instanceParam = param{Name: "instance", Type: hostlib.String, Default: hostlib.None, Named: true, Doc: "for state: of which instance"}

var valuesType = &hostlib.ObjectType{
	Name: "test_values", Doc: "A job type's own values (t.state), or those that all share (t.vars).",
	Methods: []*hostlib.Func{
		method("get", "Gives a value.", "t.state.get(\"since\")  # 1", "t.state.get(\"since\")  -- 1",
			[]param{valueName, {Name: "default", Type: hostlib.Any, Default: hostlib.None, Doc: "what to give if it is not set"}, instanceParam}, "any value",
			func(_ *hostlib.Call, v *values, a *hostlib.Args) (hostlib.Value, error) {
				scope, err := v.scope(a.String("instance"))
				if err != nil {
					return nil, err
				}
				got, err := v.w.store.Variable(v.w.ctx, scope, a.String("name"))
				if err != nil || got.Value != nil {
					return hostlib.JSON(got.Value), err
				}
				return a.Value("default"), nil
			}),
		method("set", "Sets a value.", "t.state.set(\"since\", \"2024-01-01\")", "t.state.set(\"since\", \"2024-01-01\")",
			[]param{valueName, {Name: "value", Type: hostlib.Data, Doc: "data"}, instanceParam}, "",
			func(_ *hostlib.Call, v *values, a *hostlib.Args) (hostlib.Value, error) {
				raw, err := hostlib.KeepJSON(a.Value("value"))
				if err != nil {
					return nil, err
				}
				return nil, v.set(a.String("instance"), a.String("name"), raw)
			}),
		method("delete", "Forgets a value.", "t.state.delete(\"since\")", "t.state.delete(\"since\")", []param{valueName, instanceParam}, "",
			func(_ *hostlib.Call, v *values, a *hostlib.Args) (hostlib.Value, error) {
				return nil, v.set(a.String("instance"), a.String("name"), nil)
			}),
		method("keys", "Lists the names that are set, sorted.", "t.state.keys()  # [\"since\"]", "t.state.keys()  -- {\"since\"}", []param{instanceParam}, "list of string",
			func(_ *hostlib.Call, v *values, a *hostlib.Args) (hostlib.Value, error) {
				scope, err := v.scope(a.String("instance"))
				if err != nil {
					return nil, err
				}
				names, err := v.w.store.VariableNames(v.w.ctx, scope)
				list := []hostlib.Value{}
				for _, n := range names {
					list = append(list, n)
				}
				return list, err
			}),
	},
}

func (v *values) scope(instance string) (engine.Scope, error) {
	if v.shared {
		return engine.Scope{}, v.w.open()
	}
	return v.w.scope(instance)
}

// scope is where what belongs to the type is kept, or to one of its instances.
func (w *world) scope(instance string) (engine.Scope, error) {
	if err := w.open(); err != nil {
		return engine.Scope{}, err
	}
	t, err := w.eng.Type(w.ctx, w.typ.Name)
	return engine.Scope{Type: t.ID, Instance: instance}, err
}

func (v *values) set(instance, name string, raw engine.Raw) error {
	scope, err := v.scope(instance)
	if err != nil {
		return err
	}
	return v.w.store.SetVariables(v.w.ctx, []engine.VariableWrite{{Scope: scope, Name: name, Value: raw, Seen: -1}})
}
