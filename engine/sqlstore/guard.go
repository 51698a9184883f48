package sqlstore

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/dsengine/dsengine/engine"
)

// A script's SQL is looked at before it is run. Nothing here makes it safe to
// run SQL of somebody who means harm; it keeps an importer from ending its own
// transaction, or touching the engine's tables, by mistake.

// Verbs by what they do in the job's transaction.
var (
	readVerbs  = words("SELECT VALUES TABLE SHOW DESCRIBE DESC EXPLAIN")
	writeVerbs = words("INSERT UPDATE DELETE REPLACE CALL DO")
	rowVerbs   = words("INSERT UPDATE DELETE REPLACE") // they call no routine
	// Statements that a server commits implicitly, or that steer transactions
	// and sessions.
	ddlVerbs     = words("CREATE ALTER DROP TRUNCATE RENAME")
	txVerbs      = words("BEGIN START COMMIT ROLLBACK SAVEPOINT RELEASE END XA")
	sessionVerbs = words("SET USE LOCK UNLOCK PREPARE EXECUTE DEALLOCATE PRAGMA ATTACH DETACH FLUSH RESET KILL SHUTDOWN")
)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// verbs are all of these.
var verbs = []map[string]bool{words("WITH"), readVerbs, writeVerbs, ddlVerbs, txVerbs, sessionVerbs}

// likeVerb is the verb that was probably meant by a word that is none, or "".
func likeVerb(word string) (near string) {
	least := len(word)/3 + 1
	for _, m := range verbs {
		if m[word] {
			return ""
		}
		for v := range m {
			if d := levenshtein.ComputeDistance(word, v); d < least || d == least && near != "" && v < near {
				near, least = v, d
			}
		}
	}
	return near
}

// statement is what the guard sees of a script's SQL.
type statement struct {
	verb  string // the first word, or behind WITH the one that matters
	names []string
	more  bool   // another statement follows a semicolon
	next  string // the word after the verb
	file  string // what touches files of the server: INTO OUTFILE, LOAD_FILE
	hides string // what may be read in two ways

	leaves bool // it may leave something on its connection: see builtin

	bare []string // the words that are not quoted and follow no dot, in capitals
}

// CheckQuery says whether db.query may run the SQL.
func (s *Store) CheckQuery(sql string) error {
	st, err := s.check(sql)
	if err != nil {
		return err
	}
	return st.reads()
}

// reads is why a statement is none for db.query, by its verb; nil if it is one.
func (st statement) reads() error {
	if readVerbs[st.verb] {
		return nil
	}
	if near := likeVerb(st.verb); near != "" {
		return refused("no statement begins with %s (did you mean %s?)", st.verb, near)
	}
	return refused("db.query, db.one and db.value run reading statements (SELECT, SHOW, EXPLAIN), not %s: use db.exec", st.verb)
}

// CheckExec says whether db.exec may run the SQL.
func (s *Store) CheckExec(sql string) error {
	st, err := s.check(sql)
	if err != nil {
		return err
	}
	return st.writes()
}

// writes is why a statement is none for db.exec, by its verb; nil if it is one.
func (st statement) writes() error {
	switch v := st.verb; {
	case writeVerbs[v]:
		return nil
	case v == "TRUNCATE":
		return refused("TRUNCATE ends the job's transaction: use db.exec(\"DELETE FROM ...\")")
	case ddlVerbs[v]:
		return refused("%s %s ends the job's transaction on MySQL and MariaDB: make tables with db.ensure(table, columns), and change them outside of jobs", v, st.next)
	case txVerbs[v]:
		return refused("%s would end the job's transaction, which commits by itself with the job: use ctx.checkpoint() to commit earlier, catch(fn) to undo a part, error(...) to roll back", v)
	case sessionVerbs[v]:
		return refused("%s changes the connection, which jobs share: it is not for scripts", v)
	}
	if readVerbs[st.verb] {
		return refused("db.exec runs writing statements, and %s reads: use db.query, db.one or db.value", st.verb)
	}
	if near := likeVerb(st.verb); near != "" {
		return refused("no statement begins with %s (did you mean %s?)", st.verb, near)
	}
	return refused("db.exec runs INSERT, UPDATE, DELETE, REPLACE and CALL, not %s", st.verb)
}

// Verb is why db.exec cannot run the SQL on any database, or with reads db.query;
// nil if it may.
func Verb(sql string, reads bool) error {
	var err error
	for _, sqlite := range []bool{false, true} {
		st := parseStatement(sql, sqlite)
		switch {
		case st.hides != "" || st.more:
			return nil // what is one statement to one database may be two to another
		case st.verb == "":
			return refused("the SQL is empty")
		case reads:
			err = st.reads()
		default:
			err = st.writes()
		}
		if err == nil {
			return nil
		}
	}
	return err
}

