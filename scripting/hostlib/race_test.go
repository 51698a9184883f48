//go:build race

package hostlib_test

// maxResident is what a process may hold while it streams, in bytes; the race
// detector keeps a few bytes of its own for each.
const maxResident = 600 << 20
