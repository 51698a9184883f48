package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// condition finds the conditions in the statement that has made a table.
var condition = regexp.MustCompile(`(?i)\bCHECK\s*\(`)

// DesignTable gives what a table has that CreateTable cannot say.
func (s *Store) DesignTable(ctx context.Context, x sqlstore.Execer, table string) (d engine.TableDesign, err error) {
	d.Defaults = map[string]string{}
	leave := func(format string, args ...any) { d.LeftOut = append(d.LeftOut, fmt.Sprintf(format, args...)) }
	made, triggers, err := statementsOf(ctx, x, table)
	if err != nil {
		return d, err
	}
	for _, t := range triggers {
		leave("the trigger %s", t)
	}
	if len(condition.FindAllString(made, -1)) > strings.Count(made, s.Quote(valueConstraint)[:len(valueConstraint)+1]) {
		leave("its conditions (CHECK)")
	}
	var name, typ string
	var notNull bool
	var pk, hidden, parts int
	var value sql.NullString
	numbers := ""
	err = pragma(ctx, x, "table_xinfo", table, []any{new(any), &name, &typ, &notNull, &value, &pk, &hidden}, func() {
		if hidden == 2 || hidden == 3 {
			leave("the column %s, which is calculated", name)
			return
		}
		if pk > 0 {
			if parts++; strings.EqualFold(typ, "INTEGER") {
				numbers = name
			}
		}
		if notNull && pk == 0 {
			d.Required = append(d.Required, name)
		}
		if !value.Valid {
			return
		}
		switch plain, ok := sqlstore.PlainDefault(value.String); {
		case !ok:
			leave("the default %s of the column %s", value.String, name)
		case plain != "":
			d.Defaults[name] = plain
		}
	})
	if err != nil {
		return d, err
	}
	// A table of CreateTable numbers its rows too, but only here.
	if parts == 1 && numbers != "" && !strings.Contains(made, s.Quote(valueConstraint+numbers)) && !strings.Contains(strings.ToUpper(made), "WITHOUT ROWID") {
		d.Auto = numbers
	}
	var foreign string
	if err := pragma(ctx, x, "foreign_key_list", table, []any{new(any), new(any), &foreign, new(any), new(any), new(any), new(any), new(any)}, func() {
		leave("the foreign key to %s", foreign)
	}); err != nil {
		return d, err
	}
	type key struct {
		name    string
		partial bool
	}
	var keys []key
	var unique, partial bool
	var origin string
	if err := pragma(ctx, x, "index_list", table, []any{new(any), &name, &unique, &origin, &partial}, func() {
		if unique && origin != "pk" {
			keys = append(keys, key{name, partial})
		}
	}); err != nil {
		return d, err
	}
	for _, k := range keys {
		var columns []string
		var column sql.NullString // none for an expression
		whole := true
		if err := pragma(ctx, x, "index_info", k.name, []any{new(any), new(any), &column}, func() {
			columns, whole = append(columns, column.String), whole && column.Valid
		}); err != nil {
			return d, err
		}
		switch {
		case k.partial:
			leave("the unique key %s, which is of some rows", k.name)
		case !whole:
			leave("the unique key %s, which is of an expression", k.name)
		default:
			d.Unique = append(d.Unique, columns)
		}
	}
	return d, nil
}

// statementsOf gives the statement that has made a table, and its triggers.
func statementsOf(ctx context.Context, x sqlstore.Execer, table string) (made string, triggers []string, err error) {
	rows, err := x.QueryContext(ctx, "SELECT type, name, COALESCE(sql, '') FROM sqlite_master WHERE tbl_name = ? COLLATE NOCASE AND type IN ('table', 'trigger') ORDER BY name", table)
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var typ, name, text string
		if err := rows.Scan(&typ, &name, &text); err != nil {
			return "", nil, err
		}
		if typ == "table" {
			made = text
		} else {
			triggers = append(triggers, name)
		}
	}
	return made, triggers, rows.Err()
}
