package hostlib

import (
	"slices"
	"strings"
)

// SettingDoc describes a setting of job().
type SettingDoc struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Default string `json:"default"` // as scripts write it; "" for none
	Doc     string `json:"doc"`
}

// settingDocs are the types of settings that take several forms, and the
// defaults.
var settingDocs = map[string]struct{ typ, def string }{
	"every": {"", ""}, "cron": {"", ""}, "timezone": {"", `"UTC"`}, "missed": {"", `"once"`}, "overlap": {"", `"skip"`},
	"instances": {"dict, or string", ""}, "timeout": {`a length of time such as "5m", or a dict of them`, `"1h"`},
	"retry": {"what retry(...) gives", "retry()"}, "slots": {"dict of ints", `{"produce": 1, "consume": 4}`}, "priority": {"", "0"},
	"keep": {`a length of time such as "7d", or a dict of them`, `"7d"`}, "servers": {"", `["*"]`}, "needs": {"", "[]"}, "steps": {"", "1000000000"},
	"rejects": {`int, a share such as "10%", or "all"`, `"10%"`},
}

// Settings describes the settings of job(), in their order.
func Settings() []SettingDoc {
	var list []SettingDoc
	for _, s := range settings {
		if s.notYet {
			continue
		}
		d := SettingDoc{Name: s.name, Type: s.kind.String(), Doc: s.doc}
		if more, ok := settingDocs[s.name]; ok {
			if d.Default = more.def; more.typ != "" {
				d.Type = more.typ
			}
		}
		list = append(list, d)
	}
	return list
}

// Words say what an effect means to the author of a script.
func (e Effect) Words() string {
	switch e {
	case Pure:
		return "none: it computes, and may be called at the top level too"
	case Read:
		return "it reads what is outside the script"
	case Write:
		return "what it does commits or is rolled back with the hook"
	}
	return "at once, and no rollback undoes it: a hook that runs again does it again"
}

// DefaultText is the default of the parameter as scripts write it; "" if the
// argument must be given.
func (p *Param) DefaultText() string {
	if p.Default == nil {
		return ""
	}
	return literal(p.Default)
}

// TypeText is what the parameter takes: its type, or the strings that it may be.
func (p *Param) TypeText() string {
	if len(p.Choices) > 0 {
		return quotedList(p.Choices)
	}
	return p.Type.String()
}

// TypeNamed is the type of objects of a name, or nil.
func TypeNamed(name string) *ObjectType {
	for _, t := range Types {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Documented are all names that docs know, sorted: modules, globals, types, and
// what they have.
func Documented() []string {
	var names []string
	for _, m := range Modules {
		names = append(names, m.Name)
		for _, n := range m.Names() {
			names = append(names, m.Name+"."+n)
		}
	}
	for _, f := range Globals {
		names = append(names, f.Name)
	}
	for _, t := range Types {
		names = append(names, t.Name)
		for _, n := range t.Names() {
			names = append(names, t.Name+"."+n)
		}
	}
	for _, s := range Settings() {
		names = append(names, "job."+s.Name)
	}
	for _, h := range Hooks {
		names = append(names, h.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// FirstSentence is the beginning of a doc, for lists.
func FirstSentence(doc string) string {
	for i := 0; i < len(doc); i++ {
		if doc[i] != '.' || i+1 < len(doc) && doc[i+1] != ' ' {
			continue
		}
		if i+2 >= len(doc) || strings.ToUpper(doc[i+2:i+3]) == doc[i+2:i+3] {
			return doc[:i+1]
		}
	}
	return doc
}

// IsAttr says whether objects of any type have an attribute or a method of the name.
func IsAttr(name string) bool {
	for _, t := range Types {
		if findFunc(t.Methods, name) != nil || slices.ContainsFunc(t.Attrs, func(a Attr) bool { return a.Name == name }) {
			return true
		}
	}
	return false
}
