package scripttest

import (
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// The elements of JUnit's XML, as CI systems read it.
type (
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"` // seconds
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr,omitempty"`
		Skipped *junitMessage `xml:"skipped"`
		Error   *junitMessage `xml:"error"`
		Failure *junitMessage `xml:"failure"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Host      string      `xml:"hostname,attr"`
		File      string      `xml:"file,attr"`
		Cases     []junitCase `xml:"testcase"`
		millis    float64
	}
	junitSuites struct {
		XMLName  xml.Name      `xml:"testsuites"`
		Name     string        `xml:"name,attr"`
		Tests    int           `xml:"tests,attr"`
		Failures int           `xml:"failures,attr"`
		Errors   int           `xml:"errors,attr"`
		Skipped  int           `xml:"skipped,attr"`
		Time     string        `xml:"time,attr"`
		Suites   []*junitSuite `xml:"testsuite"`
	}
)

// JUnit writes the results as the XML that CI systems read: a test suite for
// each file, in which a file that does not load has one case with an error.
func (s *Summary) JUnit(w io.Writer) error {
	doc := &junitSuites{Name: "dsengine test", Time: seconds(s.Millis)}
	by := map[string]*junitSuite{}
	of := func(file string) *junitSuite {
		u := by[file]
		if u == nil {
			u = &junitSuite{Name: file, File: file, Timestamp: s.StartedAt.Format("2006-01-02T15:04:05"), Host: "localhost"}
			by[file], doc.Suites = u, append(doc.Suites, u)
		}
		return u
	}
	for _, errs := range s.broken() {
		e := errs[0]
		u := of(e.File)
		u.Errors++
		u.Cases = append(u.Cases, junitCase{
			Class: class(e.File), Name: "load", File: e.File, Line: e.Line, Time: seconds(0),
			Error: &junitMessage{Message: clean(e.Message), Type: "load", Text: clean(loadErrors(errs))},
		})
	}
	for _, r := range s.Tests {
		u := of(r.File)
		c := junitCase{Class: class(r.File), Name: r.Name, File: r.File, Line: r.Line, Time: seconds(r.Millis), Out: clean(strings.Join(append(slices.Clone(r.Log), failureTexts(r.Differs)), "\n"))}
		u.millis += r.Millis
		switch r.Status {
		case Failed:
			u.Failures++
			c.Failure = &junitMessage{Message: clean(r.Failures[0].Message), Type: "assertion", Text: clean(failureTexts(r.Failures))}
		case Skipped:
			u.Skipped++
			c.Skipped = &junitMessage{Message: clean(r.Reason)}
		case Todo:
			u.Skipped++
			c.Skipped = &junitMessage{Message: "to do"}
		}
		u.Cases = append(u.Cases, c)
	}
	for _, u := range doc.Suites {
		u.Tests, u.Time = len(u.Cases), seconds(u.millis)
		doc.Tests += u.Tests
		doc.Failures += u.Failures
		doc.Errors += u.Errors
		doc.Skipped += u.Skipped
	}
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

func seconds(ms float64) string {
	return fmt.Sprintf("%.3f", (time.Duration(ms * float64(time.Millisecond))).Seconds())
}

// class is a file as the name of a class: jobs.crm.people_test.
func class(file string) string {
	return strings.ReplaceAll(strings.Trim(strings.TrimSuffix(path.Clean(file), path.Ext(file)), "./"), "/", ".")
}

// clean leaves out what XML and YAML cannot hold.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r >= 0x7F && r < 0xA0 && r != 0x85 || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
