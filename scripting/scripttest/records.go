package scripttest

import (
	"encoding/hex"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// sources are what the job type has noted of the rows of its sources.
type sources struct{ w *world }

// ObjectType is test_records.
func (*sources) ObjectType() *hostlib.ObjectType { return recordsType }

var (
	sourceParam = param{Name: "source", Type: hostlib.String, Doc: "the source, as the script names it"}
	keyParam    = param{Name: "key", Type: hostlib.Any, Doc: "the row's key: a string or a whole number, or a list of them where the key has several columns"}
	rowParam    = param{Name: "row", Type: hostlib.Any, Doc: "the row, or the hash of its content, as dsengine replay --save writes it"}
	fieldsParam = param{Name: "fields", Type: hostlib.Strings, Default: hostlib.None, Named: true, Doc: "the columns that count; None: all"}
)

var recordsType = &hostlib.ObjectType{
	Name: "test_records", Doc: "What the job type has noted of the rows of its sources, which scripts have by records.",
	Methods: []*hostlib.Func{
		method("mark", "Notes that a row was taken with this content: records.changed leaves it out as long as it is the same.",
			"t.records.mark(\"crm\", 7, {\"name\": \"Ada\"})", "t.records.mark(\"crm\", 7, {name = \"Ada\"})",
			[]param{sourceParam, keyParam, rowParam, fieldsParam, inParam}, "",
			func(c *hostlib.Call, s *sources, a *hostlib.Args) (hostlib.Value, error) {
				content, err := recordSum(c, a)
				if err != nil {
					return nil, err
				}
				return nil, s.write(c, a, engine.RecordWrite{Set: true, Content: content})
			}),
		method("link", "Notes the id that a row has at its destination: records.id gives it.",
			"t.records.link(\"crm\", 7, \"person-7\")", "t.records.link(\"crm\", 7, \"person-7\")",
			[]param{sourceParam, keyParam, {Name: "id", Type: hostlib.Any, Doc: "a string or a whole number"}, inParam}, "",
			func(c *hostlib.Call, s *sources, a *hostlib.Args) (hostlib.Value, error) {
				id, err := c.RecordID(a.Value("id"))
				if err != nil {
					return nil, err
				}
				return nil, s.write(c, a, engine.RecordWrite{Link: true, Relink: true, ID: id})
			}),
		method("status", "Says whether a row would be new, changed or the same.",
			"t.records.status(\"crm\", 7, {\"name\": \"Ada\"})  # \"new\"", "t.records.status(\"crm\", 7, {name = \"Ada\"})  -- \"new\"",
			[]param{sourceParam, keyParam, rowParam, fieldsParam, inParam}, "string",
			func(c *hostlib.Call, s *sources, a *hostlib.Args) (hostlib.Value, error) {
				content, err := recordSum(c, a)
				if err != nil {
					return nil, err
				}
				rec, by, err := s.read(c, a)
				return rec.Status(content, by).String(), err
			}),
		method("id", "Gives the id that a row has at its destination, or None.",
			"t.records.link(\"crm\", 7, 4711)\nt.records.id(\"crm\", 7)  # 4711", "t.records.link(\"crm\", 7, 4711)\nt.records.id(\"crm\", 7)  -- 4711",
			[]param{sourceParam, keyParam, inParam}, "string or int",
			func(c *hostlib.Call, s *sources, a *hostlib.Args) (hostlib.Value, error) {
				rec, _, err := s.read(c, a)
				if err != nil || rec.Linked() == "" {
					return nil, err
				}
				return hostlib.DecodeJSON([]byte(rec.Linked()))
			}),
	},
}

// recordSum is the hash of the content that a call is given.
func recordSum(c *hostlib.Call, a *hostlib.Args) (sum engine.RecordSum, err error) {
	text, ok := c.Lang.Plain(a.Value("row")).(string)
	if !ok {
		return c.RecordContent(a.Value("row"), a.Strings("fields"))
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(sum) {
		return sum, hostlib.Errorf("usage", "row: got %q, wanted the row, or a hash of %d digits", text, 2*len(sum))
	}
	return engine.RecordSum(raw), nil
}

// row is the row that a call is about, and the session and the name in which it is
// looked at.
func (s *sources) row(c *hostlib.Call, a *hostlib.Args) (key engine.RecordKey, by engine.RecordBy, db *autocommit, err error) {
	if key, err = c.RecordKey(a.Value("key")); err != nil {
		return key, by, nil, hostlib.Errorf("usage", "key: %v", err)
	}
	if by.Scope, err = s.w.scope(a.String("instance")); err == nil {
		db, err = s.w.session()
	}
	return key, by, db, err
}

func (s *sources) write(c *hostlib.Call, a *hostlib.Args, w engine.RecordWrite) error {
	key, by, db, err := s.row(c, a)
	if err != nil {
		return err
	}
	w.Source, w.Key = a.String("source"), key
	return db.commit(s.w.ctx, s.w.store.WriteRecords(s.w.ctx, db.Joined, engine.RecordWrites{By: by, List: []engine.RecordWrite{w}}))
}

// read is what is kept of a row; nil: nothing.
func (s *sources) read(c *hostlib.Call, a *hostlib.Args) (*engine.Record, engine.RecordBy, error) {
	key, by, db, err := s.row(c, a)
	if err != nil {
		return nil, by, err
	}
	defer db.Rollback(s.w.ctx)
	list, err := s.w.store.Records(s.w.ctx, db.Joined, by, a.String("source"), []engine.RecordKey{key})
	if err != nil {
		return nil, by, err
	}
	return list[0], by, nil
}
