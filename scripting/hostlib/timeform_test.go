package hostlib

import (
	"regexp"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// TestSuggestedFormsReadTheText: what is told of a text that is a date in another form
// reads it as that day.
func TestSuggestedFormsReadTheText(t *testing.T) {
	t.Parallel()
	format := regexp.MustCompile(`%[^"]+`)
	for text, wants := range map[string][]string{
		"28.03.2026": {"%d.%m.%Y"}, "28.3.26": {"%d.%m.%y"}, "3/28/2026": {"%m/%d/%Y"}, "28/03/2026": {"%d/%m/%Y"}, "03/04/2026": {"%d/%m/%Y", "%m/%d/%Y"},
		"28-03-2026": {"%d-%m-%Y"}, "2026/03/28": {"%Y/%m/%d"}, "2026.3.28": {"%Y.%m.%d"}, "2026-3-28": {"%Y-%m-%d"}, "20260328": {"%Y%m%d"},
		"28 Mar 2026": {"%d %b %Y"}, "28-MAR-2026": {"%d-%b-%Y"}, "Mar 28, 2026": {"%b %d, %Y"}, "28 march 2026": {"%d %B %Y"}, "March 28, 2026": {"%B %d, %Y"}, "8 May 2026": {"%d %b %Y"},
		"28.03.2026 12:30": {"%d.%m.%Y %H:%M"}, "28.03.2026 12:30:15": {"%d.%m.%Y %H:%M:%S"}, "3/28/2026 1:05 PM": {"%m/%d/%Y %I:%M %p"}, "04/03/2026 1:05:06 AM": {"%d/%m/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M:%S %p"},
		"30.02.2026": nil, "28.03.2026 12:30:15.5": nil, "20260230": nil, "1774699200": nil, "no date": nil, "": nil, "2026-02-30": nil, "1.2.3.4": nil, "28.03.2026 ": nil, "0000-00-00": nil,
	} {
		said := engine.SuggestTimeForm(text)
		got := format.FindAllString(said, -1)
		if len(got) != len(wants) {
			t.Errorf("%q: got %q, want %q", text, said, wants)
			continue
		}
		for i, want := range wants {
			at, err := parseTime(text, got[i], time.UTC)
			if got[i] != want || err != nil || at.Year() != 2026 || at.Day() != 28 && at.Day() != 8 && len(wants) == 1 {
				t.Errorf("%q: got %q, which gives %v (%v), want %q", text, said, at, err, want)
			}
		}
	}
}
