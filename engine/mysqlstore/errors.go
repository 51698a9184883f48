package mysqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// Numbers of the errors of a server that takes no more connections, or none of this user.
const (
	tooManyConnections = 1040
	userHasTooMany     = 1203
	userReachedLimit   = 1226
)

// Class tells what an error of the driver means.
func (d *dialect) Class(err error) sqlstore.Class {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		switch me.Number {
		case 1213, // dead-lock, or on a cluster a certification that failed
			1205, // lock wait time-out
			3101, // group replication rolled it back
			1180, // error during COMMIT
			1206, // the table of locks is full: all was rolled back
			1020, // the row was changed since the snapshot was taken (innodb_snapshot_isolation)
			3058: // dead-lock on user-level locks
			return sqlstore.ClassRetry
		case 1053, 1077, 1079, // the server shuts down
			1927, // the connection was killed
			1317, // the query was interrupted
			1047, // a cluster node that has no quorum
			2006, 2013,
			1836, 1792, // it has become read-only: another has taken its place
			4031: // it was idle for too long
			return sqlstore.ClassConnection
		case tooManyConnections, userHasTooMany, userReachedLimit:
			return sqlstore.ClassUnreachable // they are waited for like one that is away
		case 1290:
			if strings.Contains(me.Message, "read-only") || strings.Contains(me.Message, "read_only") {
				return sqlstore.ClassConnection
			}
		case 1062, 1586:
			return sqlstore.ClassDuplicate
		case 1146:
			return sqlstore.ClassNoTable
		}
		if _, full := noRoom(me); full {
			return sqlstore.ClassFull // it is waited for, and burns no attempt
		}
		return sqlstore.ClassOther
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return sqlstore.ClassUnreachable
	}
	if errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) || op != nil {
		return sqlstore.ClassConnection
	}
	return sqlstore.ClassOther
}

// Locked says that a row was not to be had in time.
func (d *dialect) Locked(err error) bool {
	var me *mysql.MySQLError
	return errors.As(err, &me) && (me.Number == 1205 || me.Number == 3572) // 3572: MySQL, to NOWAIT
}

// classified gives an error that happened outside of sqlstore its code.
func classified(err error, what string) error {
	if err == nil || engine.CodeOf(err) != "" {
		return err
	}
	code := engine.CodeInternal
	switch (&dialect{}).Class(err) {
	case sqlstore.ClassUnreachable, sqlstore.ClassFull:
		code = engine.CodeUnreachable
	case sqlstore.ClassConnection, sqlstore.ClassRetry:
		code = engine.CodeRetry
	}
	return engine.Wrapf(code, err, "%s", what)
}

// unreachable says why the first connection failed.
func unreachable(err error, cfg *mysql.Config) error {
	where := fmt.Sprintf("the database at %s", cfg.Addr)
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		hint := ""
		switch me.Number {
		case 1045, 1698:
			hint = "check the user and the password in the database URL"
			if strings.Contains(me.Message, "@'localhost'") { // a fresh MariaDB has it
				hint += "; if both are right, a user without a name goes before one of '%': DROP USER ''@'localhost'"
			}
		case 1044:
			hint = fmt.Sprintf("let the user use it: GRANT %s ON `%s`.* TO '%s'@'...'", privilegeList(), strings.ReplaceAll(cfg.DBName, "`", "``"), quoted(cfg.User))
		case 1049:
			hint = fmt.Sprintf("make it: CREATE DATABASE %s", cfg.DBName)
		}
		return engine.Wrapf(engine.CodeUnreachable, err, "%s refuses the connection", where).WithHint("%s", hint)
	}
	return engine.Wrapf(engine.CodeUnreachable, err, "%s cannot be reached", where).WithHint("%s", whyNot(err, cfg))
}

// whyNot says what to look at when the server does not answer the first connection.
func whyNot(err error, cfg *mysql.Config) string {
	const address = "its address right in --db or DSENGINE_DB?"
	var dns *net.DNSError
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("no host of the name %s is known here: is it spelt right in --db or DSENGINE_DB?", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s could not be looked up: does this machine's DNS work?", dns.Name)
	case cfg.Net == "unix" && errors.Is(err, fs.ErrNotExist):
		return "there is no such socket: is the server running, and is the path right that socket= names?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is it running, and is " + address
	case errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &op):
		return "it takes the connection, and then does not answer: does it stand still, or have too much to do, or is something else behind the address in --db or DSENGINE_DB?"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "nothing answers there: does a firewall keep this machine out, or is the address in --db or DSENGINE_DB another machine's?"
	}
	return "is it running, and is " + address
}

