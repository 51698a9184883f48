package hostlib

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/pkg/sftp"
)

// Remote is how the operator says that a server of files is reached.
type Remote struct {
	URL        string                 // sftp://user@host:22/folder, ftp://user:password@host, ftps://...
	Password   func() (string, error) // asked for when it is needed; nil: that of the URL
	Key        func() (string, error) // a private key, for sftp; nil: none
	Passphrase func() (string, error) // of the key; nil: none
	// Fingerprint is that of the server's host key, or of its certificate:
	// "SHA256:...", several separated by spaces. "": of KnownHosts, or of whom the
	// system trusts.
	Fingerprint string
	KnownHosts  string // a file as OpenSSH has it; "": those of the Host
	TLS         string // one of tlsModes, for ftp; "": as the URL says, or "starttls"
}

// address is where a server is, and who asks for it. Two that are the same share
// their sessions.
type address struct {
	kind        string // "sftp" or "ftp"
	name        string // of the connection, or of the host, for messages
	host, port  string
	folder      string // paths start there; "": where the server puts its users
	user        string
	password    string
	key         string
	passphrase  string
	fingerprint string
	knownHosts  string
	tls         string
	reach       reach  // where it may be
	place       string // where its settings stand, for messages
	timeout     time.Duration
}

// logIns are how sessions begin, by the kind of the server.
var logIns = map[string]func(ctx context.Context, s *server, l *line) (session, error){"sftp": sftpLogIn, "ftp": ftpLogIn}

// connect connects to a server: one that the operator has named, or that of a
// URL.
func (c *Call) connect(kind string, a *Args) (Value, error) {
	at := address{kind: kind, timeout: a.Duration("timeout")}
	if at.timeout < time.Millisecond {
		return nil, Errorf("usage", "timeout must be at least \"1ms\"")
	}
	given := []string{}
	for _, p := range a.f.Params {
		if p.Named && p.Name != "timeout" && a.Given(p.Name) {
			given = append(given, p.Name)
		}
	}
	var err error
	if name := a.String("name"); strings.Contains(name, "://") {
		err = c.connectURL(&at, name, a)
	} else if len(given) > 0 {
		err = Errorf("usage", "%s stands in [connections.%s] of dsengine.toml, not in the script; with a URL it may stand here", given[0], name)
	} else {
		err = c.connectNamed(&at, name)
	}
	if err != nil {
		return nil, err
	}
	if have := c.servers[at]; have != nil {
		return have, nil
	}
	s := &server{c: c, at: at, all: map[*login]struct{}{}}
	l, err := s.take()
	if err != nil {
		return nil, err
	}
	s.give(l, nil)
	if c.servers == nil {
		c.servers = map[address]*server{}
	}
	c.servers[at] = s
	c.keep(s)
	return s, nil
}

// connectURL reads the arguments where a script says itself what it connects to.
func (c *Call) connectURL(at *address, text string, a *Args) error {
	at.place = at.kind + ".connect(...)"
	if err := at.read(text); err != nil {
		return err
	}
	at.name = at.host
	for name, to := range map[string]*string{
		"password": &at.password, "key": &at.key, "passphrase": &at.passphrase, "fingerprint": &at.fingerprint, "tls": &at.tls,
	} {
		if a.f.Param(name) != nil && a.Given(name) {
			*to = a.String(name)
		}
	}
	port := at.port
	at.settle()
	var err error
	at.reach, err = c.Needs.host(at.kind, at.host, at.port, port != "", c.instance())
	return err
}

// connectNamed asks the operator's settings.
func (c *Call) connectNamed(at *address, name string) error {
	at.name, at.reach, at.place = name, reach{all: true}, fmt.Sprintf("[connections.%s] of dsengine.toml", name)
	if _, err := c.Needs.host(at.kind, strings.ToLower(name), "", false, c.instance()); err != nil {
		return err
	}
	if c.Host.Remotes == nil {
		return Errorf(at.kind+".connection", "there is no connection %q: nothing names any here", name)
	}
	r, err := c.Host.Remotes(name)
	if err != nil {
		return err
	}
	at.tls, at.fingerprint, at.knownHosts = r.TLS, r.Fingerprint, r.KnownHosts
	if err := at.read(r.URL); err != nil {
		f := FailureOf(err)
		f.Code, f.Message = at.kind+".settings", fmt.Sprintf("the connection %q: %s", name, f.Message)
		f.Retryable = false
		return f
	}
	for _, secret := range []struct {
		what string
		from func() (string, error)
		to   *string
	}{{"password", r.Password, &at.password}, {"key", r.Key, &at.key}, {"passphrase", r.Passphrase, &at.passphrase}} {
		if secret.from == nil {
			continue
		}
		if *secret.to, err = secret.from(); err != nil {
			return Errorf(at.kind+".settings", "the connection %q: its %s cannot be had: %v", name, secret.what, err)
		}
	}
	if !at.anonymous() {
		for _, s := range []string{at.password, at.key, at.passphrase} {
			_ = c.Hook.Secret(s) // one that is too short to be struck out is struck out of our own messages
		}
	}
	at.settle()
	return nil
}

// defaultPorts are those of the servers.
var defaultPorts = map[string]string{"sftp": "22", "ftp": "21"}