// MakesTables says whether a statement of a test is one that makes or changes tables
// and the like, which a server may commit by itself; an error if it cannot be run, so
// far as that is seen. All others are for CheckExec.
func (s *Store) MakesTables(sql string) (bool, error) {
	st := parseStatement(sql, s.D.Name() == "sqlite")
	if !ddlVerbs[st.verb] {
		return false, nil
	}
	// Between the semicolons of these are statements of their own.
	body := slices.ContainsFunc(st.bare, func(w string) bool { return holdsStatements[w] })
	if st.more && !(st.verb == "CREATE" && body) {
		return true, refused("run one statement at a time: there is another one behind the semicolon")
	}
	for _, n := range st.names {
		if err := s.CheckTable(n); err != nil {
			return true, err
		}
	}
	return true, nil
}

// holdsStatements are what CREATE makes out of statements.
var holdsStatements = words("TRIGGER PROCEDURE FUNCTION EVENT PACKAGE")

// changesRows says that a statement of db.exec tells all that it did by the number of
// rows that it changed: it calls no routine.
func (s *Store) changesRows(sql string) bool {
	return rowVerbs[parseStatement(sql, s.D.Name() == "sqlite").verb]
}

func (s *Store) check(sql string) (statement, error) {
	st := parseStatement(sql, s.D.Name() == "sqlite")
	switch {
	case st.hides != "":
		return st, refused("%s", st.hides)
	case st.verb == "":
		return st, refused("the SQL is empty")
	case st.more:
		return st, refused("run one statement at a time: there is another one behind the semicolon")
	case st.file != "":
		return st, refused("%s works on files of the database's server, which scripts cannot touch: use the modules files and csv", st.file)
	}
	for _, n := range st.names {
		if err := s.CheckTable(n); err != nil {
			return st, err
		}
	}
	return st, nil
}

// CheckTable says whether scripts may touch the table.
func (s *Store) CheckTable(name string) error {
	bare := name[strings.LastIndexByte(name, '.')+1:]
	prefixes := []string{orElse(s.Prefix, DefaultPrefix)}
	if s.Foreign {
		prefixes = append(prefixes, DefaultPrefix)
	}
	for _, prefix := range prefixes {
		if len(bare) >= len(prefix) && strings.EqualFold(bare[:len(prefix)], prefix) {
			return refused("%s belongs to the engine (tables that begin with %q do): scripts cannot touch it", bare, prefix)
		}
	}
	return nil
}

