package sqlitestore

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// A test makes the tables that scripts meet in production by the statement that has
// made them there, as SHOW CREATE TABLE gives it. SQLite knows most of its types by
// name only, takes any value for them, and does not understand the rest. So the
// statement is made one whose columns have the conditions of tables of db.ensure.

// Make runs a statement of a test that makes or changes tables; false if it is none.
func (s *Store) Make(ctx context.Context, query string) (made bool, err error) {
	if made, err = s.MakesTables(query); !made || err != nil {
		return made, err
	}
	statements, unless, err := s.makeTable(query)
	if err != nil {
		return true, err
	}
	c, err := s.Store.DB.Conn(ctx)
	if err != nil {
		return true, err
	}
	defer c.Close()
	if unless != "" {
		var there bool
		err := c.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?1 COLLATE NOCASE UNION ALL SELECT 1 FROM sqlite_temp_master WHERE name = ?1 COLLATE NOCASE)", unless).Scan(&there)
		if err != nil || there {
			return true, err
		}
	}
	defer s.tables.Clear()
	for _, q := range statements {
		if _, err := c.ExecContext(ctx, q); err != nil {
			message := err.Error()
			if strings.Contains(message, "syntax error") {
				message += ": the embedded database, on which tests run, does not know all SQL of servers; db.ensure makes tables on every database"
			}
			return true, &engine.Failure{Kind: engine.KindError, Code: "db.error", Message: message, Cause: err}
		}
	}
	return true, nil
}

// tableParser reads CREATE TABLE of MySQL, MariaDB and SQLite.
type tableParser struct {
	parser
	s       *Store
	table   string // as it is written
	columns []*madeColumn
	key     []string
	parts   []string // conditions and keys, in SQL
	behind  []string // statements that follow
	number  string   // what the rows are numbered from; "": from 1
}

// madeColumn is a column.
type madeColumn struct {
	name     string
	typ      madeType
	unsigned bool
	notNull  bool
	numbers  bool
	value    *token // its default, if it is plain
	sign     string // before it
	expr     string // its default, in SQL
	now      bool   // the time is its default
	onUpdate bool
	more     []string
}

// forServers finds what MySQL and MariaDB alone read, between /*! and */.
var forServers = regexp.MustCompile(`(?s)/\*M?!\d*(.*?)\*/`)

// makeTable gives the statements that do here what one does on a server, and the table, if
// they are not to be run when there is one. One that is not understood stays as it is, unless
// it is one that makes a table.
func (s *Store) makeTable(sql string) (statements []string, unless string, err error) {
	text := forServers.ReplaceAllString(sql, " $1 ")
	list, ok := tokens(text)
	if !ok {
		return []string{sql}, "", nil
	}
	p := &tableParser{parser: parser{sql: text, list: list}, s: s}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *engine.Failure:
			err = r
		case notUnderstood:
			err = p.unknown(p.shown())
		default:
			panic(r)
		}
	}()
	switch {
	case p.take("ALTER"):
		return p.alter(sql), "", nil
	case !p.take("CREATE"):
		return []string{sql}, "", nil
	}
	head := "CREATE TABLE "
	if p.take("TEMPORARY") || p.take("TEMP") {
		head = "CREATE TEMP TABLE "
	}
	if !p.take("TABLE") {
		return []string{sql}, "", nil
	}
	once := p.take("IF")
	if once {
		p.must("NOT", "EXISTS")
	}
	from := p.now().from
	for p.table = p.ident(); p.take("."); p.table = p.ident() {
	}
	head += text[from:p.last()]
	if !p.sign("(") || p.ahead().text == "SELECT" || p.ahead().text == "WITH" {
		return []string{sql}, "", nil
	}
	p.must("(")
	for {
		if !p.constraint() {
			p.column()
		}
		if !p.take(",") {
			break
		}
	}
	p.must(")")
	options := p.options()
	if once {
		unless = p.table
	}
	return append([]string{head + " (" + strings.Join(append(p.definitions(), p.parts...), ", ") + ")" + options}, p.behind...), unless, nil
}

// alter reads ALTER TABLE, of which ADD COLUMN alone is made another one.
func (p *tableParser) alter(sql string) []string {
	if !p.take("TABLE") {
		return []string{sql}
	}
	p.table = p.ident()
	at := p.now().from
	if !p.take("ADD") || !p.take("COLUMN") && (!p.isName() || tableWords[p.now().text] && p.now().kind == tokenWord) {
		return []string{sql}
	}
	if p.column(); len(p.parts) > 0 || len(p.key) > 0 {
		panic(p.unknown("a column that is a key from then on"))
	}
	if p.columns[0].onUpdate { // the others are not known here
		panic(p.unknown("ON UPDATE of a column that is added"))
	}
	p.take("FIRST")
	if p.take("AFTER") {
		p.ident()
	}
	if p.take(";"); p.now().kind != tokenEnd {
		p.give()
	}
	return append([]string{p.sql[:at] + "ADD COLUMN " + p.definitions()[0]}, p.behind...)
}

