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
		"failed":            {hourly, "int('boom')", "t.clock.advance('3h')", `the job of 2020-01-01T00:00:00Z (and 3 more) ended as failed, not completed: int: invalid literal with base 10: "boom"`},
		"failed later":      {hourly, "int(item or '1') if time.now().hour < 2 else int('boom')", "t.clock.advance('1h30m'); t.clock.set(t.clock.now() + time.duration('1h'))", `the job of 2020-01-01T02:00:00Z ended as failed, not completed: int: invalid literal with base 10: "boom"`},
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
			ends(t, c.settings, c.consume, c.test, c.want)
		})
	}
}

// ends runs a test of a job whose consume is a line, and looks for its failure; "": it passes.
func ends(t *testing.T, settings, consume, test, want string) {
	t.Helper()
	lines := func(s string) string { return strings.ReplaceAll(s, "; ", "\n    ") }
	r := results(t, Options{Jobs: folder(t, map[string]string{
		"x.star":      fmt.Sprintf("job(%s)\n\ndef consume(ctx, item):\n    %s\n", settings, lines(consume)),
		"x_test.star": "def test_it(t):\n    " + lines(test) + "\n",
	})})["it"]
	if got := r.Failures; want == "" && r.Status != Passed || want != "" && (len(got) != 1 || got[0].Message != want) {
		t.Errorf("%s", text(r))
	}
}

// TestARunSaysHowOtherJobsEnd has jobs beside the one that is run: what its hook enqueues.
func TestARunSaysHowOtherJobsEnd(t *testing.T) {
	t.Parallel()
	const once, twice = `retry = retry(max = 1)`, `retry = retry(max = 2, first = "5m")`
	const more = `ctx.enqueue("x", "other") if item == "one" else `
	const failed = `another job of 2020-01-01T00:00:00Z ended as failed, not completed: int: invalid literal with base 10: "boom"`
	for name, c := range map[string]struct{ settings, consume, test, want string }{
		"failed":              {once, more + "int('boom')", "t.run('one')", failed},
		"failed at last":      {twice, more + "int('boom' + str(time.now().year)[4:])", "t.run('one')", failed},
		"completed at last":   {twice, more + "int('boom' if ctx.attempt == 1 else '1')", "t.run('one'); t.eq(t.clock.now(), time.parse('2020-01-01T00:05:00Z'))", ""},
		"cancelled":           {once, more + "ctx.cancel('no')", "t.run('one')", "another job of 2020-01-01T00:00:00Z ended as cancelled, not completed"},
		"its items":           {once, "ctx.enqueue('x', 'all') if item == 'one' else [ctx.emit('boom')] if item == 'all' else int(item)", "t.run('one')", failed},
		"any":                 {once, more + "int('boom')", "t.eq(t.run('one', expect = 'any').status, 'completed')", ""},
		"both are to fail":    {once, "ctx.enqueue('x', 'other') if item == 'one' else None; error('boom')", "t.run('one', expect = 'failed')", ""},
		"the other completes": {once, "ctx.enqueue('x', 'other') if item == 'one' else None; error('boom') if item == 'one' else None", "t.run('one', expect = 'failed')", ""},
		"before":              {once, more + "int('boom') if item else None", "t.run('one', expect = 'any'); t.run()", ""},
		"alone before":        {once, "int('boom') if item else None", "t.consume('x', expect = 'failed'); t.run()", ""},
		"due later":           {once, "ctx.enqueue('x', 'other', after = '1h') if item == 'one' else int('boom')", "t.run('one'); t.eq(len(t.enqueued()), 1)", ""},
		"redriven":            {once + `, rejects = "all"`, "reject(item, 'no') if not state.get('on') else ctx.enqueue('x', 'other') if item == 'bad' else int('boom')", "t.run('bad'); t.state.set('on', True); t.redrive()", failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends(t, c.settings, c.consume, c.test, c.want)
		})
	}
}
