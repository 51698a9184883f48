package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPositionKeepsManyLoopsShort(t *testing.T) {
	t.Parallel()
	var p position
	p.Loops = append(p.Loops, loopCount{N: 7, Last: 1}) // a loop whose pass is running
	for i := range 200_000 {
		p.Loops = append(p.Loops, loopCount{N: int64(i), Last: uint64(i), Done: true})
	}
	stored := p.encode()
	if len(stored) > 100_000 {
		t.Errorf("200,000 loops that are over take %d bytes", len(stored))
	}
	got, err := parsePosition(stored)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]loopCount(nil), p.Loops...)
	for i := 1; i < len(want)-exactLoops; i++ {
		want[i] = loopCount{N: allOf, Done: true, last: i == len(want)-exactLoops-1}
	}
	if d := cmp.Diff(want, got.Loops, cmp.AllowUnexported(loopCount{})); d != "" {
		t.Errorf("loops (-want +got):\n%s", d)
	}
	again := position{Loops: got.Loops}
	if d := cmp.Diff(string(stored), string(again.encode())); d != "" {
		t.Errorf("stored again (-want +got):\n%s", d)
	}
}

func TestFewLoopsAreKeptAsTheyAre(t *testing.T) {
	t.Parallel()
	p := position{User: Raw(`"here"`), Loops: []loopCount{{N: 3, Last: 9, Done: true}, {}, {N: 2, Last: 8, Left: true}, {N: 1}}}
	got, err := parsePosition(p.encode())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got, cmp.AllowUnexported(loopCount{})); d != "" {
		t.Errorf("position (-want +got):\n%s", d)
	}
}
