package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// MinSecret is the length in bytes below which a value cannot be a secret: too
// much else would be struck out with it.
const MinSecret = 4

// struck stands where a secret was.
const struck = "***"

// Secrets are the values that must not be seen: those that scripts of this
// process were given. They are struck out of what is logged, stored and told,
// in their usual encodings too, and encodings of these: JSON, URLs, HTML, SQL, UTF-8
// taken for Latin-1, hexadecimal, and base64 at any place of a longer text. What a script computes of a secret in other ways is
// not known again. All methods may be called by many goroutines at once, and on
// nil, which knows none.
type Secrets struct {
	mu      sync.Mutex
	known   map[string]bool
	passing []string                    // of known, those of AddPassing, the oldest first
	index   atomic.Pointer[secretIndex] // nil: there are none
	parts   atomic.Pointer[partIndex]   // nil: it is to be made
}

// secretIndex finds the forms of all secrets in one pass over a text.
type secretIndex struct {
	begins [1 << 16 / 64]uint64 // the first two bytes of all that may be a form, as bits
	firsts [1 << 8]bool         // the first byte of what is read
	forms  map[[MinSecret]byte][]secretForm
}

// secretForm is what to look for: as it is, or read.
type secretForm struct {
	text string
	read bool
}

// NewSecrets makes an empty set.
func NewSecrets() *Secrets { return &Secrets{known: map[string]bool{}} }

// Add makes a value known as a secret. It is an error if it is too short.
func (s *Secrets) Add(value string) error {
	if len(value) < MinSecret {
		return Errorf(CodeUsage, "a secret needs at least %d characters, so that it can be struck out of logs", MinSecret)
	}
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.add(value) {
		s.passing = slices.DeleteFunc(s.passing, func(p string) bool { return p == value })
	}
	return nil
}

// maxPassing is how many secrets that pass are known at least.
const maxPassing = 200

