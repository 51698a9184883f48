package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"
)

// Call is one execution of one hook, and all that the hook may do. What it
// emits, enqueues, sets and counts waits here and is committed together with
// what it wrote through its Session and with the job's own move. Its methods
// are for the goroutine of the hook alone, but for Context, Log and Progress.
type Call struct {
	eng     *Engine
	typ     *Type
	job     *ClaimedJob
	failure *Failure // for the fail hook
	summary *Summary // for the finish hook
	srv     *Server

	ctx   context.Context
	stop  context.CancelCauseFunc
	watch *stopwatch

	session  Session
	joined   []joined
	seat     seat
	pend     pending
	position position // of the last checkpoint
	placed   bool     // the hook has asked for it
	loops    loops
	restarts int               // how often what was not committed was taken back
	stats    Stats             // all that was counted in this call, committed and not
	saved    Stats             // the committed part
	inCatch  map[*catch]Stats  // what was counted since then, by the innermost catch around it
	before   Stats             // what the job had counted before this call, once it is known
	knows    bool              // before is known
	poison   error             // of an iterator that failed
	counted  bool              // see checkGenerations
	done     bool              // a function runs after its commit
	seen     map[seenKey]int64 // versions of the variables that were read
	catches  Catches           // around what runs
	marked   Catches           // those that have begun to write, in that order, of coroutines that wait too
	closers  []io.Closer
	resumed  bool            // it goes on from a checkpoint
	rejected map[uint64]bool // places of the rejects kept before that; nil: not read
	earlier  int64           // rejects of the phase that were committed before this call, and stand
	whole    int64           // committed rejects of the whole item
	mended   int64           // rejects committed before this call that were redriven since
	recalled bool            // what came before this call is in these
	parsed   any             // the item, parsed; nil: not yet
	redriven redriven
	resets   []func()
	logged   bool
	logLeft  int // lines that are kept still; of warnings and errors warnLeft
	warnLeft int

	records  recording
	skipping *loop // it leaves out elements that were committed before

	elsewhere   bool // rows were committed as rejected that have no line of a source
	gathers     int  // how many functions gather rows to write them
	rejectsFull bool
	window      *Window // once it was asked for
	imported    bool    // it was told that another job has imported it
	began       time.Time
	attempt     int // when it began; a checkpoint counts anew
}

// pending is what waits for the next commit.
type pending struct {
	items     []JobInsert
	loose     int // items that no loop counts
	enqueue   []JobInsert
	bytes     int
	writes    []VariableWrite
	records   *recordLog // nil: nothing
	onCommit  []func() error
	rejects   []Rejection
	whole     int64              // rejects that were the whole item, kept or not
	elsewhere bool               // one, but for the whole item, that has no line of a source
	called    bool               // a query has called a function that may have written
	keys      map[pendingKey]int // where those with a key are; nil: not built

	rejectBytes int
	left        LeftOut
	doubles     int64  // items that are not made, as one with the key and another payload waits
	double      string // the key of the first of them
}

type pendingKey struct {
	typ           TypeID
	instance, key string
}

// touched says whether anything but the items of loops, and what is to be done after the
// commit, waits.
func (p *pending) touched() bool {
	return p.loose > 0 || len(p.enqueue) > 0 || len(p.writes) > 0 || p.called
}

// Bounds of what one hook may hold back until its next commit.
const (
	MaxPendingItems = 10_000
	MaxPendingBytes = 64 << 20
	MaxPayload      = 4 << 20 // of one job, in bytes of JSON
	MaxPosition     = 1 << 20 // of a checkpoint
	MaxResult       = 1 << 20 // of a job
	maxLogLines     = 1000    // kept of one attempt
)

// Errors that end a hook from outside; catch never holds them.
var (
	// ErrLost ends a hook whose claim is no longer ours.
	ErrLost = errors.New("the claim was lost")
	// ErrDrained ends a hook at its checkpoint because the process stops.
	ErrDrained = errors.New("the process stops")
	// ErrCancelled ends a hook whose job a person cancelled.
	ErrCancelled = errors.New("the job was cancelled")
)

// Context ends when the hook must: time-out, cancellation, a lost claim, the
// end of the process.
func (c *Call) Context() context.Context { return c.ctx }

// Type is the job's type.
func (c *Call) Type() *Type { return c.typ }

// Job is the job as it was claimed. It must not be changed.
func (c *Call) Job() *ClaimedJob { return c.job }

