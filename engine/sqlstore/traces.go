package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// A connection goes from one hook to the next, and with it whatever a statement left
// there that no ROLLBACK takes back: settings, locks by name, variables. A hook after
// a routine that has switched autocommit on would write its rows as it goes. So a
// connection is not used again after a statement that may leave something, as far as
// can be told by its words. Triggers and views may run what the words do not show:
// they cannot touch autocommit, and whether they have touched another setting is told
// by the fence, and where there is none by a look.

// Settings is a SessionDialect on whose connections statements can leave something.
type Settings interface {
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
func (s *Session) sent(query string, writes bool) {
	if s.settings == nil || s.left {
		return
	}
	st := parseStatement(query, false)
	s.left = st.leaves || writes && !rowVerbs[st.verb]
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
	if s.settings == nil || s.proved || s.left || s.broken {
		return true // or it is not used again anyway
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var now int64
	err := c.QueryRowContext(ctx, "SELECT "+s.settings.Settings()).Scan(&now)
	return err == nil && now == s.settings.Made(c)
}

// seated is BeginHook for a hook that has a seat, as long as it has the connection.
func (s *Session) seated(ctx context.Context) (*sql.Conn, func(bool), error) {
	if s.opts.Seat == nil {
		return s.d.BeginHook(ctx, s.opts)
	}
	leave, err := s.opts.Seat(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, free, err := s.d.BeginHook(ctx, s.opts)
	if err != nil {
		leave()
		return nil, nil, err
	}
	return c, func(broken bool) {
		free(broken)
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
