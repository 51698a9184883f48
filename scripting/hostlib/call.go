package hostlib

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Host is what a script is given to live in. The zero Host has the working
// directory as its files folder.
type Host struct {
	// Files is the folder that paths in scripts are relative to, and cannot
	// leave; "" is the working directory.
	Files string
	// Own are files of the program itself, which no script may touch; one that ends in *
	// stands for all names that begin so.
	Own []string
	// Jobs is the folder of the scripts, and Endings are those of their names: scripts there
	// are changed only by what says so in its needs.
	Jobs    string
	Endings []string
	// Connections are the other databases that scripts reach by a name; nil: none.
	Connections Connector
	// Log gets what scripts log and print while they are loaded; nil: nothing does.
	Log *slog.Logger
	// HTTP answers the requests of scripts in the network's place; nil: the
	// network does. What scripts may ask is checked before.
	HTTP http.RoundTripper
	// Secret finds a secret by its name; ErrNoSecret if there is none, with what to
	// do about it. nil: there are none.
	Secret func(name string) (string, error)
	// Limits narrow what scripts may need; nil: nothing does.
	Limits *Limits
	// Leaks says what becomes of hooks that leave something open.
	Leaks Leaks
	// Leaked is told of each, with its place as "file:line"; nil: nobody is.
	Leaked func(leak, at string)
	// Mail is how notify.email sends; nil: it cannot.
	Mail *Mail
	// S3 finds a store that holds a bucket by its name; ErrNoS3 if there is none,
	// with what to do about it. nil: there are none.
	S3 func(name string) (*S3, error)
	// Remotes finds the servers of files that sftp.connect and ftp.connect reach by
	// a name; nil: there are none.
	Remotes func(name string) (*Remote, error)
	// Dial connects to servers of files in the network's place; nil: the network
	// does. Whom scripts may reach is checked before.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// KnownHosts are files with the host keys of servers, as OpenSSH has them.
	KnownHosts []string

	// Random is where random identifiers and names come from, for tests, in which what
	// varies otherwise must not: waits between requests do not then. It does not fail, and
	// may be read by several at once; nil: the system.
	Random io.Reader
	// Dated has files that are written be dated by the engine's clock, not by that of the
	// file system.
	Dated bool

	// Dry has hooks run without effects; nil: they are carried out.
	Dry *Dry

	// Around is called before and after each function that a hook calls, or a test,
	// if it is given: for tests. An error of it is the function's.
	Around func(c *Call, f *Func, after bool) error

	// Refused is told of each request and each secret that a script's needs do not have,
	// by the host or the name: for tests.
	Refused func(kind, name string, err error)

	// Unheard is told of an error that changes nothing of how the job ends, and what has
	// failed: for tests.
	Unheard func(what string, err error)

	// Fell is told where the script was when a hook fails, or a test: for tests.
	Fell func(c *Call, at Caller)

	network network
	limits  limits
	tokens  tokens
	swept   sync.Map // when temporary files were last looked for, by folder
	// remoteIdle is in place of maxRemoteIdle where tests want less.
	remoteIdle time.Duration
	// Loading ends the loading of scripts; nil: their time limit alone does.
	Loading context.Context
}

// Call is one execution of a script: of a hook, or of its top level while it
// is loaded. It belongs to one goroutine.
type Call struct {
	Hook  *engine.Call // nil while the script is loaded
	Lang  Language
	Host  *Host
	Needs *Needs // what job() declared; nil while the script is loaded
	// Loading ends when the script must be loaded; nil in a hook.
	Loading context.Context
	// Testing says that a test runs, whose own functions may be called without a hook.
	Testing bool
	// Sets has Data give sets as sets, to compare them.
	Sets bool
	// Job takes what job() says; nil where job() has no place.
	Job *Declaration

	after    bool                   // a function given to on_commit runs
	afterAt  string                 // see After
	open     map[io.Closer]struct{} // what must be closed when the hook ends
	deferred bool                   // something runs after the hook
	temps    map[string]bool        // paths that files.temp gave
	moves    map[string]bool        // notes about moves, see moveNote
	moved    map[string]bool        // paths to which files were moved
	gone     []string               // see changed
	answers  int                    // of servers by http since the last commit
	counts   bool                   // a checkpoint sets them back
	made     map[string]bool        // files that were made since the last commit
	fresh    map[string]bool        // files that this run has made, where they are now
	source   string                 // the file that was opened last
	opened   int                    // how many different ones, as far as that matters
	file     string                 // the same, but for an entry of an archive that
	files    int                    // how many different ones of these
	finals   []func() error         // see Finish
	left     bool                   // see leaves
	payload  Value                  // of ctx, once they were asked for
	params   Value
	pos      Value
	posRaw   engine.Raw
	servers  map[address]*server // those that it is connected to
	place    Place               // of the rows that were read last
	turn     int                 // see Turn
	handed   Spot                // see Handed
	warned   map[string]bool     // what was warned of already
	nones    int64               // see skipped
	rejected int64               // rows, by the script and by what it called
	unseen   rejectedRows        // those that were rejected while a scan of records read
	before   rejectedRows        // those that were rejected while no scan was under way
	scanning bool                // a scan of records reads a row
	scanned  bool                // one was begun since one ended
	varies   bool                // see settled
	ended    bool                // see ends
	lastTurn int                 // of the last batch, with which the end of its rows was met
	columns  []string            // of the rows of the local file that was read last

	spots     []Spot // see Given
	spotsTurn int
}

