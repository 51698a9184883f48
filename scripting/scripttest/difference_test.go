package scripttest

import (
	"fmt"
	"strings"
	"testing"
)

// TestALongDiffIsCut has tables that differ in each row.
func TestALongDiffIsCut(t *testing.T) {
	t.Parallel()
	var got, want strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&got, "got %d\n", i)
		fmt.Fprintf(&want, "wanted %d\n", i)
	}
	lines := strings.Split(lineDiff(got.String(), want.String()), "\n")
	if len(lines) != maxDiff+1 || lines[maxDiff] != "  (1804 lines are left out)" {
		t.Errorf("%d lines, the last one %q", len(lines), lines[len(lines)-1])
	}
}
