package mysqlstore

import (
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// noRoom says whether an error means that there is no room for what is to be written,
// and where it is to be made.
func noRoom(e *mysql.MySQLError) (where string, full bool) {
	const data = "on the disk of the database server's data (datadir)"
	switch e.Number {
	case 1021: // "Disk full"; the server has waited for a while
		return data, true
	case 1114: // "The table is full": its tablespace, or the disk
		if strings.Contains(e.Message, "#sql") {
			return "in the database server's folder for temporary files (tmpdir), or give it more memory for temporary tables", true
		}
		return data + ", or let the tablespace grow (innodb_data_file_path; for a table in memory max_heap_table_size)", true
	case 1030: // "Got error 28 ... from storage engine"
		return data, engineFull.MatchString(e.Message)
	case 3, 1026: // "Error writing file ..."
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
