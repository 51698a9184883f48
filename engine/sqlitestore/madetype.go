package sqlitestore

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// madeType is the type of a column of a statement that a server understands.
type madeType struct {
	written string   // its name
	neutral string   // as db.ensure names it
	sql     string   // here; "": as db.ensure makes it
	most    string   // of numbers: the largest
	least   string   // and the smallest; unsigned ones have 0
	twice   string   // the largest of unsigned ones
	listed  []string // the values of ENUM and SET, in SQL
	set     bool
	more    string // another condition, in which %s is the column
	digits  int    // of a second, behind the point
	serial  bool
}

// integers are the types of whole numbers: the bytes of each.
var integers = map[string]int{"tinyint": 1, "int1": 1, "smallint": 2, "int2": 2, "mediumint": 3, "int3": 3, "middleint": 3,
	"int": 4, "int4": 4, "integer": 8, // which only tables of SQLite are told to have
	"bigint": 8, "int8": 8}

// lengths are the types of texts and bytes that are measured in bytes, and how many they hold.
var lengths = map[string]int{"tinytext": 1<<8 - 1, "text": 1<<16 - 1, "mediumtext": 1<<24 - 1, "tinyblob": 1<<8 - 1, "blob": 1<<16 - 1, "mediumblob": 1<<24 - 1}

// typ reads the type of a column.
func (p *tableParser) typ(column string) (t madeType) {
	if p.now().kind != tokenWord {
		panic(p.unknown("the column " + column + " without a type"))
	}
	t.written = p.ident()
	name := strings.ToLower(t.written)
	switch {
	case name == "double":
		p.take("PRECISION")
	case (name == "character" || name == "char") && p.take("VARYING"):
		name = "varchar"
	case name == "character":
		name = "char"
	}
	var args []string
	if p.sign("(") {
		from := p.at + 1
		p.brackets()
		for _, a := range p.list[from : p.at-1] {
			if a.text != "," || a.kind != tokenSign {
				args = append(args, p.sql[a.from:a.to])
			}
		}
	}
	n := 0
	if len(args) > 0 {
		n, _ = strconv.Atoi(args[0])
	}
	size, whole := integers[name]
	most := lengths[name]
	if n > 6 && (name == "datetime" || name == "timestamp" || name == "time") {
		panic(p.unknown(fmt.Sprintf("%s(%d), which has more than 6 digits,", name, n)))
	}
	switch {
	case name == "bool", name == "boolean", name == "tinyint" && n == 1 && !p.word("UNSIGNED"):
		t.neutral, t.least, t.most = "boolean", "-128", "127"
	case name == "serial":
		t.neutral, t.serial = "integer", true
	case whole:
		bits := uint(8 * size)
		t.neutral, t.sql, t.least, t.most, t.twice = "integer", "BIGINT", "-"+power2(bits-1, 0), power2(bits-1, 1), power2(min(bits, 63), 1)
	case name == "bit":
		t.neutral, t.sql, t.least, t.most = "integer", "BIGINT", "0", power2(min(uint(max(n, 1)), 63), 1)
	case name == "year":
		t.neutral, t.sql, t.more = "integer", "BIGINT", "(%[1]s = 0 OR %[1]s BETWEEN 1901 AND 2155)"
	case name == "decimal", name == "numeric", name == "dec", name == "fixed":
		args = args[:min(len(args), 2)]
		digits := append(args, []string{"10", "0"}[len(args):]...)
		t.neutral = "decimal(" + digits[0] + "," + digits[1] + ")"
	case name == "float" && n <= 24, name == "float4":
		t.neutral, t.least, t.most = "float", "-3.4028234663852886e38", "3.4028234663852886e38"
	case name == "double", name == "real", name == "float", name == "float8":
		t.neutral = "float"
	case (name == "varchar" || name == "nvarchar") && n > 0, name == "char", name == "nchar":
		t.neutral = fmt.Sprintf("text(%d)", max(n, 1))
		if !strings.Contains(name, "var") {
			t.sql = fmt.Sprintf("CHAR_TEXT(%d)", max(n, 1))
		}
	case strings.HasSuffix(name, "text") && (most > 0 || name == "longtext"):
		t.neutral = "text"
	case strings.HasSuffix(name, "blob") && (most > 0 || name == "longblob"):
		t.neutral = "bytes"
	case name == "varbinary" && n > 0, name == "binary":
		t.neutral, t.more = "bytes", fmt.Sprintf("length(%%[1]s) <= %d", max(n, 1))
	case name == "date", name == "json", name == "time":
		t.neutral, t.digits = name, n
	case name == "datetime", name == "timestamp":
		t.neutral, t.sql, t.digits = "timestamp", fmt.Sprintf("DATETIME(%d)", n), n
		if name == "timestamp" {
			t.more = "%[1]s BETWEEN '1970-01-01 00:00:01' AND '2038-01-19 03:14:07.999999'"
		}
	case name == "enum", name == "set":
		t.neutral, t.listed, t.set = "text", args, name == "set"
	case name == "uuid":
		t.neutral = "text(36)"
	case name == "inet4":
		t.neutral = "text(15)"
	case name == "inet6":
		t.neutral = "text(39)"
	default:
		panic(p.unknown(fmt.Sprintf("the type %s of the column %s", t.written, column)))
	}
	if most > 0 {
		t.more = fmt.Sprintf("octet_length(%%[1]s) <= %d", most)
	}
	if _, _, err := engine.ParseColumnType(t.neutral); err != nil {
		panic(p.unknown(fmt.Sprintf("the type %s of the column %s", t.neutral, column)))
	}
	return t
}

