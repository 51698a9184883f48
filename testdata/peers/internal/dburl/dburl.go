// Package dburl reads the addresses of MySQL and MariaDB databases that
// dsengine's --db takes, for programs that must not share its code.
package dburl

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Config is the driver's configuration for an address such as
// mysql://user:pass@host:3306/name or mysql://user@/name?socket=PATH, with
// what every session of these benchmarks uses: parameters are put into the
// statement's text, which saves a round trip, and an UPDATE tells how many rows
// it found.
func Config(address string) (*mysql.Config, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("database address: %w", err)
	}
	if u.Scheme != "mysql" {
		return nil, fmt.Errorf("database address: it must begin with mysql://, not %s://", u.Scheme)
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	if socket := u.Query().Get("socket"); socket != "" {
		c.Net, c.Addr = "unix", socket
	} else {
		port := u.Port()
		if port == "" {
			port = "3306"
		}
		c.Net, c.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	}
	c.InterpolateParams = true
	c.ClientFoundRows = true
	return c, nil
}

// With is the same address with another database name.
func With(address, database string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("database address: %w", err)
	}
	u.Path = "/" + database
	return u.String(), nil
}
