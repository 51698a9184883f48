package mysqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Quote writes a name so that it can be used in SQL.
func (s *Store) Quote(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

const (
	selectColumns = `SELECT column_name, column_type, is_nullable, column_key FROM information_schema.columns
 WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? ORDER BY ordinal_position`
	// selectJSON: MariaDB's JSON is a text with a condition of its column's name.
	selectJSON = `SELECT constraint_name FROM information_schema.check_constraints
 WHERE constraint_schema = COALESCE(?, DATABASE()) AND table_name = ? AND check_clause LIKE 'json_valid(%)'`
	selectUnique = `SELECT index_name, column_name FROM information_schema.statistics
 WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND non_unique = 0 ORDER BY index_name, seq_in_index`
)

// DescribeTable gives a table's columns and its unique indexes.
func (s *Store) DescribeTable(ctx context.Context, x sqlstore.Execer, table string) (columns []engine.Column, unique [][]string, err error) {
	var schema any
	name := table
	if db, t, ok := strings.Cut(table, "."); ok {
		schema, name = db, t
	}
	rows, err := x.QueryContext(ctx, selectColumns, schema, name)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c engine.Column
		var typ, nullable, key string
		if err := rows.Scan(&c.Name, &typ, &nullable, &key); err != nil {
			return nil, nil, err
		}
		c.Type, c.Nullable, c.Key = neutralType(typ), nullable == "YES", key == "PRI"
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil || len(columns) == 0 {
		return nil, nil, err
	}
	if s.dialect.name == "mariadb" {
		if err := findJSON(ctx, x, columns, schema, name); err != nil {
			return nil, nil, err
		}
	}
	indexes, err := x.QueryContext(ctx, selectUnique, schema, name)
	if err != nil {
		return nil, nil, err
	}
	defer indexes.Close()
	last := ""
	for indexes.Next() {
		var index, column string
		if err := indexes.Scan(&index, &column); err != nil {
			return nil, nil, err
		}
		if index != last || len(unique) == 0 {
			unique = append(unique, nil)
			last = index
		}
		unique[len(unique)-1] = append(unique[len(unique)-1], column)
	}
	return columns, unique, indexes.Err()
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
	case "tinyint":
		if strings.HasPrefix(rest, "1)") {
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

// CreateTable is the statement that makes a script's table. Text that is part
// of the key is compared byte by byte, as scripts compare it.
func (s *Store) CreateTable(table string, columns []engine.Column, key []string) (string, error) {
	var defs []string
	for _, c := range columns {
		name, n, err := engine.ParseColumnType(c.Type)
		if err != nil {
			return "", err
		}
		inKey := slices.Contains(key, c.Name)
		def := s.Quote(c.Name) + " " + s.columnType(name, n, inKey)
		if inKey || !c.Nullable {
			def += " NOT NULL"
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
	parts := strings.SplitN(table, ".", 2)
	for i, p := range parts {
		parts[i] = s.Quote(p)
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4", strings.Join(parts, "."), strings.Join(defs, ", ")), nil
}

func (s *Store) columnType(name string, n []int, inKey bool) string {
	exact := ""
	if inKey {
		exact = " CHARACTER SET utf8mb4 COLLATE " + s.dialect.collation
	}
	switch name {
	case "text":
		switch {
		case len(n) == 1:
			return fmt.Sprintf("VARCHAR(%d)%s", n[0], exact)
		case inKey:
			return "VARCHAR(255)" + exact
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
func (s *Store) UpsertSQL(table string, columns, key, update []string, guarded bool) string {
	var set []string
	same := ""
	if guarded {
		var conds []string
		for _, k := range key {
			q := s.Quote(k)
			conds = append(conds, q+" <=> VALUES("+q+")")
		}
		same = strings.Join(conds, " AND ")
	}
	for _, u := range update {
		q := s.Quote(u)
		value := "VALUES(" + q + ")"
		if guarded {
			value = "IF(" + same + ", " + value + ", (SELECT 1 FROM (SELECT 1 UNION ALL SELECT 2) two))"
		}
		set = append(set, q+" = "+value)
	}
	if len(set) == 0 {
		q := s.Quote(key[0])
		set = append(set, q+" = "+q)
	}
	return " ON DUPLICATE KEY UPDATE " + strings.Join(set, ", ")
}

// Updated tells how many rows an upsert changed: the server counts 1 for a new
// row, 2 for a changed one, 0 for one that stays as it is.
func (s *Store) Updated(affected int64, fresh int) int64 { return (affected - int64(fresh)) / 2 }
