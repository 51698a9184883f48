package hostlib

import (
	"time"

	"github.com/google/uuid"
)

// namespaces are those that have names.
var namespaces = map[string]uuid.UUID{
	"dns": uuid.NameSpaceDNS, "url": uuid.NameSpaceURL, "oid": uuid.NameSpaceOID, "x500": uuid.NameSpaceX500,
}

var uuidModule = &Module{
	Name: "uuid",
	Doc:  "Universally unique identifiers, as text of lower-case letters.",
	Funcs: []*Func{
		{
			Name: "v4", Doc: "Gives a random identifier. A hook that runs again gets another one; see v5 for one that stays.",
			Returns: "string", Effect: Read,
			Example: "len(uuid.v4())  # 36",
			Lua:     "#uuid.v4()  -- 36",
			Do: func(c *Call, _ *Args) (Value, error) {
				id, err := uuid.NewRandomFromReader(c.Host.random())
				return id.String(), err
			},
		},
		{
			Name: "v5", Doc: "Gives the identifier of a name: the same name always has the same one, so that a row that is imported again keeps its identifier.",
			Params: []Param{
				{Name: "namespace", Type: String, Doc: `"dns", "url", "oid", "x500", or an identifier of your own`},
				{Name: "name", Type: Text, Doc: "the name within it"},
			},
			Returns: "string",
			Example: "uuid.v5(\"dns\", \"example.com\")  # \"cfbff0d1-9375-5685-968c-48ce8b15ae17\"",
			Lua:     "uuid.v5(\"dns\", \"example.com\")  -- \"cfbff0d1-9375-5685-968c-48ce8b15ae17\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				space, ok := namespaces[a.String("namespace")]
				if !ok {
					var err error
					if space, err = uuid.Parse(a.String("namespace")); err != nil {
						return nil, Errorf("usage", "namespace: got %q, wanted \"dns\", \"url\", \"oid\", \"x500\" or a UUID%s", a.String("namespace"), Suggest(a.String("namespace"), []string{"dns", "url", "oid", "x500"}))
					}
				}
				return uuid.NewSHA1(space, textBytes(a.Value("name"))).String(), nil
			},
		},
		{
			Name: "v7", Doc: "Gives an identifier that begins with the time by the database's clock: later ones sort after earlier ones.",
			Returns: "string", Effect: Read,
			Example: "uuid.v7()[14]  # \"7\"",
			Lua:     "string.sub(uuid.v7(), 15, 15)  -- \"7\"",
			Do: func(c *Call, _ *Args) (Value, error) {
				id, err := uuid.NewRandomFromReader(c.Host.random())
				if err != nil {
					return nil, err
				}
				return version7(c.Hook.Now(), id).String(), nil
			},
		},
		{
			Name: "parse", Doc: "Reads an identifier in any of its usual forms, and gives it in lower case with four dashes.",
			Params: []Param{{Name: "text", Type: String, Doc: "such as \"{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}\""}}, Returns: "string",
			Example: "uuid.parse(\"6BA7B8109DAD11D180B400C04FD430C8\")  # \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"",
			Lua:     "uuid.parse(\"6BA7B8109DAD11D180B400C04FD430C8\")  -- \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				id, err := uuid.Parse(a.String("text"))
				if err != nil {
					return nil, Errorf("uuid.syntax", "%q is no UUID", a.String("text"))
				}
				return id.String(), nil
			},
		},
	},
}

// version7 makes a version 7 identifier of random bytes: 48 bits of
// milliseconds, then 12 bits of their fraction (RFC 9562, 6.2, method 3).
func version7(t time.Time, id uuid.UUID) uuid.UUID {
	ms := t.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	part := uint16(int64(t.Nanosecond()%int(time.Millisecond)) * 4096 / int64(time.Millisecond))
	id[6], id[7] = 0x70|byte(part>>8), byte(part)
	id[8] = id[8]&0x3f | 0x80
	return id
}
