package hostlib_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dsengine/dsengine/scripting/hostlib"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// limited is a connection that breaks, or stands still, after it has sent so many
// bytes.
type limited struct {
	net.Conn
	mu    sync.Mutex
	left  int
	still chan struct{} // nil: it breaks; else closed when it stands still
	ended chan struct{}
	once  sync.Once
}

func (l *limited) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left -= len(b); l.left >= 0 {
		return l.Conn.Write(b)
	}
	if l.still != nil {
		l.once.Do(func() { close(l.still) })
		<-l.ended
	}
	l.Conn.Close()
	return 0, errors.New("broken")
}

// bigText is a file that is larger than what is read ahead.
var bigText = strings.Repeat("0123456789abcde\n", 1<<18)

// breaking starts a server of each kind that sends a file in part only.
func breaking(t *testing.T, how func(w io.Writer, f *os.File) error, wrap func(net.Conn) net.Conn) map[string]remote {
	f := newFTP(t, &ftpServer{send: how})
	s := newSFTP(t, &sftpServer{wrap: wrap})
	return map[string]remote{
		"ftp":  {"ftp", f.dir, f.url(), `tls = "none"`, &f.talks},
		"sftp": {"sftp", s.dir, s.url(), "fingerprint = " + quote(s.fingerprint()), &s.talks},
	}
}

func half(w io.Writer, f *os.File) error {
	_, err := io.CopyN(w, f, int64(len(bigText)/2))
	return err
}

// caught runs a body that must fail, and tells how.
func caught(t *testing.T, w *world.World, needs, url, body string) (err struct {
	Code, Message string
	Retryable     bool
}) {
	t.Helper()
	j := askAs(t, w, needs, url, "def body():\n    "+strings.ReplaceAll(body, "\n", "\n    ")+"\n_, err = catch(body)\nreturn err")
	if j.Error != nil {
		t.Errorf("%s: %s", body, j.Error.Message)
	} else if jerr := json.Unmarshal(j.Result, &err); jerr != nil {
		t.Errorf("%s: %v", body, jerr)
	}
	return err
}

func TestAFileThatDoesNotComeWholeFailsTheHook(t *testing.T) {
	t.Parallel()
	broken := func(w io.Writer, f *os.File) error {
		half(w, f)
		return errors.New("the disk is broken")
	}
	longer := func(w io.Writer, f *os.File) error {
		io.Copy(w, f)
		_, err := io.WriteString(w, "more")
		return err
	}
	cut := breaking(t, half, func(c net.Conn) net.Conn { return &limited{Conn: c, left: len(bigText) / 2} })
	for _, c := range []struct {
		name string
		r    remote
		want []string
	}{
		{"a server that says all is well", cut["ftp"], []string{"ftp.truncated", "it ended after 2097152 of 4194304 bytes"}},
		{"a server that says it broke off", breaking(t, broken, nil)["ftp"], []string{"ftp.426", "the server answered 426 the transfer broke off, after 2097152 bytes of 4194304"}},
		{"a file that grows", breaking(t, longer, nil)["ftp"], []string{"ftp.changed", "somebody still writes it"}},
		{"a connection that breaks", cut["sftp"], []string{"sftp.unreachable", " bytes of 4194304"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			c.r.file(t, "big.txt", bigText)
			for _, body := range []string{
				"for line in files.lines(s.open('big.txt')): pass",
				"s.get('big.txt', 'big.txt')",
				"files.write('big.txt', s.open('big.txt'))",
			} {
				if err := caught(t, w, c.r.needs(), c.r.url, c.r.script(body)); err.Code != c.want[0] || !strings.Contains(err.Message, c.want[1]) || !err.Retryable {
					t.Errorf("%s: got %+v, want %q", body, err, c.want)
				}
			}
			if got := tree(t, w.Files); got != "" {
				t.Errorf("left behind: %.100s", got)
			}
		})
	}
}

