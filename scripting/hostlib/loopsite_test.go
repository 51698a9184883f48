package hostlib_test

import (
	"testing"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// A script may get the hook redrive, as it is told to, and its loops stay those that they
// were: the job goes on where it stopped.
func TestLoopsOfRedriveAreCountedByThemselves(t *testing.T) {
	t.Parallel()
	before := []hostlib.LoopSite{{Line: 5, In: "consume"}, {Line: 9, In: "copy", Again: true, Aside: true}}
	after := []hostlib.LoopSite{{Line: 3, In: "redrive"}, {Line: 8, In: "consume"}, {Line: 12, In: "copy", Again: true, Aside: true}, {Line: 20, In: "redrive"}}
	for i, at := range []int{1, 2} {
		was, is := hostlib.SiteOf("a.star", before, before[i].Line), hostlib.SiteOf("a.star", after, after[at].Line)
		if was != is || is.Sites != 2 || is.Again != (i == 1) || is.Aside != (i == 1) {
			t.Errorf("loop %d: got %+v, was %+v", i, is, was)
		}
	}
	if one, other := hostlib.SiteOf("a.star", after, 3), hostlib.SiteOf("a.star", after, 8); one.Site == other.Site || one.Sites != 2 {
		t.Errorf("loops of two functions are one: %+v", one)
	}
	if got := hostlib.SiteOf("a.star", after, 4); !got.Aside || got.Site == "" {
		t.Errorf("a call that is not found: got %+v", got)
	}
}
