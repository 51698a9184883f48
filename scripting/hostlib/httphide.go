package hostlib

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/dsengine/dsengine/engine"
)

// secretName fits names of headers and parameters that hold secrets.
var secretName = regexp.MustCompile(`(?i)key|token|secret|passw|pwd|auth|cookie|credential|signature|^sig$|^code$|session|jwt|assertion`)

// struckOut stands in messages where a secret was.
const struckOut = "***"

// shownURL is a URL as messages show it: without a password, and without the
// values of parameters that look like secrets.
func shownURL(u *url.URL) string {
	shown := *u
	if shown.User != nil {
		shown.User = nil
	}
	shown.Fragment, shown.RawFragment = "", ""
	parts := strings.Split(shown.RawQuery, "&")
	for i, p := range parts {
		name, _, ok := strings.Cut(p, "=")
		if plain, err := url.QueryUnescape(name); ok && (err != nil || secretName.MatchString(plain)) {
			parts[i] = name + "=" + struckOut
		}
	}
	shown.RawQuery = strings.Join(parts, "&")
	return shown.String()
}

// hide strikes secrets out of a text, also where they are encoded.
func hide(text string, secrets []string) string {
	if len(secrets) == 0 {
		return text
	}
	known := engine.NewSecrets()
	for _, s := range secrets {
		_ = known.Add(s) // one that is too short would strike out half of the text
	}
	return known.Strike(text)
}
