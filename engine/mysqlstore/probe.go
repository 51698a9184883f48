package mysqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// The ways to claim jobs.
const (
	StrategySkip    = "skip locked"
	StrategyCompare = "compare and set"
)

// choice is how jobs are claimed here, and why.
type choice struct {
	strategy, reason string
}

// checkSession reads back what connections really have.
func (s *Store) checkSession(ctx context.Context) error {
	var level string
	if err := s.Store.DB.QueryRowContext(ctx, "SELECT @@SESSION."+s.dialect.isolation).Scan(&level); err != nil {
		return classified(err, "read the isolation level")
	}
	if level != "READ-COMMITTED" {
		return engine.Errorf(engine.CodeUnsupported, "connections have the isolation level %s, although READ COMMITTED was asked for", level)
	}
	return nil
}

// Prepare looks at the server before the first job is claimed: the format of
// the binary log, and with two connections whether FOR UPDATE SKIP LOCKED locks
// what it reads and skips what is locked. TiDB parses the words and does
// neither; on a cluster with several writers a lock holds on one node only.
func (s *Store) Prepare(ctx context.Context) error {
	if format := s.variable(ctx, "binlog_format"); s.variable(ctx, "log_bin") == "1" && strings.EqualFold(format, "STATEMENT") {
		return engine.Errorf(engine.CodeUnsupported, "the server writes its binary log by statement, which READ COMMITTED does not allow").
			WithHint("set binlog_format = ROW (or MIXED)")
	}
	switch {
	case s.opts.Strategy == StrategySkip || s.opts.Strategy == StrategyCompare:
		s.choice = choice{s.opts.Strategy, "it was asked for"}
	case s.opts.Strategy != "":
		return engine.Errorf(engine.CodeUsage, "there is no claim strategy %q: %q and %q are there", s.opts.Strategy, StrategySkip, StrategyCompare)
	case s.galera:
		s.choice = choice{StrategyCompare, "a Galera cluster: locks hold on one node only, and a claim counts once its COMMIT is certified"}
	default:
		if s.choice = groupOf(ctx, s.control, s.dialect).choice(); s.choice.strategy == "" {
			s.choice = s.probeLocks(ctx)
		}
	}
	s.dialect.compare = s.choice.strategy == StrategyCompare
	return nil
}

// variable is a global variable's value, or "" if there is none.
func (s *Store) variable(ctx context.Context, name string) string {
	var v sql.NullString
	if err := s.control.QueryRowContext(ctx, "SELECT @@GLOBAL."+name).Scan(&v); err != nil {
		return ""
	}
	return v.String
}

// probeLocks tries SKIP LOCKED out, on a table of its own that it drops again.
func (s *Store) probeLocks(ctx context.Context) choice {
	var b [6]byte
	rand.Read(b[:])
	table := s.Quote(s.Prefix + "probe_" + hex.EncodeToString(b[:]))
	no := func(format string, args ...any) choice {
		return choice{StrategyCompare, fmt.Sprintf("SKIP LOCKED cannot be trusted: "+format, args...)}
	}
	for _, p := range privileges { // one that cannot be dropped would stay
		if (p.name == "CREATE" || p.name == "DROP") && !s.may(ctx, p, s.Prefix+noTable) {
			return choice{StrategyCompare, "SKIP LOCKED could not be tried out: the user lacks the privilege " + p.name}
		}
	}
	if _, err := s.control.ExecContext(ctx, "CREATE TABLE "+table+" (id INT PRIMARY KEY) ENGINE=InnoDB"); err != nil {
		return choice{StrategyCompare, "SKIP LOCKED could not be tried out: " + err.Error()}
	}
	defer func() {
		c, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = s.control.ExecContext(c, "DROP TABLE IF EXISTS "+table)
	}()
	if _, err := s.control.ExecContext(ctx, "INSERT INTO "+table+" VALUES (1), (2)"); err != nil {
		return no("%v", err)
	}
	first, err := s.Store.DB.BeginTx(ctx, nil)
	if err != nil {
		return no("%v", err)
	}
	defer first.Rollback()
	var got int
	if err := first.QueryRowContext(ctx, "SELECT id FROM "+table+" ORDER BY id LIMIT 1"+s.dialect.Skip()).Scan(&got); err != nil || got != 1 {
		return no("the first of two rows was not read (%d, %v)", got, err)
	}
	second, err := s.Store.DB.BeginTx(ctx, nil)
	if err != nil {
		return no("%v", err)
	}
	defer second.Rollback()
	if err := second.QueryRowContext(ctx, "SELECT id FROM "+table+" ORDER BY id LIMIT 1"+s.dialect.Skip()).Scan(&got); err != nil {
		return no("beside a locked row: %v", err)
	}
	if got != 2 {
		return no("a row that another connection has locked was read")
	}
	err = second.QueryRowContext(ctx, "SELECT id FROM "+table+" WHERE id = 1 FOR UPDATE NOWAIT").Scan(&got)
	var me *mysql.MySQLError
	if !errors.As(err, &me) || me.Number != 1205 && me.Number != 3572 { // MariaDB, MySQL
		return no("a row that another connection has locked could be locked again (%v)", err)
	}
	return choice{StrategySkip, "tried out with two connections: it locks, and skips what is locked"}
}

