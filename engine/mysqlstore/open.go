// Package mysqlstore keeps jobs in MySQL 8.0.19 or newer, or MariaDB 10.6 or
// newer.
//
// The statements are those of sqlstore. What is here: connections and their
// settings (open.go url.go dial.go), the words in which the dialects differ (dialect.go), what
// errors mean (errors.go), hooks' transactions (session.go, table.go,
// value.go), the probe that picks how jobs are claimed (probe.go), the tables
// (migrations), databases of tests (scratch.go, clocked.go).
package mysqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Options are for Open. Zero values are defaults.
type Options struct {
	Prefix string        // of the tables; default "ds_"
	Lease  time.Duration // of the servers; an idle transaction is ended after it; default defaultLease
	Clock  engine.Clock
	Logger *slog.Logger
	// Strategy forces how jobs are claimed: "skip locked" or "compare and set".
	// Default: what the probe finds.
	Strategy string
	// Statements has rows written by statements where they could be loaded as text.
	Statements bool
	// Wrap, if it is given, comes between the store and the driver: for tests
	// that make connections fail.
	Wrap func(driver.Connector) driver.Connector

	clocked bool // the server's clock is Clock: see Scratch
}

const defaultLease = 15 * time.Second

// Store is a job database on MySQL or MariaDB.
type Store struct {
	*sqlstore.Store
	opts    Options
	control *sql.DB // for reading, KILL and tables: apart from what may be busy
	hooks   *sql.DB
	beats   *sqlstore.Store
	dialect *dialect
	version string
	galera  bool
	counts  bool // hooks' statements count rows that they change, not all that they find
	choice  choice
	loads   loads
}

var _ engine.Store = (*Store)(nil)

