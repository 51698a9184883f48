package engine

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a length of time as scripts and flags write it: Go's
// form ("1h30m", "250ms") and whole days ("7d", "1d12h"). Bare numbers are
// refused, because nobody knows their unit.
func ParseDuration(s string) (time.Duration, error) {
	text := strings.TrimSpace(s)
	var days float64
	if n, rest, ok := strings.Cut(text, "d"); ok {
		var err error
		// No "inf", no exponents.
		if days, err = strconv.ParseFloat(n, 64); err != nil || strings.Trim(n, "+-.0123456789") != "" {
			return 0, badDuration(s)
		}
		days, text = days*float64(24*time.Hour), rest
		if math.Abs(days) >= math.MaxInt64 {
			return 0, longDuration(s)
		}
		if text == "" {
			return time.Duration(days), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || text == "0" {
		return 0, badDuration(s)
	}
	if days < 0 {
		d = -d
	}
	if math.Abs(days+float64(d)) >= math.MaxInt64 {
		return 0, longDuration(s)
	}
	return time.Duration(days) + d, nil
}

func longDuration(s string) error {
	return Errorf(CodeUsage, "%q is too long: at most 106751 days", s)
}

func badDuration(s string) error {
	return Errorf(CodeUsage, "%q is no length of time: write it like \"30s\", \"5m\", \"1h30m\" or \"7d\"", s)
}

// FormatDuration is the inverse of ParseDuration, without zero parts: "5m", not "5m0s".
func FormatDuration(d time.Duration) string {
	if d != 0 && d%(24*time.Hour) == 0 {
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
