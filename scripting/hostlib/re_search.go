package hostlib

import (
	"context"
	"runtime"
)

// searchAlone is from how many steps on, which are bytes of the text times instructions
// of the expression, a search has a goroutine of its own, which the hook does not wait
// for when it must end: a search cannot be stopped, and takes some ten milliseconds for
// so many, but minutes for a hundred megabytes.
const searchAlone = 4 << 20

// leastSteps is what the shortest expression takes for a byte.
const leastSteps = 16

// searches bounds how many such goroutines there are: those of hooks that have ended
// take processors from nobody else but the next of them.
var searches = make(chan struct{}, runtime.GOMAXPROCS(0))

// searched is what find finds in the text, unless the hook must end before. find must
// touch nothing that changes.
func searched[T any](c *Call, p *pattern, text string, find func() T) (found T, err error) {
	if len(text) < searchAlone/p.steps {
		return find(), nil
	}
	ctx := c.Context()
	select {
	case searches <- struct{}{}:
	case <-ctx.Done():
		return found, context.Cause(ctx)
	}
	done := make(chan T, 1)
	var failed error
	go func() {
		defer func() {
			if p := recover(); p != nil {
				failed = Panicked("re", p)
			}
			<-searches
			close(done)
		}()
		done <- find()
	}()
	select {
	case v, ok := <-done:
		if !ok {
			return found, failed
		}
		return v, nil
	case <-ctx.Done():
		return found, context.Cause(ctx)
	}
}