// Open connects to the database of a URL: mysql://user:password@host:3306/name,
// or mysql://user@/name?socket=PATH; tls=true, skip-verify or preferred is
// allowed. Errors never show the password.
func Open(ctx context.Context, rawURL string, o Options) (*Store, error) {
	s, cfg, err := reach(ctx, rawURL, o)
	if err != nil {
		return nil, err
	}
	engineDB := s.pool(cfg, true, s.patience(map[string]string{"innodb_lock_wait_timeout": "10"}))
	s.scriptPools(cfg, nil)
	bound(engineDB, engineConnections)
	patient := s.pool(cfg, true, s.patience(map[string]string{"innodb_lock_wait_timeout": "10"}))
	bound(patient, patientConnections)
	brisk := s.pool(cfg, true, s.patience(map[string]string{"innodb_lock_wait_timeout": "1"}))
	bound(brisk, briskConnections)
	beats := s.pool(cfg, true, s.patience(map[string]string{"innodb_lock_wait_timeout": "2"}))
	bound(beats, beatConnections)
	for _, db := range []*sql.DB{engineDB, patient, brisk, s.hooks, beats} { // gone before the server ends them
		db.SetConnMaxIdleTime(s.opts.Lease / 2)
	}
	s.Store = s.shared(engineDB, s.control)
	s.Store.Brisk, s.Store.Patient = brisk, patient
	s.Store.Anchored = s.galera
	s.beats = s.shared(beats, beats)
	if err := s.checkSession(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// reach connects once, to know the server.
func reach(ctx context.Context, rawURL string, o Options) (*Store, *mysql.Config, error) {
	cfg, err := parseURL(rawURL)
	if err != nil {
		return nil, nil, err
	}
	if o.Clock == nil {
		o.Clock = engine.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	if o.Prefix == "" {
		o.Prefix = sqlstore.DefaultPrefix
	}
	version, galera, err := serverVersion(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	d, err := newDialect(version)
	if err != nil {
		return nil, nil, err
	}
	return &Store{opts: o, dialect: d, version: version, galera: galera}, cfg, nil
}

// scriptPools makes the pools that scripts' statements run on.
func (s *Store) scriptPools(cfg *mysql.Config, more map[string]string) {
	// What is counted as a warning there is one: see LoadText.
	hooks := s.patience(map[string]string{"autocommit": "0", "sql_notes": "0"})
	control := map[string]string{"lock_wait_timeout": "5"}
	for k, v := range more {
		hooks[k], control[k] = v, v
	}
	plain := cfg.Clone()
	plain.ParseTime = false // see when
	s.hooks = s.pool(plain, false, hooks)
	s.hooks.SetMaxIdleConns(10_000) // as many as there were; they do not stay for long
	s.control = s.pool(cfg, true, control)
	s.control.SetMaxOpenConns(controlConnections)
	s.control.SetMaxIdleConns(4)
}

// How many connections a process has at most. What holds one of the engine's
// transactions takes another of the same pool for nothing, and may read on one of
// control, whose statements wait for no other connection; so no pool waits for itself,
// nor two for each other. What may wait for long, for a row that a caller holds, does so on
// patient, and keeps no claim or duty waiting. Connections of hooks are bounded by SessionOptions.Seat.
const (
	engineConnections  = 8
	patientConnections = 8
	briskConnections   = 4
	controlConnections = 8
	beatConnections    = 2

	ownConnections = engineConnections + patientConnections + briskConnections + controlConnections + beatConnections
)

// bound has a pool keep as many connections as it may have.
func bound(db *sql.DB, n int) {
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
}

// patience adds the settings by which a process that is frozen, or cut off, does
// not hold locks for long.
func (s *Store) patience(settings map[string]string) map[string]string {
	seconds := fmt.Sprint(max(1, int(s.opts.Lease.Seconds())))
	settings["wait_timeout"], settings["net_write_timeout"], settings["net_read_timeout"] = seconds, seconds, seconds
	return settings
}

func (s *Store) shared(db, reader *sql.DB) *sqlstore.Store {
	return &sqlstore.Store{DB: db, Reader: reader, D: s.dialect, Clock: s.opts.Clock, Log: s.opts.Logger, Prefix: s.opts.Prefix}
}

// Close closes all connections.
func (s *Store) Close() error {
	for _, db := range []*sql.DB{s.Store.DB, s.Store.Patient, s.Store.Brisk, s.hooks, s.control, s.beats.DB} {
		if db != nil {
			db.Close()
		}
	}
	return nil
}

// Beat renews the lease, on connections that nothing else uses.
func (s *Store) Beat(ctx context.Context, id engine.ServerID, lease time.Duration) (bool, time.Time, error) {
	return s.beats.Beat(ctx, id, lease)
}

// Now is the database's clock.
func (s *Store) Now(ctx context.Context) (now time.Time, err error) {
	var t sqlstore.Time
	if err := s.control.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&t); err != nil {
		return now, classified(err, "read the clock")
	}
	return t.Time, nil
}

// quiet keeps the driver from writing to standard error.
type quiet struct{}

func (quiet) Print(...any) {}

// pool makes a pool whose connections have the engine's settings: READ
// COMMITTED, UTC, strict mode, and the given ones. NO_ZERO_DATE and NO_ZERO_IN_DATE are
// not among them: they refuse the SQL by which dates of zeros are found and mended. Rows
// of hooks do not bring any: see FitOf. To hooks || joins texts, as in all SQL but the servers' own. A row with the number 0 keeps it. A time with more
// digits than its column is cut off to these, which MariaDB does anyway, and not rounded.
// What the server is set to for others must not cut results off, refuse statements, or
// change the words of errors.
func (s *Store) pool(base *mysql.Config, forEngine bool, settings map[string]string) *sql.DB {
	modes := s.dialect.modes
	if !forEngine {
		modes += ",PIPES_AS_CONCAT"
	}
	cfg := base.Clone()
	cfg.ClientFoundRows = forEngine || !s.counts // an UPDATE counts rows that stay as they are, too, as on SQLite
	if forEngine {                               // hooks' statements end with their lease
		cfg.DialFunc = dialer(s.opts.Lease)
	}
	cfg.Params = map[string]string{
		s.dialect.isolation: "'READ-COMMITTED'",
		"time_zone":         "'+00:00'",
		"sql_mode":          "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO" + modes + "'",
		"sql_select_limit":  "18446744073709551615",
		"sql_safe_updates":  "0",
		"lc_messages":       "'en_US'",
	}
	for k, v := range settings {
		cfg.Params[k] = v
	}
	if s.galera { // a node must not show an older state than the one that was written to
		cfg.Params["wsrep_sync_wait"] = "1"
	}
	cfg.Collation = s.dialect.session
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return sql.OpenDB(failing{err})
	}
	if s.opts.clocked {
		connector = clocked{connector, s.opts.Clock}
	}
	if s.opts.Wrap != nil {
		connector = s.opts.Wrap(connector)
	}
	asked := "SELECT CONNECTION_ID(), 0"
	if !forEngine {
		asked = "SELECT CONNECTION_ID(), " + s.dialect.settings()
	}
	return sql.OpenDB(tracking{connector, asked})
}

// failing is a connector for settings that the driver refuses.
type failing struct{ err error }

func (f failing) Connect(context.Context) (driver.Conn, error) { return nil, f.err }
func (f failing) Driver() driver.Driver                        { return mysql.MySQLDriver{} }

// tracking makes connections that know their number on the server, so that
// what they run can be ended there; those of hooks also know what they are set to.
type tracking struct {
	driver.Connector
	asked string // gives both
}

// driverConn is what the driver's connections can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

type numbered struct {
	driverConn
	number int64
	made   int64 // see Store.Settings
}

// BeginTx begins a transaction that a COMMIT that fails does not leave open: the
// next user of the connection would commit it.
func (c *numbered) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.driverConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &closedTx{tx, c}, nil
}

type closedTx struct {
	driver.Tx
	c *numbered
}

// Commit commits, or rolls back what the server refused to commit.
func (t *closedTx) Commit() error {
	err := t.Tx.Commit()
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		if _, undone := t.c.ExecContext(context.Background(), "ROLLBACK", nil); undone != nil {
			t.c.Close()
		}
	}
	return err
}

// Connect connects and reads the connection's number.
func (t tracking) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := t.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	dc, ok := c.(driverConn)
	if !ok {
		return c, nil
	}
	rows, err := dc.QueryContext(ctx, t.asked, nil)
	if err != nil {
		c.Close()
		return nil, err
	}
	defer rows.Close()
	row := make([]driver.Value, 2)
	if err := rows.Next(row); err != nil {
		c.Close()
		return nil, err
	}
	return &numbered{dc, whole(row[0]), whole(row[1])}, nil
}

// whole is a whole number as the driver gives it.
func whole(v driver.Value) int64 {
	if u, ok := v.(uint64); ok {
		return int64(u)
	}
	n, _ := v.(int64)
	return n
}

// answerWithin is how long a server that takes the first connection has until it has
// said what it is.
const answerWithin = 15 * time.Second

// serverVersion connects once and asks what the server is, and whether it is a Galera node.
// A server that then says nothing is not waited for.
func serverVersion(ctx context.Context, cfg *mysql.Config) (version string, galera bool, err error) {
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return "", false, engine.Errorf(engine.CodeUsage, "the database URL cannot be used: %v", err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return "", false, unreachable(err, cfg)
	}
	galera, err = galeraNode(ctx, db)
	return version, galera, classified(err, "ask whether the server is a node of a cluster")
}
