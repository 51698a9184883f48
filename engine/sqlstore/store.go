// Package sqlstore is the part of a store that the SQL databases share: the
// statements that enqueue, claim, settle, rescue, fold and show jobs. Packages
// mysqlstore and sqlitestore add what differs: connections, sessions, how a
// lost process is recognised, the tables.
//
// A map: tx.go runs transactions, receipt.go finds out lost answers, anchor.go and
// restart.go are for clusters; insert.go keys.go enqueue; claim.go bound.go claim; settle.go outcome.go write what became
// of jobs; rescue.go fold.go promote.go prune.go sweep.go are the duties;
// schedule.go variable.go window.go record.go reject.go redrive.go log.go type.go
// server.go view.go are one noun each; session.go result.go spool.go guard.go
// table.go write.go upsert.go bulk.go merge.go scan.go are what a script's db
// module works on.
//
// The order in which rows are locked, the same everywhere: schedule, server,
// claim, jobs (ascending), parents (ascending), keys (by hash), variables, stored
// ends of windows, records, delayed, ready, rejects; then tables that are only
// inserted into, and receipts, which belong to one process each. A duty that reads
// such a table locks its rows first, by Skip, and nobody else locks them.
package sqlstore

import (
	"database/sql"
	"log/slog"
	"strings"
	"sync"

	"github.com/dsengine/dsengine/engine"
)

// Store has the shared methods of engine.Store. Its maker fills the exported
// fields before the first use.
type Store struct {
	DB     *sql.DB // for the engine's own transactions
	Reader *sql.DB // for reading; may be DB
	// Brisk is for transactions that know what to do when a row is held: they wait
	// for it a second or so only. Default: DB.
	Brisk *sql.DB
	// Patient is for transactions that may wait for long for a row that a caller holds,
	// so that they leave the connections of DB to those that do not. Default: DB.
	Patient *sql.DB
	D       Dialect
	Clock   engine.Clock
	Log     *slog.Logger
	Prefix  string // of the tables; default "ds_"
	// Foreign says that it is another database than the jobs'. What begins with
	// the default prefix is an engine's there too.
	Foreign bool
	// ReadOnly keeps scripts from writing.
	ReadOnly bool
	// OneConnection says that reading and writing have one connection: what is still
	// to be read must be out before anything is written.
	OneConnection bool
	// Scratch says that the database is in memory and one goroutine's, and that nobody
	// looks at its totals: nothing waits for anybody and no answer is lost, so there are
	// no receipts, and nothing is counted by type.
	Scratch bool
	// Begin overrides how a transaction is begun; default DB.BeginTx.
	Begin BeginFunc
	// Lives tells what the store itself knows of whether servers that are not
	// dead live; default: nothing.
	Lives func(rows []engine.ServerRow)
	// Anchored says that a transaction must have written a row before its first
	// savepoint: see anchor.go.
	Anchored bool
	// Restarts says so too, where there is no table for such a row: see restart.go.
	Restarts bool

	stmts     sync.Map // SQL with the default prefix -> with ours
	shapes    sync.Map // scripts' tables -> tableShape
	even      sync.Map // columns of their keys whose values are all written as rows are -> when that was so
	leavers   leavers
	bounds    bounds
	alone     sync.Map // queues whose head must be claimed alone, when it was looked at last
	prune     pruned
	receipts  receipts
	anchors   receipts
	deltas    head // of ds_deltas
	due       head // of ds_delayed
	held      held
	heldReady held       // of ready rows, where they cannot be skipped
	unsure    engine.Nag // transactions of which nobody knows whether they took effect
}

// DefaultPrefix begins the names of the engine's tables.
const DefaultPrefix = "ds_"

// SQL puts the store's own prefix into a statement that is written with the
// default one.
func (s *Store) SQL(q string) string {
	if s.Prefix == DefaultPrefix || s.Prefix == "" {
		return q
	}
	if v, ok := s.stmts.Load(q); ok {
		return v.(string)
	}
	r := strings.ReplaceAll(q, DefaultPrefix, s.Prefix)
	if len(q) < 1000 { // longer ones hold lists of ids
		s.stmts.Store(q, r)
	}
	return r
}

// Dialect is "mysql", "mariadb" or "sqlite".
func (s *Store) Dialect() string { return s.D.Name() }
