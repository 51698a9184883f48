package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dsengine/dsengine/scripting/coverage"
)

// coverOptions are the flags of test about coverage.
type coverOptions struct {
	table     bool
	lcov      string
	html      string
	threshold float64
	bounded   func() bool // a threshold is given
}

func (o *coverOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.table, "coverage", false, "show which lines of the scripts, and of the helper files that they load, have run")
	f.StringVar(&o.lcov, "lcov", "", "write the coverage to a `file`, in lcov's form")
	f.StringVar(&o.html, "html", "", "write the coverage to a `file`, as a page with the coloured sources")
	f.Float64Var(&o.threshold, "threshold", 0, "fail if less than so many `percent` of the lines are covered")
	o.bounded = func() bool { return f.Changed("threshold") }
}

func (o *coverOptions) validate(env *Env) error {
	if o.threshold < 0 || o.threshold > 100 || o.threshold != o.threshold {
		return usage("--threshold %g: wanted a percentage, from 0 to 100", o.threshold)
	}
	for flag, file := range map[string]string{"lcov": o.lcov, "html": o.html} {
		if file == "-" {
			return usage("--%s -: name a file: standard output has the results", flag)
		}
		if file == "" {
			continue
		}
		to := env.path(file)
		if _, err := os.Stat(filepath.Dir(to)); err != nil { // it is told before all tests have run
			return cannotWrite(flag, file, to, err)
		}
	}
	return nil
}

// on says whether anything of it was asked for.
func (o *coverOptions) on() bool {
	return o.table || o.lcov != "" || o.html != "" || o.bounded()
}

// tell shows the coverage and writes its files. Standard output is left to
// results that programs read.
func (o *coverOptions) tell(env *Env, r *coverage.Report, format string) error {
	if r == nil {
		return nil
	}
	if o.table && format != "json" {
		w := env.Stderr
		if format == "text" {
			w = env.Stdout
			fmt.Fprintln(w)
		}
		if err := r.Text(w); err != nil {
			return err
		}
	}
	if o.lcov != "" {
		if err := writeWhole(env, "lcov", o.lcov, r.LCOV); err != nil {
			return err
		}
	}
	if o.html != "" {
		return writeWhole(env, "html", o.html, r.HTML)
	}
	return nil
}

// judge says whether the coverage is below the threshold.
func (o *coverOptions) judge(r *coverage.Report) error {
	if r == nil || !o.bounded() {
		return nil
	}
	if below := r.Below(o.threshold); below != "" {
		return &exitError{code: exitFailed, err: errors.New(below)}
	}
	return nil
}
