package scripttest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dsengine/dsengine/scripting/coverage"
)

// Summary is what the tests came to. It is the stable form of --format json.
type Summary struct {
	Passed  int       `json:"passed"`
	Failed  int       `json:"failed"`
	Skipped int       `json:"skipped"`
	Todo    int       `json:"todo"`
	Crashes int       `json:"crashes,omitempty"` // with --crash: that the tests were run with
	Points  int       `json:"points,omitempty"`  // with --crash: at which the process could be killed
	Missed  int       `json:"missed,omitempty"`  // those that no test came to again
	Files   int       `json:"files"`
	Millis  float64   `json:"ms"`
	Tests   []*Result `json:"tests"`

	Coverage *coverage.Report `json:"coverage,omitempty"`
}

// Summarize counts results.
func Summarize(files int, took time.Duration, results []*Result) *Summary {
	s := &Summary{Files: files, Millis: float64(took.Microseconds()) / 1000, Tests: results}
	for _, r := range results {
		s.Crashes += r.Crashes
		s.Points += r.Points
		s.Missed += r.Missed
		switch r.Status {
		case Passed:
			s.Passed++
		case Failed:
			s.Failed++
		case Skipped:
			s.Skipped++
		case Todo:
			s.Todo++
		}
	}
	return s
}

// Text writes a test's line, and how it failed.
func (r *Result) Text(w io.Writer) {
	word := map[Status]string{Passed: "ok", Failed: "FAIL", Skipped: "skip", Todo: "todo"}[r.Status]
	fmt.Fprintf(w, "%-4s  %s: %s", word, r.File, r.Name)
	if r.Reason != "" {
		fmt.Fprintf(w, " (%s)", r.Reason)
	}
	fmt.Fprint(w, crashWords(" with ", r.Crashes, r.Points))
	if r.Millis >= 100 {
		fmt.Fprintf(w, " in %.1f s", r.Millis/1000)
	}
	fmt.Fprintln(w)
	for _, file := range r.Golden {
		fmt.Fprintf(w, "      wrote %s\n", file)
	}
	if r.Missed > 0 {
		fmt.Fprintf(w, "      %s, so nothing is shown of a crash there: does the script, or the test, do something else each time?\n", missedWords(r.Missed, r.Points))
	}
	for _, f := range r.Failures {
		f.text(w)
	}
	if len(r.Log) > 0 {
		fmt.Fprintln(w, "      log:")
		for _, l := range r.Log {
			fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(l, "\n", "\n        "))
		}
	}
}

// crashWords say with how many crashes a test was run, of how many there could be.
func crashWords(before string, crashes, points int) string {
	switch {
	case points == 0:
		return ""
	case crashes == points:
		return fmt.Sprintf("%s%d crashes", before, crashes)
	}
	return fmt.Sprintf("%scrashes at %d of %d points", before, crashes, points)
}

func missedWords(missed, points int) string {
	return fmt.Sprintf("%d of %d points of a crash did not come again", missed, points)
}

func (f *Failure) text(w io.Writer) {
	if f.Crash != nil {
		fmt.Fprintf(w, "      when the process is killed %s", f.Crash)
		if f.More > 0 {
			fmt.Fprintf(w, ", and %d times more there", f.More)
		}
		fmt.Fprintln(w, ":")
	}
	place := ""
	switch {
	case f.File != "" && f.Line > 0:
		place = fmt.Sprintf("%s:%d: ", f.File, f.Line)
	case f.File != "":
		place = f.File + ": "
	}
	fmt.Fprintf(w, "      %s%s\n", place, strings.ReplaceAll(f.Message, "\n", "\n      "))
	if f.Text != "" {
		fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(f.Text, "\n", "\n        "))
	}
	if f.Detail != "" {
		fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(f.Detail, "\n", "\n        "))
	}
	for i, v := range f.Locals {
		if i == 0 {
			fmt.Fprintln(w, "        where:")
		}
		fmt.Fprintf(w, "          %s = %s\n", v[0], v[1])
	}
}

// Line is the summary in a sentence.
func (s *Summary) Line() string {
	parts := []string{fmt.Sprintf("%d passed", s.Passed)}
	for _, e := range []struct {
		n    int
		what string
	}{{s.Failed, "failed"}, {s.Skipped, "skipped"}, {s.Todo, "to do"}} {
		if e.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", e.n, e.what))
		}
	}
	text := strings.Join(parts, ", ")
	text += crashWords(", with ", s.Crashes, s.Points)
	if s.Missed > 0 {
		text += ", " + missedWords(s.Missed, s.Points)
	}
	return fmt.Sprintf("%s in %.2f s", text, s.Millis/1000)
}

// TAP writes the results in the Test Anything Protocol, version 13.
func (s *Summary) TAP(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "TAP version 13\n1..%d\n", len(s.Tests))
	for i, r := range s.Tests {
		word, tail := "ok", ""
		switch r.Status {
		case Failed:
			word = "not ok"
		case Skipped:
			tail = " # SKIP " + r.Reason
		case Todo:
			word, tail = "not ok", " # TODO"
		}
		fmt.Fprintf(&b, "%s %d - %s: %s%s\n", word, i+1, r.File, r.Name, tail)
		if r.Status == Failed {
			var text strings.Builder
			for _, f := range r.Failures {
				f.text(&text)
			}
			b.WriteString("#" + strings.ReplaceAll(strings.TrimRight(text.String(), "\n"), "\n", "\n#") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// JUnit writes the results as the XML that CI systems read.
func (s *Summary) JUnit(w io.Writer) error {
	type message struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		File    string   `xml:"file,attr"`
		Line    int      `xml:"line,attr"`
		Time    string   `xml:"time,attr"`
		Failure *message `xml:"failure,omitempty"`
		Skipped *message `xml:"skipped,omitempty"`
		Out     string   `xml:"system-out,omitempty"`
	}
	type suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Time     string     `xml:"time,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	seconds := func(ms float64) string { return fmt.Sprintf("%.3f", ms/1000) }
	var suites []*suite
	by := map[string]*suite{}
	times := map[string]float64{}
	for _, r := range s.Tests {
		u := by[r.File]
		if u == nil {
			u = &suite{Name: r.File}
			by[r.File], suites = u, append(suites, u)
		}
		c := testcase{Class: strings.TrimSuffix(r.File, ".star"), Name: r.Name, File: r.File, Line: r.Line, Time: seconds(r.Millis), Out: clean(strings.Join(r.Log, "\n"))}
		u.Tests++
		times[r.File] += r.Millis
		switch r.Status {
		case Failed:
			u.Failures++
			var text strings.Builder
			for _, f := range r.Failures {
				f.text(&text)
			}
			c.Failure = &message{clean(r.Failures[0].Message), clean(text.String())}
		case Skipped:
			u.Skipped++
			c.Skipped = &message{Message: clean(r.Reason)}
		case Todo:
			u.Skipped++
			c.Skipped = &message{Message: "to do"}
		}
		u.Cases = append(u.Cases, c)
	}
	for _, u := range suites {
		u.Time = seconds(times[u.Name])
	}
	doc := struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Time     string   `xml:"time,attr"`
		Suites   []*suite `xml:"testsuite"`
	}{Tests: len(s.Tests), Failures: s.Failed, Time: seconds(s.Millis), Suites: suites}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// clean leaves out what XML cannot hold.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
