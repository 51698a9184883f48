package engine

import (
	"fmt"
	"time"
)

// timeForms are usual forms of dates and of times of day, as time.Parse and as scripts'
// time.parse read them. Forms of the same digits stand together.
var timeForms = struct{ dates, times [][2]string }{
	[][2]string{
		{"2.1.2006", "%d.%m.%Y"}, {"2.1.06", "%d.%m.%y"}, {"2/1/2006", "%d/%m/%Y"}, {"1/2/2006", "%m/%d/%Y"}, {"2-1-2006", "%d-%m-%Y"}, {"1-2-2006", "%m-%d-%Y"},
		{"2006/1/2", "%Y/%m/%d"}, {"2006.1.2", "%Y.%m.%d"}, {"2006-1-2", "%Y-%m-%d"}, {"20060102", "%Y%m%d"},
		{"2 Jan 2006", "%d %b %Y"}, {"2-Jan-2006", "%d-%b-%Y"}, {"Jan 2, 2006", "%b %d, %Y"}, {"2 January 2006", "%d %B %Y"}, {"January 2, 2006", "%B %d, %Y"},
	},
	[][2]string{{}, {" 15:04", " %H:%M"}, {" 15:04:05", " %H:%M:%S"}, {" 3:04 PM", " %I:%M %p"}, {" 3:04:05 PM", " %I:%M:%S %p"}},
}

// SuggestTimeForm says by what a script makes a time of a text that is a date in another
// form than databases read, as ": time.parse(text, ...) reads it", or "" if it is none.
// Where both the first number and the second may be the month, it gives both forms.
func SuggestTimeForm(text string) string {
	const longest = len("28 September 2026 10:30:00 AM")
	if len(text) > longest {
		return ""
	}
	first, of := "", time.Time{}
	for _, t := range timeForms.times {
		for _, d := range timeForms.dates {
			at, err := time.Parse(d[0]+t[0], text)
			switch {
			case err != nil || at.Nanosecond() != 0: // which time.Parse reads in any form
			case first == "":
				first, of = d[1]+t[1], at
			case !at.Equal(of):
				return fmt.Sprintf(": time.parse(text, %q) makes a time of it, or %q if the month comes first", first, d[1]+t[1])
			}
		}
	}
	if first == "" {
		return ""
	}
	return fmt.Sprintf(": time.parse(text, %q) makes a time of it", first)
}
