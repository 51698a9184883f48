package starscript_test

import (
	"strings"
	"testing"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestAPanicAtTheTopLevelIsALoadError(t *testing.T) {
	t.Parallel()
	for _, source := range []string{`X = retry(max = 3)["a"]`, `X = retry(max = 3)[0]`} {
		_, errs := load(source+consume, nil)
		if len(errs) != 1 || errs[0].Line != 1 || !strings.Contains(errs[0].Message, "retry_policy has no elements") {
			t.Errorf("%s: got %v", source, errs)
		}
	}
}

// Between two looks of the interpreter there may be few calls that take long.
func TestLongCallsAreNoWayPastTheTimeout(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Script("job", `job(timeout = "100ms", retry = retry(max = 1))
def consume(ctx, item):
    t = "c" * 5000000
    for n in range(300):
        t.replace("c", "d")
    print("reached")
`)
	j := w.Do("job", "1")
	if j.Error == nil || j.Error.Code != "timeout" || strings.Contains(w.Log.String(), "reached") {
		t.Errorf("got %+v and %s", j.Error, w.Log)
	}
}
