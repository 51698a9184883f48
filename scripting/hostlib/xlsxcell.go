package hostlib

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// xlsxFormat is what the format of a cell says that its number is.
type xlsxFormat int

const (
	xlsxNumber  xlsxFormat = iota
	xlsxAsText             // a number to be shown just as it was entered
	xlsxDate               // a day, or a point in time
	xlsxClock              // a time of day
	xlsxElapsed            // a length of time: [h]:mm
)

// xlsxBuiltin is a format that no book spells out (ECMA-376 part 1, 18.8.30).
func xlsxBuiltin(id string) xlsxFormat {
	n, _ := strconv.Atoi(id)
	switch {
	case n >= 14 && n <= 17, n == 22, n >= 27 && n <= 31, n == 36, n >= 50 && n <= 54, n == 57, n == 58:
		return xlsxDate
	case n >= 18 && n <= 21, n >= 32 && n <= 35, n == 45, n == 47, n == 55, n == 56:
		return xlsxClock
	case n == 46:
		return xlsxElapsed
	case n == 49:
		return xlsxAsText
	}
	return xlsxNumber
}

// xlsxFormatOf reads a format such as "yyyy-mm-dd" or "#,##0.00". What is in
// quotes, escaped, or in brackets (colours, languages, conditions) is no part of it.
func xlsxFormatOf(code string) xlsxFormat {
	if code == "@" {
		return xlsxAsText
	}
	date, clock, months := false, false, false
	for i := 0; i < len(code); i++ {
		switch c := code[i]; c {
		case '"':
			n := strings.IndexByte(code[i+1:], '"')
			if n < 0 {
				return xlsxNumber
			}
			i += n + 1
		case '\\', '_', '*':
			i++
		case '[':
			n := strings.IndexByte(code[i:], ']')
			if n < 0 {
				return xlsxNumber
			}
			if inside := strings.ToLower(code[i+1 : i+n]); inside != "" && strings.Trim(inside, "hms") == "" {
				return xlsxElapsed
			}
			i += n
		case ';':
			i = len(code) // the first part is that of positive numbers
		case 'G', 'g':
			if len(code)-i >= 7 && strings.EqualFold(code[i:i+7], "general") {
				i += 6
			}
		case 'E', 'e':
			if i+1 < len(code) && (code[i+1] == '+' || code[i+1] == '-') {
				return xlsxNumber
			}
		case 'A', 'a':
			switch {
			case len(code)-i >= 5 && strings.EqualFold(code[i:i+5], "am/pm"):
				i, clock = i+4, true
			case len(code)-i >= 3 && strings.EqualFold(code[i:i+3], "a/p"):
				i, clock = i+2, true
			}
		case 'y', 'Y', 'd', 'D':
			date = true
		case 'h', 'H', 's', 'S':
			clock = true
		case 'm', 'M':
			months = true // or minutes, beside hours and seconds
		}
	}
	switch {
	case date, months && !clock:
		return xlsxDate
	case clock:
		return xlsxClock
	}
	return xlsxNumber
}

const (
	xlsxDayMs  = 24 * 60 * 60 * 1000
	xlsxMaxDay = 2_958_466 // the day after 9999-12-31
)

// xlsxMoment is the value of a number that is formatted as a date or a time.
func xlsxMoment(serial float64, f xlsxFormat, from04 bool) (Value, error) {
	if f == xlsxElapsed {
		if math.Abs(serial) > xlsxMaxDay/30 { // 290 years, which is what a duration holds
			return nil, fmt.Errorf("%v is too long a time", serial)
		}
		return time.Duration(math.Round(serial*xlsxDayMs)) * time.Millisecond, nil
	}
	if !(serial >= 0 && serial < xlsxMaxDay) {
		return nil, fmt.Errorf("%v is no date, as which it is formatted", serial)
	}
	ms := int64(math.Round(serial * xlsxDayMs))
	day, ms := ms/xlsxDayMs, ms%xlsxDayMs
	if f == xlsxClock && day == 0 {
		return time.UnixMilli(ms).UTC().Format("15:04:05.999"), nil
	}
	start := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	switch {
	case from04:
		start = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	case day == 0:
		return nil, fmt.Errorf("%v is the day before 1900-01-01, which no spreadsheet has", serial)
	case day == 60:
		return nil, fmt.Errorf("it is 1900-02-29, a day that only spreadsheets have")
	case day < 60:
		start = start.AddDate(0, 0, 1)
	}
	return start.AddDate(0, 0, int(day)).Add(time.Duration(ms) * time.Millisecond), nil
}

// xlsxCell is a cell as it stands in a sheet.
type xlsxCell struct {
	column  int    // from 0
	kind    string // n, s, str, inlineStr, b, e, d
	style   int
	value   string
	given   bool // there is a value
	formula bool
}

// isText says whether its value is text.
func (x *xlsxCell) isText() bool { return x.kind == "s" || x.kind == "str" || x.kind == "inlineStr" }

// cell is the value of a cell. An error that is no fault of the book itself says
// what is wrong with the cell alone.
func (b *xlsxBook) cell(x *xlsxCell) (v Value, bad error, err error) {
	switch {
	case !x.given && x.formula:
		return nil, fmt.Errorf("its formula has no value: it was never calculated; open the file in a spreadsheet and save it"), nil
	case !x.given:
		return nil, nil, nil
	}
	switch x.kind {
	case "s":
		i, err := strconv.Atoi(strings.TrimSpace(x.value))
		if err != nil {
			return nil, nil, Errorf("xlsx.syntax", "%q is no number of a text", x.value)
		}
		v, err := b.text(i)
		return v, nil, err
	case "str", "inlineStr":
		return x.value, nil, nil
	case "b":
		t, err := strconv.ParseBool(strings.TrimSpace(x.value))
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", x.value), nil
		}
		return t, nil, nil
	case "e":
		return nil, fmt.Errorf("it has the error %s", x.value), nil
	case "d":
		t, err := parseISO(strings.TrimSpace(x.value), time.UTC)
		return t, err, nil
	case "", "n":
		v, bad := b.number(strings.TrimSpace(x.value), x.style)
		return v, bad, nil
	}
	return nil, fmt.Errorf("it is of a kind that is not known here: %q", x.kind), nil
}

// number is the value of a cell that holds a number.
func (b *xlsxBook) number(text string, style int) (Value, error) {
	f := xlsxNumber
	if style >= 0 && style < len(b.formats) {
		f = b.formats[style]
	}
	if text == "" {
		return nil, nil
	}
	serial, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && !math.IsInf(serial, 0), math.IsNaN(serial), math.IsInf(serial, 0), strings.ContainsAny(text, "xX_pPiI"):
		return nil, fmt.Errorf("%q is no number", text)
	case f == xlsxAsText:
		return text, nil
	case f != xlsxNumber:
		return xlsxMoment(serial, f, b.from04)
	case strings.ContainsAny(text, ".eE"):
		return serial, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, ok := new(big.Int).SetString(text, 10); ok && len(text) < 400 {
		return n, nil
	}
	return serial, nil
}
