package hostlib_test

import (
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestALoudHookKeepsItsWarnings(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("loud", `
def consume(ctx, item):
    for n in range(1200):
        log.info("line %d." % n)
    for n in range(1200):
        log.warn("warning %d." % n)
    log.error("the end")
`)
	j := w.Do("loud", "1")
	kept := ""
	for after := int64(0); ; {
		lines, err := w.Store.Logs(t.Context(), j.ID, 0, after, false, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) == 0 {
			break
		}
		for _, l := range lines {
			kept += l.Message + "\n"
			after = l.ID
		}
	}
	told := w.Log.String()
	for _, c := range []struct {
		text       string
		kept, told int
	}{
		{"line 998.", 1, 1}, {"line 1000.", 0, 0}, {"more than 1000 lines: of this attempt only warnings and errors are kept from here on", 1, 1},
		{"warning 998.", 1, 1}, {"warning 1100.", 0, 1}, {"more than 1000 warnings and errors: those of this attempt are kept no longer", 1, 1}, {"the end", 0, 1},
	} {
		if k, s := strings.Count(kept, c.text), strings.Count(told, c.text); k != c.kept || s != c.told {
			t.Errorf("%s: kept %d times, told %d times, want %d and %d", c.text, k, s, c.kept, c.told)
		}
	}
}

func TestWhatIsWrittenIsTold(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `
job(needs = ["files:*"])
def consume(ctx, item):
    out = csv.write("a.csv", [{"a": 1}, {"a": 2}])
    log.info("wrote %s" % out, out = out)
`)
	if got, want := strings.Join(w.Logs(w.Do("job", "1").ID), "\n"), `info wrote <written a.csv: 2 rows, 6 bytes>`; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := w.Log.String(), "rows:2"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
