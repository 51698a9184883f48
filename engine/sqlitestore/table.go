package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Quote writes a name so that it can be used in SQL.
func (s *Store) Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// Engines: there is one.
func (s *Store) Engines() bool { return false }

// Tables are the names of the tables there.
func (s *Store) Tables(ctx context.Context, x sqlstore.Execer) (names []string, err error) {
	rows, err := x.QueryContext(ctx, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') LIMIT 1000")
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
	type keyPart struct {
		at   int
		name string
	}
	var parts []keyPart
	var name, typ string
	var notNull bool
	var pk, hidden int
	err = pragma(ctx, x, "table_xinfo", table, []any{new(any), &name, &typ, &notNull, new(any), &pk, &hidden}, func() {
		if hidden == 1 { // of a virtual table, for its own use
			return
		}
		c := engine.Column{Name: name, Type: neutralType(typ), Nullable: !notNull && pk == 0, Key: pk > 0}
		if _, _, err := engine.ParseColumnType(c.Type); err != nil || c.Type == "bytes" && !strings.EqualFold(typ, "blob") {
			shape.Open = append(shape.Open, name)
		}
		shape.Columns = append(shape.Columns, c)
		if pk > 0 {
			parts = append(parts, keyPart{pk, name})
		}
	})
	if err != nil || len(shape.Columns) == 0 {
		return shape, err
	}
	slices.SortFunc(parts, func(a, b keyPart) int { return a.at - b.at })
	if len(parts) > 0 {
		var key []string
		for _, p := range parts {
			key = append(key, p.name)
		}
		shape.Unique = append(shape.Unique, key)
	}
	var indexes []string
	var unique, partial bool
	var origin string
	err = pragma(ctx, x, "index_list", table, []any{new(any), &name, &unique, &origin, &partial}, func() {
		if unique && origin != "pk" && !partial {
			indexes = append(indexes, name)
		}
	})
	for _, index := range indexes {
		var columns []string
		var column sql.NullString // none for an expression
		whole := true
		if err = errors.Join(err, pragma(ctx, x, "index_info", index, []any{new(any), new(any), &column}, func() {
			columns, whole = append(columns, column.String), whole && column.Valid
		})); err != nil {
			return shape, err
		}
		if whole {
			shape.Unique = append(shape.Unique, columns)
		}
	}
	return shape, err
}

// pragma reads what SQLite tells of a table or an index: it calls each with every
// row in dest. It is the statement, because the function of the same name takes
// several times as long.
func pragma(ctx context.Context, x sqlstore.Execer, name, of string, dest []any, each func()) error {
	rows, err := x.QueryContext(ctx, "PRAGMA "+name+"('"+strings.ReplaceAll(of, "'", "''")+"')")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		each()
	}
	return rows.Err()
}

// neutralType names a column's type as db.ensure would.
func neutralType(t string) string {
	low := strings.ToLower(t)
	base, numbers, has := strings.Cut(low, "(")
	switch {
	case (base == "varchar" || base == charText) && has:
		return "text(" + numbers
	case base == "decimal", base == "decimal_text", base == "decimal_key_text":
		return "decimal(" + numbers
	case base == "json_text":
		return "json"
	case base == "boolean", base == "date", base == "time":
		return base
	case base == "timestamp", base == "datetime":
		return "timestamp"
	case strings.Contains(base, "int"):
		return "integer"
	case strings.Contains(base, "char"), strings.Contains(base, "text"), strings.Contains(base, "clob"):
		return "text"
	case strings.Contains(base, "real"), strings.Contains(base, "floa"), strings.Contains(base, "doub"):
		return "float"
	}
	return "bytes"
}

// Decimals are kept as numbers where a number is exact: any of exactDigits digits
// is a float of its own, a whole one of wholeDigits fits 64 bits. Others are text,
// with all the digits of their column. Such a column is compared by value
// (decimalOrder), so that another program, which does not know that order, is
// told so instead of being given a wrong one. A key has no order declared,
// because such a program could not even count the rows then: equal values are
// equal texts, and statements name the order where they need it (rewrite.go).
// Numbers need none of that, which is why not all decimals are text.
const (
	exactDigits = 15
	wholeDigits = 18
)

// asText says whether a decimal is kept as text.
func asText(precision, scale int) bool {
	return precision > wholeDigits || precision > exactDigits && scale > 0
}

// CreateTable is the statement that makes a script's table.
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
		defs = append(defs, "PRIMARY KEY ("+s.quoteAll(key)+")")
	}
	if !slices.ContainsFunc(defs, func(def string) bool { return strings.Contains(def, valueConstraint) }) {
		defs = append(defs, "CONSTRAINT "+s.Quote(valueConstraint)+" CHECK (1)") // by which the table is known to be ours
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s)", s.Quote(table), strings.Join(defs, ", ")), nil
}

