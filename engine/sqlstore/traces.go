package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// A connection goes from one hook to the next, and with it whatever a statement left
// there that no ROLLBACK takes back: settings, locks by name, variables. A hook after
// a routine that has switched autocommit on would write its rows as it goes. So a
// connection is not used again after a statement that may leave something, as far as
// can be told by its words and by those of the triggers and views that it may run: see
// leavers. Those cannot touch autocommit, and whether they have touched another setting
// is told by the fence, and where there is none by a look.

// Settings is a SessionDialect on whose connections statements can leave something.
type Settings interface {
	// Unwritten gives what runs when a statement only names a table or a view, under the
	// name of that. unseen: tables may have triggers that the user is not shown.
	Unwritten(ctx context.Context) (list []Object, unseen bool, err error)
	// Settings is the SQL of a number that stands for what a connection is set to.
	Settings() string
	// Made is that number of a connection as it was made.
	Made(c *sql.Conn) int64
}

// traces is what is known of a connection.
type traces struct {
	settings Settings // nil: nothing is left on connections
	left     bool     // a statement may have left something
	proved   bool     // the fence found it set as it was made
}

// sent notes what a script's statement may leave, before it is run.
func (s *Session) sent(ctx context.Context, query string, writes bool) {
	if s.settings == nil || s.left {
		return
	}
	st := parseStatement(query, false)
	s.left = st.leaves || writes && !rowVerbs[st.verb]
	s.named(ctx, st.names, writes)
}

// MayWrite says whether a query may do more than read. What leaves nothing on its
// connection calls no function of somebody's own. It waits for what is not known yet.
func (s *Session) MayWrite(ctx context.Context, query string) bool {
	if s.settings == nil {
		return false // it has no such functions, and no locks of rows
	}
	st := parseStatement(query, false)
	return st.leaves || locking.MatchString(query) || s.store.leavers.among(ctx, s, st.names, false, true)
}

// named notes what a statement may leave that names tables and views.
func (s *Session) named(ctx context.Context, names []string, writes bool) {
	if s.settings == nil || s.left {
		return
	}
	s.left = s.store.leavers.among(ctx, s, names, writes, false)
}

// leavers are the tables and views that a statement may leave something by that only
// names them, a variable, a lock or a temporary table: by a trigger, or a function.
// They are remembered as the shapes of tables are.
type leavers struct {
	mu      sync.Mutex
	looking chan struct{}   // closed when who looks for them has looked; nil: nobody does
	looked  bool            // what follows is known
	names   map[string]bool // in lower case, of whatever database; nil: any may be, as the look failed
	unseen  bool            // and any table that is written to
	at      time.Duration   // when they were looked for
	forgets int             // how often they were forgotten
}

// among says whether one of the names may be of those. As long as nothing is known, any
// may; with sure it waits, until the context ends, for whoever looks for them.
func (l *leavers) among(ctx context.Context, s *Session, names []string, writes, sure bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if now := s.store.Clock.Boot(); l.looking == nil && (!l.looked || now-l.at >= shapeFor) {
			l.look(ctx, s, now)
		}
		if l.looked || !sure || ctx.Err() != nil {
			return !l.looked || l.names == nil || writes && l.unseen || mentions(l.names, names)
		}
		if looking := l.looking; looking != nil {
			l.mu.Unlock()
			select {
			case <-looking:
			case <-ctx.Done():
			}
			l.mu.Lock()
		}
	}
}

// look looks for them, without the lock that the caller holds.
func (l *leavers) look(ctx context.Context, s *Session, now time.Duration) {
	was := l.forgets
	l.looking = make(chan struct{})
	l.mu.Unlock()
	look, cancel := context.WithTimeout(ctx, 10*time.Second)
	list, unseen, err := s.settings.Unwritten(look)
	cancel()
	var names map[string]bool // a look that fails, or takes too long, is not made again for each statement
	if err == nil {
		names = leaving(list)
	}
	l.mu.Lock()
	close(l.looking)
	l.looking = nil
	if ctx.Err() != nil || l.forgets != was {
		return // it ended of the hook's own accord, or tells what was there before
	}
	l.looked, l.names, l.unseen, l.at = true, names, unseen, now
}

func (l *leavers) forget() {
	l.mu.Lock()
	l.looked = false
	l.forgets++
	l.mu.Unlock()
}

// leaving are the names of those that may leave something, or that name one of those.
func leaving(list []Object) map[string]bool {
	found := map[string]bool{}
	for again := true; again; {
		n := len(found)
		list = slices.DeleteFunc(list, func(o Object) bool {
			st := parseBody(o.Body)
			leaves := o.Hidden != "" || st.hides != "" || st.leaves || slices.Contains(st.bare, "CALL") || slices.Contains(st.bare, "TEMPORARY")
			if leaves = leaves || mentions(found, st.names); leaves {
				found[strings.ToLower(o.Name)] = true
			}
			return leaves
		})
		again = len(found) > n
	}
	return found
}

// mentions says whether one of the names is in a set of lower case.
func mentions(set map[string]bool, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return set[strings.ToLower(n)] })
}

// Fenced has the fence tell what the connection is set to: more of its condition, and
// what to do with the number that it gives as the id of a row; nil where nothing is to
// be told.
func (s *Session) Fenced() (condition string, found func(int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settings == nil || s.left || s.conn == nil {
		return "", nil
	}
	made := s.settings.Made(s.conn)
	return " AND LAST_INSERT_ID(" + s.settings.Settings() + ") IS NOT NULL", func(id int64) { s.proved = id == made }
}

// asMade says whether the connection is set as it was made.
func (s *Session) asMade(c *sql.Conn) bool {
	if s.settings == nil || s.proved || s.broken { // one that is broken is not used again
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var now int64
	err := c.QueryRowContext(ctx, "SELECT "+s.settings.Settings()).Scan(&now)
	return err == nil && now == s.settings.Made(c)
}

// again says whether the next hook may have the connection: temporary tables, and
// whatever else was left on it, end with it.
func (s *Session) again(c *sql.Conn) bool {
	return s.temps == 0 && !s.left && s.asMade(c)
}

// seated is BeginHook for a hook that has a seat, as long as it has the connection.
func (s *Session) seated(ctx context.Context) (c *sql.Conn, free func(bool), err error) {
	if s.opts.Seat == nil {
		return s.d.BeginHook(ctx, s.opts)
	}
	only, leave := s.store.D.Name() == "sqlite", func() {}
	if !only {
		if leave, err = s.opts.Seat(ctx, false); err != nil {
			return nil, nil, err
		}
	}
	c, end, err := s.d.BeginHook(ctx, s.opts)
	if err == nil && only {
		leave, err = s.opts.Seat(ctx, true)
	}
	if err != nil {
		leave()
		return nil, nil, err
	}
	return c, func(broken bool) {
		end(broken)
		leave()
	}, nil
}

// control runs a statement about savepoints. A savepoint that is gone proves
// that something ended the transaction, by a statement that may have left more.
func (s *Session) control(ctx context.Context, q string) error {
	_, err := s.conn.ExecContext(ctx, q)
	switch {
	case err == nil:
		return nil
	case s.d.NoSavepoint(err):
		s.left = s.settings != nil
		// To run the hook again could not help.
		s.ended = &engine.Failure{Kind: engine.KindError, Code: "db.ended", Message: s.d.Ended()}
		return s.ended
	}
	return s.explain(ctx, err)
}