// read takes the parts of a URL.
func (at *address) read(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return Errorf("usage", "it is no URL: %v", hideURL(err))
	}
	switch {
	case u.Scheme == "ftps" && at.kind == "ftp":
		at.tls = "tls"
	case u.Scheme != at.kind:
		return Errorf("usage", "%s begins with neither %s", shownURL(u), map[string]string{"sftp": "sftp:// nor the name of a connection", "ftp": "ftp:// nor ftps://"}[at.kind])
	}
	if at.host, err = hostName(u.Hostname()); err == errNumber {
		return Errorf("usage", "%s: its host %v", shownURL(u), err)
	} else if err != nil || at.host == "" {
		return Errorf("usage", "%s names no host", shownURL(u))
	}
	at.port, at.user = u.Port(), u.User.Username()
	if password, ok := u.User.Password(); ok {
		at.password = password
	}
	for name, values := range u.Query() {
		switch {
		case name == "fingerprint":
			at.fingerprint = strings.ReplaceAll(strings.Join(values, " "), " ", "+") // a plus is a space there
			at.fingerprint = strings.ReplaceAll(at.fingerprint, "+SHA256:", " SHA256:")
		case name == "tls" && at.kind == "ftp":
			at.tls = values[0]
		default:
			return Errorf("usage", "%s has a parameter %q that is none%s", shownURL(u), name, Suggest(name, []string{"fingerprint", "tls"}))
		}
	}
	folder := u.Path
	if below, ok := strings.CutPrefix(folder, "/~/"); ok {
		folder = strings.TrimPrefix(below, "/")
	}
	if folder != "" && folder != "/" {
		if at.folder = strings.TrimSuffix(folder, "/"); strings.ContainsFunc(folder, isControl) {
			return Errorf("usage", "%s has a folder with a line end or another character that no path here can", shownURL(u))
		}
	}
	return nil
}

// settle fills in what is the same for all.
func (at *address) settle() {
	if at.kind == "ftp" && at.tls == "" {
		at.tls = "starttls"
	}
	if at.kind == "ftp" && at.user == "" {
		at.user = "anonymous"
	}
	if at.anonymous() && at.password == "" {
		at.password = "anonymous"
	}
	if at.port == "" {
		if at.port = defaultPorts[at.kind]; at.tls == "tls" {
			at.port = "990"
		}
	}
}

// anonymous says that anybody may log in so, and that the password is none.
func (at *address) anonymous() bool {
	return at.kind == "ftp" && (at.user == "anonymous" || at.user == "ftp" || at.user == "")
}

// dialled is the address as it is dialled.
func (at *address) dialled() string { return net.JoinHostPort(at.host, at.port) }

// pins are the fingerprints that the server may have.
func (at *address) pins() ([]string, error) {
	pins := strings.Fields(at.fingerprint)
	for i, p := range pins {
		if !strings.HasPrefix(p, "SHA256:") || len(p) < 20 {
			return nil, at.setting("fingerprint: %q is none; write it like \"SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\"", p)
		}
		pins[i] = strings.TrimRight(p, "=")
	}
	return pins, nil
}

// setting is the error about a setting that is wrong.
func (at *address) setting(format string, args ...any) error {
	f := Errorf(at.kind+".settings", "%s: %s", at.place, fmt.Sprintf(format, args...))
	f.Retryable = false
	return f
}

// refused is an error that another attempt would meet again.
func (s *server) refused(code, format string, args ...any) *engine.Failure {
	f := s.failure(code, "", format, args...)
	f.Retryable = false
	return f
}

// failure makes an error about the server, or a path on it.
func (s *server) failure(code, p, format string, args ...any) *engine.Failure {
	where := s.at.name
	if p != "" {
		where = fmt.Sprintf("%q on %s", p, s.at.name)
	}
	text := fmt.Sprintf(format, args...)
	if !s.at.anonymous() {
		text = hide(text, []string{s.at.password, s.at.passphrase})
	}
	return Errorf(s.at.kind+"."+code, "%s: %s", where, text)
}

// explain says in words why an operation failed. p is the path, or "".
func (s *server) explain(p string, err error) error {
	if err == nil {
		return nil
	}
	if s.c.Context().Err() != nil {
		return context.Cause(s.c.Context())
	}
	var f *engine.Failure
	if errors.As(err, &f) || Decided(err) {
		return err
	}
	f = s.why(p, err)
	f.Cause = err
	return f
}

// why is the failure that an error is.
func (s *server) why(p string, err error) *engine.Failure {
	var private *privateError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var answer *textproto.Error
	var status *sftp.StatusError
	switch {
	case errors.Is(err, errNoAnswer):
		return s.failure("timeout", p, "nothing came for %s", engine.FormatDuration(s.at.timeout))
	case errors.Is(err, errTooMuch):
		return s.failure("size", p, "the server answered with more than %d bytes", maxAnswer)
	case errors.Is(err, fs.ErrNotExist):
		return s.failure("missing", p, "there is no such file")
	case errors.Is(err, fs.ErrPermission):
		return s.failure("denied", p, "the server does not let it be used")
	case errors.As(err, &private):
		f := s.failure("needs", p, "%v", private)
		f.Code, f.Retryable = "needs", false
		return f
	case errors.As(err, &dns):
		why, _, _ := noConnection(err)
		return s.failure("unreachable", p, "%s", why)
	case errors.As(err, &cert):
		return s.untrusted(cert)
	case errors.As(err, &answer):
		f := s.failure(fmt.Sprint(answer.Code), p, "the server answered %d %s", answer.Code, answer.Msg)
		f.Retryable = !slices.Contains(finalReplies, answer.Code)
		return f
	case errors.As(err, &status):
		return s.failure("error", p, "the server answered: %v", status)
	}
	return s.failure("unreachable", p, "the connection broke off: %v", err)
}