// ColumnSQL is a column of such a table.
func (s *Store) ColumnSQL(c engine.Column, inKey bool) (string, error) {
	name, n, err := engine.ParseColumnType(c.Type)
	if err != nil {
		return "", err
	}
	if inKey && (name == "bytes" || name == "text" && len(n) == 0) { // as on MySQL, and so refused
		n = []int{keySize}
	}
	def := s.Quote(c.Name) + " " + typeSQL(name, n, inKey)
	if !c.Nullable || inKey {
		def += " NOT NULL"
	}
	if check := valueCheck(s.Quote(c.Name), name, n); check != "" {
		def += fmt.Sprintf(" CONSTRAINT %s CHECK (%s)", s.Quote(valueConstraint+c.Name), check)
	}
	return def, nil
}

// typeSQL is a type of db.ensure as SQLite is told it.
func typeSQL(name string, n []int, inKey bool) string {
	switch {
	case name == "text" && len(n) == 1:
		return fmt.Sprintf("VARCHAR(%d)", n[0])
	case name != "decimal":
		return map[string]string{
			"text": "TEXT", "integer": "INTEGER", "float": "REAL", "boolean": "BOOLEAN", "date": "DATE",
			"time": "TIME", "timestamp": "TIMESTAMP", "bytes": "BLOB", "json": "JSON_TEXT",
		}[name]
	case !asText(n[0], n[1]):
		return fmt.Sprintf("DECIMAL(%d,%d)", n[0], n[1])
	case inKey:
		return fmt.Sprintf("DECIMAL_KEY_TEXT(%d,%d)", n[0], n[1])
	}
	return fmt.Sprintf("DECIMAL_TEXT(%d,%d) COLLATE %s", n[0], n[1], decimalOrder)
}

// charText is the type of texts of Make whose spaces at the end are not given back.
const charText = "char_text"

// keySize is how long texts and bytes of a key are at most.
const keySize = 255

// valueConstraint begins the names of the constraints that keep out of a column
// what MySQL would refuse.
const valueConstraint = "values of "

// valueCheck is the condition on a column's values: SQLite itself stores
// anything anywhere. NULL passes, because it is not false.
func valueCheck(column, typ string, n []int) string {
	switch typ {
	case "text", "bytes":
		if len(n) == 1 {
			return fmt.Sprintf("length(%s) <= %d", column, n[0])
		}
	case "integer", "boolean":
		return "typeof(" + column + ") IN ('integer', 'null')"
	case "float":
		return column + " > -1e999 AND " + column + " < 1e999" // text and bytes come behind all numbers
	case "decimal":
		whole := n[0] - n[1]
		switch {
		case asText(n[0], n[1]):
			return textCheck(column, whole, n[1])
		case n[0] > exactDigits:
			return fmt.Sprintf("typeof(%s) IN ('integer', 'null') AND abs(%s) < 1e%d", column, column, whole)
		}
		return fmt.Sprintf("typeof(%s) IN ('integer', 'real', 'null') AND abs(round(%s, %d)) < 1e%d", column, column, n[1], whole)
	case "date", "timestamp": // IS, because date() of what is no date is NULL
		return "date(" + column + ") IS substr(" + column + ", 1, 10)"
	case "time":
		return "time(" + column + ") IS substr(" + column + ", 1, 8)"
	case "json":
		return "json_valid(" + column + ")"
	}
	return ""
}

// textCheck is the condition on a decimal that is kept as text: that it is
// written in the one way that there is.
func textCheck(column string, whole, scale int) string {
	before := fmt.Sprintf("ltrim(substr(%s, 1, instr(%s || '.', '.') - 1), '-')", column, column)
	fraction := ""
	if scale > 0 {
		fraction = "." + strings.Repeat("[0-9]", scale)
	}
	return fmt.Sprintf("%[1]s NOT GLOB '*[^-.0-9]*' AND (%[1]s GLOB '[0-9]*%[2]s' OR %[1]s GLOB '-[0-9]*%[2]s' AND %[1]s GLOB '*[1-9]*') AND %[3]s NOT GLOB '*[^0-9]*' AND length(%[1]s) = length(%[3]s) + (%[1]s GLOB '-*') + %[4]d"+
		" AND (%[3]s = '0' OR %[3]s GLOB '[1-9]*') AND length(ltrim(%[3]s, '0')) <= %[5]d", column, fraction, before, min(scale, 1)+scale, whole)
}

