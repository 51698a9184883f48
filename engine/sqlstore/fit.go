package sqlstore

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dsengine/dsengine/engine"
)

// FitOf gives what makes of a script's value the one that a column of the type is
// given, or says why the column cannot hold it; nil: the column takes values as they
// come. Left to themselves, each database reads texts of dates and times in a way of its
// own, writes numbers as text so, and takes other things for JSON; servers cut spaces at
// the end of a text that is too long, and do not tell.
func FitOf(columnType string) func(v any) (fit any, why string) {
	if size, sized := textSize(columnType); sized {
		if most, err := strconv.Atoi(size); err == nil {
			return func(v any) (any, string) { return fitSized(v, most) }
		}
	}
	switch columnType {
	case "timestamp":
		return fitTimestamp
	case "date":
		return fitDate
	case "time":
		return fitTime
	case "text":
		return fitText
	case "float":
		return fitFloat
	case "bytes":
		return fitBytes
	case "json":
		return fitJSON
	}
	return nil
}

// Years that databases have.
const firstYear, lastYear = 1, 9999

func hasYear(t time.Time) bool { return t.Year() >= firstYear && t.Year() <= lastYear }

// fitTimestamp takes points in time and their texts, in UTC if they name no other
// offset. A text that all databases read the same stays.
func fitTimestamp(v any) (any, string) {
	switch x := v.(type) {
	case nil:
		return nil, ""
	case string:
		if plainTimestamp(x) {
			return v, ""
		}
		if t, ok := ParseTimestamp(x); ok && hasYear(t) {
			return t.Format(timeLayout), "" // without what is behind the microseconds, which a server would round
		}
		return nil, notOfType + engine.SuggestTimeForm(x)
	case time.Time:
		if t := x.UTC(); hasYear(t) {
			return TimeText(t), ""
		}
	}
	return nil, notOfType
}

// fitDate takes dates, and the day, in UTC, of points in time.
func fitDate(v any) (any, string) {
	switch x := v.(type) {
	case nil:
		return nil, ""
	case string:
		if len(x) == len(time.DateOnly) && plainDate(x) {
			return v, ""
		}
		if t, ok := ParseTimestamp(x); ok && hasYear(t) {
			return t.Format(time.DateOnly), ""
		}
		return nil, notOfType + engine.SuggestTimeForm(x)
	case time.Time:
		if t := x.UTC(); hasYear(t) {
			return t.Format(time.DateOnly), ""
		}
	}
	return nil, notOfType
}

// timeOfDayLayout is how times of day are written.
const timeOfDayLayout = "15:04:05.000000"

// fitTime takes times of day, and those, in UTC, of points in time.
func fitTime(v any) (any, string) {
	switch x := v.(type) {
	case nil:
		return nil, ""
	case string:
		switch {
		case len(x) == len(time.TimeOnly) && plainTime(x):
			return v, ""
		case plainTime(x):
			return TimeOfDay(x), ""
		}
		if t, ok := ParseTimestamp(x); ok && len(x) > len(time.DateOnly) {
			return TimeOfDay(t.Format(timeOfDayLayout)), ""
		}
	case time.Time:
		return TimeOfDay(x.UTC().Format(timeOfDayLayout)), ""
	}
	return nil, notOfType
}

// span is a span of time as servers that keep some in columns of times write it.
var span = regexp.MustCompile(`^-?([0-9]{1,3}):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?$`)

// longestSpan is how many hours one has at most.
const longestSpan = 838

// fitSpan takes what fitTime takes, and spans of time.
func fitSpan(v any) (any, string) {
	if x, ok := v.(string); ok {
		if m := span.FindStringSubmatch(x); m != nil {
			if hours, _ := digits(m[1]); hours <= longestSpan {
				return TimeOfDay(x), ""
			}
		}
	}
	return fitTime(v)
}

// fitOf is FitOf for a column of the table.
func (s *Shape) fitOf(column string) func(v any) (fit any, why string) {
	c := s.column(column)
	switch {
	case c == nil:
		return nil
	case c.Type == "time" && s.Spans:
		return fitSpan
	case s.Fits[c.Name] != nil:
		return s.Fits[c.Name]
	}
	return FitOf(c.Type)
}

