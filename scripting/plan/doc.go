// Package plan runs a job without doing what it does: it says what a job would do
// now, or what a job that failed did.
//
// The engine's own tables are scratch ones, in a temporary folder (world.go,
// store.go): no job of the real database is claimed, locked or changed. What
// scripts read is real. What they write to the job database is in one transaction
// on it that is never committed (tx.go, rows.go); on SQLite, which has one writer,
// on a copy of the file. State, variables, windows and records are those of the
// real database, with what the plan changes on top. What is outside of databases is
// hostlib.Dry's: files go to an overlay, requests that write are answered here
// (http.go), the rest is noted. The result is a Report (report.go); a replay can be
// kept as a test (save*.go).
package plan
