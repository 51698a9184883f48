// Package storetest is what every store must pass: one suite, run against
// each database by the tests of its store package.
//
// A map: storetest.go is the entry; world.go outcome.go are what the tests work
// with; invariant.go is what must hold at the end of each of them; fault.go
// makes connections fail; agree.go compares two stores. The others are the
// tests, one noun each. Package dbserver starts private servers.
//
// Tests run in parallel, each on an empty database of its own, and know it only
// by the Store interface and by the SQL that all stores understand.
package storetest

import (
	"database/sql"
	"database/sql/driver"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/dsengine/dsengine/engine"
)

// Instance is one database of a test's own, with empty tables of the engine.
type Instance struct {
	// Open opens a store on the database, as another process would. It is closed
	// with the test, if not before.
	Open func(t testing.TB, o Options) engine.Store
	// Connect opens the database as one that scripts reach by a name. It is closed
	// with the test.
	Connect func(t testing.TB, readOnly bool) engine.Connection
	// Elsewhere opens another one, which is empty, where Rows is not set.
	Elsewhere func(t testing.TB) engine.Connection
	// DB is the database itself, for set-up, for checks and, as Handle, for the
	// transactions of callers. It has the server's defaults.
	DB *sql.DB
	// Handle is where a caller of EnqueueTx begins a transaction.
	Handle func(s engine.Store) *sql.DB
	// Zoned, if it is given, opens the database as a program that has the driver
	// parse times, or not, as those of a zone; its sessions have the zone of the
	// machine or another. It is closed with the test.
	Zoned func(t testing.TB, zone string, parse bool) *sql.DB
	// Spoil says that the database must not be used for another test.
	Spoil func()
	// Rows says that rows are locked one by one, so that two transactions can
	// write at once.
	Rows bool
	// Candidates says that a claim locks what it reads and skips what is locked.
	Candidates bool
}

// Options are for Instance.Open. Zero values are the store's defaults.
type Options struct {
	Prefix string
	Lease  time.Duration
	Wrap   func(driver.Connector) driver.Connector
	Logger *slog.Logger
}

// group is the tests about one noun.
type group struct {
	name       string
	beside     bool // it is the same however jobs are claimed
	cases      []testCase
	operations []operation // that must stand any fault at any statement
}

// caseLimit ends a test that hangs, so that it says where.
const caseLimit = 25 * time.Minute

// testCase is one thing that must hold.
type testCase struct {
	name string
	run  func(w *world)
}

var groups = []group{
	{name: "database", cases: databaseCases},
	{name: "types", cases: typeCases},
	{name: "enqueue", cases: enqueueCases},
	{name: "receipts", cases: receiptCases},
	{name: "keys", cases: keyCases},
	{name: "callers' transactions", cases: callerCases},
	{name: "held rows", cases: heldCases},
	{name: "claim", cases: claimCases},
	{name: "bounds", cases: boundCases},
	{name: "settle", cases: settleCases},
	{name: "commit", cases: commitCases},
	{name: "checkpoint", cases: checkpointCases},
	{name: "late workers", cases: lateCases},
	{name: "release", cases: releaseCases},
	{name: "rescue", cases: rescueCases},
	{name: "cancel", cases: cancelCases},
	{name: "retry", cases: slices.Concat(retryCases, retryCancelledCases)},
	{name: "many", cases: slices.Concat(manyCases, onlyCases)},
	{name: "hasten", cases: hastenCases},
	{name: "items", cases: itemCases},
	{name: "fold", cases: foldCases},
	{name: "promote", cases: promoteCases},
	{name: "schedules", cases: scheduleCases},
	{name: "variables", beside: true, cases: variableCases},
	{name: "windows", beside: true, cases: windowCases},
	{name: "records", beside: true, cases: slices.Concat(recordCases, recordRunCases)},
	{name: "rejects", beside: true, cases: rejectCases},
	{name: "logs", beside: true, cases: logCases},
	{name: "notices", beside: true, cases: slices.Concat(noticeCases, noticeRunCases)},
	{name: "prune", cases: pruneCases},
	{name: "servers", cases: serverCases},
	{name: "view", beside: true, cases: viewCases},
	{name: "session", beside: true, cases: slices.Concat(sessionCases, traceCases)},
	{name: "write", beside: true, cases: writeCases},
	{name: "bulk", beside: true, cases: bulkCases},
	{name: "refuse", beside: true, cases: refuseCases},
	{name: "merge", beside: true, cases: mergeCases},
	{name: "connections", beside: true, cases: connectionCases},
	{name: "values", beside: true, cases: slices.Concat(valueCases, foreignCases, wholeCases)},
	{name: "words", beside: true, cases: toldCases},
	{name: "parity", beside: true, cases: slices.Concat(parityCases, parityWriteCases, parityExactCases)},
	{name: "guard", beside: true, cases: guardCases},
	{name: "spool", beside: true, cases: spoolCases},
	{name: "exactly once", cases: onceCases},
	{name: "runtime", cases: slices.Concat(runtimeCases, loopCases, loopIDCases, sourceCases, retryRunCases, failRunCases, statsRunCases, rejectRunCases, instanceRunCases, typeRunCases, rerunCases, lifeCases, foldRunCases, heldRunCases, leftOutCases, stepCases, windowRunCases, varsRunCases, claimRunCases, seatCases)},
	{name: "drain", cases: slices.Concat(drainCases, nameCases, awayCases)},
	{name: "sizes", beside: true, cases: slices.Concat(sizeCases, deepCases)},
	{name: "faults", operations: operations},
	{name: "faults beside claims", beside: true, operations: slices.Concat(manyOperations, hastenOperations, rejectOperations, rowOperations, windowOperations, recordOperations)},
}

// Run runs the suite against a store. name begins the names of its subtests; faults
// are what can befall a connection to its database; open gives a database of its own
// to each test.
func Run(t *testing.T, name string, faults []Fault, open func(t *testing.T) Instance) {
	t.Helper()
	run(t, name, faults, open, true)
}

// RunClaims runs what depends on how jobs are claimed: it is for the second way that
// a store has.
func RunClaims(t *testing.T, name string, faults []Fault, open func(t *testing.T) Instance) {
	t.Helper()
	run(t, name, faults, open, false)
}

func run(t *testing.T, name string, faults []Fault, open func(t *testing.T) Instance, beside bool) {
	t.Helper()
	one := func(t *testing.T, name string, test func(w *world)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t), faults)
			test(w)
			w.check()
		})
	}
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		for _, g := range groups {
			if g.beside && !beside {
				continue
			}
			t.Run(g.name, func(t *testing.T) {
				t.Parallel()
				for _, c := range g.cases {
					one(t, c.name, c.run)
				}
				for _, op := range g.operations {
					t.Run(op.name+" stands any fault at any statement", func(t *testing.T) {
						t.Parallel()
						for _, fault := range faults {
							one(t, fault.Name, func(w *world) { op.stand(w, fault) })
						}
					})
				}
			})
		}
	})
}
