package dbserver

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

var mariadbFolders = []string{"/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/mariadb/bin", "/opt/homebrew/bin", "/opt/homebrew/opt/mariadb/bin"}

type mariadb struct {
	server, install string // programs
	buffers         int
}

// MariaDB starts a MariaDB server and returns when it answers. Its user is
// root, without a password. The error is a *NotInstalledError when there is no
// MariaDB on this machine.
func MariaDB(o Options) (*Server, error) {
	k, err := newMariaDB(o)
	if err != nil {
		return nil, err
	}
	return start(k, "mariadb", mariadbUsers, o)
}

var mariadbUsers = []string{"mysql", "nobody"}

// newMariaDB finds the programs.
func newMariaDB(o Options) (*mariadb, error) {
	const how = "apt-get install mariadb-server-core mariadb-client-core"
	k := &mariadb{buffers: cmp.Or(o.Buffers, defaultBuffers)}
	var ok bool
	if k.server, ok = findProgram([]string{"mariadbd", "mysqld"}, mariadbFolders...); !ok {
		return nil, &NotInstalledError{"mariadbd", how}
	}
	if k.install, ok = findProgram([]string{"mariadb-install-db", "mysql_install_db"}, mariadbFolders...); !ok {
		return nil, &NotInstalledError{"mariadb-install-db", how}
	}
	if _, ok = findProgram([]string{"my_print_defaults"}, mariadbFolders...); !ok { // mariadb-install-db calls it
		return nil, &NotInstalledError{"my_print_defaults", how}
	}
	return k, nil
}

func (k *mariadb) data(s *Server) string { return filepath.Join(s.folder, "data") }

func (k *mariadb) prepare(ctx context.Context, s *Server) error {
	return runTool(ctx, s.owner, s.folder, k.install, "--no-defaults", "--datadir="+k.data(s),
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--innodb-log-file-size=96M")
}

func (k *mariadb) command(s *Server) []string {
	return append([]string{k.server, "--no-defaults",
		"--datadir=" + k.data(s),
		"--socket=" + filepath.Join(s.folder, "sock"),
		"--pid-file=" + filepath.Join(s.folder, "pid"),
		"--bind-address=127.0.0.1",
		"--port=" + strconv.Itoa(s.port),
		"--skip-name-resolve",
		"--performance-schema=OFF",
		"--max-connections=500",
		"--innodb-buffer-pool-size=" + strconv.Itoa(k.buffers) + "M",
	}, s.flags...)
}

func (k *mariadb) ready(ctx context.Context, s *Server, _ int) error {
	return k.withDB(s, func(db *sql.DB) error {
		var data string
		if err := db.QueryRowContext(ctx, "SELECT @@datadir").Scan(&data); err != nil {
			return err
		}
		if filepath.Clean(data) != k.data(s) {
			return fmt.Errorf("port %d belongs to another server", s.port)
		}
		return nil
	})
}

func (k *mariadb) createDatabase(ctx context.Context, s *Server, name string) error {
	return k.withDB(s, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "CREATE DATABASE `"+name+"`")
		return err
	})
}

// withDB lends a connection that is part of no database.
func (k *mariadb) withDB(s *Server, do func(*sql.DB) error) error {
	c := k.config(s, "")
	c.Logger = &mysql.NopLogger{} // refused while the server starts
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return do(db)
}

func (k *mariadb) config(s *Server, database string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Net, c.DBName = "root", "tcp", database
	c.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	return c
}

func (k *mariadb) url(s *Server, database string) string {
	return fmt.Sprintf("mysql://root@127.0.0.1:%d/%s", s.port, database)
}

func (k *mariadb) dsn(s *Server, database string) string { return k.config(s, database).FormatDSN() }

func (k *mariadb) signals() signals {
	return signals{clean: syscall.SIGTERM, now: syscall.SIGKILL, orphan: syscall.SIGKILL}
}
