// Package luascript runs job scripts in Lua.
//
// A script is compiled once. Its top level runs once in each interpreter, then
// all that its hooks can reach of it is made read-only, and interpreters are
// used for one hook after the other: whatever ended badly is thrown away. What
// scripts can call comes from the table of package hostlib.
//
//	loader.go compile.go              find, parse and compile files
//	rewrite.go jump.go goto.go assign.go
//	                                  change them before
//	suite.go                          tests in Lua, and where they fail
//	cover.go span.go                  count what runs; where in a file nodes are
//	lint*.go form.go                  mistakes, without running hooks; the form of scripts
//	hooks.go run.go limit.go          hooks; one call of one; steps, time-outs
//	machine.go freeze.go              interpreters; what is read-only in them
//	memory.go                         what ends scripts that take too much of it
//	failure.go                        errors with their call stack
//	values.go data.go row.go null.go integer.go object.go iterator.go module.go bind.go
//	                                  values of the host library in Lua, and back
//	reading.go                        where in an input a loop is
//	base.go print.go text.go format.go pattern.go list.go number.go thread.go
//	                                  Lua's own functions
//	docs.go                           what is told of them, and of Lua here
//
// Traps worth knowing:
//
//   - The interpreter has no hook for instructions. With a context it asks for
//     Done before each one, so a context of ours counts them; coroutines must be
//     given the very same one. A test fails if that is so no longer.
//   - Its own library is not used: patterns that explode, string.rep, table.concat
//     and their like could be stopped by nothing. Neither is its concatenation,
//     which doubles a string in one instruction: compile.go calls a function in its
//     place. SetMx would end the process.
//   - Its compiler makes some code wrong: of loops that begin with a jump (jump.go), of
//     goto (goto.go), of assignments (assign.go). Tests have each case.
//   - A for loop over an iterator is changed to tell when it is left.
//   - Errors are values of type thrown; what the interpreter raises becomes one
//     in panicked, while the stack is still there.
//   - Coroutines run in goroutines of their own: the interpreter's yield does not
//     pass through pcall, a metamethod or a for loop's function.
package luascript
