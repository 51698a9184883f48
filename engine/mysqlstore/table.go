package mysqlstore

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Quote writes a name so that it can be used in SQL.
func (s *Store) Quote(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

const (
	selectColumns = `SELECT column_name, column_type, is_nullable, column_key, extra, COALESCE(character_set_name, '') FROM information_schema.columns
 WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? ORDER BY ordinal_position`
	// selectJSON: MariaDB's JSON is a text with a condition of its column's name.
	selectJSON = `SELECT constraint_name FROM information_schema.check_constraints
 WHERE constraint_schema = COALESCE(?, DATABASE()) AND table_name = ? AND check_clause LIKE 'json_valid(%)'`
	selectEngine = `SELECT t.engine FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine
 WHERE t.table_schema = COALESCE(?, DATABASE()) AND t.table_name = ? AND COALESCE(e.transactions, 'NO') <> 'YES'`
	selectTables = `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() LIMIT ?`
	selectUnique = `SELECT index_name, COALESCE(column_name, ''), sub_part IS NOT NULL FROM information_schema.statistics
 WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND non_unique = 0 ORDER BY index_name, seq_in_index`
)

// textless are types whose values are no text, or to which the text of a number
// means something else than the number.
var textless = []string{"bit", "enum", "set", "year", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection", "vector"}

// ensured are the types of columns that CreateTable makes.
var ensured = regexp.MustCompile(`^(?i:bigint(\(20\))?|double|decimal\(.*\)|varchar\(.*\)|longtext|tinyint\(1\)|date|time\(6\)|datetime\(6\)|varbinary\(255\)|longblob|json)$`)

// Engines: InnoDB is one of several.
func (s *Store) Engines() bool { return true }

// manyTables is how many tables are looked at for one like another.
const manyTables = 1000

// Tables are the names of the tables there.
func (s *Store) Tables(ctx context.Context, x sqlstore.Execer) (names []string, err error) {
	rows, err := x.QueryContext(ctx, selectTables, manyTables)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// DescribeTable gives a table's columns and its unique indexes.
func (s *Store) DescribeTable(ctx context.Context, x sqlstore.Execer, table string) (shape sqlstore.Shape, err error) {
	var schema any
	name := table
	if db, t, ok := strings.Cut(table, "."); ok {
		schema, name = db, t
	}
	rows, err := x.QueryContext(ctx, selectColumns, schema, name)
	if err != nil {
		return shape, err
	}
	defer rows.Close()
	shape.Texts, shape.Fits = true, map[string]func(any) (any, string){}
	for rows.Next() {
		var c engine.Column
		var typ, nullable, key, extra, charset string
		if err := rows.Scan(&c.Name, &typ, &nullable, &key, &extra, &charset); err != nil {
			return shape, err
		}
		c.Type, c.Nullable, c.Key = neutralType(typ), nullable == "YES", key == "PRI"
		shape.Columns, shape.Fits[c.Name] = append(shape.Columns, c), fitOf(typ, charset)
		if strings.HasPrefix(typ, "float") {
			shape.Singles = append(shape.Singles, c.Name)
		}
		if strings.Contains(strings.ToLower(extra), "auto_increment") {
			shape.Auto = c.Name
		}
		if base := strings.FieldsFunc(strings.ToLower(typ), func(r rune) bool { return r == '(' || r == ' ' }); len(base) == 0 || slices.Contains(textless, base[0]) {
			shape.Texts = false
		}
		shape.Spans = shape.Spans || extra != "" || !ensured.MatchString(typ)
	}
	if err := rows.Err(); err != nil || len(shape.Columns) == 0 {
		return sqlstore.Shape{}, err
	}
	if s.dialect.name == "mariadb" {
		if err := findJSON(ctx, x, shape.Columns, schema, name); err != nil {
			return shape, err
		}
	}
	if shape.Engine, err = engineOf(ctx, x, schema, name); err != nil {
		return shape, err
	}
	indexes, err := uniqueIndexes(ctx, x, schema, name)
	for _, i := range indexes {
		if shape.Loose = shape.Loose || i.loose != ""; i.loose == "" {
			shape.Unique = append(shape.Unique, i.columns)
		}
	}
	return shape, err
}

// uniqueIndex is a unique index of a table.
type uniqueIndex struct {
	name    string
	columns []string
	loose   string // why its columns are no key; "": they are
}

// uniqueIndexes are those of a table.
func uniqueIndexes(ctx context.Context, x sqlstore.Execer, schema any, table string) (list []*uniqueIndex, err error) {
	err = texts(ctx, x, 3, func(row []string) {
		if len(list) == 0 || list[len(list)-1].name != row[0] {
			list = append(list, &uniqueIndex{name: row[0]})
		}
		i := list[len(list)-1]
		i.columns = append(i.columns, row[1])
		switch {
		case row[1] == "":
			i.loose = "which is of an expression"
		case row[2] == "1":
			i.loose = "which is of the beginning of a text"
		}
	}, selectUnique, schema, table)
	return list, err
}

// engineOf is what keeps a table, if that knows no transactions.
func engineOf(ctx context.Context, x sqlstore.Execer, schema any, table string) (name string, err error) {
	rows, err := x.QueryContext(ctx, selectEngine, schema, table)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
	}
	return name, rows.Err()
}

// findJSON marks the columns of MariaDB that were made as JSON.
func findJSON(ctx context.Context, x sqlstore.Execer, columns []engine.Column, schema any, table string) error {
	rows, err := x.QueryContext(ctx, selectJSON, schema, table)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return err
		}
		for i := range columns {
			if columns[i].Name == column && columns[i].Type == "text" {
				columns[i].Type = "json"
			}
		}
	}
	return rows.Err()
}

