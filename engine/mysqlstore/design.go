package mysqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// What a table has that CreateTable cannot say. Parameters: the database, or NULL for
// the one that the connection is in, and the table.
const (
	selectDesign = `SELECT column_name, column_type, is_nullable, column_key, extra, COALESCE(column_default, ''), column_default IS NULL
 FROM information_schema.columns WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? ORDER BY ordinal_position`
	selectConstraints = `SELECT constraint_type, constraint_name FROM information_schema.table_constraints
 WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND constraint_type IN ('CHECK', 'FOREIGN KEY') ORDER BY constraint_name`
	selectTableTriggers = `SELECT trigger_name FROM information_schema.triggers
 WHERE event_object_schema = COALESCE(?, DATABASE()) AND event_object_table = ? ORDER BY trigger_name`
)

// DesignTable gives what a table has that CreateTable cannot say.
func (s *Store) DesignTable(ctx context.Context, x sqlstore.Execer, table string) (d engine.TableDesign, err error) {
	var schema any
	name := table
	if db, t, ok := strings.Cut(table, "."); ok {
		schema, name = db, t
	}
	d.Defaults = map[string]string{}
	leave := func(format string, args ...any) { d.LeftOut = append(d.LeftOut, fmt.Sprintf(format, args...)) }
	err = texts(ctx, x, 7, func(row []string) {
		column, extra, value, none := row[0], strings.ToLower(row[4]), row[5], row[6] == "1"
		switch {
		case strings.Contains(extra, "generated") && !strings.Contains(extra, "default_generated"):
			leave("that the column %s is calculated", column)
			return
		case strings.Contains(extra, "auto_increment"):
			if d.Auto = column; row[3] != "PRI" {
				d.Auto = ""
				leave("that the column %s numbers the rows, without being the primary key", column)
			}
			return
		case strings.Contains(extra, "on update"):
			leave("that an update sets the column %s to the time", column)
		}
		if row[2] != "YES" && row[3] != "PRI" {
			d.Required = append(d.Required, column)
		}
		if none {
			return
		}
		plain, ok := sqlstore.PlainDefault(value)
		if s.dialect.name == "mysql" && !strings.Contains(extra, "default_generated") && !(ok && plain == "CURRENT_TIMESTAMP") { // it tells the text itself
			if typ := neutralType(row[1]); strings.HasPrefix(typ, "text") || !ok || plain == "" {
				plain, ok = sqlstore.PlainText(value)
			}
		}
		switch {
		case !ok, strings.HasPrefix(value, "b'"):
			leave("the default %s of the column %s", value, column)
		case plain != "":
			d.Defaults[column] = plain
		}
	}, selectDesign, schema, name)
	if err != nil {
		return d, err
	}
	indexes, err := uniqueIndexes(ctx, x, schema, name)
	if err != nil {
		return d, err
	}
	for _, i := range indexes {
		switch {
		case i.name == "PRIMARY":
		case i.loose != "":
			leave("the unique key %s, %s", i.name, i.loose)
		default:
			d.Unique = append(d.Unique, i.columns)
		}
	}
	valid := map[string]bool{} // conditions that MariaDB has made for its JSON
	if s.dialect.name == "mariadb" {
		if err := texts(ctx, x, 1, func(row []string) { valid[row[0]] = true }, selectJSON, schema, name); err != nil {
			return d, err
		}
	}
	if err := texts(ctx, x, 2, func(row []string) {
		switch {
		case row[0] == "FOREIGN KEY":
			leave("the foreign key %s", row[1])
		case !valid[row[1]]:
			leave("the condition %s", row[1])
		}
	}, selectConstraints, schema, name); err != nil {
		return d, err
	}
	return d, texts(ctx, x, 1, func(row []string) { leave("the trigger %s", row[0]) }, selectTableTriggers, schema, name)
}
