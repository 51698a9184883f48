package hostlib_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// sftpServer is an SFTP server for a folder, on 127.0.0.1. Its user is ada.
type sftpServer struct {
	dir      string
	port     string
	keys     []ssh.Signer            // its host keys; none: one is made
	user     ssh.PublicKey           // the user's; nil: by password
	ask      bool                    // the password is asked for as if by a person
	handlers *sftp.Handlers          // instead of the folder
	wrap     func(net.Conn) net.Conn // what it does to its connections

	talks // connections
}

const sftpPassword = "s3cr3t-password"

func signer(t *testing.T, key any) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ed25519Key(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newSFTP starts a server.
func newSFTP(t *testing.T, s *sftpServer) *sftpServer {
	t.Helper()
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	if len(s.keys) == 0 {
		s.keys = []ssh.Signer{signer(t, ed25519Key(t))}
	}
	config := &ssh.ServerConfig{}
	for _, k := range s.keys {
		config.AddHostKey(k)
	}
	right := func(user, password string) (*ssh.Permissions, error) {
		if user != "ada" || password != sftpPassword {
			return nil, errors.New("no")
		}
		return nil, nil
	}
	switch {
	case s.user != nil:
		config.PublicKeyCallback = func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if c.User() != "ada" || string(key.Marshal()) != string(s.user.Marshal()) {
				return nil, errors.New("no")
			}
			return nil, nil
		}
	case s.ask:
		config.KeyboardInteractiveCallback = func(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, errors.New("no")
			}
			return right(c.User(), answers[0])
		}
	default:
		config.PasswordCallback = func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return right(c.User(), string(password))
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if s.wrap != nil {
				c = s.wrap(c)
			}
			open.Go(func() { s.serve(c, config) })
		}
	})
	return s
}

// fingerprint is that of the first host key.
func (s *sftpServer) fingerprint() string { return ssh.FingerprintSHA256(s.keys[0].PublicKey()) }

func (s *sftpServer) url() string { return "sftp://ada:" + sftpPassword + "@127.0.0.1:" + s.port }

func (s *sftpServer) serve(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	s.change(1)
	defer s.change(-1)
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				ok := r.Type == "subsystem" && string(r.Payload[4:]) == "sftp"
				r.Reply(ok, nil)
				if !ok {
					continue
				}
				go func() {
					defer channel.Close()
					if s.handlers != nil {
						sftp.NewRequestServer(channel, *s.handlers).Serve()
						return
					}
					server, err := sftp.NewServer(channel, sftp.WithServerWorkingDirectory(s.dir))
					if err != nil {
						return
					}
					if err := server.Serve(); err != nil && err != io.EOF {
						return
					}
				}()
			}
		}()
	}
}
