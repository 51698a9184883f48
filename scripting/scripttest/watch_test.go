package scripttest

import (
	"fmt"
	"strings"
	"testing"
)

// TestTheClockSaysHowJobsEnd has jobs that fire as the clock goes.
func TestTheClockSaysHowJobsEnd(t *testing.T) {
	t.Parallel()
	const hourly, daily = `every = "1h", retry = retry(max = 1)`, `cron = "0 6 * * *"`
	for name, c := range map[string]struct{ settings, consume, test, want string }{
		"failed":            {hourly, "int('boom')", "t.clock.advance('3h')", `the job of 2020-01-01T00:00:00Z (and 3 more) ended as failed, not completed: int: invalid literal with base 10: boom`},
		"failed later":      {hourly, "int(item or '1') if time.now().hour < 2 else int('boom')", "t.clock.advance('1h30m'); t.clock.set(t.clock.now() + time.duration('1h'))", `the job of 2020-01-01T02:00:00Z ended as failed, not completed: int: invalid literal with base 10: boom`},
		"before":            {hourly, "int('boom') if item else None", "t.run('x', expect = 'failed'); t.clock.advance('3h')", ""},
		"as expected":       {hourly, "int('boom')", "t.clock.advance('3h', expect = 'failed')", ""},
		"any":               {hourly, "int('boom') if time.now().hour < 2 else None", "t.clock.advance('3h', expect = 'any')", ""},
		"not as expected":   {hourly, "pass", "t.clock.advance('1s', expect = 'failed')", "the job of 2020-01-01T00:00:00Z ended as completed, not failed"},
		"cancelled":         {hourly, "ctx.cancel('no')", "t.clock.advance('1s')", "the job of 2020-01-01T00:00:00Z ended as cancelled, not completed"},
		"tried again later": {`every = "1d", retry = retry(max = 2, first = "2h")`, "error('no')", "t.clock.advance('30m')", ""},
		"it begins":         {daily, "state.set('n', state.get('n', 0) + 1)", "t.file('a', ''); t.state.set('n', 0); t.clock.set(time.parse('2024-01-02T07:00:00Z')); t.eq(t.state.get('n'), 0)", ""},
		"set twice":         {daily, "state.set('n', state.get('n', 0) + 1)", "t.clock.set(time.parse('2020-01-01T05:00:00Z')); t.clock.set(time.parse('2020-01-02T07:00:00Z')); t.eq(t.state.get('n'), 2)", ""},
		"set after a run":   {daily, "state.set('n', state.get('n', 0) + 1)", "t.run(); t.clock.set(time.parse('2020-01-02T07:00:00Z')); t.eq(t.state.get('n'), 3)", ""},
		"set after advance": {daily, "state.set('n', state.get('n', 0) + 1)", "t.clock.advance('1s'); t.clock.set(time.parse('2020-01-02T07:00:00Z')); t.eq(t.state.get('n'), 2)", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := results(t, Options{Jobs: folder(t, map[string]string{
				"x.star":      fmt.Sprintf("job(%s)\n\ndef consume(ctx, item):\n    %s\n", c.settings, c.consume),
				"x_test.star": "def test_it(t):\n    " + strings.ReplaceAll(c.test, "; ", "\n    ") + "\n",
			})})["it"]
			if got := r.Failures; c.want == "" && r.Status != Passed || c.want != "" && (len(got) != 1 || got[0].Message != c.want) {
				t.Errorf("%s", text(r))
			}
		})
	}
}
