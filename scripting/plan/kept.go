package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/engine"
)

// Bounds of what a test is made of.
const (
	maxKeptRows = 1000     // of a table
	maxKept     = 64 << 10 // bytes of a file, and of an answer
	maxKeptAll  = 1 << 20  // bytes of the test
)

// kept is what a test needs that does what a replay did.
type kept struct {
	mu      sync.Mutex
	answers []*answer
	tables  []*keptTable
	values  []keptValue
	secrets []keptSecret
	records map[recordAt]bool          // those that were looked at
	known   []keptRecord               // those of them that there were
	stop    func(message string) error // ends the replay, of which no test can be written
}

// answer is what a request got.
type answer struct {
	method, url string
	status      int
	header      http.Header
	body        []byte
}

// keptTable is a table as it was before anything was written to it.
type keptTable struct {
	connection, name string
	columns          []engine.Column // none: it was not there
	key              []string
	rows             []*found
	design           *engine.TableDesign // what ensure cannot say of it; nil: it is not known
	many             bool                // it has too many rows, and nothing but ensure has named it
}

type keptValue struct {
	scope engine.Scope
	name  string
}

type keptSecret struct{ name, value string }

// looked is told of a file, before it is read.
func (k *kept) looked(name string, size int64) error {
	if size > maxKept {
		return k.stop(fmt.Sprintf("the file %s has %d bytes, more than 64 KB", name, size))
	}
	return nil
}

// keptHeaders are the headers of answers that scripts look at.
var keptHeaders = []string{"Content-Type", "Link", "Etag", "Last-Modified", "Location", "Retry-After", "Date"}

// answer remembers what a request got, one for a token if login says so. Of a body that
// is read, the beginning was read already.
func (k *kept) answer(r *http.Request, res *http.Response, login bool) {
	a := &answer{method: r.Method, url: r.URL.String(), status: res.StatusCode, header: http.Header{}}
	for _, name := range keptHeaders {
		if v := res.Header.Values(name); len(v) > 0 {
			a.header[name] = v
		}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKept+1))
	rest := io.Reader(res.Body)
	if err != nil { // whoever reads it must meet it too
		rest = failing{err}
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), rest), res.Body}
	a.body = body
	if login {
		a.hideToken()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers = append(k.answers, a)
	if len(body) > maxKept {
		k.stop("the answer to " + a.method + " " + r.URL.Redacted() + " has more than 64 KB")
	}
	if err != nil {
		k.stop("the answer to " + a.method + " " + r.URL.Redacted() + " broke off, which no test can do")
	}
}

// hideToken has the answer to a request for a token give another one, and nothing else
// that may be secret.
func (a *answer) hideToken() {
	var said struct {
		Token string `json:"access_token,omitempty"`
		Type  string `json:"token_type,omitempty"`
		Error string `json:"error,omitempty"`
		Why   string `json:"error_description,omitempty"`
	}
	if json.Unmarshal(a.body, &said) != nil {
		if bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<")) {
			return // a page
		}
		form, _ := url.ParseQuery(string(a.body))
		said.Token, said.Error, said.Why = form.Get("access_token"), form.Get("error"), form.Get("error_description")
	}
	if said.Type = ""; said.Token != "" {
		said.Token, said.Type = "the-token", "Bearer"
	}
	a.body, _ = json.Marshal(said)
	a.header = http.Header{"Content-Type": {"application/json"}}
}

// failing is what cannot be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Secret remembers which secrets scripts asked for; find finds them.
func (w *World) Secret(find func(name string) (string, error)) func(name string) (string, error) {
	if !w.opts.Keep || find == nil {
		return find
	}
	return func(name string) (string, error) {
		value, err := find(name)
		if err == nil {
			w.kept.mu.Lock()
			defer w.kept.mu.Unlock()
			if s := (keptSecret{name, value}); !slices.Contains(w.kept.secrets, s) {
				w.kept.secrets = append(w.kept.secrets, s)
			}
		}
		return value, err
	}
}

// value remembers that a variable was asked for.
func (w *World) value(scope engine.Scope, name string) {
	if v := (keptValue{scope, name}); w.opts.Keep && !engine.HiddenVariable(name) && !slices.Contains(w.kept.values, v) {
		w.kept.values = append(w.kept.values, v)
	}
}

// look remembers the tables that a statement names.
func (s session) look(ctx context.Context, query string) {
	if s.kept == nil {
		return
	}
	for _, table := range tablesIn(query) {
		s.lookAt(ctx, table, nil)
	}
}

// designer is a session that can tell what a table has that ensure cannot say.
type designer interface {
	Design(ctx context.Context, table string) (engine.TableDesign, error)
}

// lookAt remembers a table as it is, if nothing was done to it yet. key is a unique
// one, where that is known.
func (s session) lookAt(ctx context.Context, table string, key []string) {
	if s.kept == nil {
		return
	}
	t := s.keep(ctx, table)
	if t == nil {
		return
	}
	if key != nil {
		t.key = key
	}
	if t.many {
		s.kept.stop(fmt.Sprintf("the table %s has more than %d rows", table, maxKeptRows))
	}
}

// ensured remembers a table that a script ensures as it is, if nothing was done to it
// yet: where a hook goes on behind loops, what it ensures before them was committed with
// their count.
func (s session) ensured(ctx context.Context, table string) {
	if s.kept != nil {
		s.keep(ctx, table)
	}
}

// keep is a table as it was when it was named first; nil if it is none of scripts.
func (s session) keep(ctx context.Context, table string) *keptTable {
	for _, t := range s.kept.tables {
		if t.connection == s.name && strings.EqualFold(t.name, table) {
			return t
		}
	}
	columns, err := s.inner.Columns(ctx, table)
	if f := new(engine.Failure); errors.As(err, &f) && f.Code != "db.missing" {
		return nil // no table by its name, such as the engine's
	}
	if err != nil && len(columns) == 0 && !errors.As(err, new(*engine.Failure)) {
		return nil
	}
	t := &keptTable{connection: s.name, name: table, columns: columns}
	s.kept.tables = append(s.kept.tables, t)
	if len(columns) == 0 {
		return t
	}
	if d, ok := s.inner.(designer); ok {
		if design, err := d.Design(ctx, table); err == nil {
			t.design = &design
		} else {
			t.design = &engine.TableDesign{LeftOut: []string{"what it has besides its columns and its key: " + err.Error()}}
		}
	}
	if t.rows, err = s.tx.rows(ctx, fmt.Sprintf("SELECT * FROM %s LIMIT %d", quoteTable(table), maxKeptRows+1), nil); err != nil {
		s.kept.stop("the table " + table + " cannot be read whole: " + err.Error())
	}
	if t.many = len(t.rows) > maxKeptRows; t.many {
		t.rows = nil
	}
	return t
}

// ensures finds the tables that a script ensures by name.
var ensures = regexp.MustCompile(`\bdb\.ensure\(\s*(?:"([^"]+)"|'([^']+)')`)

// keepEnsured remembers the tables that the script ensures, of a job that goes on from a
// position: it may ensure them before that alone.
func (w *World) keepEnsured(script string) error {
	at, loops, err := engine.ReadPosition(w.replay.claimed.Position)
	if err != nil || at == nil && len(loops) == 0 {
		return nil
	}
	source, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	s := w.own(engine.SessionOptions{Job: w.root}).(session)
	if err := s.begin(w.ctx); err != nil {
		return err
	}
	for _, m := range ensures.FindAllSubmatch(source, -1) {
		s.ensured(w.ctx, string(m[1])+string(m[2]))
	}
	return context.Cause(w.ctx) // what cannot be kept ends the replay
}