// unknown says that the embedded database does not know a part of the statement.
func (p *tableParser) unknown(what string) *engine.Failure {
	return &engine.Failure{Kind: engine.KindError, Code: "db.syntax", Message: fmt.Sprintf(
		"the embedded database, on which tests run, does not know %s of table %s: leave it out, or make the table with db.ensure(%q, {...})", what, p.table, p.table)}
}

// shown is where the parser is, for errors.
func (p *tableParser) shown() string {
	if p.now().kind == tokenEnd {
		return "the end of the statement"
	}
	return strconv.Quote(p.sql[p.now().from:min(len(p.sql), p.now().from+40)])
}

// ident is the next token, a name, as it is written.
func (p *tableParser) ident() string {
	t := p.next()
	switch t.kind {
	case tokenName:
		return t.text
	case tokenWord:
		return p.sql[t.from:t.to]
	}
	p.at--
	p.give()
	return ""
}

// brackets is what stands in brackets, with them, as it is written.
func (p *tableParser) brackets() string {
	from := p.now().from
	p.must("(")
	for depth := 1; depth > 0; p.at++ {
		switch {
		case p.now().kind == tokenEnd:
			p.give()
		case p.sign("("):
			depth++
		case p.sign(")"):
			depth--
		}
	}
	return p.sql[from:p.last()]
}

// keyPart is a column of a key, or the beginning of one.
type keyPart struct {
	column string
	size   string // "": all of it
}

// keyParts reads the columns of a key.
func (p *tableParser) keyParts() (list []keyPart) {
	p.must("(")
	for {
		part := keyPart{column: p.ident()}
		if p.take("(") {
			part.size = p.sql[p.now().from:p.now().to]
			p.at++
			p.must(")")
		}
		if !p.take("ASC") {
			p.take("DESC")
		}
		list = append(list, part)
		if !p.take(",") {
			p.must(")")
			return list
		}
	}
}

// tableWords begin what is no column.
var tableWords = words("CONSTRAINT PRIMARY UNIQUE KEY INDEX FULLTEXT SPATIAL FOREIGN CHECK")

// constraint reads a key or a condition; false if a column comes.
func (p *tableParser) constraint() bool {
	if p.now().kind != tokenWord || !tableWords[p.now().text] {
		return false
	}
	named := ""
	if p.take("CONSTRAINT") && !p.word("PRIMARY", "UNIQUE", "FOREIGN", "CHECK") {
		named = "CONSTRAINT " + p.s.Quote(p.ident()) + " "
	}
	switch {
	case p.take("PRIMARY"):
		p.must("KEY")
		p.using()
		for _, part := range p.keyParts() {
			if part.size != "" {
				panic(p.unknown("the primary key of the beginning of " + part.column))
			}
			p.key = append(p.key, part.column)
		}
	case p.take("UNIQUE"):
		if !p.take("KEY") {
			p.take("INDEX")
		}
		name := ""
		if p.using(); !p.sign("(") {
			name = p.ident()
		}
		p.using()
		p.unique(name, p.keyParts())
	case p.take("FOREIGN"):
		p.must("KEY")
		if !p.sign("(") {
			p.ident()
		}
		p.parts = append(p.parts, named+"FOREIGN KEY "+p.brackets()+p.references())
	case p.take("CHECK"):
		p.parts = append(p.parts, named+"CHECK "+p.brackets())
		p.take("NOT")
		p.take("ENFORCED")
	default: // an index, which changes nothing but the speed
		for !p.sign("(") {
			if p.now().kind == tokenEnd {
				p.give()
			}
			p.at++
		}
		p.brackets()
	}
	p.indexOptions()
	return true
}

func (p *tableParser) using() {
	if p.take("USING") {
		p.ident()
	}
}

// indexOptions passes over what says how an index is kept.
func (p *tableParser) indexOptions() {
	for {
		switch {
		case p.take("USING"), p.take("WITH") && p.take("PARSER"):
			p.ident()
		case p.take("COMMENT"):
			p.at++
		case p.take("KEY_BLOCK_SIZE"):
			p.take("=")
			p.at++
		case p.take("VISIBLE"), p.take("INVISIBLE"):
		default:
			return
		}
	}
}

