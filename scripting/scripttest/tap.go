package scripttest

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// TAP writes the results in the Test Anything Protocol, version 14. A file that
// does not load is a test point that is not ok.
func (s *Summary) TAP(w io.Writer) error {
	var b strings.Builder
	broken := s.broken()
	fmt.Fprintf(&b, "TAP version 14\n1..%d", len(broken)+len(s.Tests))
	if len(broken)+len(s.Tests) == 0 {
		b.WriteString(" # no test was run")
	}
	b.WriteByte('\n')
	n := 0
	point := func(word, name, directive string) {
		n++
		fmt.Fprintf(&b, "%s %d - %s%s\n", word, n, tapText(name), directive)
	}
	for _, errs := range broken {
		point("not ok", errs[0].File+": does not load", "")
		tapBlock(&b, errs[0].Message, errs[0].File, errs[0].Line, loadErrors(errs))
	}
	for _, r := range s.Tests {
		name := r.File + ": " + r.Name
		switch r.Status {
		case Failed:
			point("not ok", name, "")
			f := r.Failures[0]
			tapBlock(&b, f.Message, f.File, f.Line, failureTexts(r.Failures))
		case Skipped:
			point("ok", name, strings.TrimRight(" # SKIP "+tapText(r.Reason), " "))
		case Todo:
			point("not ok", name, " # TODO")
		default:
			point("ok", name, "")
		}
		for l := range strings.Lines(clean(failureTexts(r.Differs))) {
			b.WriteString("# " + strings.TrimRight(l, "\n") + "\n")
		}
	}
	if s.Interrupted {
		b.WriteString("Bail out! Interrupted\n")
	}
	if s.NotRun > 0 {
		fmt.Fprintf(&b, "# %d tests were not run\n", s.NotRun)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tapText is a text on the line of a test point: a # would begin a directive.
func tapText(text string) string {
	text = strings.Join(strings.Fields(clean(text)), " ")
	return strings.NewReplacer("\\", "\\\\", "#", "\\#").Replace(text)
}

// tapBlock writes what is known of a test point as YAML: texts are in JSON's form,
// which YAML reads, and long ones as they are, indented.
func tapBlock(b *strings.Builder, message, file string, line int, text string) {
	quote := func(s string) []byte {
		q, _ := json.Marshal(clean(s)) // of a string there is no error
		return q
	}
	fmt.Fprintf(b, "  ---\n  message: %s\n  severity: fail\n", quote(message))
	if file != "" {
		fmt.Fprintf(b, "  file: %s\n", quote(file))
	}
	if line > 0 {
		fmt.Fprintf(b, "  line: %d\n", line)
	}
	b.WriteString("  text: |2\n")
	for l := range strings.Lines(strings.ReplaceAll(clean(text), "\r", "")) {
		b.WriteString("    " + strings.TrimRight(l, "\n") + "\n")
	}
	b.WriteString("  ...\n")
}
