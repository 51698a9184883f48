package coverage

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Report is the coverage of some files. Its JSON form is stable.
type Report struct {
	Figures
	Files []FileReport `json:"files"`
	files []*File
}

// FileReport are the figures of a file.
type FileReport struct {
	File string `json:"file"`
	Figures
	Hooks []HookReport `json:"hooks"`
}

// HookReport are the figures of a hook: of the lines of its function, not of
// what it calls.
type HookReport struct {
	Hook string `json:"hook"`
	Figures
}

// NewReport makes the report of files, in the order of their names.
func NewReport(files []*File) *Report {
	r := &Report{files: slices.Clone(files), Files: []FileReport{}}
	slices.SortFunc(r.files, func(a, b *File) int { return strings.Compare(a.Name, b.Name) })
	r.Missing = []string{}
	for _, f := range r.files {
		lines := f.Lines()
		one := FileReport{File: f.Name, Figures: figures(lines), Hooks: []HookReport{}}
		for _, fn := range f.Funcs {
			if fn.Hook {
				one.Hooks = append(one.Hooks, HookReport{fn.Name, figures(within(lines, fn))})
			}
		}
		r.Files = append(r.Files, one)
		r.Covered += one.Covered
		r.Total += one.Total
		if one.Covered < one.Total {
			r.Missing = append(r.Missing, one.File)
		}
	}
	r.Percent = percent(r.Covered, r.Total)
	return r
}

// Text writes the figures as a table.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "file\thook\tlines\tcovered\tmissing")
	for _, f := range r.Files {
		f.row(t, f.File, "")
		for _, h := range f.Hooks {
			h.row(t, "", h.Hook)
		}
	}
	fmt.Fprintf(t, "all\t\t%d/%d\t%s\t\n", r.Covered, r.Total, r.Share())
	t.Flush()
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func (f Figures) row(w io.Writer, file, hook string) {
	fmt.Fprintf(w, "%s\t%s\t%d/%d\t%s\t%s\n", file, hook, f.Covered, f.Total, f.Share(), strings.Join(f.Missing, ", "))
}

// Below says in a sentence that less is covered than some percent; "" if not. No
// threshold holds where there are no lines.
func (r *Report) Below(threshold float64) string {
	if r.Total == 0 {
		return fmt.Sprintf("no line was counted, so the threshold of %g%% is not met: the tests that ran belong to no script", threshold)
	}
	if r.Percent >= threshold {
		return ""
	}
	return fmt.Sprintf("%s of the lines are covered, less than the threshold of %g%%: %d of %d have not run, or not all of them",
		r.Share(), threshold, r.Total-r.Covered, r.Total)
}

// Share is the percentage as text, cut off: what is not whole does not look so.
func (f Figures) Share() string { return fmt.Sprintf("%.1f%%", math.Floor(f.Percent*10)/10) }