// Attempt counts from 1; in the fail hook it is the number of the attempt that failed.
func (c *Call) Attempt() int {
	if c.failure != nil {
		return c.failure.Attempt
	}
	return c.job.Attempt()
}

// Server is the name of the server that runs the hook.
func (c *Call) Server() string { return c.srv.opts.Name }

// Payload is the job's payload as it was enqueued; Item is what consume works
// on: what produce handed on, else the payload.
func (c *Call) Payload() Raw { return c.job.Payload }

// Item is what consume works on: what produce handed on, else the payload.
func (c *Call) Item() Raw {
	if c.job.Item != nil {
		return c.job.Item
	}
	return c.job.Payload
}

// Params are the parameters of the job's instance, a JSON object, or nil if it
// has none.
func (c *Call) Params() (Raw, error) { return c.srv.params(c.ctx, c.typ, c.job.Instance) }

// Position is what the last checkpoint of this phase was given, or nil. A hook
// that asks for it goes on from there: see loops.
func (c *Call) Position() Raw {
	c.placed = true
	return c.position.User
}

// Place tells where the hook is, the same in each of its runs but in the source of a loop:
// the position that it goes on from, and how far the loops are that it has come to.
func (c *Call) Place() Raw {
	p := position{User: c.position.User}
	for _, l := range c.loops.counts {
		n := l.N
		if l.Done || l.Left { // of some it is known only that they are over
			n = allOf
		}
		p.Loops = append(p.Loops, loopCount{N: n})
	}
	return p.encode()
}

// Failure is how the attempt failed; nil outside the fail hook.
func (c *Call) Failure() *Failure { return c.failure }

// Summary counts the items; nil outside the finish hook.
func (c *Call) Summary() *Summary { return c.summary }

// Results calls yield with each item's result until it returns false.
func (c *Call) Results(yield func(JobID, Raw) bool) error {
	return c.eng.store.Results(c.ctx, c.job.ID, yield)
}

// Now is the time by the database's clock, in UTC.
func (c *Call) Now() time.Time { return c.srv.now() }

// Sleep waits by the engine's clock, until the hook must end at the latest.
func (c *Call) Sleep(d time.Duration) error {
	if !sleep(c.ctx, c.eng.clock, d) {
		return context.Cause(c.ctx)
	}
	return nil
}

// TimeLeft is what is left of the hook's timeout.
func (c *Call) TimeLeft() time.Duration { return c.watch.rest() }

// Session is the hook's transaction on the job database.
func (c *Call) Session() Session {
	if c.session == nil {
		c.session = c.eng.store.Begin(c.sessionOptions())
	}
	return c.session
}

func (c *Call) sessionOptions() SessionOptions {
	return SessionOptions{
		Job: c.job.ID, Type: c.typ.Name, Strike: c.eng.secrets.Strike, StrikeParts: c.eng.secrets.StrikeParts,
		Seat: c.takeSeat,
		Waiting: func(waits bool) {
			if waits {
				c.watch.pause()
			} else {
				c.watch.resume()
			}
		},
		Ended: func(err error) { c.stop(err) },
		Busy: func(waited time.Duration, holder string) {
			c.Log(slog.LevelWarn, "waiting to write", map[string]any{"waited": FormatDuration(waited.Round(time.Second)), "holder": holder})
		},
	}
}

// Close has a resource closed when the hook ends, however it ends.
func (c *Call) Close(r io.Closer) { c.closers = append(c.closers, r) }

// OnCheckpoint has f called after each checkpoint: limits for one call of a
// hook begin anew there.
func (c *Call) OnCheckpoint(f func()) { c.resets = append(c.resets, f) }

// Poison notes an error that ends the hook whatever its script does next: of
// an iterator, whose for loop would end quietly. The first one counts.
func (c *Call) Poison(err error) {
	if c.poison == nil {
		c.poison = err
	}
}

// Poisoned is the noted error, or nil.
func (c *Call) Poisoned() error { return c.poison }

// Count adds n to a named count of the job. Names are words, and few: a count
// for each row is refused.
func (c *Call) Count(name string, n int64) error {
	name = c.eng.secrets.Strike(name)
	if c.stats == nil {
		c.stats = Stats{}
	}
	if _, there := c.stats[name]; !there && !slices.Contains(StatNames, name) {
		if text, err := json.Marshal(name); err != nil || name == "" || len(text)-2 > maxCountName {
			return c.misuse("the name of a count has 1 to %d bytes, not %d", maxCountName, len(name))
		}
		if len(c.stats) >= maxCounts {
			return c.misuse("a job has at most %d counts: %q is one too many; keep what you count by row in a table of your own", maxCounts, name)
		}
	}
	c.stats[name] += n
	c.countWithin(name, n)
	return nil
}

