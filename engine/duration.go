package engine

import (
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a length of time as scripts and flags write it: Go's
// form ("1h30m", "250ms") and whole days ("7d", "1d12h"). Bare numbers are
// refused, because nobody knows their unit.
func ParseDuration(s string) (time.Duration, error) {
	text := strings.TrimSpace(s)
	var days time.Duration
	if n, rest, ok := strings.Cut(text, "d"); ok {
		count, err := strconv.ParseFloat(n, 64)
		if err != nil {
			return 0, badDuration(s)
		}
		days, text = time.Duration(count*float64(24*time.Hour)), rest
		if text == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || text == "0" {
		return 0, badDuration(s)
	}
	if days < 0 {
		return days - d, nil
	}
	return days + d, nil
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
