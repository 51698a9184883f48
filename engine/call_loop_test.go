package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPositionKeepsManyLoopsShort(t *testing.T) {
	t.Parallel()
	place := loopKey{Source: 1 << 60, Site: 1 << 61, Sites: 3}
	for _, c := range []struct {
		name     string
		n, bytes int
		of       func(i int) loopCount
	}{
		{"nothing is known of", 200_000, 100_000, func(int) loopCount { return loopCount{} }},
		{"over the same", 20_000, 200_000, func(int) loopCount { return loopCount{loopKey: place, version: version{1, 2, 3}} }},
		{"over files", 20_000, 850_000, func(i int) loopCount {
			other := place
			other.Source += uint64(i)
			return loopCount{loopKey: other, version: version{uint32(i), int64(i), 3}}
		}},
		{"at two places", 2_000, 400_000, func(i int) loopCount {
			other := place
			other.Site += uint64(i % 2)
			return loopCount{loopKey: other}
		}},
	} {
		var p position
		p.Loops = append(p.Loops, loopCount{N: 7, Last: 1}) // a loop whose pass is running
		for i := range c.n {
			one := c.of(i)
			one.N, one.Last, one.Done = int64(i), uint64(i), true
			p.Loops = append(p.Loops, one)
		}
		stored := p.encode()
		if len(stored) > c.bytes {
			t.Errorf("%d loops that are over, %s, take %d bytes", c.n, c.name, len(stored))
		}
		got, err := parsePosition(stored)
		if err != nil {
			t.Fatal(err)
		}
		want := append([]loopCount(nil), p.Loops...)
		for i := 1; i < len(want)-exactLoops; i++ {
			want[i].N, want[i].Last = allOf, 0
		}
		if d := cmp.Diff(want, got.Loops, cmp.AllowUnexported(loopCount{})); d != "" {
			t.Errorf("loops, %s (-want +got):\n%.2000s", c.name, d)
		}
		again := position{Loops: got.Loops}
		if string(stored) != string(again.encode()) {
			t.Errorf("loops, %s, are stored as others again", c.name)
		}
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
