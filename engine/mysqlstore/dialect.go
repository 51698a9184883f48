package mysqlstore

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/engine/sqlstore"
)

// dialect is MySQL's or MariaDB's SQL.
type dialect struct {
	name      string
	isolation string // the variable that holds the isolation level
	readOnly  string // the one that keeps transactions from writing
	collation string // for keys and names: binary, no padding
	session   string // of connections
	modes     string // of SQL, besides those of both
	compare   bool   // locks do not tell whose a ready row is
}

// newDialect knows a server by its version text.
func newDialect(version string) (*dialect, error) {
	major, minor, patch := parseVersion(version)
	if strings.Contains(version, "MariaDB") {
		if major < 10 || major == 10 && minor < 6 {
			return nil, engine.Errorf(engine.CodeUnsupported, "MariaDB %d.%d is too old: 10.6 or newer is needed", major, minor)
		}
		return &dialect{name: "mariadb", isolation: "tx_isolation", readOnly: "tx_read_only", collation: "utf8mb4_nopad_bin", session: "utf8mb4_bin"}, nil
	}
	if major < 8 || major == 8 && minor == 0 && patch < 19 {
		return nil, engine.Errorf(engine.CodeUnsupported, "MySQL %d.%d.%d is too old: 8.0.19 or newer is needed", major, minor, patch)
	}
	return &dialect{name: "mysql", isolation: "transaction_isolation", readOnly: "transaction_read_only", collation: "utf8mb4_0900_bin", session: "utf8mb4_bin", modes: ",TIME_TRUNCATE_FRACTIONAL"}, nil
}

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)`)

// parseVersion reads "10.11.6-MariaDB" and "5.5.5-10.11.6-MariaDB", as old
// clients are told.
func parseVersion(v string) (major, minor, patch int) {
	m := versionNumber.FindStringSubmatch(strings.TrimPrefix(v, "5.5.5-"))
	if m == nil {
		return 0, 0, 0
	}
	major, _ = strconv.Atoi(m[1])
	minor, _ = strconv.Atoi(m[2])
	patch, _ = strconv.Atoi(m[3])
	return major, minor, patch
}

func (d *dialect) Name() string { return d.name }
func (d *dialect) Now() string  { return "UTC_TIMESTAMP(6)" }
func (d *dialect) Lock() string { return " FOR UPDATE" }

// Skip spares waiting where the server keeps what it says. Nothing is decided by
// it: whatever is read so is then written under a condition.
func (d *dialect) Skip() string { return " FOR UPDATE SKIP LOCKED" }

func (d *dialect) Claimable() string {
	if d.compare {
		return ""
	}
	return d.Skip()
}

func (d *dialect) In(t time.Duration) string {
	return fmt.Sprintf("UTC_TIMESTAMP(6) + INTERVAL %d MICROSECOND", t.Microseconds())
}

// ByKey keeps an UPDATE or SELECT with a long list of ids from scanning the
// table, which it would while the table is small beside the list.
func (d *dialect) ByKey() string { return " FORCE INDEX (PRIMARY)" }

func (d *dialect) Upsert(_, set string) string { return " ON DUPLICATE KEY UPDATE " + set }

// DeleteIn joins the keys, as a table that is read first, to the table's
// primary key: an index hint does not help a DELETE with a list, and one that
// scans waits for every row that it passes.
func (d *dialect) DeleteIn(table, where, list string, cols ...sqlstore.KeyColumn) (query string, args []any) {
	var columns, on []string
	for i, c := range cols {
		path := fmt.Sprintf("'$[%d]'", i)
		if len(cols) == 1 {
			path = "'$'"
		}
		var typ, value string
		switch c.Type {
		case sqlstore.KeyInt:
			typ, value = "BIGINT", "j."+c.Name
		case sqlstore.KeyTime:
			typ, value = "DATETIME(6)", "j."+c.Name
		case sqlstore.KeyText:
			typ, value = "VARCHAR(255) CHARACTER SET utf8mb4", "j."+c.Name+" COLLATE "+d.collation
		case sqlstore.KeyHex:
			typ, value = "CHAR(64)", "UNHEX(j."+c.Name+")"
		}
		columns = append(columns, fmt.Sprintf("%s %s PATH %s", c.Name, typ, path))
		on = append(on, fmt.Sprintf("r.%s = %s", c.Name, value))
	}
	if where != "" {
		on = append(on, where)
	}
	by := ""
	if wholeKey[table] {
		by = d.ByKey()
	}
	return fmt.Sprintf("DELETE r FROM JSON_TABLE(?, '$[*]' COLUMNS(%s)) j STRAIGHT_JOIN %s r%s ON %s",
		strings.Join(columns, ", "), table, by, strings.Join(on, " AND ")), []any{list}
}

// wholeKey are the tables whose rows are always deleted by their whole primary key.
// Without a hint MariaDB scans one of a few rows all the same, and waits for each
// that somebody has locked.
var wholeKey = map[string]bool{"ds_keys": true, "ds_ready": true, "ds_delayed": true, "ds_deltas": true}

// Bounds: with a million dead rows before the bound, a claim by ranges takes
// 0.3 ms on MySQL and 137 ms on MariaDB, whose engine walks from the end of a
// range to the next living row.
func (d *dialect) Bounds() sqlstore.BoundStyle {
	if d.name == "mariadb" {
		return sqlstore.BoundsEach
	}
	return sqlstore.BoundsRanges
}

// MaxParams is far below what the driver can put into a statement.
func (d *dialect) MaxParams() int { return 60_000 }