// instance is the instance of the hook's job.
func (c *Call) instance() string { return c.Hook.Job().Instance }

// Context ends when the hook must, or the loading of the script.
func (c *Call) Context() context.Context {
	switch {
	case c.Hook != nil:
		return c.Hook.Context()
	case c.Loading != nil:
		return c.Loading
	}
	return context.Background()
}

// After is where the script has called ctx.on_commit, as "file:line", while a function
// runs that was given to it; "" otherwise. It is known only with Host.Around.
func (c *Call) After() string { return c.afterAt }

// tellRefused tells Host.Refused; err is nil where nothing was refused.
func (c *Call) tellRefused(kind, name string, err error) {
	if c.Host.Refused != nil && codeIs(err, "needs") {
		c.Host.Refused(kind, name, err)
	}
}

// over says why the hook must end, if it must.
func (c *Call) over() error {
	if c.Context().Err() != nil {
		return context.Cause(c.Context())
	}
	return nil
}

// Idle says that nothing of the call lives on after its hook: no function waits
// for the commit, nothing is open.
func (c *Call) Idle() bool { return !c.deferred && c.open == nil }

// atEnd has f called when the hook has ended well, before it commits: for what
// must not commit with a checkpoint.
func (c *Call) atEnd(f func() error) { c.finals = append(c.finals, f) }

// Finish is called by the language when its hook has ended well, before what
// it wrote commits.
func (c *Call) Finish() error {
	for _, f := range c.finals {
		if err := f(); err != nil {
			return err
		}
	}
	c.finals = nil
	c.dropNotes() // no catch takes a move back
	return c.tellLeaks()
}

// leaves notes that the script ends its hook well by a verdict, which is given back.
func (c *Call) leaves(verdict error) error {
	c.left = true
	return verdict
}

// Ended is called by the language when its hook has ended with an error, and its loops are
// left: one that is a verdict of a hook that ends well is so only where nothing leaks.
func (c *Call) Ended(err error) error {
	if c.left {
		if leak := c.tellLeaks(); leak != nil {
			return leak
		}
	}
	return err
}

// Invoke calls a function of the table: it binds the arguments, checks that the
// function may be called here and now, and contains its panics.
func (f *Func) Invoke(c *Call, self Value, args []Value, named []Named) (result Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, Panicked(f.String(), p)
		}
	}()
	if err := f.allowed(c); err != nil {
		return nil, within(f.String(), err)
	}
	if (f.Effect == Read || f.Effect == Outside) && !f.Same {
		c.varies = true
	}
	c.tells(f)
	a, err := f.bind(c, self, args, named)
	if err != nil {
		return nil, within(f.String(), err)
	}
	watched := c.Host != nil && c.Host.Around != nil && (c.Hook != nil || c.Testing)
	if watched {
		if err := c.Host.Around(c, f, false); err != nil {
			return nil, err
		}
	}
	do := f.Do
	if c.Host != nil && c.Host.Dry != nil && c.Hook != nil {
		c.Host.Dry.watch(c.Needs)
		if f.Dry != nil {
			do = f.Dry
		}
	}
	if f.Effect == Write && c.Hook != nil {
		err = c.Hook.Writing()
	}
	if err == nil {
		result, err = do(c, a)
	}
	if watched {
		if over := c.Host.Around(c, f, true); over != nil {
			a.leave()
			return nil, over
		}
	}
	if err != nil {
		a.leave()
		if !f.passes {
			err = within(f.String(), err)
		}
		if failure, ok := err.(*engine.Failure); ok && f.asksHosts() && c.Hook != nil {
			failure.Message = c.Hook.StrikeParts(failure.Message) // a URL ends a secret where it has a mark of its own
		}
		return nil, err
	}
	return result, nil
}

