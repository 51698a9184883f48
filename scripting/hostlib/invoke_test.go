package hostlib

import (
	"errors"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

func TestAPanicIsAnErrorOfTheFunction(t *testing.T) {
	f := &Func{Module: "m", Name: "f", Do: func(*Call, *Args) (Value, error) {
		var d *Dict
		return d.Names, nil
	}}
	_, err := f.Invoke(&Call{}, nil, nil, nil)
	var failure *engine.Failure
	if !errors.As(err, &failure) || failure.Code != "panic" || !strings.HasPrefix(failure.Message, "m.f: a fault of dsengine itself: ") ||
		!strings.Contains(failure.Backtrace, "invoke_test.go") {
		t.Errorf("got %#v", err)
	}
}

func TestCodesOfErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		code string
	}{
		{engine.Errorf(engine.CodeUsage, "x"), "usage"},
		{engine.Errorf(engine.CodeConflict, "x"), "db.conflict"},
		{&SyntaxError{1, 1, "x"}, "json.syntax"},
		{errors.New("x"), ""},
	} {
		if got := FailureOf(c.err).Code; got != c.code {
			t.Errorf("%v: got %q, want %q", c.err, got, c.code)
		}
	}
	err := within("db.exec", engine.Errorf(engine.CodeUsage, "no").WithHint("do this"))
	if err.Error() != "db.exec: no (do this)" || engine.CodeOf(err) != engine.CodeUsage {
		t.Errorf("got %v, code %q", err, engine.CodeOf(err))
	}
}

func TestSuggestions(t *testing.T) {
	names := []string{"every", "cron", "retry", "max", "on_bad"}
	for name, want := range map[string]string{
		"evry": ` (did you mean "every"?)`, "Every": ` (did you mean "every"?)`, "maximum": ` (did you mean "max"?)`,
		"onbad": ` (did you mean "on_bad"?)`, "parallel": "", "x": "",
	} {
		if got := Suggest(name, names); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
