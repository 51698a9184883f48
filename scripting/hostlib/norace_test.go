//go:build !race

package hostlib_test

// maxResident is what a process may hold while it streams, in bytes.
const maxResident = 200 << 20

// raced says that the race detector runs.
const raced = false
