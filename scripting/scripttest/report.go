package scripttest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/scripting/coverage"
	"github.com/dsengine/dsengine/scripting/hostlib"
)

// Summary is what the tests came to. It is the stable form of --format json,
// which the README documents.
type Summary struct {
	StartedAt time.Time            `json:"started_at"`
	Millis    float64              `json:"ms"`
	Files     int                  `json:"files"` // that have tests
	Passed    int                  `json:"passed"`
	Failed    int                  `json:"failed"`
	Skipped   int                  `json:"skipped"`
	Todo      int                  `json:"todo"`
	NotRun    int                  `json:"not_run"`            // with FailFast, or when it was interrupted
	Crashes   int                  `json:"crashes,omitempty"`  // with --crash: that the tests were run with
	Points    int                  `json:"points,omitempty"`   // with --crash: at which the process could be killed
	Missed    int                  `json:"missed,omitempty"`   // those that no test came to again
	LeftOut   int                  `json:"left_out,omitempty"` // those that were too many to be tried
	Errors    []*hostlib.LoadError `json:"errors"`             // files that do not load
	Tests     []*Result            `json:"tests"`
	// Interrupted says that the run was told to stop; UnderWay are the tests that it
	// stopped, as "file: name". They count as not run.
	Interrupted bool     `json:"interrupted,omitempty"`
	UnderWay    []string `json:"under_way,omitempty"`

	Coverage *coverage.Report `json:"coverage,omitempty"`
}

// Summary counts results of Run, which began at a time and took so long.
func (s *Suite) Summary(began time.Time, took time.Duration, results []*Result) *Summary {
	return summarize(&Summary{
		StartedAt: began.UTC().Truncate(time.Millisecond), Millis: float64(took.Microseconds()) / 1000,
		Files: s.Files, NotRun: len(s.tests) - len(results), Errors: append([]*hostlib.LoadError{}, s.Errors...),
		Tests: append([]*Result{}, results...), UnderWay: slices.Clone(s.underWay),
	})
}

// summarize counts the results in a summary.
func summarize(s *Summary) *Summary {
	for _, r := range s.Tests {
		s.Crashes += r.Crashes
		s.Points += r.Points
		s.Missed += r.Missed
		s.LeftOut += r.LeftOut
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
	for _, f := range append(slices.Clone(r.Failures), r.Differs...) {
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
			times := "times"
			if f.More == 1 {
				times = "time"
			}
			fmt.Fprintf(w, ", and %d %s more there", f.More, times)
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
	if len(f.Via) > 0 {
		fmt.Fprintf(w, "        by way of %s\n", strings.Join(f.Via, ", "))
	}
	if f.Text != "" {
		fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(f.Text, "\n", "\n        "))
	}
	detail := f.Detail
	if i := strings.LastIndex(detail, "\nError: "); i >= 0 && strings.HasSuffix(f.Message, detail[i+len("\nError: "):]) {
		detail = detail[:i] // it is told above
	}
	if detail != "" {
		fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(detail, "\n", "\n        "))
	}
	if f.Inner != nil {
		locals(w, fmt.Sprintf("where, at %s:%d in %s:", f.Inner.File, f.Inner.Line, f.Inner.Func), f.Inner.Locals)
	}
	locals(w, "where:", f.Locals)
}

// locals writes variables, if there are any.
func locals(w io.Writer, head string, vars [][2]string) {
	for i, v := range vars {
		if i == 0 {
			fmt.Fprintf(w, "        %s\n", head)
		}
		fmt.Fprintf(w, "          %s = %s\n", v[0], v[1])
	}
}

// Line is the summary in a sentence; if it was interrupted, with a line for each test
// that ran then.
func (s *Summary) Line() string {
	parts := []string{fmt.Sprintf("%d passed", s.Passed)}
	for _, e := range []struct {
		n    int
		what string
	}{{s.Failed, "failed"}, {s.Skipped, "skipped"}, {s.Todo, "to do"}, {s.NotRun, "not run"}} {
		if e.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", e.n, e.what))
		}
	}
	text := strings.Join(parts, ", ")
	text += crashWords(", with ", s.Crashes, s.Points)
	if s.LeftOut > 0 {
		text += fmt.Sprintf(", %d points left out (--crash=all leaves out none)", s.LeftOut)
	}
	if s.Missed > 0 {
		text += ", " + missedWords(s.Missed, s.Points)
	}
	differ := 0
	for _, r := range s.Tests {
		if len(r.Differs) > 0 {
			differ++
		}
	}
	switch {
	case differ == 1:
		text += "; 1 test passes after a crash with another outcome"
	case differ > 1:
		text += fmt.Sprintf("; %d tests pass after a crash with another outcome", differ)
	}
	switch n := len(s.broken()); {
	case n == 1:
		text += "; 1 file does not load"
	case n > 1:
		text += fmt.Sprintf("; %d files do not load", n)
	}
	text = fmt.Sprintf("%s in %.2f s", text, s.Millis/1000)
	if s.Interrupted {
		text = "interrupted: " + text
		for _, t := range s.UnderWay {
			text += "\n      stopped while it ran: " + t
		}
	}
	return text
}

// broken are the errors of files that do not load, by file.
func (s *Summary) broken() (list [][]*hostlib.LoadError) {
	at := map[string]int{}
	for _, e := range s.Errors {
		i, ok := at[e.File]
		if !ok {
			i, at[e.File] = len(list), len(list)
			list = append(list, nil)
		}
		list[i] = append(list[i], e)
	}
	return list
}

// loadErrors are errors as texts, one a line.
func loadErrors(errs []*hostlib.LoadError) string {
	var lines []string
	for _, e := range errs {
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

// failureTexts are failures as they are told.
func failureTexts(list []*Failure) string {
	var b strings.Builder
	for _, f := range list {
		f.text(&b)
	}
	return strings.TrimRight(b.String(), "\n")
}
