package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// dry is what a session that is never committed remembers.
type dry struct {
	made   map[string]Shape // tables that it has for itself, until its transaction ends
	looked map[string]bool  // words of statements that name no table without transactions
}

// makeDry makes a table that only this session has, where making one would commit
// the transaction: a temporary one, which ends with the connection, so that
// nothing is left of it whatever becomes of the process. Neither making one nor
// its end commits.
func (s *Session) makeDry(ctx context.Context, table, create string, columns []engine.Column, key []string) error {
	err := s.run(ctx, func(c *sql.Conn) error {
		s.temps++ // before: what came of it may not be known
		_, err := c.ExecContext(ctx, strings.Replace(create, "CREATE TABLE ", "CREATE TEMPORARY TABLE ", 1))
		return err
	})
	if err != nil {
		return err
	}
	shape := Shape{Texts: true}
	for _, c := range columns {
		c.Key = slices.Contains(key, c.Name)
		c.Nullable = c.Nullable && !c.Key
		shape.Columns = append(shape.Columns, c)
	}
	if len(key) > 0 {
		shape.Unique = [][]string{key}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dry.made == nil {
		s.dry.made = map[string]Shape{}
	}
	s.dry.made[table] = shape
	return nil
}

// checkDry refuses statements of which a rollback does not take all back.
func (s *Session) checkDry(ctx context.Context, query string) error {
	st := parseStatement(query, s.store.D.Name() == "sqlite")
	if st.verb == "CALL" || st.verb == "DO" {
		return refused("%s is not run here, where nothing may stay: what it calls may commit", st.verb)
	}
	if !s.d.Engines() {
		return nil
	}
	for _, word := range st.names {
		if s.dry.looked[word] {
			continue
		}
		shape, err := s.look(ctx, word)
		if err != nil {
			return err
		}
		if shape.Engine != "" {
			return refused("table %s is kept by %s, which knows no transactions: what is written to it could not be taken back here", word, shape.Engine)
		}
		if s.dry.looked == nil {
			s.dry.looked = map[string]bool{}
		}
		s.dry.looked[word] = true
	}
	return nil
}
