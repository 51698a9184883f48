package mysqlstore

import (
	"database/sql"
	"strings"

	"github.com/dsengine/dsengine/engine/sqlstore"
)

var _ sqlstore.Settings = (*Store)(nil)

// settings are those of a session that change what a hook's statements do, or whether
// they are one transaction. One that NULL stands for is left out.
func (d *dialect) settings() string {
	names := []string{
		"autocommit", d.isolation, d.readOnly, "completion_type", "foreign_key_checks", "unique_checks", "sql_mode", "time_zone",
		"sql_notes", "sql_warnings", "sql_safe_updates", "sql_auto_is_null", "sql_big_selects", "sql_select_limit", "sql_log_bin",
		"max_join_size", "innodb_lock_wait_timeout", "innodb_table_locks", "lock_wait_timeout", "wait_timeout",
		"character_set_client", "character_set_results", "character_set_connection", "collation_connection",
		"auto_increment_increment", "auto_increment_offset", "group_concat_max_len", "div_precision_increment",
		"default_week_format", "lc_time_names", "default_storage_engine",
	}
	if d.name == "mariadb" {
		names = append(names, "check_constraint_checks", "max_statement_time")
	} else {
		names = append(names, "max_execution_time")
	}
	return "CRC32(CONCAT_WS(',', @@SESSION." + strings.Join(names, ", @@SESSION.") + "))"
}

// Settings is the SQL of a number that stands for what a hook's connection is set to.
func (s *Store) Settings() string { return s.dialect.settings() }

// Made is that number of a connection as it was made.
func (s *Store) Made(c *sql.Conn) (made int64) {
	_ = c.Raw(func(dc any) error {
		if n, ok := dc.(*numbered); ok {
			made = n.made
		}
		return nil
	})
	return made
}
