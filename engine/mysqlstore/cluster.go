package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// unknownVariable says that the server has no variable of the name: it is of
// another kind, or the plugin is not loaded that brings it.
func unknownVariable(err error) bool {
	var me *mysql.MySQLError
	return errors.As(err, &me) && me.Number == errUnknownVariable
}

// galeraNode says whether the server is a node of a Galera cluster. wsrep_on is
// asked without a scope: in MariaDB it is global and of the session, in Percona
// XtraDB Cluster of the session alone.
func galeraNode(ctx context.Context, db *sql.DB) (bool, error) {
	var on bool
	var provider sql.NullString
	err := db.QueryRowContext(ctx, "SELECT @@wsrep_on, @@wsrep_provider").Scan(&on, &provider)
	if unknownVariable(err) {
		return false, nil
	}
	return on && provider.String != "" && !strings.EqualFold(provider.String, "none"), err
}

// group is how a server takes part in group replication.
type group struct {
	plugin  bool // it is loaded
	several bool // all members may write
	unknown error
}

// groupOf asks for the mode of the group, not for who is in it now: another may
// join, and the table of members is not for everybody's eyes. The variable is.
func groupOf(ctx context.Context, db *sql.DB, d *dialect) (g group) {
	if d.name != "mysql" {
		return g
	}
	var single bool
	switch err := db.QueryRowContext(ctx, "SELECT @@GLOBAL.group_replication_single_primary_mode").Scan(&single); {
	case unknownVariable(err):
	case err != nil:
		g.unknown = err
	default:
		g.plugin, g.several = true, !single
	}
	return g
}

// choice is how jobs are claimed there; none where locks may do.
func (g group) choice() choice {
	switch {
	case g.unknown != nil:
		return choice{StrategyCompare, fmt.Sprintf("whether this is group replication with several writers could not be found out (%v), and there locks hold on one member only", g.unknown)}
	case g.several:
		return choice{StrategyCompare, "group replication in which all members may write: locks hold on one member only, and a claim counts once its COMMIT is certified"}
	}
	return choice{}
}

const untested = " (dsengine is not tested on it: try out a failover)"

// says is the line of doctor about it.
func (g group) says() string {
	switch {
	case g.unknown != nil:
		return "could not be looked at: " + g.unknown.Error()
	case !g.plugin:
		return "none"
	case g.several:
		return "all members may write" + untested
	}
	return "one member writes" + untested
}
