package starscript_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// chunk is one script of a case file. Files are cut at lines of three dashes;
// a comment "### text" says that an error is expected on its line whose
// message contains the text. A chunk's first line may name it: "# name: ...".
type chunk struct {
	name   string // file:line of its first line
	file   string
	first  int // number of its first line
	source string
	want   map[int]string // by line of the file, from 1
}

var expectation = regexp.MustCompile(`###\s*(.*)$`)

// chunks reads the case files that a glob finds; there must be some.
func chunks(t *testing.T, glob string) []chunk {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no case files: %s (%v)", glob, err)
	}
	var all []chunk
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c := chunk{file: filepath.Base(f), first: 1, want: map[int]string{}}
		var lines []string
		flush := func(next int) {
			if strings.TrimSpace(strings.Join(lines, "")) != "" {
				// Empty lines before it keep the numbers of the lines.
				c.source = strings.Repeat("\n", c.first-1) + strings.Join(lines, "\n") + "\n"
				c.name = strings.TrimSuffix(c.file, ".star") + "/" + strings.TrimSpace(strings.TrimPrefix(lines[0], "#"))
				all = append(all, c)
			}
			c = chunk{file: c.file, first: next, want: map[int]string{}}
			lines = nil
		}
		for i, line := range strings.Split(string(b), "\n") {
			if strings.TrimSpace(line) == "---" {
				flush(i + 2)
				continue
			}
			if m := expectation.FindStringSubmatch(line); m != nil {
				c.want[i+1] = strings.TrimSpace(m[1])
			}
			lines = append(lines, line)
		}
		flush(0)
	}
	return all
}
