package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// writeTables writes the tables that the SQL names.
func (w *World) writeTables(t *writing) error {
	for _, table := range w.kept.tables {
		if len(table.columns) == 0 {
			continue // the script makes it
		}
		db := "t.db"
		if table.connection != "" {
			db = t.call("t.connection", []string{t.literal(table.connection)}, nil)
		}
		left := w.writeTable(t, db, table)
		for _, what := range left {
			t.remark(fmt.Sprintf("left out of the table %s: %s", table.name, what))
			w.leftOut = append(w.leftOut, w.hide(fmt.Sprintf("table %s: %s", table.name, what)))
		}
		var rows []string
		for _, r := range table.rows {
			var names, cells []string
			for i, v := range r.values {
				if !slices.ContainsFunc(table.columns, func(c engine.Column) bool { return strings.EqualFold(c.Name, r.names[i]) }) {
					continue // it is calculated
				}
				cell, err := t.value(v)
				if err != nil {
					return fmt.Errorf("table %s, column %s: %w", table.name, r.names[i], err)
				}
				names, cells = append(names, r.names[i]), append(cells, cell)
			}
			rows = append(rows, t.dict(names, cells))
		}
		if len(rows) > 0 {
			t.line(db+".insert", []string{t.literal(table.name), t.table(rows)})
		}
	}
	return nil
}

// writeTable writes what makes a table: ensure, as long as that can say what it has.
// It tells what is left out.
func (w *World) writeTable(t *writing, db string, table *keptTable) (left []string) {
	d := table.design
	if d != nil && (d.Auto != "" || len(d.Required) > 0 || len(d.Defaults) > 0) {
		sql, left := createTable(table)
		t.line(db+".exec", []string{t.longText(sql)})
		return left
	}
	var names, types, key []string
	for _, c := range table.columns {
		typ := c.Type
		if d != nil && typ == "text" && inKey(d.Unique, c.Name) {
			typ = fmt.Sprintf("text(%d)", width(table, c.Name))
		}
		names, types = append(names, c.Name), append(types, t.literal(typ))
		if c.Key {
			key = append(key, t.literal(c.Name))
		}
	}
	if d == nil && table.key != nil {
		key = nil
		for _, k := range table.key {
			key = append(key, t.literal(k))
		}
	}
	var named []argument
	if len(key) > 0 {
		named = []argument{{"key", t.list(key)}}
	}
	t.line(db+".ensure", []string{t.literal(table.name), t.dict(names, types)}, named...)
	if d == nil {
		return nil
	}
	for i, u := range d.Unique {
		index := quote(fmt.Sprintf("unique_%d_of_%s", i+1, table.name))
		t.line(db+".exec", []string{t.literal(fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (%s)", index, quoteTable(table.name), quoteAll(u)))})
	}
	return d.LeftOut
}

// createTable is a statement that makes a table, as servers read it, and databases of tests.
// It tells what is left out.
func createTable(table *keptTable) (sql string, left []string) {
	d := table.design
	left = slices.Clone(d.LeftOut)
	var key []string
	for _, c := range table.columns {
		if c.Key {
			key = append(key, c.Name)
		}
	}
	auto := d.Auto
	if auto != "" && len(key) != 1 {
		left = append(left, "that the column "+auto+" numbers the rows, which is one of several in the key")
		auto = ""
	}
	var defs []string
	for _, c := range table.columns {
		typ, lost := typeIn(table, c, slices.Contains(key, c.Name) || inKey(d.Unique, c.Name))
		if lost != "" {
			left = append(left, lost)
		}
		def := quote(c.Name) + " " + typ
		if c.Name == auto {
			defs = append(defs, quote(c.Name)+" BIGINT PRIMARY KEY AUTO_INCREMENT")
			continue
		}
		if slices.Contains(d.Required, c.Name) || slices.Contains(key, c.Name) {
			def += " NOT NULL"
		}
		if value := d.Defaults[c.Name]; value != "" {
			switch {
			case value == "CURRENT_TIMESTAMP" && c.Type == "timestamp":
				value += "(6)"
			case strings.HasPrefix(typ, "LONG"): // MySQL takes no plain value there
				value = "(" + value + ")"
			}
			def += " DEFAULT " + value
		}
		defs = append(defs, def)
	}
	if auto == "" && len(key) > 0 {
		defs = append(defs, "PRIMARY KEY ("+quoteAll(key)+")")
	}
	for _, u := range d.Unique {
		defs = append(defs, "UNIQUE ("+quoteAll(u)+")")
	}
	return "CREATE TABLE " + quoteTable(table.name) + " (\n    " + strings.Join(defs, ",\n    ") + "\n)\n", left
}

// typeIn is a column's type in SQL, and what of it is lost.
func typeIn(table *keptTable, c engine.Column, inKey bool) (sql, lost string) {
	name, n, err := engine.ParseColumnType(c.Type)
	if err != nil {
		return "LONGBLOB", "the type of the column " + c.Name
	}
	switch name {
	case "text":
		switch {
		case len(n) == 1:
			return fmt.Sprintf("VARCHAR(%d)", n[0]), ""
		case inKey:
			return fmt.Sprintf("VARCHAR(%d)", width(table, c.Name)), ""
		}
		return "LONGTEXT", ""
	case "integer":
		return "BIGINT", ""
	case "float":
		return "DOUBLE", ""
	case "decimal":
		return fmt.Sprintf("DECIMAL(%d,%d)", n[0], n[1]), ""
	case "time":
		return "TIME(6)", ""
	case "timestamp":
		return "DATETIME(6)", ""
	case "bytes":
		if inKey {
			return "VARBINARY(255)", ""
		}
		return "LONGBLOB", ""
	}
	return strings.ToUpper(name), ""
}

func inKey(keys [][]string, column string) bool {
	return slices.ContainsFunc(keys, func(k []string) bool { return slices.Contains(k, column) })
}

// width is how long a text of a key may be: as in ensure, or as long as those that are
// there.
func width(table *keptTable, column string) int {
	most := 255
	for _, r := range table.rows {
		for i, name := range r.names {
			if s, ok := r.values[i].(string); ok && name == column {
				most = max(most, len(s))
			}
		}
	}
	return most
}

// quoteAll quotes names, as a list.
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}
