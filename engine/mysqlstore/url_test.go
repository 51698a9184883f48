package mysqlstore

import (
	"context"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/dsengine/dsengine/engine"
)

func TestURLsThatCannotBeUsedAreToldWithoutTheirPassword(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"mysql://root@host:3306":              "the database URL names no database: mysql://root@host:3306/NAME",
		"mysql://root:hunter2@host/":          "the database URL names no database: mysql://root:password@host/NAME",
		"mysql://root:hunter2@/?socket=/x":    "the database URL names no database: mysql://root:password@/NAME?socket=/x",
		"mysql://root:hunter2@host:x/name":    "the port in the database URL is no number from 1 to 65535",
		"mysql://root:hunter2@host:hunter2":   "the port in the database URL is no number from 1 to 65535",
		"mysql://root:hunter2@host:0/name":    "the port in the database URL is no number from 1 to 65535",
		"mysql://root:hunter2@[::1]:70000/n":  "the port in the database URL is no number from 1 to 65535",
		"mysql://root:1@2:hunter2@host/name":  "", // its @ need not be encoded
		"mysql://root:a/hunter2@host:33x/n":   "the port in the database URL is no number from 1 to 65535",
		"mysql://root:hunter2/name":           "the database URL cannot be read",
		"mysql://root:hunter2@host/n?timeout": `the database URL has an option "timeout" that is not known: socket and tls are`,
		"mysql://host/name":                   "the database URL names no user: mysql://USER:PASSWORD@host/name",
		"mysql://root:hunter2@[::1]:3306/n":   "",
		"mysql://root:hunter2@host:/n":        "",
		"mysql://root:x@ss?w=hunter2@host/n":  "the database URL cannot be read",
		"mysql://root@host/?tls=true":         "the database URL names no database: mysql://root@host/NAME?tls=true",
		"mysql://root@/n?socket=@dsengine:x":  "",
		"mysql://root@[::1]/n":                "",
	} {
		cfg, err := parseURL(raw)
		if strings.Contains(raw, "[::1]") && err == nil && cfg.Addr != "[::1]:3306" {
			t.Errorf("%s: its address is %s", raw, cfg.Addr)
		}
		switch {
		case want == "" && err != nil || want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: got %v, want %s", raw, err, want)
		case err != nil && strings.Contains(err.Error()+engine.HintOf(err), "hunter2"):
			t.Errorf("%s: it shows the password: %v\n%s", raw, err, engine.HintOf(err))
		}
	}
}

func TestWhyAServerCannotBeReached(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for want, c := range map[string]struct {
		net string
		err error
	}{
		"no host of the name dbb.example is known here":     {"tcp", dial(&net.DNSError{Err: "no such host", Name: "dbb.example", IsNotFound: true})},
		"the name dbb.example could not be looked up":       {"tcp", dial(&net.DNSError{Err: "server misbehaving", Name: "dbb.example", IsTemporary: true})},
		"nothing listens there":                             {"tcp", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))},
		"nothing answers there":                             {"tcp", dial(context.DeadlineExceeded)},
		"it takes the connection, and then does not answer": {"tcp", context.DeadlineExceeded},
		"there is no such socket":                           {"unix", dial(os.NewSyscallError("connect", syscall.ENOENT))},
		"is it running, and is its address":                 {"tcp", dial(fs.ErrPermission)},
	} {
		err := unreachable(c.err, &mysql.Config{Net: c.net, Addr: "dbb.example:3306", User: "me", Passwd: "hunter2"})
		if hint := engine.HintOf(err); !strings.HasPrefix(hint, want) {
			t.Errorf("%v: got %q, want %q", c.err, hint, want)
		}
		if strings.Contains(err.Error()+engine.HintOf(err), "hunter2") {
			t.Errorf("it shows the password: %v", err)
		}
		if engine.CodeOf(err) != engine.CodeUnreachable {
			t.Errorf("%v: code %s", c.err, engine.CodeOf(err))
		}
	}
}
