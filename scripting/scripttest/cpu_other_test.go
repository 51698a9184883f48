//go:build !unix

package scripttest

import "time"

// processorTime is not known here.
func processorTime() time.Duration { return 0 }