// asksHosts says whether it takes a URL to ask.
func (f *Func) asksHosts() bool { return f.Needs == "http" || f.Module == "http" }

// Fell is called by the language when its hook, or a test, ends with an error.
func (c *Call) Fell(err error) {
	c.warnGone(err)
	if err == nil || c.Host == nil || c.Host.Fell == nil {
		return
	}
	if in, ok := c.Lang.(Inspector); ok {
		if at, ok := in.Fell(err); ok {
			c.Host.Fell(c, at)
		}
	}
}

// Panicked is the error of a panic that was recovered; what says where.
func Panicked(what string, p any) *engine.Failure {
	return &engine.Failure{
		Kind: engine.KindError, Code: "panic", Retryable: true, Backtrace: string(debug.Stack()),
		Message: fmt.Sprintf("%s: a fault of dsengine itself: %v", what, p),
	}
}

// allowed says whether the function may be called here and now.
func (f *Func) allowed(c *Call) error {
	switch {
	case c.Hook == nil && c.Testing:
		if f.Effect != Pure && !f.Testing {
			return Errorf("usage", "it can be called in a hook only, not in a test: %s", testHint(f))
		}
		if c.Context().Err() != nil {
			return context.Cause(c.Context())
		}
		return nil
	case c.Hook == nil:
		if f.Effect != Pure {
			return Errorf("usage", "it can be called in a hook only, not while the script is loaded")
		}
		return nil
	case c.Hook.Context().Err() != nil:
		return context.Cause(c.Hook.Context())
	case c.after && f.Effect == Write:
		return Errorf("usage", "a function given to ctx.on_commit runs after the commit: nothing commits what it writes here")
	}
	return nil
}

// testHint is what to do in a test in place of a function of hooks.
func testHint(f *Func) string {
	switch f.Module {
	case "db", "state", "vars":
		return "use t." + f.Module + "." + f.Name
	case "http":
		return "say what requests get by t.http.on(...)"
	case "secrets":
		return "set secrets by t.secret(name, value)"
	}
	if f.Needs == "files" {
		return "t.file(path) reads a file, t.file(path, content) makes one, t.files(glob) lists them"
	}
	return "run the hooks by t.run()"
}

// Close gives up what is open, at the end of a call without a hook.
func (c *Call) Close() { closeAll{c}.Close() }

// Iterate iterates over whatever can be: a value of the script's language, or
// of this package. The elements are not converted.
func (c *Call) Iterate(v Value) (Iterator, bool) {
	switch v := v.(type) {
	case Iterator:
		return v, true
	case []Value:
		i := 0
		return &source{next: func() (Value, error) {
			if i == len(v) {
				return nil, io.EOF
			}
			i++
			return v[i-1], nil
		}}, true
	}
	return c.Lang.Iterate(v)
}

func (c *Call) isDict(v Value) bool {
	_, ok, err := c.Lang.Row(v, nil)
	return ok || err != nil
}

// keep has a resource closed when the hook ends.
func (c *Call) keep(r io.Closer) {
	if c.open == nil {
		c.open = map[io.Closer]struct{}{}
		if c.Hook != nil {
			c.Hook.Close(closeAll{c})
		}
	}
	c.open[r] = struct{}{}
}

// closeAll closes what a call left open.
type closeAll struct{ c *Call }

func (a closeAll) Close() error {
	for r := range a.c.open {
		if _, ok := r.(*tempFile); !ok {
			r.Close()
		}
	}
	for r := range a.c.open { // what was open in them is closed now
		r.Close()
	}
	return nil
}

// read counts rows that were read from outside.
func (c *Call) read(n int64) {
	if c.Hook != nil {
		_ = c.Hook.Count("read", n)
	}
}

// skipped is how many of n Nones in place of rows count as skipped: those that reject
// gave were counted as rejected, and no row counts twice.
func (c *Call) skipped(n int64) int64 {
	rejected := min(n, c.nones)
	c.nones -= rejected
	return n - rejected
}

func isEOF(err error) bool { return err == io.EOF }