// fitFloat takes numbers, and texts of numbers, that a float stands for. There is one
// zero.
func fitFloat(v any) (any, string) {
	switch x := v.(type) {
	case float64:
		switch {
		case math.IsInf(x, 0) || math.IsNaN(x):
			return nil, notOfType
		case x == 0:
			return 0.0, ""
		}
	case string:
		if plainFloat(x) {
			return v, ""
		}
		text := strings.Trim(x, spaces)
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.Trim(text, "0123456789+-.eE") != "" { // it may be "Inf", or hexadecimal
			return nil, notOfType
		}
		return f + 0, ""
	case *big.Int:
		return fitFloat(x.String())
	case engine.Decimal:
		return fitFloat(string(x))
	case []byte, time.Time:
		return nil, notOfType
	}
	return v, ""
}

// plainFloat says whether a text is a number in which all databases read the same float,
// and not zero.
func plainFloat(s string) bool {
	s = strings.TrimPrefix(s, "-")
	points, zero := 0, true
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			points++
		case c < '0' || c > '9':
			return false
		case c != '0':
			zero = false
		}
	}
	return len(s) <= exactly && points <= 1 && !zero
}

// exactly is how many digits every float has that it was written with.
const exactly = 15

// spaces may stand around the text of a number.
const spaces = " \t\n\v\f\r"

// FitBits is for a column of so many bits, to which the text of a number, and a decimal,
// are the bytes they consist of, and which takes others for the number next to them.
func FitBits(n int) func(v any) (fit any, why string) {
	return func(v any) (any, string) {
		switch x := v.(type) {
		case nil, []byte:
			return v, ""
		case time.Time:
			return nil, notOfType
		case float64:
			if x != math.Trunc(x) || x >= inexact && x <= math.MaxUint64 {
				return v, "" // refuse says why not
			}
		}
		text := textOf(v).(string)
		if !written.MatchString(text) || hasFraction(text) {
			return nil, notOfType
		}
		if f, err := strconv.ParseFloat(strings.Trim(text, spaces), 64); err != nil || f < 0 || f > math.MaxUint64 || len(text) > 100 {
			return nil, notOfType
		}
		r, ok := new(big.Rat).SetString(strings.Trim(text, spaces))
		if !ok || r.Num().BitLen() > n {
			return nil, notOfType
		}
		return WholeNumber(r.Num().String()), ""
	}
}

// FitMember is for a column that holds what is listed, "'a','b'" as a server lists it:
// it would take a number, or the text of one, for the place of a member.
func FitMember(list string) func(v any) (fit any, why string) {
	list = "," + list + ","
	return func(v any) (any, string) {
		fit, why := fitText(v)
		if x, ok := fit.(string); ok && x != "" && strings.Trim(x, "0123456789+-"+spaces) == "" && !strings.Contains(list, ",'"+strings.TrimRight(x, " ")+"',") {
			return nil, "it is none of the values that the column lists"
		}
		return fit, why
	}
}

// FitShort is for a column of text of so many bytes at most.
func FitShort(most int) func(v any) (fit any, why string) {
	return func(v any) (any, string) {
		fit, why := fitText(v)
		if x, ok := fit.(string); ok && len(x) > most {
			return nil, "it is longer than " + strconv.Itoa(most) + " bytes"
		}
		return fit, why
	}
}

// noUTF8 says why a text does not hold a value.
const noUTF8 = "it is no text in UTF-8"

// fitText takes bytes that are text, and the text of whatever else there is.
func fitText(v any) (any, string) {
	switch x := v.(type) {
	case string:
		if !utf8.ValidString(x) {
			return nil, noUTF8
		}
		return v, ""
	case []byte:
		if !utf8.Valid(x) {
			return nil, noUTF8
		}
		return string(x), ""
	}
	return textOf(v), ""
}

// fitSized is fitText for a column of text of so many characters at most.
func fitSized(v any, most int) (any, string) {
	fit, why := fitText(v)
	if x, ok := fit.(string); ok && len(x) > most && utf8.RuneCountInString(x) > most {
		return nil, tooLong(strconv.Itoa(most))
	}
	return fit, why
}

