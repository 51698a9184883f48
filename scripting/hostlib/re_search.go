package hostlib

import (
	"context"
	"runtime"
)

// searchAlone is from how many bytes on a text is searched by a goroutine of its own,
// which the hook does not wait for when it must end: a search cannot be stopped, and
// takes some ten milliseconds for so many bytes, but minutes for a hundred megabytes.
const searchAlone = 256 << 10

// searches bounds how many such goroutines there are: those of hooks that have ended
// take processors from nobody else but the next of them.
var searches = make(chan struct{}, runtime.GOMAXPROCS(0))

// searched is what find finds in the text, unless the hook must end before. find must
// touch nothing that changes.
func searched[T any](c *Call, text string, find func() T) (found T, err error) {
	if len(text) < searchAlone {
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