// unique adds a unique key.
func (p *tableParser) unique(name string, parts []keyPart) {
	var columns []string
	whole := true
	for _, part := range parts {
		q := p.s.Quote(part.column)
		if part.size != "" {
			q, whole = "substr("+q+", 1, "+part.size+")", false
		}
		columns = append(columns, q)
	}
	if whole {
		p.parts = append(p.parts, "UNIQUE ("+strings.Join(columns, ", ")+")")
		return
	}
	if name == "" {
		name = fmt.Sprintf("%s %d", parts[0].column, len(p.behind)) // servers number them, too
	}
	p.behind = append(p.behind, fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (%s)", p.s.Quote(p.table+" "+name), p.s.Quote(p.table), strings.Join(columns, ", ")))
}

// references reads what a foreign key refers to.
func (p *tableParser) references() string {
	from := p.now().from
	p.must("REFERENCES")
	p.ident()
	if p.sign("(") {
		p.brackets()
	}
	for p.take("ON") {
		p.at++ // UPDATE, DELETE
		if p.take("SET") || p.take("NO") {
			p.at++
			continue
		}
		p.at++
	}
	return " " + p.sql[from:p.last()]
}

// options reads what stands behind the columns, of which SQLite's own stay.
func (p *tableParser) options() (kept string) {
	for {
		switch {
		case p.now().kind == tokenEnd, p.sign(";"):
			return kept
		case p.take(","), p.take("DEFAULT"):
		case p.take("WITHOUT"):
			p.must("ROWID")
			kept += " WITHOUT ROWID"
		case p.take("STRICT"):
			panic(p.unknown("STRICT"))
		case p.word("PARTITION"):
			return kept
		case p.word("AS", "SELECT", "IGNORE", "REPLACE", "LIKE"):
			panic(p.unknown(p.shown()))
		case p.take("AUTO_INCREMENT"):
			p.take("=")
			p.number = p.sql[p.now().from:p.now().to]
			p.at++
		case p.take("CHARACTER"):
			p.must("SET")
			p.take("=")
			p.at++
		default: // ENGINE = InnoDB, COMMENT = 'x'
			p.ident()
			p.take("=")
			if p.at++; p.sign("(") {
				p.brackets()
			}
		}
	}
}

// column reads a column.
func (p *tableParser) column() {
	c := &madeColumn{name: p.ident()}
	p.columns = append(p.columns, c)
	c.typ = p.typ(c.name)
	c.unsigned = c.typ.serial
	c.notNull, c.numbers = c.typ.serial, c.typ.serial
	if c.typ.serial {
		p.unique("", []keyPart{{column: c.name}})
	}
	for {
		switch {
		case p.sign(","), p.sign(")"), p.sign(";"), p.now().kind == tokenEnd, p.word("FIRST", "AFTER"):
			return
		case p.take("UNSIGNED"), p.take("ZEROFILL"):
			c.unsigned = true
		case p.take("SIGNED"), p.take("NULL"), p.take("BINARY"), p.take("ASCII"), p.take("VISIBLE"), p.take("INVISIBLE"):
		case p.take("NOT"):
			p.must("NULL")
			c.notNull = true
		case p.take("CHARACTER"):
			p.must("SET")
			p.at++
		case p.take("CHARSET"), p.take("COMMENT"), p.take("COLUMN_FORMAT"), p.take("STORAGE"):
			p.at++
		case p.take("COLLATE"):
			if name := p.ident(); slices.Contains([]string{"nocase", "rtrim"}, strings.ToLower(name)) {
				c.more = append(c.more, "COLLATE "+name)
			}
		case p.take("AUTO_INCREMENT"), p.take("AUTOINCREMENT"):
			c.numbers = true
		case p.take("UNIQUE"):
			p.take("KEY")
			p.unique("", []keyPart{{column: c.name}})
		case p.take("PRIMARY"), p.word("KEY"):
			p.must("KEY")
			if !p.take("ASC") {
				p.take("DESC")
			}
			p.key = append(p.key, c.name)
			c.numbers = c.numbers || strings.EqualFold(c.typ.written, "INTEGER") // as SQLite does
		case p.take("DEFAULT"):
			p.defaultOf(c)
		case p.take("ON"):
			p.must("UPDATE")
			if c.onUpdate = p.isNow(); !c.onUpdate {
				p.give()
			}
		case p.take("CONSTRAINT"):
			if !p.word("CHECK") {
				p.ident()
			}
		case p.take("CHECK"):
			c.more = append(c.more, "CHECK "+p.brackets())
			p.take("NOT")
			p.take("ENFORCED")
		case p.word("REFERENCES"):
			p.references() // which servers do not heed here
		case p.take("GENERATED"), p.word("AS"):
			p.take("ALWAYS")
			p.must("AS")
			stored := "GENERATED ALWAYS AS " + p.brackets()
			if p.take("STORED") || p.take("PERSISTENT") {
				stored += " STORED"
			}
			p.take("VIRTUAL")
			c.more = append(c.more, stored)
		default:
			p.give()
		}
	}
}

// isNow passes over what means the time.
func (p *tableParser) isNow() bool {
	if !p.word("CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP") {
		return false
	}
	if p.at++; p.sign("(") {
		p.brackets()
	}
	return true
}

// defaultOf reads a default.
func (p *tableParser) defaultOf(c *madeColumn) {
	wrapped := p.sign("(") && p.list[min(p.at+1, len(p.list)-1)].kind == tokenWord
	before := p.at
	if wrapped {
		p.at++
	}
	if c.now = p.isNow(); c.now && (!wrapped || p.take(")")) {
		return
	}
	c.now, p.at = false, before
	if p.sign("(") {
		c.expr = p.brackets()
		return
	}
	if p.sign("-") || p.sign("+") {
		c.sign = p.next().text
	}
	t := p.next()
	switch {
	case t.kind == tokenNumber:
		c.value = &t
	case t.kind == tokenText && p.sql[t.from] == '\'', t.kind == tokenName && p.sql[t.from] == '"':
		c.value = &t
	case t.kind == tokenText:
		c.expr = p.sql[t.from:t.to]
	case t.kind == tokenWord && (t.text == "NULL" || t.text == "TRUE" || t.text == "FALSE"):
		c.expr = t.text
	case t.kind == tokenWord && t.text == "B" && p.now().kind == tokenText: // b'0'
		bits := p.next()
		n, err := strconv.ParseInt(strings.Trim(p.sql[bits.from:bits.to], "'"), 2, 64)
		if err != nil {
			p.give()
		}
		c.expr = strconv.FormatInt(n, 10)
	default:
		p.at--
		p.give()
	}
}

// definitions are the columns in SQL, with the primary key.
func (p *tableParser) definitions() (defs []string) {
	ours := false
	for _, c := range p.columns {
		q := p.s.Quote(c.name)
		inKey := slices.ContainsFunc(p.key, func(k string) bool { return strings.EqualFold(k, c.name) })
		typ, check := c.typ.in(q, inKey, c.unsigned)
		def := q + " " + typ
		switch {
		case c.numbers && inKey && len(p.key) == 1:
			def = q + " INTEGER PRIMARY KEY"
			if p.number != "" { // else an upsert that meets a row would leave a number out, which servers give to the next row
				def += " AUTOINCREMENT"
				p.behind = append(p.behind, fmt.Sprintf("INSERT INTO sqlite_sequence (name, seq) SELECT '%[1]s', %[2]s - 1 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = '%[1]s')", strings.ReplaceAll(p.table, "'", "''"), p.number))
			}
			p.key, defs = nil, append(defs, def)
			continue
		case c.numbers:
			panic(p.unknown("AUTO_INCREMENT of " + c.name + ", which is not the only column of the primary key,"))
		case c.notNull || inKey:
			def += " NOT NULL"
		}
		def += p.defaultSQL(c)
		if check != "" {
			ours = true
			def += fmt.Sprintf(" CONSTRAINT %s CHECK (%s)", p.s.Quote(valueConstraint+c.name), check)
		}
		defs = append(defs, strings.Join(append([]string{def}, c.more...), " "))
		if c.onUpdate {
			p.touch(c)
		}
	}
	if len(p.key) > 0 {
		defs = append(defs, "PRIMARY KEY ("+p.s.quoteAll(p.key)+")")
	}
	if !ours {
		defs = append(defs, "CONSTRAINT "+p.s.Quote(valueConstraint)+" CHECK (1)")
	}
	return defs
}

// touch adds what ON UPDATE CURRENT_TIMESTAMP does: a row that changes otherwise has
// the time.
func (p *tableParser) touch(c *madeColumn) {
	var differs []string
	for _, o := range p.columns {
		if o != c {
			q := p.s.Quote(o.name)
			differs = append(differs, "NEW."+q+" IS NOT OLD."+q)
		}
	}
	if len(differs) == 0 {
		return
	}
	t, q := p.s.Quote(p.table), p.s.Quote(c.name)
	p.behind = append(p.behind, fmt.Sprintf("CREATE TRIGGER %s AFTER UPDATE ON %s WHEN NEW.%s IS OLD.%s AND (%s) BEGIN UPDATE %s SET %s = %s WHERE rowid = NEW.rowid; END",
		p.s.Quote(p.table+" "+c.name), t, q, q, strings.Join(differs, " OR "), t, q, c.typ.nowSQL()))
}
