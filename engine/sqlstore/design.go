package sqlstore

import (
	"context"
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// Design gives what a table has that Ensure cannot say.
func (s *Session) Design(ctx context.Context, table string) (d engine.TableDesign, err error) {
	if err := s.store.CheckTable(table); err != nil {
		return d, err
	}
	x, free, err := s.d.OwnConnection(ctx)
	if err != nil {
		return d, s.store.wrap(err, "connect")
	}
	if x != nil {
		defer free()
		if d, err = s.d.DesignTable(ctx, x, table); err != nil {
			err = s.explain(ctx, err)
		}
		return d, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.readConn(ctx)
	if err != nil {
		return d, err
	}
	if err := s.spoolOn(ctx, c); err != nil {
		return d, err
	}
	if d, err = s.d.DesignTable(ctx, c, table); err != nil {
		err = s.explain(ctx, err)
	}
	return d, err
}

var (
	plainNumber = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]+)?$`)
	timeOfNow   = regexp.MustCompile(`(?i)^\(?(current_timestamp|now)(\([0-6]?\))?\)?$`)
)

// PlainDefault writes a default, as a server tells it in SQL, so that every store reads
// it; false if that cannot be done. "" is no default.
func PlainDefault(sql string) (plain string, ok bool) {
	switch {
	case strings.EqualFold(sql, "NULL"):
		return "", true
	case plainNumber.MatchString(sql):
		return sql, true
	case timeOfNow.MatchString(sql):
		return "CURRENT_TIMESTAMP", true
	case len(sql) > 1 && sql[0] == '\'' && sql[len(sql)-1] == '\'':
		return PlainText(strings.ReplaceAll(sql[1:len(sql)-1], "''", "'"))
	}
	return "", false
}

// PlainText writes a text as SQL that every store reads; false if that cannot be done:
// a backslash means something in some.
func PlainText(s string) (string, bool) {
	if strings.ContainsAny(s, "\\\x00\n") {
		return "", false
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'", true
}
