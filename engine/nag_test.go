package engine

import (
	"slices"
	"testing"
	"time"
)

func TestNag(t *testing.T) {
	t.Parallel()
	var n Nag
	var told []time.Duration
	for now := time.Hour; now < time.Hour+20*time.Minute; now += time.Second {
		if n.Due(now) {
			told = append(told, (now-time.Hour)/time.Second)
		}
	}
	if want := []time.Duration{0, 60, 180, 420, 720, 1020}; !slices.Equal(told, want) {
		t.Errorf("want it told at seconds %d, got %d", want, told)
	}
	if !n.Due(3*time.Hour) || n.Due(3*time.Hour+59*time.Second) || !n.Due(3*time.Hour+time.Minute) {
		t.Error("another fault is not told as a new one")
	}
}
