package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is what this command found out.
type report struct {
	At       time.Time         `json:"at"`
	Command  string            `json:"command"`
	Machine  machine           `json:"machine"`
	Settings map[string]string `json:"settings"`
	Series   []*series         `json:"series"`
	Ratios   []ratio           `json:"ratios"`
}

type machine struct {
	CPU       string `json:"cpu"`
	CPUs      int    `json:"cpus"`
	MemoryMiB int64  `json:"memory_mib"`
	System    string `json:"system"`
	Go        string `json:"go"`
	Load      string `json:"load"` // of the machine before it began
}

// The engines' names; River's has its version.
const (
	dsengine = "dsengine"
	inLua    = "dsengine in Lua"
	bareLoop = "bare loop"
	river    = "River "
)

// series is the samples of one measurement.
type series struct {
	Engine   string   `json:"engine"`
	Database string   `json:"database"`
	N        int      `json:"n"`
	Median   float64  `json:"median"` // jobs, or rows, per second
	Samples  []sample `json:"samples"`
}

type ratio struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

func newReport(o options) *report {
	return &report{
		At:      time.Now().UTC().Truncate(time.Second),
		Command: strings.Join(append([]string{"bench"}, os.Args[1:]...), " "),
		Machine: thisMachine(),
		Settings: map[string]string{
			"mariadb_buffers_mib": fmt.Sprint(o.buffers),
			"bare_batch":          fmt.Sprint(o.batch),
			"bare_workers":        fmt.Sprint(o.bareWorkers),
		},
	}
}

func thisMachine() machine {
	m := machine{CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	for line := range strings.SplitSeq(readFile("/proc/cpuinfo"), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	var kib int64
	if _, err := fmt.Sscanf(readFile("/proc/meminfo"), "MemTotal: %d kB", &kib); err == nil {
		m.MemoryMiB = kib >> 10
	}
	m.Load, _, _ = strings.Cut(readFile("/proc/loadavg"), " ")
	return m
}

func readFile(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}

// add notes a sample.
func (r *report) add(engine, database string, n int, s sample) {
	fmt.Fprintf(os.Stderr, "bench: %s, %s: %s %s in %.2f s: %.0f a second\n", engine, database, thousands(n), unit(engine), s.Seconds, s.JobsPerSecond)
	if d := s.Dsengine; d != nil {
		fmt.Fprintf(os.Stderr, "bench:   it used %.2f s of processors and %d MiB\n", d.CPUSeconds, d.MaxRSSMiB)
	}
	x := r.find(engine, database, n)
	if x == nil {
		x = &series{Engine: engine, Database: database, N: n}
		r.Series = append(r.Series, x)
	}
	x.Samples = append(x.Samples, s)
	x.Median = median(x.rates())
}

// unit is what an engine's rate counts.
func unit(engine string) string {
	if engine == bareLoad || engine == bareUpsert || strings.HasPrefix(engine, dsengine+", ") {
		return "rows"
	}
	return "jobs"
}

func (r *report) find(engine, database string, n int) *series {
	for _, x := range r.Series {
		if x.Engine == engine && x.Database == database && x.N == n {
			return x
		}
	}
	return nil
}

func (x *series) rates() []float64 {
	rates := make([]float64, len(x.Samples))
	for i := range x.Samples {
		rates[i] = x.Samples[i].JobsPerSecond
	}
	return rates
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// compare relates dsengine's series to the peers', on each database.
func (r *report) compare() {
	for _, x := range r.Series {
		for script, bare := range map[string]string{"load": bareLoad, "upsert": bareUpsert} {
			if x.Engine != dsengine+", "+script {
				continue
			}
			if y := r.find(bare, x.Database, x.N); y != nil {
				r.relate(x.Engine+" / "+bare, x, y)
			}
		}
		if x.Engine == inLua {
			if y := r.find(dsengine, x.Database, x.N); y != nil {
				r.relate("dsengine in Lua / in Starlark, "+x.Database, x, y)
			}
		}
		if x.Engine != dsengine {
			continue
		}
		for _, y := range r.Series {
			switch {
			case y.Engine == bareLoop && y.Database == x.Database && y.N == x.N:
				r.relate("dsengine / bare loop, "+x.Database, x, y)
			case strings.HasPrefix(y.Engine, river) && y.N == x.N:
				r.relate("dsengine on "+x.Database+" / "+y.Engine, x, y)
			case y.Engine == dsengine && y.Database == x.Database && y.N < x.N:
				r.relate(fmt.Sprintf("dsengine with %s / %s jobs, %s", thousands(x.N), thousands(y.N), x.Database), x, y)
			}
		}
	}
}

// relate notes the median of the rounds' ratios, which cancels what slows all
// of a round; or the ratio of the medians if the rounds do not match.
func (r *report) relate(name string, x, y *series) {
	value := x.Median / y.Median
	if len(x.Samples) == len(y.Samples) {
		by := make([]float64, len(x.Samples))
		for i := range by {
			by[i] = x.Samples[i].JobsPerSecond / y.Samples[i].JobsPerSecond
		}
		value = median(by)
	}
	r.Ratios = append(r.Ratios, ratio{name, value})
}

// print writes the table.
func (r *report) print(out io.Writer) {
	m := r.Machine
	fmt.Fprintf(out, "%d x %s, %d MiB, %s\n\n", m.CPUs, m.CPU, m.MemoryMiB, m.System)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "engine\tdatabase\tnumber\ta second (median)\teach round")
	for _, x := range r.Series {
		var each []string
		for _, rate := range x.rates() {
			each = append(each, thousands(int(rate)))
		}
		fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\t%s\n", x.Engine, x.Database, thousands(x.N), unit(x.Engine), thousands(int(x.Median)), strings.Join(each, "  "))
	}
	w.Flush()
	if busy := r.busiest(); busy > 0.1 {
		fmt.Fprintf(out, "\nOthers used up to %.0f %% of this machine just before a drain: figures may be too low.\n", 100*busy)
	}
	if len(r.Ratios) == 0 {
		return
	}
	fmt.Fprintln(out)
	for _, q := range r.Ratios {
		fmt.Fprintf(w, "%s\t%.2f\n", q.Name, q.Value)
	}
	w.Flush()
}

// busiest is the largest share of the machine that others used.
func (r *report) busiest() (busy float64) {
	for _, x := range r.Series {
		for _, s := range x.Samples {
			busy = max(busy, s.Busy)
		}
	}
	return busy
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// write puts all figures into a file of the folder, named by the time.
func (r *report) write(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "peers-"+r.At.Format("20060102-150405")+".json")
	return file, os.WriteFile(file, append(b, '\n'), 0o644)
}