// AddPassing makes a value known as a secret for a while: until some hundreds of
// its kind have come since it was added last. It is for what is made again and
// again, and is soon of no use, such as a signature, or a token.
func (s *Secrets) AddPassing(value string) error {
	if s == nil || len(value) < MinSecret {
		return s.Add(value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.add(value) {
		if i := slices.Index(s.passing, value); i >= 0 {
			s.passing = append(slices.Delete(s.passing, i, i+1), value)
		}
		return nil
	}
	if s.passing = append(s.passing, value); len(s.passing) <= 2*maxPassing {
		return nil
	}
	for _, old := range s.passing[:maxPassing] {
		delete(s.known, old)
	}
	s.passing = slices.Clone(s.passing[maxPassing:])
	next := &secretIndex{forms: map[[MinSecret]byte][]secretForm{}}
	for value := range s.known {
		next.add(value)
	}
	s.index.Store(next)
	s.parts.Store(nil)
	return nil
}

// add makes a value known; false if it was. The caller holds the lock.
func (s *Secrets) add(value string) bool {
	if s.known[value] {
		return false
	}
	s.known[value] = true
	next := &secretIndex{forms: map[[MinSecret]byte][]secretForm{}}
	if old := s.index.Load(); old != nil {
		next.begins, next.firsts, next.forms = old.begins, old.firsts, maps.Clone(old.forms)
	}
	next.add(value)
	s.index.Store(next)
	s.parts.Store(nil)
	return true
}

// add adds the forms of a secret. What is read is looked for as it is, too: it may
// say something else together with what is behind it.
func (x *secretIndex) add(value string) {
	x.addForm(secretForm{text: value})
	for _, form := range secretForms(value) {
		if said := read(form); len(strings.TrimSpace(said)) >= MinSecret {
			x.addForm(secretForm{said, true})
		} else {
			x.addForm(secretForm{text: form})
		}
	}
}

func (x *secretIndex) addForm(form secretForm) {
	if len(form.text) < MinSecret {
		return
	}
	k := [MinSecret]byte([]byte(form.text))
	if form.read {
		k = [MinSecret]byte([]byte(strings.ReplaceAll(form.text[:MinSecret], "+", " ")))
	}
	if slices.Contains(x.forms[k], form) {
		return
	}
	x.forms[k] = append(slices.Clip(x.forms[k]), form) // the old index has the list too
	first, second := form.text[0], form.text[1]
	x.begin(first, second)
	if !form.read {
		return
	}
	x.firsts[k[0]] = true
	for c := range 1 << 8 {
		c := byte(c)
		if written[c] { // the second letter, escaped
			x.begin(first, c)
		}
		if first >= utf8.RuneSelf { // the first one, misread
			for b := utf8.RuneSelf; b < 1<<8; b++ {
				x.begin(byte(b), c)
			}
		}
		if first == ' ' {
			x.begin('+', c)
		}
		if i := strings.IndexByte(controlsA, first); i >= 0 {
			x.begin(controls[i], c)
		}
		for _, escape := range []byte(`%&\`) { // the first one, escaped
			x.begin(escape, c)
		}
	}
}

// begin says that two bytes may begin a form.
func (x *secretIndex) begin(first, second byte) {
	two := uint(first)<<8 | uint(second)
	x.begins[two/64] |= 1 << (two % 64)
}

// find gives the first stretch at or behind from that secrets cover, overlapping
// ones as one; false if there is none.
func findSecret[T ~string | ~[]byte](x *secretIndex, text T, from int) (start, end int, ok bool) {
	for i := from; i+MinSecret <= len(text) && (!ok || i < end); i++ {
		two := uint(text[i])<<8 | uint(text[i+1])
		if x.begins[two/64]&(1<<(two%64)) == 0 {
			continue
		}
		is := [MinSecret]byte{text[i], text[i+1], text[i+2], text[i+3]}
		to := formAt(x, text, i, is)
		if says, ok := keyAt(x, text, i); ok && says != is {
			to = max(to, formAt(x, text, i, says))
		}
		if to == 0 {
			continue
		}
		if !ok {
			start, ok = i, true
		}
		end = max(end, to)
	}
	return start, end, ok
}

// formAt gives where the longest form of a key ends that begins at i; 0 if none does.
func formAt[T ~string | ~[]byte](x *secretIndex, text T, i int, key [MinSecret]byte) (end int) {
	for _, form := range x.forms[key] {
		if form.read {
			if to, ok := saysAt(text, i, form.text); ok {
				end = max(end, to)
			}
		} else if to := i + len(form.text); to <= len(text) && string(text[i:to]) == form.text {
			end = max(end, to)
		}
	}
	return end
}

// Holds says whether a text holds a secret.
func (s *Secrets) Holds(text string) bool {
	if s == nil {
		return false
	}
	x := s.index.Load()
	if x == nil {
		return false
	}
	_, _, ok := findSecret(x, text, 0)
	return ok
}

// Strike gives a text without secrets: *** stands for each.
func (s *Secrets) Strike(text string) string {
	if s == nil {
		return text
	}
	x := s.index.Load()
	if x == nil {
		return text
	}
	start, end, ok := findSecret(x, text, 0)
	if !ok {
		return text
	}
	var b bytes.Buffer
	from := 0
	for ok {
		b.WriteString(text[from:start])
		b.WriteString(struck)
		from = end
		start, end, ok = findSecret(x, text, from)
	}
	b.WriteString(text[from:])
	return b.String()
}

// StrikeJSON gives a JSON value without secrets. It stays JSON: a number that
// holds one becomes a string.
func (s *Secrets) StrikeJSON(raw Raw) Raw {
	if s == nil || raw == nil {
		return raw
	}
	x := s.index.Load()
	if x == nil {
		return raw
	}
	if _, _, ok := findSecret(x, raw, 0); !ok {
		return raw
	}
	out := s.strikeTokens(raw)
	if _, _, left := findSecret(x, out, 0); left { // across several tokens
		return Raw(`"` + struck + `"`)
	}
	return out
}

// strikeTokens strikes secrets out of the strings and numbers of a JSON text.
// Names that it changes get numbers, so that none is there twice.
func (s *Secrets) strikeTokens(raw Raw) Raw {
	out := make(Raw, 0, len(raw))
	names := 0
	for i := 0; i < len(raw); {
		end := i + 1
		switch c := raw[i]; {
		case c == '"':
			for end < len(raw) && raw[end] != '"' {
				if raw[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(raw))
			var text string
			if json.Unmarshal(raw[i:end], &text) != nil {
				out = append(out, raw[i:end]...)
				break
			}
			clean := s.Strike(text)
			if clean == text {
				// It may still be written so that a reader of the text finds it.
				if clean = s.Strike(string(raw[i:end])); clean == string(raw[i:end]) {
					out = append(out, clean...)
					break
				}
				clean = struck
			}
			if isName(raw[end:]) {
				if names++; names > 1 {
					clean += fmt.Sprint(names)
				}
			}
			quoted, _ := plainJSON(clean)
			out = append(out, quoted...)
		case c == '-' || c >= '0' && c <= '9':
			for end < len(raw) && bytes.IndexByte([]byte("0123456789+-.eE"), raw[end]) >= 0 {
				end++
			}
			if s.Holds(string(raw[i:end])) {
				out = append(out, `"`+struck+`"`...)
			} else {
				out = append(out, raw[i:end]...)
			}
		default:
			out = append(out, c)
		}
		i = end
	}
	return out
}

// isName says whether what is behind a string makes it a name of an object.
func isName(rest []byte) bool {
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

// strikeFailure gives a failure without secrets.
func (s *Secrets) strikeFailure(f *Failure) *Failure {
	if s == nil || f == nil || s.index.Load() == nil {
		return f
	}
	c := *f
	c.Message, c.Code, c.Backtrace = s.Strike(f.Message), s.Strike(f.Code), s.Strike(f.Backtrace)
	return &c
}

// strikeJobs strikes secrets out of the payloads of jobs that are to be made, and says
// whether there were any.
func (s *Secrets) strikeJobs(jobs []JobInsert) (held bool) {
	if s == nil || s.index.Load() == nil {
		return false
	}
	for i := range jobs {
		held = s.strikeRaw(&jobs[i].Payload) || held
	}
	return held
}

// strikeRaw strikes secrets out of a JSON value, and says whether there were any.
func (s *Secrets) strikeRaw(raw *Raw) (held bool) {
	clean := s.StrikeJSON(*raw)
	held = !bytes.Equal(clean, *raw)
	*raw = clean
	return held
}

// strikeOutcome strikes secrets out of all that a commit writes about a job, and says
// what of the script's data held any. Keys and variables cannot hold any: see Call.
func (s *Secrets) strikeOutcome(o *Outcome) (held []string) {
	if s == nil || s.index.Load() == nil {
		return nil
	}
	same := o.Because == o.Failure
	o.Failure = s.strikeFailure(o.Failure)
	if o.Because = s.strikeFailure(o.Because); same {
		o.Because = o.Failure
	}
	for _, part := range []struct {
		name string
		held bool
	}{
		{"the position", s.strikeRaw(&o.Position)}, {"the payload", s.strikeRaw(&o.Item)}, {"the result", s.strikeRaw(&o.Result)},
		{"an item", s.strikeJobs(o.Items)}, {"a job that it makes", s.strikeJobs(o.Enqueue)},
	} {
		if part.held {
			held = append(held, part.name)
		}
	}
	return held
}

// Logger gives a logger from whose lines secrets are struck out.
func (s *Secrets) Logger(l *slog.Logger) *slog.Logger {
	if s == nil {
		return l
	}
	return slog.New(&strikingHandler{l.Handler(), s})
}

// strikingHandler strikes secrets out of log lines.
type strikingHandler struct {
	slog.Handler
	secrets *Secrets
}

// Handle logs a line.
func (h *strikingHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.secrets.index.Load() == nil {
		return h.Handler.Handle(ctx, r)
	}
	clean := slog.NewRecord(r.Time, r.Level, h.secrets.Strike(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.secrets.strikeAttr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs is the handler with attributes.
func (h *strikingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.secrets.strikeAttr(a)
	}
	return &strikingHandler{h.Handler.WithAttrs(clean), h.secrets}
}

// WithGroup is the handler within a group.
func (h *strikingHandler) WithGroup(name string) slog.Handler {
	return &strikingHandler{h.Handler.WithGroup(name), h.secrets}
}

func (s *Secrets) strikeAttr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, s.Strike(v.String()))
	case slog.KindGroup:
		group := make([]slog.Attr, len(v.Group()))
		for i, e := range v.Group() {
			group[i] = s.strikeAttr(e)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(group...)}
	case slog.KindAny:
		return slog.Any(a.Key, s.strikeAny(v.Any()))
	}
	return slog.Attr{Key: a.Key, Value: v}
}

// strikeAny strikes secrets out of a value of a log line; what it does not know
// is logged as text if that holds a secret.
func (s *Secrets) strikeAny(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return s.Strike(v)
	case error:
		if text := v.Error(); s.Holds(text) {
			return s.Strike(text)
		}
		return v
	case json.RawMessage:
		return s.StrikeJSON(v)
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[s.Strike(k)] = s.strikeAny(e)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = s.strikeAny(e)
		}
		return list
	}
	if text := fmt.Sprintf("%+v", v); s.Holds(text) {
		return s.Strike(text)
	}
	return v
}
