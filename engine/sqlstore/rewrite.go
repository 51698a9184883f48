package sqlstore

import (
	"context"
	"database/sql"
	"math/big"
	"strconv"
)

// Rewriter is a SessionDialect on which SQL means something else than on the
// others, unless it is rewritten, and whose columns keep values as they come.
type Rewriter interface {
	// Rewriting is for the statements and the rows of one session.
	Rewriting() Rewriting
}

// Rewriting rewrites statements. x is the session's connection; nil: it has none
// yet. What it finds out of tables there it keeps until Forget.
type Rewriting interface {
	Rewrite(ctx context.Context, x Execer, query string, args []any) (Statement, error)
	Fits(ctx context.Context, x Execer, table string) (Fit, error)
	Forget()
}

// Fit is what the values of a table's columns must be like.
type Fit struct {
	// Of gives, by a column, what makes of a script's value the one that the column is
	// given, or says why it cannot hold it; nil: it takes all as they are.
	Of func(column string) func(v any) (fit any, why string)
	// Type is a column's type, for errors.
	Type func(column string) string
	// Whole says whether a column must not be given fractions: the database would
	// round them.
	Whole func(column string) bool
	// Truth says whether a column is of booleans, which are small numbers to the
	// database.
	Truth func(column string) bool
	// Odd is the condition that a column's value is a date or a time that is written in
	// another way than Of writes it; "": there is none.
	Odd func(column string) string
	// Ours says that Ensure made the table.
	Ours bool
	// Needs is the column without which a row would be numbered instead of refused;
	// "": none.
	Needs string
}

// Statement is SQL that was rewritten.
type Statement struct {
	SQL  string
	Args []any // as the driver takes them
	// Give are, by the columns of the result whose type cannot be seen, what makes
	// of a value the one that scripts know.
	Give map[int]func(v any) any
}

// rewrite rewrites a script's statement, on the connection where it will run.
func (s *Session) rewrite(ctx context.Context, c *sql.Conn, query string, args []any) (st Statement, err error) {
	if err := checkMarks(query, s.store.D.Name() == "sqlite", args); err != nil {
		return st, err
	}
	if args, err = exactArgs(args); err != nil {
		return st, err
	}
	if s.rewriting == nil {
		query, args = spellOut(query, s.instants(ctx, c, query, args))
		st.SQL = query
	} else if st, err = s.rewriting.Rewrite(ctx, c, query, args); err != nil {
		return st, err
	}
	st.Args = s.toDB(args)
	return st, nil
}

// fits is Rewriting.Fits; empty where columns make values fit themselves.
func (s *Session) fits(ctx context.Context, table string) (fit Fit, err error) {
	if s.rewriting == nil {
		return fit, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var x Execer
	if s.conn != nil && s.ended == nil { // which the rows will go to
		if err := s.spoolOn(ctx, s.conn); err != nil {
			return fit, err
		}
		x = s.conn
	}
	if fit, err = s.rewriting.Fits(ctx, x, table); err != nil {
		return fit, s.explain(ctx, err)
	}
	return fit, nil
}

// forgetTables has tables looked at again.
func (s *Session) forgetTables() {
	if s.rewriting != nil {
		s.rewriting.Forget()
	}
}

// WholeNumber is the number that a text of digits is, or the text.
func WholeNumber(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if b, ok := new(big.Int).SetString(s, 10); ok {
		return b
	}
	return s
}