// neutralType names a column's type as db.ensure would.
func neutralType(t string) string {
	base, rest, _ := strings.Cut(strings.ToLower(t), "(")
	base, _, _ = strings.Cut(base, " ")
	switch base {
	case "varchar", "char":
		return "text(" + strings.TrimSuffix(rest, ")") + ")"
	case "text", "tinytext", "mediumtext", "longtext", "enum", "set":
		return "text"
	case "uuid":
		return "text(36)"
	case "inet4":
		return "text(15)"
	case "inet6":
		return "text(39)"
	case "tinyint":
		if strings.HasPrefix(rest, "1)") && !strings.Contains(rest, "unsigned") {
			return "boolean"
		}
		return "integer"
	case "smallint", "mediumint", "int", "bigint", "year", "bit":
		return "integer"
	case "float", "double", "real":
		return "float"
	case "decimal":
		n, _, _ := strings.Cut(rest, ")")
		return "decimal(" + n + ")"
	case "datetime", "timestamp":
		return "timestamp"
	case "date", "time", "json":
		return base
	}
	return "bytes"
}

// shortTexts are types of text that a server measures in bytes, and how many they hold.
var shortTexts = map[string]int{"tinytext": 1<<8 - 1, "text": 1<<16 - 1, "mediumtext": 1<<24 - 1}

// fitOf judges the values of a column of a type that Ensure does not make; nil: as its
// neutral type does.
func fitOf(columnType, charset string) func(v any) (fit any, why string) {
	base, rest, _ := strings.Cut(columnType, "(")
	rest = strings.TrimSuffix(rest, ")")
	switch base {
	case "bit":
		if n, err := strconv.Atoi(rest); err == nil {
			return sqlstore.FitBits(n)
		}
	case "enum", "set":
		return sqlstore.FitMember(rest)
	case "uuid", "inet4", "inet6":
		text := sqlstore.FitOf("text")
		return func(v any) (any, string) {
			if raw, ok := v.([]byte); ok { // which they take, too
				return raw, ""
			}
			return text(v)
		}
	}
	if most := shortTexts[base]; most > 0 && strings.HasPrefix(charset, "utf8") {
		return sqlstore.FitShort(most)
	}
	return nil
}

