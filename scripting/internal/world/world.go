// Package world runs job scripts in a fresh database and a fresh folder, for
// tests: on SQLite, or on each store.
package world

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlitestore"
	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/starscript"
)

// World is an engine over a database of its own, and a files folder.
type World struct {
	Files  string        // the files folder
	Dir    string        // of the database
	Log    *Lines        // what the engine logs
	Host   *hostlib.Host // what scripts live in
	Store  engine.Store
	Engine *engine.Engine
	// Patience is how long Run may take. Zero means five minutes.
	Patience time.Duration
	Others   string // the folder of the databases that scripts reach by a name
	t        testing.TB
	types    []*engine.Type

	mu         sync.Mutex
	others     map[string]engine.Connection
	registered int // how many of the types the database knows
}

// New makes a world on SQLite that ends with the test.
func New(t testing.TB) *World {
	t.Helper()
	return open(t, onSQLite)
}

func open(t testing.TB, open opener) *World {
	t.Helper()
	w := &World{Files: t.TempDir(), Dir: t.TempDir(), Log: &Lines{}, Others: t.TempDir(), t: t}
	w.Host = &hostlib.Host{Files: w.Files, Connections: w, Leaks: hostlib.LeaksFail}
	out := io.Writer(w.Log)
	if os.Getenv("DSENGINE_TEST_LOG") != "" {
		out = io.MultiWriter(out, os.Stderr)
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store, err := open(t, w.Dir, log)
	w.must(err)
	t.Cleanup(func() { store.Close() })
	w.Store = store
	w.Engine, err = engine.Open(t.Context(), store, engine.Options{Logger: log})
	w.must(err)
	return w
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Lines keeps what is logged.
type Lines struct {
	mu   sync.Mutex
	text []byte
}

// Write adds to it.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

// String is all that was logged.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// File writes a file below the files folder.
func (w *World) File(name, content string) {
	w.t.Helper()
	p := filepath.Join(w.Files, filepath.FromSlash(name))
	w.must(os.MkdirAll(filepath.Dir(p), 0o755))
	w.must(os.WriteFile(p, []byte(content), 0o644))
}

// check is lib/check.star, which every script can load.
const check = `
def eq(got, want):
    if got != want or type(got) != type(want):
        error("got %r, want %r" % (got, want))

def fails(want, fn, *args, **kwargs):
    _, err = catch(fn, *args, **kwargs)
    if err == None or want not in err.message:
        error("got %r, want an error with %r" % (err, want))
`

// checkLua is lib/check.lua, which every script in Lua can require.
const checkLua = `
GLOBAL_OF_CHECK = true
local M = {}

local function same(a, b)
  if type(a) ~= type(b) then return false end
  if type(a) ~= "table" then return a == b or a ~= a and b ~= b end
  for k, v in pairs(a) do
    if not same(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

local function text(v)
  if type(v) == "string" then return string.format("%q", v) end
  if type(v) ~= "table" then return tostring(v) end
  local parts = {}
  for k, e in pairs(v) do
    parts[#parts + 1] = "[" .. text(k) .. "] = " .. text(e)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function M.eq(got, want)
  if not same(got, want) then
    error("got " .. text(got) .. ", want " .. text(want))
  end
end

function M.fails(want, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok or not string.find(err.message, want, 1, true) then
    error("got " .. tostring(err) .. ", want an error with " .. want)
  end
end

return M
`

// Script adds a job type. Failed attempts are not retried, unless its job()
// says so. It can load eq and fails from lib/check.star.
func (w *World) Script(name, source string) *engine.Type {
	w.t.Helper()
	w.Host.Files = w.Files
	return w.added(w.load(name, source))
}

// Lua adds a job type in Lua, as Script does one in Starlark. It can require eq
// and fails from lib/check.
func (w *World) Lua(name, source string) *engine.Type {
	w.t.Helper()
	w.Host.Files = w.Files
	return w.added(w.loadLua(name, source))
}

func (w *World) added(t *engine.Type, errs []*hostlib.LoadError) *engine.Type {
	w.t.Helper()
	for _, e := range errs {
		w.t.Error(e)
	}
	if t == nil {
		w.t.FailNow()
	}
	if t.Settings.Retry == (engine.RetryPolicy{}) {
		t.Settings.Retry.Max = 1
	}
	w.Add(t)
	return t
}

func (w *World) load(name, source string) (*engine.Type, []*hostlib.LoadError) {
	return starscript.NewLoader(fstest.MapFS{
		name + ".star": {Data: []byte(source)}, "lib/check.star": {Data: []byte(check)},
	}, "jobs", w.Host).Load(name, name+".star")
}

func (w *World) loadLua(name, source string) (*engine.Type, []*hostlib.LoadError) {
	return luascript.NewLoader(fstest.MapFS{
		name + ".lua": {Data: []byte(source)}, "lib/check.lua": {Data: []byte(checkLua)},
		"lib/globals.lua": {Data: []byte("function double(n) return 2 * n end\n")},
	}, "jobs", w.Host).Load(name, name+".lua")
}

// Loads says why a script does not load.
func (w *World) Loads(name, source string) []string {
	_, errs := w.load(name, source)
	return texts(errs)
}

// LoadsLua says why a script in Lua does not load.
func (w *World) LoadsLua(name, source string) []string {
	_, errs := w.loadLua(name, source)
	return texts(errs)
}

func texts(errs []*hostlib.LoadError) (list []string) {
	for _, e := range errs {
		list = append(list, e.Error())
	}
	return list
}

// Forget takes a job type away again.
func (w *World) Forget(name string) {
	w.types = slices.DeleteFunc(w.types, func(t *engine.Type) bool { return t.Name == name })
}

// Connect makes a connection of any name: a file of its own in the folder
// Others.
func (w *World) Connect(ctx context.Context, name string, readOnly bool) (engine.Connection, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprint(name, readOnly)
	if c := w.others[key]; c != nil {
		return c, nil
	}
	c, err := sqlitestore.Connect(ctx, filepath.Join(w.Others, name+".db"), readOnly, sqlitestore.Options{})
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { c.Close() })
	if w.others == nil {
		w.others = map[string]engine.Connection{}
	}
	w.others[key] = c
	return c, nil
}

// Add adds a job type.
func (w *World) Add(t *engine.Type) {
	w.types = append(w.types, t)
	w.registered = 0
}

// Run runs until nothing is left to do.
func (w *World) Run() {
	w.t.Helper()
	s, err := w.Engine.NewServer(w.t.Context(), engine.ServerOptions{Types: w.types, Name: "here", UntilIdle: true})
	w.must(err)
	ctx, cancel := context.WithTimeout(w.t.Context(), cmp.Or(w.Patience, 5*time.Minute))
	defer cancel()
	w.must(s.Run(ctx))
	if ctx.Err() != nil {
		w.t.Fatal("it does not end")
	}
}

// Enqueue makes a job.
func (w *World) Enqueue(j engine.NewJob) engine.JobID {
	w.t.Helper()
	if w.registered != len(w.types) {
		_, err := w.Engine.RegisterTypes(w.t.Context(), w.types...)
		w.must(err)
		w.registered = len(w.types)
	}
	made, err := w.Engine.Enqueue(w.t.Context(), j)
	w.must(err)
	return made[0].ID
}

// Do runs one job of a type to its end, with all that comes of it.
func (w *World) Do(typ, payload string) *engine.Job {
	w.t.Helper()
	id := w.Enqueue(engine.NewJob{Type: typ, Payload: engine.Raw(payload)})
	w.Run()
	return w.Job(id)
}

// Job shows a job.
func (w *World) Job(id engine.JobID) *engine.Job {
	w.t.Helper()
	j, err := w.Store.Job(w.t.Context(), id)
	w.must(err)
	return j
}

// Jobs lists all jobs, the oldest first.
func (w *World) Jobs() []*engine.Job {
	w.t.Helper()
	jobs, err := w.Store.Jobs(w.t.Context(), engine.JobFilter{Limit: 10_000})
	w.must(err)
	for i, k := 0, len(jobs)-1; i < k; i, k = i+1, k-1 {
		jobs[i], jobs[k] = jobs[k], jobs[i]
	}
	return jobs
}

// Logs are the lines that a job logged, "level message fields", without those that only
// a slow machine makes.
func (w *World) Logs(id engine.JobID) []string {
	w.t.Helper()
	lines, err := w.Store.Logs(w.t.Context(), id, 0, 0, false, 1000)
	w.must(err)
	var out []string
	for _, l := range lines {
		if l.Message == "waiting to write" {
			continue // a slow machine says so, a fast one does not
		}
		line := l.Level + " " + l.Message
		if l.Fields != nil {
			line += " " + string(l.Fields)
		}
		out = append(out, line)
	}
	return out
}

// Exec changes the database behind the engine's back.
func (w *World) Exec(query string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.Dir, "world.db"))
	w.must(err)
	defer db.Close()
	_, err = db.ExecContext(w.t.Context(), query)
	w.must(err)
}

// Query gives a result as text, a row to a line.
func (w *World) Query(query string, args ...any) string {
	w.t.Helper()
	s := w.Store.Begin(engine.SessionOptions{})
	defer s.Close()
	rows, err := s.Query(w.t.Context(), query, args)
	w.must(err)
	defer rows.Close()
	text := ""
	for {
		vals, err := rows.Next(w.t.Context())
		if err != nil || vals == nil {
			return text
		}
		for i, v := range vals {
			if i > 0 {
				text += "|"
			}
			text += fmt.Sprint(v)
		}
		text += "\n"
	}
}
