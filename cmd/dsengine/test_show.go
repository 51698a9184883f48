package main

import (
	"bytes"
	"io"
	"slices"

	"github.com/dsengine/dsengine/scripting/scripttest"
)

// testShow tells how tests go, while they run: their results as text, and how far they are.
type testShow struct {
	progress
	gauges []gauge // of all tests, and of each that is run with crashes
}

// showTests has a suite tell how its tests go.
func showTests(env *Env, g *globals, o testOptions, suite *scripttest.Suite) *testShow {
	log, con := newLogger(env, g)
	s := &testShow{newProgress(env, log, con), []gauge{{Name: "tests", Total: int64(len(suite.List().Tests))}}}
	suite.Done = func(r *scripttest.Result) { s.done(con.data(env), o.format, r) }
	suite.Crashing = s.crashing
	return s
}

// done is told that a test has ended.
func (s *testShow) done(out io.Writer, format string, r *scripttest.Result) {
	if format == "text" {
		var b bytes.Buffer
		r.Text(&b)
		_, _ = out.Write(b.Bytes())
		s.said()
	}
	all := &s.gauges[0]
	all.Done++
	if r.Status == scripttest.Failed {
		all.Failed++
	}
	s.show(s.gauges, 0)
}

// crashing is told how many of its points a test with crashes has behind it.
func (s *testShow) crashing(r *scripttest.Result, done, points int) {
	one := gauge{Name: "crashes of " + r.Name + ", " + r.File, Done: int64(done), Total: int64(points)}
	s.gauges = slices.DeleteFunc(s.gauges, func(g gauge) bool { return g.Name == one.Name })
	if done < points {
		s.gauges = append(s.gauges, one)
	}
	s.show(s.gauges, 0)
}
