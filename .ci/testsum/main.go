// Command testsum runs `go test -json ...`, shows what fails while it runs,
// and at the end says how many tests ran on each store.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strings"
	"time"
)

// event is a line of go test -json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

// stores are the names that tests carry for the store they run on.
var stores = []string{"sqlite", "mariadb", "mysql", "galera"}

type summary struct {
	passed, failed, skipped map[string]int // by store; "" is no store
	packages                int
	reasons                 []string // why tests were skipped
	broken                  []string
	slow                    []event // that took long, without those that have others in them
	parents                 map[string]bool
}

// What is told of tests that take long.
const (
	longTest = 20 // seconds
	maxTold  = 15
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testsum go test -json ...")
		os.Exit(2)
	}
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	began := time.Now()
	s := read(out)
	err = cmd.Wait()
	s.print(time.Since(began))
	skipped := 0
	for _, n := range s.skipped {
		skipped += n
	}
	if err != nil || len(s.broken) > 0 || skipped > 0 && os.Getenv("CI") != "" {
		os.Exit(1)
	}
}

func read(r io.Reader) *summary {
	s := &summary{passed: map[string]int{}, failed: map[string]int{}, skipped: map[string]int{}, parents: map[string]bool{}}
	output := map[string][]string{} // of tests that are not over
	racing := map[string]bool{}     // packages whose report of a race is being read
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<20), 64<<20)
	for sc.Scan() {
		var e event
		if json.Unmarshal(sc.Bytes(), &e) != nil {
			fmt.Println(sc.Text()) // of the build
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output":
			// The report of a race goes to any test that runs, also to one that passes.
			if strings.Contains(e.Output, "WARNING: DATA RACE") {
				racing[e.Package] = true
			}
			if racing[e.Package] {
				fmt.Print(e.Output)
				racing[e.Package] = !strings.HasPrefix(e.Output, "==================")
			}
			output[key] = append(output[key], e.Output)
		case "pass", "fail", "skip":
			s.end(e, output[key])
			delete(output, key)
		case "build-output":
			fmt.Print(e.Output)
		}
	}
	return s
}

func (s *summary) end(e event, output []string) {
	if e.Test == "" {
		s.packages++
		if e.Action == "fail" {
			s.broken = append(s.broken, e.Package)
			fmt.Print(strings.Join(output, ""))
		} else if e.Action == "pass" {
			fmt.Printf("ok    %-60s %6.1fs\n", e.Package, e.Elapsed)
		}
		return
	}
	if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
		s.parents[e.Package+" "+e.Test[:i]] = true
	}
	if e.Elapsed >= longTest {
		s.slow = append(s.slow, e)
	}
	store := storeOf(e.Test)
	switch e.Action {
	case "pass":
		s.passed[store]++
	case "fail":
		s.failed[store]++
		fmt.Printf("FAIL  %s %s\n%s", e.Package, e.Test, strings.Join(output, ""))
	case "skip":
		s.skipped[store]++
		for _, line := range output {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
				s.reasons = append(s.reasons, e.Test+": "+line)
			}
		}
	}
}

// storeOf finds the store in a test's name, as a part between slashes.
func storeOf(test string) string {
	for _, part := range strings.Split(strings.ToLower(test), "/") {
		for _, st := range stores {
			if part == st || strings.HasPrefix(part, st+"_") || strings.HasPrefix(part, st+"-") || strings.HasPrefix(part, st+",") {
				return st
			}
		}
	}
	return ""
}

func (s *summary) print(took time.Duration) {
	fmt.Printf("\n%d packages, %s\n", s.packages, took.Round(time.Second))
	fmt.Printf("%-12s %8s %8s %8s\n", "tests on", "passed", "failed", "skipped")
	for _, st := range append(append([]string{}, stores...), "") {
		name := st
		if name == "" {
			name = "no store"
		}
		fmt.Printf("%-12s %8d %8d %8d\n", name, s.passed[st], s.failed[st], s.skipped[st])
	}
	sort.Slice(s.slow, func(i, j int) bool { return s.slow[i].Elapsed > s.slow[j].Elapsed })
	told := 0
	for _, e := range s.slow {
		if !s.parents[e.Package+" "+e.Test] && told < maxTold {
			fmt.Printf("took %4.0f s: %s %s\n", e.Elapsed, e.Package[strings.LastIndexByte(e.Package, '/')+1:], e.Test)
			told++
		}
	}
	sort.Strings(s.reasons)
	for _, r := range s.reasons {
		fmt.Println("skipped: " + r)
	}
	if len(s.broken) > 0 {
		fmt.Println("failed: " + strings.Join(s.broken, ", "))
	}
}