// UpsertSQL is the tail of an upsert. A row that is the same already is not
// touched, so that the count of changes tells; a conflict in another unique
// index is an error of its own accord.
func (s *Store) UpsertSQL(u sqlstore.UpsertTail) string {
	tail := " ON CONFLICT (" + s.quoteAll(u.Key) + ") DO "
	if len(u.Update) == 0 {
		return tail + "NOTHING"
	}
	var set, differs []string
	for _, c := range u.Update {
		q := s.Quote(c)
		set = append(set, q+" = excluded."+q)
		had, comes := s.Quote(u.Table)+"."+q, "excluded."+q
		if typ := u.TypeOf(c); strings.HasPrefix(typ, "decimal") {
			comes = s.Comparable(comes, typ)
		}
		differs = append(differs, had+" IS NOT "+comes)
	}
	tail += "UPDATE SET " + strings.Join(set, ", ") + " WHERE (" + strings.Join(differs, " OR ") + ")"
	if u.Newer != "" {
		q := s.Quote(u.Newer)
		had := s.Quote(u.Table) + "." + q
		tail += " AND (" + had + " IS NULL OR " + s.Comparable("excluded."+q, u.NewerType) + " >= " + s.Comparable(had, u.NewerType) + ")"
	}
	return tail
}

// Comparable has points in time and dates, which are kept as text, compared as such
// whatever way they were written in, and decimals by their value.
func (s *Store) Comparable(sql, columnType string) string {
	switch columnType {
	case "timestamp":
		return fnTime + "(" + sql + ", '" + asTimestamp + "')"
	case "date":
		return fnTime + "(" + sql + ", '" + asDay + "')"
	}
	if strings.HasPrefix(columnType, "decimal") {
		return sql + " COLLATE " + decimalOrder
	}
	return sql
}

// CountUpserts does not count: looking the keys up beforehand costs little here.
func (s *Store) CountUpserts() (before, after string) { return "", "" }

// Updated tells how many rows an upsert changed, besides the new ones.
func (s *Store) Updated(affected, fresh, _ int64) int64 { return affected - fresh }

// KeyTable is rolled back with the transaction.
func (s *Store) KeyTable(name, table string, key []string, typeOf func(string) string) (create []string, insert, tail, drop string) {
	columns, temp := s.quoteAll(key), "temp."+s.Quote(name)
	var index []string
	for _, k := range key {
		q := s.Quote(k)
		if typ := typeOf(k); strings.HasPrefix(typ, "decimal") {
			q = s.Comparable(q, typ)
		}
		index = append(index, q)
	}
	return []string{
			fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT %s FROM main.%s WHERE 0", s.Quote(name), columns, s.Quote(table)),
			fmt.Sprintf("CREATE UNIQUE INDEX temp.%s ON %s (%s)", s.Quote(name+"_key"), s.Quote(name), strings.Join(index, ", ")),
		},
		"INSERT OR IGNORE INTO " + temp + " (" + columns + ") VALUES ", "", "DROP TABLE " + temp
}

func (s *Store) quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = s.Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// FromDB makes a value of the driver's one that scripts know, by the column's
// declared type, so that it is the same as from MySQL.
func (s *Store) FromDB(v any, column *sql.ColumnType) (any, error) {
	typ := strings.ToUpper(column.DatabaseTypeName())
	base, numbers, _ := strings.Cut(typ, "(")
	switch x := v.(type) {
	case bool:
		if x {
			return int64(1), nil
		}
		return int64(0), nil
	case time.Time:
		if base == "DATE" {
			return x.Format(time.DateOnly), nil
		}
		return x.UTC(), nil
	case string:
		if base == "TIMESTAMP" || base == "DATETIME" {
			if t, ok := sqlstore.ParseTimestamp(x); ok {
				return t, nil
			}
		}
		if base == "DECIMAL_TEXT" || base == "DECIMAL_KEY_TEXT" || base == "DECIMAL" {
			return decimal(x, numbers), nil
		}
		switch base {
		case "TIME":
			return sqlstore.TimeOfDay(x), nil
		case strings.ToUpper(charText):
			return strings.TrimRight(x, " "), nil
		}
	case []byte:
		if x == nil { // the driver's word for no bytes; NULL is nil itself
			return []byte{}, nil
		}
	case int64:
		if base == "DECIMAL" {
			return decimal(strconv.FormatInt(x, 10), numbers), nil
		}
	case float64:
		if base == "DECIMAL" {
			return decimal(strconv.FormatFloat(x, 'f', -1, 64), numbers), nil
		}
	}
	return v, nil
}

