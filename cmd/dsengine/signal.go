package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Why a context ended: the causes of the one that onSignals makes.
var (
	errInterrupted = errors.New("interrupted")
	errTerminated  = errors.New("told to stop")
)

// onSignals makes a context that ends at the first Ctrl-C or SIGTERM, with the
// cause errInterrupted or errTerminated. kill is called at a Ctrl-C after that.
func onSignals(ctx context.Context, kill func()) (context.Context, func()) {
	ctx, end := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
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
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		end(nil)
	}
}
