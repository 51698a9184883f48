package hostlib

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

// What can be said of a call that was not made, from what its arguments are
// known to be.

// Problem is something wrong, or doubtful, in a script that was not run.
type Problem struct {
	LoadError
	Code    string `json:"code"`           // a word for its kind: "unused"
	Hint    string `json:"hint,omitempty"` // what to do
	Warning bool   `json:"warning"`        // it may be meant so
}

// Text is file:line:column: message, as LoadError has it; a warning says so.
func (p *Problem) Text() string {
	e := p.LoadError
	if p.Warning {
		e.Message = "warning: " + e.Message
	}
	return e.Error()
}

// Unknown is an argument of which nothing is known.
var Unknown Value = unknown{}

type unknown struct{}

// Beginning is a string of which the beginning is known.
type Beginning string

// Like is an argument of which only the kind is known: that of a value, or an object of
// a type.
type Like struct{ Value }

// Found is what was found of expressions: of a long chain each is asked for its whole
// beginning, and what a name stands for wherever it is used.
type Found[E comparable, T any] map[E]T

// Of is what find finds of an expression.
func (f *Found[E, T]) Of(e E, find func(E) T) T {
	v, ok := (*f)[e]
	if !ok {
		v = find(e)
		if *f == nil {
			*f = Found[E, T]{}
		}
		(*f)[e] = v
	}
	return v
}

// MaxKnown bounds how much is known of a value that is put together, in bytes, or in
// elements: it is kept of each beginning of a long chain, and names may double it.
const MaxKnown = 8 << 10

// Fault is what is wrong with a call.
type Fault struct {
	Arg int // which argument, those by name after the others; -1: none of them
	Err error
}

// CheckCall says what is wrong with a call of the function. more says that it
// has arguments that cannot be seen: *args or **kwargs.
func (f *Func) CheckCall(c *Call, args []Value, named []Named, more bool) (faults []Fault) {
	given, known := make([]bool, len(f.Params)), map[string]Value{}
	bad := func(arg int, err error) { faults = append(faults, Fault{arg, err}) }
	take := func(arg, i int, v Value) {
		given[i] = true
		p := &f.Params[i]
		switch part := v.(type) {
		case unknown:
			return
		case Beginning:
			known[p.Name] = part
			v = "" // any text, for its type
			if len(p.Choices) > 0 || p.Fits != nil || takesWords(p.Type) {
				return
			}
		case Like:
			v = part.Value
		}
		if known[p.Name] == nil {
			known[p.Name] = c.Lang.Plain(v)
		}
		if f == GlobalNamed("job") {
			return // see CheckSettings
		}
		if t, ok := v.(*ObjectType); ok {
			if !p.takes(t) {
				bad(arg, p.wrong(c, v))
			}
			return
		}
		_, err := p.convert(c, v)
		if err == nil && p.Holds != nil {
			err = p.Holds(c, v)
		}
		if err != nil {
			bad(arg, err)
		}
	}
	next, misnamed := 0, false
	for n, v := range args {
		for next < len(f.Params) && f.Params[next].Named {
			next++
		}
		switch {
		case next == len(f.Params) || f.Params[next].Others:
			bad(n, f.tooMany(c, len(args)))
		case f.Params[next].Rest:
			continue
		default:
			take(n, next, v)
			next++
			continue
		}
		break
	}
	for n, arg := range named {
		i := f.index(arg.Name)
		switch {
		case i >= 0 && !given[i]:
			take(len(args)+n, i, arg.Value)
		case f.open():
		case i >= 0:
			bad(len(args)+n, Errorf("usage", "argument %q is given twice", arg.Name))
		default:
			misnamed = true
			bad(len(args)+n, f.Unknown(arg.Name, c.Lang.Signature(f)))
		}
	}
	for i := range f.Params {
		// An argument under a wrong name may be the one that is missing.
		if p := &f.Params[i]; !given[i] && !more && !misnamed && p.Default == nil && !p.Rest && !p.Others {
			bad(-1, Errorf("usage", "argument %q is missing: %s", p.Name, c.Lang.Signature(f)))
		}
	}
	if f.Together != nil && len(faults) == 0 {
		err := f.Together(func(name string) Value { return known[name] }, func(name string) bool {
			i := f.index(name)
			return more || i >= 0 && given[i]
		})
		if err != nil {
			bad(-1, err)
		}
	}
	return faults
}

// takes says whether objects of a type can be given for the parameter.
func (p *Param) takes(t *ObjectType) bool {
	switch p.Type {
	case Any, Truth:
		return true
	case Data:
		return t.isData()
	case Duration:
		return t == durationType
	case Moment:
		return t == timeType
	case Source:
		return slices.ContainsFunc(streams, func(s streamObject) bool { return s.ObjectType() == t })
	}
	return false
}

// takesWords says that not every string is good for a type.
func takesWords(t ParamType) bool { return t == Duration || t == Size }

