// Package scripttest runs the tests that authors write for their job scripts.
//
// A test is a function test_NAME(t) in NAME_test.star or NAME_test.lua, or in the script itself.
// Each has a world of its own: a database with the engine's real tables, worked
// by the real engine one hook after the other, a clock that skips over waits, a
// folder for files, and no network.
//
//	suite.go language.go deps.go
//	              find the files, run their tests side by side, or those that a change touches
//	ground.go server.go
//	              what tests live on, one after the other: databases, folders
//	world.go clock.go http.go
//	              what a test lives in
//	tester.go run.go window.go redrive.go verify.go golden.go
//	              t: what a test can do, as entries of the host library's table
//	crash.go kills.go picture.go
//	              runs with the process killed, and what is different after them
//	sftp.go       servers of files that tests make
//	report.go     what is printed
package scripttest
