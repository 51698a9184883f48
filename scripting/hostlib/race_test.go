//go:build race

package hostlib_test

import "github.com/dsengine/dsengine/scripting/hostlib"

func init() { hostlib.Bound(16<<20, 4<<20, 2<<20) } // it takes ten times as long

// maxResident is what a process may hold while it streams, in bytes; the race
// detector keeps a few bytes of its own for each.
const maxResident = 600 << 20

// raced says that the race detector runs, which holds memory of its own.
const raced = true
