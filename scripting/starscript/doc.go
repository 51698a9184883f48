// Package starscript runs job scripts in Starlark.
//
// A script is compiled and its top level run once; its globals are frozen
// then, and each hook runs in a thread of its own. Everything that a script can
// call comes from the table of package hostlib.
//
//	loader.go check.go   compile a file and what it loads; look for mistakes
//	hooks.go             find the hooks, make an engine.Type of them
//	run.go limit.go      one call of a hook; steps, time-outs, cancellation
//	cover.go             count what runs
//	lint.go              look for mistakes without running a hook
//	failure.go           errors with their call stack
//	values.go data.go object.go iterator.go module.go
//	                     values of the host library in Starlark, and back
//
// Traps worth knowing:
//
//   - Starlark's for loop cannot see that an iterator failed. Such a failure is
//     noted in the engine's Call, and stops the thread before its next step.
//   - The interpreter itself calls deep values on the stack (str, hash and == of
//     a tuple within a tuple, millions deep), and multiplies huge integers without
//     a look at the time: neither can be bounded from here. A process that is to
//     stop leaves such a hook behind.
//   - What a script makes while it is loaded is seen by all its hooks, which run
//     at the same time: objects must not change, iterators are refused.
package starscript
