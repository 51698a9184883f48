package hostlib

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

var sftpModule = &Module{
	Name: "sftp",
	Doc: "Files on servers over SFTP. A server is known by its host key: by the fingerprint that the connection has, or by the known_hosts of the user that dsengine runs as. " +
		"Private addresses only where the operator names the server, or needs the host itself, and the port if it is not 22; this machine and its link only where the operator names the server, or needs the address.",
	Funcs: []*Func{remoteConnect("sftp", "Connects to an SFTP server.", "sftp://ada@files.example.com:2222/outgoing",
		"bank = sftp.connect(\"bank\")\nfor f in bank.list(\"outgoing/*.csv\"):\n    ctx.emit({\"path\": f.path}, key = f.path + \"@\" + f.modified, unique = \"forever\")",
		"local bank = sftp.connect(\"bank\")\nfor _, f in ipairs(bank.list(\"outgoing/*.csv\")) do\n  ctx.emit({path = f.path}, {key = f.path .. \"@\" .. f.modified, unique = \"forever\"})\nend",
		Param{Name: "key", Type: String, Default: None, Named: true, Doc: "with a URL: a private key, as the text of its file, such as secrets.get(\"files_key\")"},
		Param{Name: "passphrase", Type: String, Default: None, Named: true, Doc: "with a URL: the key's passphrase"},
		Param{Name: "fingerprint", Type: String, Default: None, Named: true, Doc: "with a URL: that of the server's host key, \"SHA256:...\" as ssh-keygen -l shows it; several are separated by spaces"},
	)},
}

// sftpSession speaks SFTP.
type sftpSession struct {
	s      *server
	client *sftp.Client
}

// sftpLogIn begins a session.
func sftpLogIn(ctx context.Context, s *server, l *line) (session, error) {
	auth, err := s.at.sshAuth()
	if err != nil {
		return nil, err
	}
	keys, err := newHostKeys(s)
	if err != nil {
		return nil, err
	}
	config := &ssh.ClientConfig{User: s.at.user, Auth: auth, HostKeyCallback: keys.check, HostKeyAlgorithms: hostKeyAlgorithms(), ClientVersion: "SSH-2.0-dsengine"}
	for {
		wire, err := s.dial(ctx, l, s.at.dialled())
		if err != nil {
			return nil, err
		}
		conn, channels, requests, err := ssh.NewClientConn(wire, s.at.dialled(), config)
		if err == nil {
			client, err := sftp.NewClient(ssh.NewClient(conn, channels, requests), sftp.UseConcurrentWrites(true))
			if err != nil {
				return nil, s.sshError(fmt.Errorf("begin sftp: %w", err))
			}
			return &sftpSession{s, client}, nil
		}
		wire.Close()
		var negotiation *ssh.AlgorithmNegotiationError
		switch {
		case keys.refused == nil || ctx.Err() != nil:
			return nil, s.sshError(err)
		case keys.stranger || len(keys.seen) > 0 && errors.As(err, &negotiation):
			return nil, keys.refused
		}
		// The server may have the key that we know among its others.
		left := slices.DeleteFunc(slices.Clone(config.HostKeyAlgorithms), keys.wasSeen)
		if len(left) == 0 || len(left) == len(config.HostKeyAlgorithms) {
			return nil, keys.refused
		}
		config.HostKeyAlgorithms = left
	}
}

// sshAuth is how the user is made known.
func (at *address) sshAuth() ([]ssh.AuthMethod, error) {
	var auth []ssh.AuthMethod
	if at.user == "" {
		return nil, at.setting("the URL names no user: write it like sftp://ada@%s", at.host)
	}
	if at.key != "" {
		signer, err := ssh.ParsePrivateKey([]byte(at.key))
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &locked) && at.passphrase == "":
			return nil, at.setting("the key is locked: give its passphrase too")
		case locked != nil:
			if signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(at.key), []byte(at.passphrase)); err != nil {
				return nil, at.setting("the passphrase does not unlock the key")
			}
		case err != nil:
			return nil, at.setting("key is no private key: it is the text of a file such as id_ed25519")
		}
		auth = append(auth, ssh.PublicKeys(signer))
	}
	if at.password != "" {
		auth = append(auth, ssh.Password(at.password), ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range questions {
				if !echos[i] {
					answers[i] = at.password
				}
			}
			return answers, nil
		}))
	}
	if len(auth) == 0 {
		return nil, at.setting("there is neither a password nor a key")
	}
	return auth, nil
}

// sshError is an error of the handshake.
func (s *server) sshError(err error) error {
	var negotiation *ssh.AlgorithmNegotiationError
	text := err.Error()
	switch {
	case strings.Contains(text, "unable to authenticate"), strings.Contains(strings.ToLower(text), "too many authentication failures"):
		return s.refused("auth", "the server refuses the user %q: the password or the key is wrong, or it takes neither (%v)", s.at.user, err)
	case errors.As(err, &negotiation):
		return s.refused("error", "the server and dsengine have no way of encryption in common: %v", err)
	case strings.Contains(text, "subsystem request failed"):
		return s.refused("error", "the server offers no SFTP to the user %q", s.at.user)
	}
	return err
}

// hostKeys decides whether a server is the one that it should be.
type hostKeys struct {
	s        *server
	pins     []string
	known    ssh.HostKeyCallback // where there are no pins
	seen     []ssh.PublicKey     // keys that it showed, none of which is known
	refused  error               // about the first of them
	stranger bool                // nothing is known about it at all
}

