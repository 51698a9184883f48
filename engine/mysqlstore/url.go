package mysqlstore

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
)

// CheckURL says what is wrong with a database URL, without looking for the database.
func CheckURL(raw string) error {
	_, err := parseURL(raw)
	return err
}

// parseURL reads a database URL. Its errors leave the password out.
func parseURL(raw string) (*mysql.Config, error) {
	if wrongPort(raw) {
		return nil, engine.Errorf(engine.CodeUsage, "the port in the database URL is no number from 1 to 65535").
			WithHint("after the host comes :3306 or another number, or nothing: mysql://user:password@host:3306/name")
	}
	u, err := url.Parse(raw)
	// Unencoded, a password such as 12/34 or p@ss?w makes its rest the path or an
	// option, and that would be shown.
	if err != nil || u.Scheme != "mysql" || u.Opaque != "" || u.User == nil && strings.Contains(raw, "@") ||
		strings.Contains(u.EscapedPath()+u.Fragment+strings.ReplaceAll(u.RawQuery, "socket=@", ""), "@") {
		return nil, engine.Errorf(engine.CodeUsage, "the database URL cannot be read").
			WithHint("write it like mysql://user:password@host:3306/name; special characters in the password are percent-encoded")
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	cfg.Net, cfg.Addr = "tcp", u.Host
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	for name, values := range u.Query() {
		switch v := values[0]; name {
		case "socket":
			cfg.Net, cfg.Addr = "unix", v
		case "tls":
			cfg.TLSConfig = v
		default:
			return nil, engine.Errorf(engine.CodeUsage, "the database URL has an option %q that is not known: socket and tls are", name)
		}
	}
	switch {
	case cfg.DBName == "":
		return nil, engine.Errorf(engine.CodeUsage, "the database URL names no database: %s", withName(u))
	case cfg.User == "":
		return nil, engine.Errorf(engine.CodeUsage, "the database URL names no user: mysql://USER:PASSWORD@%s/%s", u.Host, cfg.DBName)
	case cfg.Net == "tcp" && u.Hostname() == "":
		return nil, engine.Errorf(engine.CodeUsage, "the database URL names no host (or a socket: ?socket=PATH)")
	}
	cfg.Loc = time.UTC
	cfg.ParseTime = true
	cfg.InterpolateParams = true
	cfg.Timeout = 10 * time.Second
	cfg.Logger = quiet{}
	return cfg, nil
}

// wrongPort says that what stands where the port does is none. It is looked for
// behind the last @ only, so that it is no password which is not encoded; and it is
// not shown, should it be one all the same.
func wrongPort(raw string) bool {
	raw = strings.Replace(raw, "?socket=@", "?socket=", 1) // the name of one without a file
	at := strings.LastIndex(raw, "@")
	if at < 0 || !strings.HasPrefix(raw, "mysql://") {
		return false
	}
	host := raw[at+1:]
	if end := strings.IndexAny(host, "/?#"); end >= 0 {
		host = host[:end]
	}
	colon := strings.LastIndex(host, ":")
	if colon < 0 || colon < strings.LastIndex(host, "]") || colon == len(host)-1 {
		return false // none is the usual one
	}
	port, err := strconv.ParseUint(host[colon+1:], 10, 16)
	return err != nil || port == 0
}

// withName is a URL to which the database's name is to be added, without its
// password and as it was written otherwise.
func withName(u *url.URL) string {
	user := ""
	if u.User != nil {
		user = url.User(u.User.Username()).String()
		if _, has := u.User.Password(); has {
			user += ":password"
		}
		user += "@"
	}
	text := "mysql://" + user + u.Host + "/NAME"
	sep := "?"
	for _, name := range []string{"socket", "tls"} { // others may be the rest of a password
		if v := u.Query().Get(name); v != "" {
			text += sep + name + "=" + v
			sep = "&"
		}
	}
	return text
}
