package hostlib

import (
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// inPage is what the page has at a path. Where it has nothing there are no more pages,
// which may be so of the first one, too. But that one is a mistake where it has not even
// the outermost name of the path, or what leads on under a name that is almost the same.
func (p *pager) inPage(path string, steps []step, content Value, count int) (Value, error) {
	v, deep := walk(content, steps)
	if deep == len(steps) {
		p.seen = true
		return v, nil
	}
	p.lacks = fmt.Sprintf("%q", path)
	if p.seen || p.n > 1 || p.resumed || count == 0 {
		return nil, nil
	}
	like := misspeltNext(content, steps)
	if like != "" {
		like = fmt.Sprintf(" (did you mean %q?)", like)
	}
	if like == "" && (deep > 0 || len(steps) == 1) {
		return nil, nil
	}
	return nil, Errorf("http.page", "next: the page has no %q%s%s. Where the next page is can be told by a function of the response too: next = lambda r: r.json().get(...)", path, like, namesOf(content))
}

// misspeltNext is the path of what a page tells of further ones under a name that differs
// from the last one of a path by a letter, by capitals or by what stands between words;
// "" if it tells nothing of the kind.
func misspeltNext(content Value, steps []step) (like string) {
	letters := func(name string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	}
	wanted := letters(steps[len(steps)-1].name)
	eachName(content, func(at, name string, v Value) bool {
		if leadsOn(name, v) && levenshtein.ComputeDistance(letters(name), wanted) <= 1 {
			like = at + name
		}
		return like != ""
	})
	return like
}

// keepable is a cursor as it can be kept in state: where a server repeats a secret of
// the first page's URL in that of the next one, *** stands for it.
func (p *pager) keepable(cursor Value) Value {
	text, ok := cursor.(string)
	if !ok {
		return cursor
	}
	clean, _ := p.eachParam(text, func(name, value string) (string, error) {
		if p.c.Hook.Strike(value) != value && slices.Contains(p.first[name], value) {
			return struckOut, nil
		}
		return value, nil
	})
	return clean
}

// refilled is a cursor that was kept, with the secrets that the first page's URL has
// again.
func (p *pager) refilled(cursor string) (string, error) {
	return p.eachParam(cursor, func(name, value string) (string, error) {
		if value != struckOut {
			return value, nil
		}
		for _, v := range p.first[name] {
			if p.c.Hook.Strike(v) != v {
				return v, nil
			}
		}
		if len(p.first[name]) > 0 { // it is no secret any more, or never was
			return p.first[name][0], nil
		}
		return "", Errorf("usage", "start: it has %s=%s, where a secret was: give %s in params, as for the first page", name, struckOut, name)
	})
}

// eachParam puts other values in place of those of a URL's parameters, if it leads to
// the host of the first page. All else stays as it is.
func (p *pager) eachParam(text string, put func(name, value string) (string, error)) (string, error) {
	u, err := p.like.url.Parse(text)
	if err != nil || !sameOrigin(p.like.url, u) {
		return text, nil
	}
	parts, changed := strings.Split(u.RawQuery, "&"), false
	for i, part := range parts {
		raw, rawValue, ok := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(raw)
		value, err2 := url.QueryUnescape(rawValue)
		if !ok || err1 != nil || err2 != nil {
			continue
		}
		other, err := put(name, value)
		if err != nil {
			return "", err
		}
		if other == struckOut && value != other {
			parts[i], changed = raw+"="+struckOut, true
		} else if other != value {
			parts[i], changed = raw+"="+url.QueryEscape(other), true
		}
	}
	if !changed {
		return text, nil
	}
	u.RawQuery = strings.Join(parts, "&")
	return u.String(), nil
}

// warn says in the job's log that the first page has nothing where next looks
// for the next one, and looks as if there was one.
func (p *pager) warn(rq *httpRequest, resp *response, content Value, count int) {
	if p.lacks == "" || p.seen || p.n > 1 || count == 0 {
		return
	}
	why := moreThan(content, count)
	switch link := nextLink(resp.header.Values("Link")); {
	case link != "" && p.byPath:
		why = "it has a header Link with rel=\"next\" (next = \"link\" follows those)"
	case why == "" && p.byPath && count >= 10 && count%5 == 0:
		why = fmt.Sprintf("it has just %d items", count)
	}
	if why == "" {
		return
	}
	p.c.Log(slog.LevelWarn, fmt.Sprintf("http.paginate: %s has no %s, so that there is no next page; but there may be more, since %s. "+
		"The page%s. Say by next where the next one is; it may be a function of the response: next = lambda r: r.json().get(...)", rq.shown(), p.lacks, why, strings.TrimPrefix(namesOf(content), ": it")), nil)
}

// moreWords are in names under which pages tell of further ones, totals in those
// of how many items or pages there are.
var (
	moreWords  = regexp.MustCompile(`(?i)next|more|cursor|continu|token|after`)
	totalWords = regexp.MustCompile(`(?i)total|count|pages`)
)

// leadsOn says that what a page has under a name tells of a further one.
func leadsOn(name string, v Value) bool {
	n, isInt := asInt(v)
	text, isText := v.(string)
	return moreWords.MatchString(name) && (isText && text != "" || v == true || isInt && n > 0)
}

// eachName calls a function with the names that a page and the dicts in it have, and
// where they are, until it is true.
func eachName(content Value, found func(at, name string, v Value) bool) {
	var look func(v Value, at string, deep int) bool
	look = func(v Value, at string, deep int) bool {
		d, ok := v.(*Dict)
		if !ok || deep > 3 {
			return false
		}
		for i, name := range d.Names {
			if found(at, name, d.Values[i]) || look(d.Values[i], at+name+".", deep+1) {
				return true
			}
		}
		return false
	}
	look(content, "", 1)
}

// moreThan says by what a page with so many items looks as if there were more; ""
// if by nothing.
func moreThan(content Value, count int) (why string) {
	eachName(content, func(at, name string, v Value) bool {
		n, isInt := asInt(v)
		switch {
		case leadsOn(name, v):
			why = fmt.Sprintf("it has %q", at+name)
		case totalWords.MatchString(name) && isInt && (n > int64(count) || strings.Contains(strings.ToLower(name), "pages") && n > 1):
			why = fmt.Sprintf("its %q is %d", at+name, n)
		}
		return why != ""
	})
	return why
}

// namesOf says what a page has.
func namesOf(content Value) string {
	d, ok := content.(*Dict)
	if !ok {
		return ": it is no dict"
	}
	var names []string
	for i, n := range d.Names {
		if _, isList := d.Values[i].([]Value); isList {
			n += " (a list)"
		}
		if names = append(names, n); len(names) == 20 {
			break
		}
	}
	return ": it has " + strings.Join(names, ", ")
}

// nextLink is the URL of the next page in headers Link, as RFC 8288 has them,
// or "".
func nextLink(headers []string) string {
	for _, h := range headers {
		for h != "" {
			_, rest, ok := strings.Cut(h, "<")
			if !ok {
				break
			}
			target, rest, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			var params string
			params, h = cutUnquoted(rest, ',')
			for params != "" {
				var param string
				param, params = cutUnquoted(params, ';')
				name, value, _ := strings.Cut(param, "=")
				if !strings.EqualFold(strings.TrimSpace(name), "rel") {
					continue
				}
				for _, rel := range strings.Fields(strings.Trim(strings.TrimSpace(value), `"`)) {
					if strings.EqualFold(rel, "next") {
						return target
					}
				}
			}
		}
	}
	return ""
}

// cutUnquoted cuts a text at a character that is not in quotes.
func cutUnquoted(s string, at byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == at && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
