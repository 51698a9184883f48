package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

func TestDurationsAreExactOrRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "-1d12h": -36 * time.Hour, "0.5d": 12 * time.Hour,
		"0s": 0, "250ms": 250 * time.Millisecond, "106751d": 106751 * 24 * time.Hour,
	} {
		if got, err := engine.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"300000d": "is too long", "-300000d": "is too long", "106751d24h": "is too long", "106752d": "is too long",
		"infd": "is no length", "nand": "is no length", "-infd": "is no length", "1e3d": "is no length", "0x10d": "is no length",
		"d": "is no length", "5": "is no length", "": "is no length", "0": "is no length", "1d5": "is no length", "9999999999h": "is no length",
	} {
		if got, err := engine.ParseDuration(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want an error with %q", text, got, err, want)
		}
	}
}
