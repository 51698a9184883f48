package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Why a context ended: the causes of the one that command makes.
var (
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("told to stop")
	errUnheard     = errors.New("nobody reads the output any more")
)

// onSignals calls end at the first Ctrl-C, with errInterrupted, and at SIGTERM and
// SIGHUP, with errTerminated; kill at a Ctrl-C after that. A program that was started with
// SIGHUP ignored, as nohup does, goes on ignoring it. SIGPIPE does nothing: see heard.
func onSignals(end context.CancelCauseFunc, kill func()) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Ignore(syscall.SIGPIPE)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		stopping := false
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				switch {
				case stopping && s == os.Interrupt:
					kill()
				case s == os.Interrupt:
					end(errInterrupted)
				default:
					end(errTerminated)
				}
				stopping = true
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// heard is a stream of the process that calls end with errUnheard when its reader has gone,
// as in | head: the command ends in order, and leaves nothing behind. A terminal is as it is.
func heard(f *os.File, end context.CancelCauseFunc) io.Writer {
	if isTerminal(f) {
		return f
	}
	return &pipe{f, end}
}

type pipe struct {
	file *os.File
	end  context.CancelCauseFunc
}

// Write writes, and notices that nobody reads.
func (p *pipe) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.end(errUnheard)
	}
	return n, err
}