// decimal writes a number with the digits behind the point that its column has;
// one without any is a whole number.
func decimal(text, numbers string) any {
	_, scale, _ := strings.Cut(strings.TrimSuffix(numbers, ")"), ",")
	n, err := strconv.Atoi(strings.TrimSpace(scale))
	if err != nil {
		return text
	}
	x, ok := parseNumber(text)
	if !ok {
		return text
	}
	if n == 0 && x.scale == 0 {
		return sqlstore.WholeNumber(x.text())
	}
	return x.at(n).text()
}

// ToDB makes a script's value one that is stored the way MySQL would.
func (s *Store) ToDB(v any) any { return toDB(v) }

func toDB(v any) any {
	switch x := v.(type) {
	case bool:
		if x {
			return int64(1)
		}
		return int64(0)
	case *big.Int:
		if x.IsInt64() {
			return x.Int64()
		}
		return x.String()
	case engine.Decimal:
		return bare(x)
	case time.Time:
		return sqlstore.TimeText(x)
	}
	return v
}

// bare is a decimal as one is that is written in a statement: a number if that is
// exact, or else its text.
func bare(d engine.Decimal) any {
	number := string(d)
	if strings.Contains(number, ".") {
		number = strings.TrimSuffix(strings.TrimRight(number, "0"), ".")
	}
	digits := len(strings.Trim(strings.Replace(number, ".", "", 1), "-0"))
	switch whole := !strings.Contains(number, "."); {
	case whole:
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && digits <= wholeDigits {
			return n
		}
	case digits <= exactDigits:
		if f, err := strconv.ParseFloat(number, 64); err == nil {
			return f
		}
	}
	return string(d)
}

// fitOf has a column keep values as MySQL would give them back, so that equal ones
// are the same: decimals with the digits of their column, points in time with
// microseconds. ours says that db.ensure made the table, or Make: then what the column of a
// server would not hold is refused; else it stays. cut is how many digits of a second the
// column does not keep of six.
func fitOf(columnType string, ours bool, cut int) func(any) (any, string) {
	fit := sqlstore.FitOf(columnType)
	name, n, err := engine.ParseColumnType(columnType)
	if err != nil {
		return nil
	}
	switch name {
	case "decimal":
		return func(v any) (any, string) {
			v = toDB(v)
			if x, ok := numberOf(v); ok && x.at(0).digits.CmpAbs(power(n[0]-n[1])) <= 0 {
				return x.at(n[1]).text(), ""
			}
			return v, ""
		}
	case "bytes":
		return func(v any) (any, string) {
			if !ours {
				return v, ""
			}
			x, why := fit(v)
			if text, ok := x.(string); ok {
				return []byte(text), why
			}
			return x, why
		}
	}
	if fit == nil {
		return nil
	}
	return func(v any) (any, string) {
		x, why := fit(v)
		if why != "" && ours {
			return nil, why
		}
		if why != "" {
			x = v
		}
		if text, ok := x.(string); ok && name == "timestamp" && (cut > 0 || why != "" || len(text) != len(timestampLayout)) {
			return timeAs(text, asTimestampOf(cut)), ""
		}
		return x, ""
	}
}

// What timeAs makes of a text, besides a time.
const (
	asTimestamp = "timestamp" // and how many digits of a second are kept, if not all
	asDate      = "date"      // what is compared with a date: it may have a time of day
	asDay       = "day"       // what is kept as a date
	asTime      = "time"
)

// timeAs writes a point in time, a date or a time of day as columns keep it, so
// that equal ones are the same text and later ones come behind. Of what is none,
// it leaves the text.
func timeAs(text, as string) string {
	text = strings.TrimRight(text, " ") // as servers read it
	digits := len(timestampLayout)
	if of, ok := strings.CutPrefix(as, asTimestamp); ok && of != "" {
		digits -= 6 - int(of[0]-'0')
	}
	if as == asTime {
		if clock, why := sqlstore.FitOf(asTime)(text); why == "" {
			return clock.(string)
		}
		return text
	}
	t, ok := sqlstore.ParseTimestamp(text)
	switch {
	case !ok:
		return text
	case as == asDay, as == asDate && t.Equal(t.Truncate(24*time.Hour)):
		return t.Format(time.DateOnly)
	}
	text = t.Format(timestampLayout)
	return text[:digits] + "000000"[:len(text)-digits] // servers cut off the others
}

// asTimestampOf is asTimestamp without so many digits at the end.
func asTimestampOf(cut int) string {
	if cut == 0 {
		return asTimestamp
	}
	return asTimestamp + strconv.Itoa(6-cut)
}

// timestampLayout is how points in time are kept.
const timestampLayout = "2006-01-02 15:04:05.000000"
