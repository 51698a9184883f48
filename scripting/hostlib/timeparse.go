package hostlib

import (
	"fmt"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// directives are what may follow a % in a format.
const directives = "aAbBcCdDeFfgGhHIjklmMnpPrRsStTuUvVwWxXyYzZ%+"

// composites are directives that stand for several.
var composites = map[byte]string{
	'c': "%a %b %e %H:%M:%S %Y", '+': "%a %b %e %H:%M:%S %Z %Y", 'v': "%e-%b-%Y", 'r': "%I:%M:%S %p",
	'F': "%Y-%m-%d", 'D': "%m/%d/%y", 'x': "%m/%d/%y", 'T': "%H:%M:%S", 'X': "%H:%M:%S", 'R': "%H:%M",
}

// cutDirective takes what follows a % off a format: its letter, the colons before
// it, and what stands between, such as the - of %-d.
func cutDirective(format string) (letter byte, colons int, flags, rest string, err error) {
	i := 0
	for i < len(format) && strings.IndexByte("-_^#0123456789", format[i]) >= 0 {
		i++
	}
	flags = format[:i]
	for colons < 3 && i < len(format) && format[i] == ':' {
		colons++
		i++
	}
	if i == len(format) || strings.IndexByte(directives, format[i]) < 0 || colons > 0 && format[i] != 'z' {
		said := "%" + format
		for end := range said {
			if end > i+1 {
				said = said[:end]
				break
			}
		}
		return 0, 0, "", "", Errorf("usage", "format: there is no %s; a %% itself is written %%%%", said)
	}
	return format[i], colons, flags, format[i+1:], nil
}

// checkFormat refuses a format of times that has what is not known.
func checkFormat(format string) error {
	for {
		_, after, more := strings.Cut(format, "%")
		if !more {
			return nil
		}
		_, _, _, rest, err := cutDirective(after)
		if err != nil {
			return err
		}
		format = rest
	}
}

// timeFields are what a text says of a time. What it does not say is -1.
type timeFields struct {
	text string // what is left of it

	year, century, month, day, yearday int
	isoYear                            bool // year is that of a week
	week                               int
	weekBy                             byte // V, U or W: how weeks are counted
	weekday                            int  // 0 is Sunday
	hour, half, minute, second, nanos  int
	day24                              bool // hour is one of the 24 of a day
	unix                               *time.Time
	zone                               string         // a name
	offset                             *time.Location // by %z
}

// halves are those of a day.
var halves = []string{"AM", "PM"}

const noYear = -1 << 30

// parseTime reads a time in a format of strptime. loc is where it is, unless the
// text says it.
func parseTime(text, format string, loc *time.Location) (time.Time, error) {
	if err := checkFormat(format); err != nil {
		return time.Time{}, err
	}
	if !strings.Contains(format, "%") {
		return time.Time{}, Errorf("usage", "format: %q has no %%: it is as for strptime, such as \"%%d.%%m.%%Y\" for 28.03.2026", format)
	}
	f := &timeFields{text: text, year: noYear, century: -1, month: -1, day: -1, yearday: -1, week: -1, weekday: -1, half: -1}
	why, err := f.read(format)
	if err == nil && why == "" && f.text != "" {
		why = "behind it there is " + quoteStart(f.text)
	}
	var t time.Time
	if err == nil && why == "" {
		t, why = f.time(loc)
	}
	switch {
	case err != nil:
		return time.Time{}, err
	case why != "":
		return time.Time{}, Errorf("time.format", "%q is no time of the format %q: %s", text, format, why)
	}
	return t, nil
}

// quoteStart is the beginning of a text, for messages.
func quoteStart(s string) string {
	const most = 20
	short := []rune(s)
	if len(short) > most {
		return `"` + string(short[:most]) + `..."`
	}
	return `"` + s + `"`
}

// read takes what a format says off the text; why says what is wrong with it.
func (f *timeFields) read(format string) (why string, err error) {
	for format != "" {
		if format[0] != '%' {
			if f.text == "" || f.text[0] != format[0] {
				return f.wanted(quoteStart(format)), nil
			}
			f.text, format = f.text[1:], format[1:]
			continue
		}
		letter, colons, flags, rest, err := cutDirective(format[1:])
		if err != nil {
			return "", err
		}
		if flags != "" {
			less := ""
			if strings.IndexByte("YGCyg", letter) < 0 {
				less = fmt.Sprintf("; %%%c reads a number of less digits too", letter)
			}
			return "", Errorf("usage", "format: %%%s%c is for writing times%s", flags, letter, less)
		}
		format = rest
		if parts := composites[letter]; parts != "" {
			if why, err := f.read(parts); why != "" || err != nil {
				return why, err
			}
		} else if why := f.take(letter, colons); why != "" {
			return why, nil
		}
	}
	return "", nil
}

func (f *timeFields) wanted(what string) string {
	if f.text == "" {
		return "it ends where " + what + " is wanted"
	}
	return "it has " + quoteStart(f.text) + " where " + what + " is wanted"
}

// number takes a number of at most so many digits.
func (f *timeFields) number(letter byte, to *int, digits, least, most int) (why string) {
	n, i := 0, 0
	for i < digits && i < len(f.text) && f.text[i] >= '0' && f.text[i] <= '9' {
		n = 10*n + int(f.text[i]-'0')
		i++
	}
	if i == 0 || n < least || n > most {
		return f.wanted("%" + string(letter))
	}
	*to, f.text = n, f.text[i:]
	return ""
}

// years takes all digits of a year, or of a part of one: of others it is not known what
// they mean.
func (f *timeFields) years(letter byte, to *int, digits int) (why string) {
	before := *f
	if why = f.number(letter, to, digits, 0, 9999); why != "" || len(before.text)-len(f.text) < digits {
		return before.wanted(fmt.Sprintf("%%%c (%d digits)", letter, digits))
	}
	return ""
}

// word takes one of some names, or what they begin with, and gives its place.
func (f *timeFields) word(letter byte, to *int, n, short int, name func(int) string) (why string) {
	for i := range n {
		word := name(i)
		if short > 0 {
			word = word[:short]
		}
		if len(f.text) >= len(word) && strings.EqualFold(f.text[:len(word)], word) {
			*to, f.text = i, f.text[len(word):]
			return ""
		}
	}
	return f.wanted("%" + string(letter))
}

// sign takes a sign: 1 or -1.
func (f *timeFields) sign() int {
	if rest, ok := strings.CutPrefix(f.text, "-"); ok {
		f.text = rest
		return -1
	}
	f.text = strings.TrimPrefix(f.text, "+")
	return 1
}

// take takes what one directive means.
func (f *timeFields) take(letter byte, colons int) (why string) {
	switch letter {
	case 'Y', 'G':
		f.isoYear = letter == 'G'
		sign := f.sign()
		why = f.years(letter, &f.year, 4)
		f.year *= sign
	case 'y', 'g':
		f.isoYear = letter == 'g'
		if why = f.years(letter, &f.year, 2); f.year < 69 {
			f.year += 100
		}
		f.year += 1900
	case 'C':
		why = f.years(letter, &f.century, 2)
	case 'm':
		why = f.number(letter, &f.month, 2, 1, 12)
	case 'b', 'h', 'B':
		short := 3
		if letter == 'B' {
			short = 0
		}
		why = f.word(letter, &f.month, 12, short, func(i int) string { return time.Month(i + 1).String() })
		f.month++
	case 'a', 'A':
		short := 3
		if letter == 'A' {
			short = 0
		}
		why = f.word(letter, &f.weekday, 7, short, func(i int) string { return time.Weekday(i).String() })
	case 'w':
		why = f.number(letter, &f.weekday, 1, 0, 6)
	case 'u':
		why = f.number(letter, &f.weekday, 1, 1, 7)
		f.weekday %= 7
	case 'V':
		f.weekBy = letter
		why = f.number(letter, &f.week, 2, 1, 53)
	case 'U', 'W':
		f.weekBy = letter
		why = f.number(letter, &f.week, 2, 0, 53)
	case 'e', 'd':
		f.space(letter == 'e')
		why = f.number(letter, &f.day, 2, 1, 31)
	case 'j':
		why = f.number(letter, &f.yearday, 3, 1, 366)
	case 'k', 'H':
		f.space(letter == 'k')
		f.day24 = true
		why = f.number(letter, &f.hour, 2, 0, 23)
	case 'l', 'I':
		f.space(letter == 'l')
		why = f.number(letter, &f.hour, 2, 1, 12)
		f.hour %= 12
	case 'p', 'P':
		why = f.word(letter, &f.half, 2, 0, func(i int) string { return halves[i] })
	case 'M':
		why = f.number(letter, &f.minute, 2, 0, 59)
	case 'S':
		why = f.number(letter, &f.second, 2, 0, 60) // a leap second is the one after it
	case 'f':
		before := len(f.text)
		why = f.number(letter, &f.nanos, 6, 0, 999_999)
		for range 9 - (before - len(f.text)) {
			f.nanos *= 10
		}
	case 's':
		sign, n := f.sign(), 0
		if why = f.number(letter, &n, 13, 0, 1<<40); why == "" {
			t := time.Unix(int64(sign*n), 0).UTC()
			f.unix = &t
		}
	case 'z':
		why = f.takeOffset(colons)
	case 'Z':
		n := strings.IndexFunc(f.text, func(c rune) bool { return !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') })
		if strings.HasPrefix(f.text, "+") || strings.HasPrefix(f.text, "-") { // what zones without a name are called
			n = 1 + strings.IndexFunc(f.text[1:]+" ", func(c rune) bool { return c < '0' || c > '9' })
		}
		if n < 0 {
			n = len(f.text)
		}
		if n == 0 {
			return f.wanted("%Z")
		}
		f.zone, f.text = f.text[:n], f.text[n:]
	case 't', 'n':
		rest := strings.TrimLeft(f.text, " \t\n\v\f\r")
		if rest == f.text {
			return f.wanted("white space")
		}
		f.text = rest
	case '%':
		if !strings.HasPrefix(f.text, "%") {
			return f.wanted("%")
		}
		f.text = f.text[1:]
	}
	return why
}

// space leaves out a space in front of a number, if there may be one.
func (f *timeFields) space(may bool) {
	if may {
		f.text = strings.TrimPrefix(f.text, " ")
	}
}

// takeOffset takes Z, or a difference to UTC: +01, +0130, +01:30, +01:30:15.
func (f *timeFields) takeOffset(colons int) (why string) {
	if rest, ok := strings.CutPrefix(f.text, "Z"); ok {
		f.text, f.offset = rest, time.UTC
		return ""
	}
	whole := *f
	if f.text == "" || f.text[0] != '+' && f.text[0] != '-' {
		return f.wanted("%z")
	}
	sign, seconds := f.sign(), 0
	for i, unit := range []int{3600, 60, 1} {
		part := strings.TrimPrefix(f.text, ":")
		colon := len(part) < len(f.text)
		if i == 0 && colon || i > 0 && colons > 0 && !colon || len(part) < 2 || strings.Trim(part[:2], "0123456789") != "" {
			if i == 0 || i <= colons && colons < 3 {
				return whole.wanted("%" + strings.Repeat(":", colons) + "z")
			}
			break
		}
		n := int(part[0]-'0')*10 + int(part[1]-'0')
		if i > 0 && n > 59 || n > 23 && i == 0 {
			return whole.wanted("%z")
		}
		seconds += n * unit
		f.text = part[2:]
	}
	f.offset = time.FixedZone("", sign*seconds)
	return ""
}

// time is the time that the fields mean; why says why there is none.
func (f *timeFields) time(loc *time.Location) (t time.Time, why string) {
	if f.offset != nil {
		loc = f.offset
	}
	if f.unix != nil {
		return f.unix.Add(time.Duration(f.nanos)).In(loc), ""
	}
	if f.half >= 0 {
		if f.day24 && (f.half == 0 && f.hour > 12 || f.half == 1 && f.hour == 0) {
			return t, fmt.Sprintf("the hour %d is not %s", f.hour, halves[f.half])
		}
		f.hour = f.hour%12 + 12*f.half
	}
	if f.century >= 0 {
		f.year = f.century*100 + max(f.year, 0)%100 // of the two digits of %y, if any
	}
	if f.year == noYear {
		f.year = 1900
	}
	day, why := f.date()
	if why != "" {
		return t, why
	}
	y, m, d := day.Date()
	at := func(loc *time.Location) time.Time {
		return engine.Wall(time.Date(y, m, d, f.hour, f.minute, f.second, f.nanos, time.UTC), loc)
	}
	switch {
	case f.zone == "" || f.offset != nil:
		return at(loc), ""
	case strings.EqualFold(f.zone, "UTC") || strings.EqualFold(f.zone, "GMT") || f.zone == "Z":
		return at(time.UTC), ""
	}
	// An hour that the clock shows twice has both names.
	for _, other := range []time.Duration{0, time.Hour, -time.Hour, time.Hour / 2, -time.Hour / 2} {
		t := at(loc).Add(other)
		if name, offset := t.Zone(); name == f.zone && t.Equal(at(time.FixedZone("", offset))) {
			return t, ""
		}
	}
	if loc == time.UTC {
		return t, f.zone + " is no zone that can be told: give timezone or %z"
	}
	return t, f.zone + " is no zone that " + loc.String() + " has at that time: give another timezone, or %z"
}

// date is the day that the fields mean, if there is one.
func (f *timeFields) date() (t time.Time, why string) {
	day := func(m time.Month, d int) time.Time { return time.Date(f.year, m, d, 0, 0, 0, 0, time.UTC) }
	byWeek := f.isoYear || f.week >= 0
	switch {
	case f.day > 0 || f.yearday < 0 && !byWeek:
		if f.isoYear {
			return t, "%G is the year of a week: use %Y"
		}
		t = day(time.Month(max(f.month, 1)), max(f.day, 1))
		if t.Day() != max(f.day, 1) {
			return t, "the month " + day(time.Month(max(f.month, 1)), 1).Format("2006-01") + " has no such day"
		}
		return t, ""
	case f.yearday > 0:
		if f.isoYear {
			return t, "%G is the year of a week: use %Y"
		}
		if t = day(time.January, f.yearday); t.Year() != f.year {
			return t, "the year " + t.AddDate(-1, 0, 0).Format("2006") + " has no such day"
		}
		return t, ""
	case f.isoYear && (f.weekBy == 'U' || f.weekBy == 'W'):
		return t, "%U and %W need %Y"
	case !f.isoYear && f.weekBy == 'V':
		return t, "%V needs %G"
	}
	week := max(f.week, 1)
	if f.weekBy == 'U' { // begins on Sunday; the days before the first are in week 0
		first := 7 - int(day(time.January, 1).Weekday())
		t = day(time.January, 1+first%7+7*(f.week-1)+max(f.weekday, 0))
	} else {
		weekday := f.weekday // 1 is Monday, 7 Sunday
		switch weekday {
		case -1:
			weekday = 1
		case 0:
			weekday = 7
		}
		if f.weekBy == 'W' {
			first := (8 - int(day(time.January, 1).Weekday())) % 7
			t = day(time.January, 1+first+7*(f.week-1)+weekday-1)
		} else {
			fourth := day(time.January, 4) // is in the first week
			t = fourth.AddDate(0, 0, 7*(week-1)+weekday-1-(int(fourth.Weekday())+6)%7)
		}
	}
	year := t.Year()
	if f.isoYear {
		year, _ = t.ISOWeek()
	}
	if year != f.year {
		return t, "the year has no such week, or that week no such day"
	}
	return t, ""
}
