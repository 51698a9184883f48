// Command dsengine schedules, runs and looks after data imports.
//
// One command is one file: its constructor, its options with their flags and
// checks, and a run function that takes a context, an Env and the options and
// knows nothing of cobra. What several commands share:
//
//	main.go env.go      the process, and all outside state as one value
//	root.go settings*.go the global flags, and where settings come from
//	exit.go signal.go   exit codes, how errors are told, how a run is stopped
//	open.go types.go    databases, scripts and job types
//	print.go logger.go  text, tables, JSON; log lines
//	gauge.go progress*  how far the work is, on a terminal and elsewhere
package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	_ "time/tzdata" // static builds know all time zones

	"github.com/mattn/go-isatty"

	"github.com/dsengine/dsengine/engine"
)

func main() { os.Exit(int(command(context.Background()))) }

// ballast is memory that is never touched, so that it costs none. The collector
// waits until as much again is in use as there was: a hook that streams rows has
// few megabytes in use and would be interrupted hundreds of times a second.
// With it an import takes about a third less processor time.
var ballast []byte

const ballastSize = 48 << 20

// command runs the process's own command line.
func command(ctx context.Context) exitCode {
	if _, set := os.LookupEnv("GOGC"); !set {
		ballast = make([]byte, ballastSize)
		defer runtime.KeepAlive(ballast)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer onSignals(end, func() { os.Exit(int(exitInterrupted)) })()
	return execute(ctx, &Env{
		Stdin:      os.Stdin,
		Stdout:     heard(os.Stdout, end),
		Stderr:     heard(os.Stderr, end),
		Lookup:     os.LookupEnv,
		Environ:    os.Environ,
		Clock:      engine.SystemClock{},
		Secrets:    engine.NewSecrets(),
		IsTerminal: isTerminal,
		Program:    calledBy(os.Args[0]),
	}, os.Args[1:])
}

// isTerminal says whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

// calledBy is how a person calls the program: by its name where the shell finds
// it, else by the path that was given.
func calledBy(arg string) string {
	if name := filepath.Base(arg); name == arg {
		return name
	} else if _, err := exec.LookPath(name); err == nil {
		return name
	}
	return arg
}
