package hostlib

import (
	"net/url"
	"regexp"
	"strings"
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

// hide strikes secrets out of a text, also where they are escaped as in a URL.
func hide(text string, secrets []string) string {
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if len(form) > 3 { // less would strike out half of the text
				text = strings.ReplaceAll(text, form, struckOut)
			}
		}
	}
	return text
}
