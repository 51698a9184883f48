package plan

import (
	"regexp"
	"slices"
	"strings"
)

// tokensOf takes SQL apart: comments, texts, names, words and single signs.
var tokensOf = regexp.MustCompile("(?s)" + `/\*[^!].*?\*/|--[^\n]*|#[^\n]*|'(?:[^'\\]|\\.|'')*'|` + "`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|" + `[\p{L}\p{N}_$]+|\S`)

// Words of SQL: those behind which a table is named, those between them and its name,
// and those that end a list of tables.
var (
	beforeTables = words("FROM JOIN STRAIGHT_JOIN INTO UPDATE TABLE INSERT REPLACE")
	besideTables = words("IGNORE LOW_PRIORITY HIGH_PRIORITY DELAYED QUICK OR ROLLBACK ABORT FAIL ONLY LATERAL IF NOT EXISTS INTO TABLE")
	afterTables  = words("SELECT WHERE SET VALUES VALUE GROUP ORDER HAVING LIMIT UNION EXCEPT INTERSECT WINDOW RETURNING FOR")
)

func words(s string) []string { return strings.Fields(s) }

// tablesIn are the tables that a statement names, as far as one can tell: some may be
// other names.
func tablesIn(query string) (tables []string) {
	tokens := slices.DeleteFunc(tokensOf.FindAllString(query, -1), func(t string) bool {
		return strings.HasPrefix(t, "--") || strings.HasPrefix(t, "#") || strings.HasPrefix(t, "/*")
	})
	named := func(i int) (string, bool) {
		if i >= len(tokens) {
			return "", false
		}
		switch t := tokens[i]; t[0] {
		case '`', '"':
			q := t[:1]
			return strings.ReplaceAll(strings.Trim(t, q), q+q, q), len(t) > 2
		default:
			return t, wordOf.MatchString(t)
		}
	}
	lists := []bool{false} // whether a comma goes on with a list of tables, by the brackets
	for i := 0; i < len(tokens); i++ {
		top := len(lists) - 1
		word := strings.ToUpper(tokens[i])
		switch {
		case word == "(":
			lists = append(lists, false)
			continue
		case word == ")":
			lists = lists[:max(top, 1)]
			continue
		case slices.Contains(afterTables, word):
			lists[top] = false
			continue
		case word == "UPDATE" && i > 0 && strings.EqualFold(tokens[i-1], "KEY"):
			continue // INSERT ... ON DUPLICATE KEY UPDATE
		case slices.Contains(beforeTables, word):
			lists[top] = word != "INTO" && word != "INSERT" && word != "REPLACE"
		case word != "," || !lists[top]:
			continue
		}
		for i+1 < len(tokens) && slices.Contains(besideTables, strings.ToUpper(tokens[i+1])) {
			i++
		}
		name, ok := named(i + 1)
		if !ok || slices.Contains(afterTables, strings.ToUpper(name)) {
			continue
		}
		i++
		if i+1 < len(tokens) && tokens[i+1] == "." {
			if second, ok := named(i + 2); ok {
				name, i = name+"."+second, i+2
			}
		}
		tables = append(tables, name)
	}
	return tables
}

// wordOf is a name without quotes.
var wordOf = regexp.MustCompile(`^[\p{L}_$][\p{L}\p{N}_$]*$`)
