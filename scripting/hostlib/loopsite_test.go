package hostlib_test

import (
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// Another hook may get loops, and a loop stays the one that it was: so a script that gets
// the hook redrive, as it is told to, goes on where it stopped.
func TestLoopsAreCountedWithinTheirFunction(t *testing.T) {
	t.Parallel()
	before := []hostlib.LoopSite{{Line: 5, In: "consume"}, {Line: 9, In: "consume", Again: true}}
	after := []hostlib.LoopSite{{Line: 3, In: "redrive"}, {Line: 8, In: "consume"}, {Line: 12, In: "consume", Again: true}, {Line: 20, In: "redrive"}}
	for i, at := range []int{1, 2} {
		was, is := hostlib.SiteOf("a.star", before, before[i].Line), hostlib.SiteOf("a.star", after, after[at].Line)
		if was != is || is.Sites != 2 || is.Again != (i == 1) {
			t.Errorf("loop %d: got %+v, was %+v", i, is, was)
		}
	}
	if one, other := hostlib.SiteOf("a.star", after, 3), hostlib.SiteOf("a.star", after, 8); one.Site == other.Site {
		t.Errorf("loops of two functions are one: %+v", one)
	}
	if got := hostlib.SiteOf("a.star", after, 4); !got.Again || got.Site == "" {
		t.Errorf("a call that is not found: got %+v", got)
	}
}
