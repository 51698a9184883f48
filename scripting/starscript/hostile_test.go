package starscript_test

import (
	"strings"
	"testing"
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
