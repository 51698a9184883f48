// Package engine schedules, claims, runs and settles import jobs.
//
// It is the floor of the project: it knows no script language, no HTTP and no
// database driver. Script languages arrive as values of Type, databases as
// values of Store.
//
// A map, in the order in which a job meets the files:
//
//	job.go phase.go     what a job is: identity, phase, status, state
//	machine.go          every allowed move of a job, as one table
//	type.go settings.go what a job type is to the engine
//	schedule.go cron.go when a schedule fires
//	enqueue.go          how jobs come in
//	lane.go             how one queue is claimed and its jobs are handed to slots
//	call.go             one execution of one hook: what the hook may do
//	attempt.go          what becomes of the job afterwards
//	completer.go        how plain jobs are completed in batches
//	heartbeat.go undertaker.go rescuer.go folder.go promoter.go ticker.go pruner.go
//	                    the background duties, one file each
//	store.go            what the engine needs of a database
//
// Traps worth knowing:
//
//   - Every write about a job is conditional on its epoch. A claim alone proves
//     nothing: see PROTOCOL.md beside this file.
//   - A hook's writes to the ds_ tables are buffered in its Call and made in
//     one short commit phase after it. Never write them while a script runs.
//   - No decision compares the clocks of two machines.
package engine
