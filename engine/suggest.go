package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Suggest is the candidate that was probably meant by a name, as " (did you mean
// ...?)", or "" if none is near.
func Suggest(name string, candidates []string) string {
	best, least := "", len(name)/3+2
	for _, c := range candidates {
		if len(c) > 2 && len(name) > 2 && (strings.HasPrefix(c, name) || strings.HasPrefix(name, c)) && best == "" {
			best = c
		}
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(c))
		if d == 2 && len(name) <= 3 && letters(name) != letters(c) {
			continue // of so few letters, two others make another word
		}
		if d == 2 && letters(name) == letters(c) {
			d = 1 // letters that are mixed up
		}
		if d < least && d < len(c) {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// letters are those of a word, in order.
func letters(word string) string {
	list := strings.Split(strings.ToLower(word), "")
	slices.Sort(list)
	return strings.Join(list, "")
}

// SuggestColumn is Suggest for a column that the rows of a source do not have.
func SuggestColumn(name string, columns []string) string {
	if hint := OtherSeparator(columns); hint != "" {
		return hint
	}
	return Suggest(name, columns)
}

// OtherSeparator says of rows whose only column has a separator in its name that
// their file was read with a wrong one; "" of others.
func OtherSeparator(columns []string) string {
	if len(columns) != 1 {
		return ""
	}
	for _, sep := range []string{";", "\t", "|", ","} {
		if strings.Contains(columns[0], sep) && (sep != "," || !strings.ContainsAny(columns[0], " ()")) { // not MAX(a, b)
			return fmt.Sprintf(": its only column is %q, so the file seems to be separated by %q: csv.read(..., sep = %[2]q)", columns[0], sep)
		}
	}
	return ""
}
