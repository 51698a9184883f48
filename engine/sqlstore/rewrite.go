package sqlstore

import (
	"context"
	"database/sql"
	"math/big"
	"strconv"
)

// Rewriter is a SessionDialect on which SQL means something else than on the
// others, unless it is rewritten.
type Rewriter interface {
	// Rewriting rewrites the statements of one session.
	Rewriting() Rewriting
}

// Rewriting rewrites statements. What it knows of tables it keeps until Forget.
type Rewriting interface {
	Rewrite(ctx context.Context, x Execer, query string, args []any) (Statement, error)
	Forget()
}

// Statement is SQL that was rewritten.
type Statement struct {
	SQL string
	// Give are, by the columns of the result whose type cannot be seen, what makes
	// of a value the one that scripts know.
	Give map[int]func(v any) any
}

// rewrite rewrites a script's statement, on the connection where it will run.
func (s *Session) rewrite(ctx context.Context, c *sql.Conn, query string, args []any) (Statement, error) {
	if s.rewriting == nil {
		return Statement{SQL: query}, nil
	}
	return s.rewriting.Rewrite(ctx, c, query, args)
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