// CheckSettings says what is wrong with each setting of job() whose value is
// known; later ones win.
func CheckSettings(c *Call, given []Named) (faults []Fault) {
	values := map[string]Value{}
	for n, g := range given {
		if err := CheckSetting(g.Name); err != nil {
			faults = append(faults, Fault{n, err})
			continue
		}
		switch g.Value.(type) {
		case unknown, Beginning, Like:
			delete(values, g.Name)
			continue
		}
		values[g.Name] = g.Value
		var clash error
		if other := map[string]string{"every": "cron", "cron": "every"}[g.Name]; values[other] != nil && g.Value != nil {
			clash = Errorf("usage", "give every or cron, not both") // told once; others are judged with the last one
			delete(values, other)
		}
		d := Declaration{Type: c.Job.Type}
		for _, s := range settings {
			// What a setting needs of others is judged with them.
			with, ok := values[s.name]
			if !ok || s.name != g.Name && !(s.name == "every" || s.name == "cron" || s.name == "timezone") {
				continue
			}
			err := s.apply(&d, c, with)
			if err == nil && s.name == g.Name {
				if err = d.Settings.Validate(); err == nil {
					err = clash
				}
			}
			if err != nil && s.name == g.Name {
				faults = append(faults, Fault{n, err})
			}
		}
	}
	return faults
}

// Asked is something that a call needs.
type Asked struct {
	Arg  string // the parameter that names it
	Line string // of needs
	Err  error  // it is not among them; nil: it is
}

// Asks says what a call needs, as far as its arguments are known: arg gives that
// of a parameter, which is Unknown where it is not.
func (f *Func) Asks(n *Needs, arg func(p *Param) Value) (list []Asked) {
	for i := range f.Params {
		p := &f.Params[i]
		kind := f.asks(p)
		if kind == "" || n.byInstance(kind) {
			continue
		}
		v := arg(p)
		if v == nil {
			if v = p.Default; v == nil || v == None {
				continue
			}
		}
		words := []Value{v}
		if several, ok := v.([]Value); ok {
			words = several
		}
		for _, w := range words {
			if line, err, ok := n.asked(kind, w); ok {
				list = append(list, Asked{p.Name, line, err})
			}
		}
	}
	return list
}

// asks is the kind of needs that a parameter names, or "".
func (f *Func) asks(p *Param) string {
	switch {
	case p.Rest || p.Others:
		return ""
	case p.Name == "base_url" || p.Name == "token_url":
		return "http" // of what is asked later
	case f.Needs == "":
		return ""
	}
	if p.Type == Source {
		return "files"
	}
	switch f.Needs {
	case "files":
		if f.Param("to") != nil { // from elsewhere
			if p.Name == "to" {
				return "files"
			}
			return ""
		}
		for i := range f.Params {
			if f.Params[i].Type == Source {
				return ""
			}
		}
		switch p.Name {
		case "path", "glob", "src", "dst":
			return "files"
		}
	case "http":
		if p.Name == "url" {
			return "http"
		}
	case "s3":
		if p.Name == "bucket" || p.Name == "to_bucket" || f.String() == "s3.bucket" && p.Name == "name" {
			return "s3"
		}
	case "mail":
		if p.Name == "to" {
			return "mail"
		}
	case "secret":
		if p.Name == "webhook" || p.Name == "name" {
			return "secret"
		}
	case "db", "sftp", "ftp":
		if p.Name == "name" {
			return f.Needs
		}
	}
	return ""
}

// byInstance says that needs of a kind depend on the instance, which is not known.
func (n *Needs) byInstance(kind string) bool {
	for _, line := range n.Lines {
		if strings.HasPrefix(line, kind+":") && strings.Contains(line, instanceMark) {
			return true
		}
	}
	return false
}

// asked says whether a value, of which maybe only the beginning is known, is
// among the needs; false if that cannot be said.
func (n *Needs) asked(kind string, v Value) (line string, err error, ok bool) {
	text, whole := v.(string)
	if !whole {
		start, is := v.(Beginning)
		if text = string(start); !is || kind != "http" || !strings.Contains(strings.TrimPrefix(strings.TrimPrefix(text, "https://"), "http://"), "/") {
			return "", nil, false
		}
	}
	switch kind {
	case "files":
		p, err := cleanPath(text)
		if err != nil {
			return "", err, true
		}
		if strings.HasSuffix(text, "/") { // a folder, for a file whose name is not known
			return "", nil, false
		}
		return "files:" + p, n.file(p, ""), true
	case "secret", "s3":
		return kind + ":" + text, n.name(kind, text, ""), text != ""
	case "mail":
		a, err := mail.ParseAddress(text)
		if err != nil {
			return "", nil, false
		}
		return "mail:" + a.Address, n.name("mail", a.Address, ""), true
	case "db":
		return "db:" + text, n.db(text, "", false), text != ""
	case "http":
		return n.askedHost("http", text)
	case "sftp", "ftp":
		if strings.Contains(text, "://") {
			return n.askedHost(kind, text)
		}
		_, err := n.host(kind, strings.ToLower(text), "", false, "")
		return kind + ":" + text, err, text != ""
	}
	return "", nil, false
}

func (n *Needs) askedHost(kind, text string) (line string, err error, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", nil, false
	}
	host, err := hostName(u.Hostname())
	if err != nil {
		return "", nil, false
	}
	port, explicit := u.Port(), u.Port() != ""
	if kind == "http" {
		if host, port, explicit, err = hostOf(u); err != nil {
			return "", nil, false
		}
	}
	if port == "" {
		port = defaultPorts[kind]
	}
	_, err = n.host(kind, host, port, explicit, "")
	return needsHost(kind, host, port, explicit), err, true
}