// HookError makes an error of a script's statement one for its author.
func (s *Store) HookError(err error) (f error, ended bool) {
	var me *mysql.MySQLError
	refused := errors.As(err, &me) && me.Number == 1792 && s.Store.ReadOnly
	switch s.dialect.Class(err) {
	case sqlstore.ClassFull:
		var at *sqlstore.CommitError
		if message := s.fullFault(me, errors.As(err, &at)); message != "" {
			return &engine.Failure{Kind: engine.KindError, Code: "db.full", Message: message, Retryable: true, Cause: err}, false
		}
		return err, true
	case sqlstore.ClassRetry, sqlstore.ClassConnection, sqlstore.ClassUnreachable:
		if !refused {
			return err, true
		}
	}
	if me == nil {
		return &engine.Failure{Kind: engine.KindError, Code: "db.error", Message: err.Error(), Retryable: true, Cause: err}, false
	}
	code, message, retryable := "db.error", me.Message, true
	switch me.Number {
	case 1197, 1705:
		code, message = "db.full", tooLarge(me)
	case 1062, 1586:
		code = "db.duplicate"
	case 1064, 1149:
		code, retryable = "db.syntax", false
	case 1146, 1051, 1305:
		code, retryable = "db.missing", false
	case 1054, 1136, 1110, 1052:
		code, retryable = "db.column", false
	case 1048, 1364, 1451, 1452, 1216, 1217, 3819, 4025,
		1369, // the CHECK OPTION of a view
		1526, // no partition is for the value
		1644: // a trigger's own (SIGNAL)
		code = "db.constraint"
	case 1264, 1265, 1292, 1366, 1406, 1411, 1367, 1690, 3140, 3157:
		code = "db.value"
	case 1792:
		code, retryable = "db.read_only", false
	case 1044, 1045, 1142, 1143, 1227, 1370:
		code, retryable = "db.denied", false
	case 1242:
		code = "db.duplicate"
		if strings.Contains(me.Message, "more than 1 row") {
			return &engine.Failure{Kind: engine.KindError, Code: code, Retryable: true, Cause: err,
				Message: "a row has the value of another row in a unique index besides the key: upsert would change that other row"}, false
		}
	}
	return &engine.Failure{Kind: engine.KindError, Code: code, Message: message, Retryable: retryable, Cause: err}, false
}

// What the servers say of statements and rows.
var (
	column    = regexp.MustCompile("(?:for|in) column [`']?(?:.*\\.)?[`']?([^`'.]+)[`']?(?: at row \\d+)?[.]?$")
	firstName = regexp.MustCompile(`'([^']*)'`)
	near      = regexp.MustCompile(`(?s) near '(.*)' at line (\d+)$`)
	ofKey     = regexp.MustCompile(`(?s)^Duplicate entry '.*' for key '([^']*)'$`)
	condition = regexp.MustCompile("^CONSTRAINT `(?:[^`]*[.])?([^`]+)` failed for `[^`]*`[.]`([^`]+)`$")
	named     = regexp.MustCompile(`^Incorrect (uuid|inet4|inet6) value: `)
	function  = regexp.MustCompile(`^FUNCTION (?:\S+\.)?(\S+) does not exist`)
)

// Fault takes to pieces what an error says of a statement or a row.
func (s *Store) Fault(err error) (f sqlstore.Fault) {
	var me *mysql.MySQLError
	if !errors.As(err, &me) {
		return f
	}
	f.Says = strings.TrimSuffix(me.Message, " at row 1")
	quoted := func() string {
		if m := firstName.FindStringSubmatch(me.Message); m != nil {
			return m[1]
		}
		return ""
	}
	of := func(kind sqlstore.FaultKind, column string) {
		if column != "" {
			f.Kind, f.Columns = kind, []string{column}
		}
	}
	switch me.Number {
	case 1146:
		if f.Table = quoted(); f.Table != "" {
			f.Kind = sqlstore.FaultNoTable
		}
	case 1054:
		of(sqlstore.FaultNoColumn, quoted())
	case 1052:
		of(sqlstore.FaultAmbiguous, quoted())
	case 1048:
		of(sqlstore.FaultNull, quoted())
	case 1364:
		of(sqlstore.FaultNotGiven, quoted())
	case 1136:
		f.Kind = sqlstore.FaultCount
	case 1690:
		f.Kind = sqlstore.FaultOverflow
	case 1305:
		if m := function.FindStringSubmatch(me.Message); m != nil {
			f.Kind, f.Value = sqlstore.FaultNoFunction, m[1]
		}
	case 1064:
		// What it shows of the statement has the script's values in it, and is cut.
		f.Kind, f.Near, f.Rest, f.Says = sqlstore.FaultSyntax, "\x00", true, "You have an error in your SQL syntax"
		if m := near.FindStringSubmatch(me.Message); m != nil { // it speaks English
			f.Near = m[1]
			f.Line, _ = strconv.Atoi(m[2])
		}
	case 4025:
		if m := condition.FindStringSubmatch(me.Message); m != nil {
			f.Kind, f.Table, f.Columns = sqlstore.FaultCondition, m[2], m[1:2]
		}
	case 1062:
		if m := ofKey.FindStringSubmatch(me.Message); m != nil {
			f.Kind, f.Index = sqlstore.FaultDuplicate, m[1][strings.LastIndexByte(m[1], '.')+1:]
		}
	case 1264, 1265, 1292, 1366, 1406, 1411, 1367, 3140, 3157:
		m := column.FindStringSubmatch(me.Message)
		if m == nil {
			break
		}
		switch f.Kind, f.Columns = sqlstore.FaultType, m[1:2]; me.Number {
		case 1264:
			f.Kind = sqlstore.FaultRange
		case 1406:
			f.Kind = sqlstore.FaultLong
		}
		if m := named.FindStringSubmatch(me.Message); m != nil {
			f.Wanted = m[1]
		}
	}
	return f
}

// NoSavepoint says that a savepoint does not exist: the transaction in which it
// was set is over.
func (s *Store) NoSavepoint(err error) bool {
	var me *mysql.MySQLError
	return errors.As(err, &me) && me.Number == 1305
}

// Ended is what ends a hook's transaction unnoticed.
func (s *Store) Ended() string {
	return "a statement of this hook ended the job's transaction (a stored routine that commits?): what it wrote before was committed without the job, so nothing is completed; take the COMMIT out of the routine"
}