func TestAFileThatIsNotReadToItsEndHoldsNothing(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		r.file(t, "big.txt", bigText)
		j := askAs(t, w, r.needs(), r.url, r.script(`
for i in range(10):
    eq([line for line in iter.take(files.lines(s.open("big.txt")), 1)], ["0123456789abcde"])
eq(len([line for line in files.lines(s.open("big.txt"))]), 262144)
`))
		if j.Error != nil {
			t.Error(j.Error.Message)
		}
		r.empties(t)
	})
}

func TestManyFilesAtOnce(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		w.Host.Leaks = hostlib.LeaksWarn // they are left open here
		r.file(t, "big.txt", bigText)
		j := askAs(t, w, r.needs(), r.url, r.script(`open = [files.lines(s.open("big.txt")) for i in range(40)]`))
		if r.kind == "sftp" && j.Error != nil || r.kind == "ftp" && (j.Error == nil || !strings.Contains(j.Error.Message, "16 files of 127.0.0.1 are open at once: read each to its end")) {
			t.Errorf("got %+v", j.Error)
		}
		j = askAs(t, w, r.needs(), r.url, r.script(`
open = [files.lines(s.open("big.txt")) for i in range(5)]
s.put("copy.txt", s.open("big.txt"))
eq(s.open("copy.txt").size, `+fmt.Sprint(len(bigText))+`)
`))
		if j.Error != nil {
			t.Error(j.Error.Message)
		}
	})
}

