package engine

import (
	"encoding/json"
	"regexp"
	"strings"
)

// minSecretWord is how long a word of a secret of several words must be to be a secret
// by itself, minSecretPart the same of a line and of a text within JSON.
const (
	minSecretWord = 16
	minSecretPart = 8
)

// secretsWithin are the parts of a secret that scripts take out of it, each a secret by itself:
// what is left without the spaces around it, lines, as key files are often printed
// line by line, long words, and texts of JSON.
func secretsWithin(value string) []string {
	var parts []string
	add := func(part string, least int) {
		if part != value && len(part) >= least {
			parts = append(parts, part)
		}
	}
	add(strings.TrimSpace(value), MinSecret)
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") { // the first and the last line of a key are everybody's
			add(line, minSecretPart)
		}
	}
	for _, word := range strings.Fields(value) {
		add(word, minSecretWord)
	}
	var doc any
	if json.Unmarshal([]byte(value), &doc) == nil {
		secretTexts("", doc, func(text string) { add(text, minSecretPart) })
	}
	return parts
}

// publicName is a name of what is told in JSON beside a secret, and is none.
var publicName = regexp.MustCompile(`(?i)(user|name|login|e?mail|host|server|uri|url|endpoint|domain|database|schema|table|bucket|region|zone|project|` +
	`account|tenant|type|version|algorithm|engine|driver|id|identifier|scopes?|env|environment|stage|description|comment|path)s?$`)

// secretTexts calls f with each text of a JSON value that may be a secret. An address is one
// where it may have a password.
func secretTexts(name string, v any, f func(string)) {
	switch v := v.(type) {
	case string:
		if public := publicName.MatchString(name) && !strings.Contains(strings.ToLower(name), "secret"); !public || strings.Contains(v, "://") && strings.Contains(v, "@") {
			f(v)
		}
	case []any:
		for _, e := range v {
			secretTexts(name, e, f)
		}
	case map[string]any:
		for k, e := range v {
			secretTexts(k, e, f)
		}
	}
}