// AddStats adds counts that the engine keeps itself: those of StatNames.
func (c *Call) AddStats(s Stats) {
	for name, n := range s {
		_ = c.Count(name, n)
	}
}

// Progress says how far the hook is; it is shown, never rolled back.
func (c *Call) Progress(p Progress) {
	p.Note = c.eng.secrets.Strike(p.Note)
	c.srv.progress.set(c.job.ID, p)
}

// Secret makes a value known that the script is given and nobody is to see: it
// is struck out of whatever is logged, stored and told from now on.
func (c *Call) Secret(value string) error { return c.eng.secrets.Add(value) }

// PassingSecret makes a value known as a secret for a while, see Secrets.AddPassing.
func (c *Call) PassingSecret(value string) error { return c.eng.secrets.AddPassing(value) }

// Strike gives a text, for somebody to read, without secrets.
func (c *Call) Strike(text string) string { return c.eng.secrets.Strike(text) }

// StrikeParts is Strike for what may have cut a secret, see Secrets.StrikeParts.
func (c *Call) StrikeParts(text string) string { return c.eng.secrets.StrikeParts(text) }

// StrikeJSON gives a JSON value without secrets.
func (c *Call) StrikeJSON(raw Raw) Raw { return c.eng.secrets.StrikeJSON(raw) }

// noSecret refuses what holds a secret and must stay as it is.
func (c *Call) noSecret(what, text string) error {
	if c.eng.secrets.Holds(text) {
		return c.misuse("%s holds a secret, which is not to be stored: get it by secrets.get where it is needed", what)
	}
	return nil
}

// strike strikes secrets out of what a commit writes, and says in the log where there were
// any: data may hold one by chance, and is another then.
func (c *Call) strike(o *Outcome) {
	for _, what := range c.eng.secrets.strikeOutcome(o) {
		c.tellStruck(what)
	}
}

func (c *Call) tellStruck(what string) {
	c.Log(slog.LevelWarn, what+" held the text of a secret: it is kept with "+struck+" in its place. Get secrets where they are needed; a value that others have, too, such as a user's name, is no secret", nil)
}

// Log writes a line about the job; it is never rolled back. Past a bound the
// lines of an attempt are dropped, and one line says so; warnings and errors, which
// have a bound of their own, still go to the engine's log.
func (c *Call) Log(level slog.Level, message string, fields map[string]any) {
	c.srv.logs.add(c, level, message, fields)
}

// OnCommit has f called after the next commit. A crash in between loses it.
func (c *Call) OnCommit(f func() error) { c.pend.onCommit = append(c.pend.onCommit, f) }

// Verdicts: each ends the hook at once; what it did since the last checkpoint
// is rolled back, but for the fail hook's, which is committed with its verdict.
// Return the error from the hook.

// Retry fails the attempt; wait says whether after was given.
func (c *Call) Retry(after time.Duration, wait bool, reason string) error {
	return &Verdict{Event: Retried, After: after, Wait: wait, Reason: reason}
}

// Snooze runs the hook again later and burns no attempt.
func (c *Call) Snooze(after time.Duration) error {
	return &Verdict{Event: Snoozed, After: after, Wait: true}
}

// Cancel ends the job as cancelled.
func (c *Call) Cancel(reason string) error {
	return &Verdict{Event: Withdrawn, Reason: reason}
}

// Fail fails the job for good.
func (c *Call) Fail(reason string) error {
	return &Verdict{Event: GaveUp, Reason: reason}
}

// end closes what the hook left open, rolls back what was not committed, and
// stops its clock. It may be called twice. A panic of what is closed keeps nothing
// else open.
func (c *Call) end() {
	c.watch.stop()
	c.stop(nil)
	defer func() {
		c.closeJoined()
		if c.session != nil {
			c.session.Close()
			c.session = nil
		}
	}()
	c.closeAll()
}

// closeAll closes what the hook left open, what was opened last first.
func (c *Call) closeAll() {
	n := len(c.closers) - 1
	if n < 0 {
		return
	}
	last := c.closers[n]
	c.closers = c.closers[:n]
	defer c.closeAll()
	last.Close()
}
