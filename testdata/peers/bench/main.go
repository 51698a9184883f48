// Command bench measures how fast dsengine drains jobs that do nothing, beside
// two peers on the same machine: a bare loop that issues only the statements
// of the claim protocol, on the same server with the same jobs, and River on
// PostgreSQL. It is what "make bench" runs.
//
// Every server is private, fresh in each round, and has its default
// durability. The jobs are there before the clock starts; it runs from the
// first claim to the last commit of a completion. Rounds alternate the order,
// and medians are compared, because machines are noisy. A table goes to
// standard output, all figures as JSON to the folder -out.
//
// The parts, of which -parts takes a list:
//
//	dsengine  -n jobs on MariaDB
//	lua       the same, and once more with the script in Lua
//	bare      the bare loop, likewise
//	river     River on PostgreSQL, the best of several settings
//	large     dsengine with -large jobs on MariaDB
//	mysql     dsengine and the bare loop on the servers that the environment
//	          variable DSENGINE_TEST_MYSQL names
//	sqlite    dsengine on SQLite
//	load      -rows rows of a file, cleaned up by a script, into MariaDB by
//	          db.bulk, beside LOAD DATA LOCAL INFILE of the same file
//	upsert    the same rows, all there already, by db.upsert, beside multi-row
//	          INSERT ... ON DUPLICATE KEY UPDATE from Go
//
// A quick look: bench -n 20000 -rounds 1 -parts dsengine,bare,river
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// options are the command's flags.
type options struct {
	n, large, rows      int
	rounds, largeRounds int
	parts               []string
	buffers             int // MiB, of MariaDB
	batch, bareWorkers  int
	riverWorkers        string
	riverConnections    string
	selfFill            bool
	root, out           string
	mysql               []string
}

var allParts = []string{"dsengine", "lua", "bare", "river", "large", "mysql", "sqlite", "load", "upsert"}

func main() {
	var o options
	var parts string
	flag.IntVar(&o.n, "n", 200_000, "jobs to drain")
	flag.IntVar(&o.large, "large", 2_000_000, "jobs to drain in the part large")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each figure is taken")
	flag.IntVar(&o.largeRounds, "large-rounds", 1, "how often the part large is run")
	flag.IntVar(&o.rows, "rows", 1_000_000, "rows in the parts load and upsert")
	flag.StringVar(&parts, "parts", "dsengine,lua,bare,river,large,load,upsert", "what to run: "+strings.Join(allParts, ", "))
	flag.IntVar(&o.buffers, "buffers", 1024, "MiB of MariaDB's buffer pool")
	flag.IntVar(&o.batch, "batch", 1000, "jobs at once in the bare loop")
	flag.IntVar(&o.bareWorkers, "bare-workers", 2, "connections of the bare loop")
	flag.StringVar(&o.riverWorkers, "river-workers", "1000,2000", "numbers of workers to try with River")
	flag.StringVar(&o.riverConnections, "river-connections", "4,10,20", "numbers of connections to try with River")
	flag.BoolVar(&o.selfFill, "self-fill", false, "let the bare loop make its jobs itself, not dsengine")
	flag.StringVar(&o.root, "root", "", "the project's folder; default: above the working directory")
	flag.StringVar(&o.out, "out", "", "the folder for the figures; default bench-out in the project's folder")
	flag.Parse()
	o.parts = strings.Split(parts, ",")
	o.mysql = strings.FieldsFunc(os.Getenv("DSENGINE_TEST_MYSQL"), func(r rune) bool { return r == ',' })

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o *options) validate() error {
	for _, p := range o.parts {
		if !slices.Contains(allParts, p) {
			return fmt.Errorf("there is no part %q: the parts are %s", p, strings.Join(allParts, ", "))
		}
	}
	if o.has("mysql") && len(o.mysql) == 0 {
		return errors.New("the part mysql needs DSENGINE_TEST_MYSQL")
	}
	if o.n < 1 || o.large < 1 || o.rows < 1 || o.rounds < 1 || o.largeRounds < 1 {
		return errors.New("numbers of jobs, rows and rounds must be positive")
	}
	return nil
}

func (o *options) has(part string) bool { return slices.Contains(o.parts, part) }

// needsDsengine says whether any of the parts runs the program under test.
func (o *options) needsDsengine() bool {
	return slices.ContainsFunc(o.parts, func(p string) bool { return p != "river" && p != "bare" }) || o.has("bare") && !o.selfFill
}

func run(ctx context.Context, o options) error {
	if err := o.validate(); err != nil {
		return err
	}
	var err error
	if o.root, err = projectRoot(o.root); err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join(o.root, "bench-out")
	}
	temp, err := os.MkdirTemp("", "dsengine-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	b := &bench{options: o, temp: temp, report: newReport(o)}
	if err := b.build(ctx); err != nil {
		return err
	}
	// What was measured before a failure is worth keeping.
	err = b.measure(ctx)
	if len(b.report.Series) > 0 {
		b.report.compare()
		b.report.print(os.Stdout)
		file, werr := b.report.write(o.out)
		if err = errors.Join(err, werr); werr == nil {
			fmt.Fprintln(os.Stderr, "bench: all figures are in", file)
		}
	}
	return err
}

// projectRoot finds the folder of dsengine's go.mod.
func projectRoot(given string) (string, error) {
	const module = "module github.com/dsengine/dsengine\n"
	dir, err := filepath.Abs(given)
	if err != nil {
		return "", err
	}
	for {
		b, _ := os.ReadFile(filepath.Join(dir, "go.mod"))
		if strings.HasPrefix(string(b), module) {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if given != "" || up == dir {
			return "", errors.New("the project's folder was not found: give it with -root")
		}
		dir = up
	}
}