func newHostKeys(s *server) (*hostKeys, error) {
	k := &hostKeys{s: s}
	var err error
	if k.pins, err = s.at.pins(); err != nil || len(k.pins) > 0 {
		return k, err
	}
	files := s.c.Host.KnownHosts
	if s.at.knownHosts != "" {
		files = []string{s.at.knownHosts}
	} else {
		files = slices.DeleteFunc(slices.Clone(files), func(f string) bool {
			_, err := os.Stat(f)
			return errors.Is(err, fs.ErrNotExist)
		})
	}
	if k.known, err = knownhosts.New(files...); err != nil {
		return nil, s.at.setting("known_hosts cannot be read: %v", err)
	}
	return k, nil
}

// check is asked by the handshake.
func (k *hostKeys) check(host string, remote net.Addr, key ssh.PublicKey) error {
	shown := ssh.FingerprintSHA256(key)
	if slices.Contains(k.pins, shown) {
		return nil
	}
	is := fmt.Sprintf("its host key is %s %s", key.Type(), shown)
	line := fmt.Sprintf("fingerprint = %q", shown)
	var err error
	if len(k.pins) > 0 {
		err = k.s.refused("host_key", "%s, not %s: somebody may be in between, or the server has a new key; if its people say so, write %s in %s", is, strings.Join(k.pins, " or "), line, k.s.at.place)
	} else if err = k.known(host, remote, key); err == nil {
		return nil
	} else {
		var other *knownhosts.KeyError
		var revoked *knownhosts.RevokedError
		switch {
		case errors.As(err, &revoked):
			k.stranger = true
			err = k.s.refused("host_key", "%s, which is revoked in %s", is, &revoked.Revoked)
		case errors.As(err, &other) && len(other.Want) == 0:
			k.stranger = true
			err = k.s.refused("host_key", "nobody vouches for it: %s; ask its people whether that is so, and write %s in %s, or add the server to known_hosts: %s", is, line, k.s.at.place, knownhosts.Line([]string{host}, key))
		case errors.As(err, &other):
			err = k.s.refused("host_key", "%s, but %s:%d has another one: somebody may be in between, or the server has a new key; if its people say so, correct that line, or write %s in %s", is, other.Want[0].Filename, other.Want[0].Line, line, k.s.at.place)
		default:
			err = k.s.refused("host_key", "%s, and %v", is, err)
		}
	}
	if k.seen = append(k.seen, key); k.refused == nil {
		k.refused = err
	}
	return err
}

// hostKeyAlgorithms are those of host keys, in the order in which OpenSSH asks for
// them, so that people see the same key there.
func hostKeyAlgorithms() []string {
	list := ssh.SupportedAlgorithms().HostKeys
	rank := func(algorithm string) int {
		return slices.IndexFunc([]string{"ed25519", "ecdsa", ""}, func(kind string) bool { return strings.Contains(algorithm, kind) })
	}
	slices.SortStableFunc(list, func(a, b string) int { return rank(a) - rank(b) })
	return list
}

// wasSeen says whether an algorithm is one of a key that the server has shown.
func (k *hostKeys) wasSeen(algorithm string) bool {
	kind := strings.NewReplacer("rsa-sha2-256", "ssh-rsa", "rsa-sha2-512", "ssh-rsa").Replace(algorithm)
	return slices.ContainsFunc(k.seen, func(key ssh.PublicKey) bool { return key.Type() == kind })
}

func orHere(p string) string {
	if p == "" {
		return "."
	}
	return p
}

func (f *sftpSession) stat(p string) (fs.FileInfo, error) { return f.client.Stat(orHere(p)) }

func (f *sftpSession) list(p string) ([]fs.FileInfo, error) { return f.client.ReadDir(orHere(p)) }

func (f *sftpSession) modified(string) (time.Time, error) { return time.Time{}, nil }

func (f *sftpSession) open(p string) (r io.ReadCloser, size int64, modified time.Time, err error) {
	file, err := f.client.Open(p)
	if err != nil {
		return nil, 0, modified, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, modified, err
	}
	return file, info.Size(), info.ModTime(), nil
}

func (f *sftpSession) store(p string, r io.Reader) error {
	file, err := f.client.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	buf := make([]byte, transferBuffer) // its parts are sent side by side
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if _, err := file.Write(buf[:n]); err != nil {
				file.Close()
				return err
			}
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return file.Close()
		default:
			file.Close()
			return err
		}
	}
}

func (f *sftpSession) rename(from, to string, replace bool) error {
	if _, ok := f.client.HasExtension("posix-rename@openssh.com"); ok && replace {
		return f.client.PosixRename(from, to)
	}
	return f.client.Rename(from, to)
}

func (f *sftpSession) remove(p string) error { return f.client.Remove(p) }

func (f *sftpSession) mkdir(p string) error { return f.client.Mkdir(p) }

func (f *sftpSession) alive() error {
	_, err := f.client.RealPath(".")
	return err
}

func (f *sftpSession) shared() bool { return true }

func (f *sftpSession) leave() {}

func (f *sftpSession) answered(err error) bool {
	var status *sftp.StatusError
	if errors.As(err, &status) {
		return status.FxCode() != sftp.ErrSSHFxNoConnection && status.FxCode() != sftp.ErrSSHFxConnectionLost
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}