// tooLong says why a column of text of so many characters does not hold a value.
func tooLong(most string) string { return "it is longer than " + most + " characters" }

// fitBytes takes bytes and texts, and the text of whatever else there is.
func fitBytes(v any) (any, string) {
	if x, ok := v.([]byte); ok {
		return x, ""
	}
	return textOf(v), ""
}

// textOf is a value as text; NULL stays. What is text is kept.
func textOf(v any) any {
	switch x := v.(type) {
	case bool:
		if x {
			return "1"
		}
		return "0"
	case int64:
		return strconv.FormatInt(x, 10)
	case *big.Int:
		return x.String()
	case engine.Decimal:
		return string(x)
	case float64:
		return floatText(x)
	case time.Time:
		return TimeText(x)
	}
	return v
}

// Floats from plainFrom on and below plainTo are written without an exponent.
const plainFrom, plainTo = 1e-15, 1e15

// floatText writes a float with as many digits as tell it from all others, as servers do
// where they have the room: 1, 0.5, 1e21.
func floatText(x float64) string {
	if size := math.Abs(x); size == 0 {
		return "0"
	} else if size >= plainFrom && size < plainTo {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return strings.Replace(strconv.FormatFloat(x, 'e', -1, 64), "e+", "e", 1)
}

// ParseTimestamp reads a point in time as texts tell it: RFC 3339, the same with
// a space in place of the T, or without an offset, which is UTC, or a date alone.
func ParseTimestamp(s string) (time.Time, bool) {
	if t, ok := ReadTimestamp(s); ok {
		return t, true
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999", time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// plainTimestamp says whether a text is a date alone, or a date and a time of day to
// the microsecond with a space between them: what all databases read the same.
func plainTimestamp(s string) bool {
	const day = len(time.DateOnly)
	if len(s) < day || !plainDate(s[:day]) {
		return false
	}
	return len(s) == day || len(s) <= len(timeLayout) && s[day] == ' ' && plainTime(s[day+1:])
}

// plainDate says whether a text of ten bytes is a date.
func plainDate(s string) bool {
	if s[4] != '-' || s[7] != '-' {
		return false
	}
	year, ok1 := digits(s[:4])
	month, ok2 := digits(s[5:7])
	day, ok3 := digits(s[8:])
	return ok1 && ok2 && ok3 && year >= firstYear && month >= 1 && month <= 12 && day >= 1 && (day <= 28 || day <= daysIn(year, month))
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// plainTime says whether a text is a time of day, with seconds and maybe a fraction.
func plainTime(s string) bool {
	const seconds = len(time.TimeOnly)
	if len(s) < seconds || s[2] != ':' || s[5] != ':' {
		return false
	}
	hour, ok1 := digits(s[:2])
	minute, ok2 := digits(s[3:5])
	second, ok3 := digits(s[6:seconds])
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return false
	}
	if len(s) == seconds {
		return true
	}
	for i := seconds + 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s[seconds] == '.' && len(s) > seconds+1
}

// digits is the number that a text of few digits is.
func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// ReadTimestamp reads what a server gives for a point in time, or a date; ok is
// false for one that is none, such as the 0th of a month.
func ReadTimestamp(s string) (t time.Time, ok bool) {
	if !plainTimestamp(s) {
		return t, false
	}
	part := func(from, to int) int { n, _ := digits(s[from:to]); return n }
	if len(s) == len(time.DateOnly) {
		return time.Date(part(0, 4), time.Month(part(5, 7)), part(8, 10), 0, 0, 0, 0, time.UTC), true
	}
	nano := 0
	if len(s) > len(time.DateTime) {
		nano = part(len(time.DateTime)+1, len(s))
		for range len(timeLayout) - len(s) + 3 {
			nano *= 10
		}
	}
	return time.Date(part(0, 4), time.Month(part(5, 7)), part(8, 10), part(11, 13), part(14, 16), part(17, 19), nano, time.UTC), true
}
