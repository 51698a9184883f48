package hostlib

import (
	"io"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var (
	patternParam = Param{Name: "pattern", Type: Any, Doc: "a regular expression, or what re.compile gives"}
	textParam    = Param{Name: "text", Type: String, Doc: "the text to look at"}
	countParam   = Param{Name: "count", Type: Int, Default: int64(0), Doc: "how many at most; 0: all"}
	replParam    = Param{Name: "repl", Type: Any, Doc: `the new text, with \1, \g<1> or \g<name> for groups and \\ for a backslash; or a function that is given the match`}
)

var reModule = &Module{
	Name: "re",
	Doc: "Regular expressions, called as in Python. They are RE2: every search takes time in proportion to the text, and so there are no back references and no look-around. " +
		"As in Python, \\w, \\d, \\s and \\b know the letters, digits and spaces of all languages, and $ matches at the end and before a line feed there; \\Z is the very end. " +
		"Accents that are characters of their own are not in \\w: add \\pM, as in [\\w\\pM]+. [[:alpha:]] and its like are ASCII. " +
		"Flags stand at the beginning of the expression, such as (?i); (?a) keeps \\w, \\d, \\s and \\b to ASCII. An empty match right behind another match is left out. Compiled expressions are kept: nothing is gained by re.compile but a name.",
	Funcs: append([]*Func{
		{
			Name: "compile", Doc: "Reads a regular expression. The result has the functions of this module as methods.",
			Params:  []Param{{Name: "pattern", Type: String, Doc: `such as r"(\d+)-(?P<name>\w+)"`}},
			Returns: "pattern",
			Example: "re.compile(r\"\\d+\").findall(\"7 of 12\")  # [\"7\", \"12\"]",
			Lua:     "re.compile(\"\\\\d+\").findall(\"7 of 12\")  -- {\"7\", \"12\"}",
			Do:      func(_ *Call, a *Args) (Value, error) { return compile(a.String("pattern")) },
		},
		{
			Name: "escape", Doc: "Gives an expression that matches just this text.",
			Params: []Param{textParam}, Returns: "string",
			Example: "re.escape(\"1.5*\")  # \"1\\\\.5\\\\*\"",
			Lua:     "re.escape(\"1.5*\")  -- \"1\\\\.5\\\\*\"",
			Do:      func(_ *Call, a *Args) (Value, error) { return regexp.QuoteMeta(a.String("text")), nil },
		},
	}, patternFuncs(false)...),
}

// patternFuncs are what a pattern can do: as methods of it, or as functions of
// the module whose first parameter it is.
func patternFuncs(methods bool) []*Func {
	// In the examples {f} is the call up to the text.
	fn := func(name, doc, returns string, params []Param, expression, example, lua string, do func(c *Call, p *pattern, a *Args) (Value, error)) *Func {
		f := &Func{Name: name, Doc: doc, Returns: returns, Params: params}
		if methods {
			f.Example = strings.ReplaceAll(example, "{f}", "re.compile(r\""+expression+"\")."+name+"(")
			f.Lua = strings.ReplaceAll(lua, "{f}", "re.compile("+strconv.Quote(expression)+")."+name+"(")
			f.Do = func(c *Call, a *Args) (Value, error) { return do(c, a.Self.(*pattern), a) }
			return f
		}
		f.Example = strings.ReplaceAll(example, "{f}", "re."+name+"(r\""+expression+"\", ")
		f.Lua = strings.ReplaceAll(lua, "{f}", "re."+name+"("+strconv.Quote(expression)+", ")
		f.Params = append([]Param{patternParam}, params...)
		f.Do = func(c *Call, a *Args) (Value, error) {
			p, err := patternOf(c, a.Value("pattern"))
			if err != nil {
				return nil, err
			}
			return do(c, p, a)
		}
		return f
	}
	text := []Param{textParam}
	return []*Func{
		fn("match", "Looks for a match at the beginning of the text; None if there is none.", "match", text,
			`(\w+)@`, `{f}"jürgen@example.com").group(1)  # "jürgen"`, `{f}"jürgen@example.com").group(1)  -- "jürgen"`,
			func(c *Call, p *pattern, a *Args) (Value, error) { return p.first(c, atStart, a.String("text")) }),
		fn("fullmatch", "Matches the whole text; None if it does not.", "match", text,
			`\d{4}`, `{f}"20255")  # None`, `{f}"20255")  -- nil`,
			func(c *Call, p *pattern, a *Args) (Value, error) { return p.first(c, whole, a.String("text")) }),
		fn("search", "Looks for the first match anywhere in the text; None if there is none.", "match", text,
			`(?P<year>\d{4})`, `{f}"in 1843").group("year")  # "1843"`, `{f}"in 1843").group("year")  -- "1843"`,
			func(c *Call, p *pattern, a *Args) (Value, error) { return p.first(c, anywhere, a.String("text")) }),
		fn("findall", "Lists all matches: their text, or that of the group if the expression has one, or tuples of the groups if it has several.", "list", text,
			`(\w)=(\d)`, `{f}"a=1 b=2")  # [("a", "1"), ("b", "2")]`, `{f}"a=1 b=2")  -- {{"a", "1"}, {"b", "2"}}`,
			func(c *Call, p *pattern, a *Args) (Value, error) { return p.findAll(c, a.String("text")) }),
		fn("finditer", "Iterates over all matches, which are looked for as they are asked for.", "iterator of match", text,
			`\d+`, `[m.group() for m in {f}"7 of 12")]  # ["7", "12"]`, `list({f}"7 of 12"))[2].group()  -- "12"`,
			func(c *Call, p *pattern, a *Args) (Value, error) { return p.iterate(c, a.String("text")) }),
		fn("split", "Splits the text where the expression matches; what its groups matched stands between the pieces.", "list of string",
			[]Param{textParam, {Name: "maxsplit", Type: Int, Default: int64(0), Doc: "how often at most; 0: at each match"}},
			`\s*[,;]\s*`, `{f}"a, b;c")  # ["a", "b", "c"]`, `{f}"a, b;c")  -- {"a", "b", "c"}`,
			func(c *Call, p *pattern, a *Args) (Value, error) {
				return p.split(c, a.String("text"), a.Int("maxsplit"))
			}),
		fn("sub", "Puts other text in the place of each match.", "string", []Param{replParam, textParam, countParam},
			`(\d+)\.(\d+)\.(\d+)`, `{f}r"\3-\2-\1", "24.12.2025")  # "2025-12-24"`, `{f}"\\3-\\2-\\1", "24.12.2025")  -- "2025-12-24"`,
			func(c *Call, p *pattern, a *Args) (Value, error) {
				return p.substitute(c, a.Value("repl"), a.String("text"), a.Int("count"))
			}),
	}
}

// pattern is a compiled regular expression.
type pattern struct {
	source    string         // as the script has it
	text      string         // as RE2 has it, without (?a)
	ascii     bool           // (?a)
	re        *regexp.Regexp // for texts in ASCII, and its groups for all
	wide      bool           // it has classes that are others for other texts
	boundary  bool           // it has \b or \B, and not (?a)
	dollar    bool           // it has $, and not within (?m)
	looksBack bool           // see there
	steps     int            // it takes at most for a byte
	searchers [anchors][programs]struct {
		sync.Once
		searcher
		err error
	}
}

// searcher is a *regexp.Regexp or a *machine.
type searcher interface {
	FindStringSubmatchIndex(text string) []int
	FindAllStringSubmatchIndex(text string, n int) [][]int
}

// Where a match has to be.
const (
	anywhere = iota
	atStart
	whole
	anchors
)

// What a text is searched by.
const (
	plainProgram = iota
	unicodeProgram
	machineProgram
	programs
)

// ObjectType is pattern.
func (*pattern) ObjectType() *ObjectType { return patternType }

var patternType = &ObjectType{
	Name: "pattern", Doc: "A regular expression that re.compile has read.",
	Text: func(v Value) string { return "re.compile(" + strconv.Quote(v.(*pattern).source) + ")" },
	Attrs: []Attr{
		{Name: "pattern", Type: "string", Doc: "The expression as it was written.", Get: func(v Value) (Value, error) { return v.(*pattern).source, nil }},
		{Name: "groups", Type: "int", Doc: "How many groups it has.", Get: func(v Value) (Value, error) { return int64(v.(*pattern).re.NumSubexp()), nil }},
	},
	Methods: patternFuncs(true),
}

// compiled keeps patterns by their expression, for all hooks.
var compiled struct {
	sync.RWMutex
	by map[string]*pattern
}

// maxCompiled bounds how many patterns are kept; beyond it all are forgotten.
const maxCompiled = 512

func compile(expression string) (*pattern, error) {
	compiled.RLock()
	p := compiled.by[expression]
	compiled.RUnlock()
	if p != nil {
		return p, nil
	}
	p = &pattern{source: expression, steps: leastSteps}
	text, ascii := cutASCII(expression)
	p.text, p.boundary = classes{}.written(text)
	p.ascii, p.boundary = ascii, p.boundary && !ascii
	tree, err := syntax.Parse(p.text, syntax.Perl)
	if err == nil {
		p.looksBack, p.dollar = looksBack(tree), hasDollar(tree)
		if prog, err := syntax.Compile(tree.Simplify()); err == nil {
			p.steps = max(leastSteps, len(prog.Inst))
		}
		plain, _ := p.classes(plainProgram).written(p.text)
		wide, _ := p.classes(unicodeProgram).written(p.text)
		p.wide = wide != plain
		p.re, err = regexp.Compile(plain)
	}
	if err != nil {
		message := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		if strings.Contains(expression, "(?=") || strings.Contains(expression, "(?!") || strings.Contains(expression, "(?<=") || strings.Contains(expression, "(?<!") {
			message += "; RE2 has no look-around"
		} else if strings.Contains(message, "invalid escape sequence") {
			message += "; RE2 has no back references"
		}
		return nil, Errorf("re.syntax", "%q is no regular expression: %s", expression, message)
	}
	compiled.Lock()
	defer compiled.Unlock()
	if len(compiled.by) >= maxCompiled || compiled.by == nil {
		compiled.by = map[string]*pattern{}
	}
	compiled.by[expression] = p
	return p, nil
}

func patternOf(c *Call, v Value) (*pattern, error) {
	switch v := c.Lang.Plain(v).(type) {
	case *pattern:
		return v, nil
	case string:
		return compile(v)
	}
	return nil, Errorf("usage", "pattern: got %s, wanted string or what re.compile gives", c.Lang.TypeName(v))
}

// classes are those of a program.
func (p *pattern) classes(program int) classes {
	switch {
	case p.ascii:
		return asciiClasses
	case program == plainProgram:
		return plainClasses
	}
	return unicodeClasses()
}

// searcher is what finds matches in the text.
func (p *pattern) searcher(anchor int, text string) (searcher, error) {
	program := plainProgram
	switch {
	case p.dollar && strings.HasSuffix(text, "\n"):
		program = machineProgram
	case !p.wide && !p.boundary || isASCII(text):
	case p.boundary:
		program = machineProgram
	default:
		program = unicodeProgram
	}
	s := &p.searchers[anchor][program]
	s.Do(func() { s.searcher, s.err = p.compiled(anchor, program) })
	return s.searcher, s.err
}

func (p *pattern) compiled(anchor, program int) (searcher, error) {
	if anchor == anywhere && program == plainProgram {
		return p.re, nil
	}
	text, _ := p.classes(program).written(p.text)
	switch anchor {
	case atStart:
		text = `\A(?:` + text + `)`
	case whole:
		text = `\A(?:` + text + `)\z`
	}
	var s searcher
	var err error
	switch {
	case program != machineProgram:
		s, err = regexp.Compile(text)
	case p.ascii:
		s, err = newMachine(text, isASCIIWord)
	default:
		s, err = newMachine(text, isWord)
	}
	if err != nil {
		return nil, Errorf("re.syntax", "%q is no regular expression for a text beyond ASCII: %s", p.source, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return s, nil
}

func (p *pattern) first(c *Call, anchor int, text string) (Value, error) {
	s, err := p.searcher(anchor, text)
	if err != nil {
		return nil, err
	}
	at, err := searched(c, p, text, func() []int { return s.FindStringSubmatchIndex(text) })
	if at == nil || err != nil {
		return nil, err
	}
	return &reMatch{p: p, text: text, at: at}, nil
}

// all are where the pattern matches; the first n of them, or -1 for all.
func (p *pattern) all(c *Call, text string, n int) ([][]int, error) {
	s, err := p.searcher(anywhere, text)
	if err != nil {
		return nil, err
	}
	ctx := c.Context()
	return searched(c, p, text, func() [][]int {
		// A search that nobody waits for any more ends between two of these: each begins
		// anew, so there are few.
		for some := 4096; ; some *= 8 {
			last := n >= 0 && n <= some
			if last {
				some = n
			}
			found := s.FindAllStringSubmatchIndex(text, some)
			if last || len(found) < some || ctx.Err() != nil {
				return found
			}
		}
	})
}

func (p *pattern) findAll(c *Call, text string) (Value, error) {
	found := []Value{}
	all, err := p.all(c, text, -1)
	if err != nil {
		return nil, err
	}
	for _, at := range all {
		m := reMatch{p: p, text: text, at: at}
		switch n := p.re.NumSubexp(); n {
		case 0, 1:
			found = append(found, m.piece(n, ""))
		default:
			found = append(found, m.pieces(""))
		}
	}
	return found, nil
}

// ahead is how many matches an iterator looks for at once: at first, and at most.
const (
	firstAhead = 16
	mostAhead  = 4096
)

// iterate looks for some matches at a time, as they are asked for.
func (p *pattern) iterate(c *Call, text string) (Value, error) {
	s, err := p.searcher(anywhere, text)
	if err != nil {
		return nil, err
	}
	var found [][]int
	from, last, given, some := 0, -1, 0, firstAhead // last is where the last match ended
	done := false
	more := func() error {
		rest := text[from:]
		list, err := searched(c, p, rest, func() [][]int { return s.FindAllStringSubmatchIndex(rest, some) })
		if err != nil {
			return err
		}
		done = len(list) < some
		if p.looksBack { // each search begins at the beginning, and finds more
			found = list[min(given, len(list)):]
			given += len(found)
			some *= 8
			return nil
		}
		for _, at := range list {
			for i := range at {
				if at[i] >= 0 {
					at[i] += from
				}
			}
		}
		if len(list) > 0 && list[0][1] == last && list[0][0] == last { // empty, right behind the last one
			list = list[1:]
		}
		if found = list; len(list) > 0 {
			last = list[len(list)-1][1]
			from = last
		}
		some = min(8*some, mostAhead)
		return nil
	}
	return c.iterator("re.finditer", func() (Value, error) {
		for len(found) == 0 {
			if done {
				return nil, io.EOF
			}
			if err := more(); err != nil {
				return nil, err
			}
		}
		at := found[0]
		found = found[1:]
		return &reMatch{p: p, text: text, at: at}, nil
	}, nil), nil
}

// looksBack says that whether an expression matches depends on what is before.
func looksBack(e *syntax.Regexp) bool {
	switch e.Op {
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	return slices.ContainsFunc(e.Sub, looksBack)
}

func hasDollar(e *syntax.Regexp) bool {
	return isDollar(e) || slices.ContainsFunc(e.Sub, hasDollar)
}

// limitOf is a number of matches as Go has it, of one in which 0 is all.
func limitOf(name string, n int64) (int, error) {
	switch {
	case n < 0:
		return 0, Errorf("usage", "%s: got %d, wanted 0 or more", name, n)
	case n == 0 || n > 1<<31:
		return -1, nil
	}
	return int(n), nil
}

func (p *pattern) split(c *Call, text string, most int64) (Value, error) {
	n, err := limitOf("maxsplit", most)
	if err != nil {
		return nil, err
	}
	all, err := p.all(c, text, n)
	if err != nil {
		return nil, err
	}
	parts, from := []Value{}, 0
	for _, at := range all {
		parts = append(parts, text[from:at[0]])
		m := reMatch{p: p, text: text, at: at}
		parts = append(parts, m.pieces(nil)...)
		from = at[1]
	}
	return append(parts, text[from:]), nil
}

func (p *pattern) substitute(c *Call, repl Value, text string, count int64) (Value, error) {
	n, err := limitOf("count", count)
	if err != nil {
		return nil, err
	}
	var with func(m *reMatch) (string, error)
	switch repl := c.Lang.Plain(repl).(type) {
	case string:
		t, err := p.template(repl)
		if err != nil {
			return nil, err
		}
		with = func(m *reMatch) (string, error) { return m.expand(t), nil }
	case Callable:
		with = func(m *reMatch) (string, error) {
			v, err := repl.Call([]Value{m}, nil)
			if err != nil {
				return "", err
			}
			s, ok := c.Lang.Plain(v).(string)
			if !ok {
				return "", Errorf("usage", "repl: the function gave %s, wanted string", c.Lang.TypeName(v))
			}
			return s, nil
		}
	default:
		return nil, Errorf("usage", "repl: got %s, wanted string or a function of the match", c.Lang.TypeName(repl))
	}
	all, err := p.all(c, text, n)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	from := 0
	for _, at := range all {
		b.WriteString(text[from:at[0]])
		s, err := with(&reMatch{p: p, text: text, at: at})
		if err != nil {
			return nil, err
		}
		b.WriteString(s)
		from = at[1]
	}
	b.WriteString(text[from:])
	return b.String(), nil
}

// part is a piece of a replacement: text, or the number of a group.
type part struct {
	text  string
	group int // -1: text
}

// template reads a replacement.
func (p *pattern) template(s string) ([]part, error) {
	var parts []part
	var lit strings.Builder
	add := func(name string) error {
		g, err := p.group(name)
		if err != nil {
			return Errorf("usage", "repl: %v", err)
		}
		parts = append(parts, part{lit.String(), -1}, part{group: g})
		lit.Reset()
		return nil
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			lit.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return nil, Errorf("usage", `repl: it ends in a single \: write \\ for a backslash`)
		}
		switch ch := s[i]; {
		case ch >= '0' && ch <= '9':
			to := i + 1
			if to < len(s) && s[to] >= '0' && s[to] <= '9' {
				to++
			}
			if err := add(s[i:to]); err != nil {
				return nil, err
			}
			i = to - 1
		case ch == 'g':
			name, _, ok := strings.Cut(strings.TrimPrefix(s[i+1:], "<"), ">")
			if !ok || !strings.HasPrefix(s[i+1:], "<") {
				return nil, Errorf("usage", `repl: \g is not followed by the name of a group, as in \g<name>`)
			}
			if err := add(name); err != nil {
				return nil, err
			}
			i += len(name) + 2
		case ch == 'n':
			lit.WriteByte('\n')
		case ch == 't':
			lit.WriteByte('\t')
		case ch == 'r':
			lit.WriteByte('\r')
		case ch == '\\':
			lit.WriteByte('\\')
		default:
			return nil, Errorf("usage", `repl: there is no \%c: write \\ for a backslash`, ch)
		}
	}
	return append(parts, part{lit.String(), -1}), nil
}

// group is the number of a group that is given by its name, or as a number.
func (p *pattern) group(name string) (int, error) {
	n, err := strconv.Atoi(name)
	if err != nil {
		n = p.re.SubexpIndex(name)
	}
	if n < 0 || n > p.re.NumSubexp() {
		var names []string
		for _, s := range p.re.SubexpNames() {
			if s != "" {
				names = append(names, s)
			}
		}
		return 0, Errorf("usage", "the expression has no group %s%s: it has %d", name, Suggest(name, names), p.re.NumSubexp())
	}
	return n, nil
}