func TestAHookThatMustEndWaitsForNoServer(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	defer close(ended)
	stand := breaking(t, func(w io.Writer, f *os.File) error {
		half(w, f)
		<-ended
		return nil
	}, func(c net.Conn) net.Conn {
		return &limited{Conn: c, left: len(bigText) / 2, still: make(chan struct{}), ended: ended}
	})
	silent := func(t *testing.T) string { // it lets everybody in and says nothing
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			var held []net.Conn
			for {
				c, err := l.Accept()
				if err != nil {
					break
				}
				held = append(held, c)
			}
			for _, c := range held {
				c.Close()
			}
		}()
		return l.Addr().String()
	}
	read := "for line in files.lines(s.open('big.txt')): pass"
	for kind, r := range stand {
		r.file(t, "big.txt", bigText)
		for _, c := range []struct {
			name, url, args, body, setting, code string
		}{
			{"reading, by the hook's timeout", r.url, r.args, read, `timeout = "500ms"`, "timeout"},
			{"reading, by the server's", r.url, r.args + `, timeout = "500ms"`, read, `timeout = "1h"`, kind + ".timeout"},
			{"fetching, by the server's", r.url, r.args + `, timeout = "500ms"`, "s.get('big.txt', 'x')", `timeout = "1h"`, kind + ".timeout"},
			{"connecting, by the hook's timeout", kind + "://ada:pass@" + silent(t), r.args, "pass", `timeout = "500ms"`, "timeout"},
			{"connecting, by the server's", kind + "://ada:pass@" + silent(t), r.args + `, timeout = "500ms"`, "pass", `timeout = "1h"`, kind + ".timeout"},
		} {
			t.Run(kind+" "+c.name, func(t *testing.T) {
				w := world.New(t)
				began := time.Now()
				w.Script("job", fmt.Sprintf("job(needs = [%s], retry = retry(max = 1), %s)\ndef consume(ctx, item):\n    s = %s.connect(item, %s)\n    %s\n", r.needs(), c.setting, kind, c.args, c.body))
				j := w.Do("job", quote(c.url))
				if j.Error == nil || j.Error.Code != c.code {
					t.Errorf("got %+v, want %s", j.Error, c.code)
				}
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

func TestServersThatCannotBeReached(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	s, f := newSFTP(t, &sftpServer{}), newFTP(t, &ftpServer{})
	full := newFTP(t, &ftpServer{instead: func(command, _ string) string {
		if command == "PASS" {
			return "530 Sorry, the maximum number of clients is connected"
		}
		return ""
	}})
	gone := newFTP(t, &ftpServer{instead: func(command, _ string) string {
		if command == "USER" {
			return "421 try later"
		}
		return ""
	}})
	port22 := newFTP(t, &ftpServer{instead: func(command, _ string) string {
		if command == "EPSV" {
			return "229 Entering Extended Passive Mode (|||22|)"
		}
		return ""
	}})
	config, print := certificate(t)
	secure := newFTP(t, &ftpServer{tls: config})
	w.Host.SetResolver(answering(t, "127.0.0.1"))
	plain := `, tls = "none"`
	for _, c := range []struct {
		name, needs, call, want string
		retryable               bool
	}{
		{"nobody there", `"sftp:127.0.0.1"`, `sftp.connect("sftp://ada:pass@` + nobody + `")`, "sftp.unreachable: sftp.connect: 127.0.0.1: the connection broke off: dial tcp", true},
		{"nobody there, ftp", `"ftp:127.0.0.1"`, `ftp.connect("ftp://ada:pass@` + nobody + `")`, "ftp.unreachable: ftp.connect: 127.0.0.1: the connection broke off: dial tcp", true},
		{"wrong password", `"sftp:127.0.0.1"`, `sftp.connect("` + strings.Replace(s.url(), sftpPassword, "wr0ng", 1) + `", fingerprint = "` + s.fingerprint() + `")`, `sftp.auth: sftp.connect: 127.0.0.1: the server refuses the user "ada"`, false},
		{"wrong password, ftp", `"ftp:127.0.0.1"`, `ftp.connect("` + f.url() + `", password = "wr0ng"` + plain + `)`, `ftp.auth: ftp.connect: 127.0.0.1: the server refuses the user "ada": 530 Login incorrect.`, false},
		{"too many users", `"ftp:127.0.0.1"`, `ftp.connect("` + full.url() + `"` + plain + `)`, `ftp.busy: ftp.connect: 127.0.0.1: the server lets nobody else in now`, true},
		{"not now", `"ftp:127.0.0.1"`, `ftp.connect("` + gone.url() + `"` + plain + `)`, `ftp.busy: ftp.connect: 127.0.0.1: the server lets nobody else in now`, true},
		{"another service", `"ftp:127.0.0.1"`, `ftp.connect("` + port22.url() + `"` + plain + `).list("*")`, `ftp.error: server.list: 127.0.0.1: the server names port 22 for data, which is none for that`, true},
		{"no encryption", `"ftp:127.0.0.1"`, `ftp.connect("` + f.url() + `")`, `ftp.tls: ftp.connect: 127.0.0.1: the server offers no encryption (502 no encryption here): ask its people for it; tls = "none" in ftp.connect(...) would let everybody in between read the password and the files`, false},
		{"a certificate of nobody", `"ftp:127.0.0.1"`, `ftp.connect("` + secure.url() + `")`, `ftp.certificate: ftp.connect: 127.0.0.1: its certificate cannot be trusted: x509: certificate signed by unknown authority; if its people say that it is ` + print + `, write fingerprint = "` + print + `" in ftp.connect(...)`, false},
		{"another certificate", `"ftp:127.0.0.1"`, `ftp.connect("` + secure.url() + `", fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAA")`, `ftp.certificate: ftp.connect: 127.0.0.1: its certificate is ` + print + `, not SHA256:AAAAAAAAAAAAAAAAAAAA: somebody may be in between`, false},
		{"another protocol", `"sftp:127.0.0.1"`, `sftp.connect("sftp://ada:pass@127.0.0.1:` + f.port + `", timeout = "300ms")`, `sftp.timeout: sftp.connect: 127.0.0.1: nothing came for 300ms`, true},
		{"no needs", `"files:**"`, `sftp.connect("` + s.url() + `")`, `needs: sftp.connect: "127.0.0.1:` + s.port + `" is not among what job() says this script needs; add it there: needs = ["sftp:127.0.0.1:` + s.port + `"]`, false},
		{"no needs, default port", `"ftp:127.0.0.1"`, `sftp.connect("sftp://ada:pass@127.0.0.1")`, `needs: sftp.connect: "127.0.0.1" is not among what job() says this script needs; add it there: needs = ["sftp:127.0.0.1"]`, false},
		{"another port", `"sftp:127.0.0.1:1"`, `sftp.connect("` + s.url() + `")`, `needs: sftp.connect: "127.0.0.1:` + s.port + `" is not among`, false},
		{"a private address by a glob", `"sftp:127.*"`, `sftp.connect("` + s.url() + `")`, `needs: sftp.connect: 127.0.0.1: 127.0.0.1 is no public address; add the host itself, without a glob, to what job() says this script needs: needs = ["sftp:127.0.0.1"]`, false},
		{"a name that leads inside", `"ftp:*.example.com"`, `ftp.connect("ftp://ada:pass@rebind.example.com:` + f.port + `"` + plain + `)`, `needs: ftp.connect: rebind.example.com: "rebind.example.com" is at 127.0.0.1, which is this machine itself: no name stands for that; if it is meant, add the address, beside the host itself, to what job() says this script needs: needs = ["ftp:rebind.example.com", "ftp:127.0.0.1"]`, false},
		{"no user", `"sftp:127.0.0.1"`, `sftp.connect("sftp://127.0.0.1")`, `sftp.settings: sftp.connect: sftp.connect(...): the URL names no user: write it like sftp://ada@127.0.0.1`, false},
		{"no password", `"sftp:127.0.0.1"`, `sftp.connect("sftp://ada@127.0.0.1")`, `sftp.settings: sftp.connect: sftp.connect(...): there is neither a password nor a key`, false},
		{"no key", `"sftp:127.0.0.1"`, `sftp.connect("sftp://ada@127.0.0.1", key = "x")`, `sftp.settings: sftp.connect: sftp.connect(...): key is no private key`, false},
		{"no fingerprint", `"sftp:127.0.0.1"`, `sftp.connect("sftp://ada:pass@127.0.0.1", fingerprint = "ab:cd")`, `sftp.settings: sftp.connect: sftp.connect(...): fingerprint: "ab:cd" is none; write it like "SHA256:`, false},
		{"a wrong URL", `"sftp:127.0.0.1"`, `sftp.connect("ftp://ada:secret@127.0.0.1")`, `usage: sftp.connect: ftp://127.0.0.1 begins with neither sftp:// nor the name of a connection`, false},
		{"a wrong parameter", `"sftp:127.0.0.1"`, `sftp.connect("sftp://ada:secret@127.0.0.1?fingerprnt=x")`, `usage: sftp.connect: sftp://127.0.0.1?fingerprnt=x has a parameter "fingerprnt" that is none (did you mean "fingerprint"?)`, false},
		{"settings in the script", `"sftp:bank"`, `sftp.connect("bank", password = "x")`, `usage: sftp.connect: password stands in [connections.bank] of dsengine.toml, not in the script`, false},
		{"no connection", `"sftp:bank"`, `sftp.connect("bank")`, `sftp.connection: sftp.connect: there is no connection "bank"`, true},
		{"no needs for a connection", ``, `sftp.connect("Bank")`, `needs: sftp.connect: "bank" is not among what job() says this script needs; add it there: needs = ["sftp:bank"]`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := caught(t, w, c.needs, "x", c.call)
			if !strings.HasPrefix(err.Code+": "+err.Message, c.want) || err.Retryable != c.retryable {
				t.Errorf("got  %+v\nwant %s, retryable %v", err, c.want, c.retryable)
			}
			if strings.Contains(err.Message, "wr0ng") || strings.Contains(err.Message, "secret") {
				t.Errorf("it shows the password: %s", err.Message)
			}
		})
	}
}

func TestUploadsThatFailLeaveNothing(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		r.file(t, "in/a.csv", "old")
		w.File("bad.jsonl", strings.Repeat("{\"a\": 1}\n", 10)+"{")
		j := askAs(t, w, r.needs(), r.url, r.script(`s.put("in/a.csv", iter.map(lambda r: str(r), json.lines("bad.jsonl")))`))
		if j.Error == nil || j.Error.Code != "json.syntax" {
			t.Errorf("got %+v", j.Error)
		}
		if got := tree(t, r.dir); got != `in/a.csv="old"` {
			t.Errorf("got %s", got)
		}
	})
	for name, instead := range map[string]func(command, arg string) string{
		"it has fewer bytes": func(command, arg string) string {
			if command == "MLST" && strings.Contains(arg, ".dsengine-tmp-") {
				return "250-Listing\r\n type=file;size=3; /" + arg + "\r\n250 End"
			}
			return ""
		},
		"it lets nothing be renamed": func(command, arg string) string {
			if command == "RNFR" {
				return "502 no"
			}
			return ""
		},
		"its disk is full": func(command, arg string) string {
			if command == "STOR" {
				return "552 the disk is full"
			}
			return ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			s := newFTP(t, &ftpServer{instead: instead})
			r := remote{"ftp", s.dir, s.url(), `tls = "none"`, &s.talks}
			r.file(t, "in/a.csv", "old")
			w.File("a.csv", "id\n1\n")
			err := caught(t, w, r.needs(), r.url, r.script(`s.put("in/a.csv", "a.csv")`))
			want := map[string]string{"it has fewer bytes": "ftp.truncated", "it lets nothing be renamed": "ftp.502", "its disk is full": "ftp.552"}[name]
			if err.Code != want || err.Retryable != (want != "ftp.502") {
				t.Errorf("got %+v", err)
			}
			if got := tree(t, r.dir); got != `in/a.csv="old"` {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestWhatCrashesLeftOnServersIsSwept(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		r.file(t, "in/.dsengine-tmp-old-a.csv", "x")
		r.file(t, "in/.dsengine-tmp-new-a.csv", "y")
		r.file(t, "in/old.csv", "z")
		past := time.Now().Add(-8 * 24 * time.Hour)
		for _, name := range []string{"in/.dsengine-tmp-old-a.csv", "in/old.csv"} {
			if err := os.Chtimes(filepath.Join(r.dir, name), past, past); err != nil {
				t.Fatal(err)
			}
		}
		if j := askAs(t, w, r.needs(), r.url, r.script(`s.put("in/a.csv", ["new"])`)); j.Error != nil {
			t.Fatal(j.Error.Message)
		}
		if got, want := tree(t, r.dir), `in/.dsengine-tmp-new-a.csv="y" in/a.csv="new\n" in/old.csv="z"`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestSessionsServeTheWholeHook(t *testing.T) {
	t.Parallel()
	remotes(t, func(t *testing.T, w *world.World, r remote) {
		r.file(t, "a.csv", "id\n1\n")
		j := askAs(t, w, r.needs(), r.url, r.script(`
for i in range(5):
    again = `+r.kind+`.connect(item, `+r.args+`)
    eq(again.exists("a.csv"), True)
eq([str(s), s.name], ["<`+r.kind+` server 127.0.0.1>", "127.0.0.1"])
ctx.on_commit(s.move, "a.csv", "done/")
`))
		if j.Error != nil {
			t.Fatal(j.Error.Message)
		}
		if got := tree(t, r.dir); got != `done/a.csv="id\n1\n"` {
			t.Errorf("got %s", got)
		}
		r.empties(t)
	})
}

func TestASessionThatWasClosedMeanwhileIsBegunAnew(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var conns []net.Conn
	s := newSFTP(t, &sftpServer{wrap: func(c net.Conn) net.Conn {
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
		return c
	}})
	w := world.New(t)
	w.Host.SetRemoteIdle(time.Nanosecond)
	r := remote{"sftp", s.dir, s.url(), "fingerprint = " + quote(s.fingerprint()), &s.talks}
	r.file(t, "a.csv", "id\n1\n")
	w.Host.HTTP = closing(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
	})
	j := askAs(t, w, r.needs()+`, "http:example.com"`, r.url, r.script(`
eq(s.exists("a.csv"), True)
http.get("https://example.com/") # the server goes away, and comes again
eq(s.exists("a.csv"), True)
`))
	if j.Error != nil {
		t.Fatal(j.Error.Message)
	}
	if len(conns) != 2 {
		t.Errorf("%d connections", len(conns))
	}
}

func TestTheOperatorNamesServers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	s := newSFTP(t, &sftpServer{})
	r := remote{"sftp", s.dir, s.url(), "", &s.talks}
	r.file(t, "out/a.csv", "id\n1\n")
	secret := func() (string, error) { return sftpPassword, nil }
	url := "sftp://ada@127.0.0.1:" + s.port
	for _, c := range []struct {
		name   string
		remote hostlib.Remote
		want   string
	}{
		{"password", hostlib.Remote{URL: url, Password: secret, Fingerprint: s.fingerprint()}, ""},
		{"folder", hostlib.Remote{URL: url + "/~/out", Password: secret, Fingerprint: s.fingerprint()}, "sftp.missing"},
		{"whole folder", hostlib.Remote{URL: url + s.dir, Password: secret, Fingerprint: s.fingerprint()}, ""},
		{"all in the URL", hostlib.Remote{URL: s.url() + "/?fingerprint=" + s.fingerprint()}, ""},
		{"another's URL", hostlib.Remote{URL: "mysql://root@127.0.0.1/x"}, `sftp.settings: sftp.connect: the connection "bank": mysql://127.0.0.1/x begins with neither`},
		{"no password", hostlib.Remote{URL: url, Password: func() (string, error) { return "", errors.New("the file is gone") }}, `sftp.settings: sftp.connect: the connection "bank": its password cannot be had: the file is gone`},
	} {
		t.Run(c.name, func(t *testing.T) {
			named(w, "bank", c.remote)
			j := askAs(t, w, `"sftp:bank", "files:**"`, "bank", `
s = sftp.connect(item)
log.info("the password is `+sftpPassword+`")
return [r["id"] for r in csv.read(s.open("out/a.csv"))]`)
			if c.want == "" && string(j.Result) != `["1"]` || c.want != "" && !strings.HasPrefix(outcome(j, "-"), c.want) {
				t.Errorf("got %s, want %s", outcome(j, "-"), c.want)
			}
			if logs := strings.Join(w.Logs(j.ID), "\n"); strings.Contains(logs, sftpPassword) {
				t.Errorf("the log shows the password: %s", logs)
			}
		})
	}
	// What the operator denies, no script reaches.
	w.Host.Limits = &hostlib.Limits{From: "dsengine.toml: [needs]", Deny: []string{"sftp:bank"}}
	if errs := w.Loads("denied", `job(needs = ["sftp:bank"])`+"\ndef consume(ctx, item): pass\n"); len(errs) != 1 || !strings.Contains(errs[0], `"sftp:bank" is refused: dsengine.toml: [needs] deny = ["sftp:bank"] has it`) {
		t.Errorf("got %q", errs)
	}
	j := askAs(t, w, `"sftp:*"`, "bank", `sftp.connect(item)`)
	if got := outcome(j, "-"); !strings.HasPrefix(got, `needs.refused: sftp.connect: "sftp:bank" is refused`) {
		t.Errorf("got %s", got)
	}
}

// closing answers requests with nothing, and does something before.
func closing(f func()) tripper {
	return func(r *http.Request) (*http.Response, error) {
		f()
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
}