// power2 is 2 to the n-th, less so many.
func power2(n uint, less uint64) string { return strconv.FormatUint(1<<n-less, 10) }

// in is the type as SQLite has it, and the condition on the values of a column.
func (t madeType) in(column string, inKey, unsigned bool) (sql, check string) {
	name, n, _ := engine.ParseColumnType(t.neutral)
	if sql = t.sql; sql == "" {
		sql = typeSQL(name, n, inKey)
	}
	conditions := []string{valueCheck(column, name, n)}
	also := func(format string, args ...any) { conditions = append(conditions, fmt.Sprintf(format, args...)) }
	least, most := t.least, t.most
	if unsigned && t.twice != "" {
		least, most = "0", t.twice
	}
	switch {
	case most != "":
		also("%s BETWEEN %s AND %s", column, least, most)
	case unsigned && strings.HasPrefix(sql, "DECIMAL_"):
		also("%s NOT GLOB '-*'", column)
	case unsigned:
		also("%s >= 0", column)
	}
	switch {
	case t.set: // what is left when all members are taken away
		rest := "',' || " + column + " || ','"
		for _, m := range t.listed {
			rest = fmt.Sprintf("replace(%s, ',' || %s || ',', ',')", rest, m)
		}
		also("(%s = '' OR %s = ',')", column, rest)
	case t.listed != nil:
		also("%s IN (%s)", column, strings.Join(t.listed, ", "))
	}
	if t.more != "" {
		also(t.more, column)
	}
	if conditions[0] == "" {
		conditions = conditions[1:]
	}
	return sql, strings.Join(conditions, " AND ")
}

// nowSQL is the time, for a column of the type: that of the clock of the connection.
func (t madeType) nowSQL() string {
	if t.neutral == "date" || t.neutral == "time" {
		return t.neutral + "('now')"
	}
	return fmt.Sprintf("%s(strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'), '%s')", fnTime, asTimestampOf(6-t.digits))
}

// defaultSQL is the default of a column: written as the column keeps it.
func (p *tableParser) defaultSQL(c *madeColumn) string {
	switch {
	case c.now:
		return " DEFAULT (" + c.typ.nowSQL() + ")"
	case c.value == nil && c.expr == "":
		return ""
	case c.value == nil:
		return " DEFAULT " + c.expr
	}
	text := c.value.text
	if c.value.kind == tokenText {
		text = strings.ReplaceAll(p.sql[c.value.from+1:c.value.to-1], "''", "'")
	} else if c.value.kind == tokenNumber {
		text = c.sign + p.sql[c.value.from:c.value.to]
	}
	if fit := fitOf(c.typ.neutral, true, 0); fit != nil {
		if x, why := fit(text); why == "" {
			if s, ok := x.(string); ok {
				text = s
			}
		}
	}
	if c.typ.neutral == "bytes" {
		return fmt.Sprintf(" DEFAULT x'%x'", text)
	}
	return " DEFAULT '" + strings.ReplaceAll(text, "'", "''") + "'" // the column makes a number of it
}
