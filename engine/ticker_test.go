package engine

import (
	"slices"
	"testing"
	"time"
)

func TestFiringsThatAreLeftOutAreToldLessAndLess(t *testing.T) {
	t.Parallel()
	var l leftFirings
	var told []int
	for second := range 600 {
		if l.due(1, time.Hour+time.Duration(second)*time.Second) {
			told, l.n = append(told, l.n), 0
		}
	}
	if want := []int{1, 60, 120, 240}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}