// Owned says that a statement names tables that belong to the engine, which begin with
// a prefix; nil: it does not, or that depends on the database.
func Owned(prefix, sql string) (err error) {
	s := &Store{Prefix: prefix}
	for _, lite := range []bool{true, false} {
		names := parseStatement(sql, lite).names
		i := slices.IndexFunc(names, func(n string) bool { return s.CheckTable(n) != nil })
		if i < 0 {
			return nil
		}
		err = s.CheckTable(names[i])
	}
	return err
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func refused(format string, args ...any) error {
	return &engine.Failure{Kind: engine.KindError, Code: "db.refused", Message: engine.Errorf(engine.CodeUsage, format, args...).Message}
}

// parseStatement reads the words of a statement: comments and strings are
// passed over, as the server does; comments that a server may run are not read at
// all. lite says that it is SQLite's: double quotes and brackets hold names, and
// where a table is to come single quotes do too.
func parseStatement(sql string, lite bool) (st statement) { return parse(sql, lite, false) }

// parseBody reads the words of what a routine or a trigger runs, of all its
// statements.
func parseBody(sql string) (st statement) { return parse(sql, false, true) }

func parse(sql string, lite, body bool) (st statement) {
	depth, ended, with := 0, false, false
	last := ""              // the word before, if nothing else is between
	tables := []bool{false} // by depth: commas and brackets are followed by tables
	sign := byte(0)         // the last sign, if it is the last of all
	table := false          // the last word names one, and columns may follow
	own := false            // the last word is a function of the user's own, if a bracket follows
	word := func(w string, quoted bool) {
		before, dotted := last, sign == '.'
		table = dotted && table || columnsFollow[before]
		own = !table && (quoted || dotted || !isBuiltin(w))
		if last, sign = "", 0; !quoted {
			last = strings.ToUpper(w)
			if !dotted {
				st.bare = append(st.bare, last)
			}
			if leads, ok := clauses[last]; ok {
				tables[len(tables)-1] = leads
			}
		}
		if before == "INTO" && (last == "OUTFILE" || last == "DUMPFILE") {
			st.file = before + " " + last
		}
		if ended {
			st.more = true
			return
		}
		up := strings.ToUpper(w)
		switch {
		case quoted, body:
			st.names = append(st.names, w)
		case st.verb == "" || with && depth == 0 && (readVerbs[up] || writeVerbs[up]):
			with = up == "WITH"
			st.verb, st.next = up, ""
		default:
			if st.next == "" {
				st.next = up
			}
			st.names = append(st.names, w)
		}
	}
	for i := 0; i < len(sql); {
		c := sql[i]
		switch {
		case c == '#' && !lite, strings.HasPrefix(sql[i:], "--") && (lite || i+2 == len(sql) || sql[i+2] <= ' ' || sql[i+2] == 0x7f):
			// MySQL takes -- for two signs if no space follows.
			if n := strings.IndexAny(sql[i:], "\n\x00"); n >= 0 {
				i += n + 1
			} else {
				i = len(sql)
			}
		case strings.HasPrefix(sql[i:], "/*!") || strings.HasPrefix(sql[i:], "/*M!"):
			st.hides = "comments that begin with /*! or /*M! are run by some servers and not by others: leave the comment out, or write what is in it without it"
			return st
		case strings.HasPrefix(sql[i:], "/*"):
			end := skipTo(sql, i+2, "*/")
			if strings.HasPrefix(sql[i:], "/*+") && strings.ContainsAny(sql[i:end], "'\"`") {
				st.hides = "the hint /*+ ... */ holds a quote: write it without quotes"
				return st
			}
			i = end
		case lite && strings.HasPrefix(sql[i:], "\ufeff"): // a space, anywhere
			i += len("\ufeff")
		case c == '\'' || c == '"' && !lite:
			end := skipString(sql, i, !lite)
			if lite && (namesTable[last] || sign == '.' || (sign == ',' || sign == '(') && tables[len(tables)-1]) {
				st.names = append(st.names, strings.Trim(sql[i:end], "'"))
			}
			last, sign, own, i = "", 0, false, end
			if ended {
				st.more = true
			}
		case c == '`' || c == '"' || c == '[' && lite:
			end := skipString(sql, i, false)
			if c == '[' {
				end = skipTo(sql, i, "]")
			}
			word(strings.Trim(sql[i:end], "`\"[]"), true)
			i = end
		case isWordByte(c):
			end := i
			for end < len(sql) && isWordByte(sql[end]) {
				end++
			}
			word(sql[i:end], false)
			i = end
		default:
			if c == '(' && last == "LOAD_FILE" {
				st.file = last
			}
			switch {
			case c == '(' && own:
				st.leaves = true
			case c == '@' && strings.HasPrefix(sql[i+1:], "@"): // a setting, which is read
				i++
			case c == '@':
				st.leaves = true
			}
			if c > ' ' {
				last, sign, own = "", c, false
			}
			switch c {
			case '(':
				depth++
				tables = append(tables, tables[len(tables)-1])
			case ')':
				depth--
				if len(tables) > 1 {
					tables = tables[:len(tables)-1]
				}
			case ';':
				ended = !body
			}
			if ended && c != ';' && c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				st.more = true
			}
			i++
		}
	}
	return st
}

// namesTable are the words behind which SQLite takes a text for a table's name.
var namesTable = words("FROM JOIN INTO UPDATE IN TABLE IGNORE REPLACE ABORT FAIL ROLLBACK")

// clauses are the words that say whether tables follow, in a list.
var clauses = map[string]bool{"FROM": true, "JOIN": true, "SELECT": false, "WHERE": false, "SET": false, "VALUES": false, "GROUP": false, "ORDER": false, "HAVING": false, "LIMIT": false, "RETURNING": false}

func isWordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// skipTo is the place behind the next end, or the end of the text.
func skipTo(sql string, i int, end string) int {
	if n := strings.Index(sql[i:], end); n >= 0 {
		return i + n + len(end)
	}
	return len(sql)
}

// skipString is the place behind a quoted text that begins at i; a doubled
// quote stands for one, and where escapes says so a backslash hides one.
func skipString(sql string, i int, escapes bool) int {
	quote := sql[i]
	for i++; i < len(sql); i++ {
		switch {
		case escapes && sql[i] == '\\':
			i++
		case sql[i] == quote && i+1 < len(sql) && sql[i+1] == quote:
			i++
		case sql[i] == quote:
			return i + 1
		}
	}
	return len(sql)
}
