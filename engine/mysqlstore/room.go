package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// noRoom says whether an error means that there is no room for what is to be written,
// and where it is to be made.
func noRoom(e *mysql.MySQLError) (where string, full bool) {
	const data, tmpdir = "on the disk of the database server's data (datadir)", "in the database server's folder for temporary files (tmpdir)"
	switch e.Number {
	case 1021: // "Disk full"; the server has waited for a while
		return data, true
	case 1114: // "The table is full": its tablespace, or the disk
		if strings.Contains(e.Message, "#sql") {
			return tmpdir + ", or give it more memory for temporary tables", true
		}
		return data + ", or let the tablespace grow (innodb_data_file_path; for a table in memory max_heap_table_size)", true
	case 1030: // "Got error 28 ... from storage engine"
		return data, engineFull.MatchString(e.Message)
	case 3, 1026: // "Error writing file ..."
		if strings.Contains(e.Message, "#sql") {
			return tmpdir, systemFull.MatchString(e.Message)
		}
		return "on the disk of the file that the database server names", systemFull.MatchString(e.Message)
	}
	return "", false
}

// How servers tell that there is no room: the system's words and number, and their
// own numbers for a full file.
var (
	engineFull = regexp.MustCompile(`(?i)error:? (28|135)\b|no space left|no more room|quota exceeded|tablespace is full`)
	systemFull = regexp.MustCompile(`(?i)(errno|errcode|os errno):? 28\b|no space left|quota exceeded`)
)

// Files in a server's folder for temporary files: what a statement needs, and what a
// transaction has written that goes to the server's binary log with its COMMIT. Of some
// MariaDB does not say which of these they are.
var (
	needed   = regexp.MustCompile(`#sql-|[/\\\\](MY|ST)\w*(=\d+)?'`)
	unlogged = regexp.MustCompile(`[/\\\\]ML\w*(=\d+)?'`)
	either   = regexp.MustCompile(`[/\\\\]#sql[/\\\\]fd=\d+'`)
)

const (
	findJoin   = "does a JOIN lack its ON, or a big table an index?"
	commitMore = "commit more often, by ctx.batches or ctx.checkpoint"
	databaseIs = " (the database says: %s)"
)

// temporaryFull says whose fault it is that the folder for temporary files is full; "": it
// is not that. commit says that it was a COMMIT which failed.
func temporaryFull(e *mysql.MySQLError, commit bool) string {
	switch {
	case needed.MatchString(e.Message):
		return fmt.Sprintf("the statement needs more room for temporary files than the database server has (tmpdir): "+findJoin+databaseIs, e.Message)
	case unlogged.MatchString(e.Message), commit && either.MatchString(e.Message):
		return fmt.Sprintf("the transaction has written more than the database server has room for in its folder for temporary files (tmpdir), where what is to be logged waits for the commit: "+
			commitMore+", or make room there"+databaseIs, e.Message)
	case either.MatchString(e.Message):
		return fmt.Sprintf("the database server has no room left for temporary files (tmpdir): for what the transaction has written, which waits there for the commit, or for what the statement needs: "+
			commitMore+"; or "+findJoin+databaseIs, e.Message)
	}
	return ""
}

// tooLarge says of a transaction that it has written more than the server is told to take.
func tooLarge(e *mysql.MySQLError) string {
	variable := "max_binlog_cache_size"
	if e.Number == 1705 { // to tables without transactions
		variable = "max_binlog_stmt_cache_size"
	}
	return fmt.Sprintf("the transaction has written more than the database server lets one write: "+commitMore+", or raise %s"+databaseIs, variable, e.Message)
}

// selectKeeper: the table may be in another database.
const selectKeeper = `SELECT engine FROM information_schema.tables WHERE table_name = ? AND engine IS NOT NULL
 ORDER BY table_schema = DATABASE() DESC LIMIT 1`

// fullFault says of a script's statement for which there was no room that this is its
// own fault, or the table's: others have room, and to wait helps nobody. "": the
// server itself is full, and what waits goes on when there is room.
func (s *Store) fullFault(e *mysql.MySQLError, commit bool) string {
	if message := temporaryFull(e, commit); message != "" {
		return message
	}
	name := ""
	if m := firstName.FindStringSubmatch(e.Message); m != nil {
		name = m[1]
	}
	switch e.Number {
	case 1114:
	case 1030:
		if !recordsFull.MatchString(e.Message) {
			return ""
		}
		_, keeper, _ := strings.Cut(e.Message, "from storage engine ")
		return fmt.Sprintf("a table of the statement is full, as large as %s lets it be (MAX_ROWS): make it larger, or delete rows (the database says: %s)", cmp.Or(keeper, "its storage engine"), e.Message)
	default:
		return ""
	}
	keeper, err := s.keeper(name)
	switch {
	case err == nil && strings.EqualFold(keeper, "InnoDB"), err != nil && !errors.Is(err, sql.ErrNoRows):
		return ""
	case err != nil:
		return fmt.Sprintf("the temporary table %s is full", name)
	case strings.EqualFold(keeper, "MEMORY"):
		return fmt.Sprintf("table %s, which %s keeps, is full: delete rows, let it grow (max_heap_table_size), or change it: ALTER TABLE %[1]s ENGINE=InnoDB", name, keeper)
	}
	return fmt.Sprintf("table %s, which %s keeps, is full: delete rows, let it grow (MAX_ROWS), or change it: ALTER TABLE %[1]s ENGINE=InnoDB", name, keeper)
}

// recordsFull is a table that is as large as it was made for.
var recordsFull = regexp.MustCompile(`(?i)error:? 135\b|no more room`)

// keeper is the storage engine that keeps a table.
func (s *Store) keeper(table string) (name string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err = s.control.QueryRowContext(ctx, selectKeeper, table).Scan(&name)
	return name, err
}