// CreateTable is the statement that makes a script's table. Its text is compared
// letter by letter, as scripts compare it, and as SQLite does.
func (s *Store) CreateTable(table string, columns []engine.Column, key []string) (string, error) {
	var defs []string
	for _, c := range columns {
		def, err := s.ColumnSQL(c, slices.Contains(key, c.Name))
		if err != nil {
			return "", err
		}
		defs = append(defs, def)
	}
	if len(key) > 0 {
		quoted := make([]string, len(key))
		for i, k := range key {
			quoted[i] = s.Quote(k)
		}
		defs = append(defs, "PRIMARY KEY ("+strings.Join(quoted, ", ")+")")
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=%s", s.quoteTable(table), strings.Join(defs, ", "), s.dialect.collation), nil
}

// ColumnSQL is a column of such a table.
func (s *Store) ColumnSQL(c engine.Column, inKey bool) (string, error) {
	name, n, err := engine.ParseColumnType(c.Type)
	if err != nil {
		return "", err
	}
	def := s.Quote(c.Name) + " " + columnType(name, n, inKey)
	if inKey || !c.Nullable {
		def += " NOT NULL"
	}
	return def, nil
}

func columnType(name string, n []int, inKey bool) string {
	switch name {
	case "text":
		switch {
		case len(n) == 1:
			return fmt.Sprintf("VARCHAR(%d)", n[0])
		case inKey:
			return "VARCHAR(255)"
		}
		return "LONGTEXT"
	case "integer":
		return "BIGINT"
	case "float":
		return "DOUBLE"
	case "decimal":
		return fmt.Sprintf("DECIMAL(%d,%d)", n[0], n[1])
	case "boolean":
		return "TINYINT(1)"
	case "date":
		return "DATE"
	case "time":
		return "TIME(6)"
	case "timestamp":
		return "DATETIME(6)"
	case "bytes":
		if inKey {
			return "VARBINARY(255)"
		}
		return "LONGBLOB"
	case "json":
		return "JSON"
	}
	return name
}

// UpsertSQL is the tail of an upsert. Where the table has other unique indexes,
// a row that meets another one there, and not by the key, is an error: the
// subquery that would then be asked for a value has two rows.
func (s *Store) UpsertSQL(u sqlstore.UpsertTail) string {
	var set []string
	first := s.Quote(u.Key[0])
	if u.Counting {
		set = append(set, first+" = IF(LAST_INSERT_ID(LAST_INSERT_ID() + 1), "+first+", "+first+")")
	}
	same := ""
	if u.Guarded {
		var conds []string
		for _, k := range u.Key {
			q := s.Quote(k)
			conds = append(conds, q+" <=> VALUES("+q+")")
		}
		same = strings.Join(conds, " AND ")
	}
	newer := ""
	if u.Newer != "" {
		q := s.Quote(u.Newer)
		newer = q + " IS NULL OR " + s.Comparable("VALUES("+q+")", u.NewerType) + " >= " + s.Comparable(q, u.NewerType)
	}
	guarded := func(value string) string {
		if !u.Guarded {
			return value
		}
		return "IF(" + same + ", " + value + ", (SELECT 1 FROM (SELECT 1 UNION ALL SELECT 2) two))"
	}
	for _, c := range u.Update {
		q := s.Quote(c)
		value := "VALUES(" + q + ")"
		if newer != "" {
			value = "IF(" + newer + ", " + value + ", " + q + ")"
		}
		set = append(set, q+" = "+guarded(value))
	}
	if len(u.Update) == 0 && u.Guarded {
		set = append(set, first+" = "+guarded(first))
	}
	if len(set) == 0 {
		set = append(set, first+" = "+first)
	}
	return " ON DUPLICATE KEY UPDATE " + strings.Join(set, ", ")
}

// Comparable has texts compared byte by byte.
func (s *Store) Comparable(sql, columnType string) string {
	if strings.HasPrefix(columnType, "text") {
		return "CAST(" + sql + " AS BINARY)"
	}
	return sql
}

// CountUpserts has the tail of an upsert count, in what the connection keeps as
// the last inserted id.
func (s *Store) CountUpserts() (before, after string) {
	return "SET last_insert_id = 0", "SELECT LAST_INSERT_ID()"
}

// Updated tells how many rows an upsert changed: the server counts 2 for a changed row, 1
// for a new one, and for one that stays as it is 1, too, or 0 where only changed rows count.
func (s *Store) Updated(affected, fresh, rows int64) int64 {
	if s.counts {
		return (affected - fresh) / 2
	}
	return affected - rows
}

// KeyTable is made in a way that keeps the columns' types and collations.
// Neither making nor dropping it ends the transaction.
func (s *Store) KeyTable(name, table string, key []string, _ func(string) string) (create []string, insert, tail, drop string) {
	quoted := make([]string, len(key))
	for i, k := range key {
		quoted[i] = s.Quote(k)
	}
	columns := strings.Join(quoted, ", ")
	return []string{fmt.Sprintf("CREATE TEMPORARY TABLE %s (PRIMARY KEY (%s)) ENGINE=InnoDB SELECT %s FROM %s LIMIT 0", s.Quote(name), columns, columns, s.quoteTable(table))},
		"INSERT INTO " + s.Quote(name) + " (" + columns + ") VALUES ", " ON DUPLICATE KEY UPDATE " + quoted[0] + " = " + quoted[0], "DROP TEMPORARY TABLE " + s.Quote(name)
}

// quoteTable quotes "table" or "database.table".
func (s *Store) quoteTable(table string) string {
	parts := strings.SplitN(table, ".", 2)
	for i, p := range parts {
		parts[i] = s.Quote(p)
	}
	return strings.Join(parts, ".")
}
