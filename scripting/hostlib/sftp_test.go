package hostlib_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

func TestServersAreKnownByTheirHostKeys(t *testing.T) {
	t.Parallel()
	small, large := ed25519Key(t), rsaKey(t)
	s := newSFTP(t, &sftpServer{keys: []ssh.Signer{signer(t, small), signer(t, large)}})
	first, second := ssh.FingerprintSHA256(s.keys[0].PublicKey()), ssh.FingerprintSHA256(s.keys[1].PublicKey())
	other := signer(t, ed25519Key(t)).PublicKey()
	at := "127.0.0.1:" + s.port
	line := func(key ssh.PublicKey) string { return knownhosts.Line([]string{at}, key) + "\n" }
	hashed := knownhosts.HashHostname("[127.0.0.1]:"+s.port) + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.keys[1].PublicKey()))) + "\n"
	for _, c := range []struct {
		name, args, known, want string
	}{
		{"the first key", "fingerprint = " + quote(first), "", ""},
		{"another one of its keys", "fingerprint = " + quote(second), "", ""},
		{"one of several", "fingerprint = " + quote(ssh.FingerprintSHA256(other)+" "+second), "", ""},
		{"another key", "fingerprint = " + quote(ssh.FingerprintSHA256(other)), line(s.keys[0].PublicKey()),
			"sftp.host_key: sftp.connect: 127.0.0.1: its host key is ssh-ed25519 " + first + ", not " + ssh.FingerprintSHA256(other) + `: somebody may be in between, or the server has a new key; if its people say so, write fingerprint = "` + first + `" in sftp.connect(...)`},
		{"known_hosts", "", line(s.keys[0].PublicKey()), ""},
		{"another one of its keys in known_hosts", "", line(s.keys[1].PublicKey()), ""},
		{"known_hosts with hashed names", "", hashed, ""},
		{"another key in known_hosts", "", line(other), "sftp.host_key: sftp.connect: 127.0.0.1: its host key is ssh-ed25519 " + first + ", but KNOWN:1 has another one: somebody may be in between"},
		{"a revoked key", "", line(s.keys[1].PublicKey()) + "@revoked " + line(s.keys[0].PublicKey()), "sftp.host_key: sftp.connect: 127.0.0.1: its host key is ssh-ed25519 " + first + ", which is revoked in KNOWN:2"},
		{"nothing is known", "", line(other)[:0], "sftp.host_key: sftp.connect: 127.0.0.1: nobody vouches for it: its host key is ssh-ed25519 " + first + `; ask its people whether that is so, and write fingerprint = "` + first + `" in sftp.connect(...), or add the server to known_hosts: ` + strings.TrimSpace(line(s.keys[0].PublicKey()))},
		{"a known_hosts that is none", "", "rubbish\n", "sftp.settings: sftp.connect: sftp.connect(...): known_hosts cannot be read: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			known := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(known, []byte(c.known), 0o600); err != nil {
				t.Fatal(err)
			}
			w.Host.KnownHosts = []string{filepath.Join(t.TempDir(), "none"), known}
			body := fmt.Sprintf("sftp.connect(item, %s)", c.args)
			if c.want == "" {
				if j := askAs(t, w, `"sftp:127.0.0.1"`, s.url(), body); j.Error != nil {
					t.Error(j.Error.Message)
				}
				return
			}
			err := caught(t, w, `"sftp:127.0.0.1"`, s.url(), body)
			if got := strings.ReplaceAll(err.Code+": "+err.Message, known, "KNOWN"); !strings.HasPrefix(got, c.want) || err.Retryable {
				t.Errorf("got  %s, retryable %v\nwant %s", got, err.Retryable, c.want)
			}
		})
	}
}

func TestHowUsersOfSFTPLogIn(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := func(block *pem.Block, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(block))
	}
	open := text(ssh.MarshalPrivateKey(key, ""))
	locked := text(ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("opensesame")))
	stranger := text(ssh.MarshalPrivateKey(ed25519Key(t), ""))
	byKey := newSFTP(t, &sftpServer{user: signer(t, key).PublicKey()})
	asked := newSFTP(t, &sftpServer{ask: true})
	give := func(s string) func() (string, error) { return func() (string, error) { return s, nil } }
	for _, c := range []struct {
		name string
		s    *sftpServer
		how  hostlib.Remote
		want string
	}{
		{"a key", byKey, hostlib.Remote{Key: give(open)}, ""},
		{"a locked key", byKey, hostlib.Remote{Key: give(locked), Passphrase: give("opensesame")}, ""},
		{"a key and a password", byKey, hostlib.Remote{Key: give(open), Password: give("x")}, ""},
		{"without the passphrase", byKey, hostlib.Remote{Key: give(locked)}, "sftp.settings: sftp.connect: [connections.bank] of dsengine.toml: the key is locked: give its passphrase too"},
		{"with another passphrase", byKey, hostlib.Remote{Key: give(locked), Passphrase: give("closed")}, "sftp.settings: sftp.connect: [connections.bank] of dsengine.toml: the passphrase does not unlock the key"},
		{"another's key", byKey, hostlib.Remote{Key: give(stranger)}, `sftp.auth: sftp.connect: bank: the server refuses the user "ada"`},
		{"a password for a server that takes keys", byKey, hostlib.Remote{Password: give(sftpPassword)}, `sftp.auth: sftp.connect: bank: the server refuses the user "ada"`},
		{"a password that is asked for", asked, hostlib.Remote{Password: give(sftpPassword)}, ""},
		{"a wrong one", asked, hostlib.Remote{Password: give("wr0ng")}, `sftp.auth: sftp.connect: bank: the server refuses the user "ada"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			c.how.URL, c.how.Fingerprint = "sftp://ada@127.0.0.1:"+c.s.port, c.s.fingerprint()
			named(w, "bank", c.how)
			j := askAs(t, w, `"sftp:bank"`, "bank", `return sftp.connect(item).exists("x")`)
			if got := outcome(j, "-"); c.want == "" && got != "false" || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