// Describe says what the database is and how jobs are claimed on it.
func (s *Store) Describe(ctx context.Context) (engine.Report, error) {
	if s.choice.strategy == "" {
		if err := s.Prepare(ctx); err != nil {
			return engine.Report{}, err
		}
	}
	r := engine.Report{Store: s.dialect.name, Version: s.version, Strategy: s.choice.strategy, Reason: s.choice.reason}
	r.Own, r.Allowed = ownConnections, s.allowed(ctx)
	granted := s.checkPrivileges(ctx)
	if err := s.Store.DescribeTables(ctx, s.migrations(), &r); err != nil {
		if denied(err) {
			r.Checks = granted
			return r, nil
		}
		return r, err
	}
	check := func(name, value string, ok bool, hint string) {
		if ok {
			hint = ""
		}
		r.Checks = append(r.Checks, engine.Check{Name: name, Value: value, OK: ok, Hint: hint})
	}
	r.Checks = append(r.Checks, granted...)
	check("isolation level", "READ COMMITTED", true, "")
	flush := s.variable(ctx, "innodb_flush_log_at_trx_commit")
	check("innodb_flush_log_at_trx_commit", flush, flush == "1", "with another value than 1 a crash of the server's machine loses commits")
	bin, format := s.variable(ctx, "log_bin"), s.variable(ctx, "binlog_format")
	switch {
	case bin == "1":
		check("binary log", format, true, "")
	default:
		check("binary log", "off", true, "")
	}
	if s.dialect.name == "mysql" {
		g := groupOf(ctx, s.control, s.dialect)
		check("group replication", g.says(), g.unknown == nil, "jobs are claimed as though all its members wrote, which is always right, and slower")
	}
	clock, err := s.clockDrift(ctx)
	if err != nil {
		return r, err
	}
	check("clock", fmt.Sprintf("the database's is %s from this machine's", clock.Round(time.Millisecond)), clock.Abs() < time.Minute,
		"nothing is decided by it, but times in logs will puzzle people: set the clocks right")
	check("history to purge", s.historyLength(ctx), true, "")
	packet := s.variable(ctx, "max_allowed_packet")
	check("max_allowed_packet", packet, len(packet) > 7, "set it to 16M or more: payloads may have 4 MB")
	return r, nil
}

// allowed is how many connections the server lets the user have at once; 0: it does
// not tell.
func (s *Store) allowed(ctx context.Context) (n int) {
	var all, user int
	if err := s.control.QueryRowContext(ctx, "SELECT @@GLOBAL.max_connections, @@SESSION.max_user_connections").Scan(&all, &user); err != nil {
		return 0
	}
	if user > 0 {
		return min(all, user)
	}
	return all
}

func (s *Store) clockDrift(ctx context.Context) (time.Duration, error) {
	now, err := s.Now(ctx)
	return now.Sub(s.opts.Clock.Now()), err
}

// historyLength is how many transactions' old rows the server has not purged;
// it may not be allowed to tell.
func (s *Store) historyLength(ctx context.Context) string {
	var n sql.NullString
	err := s.control.QueryRowContext(ctx, "SELECT count FROM information_schema.innodb_metrics WHERE name = 'trx_rseg_history_len'").Scan(&n)
	if err != nil || !n.Valid {
		return "not told (needs the PROCESS privilege)"
	}
	return n.String
}

func (s *Store) migrations() sqlstore.Migrations {
	return sqlstore.Migrations{
		Files: migrations, Dialect: goose.DialectMySQL, DB: s.control, Lock: s.migrationLock,
		Replace: strings.NewReplacer("{collation}", s.dialect.collation, sqlstore.DefaultPrefix, s.Prefix),
	}
}

// Migrate brings the tables to this program's version.
func (s *Store) Migrate(ctx context.Context) (engine.Migration, error) {
	return s.Store.Migrate(ctx, s.migrations())
}

// CheckSchema says whether the tables are those that this program knows.
func (s *Store) CheckSchema(ctx context.Context) error {
	return s.Store.CheckSchema(ctx, s.migrations())
}
