package hostlib_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// ftpServer is an FTP server for a folder, on 127.0.0.1. Its user is ada. What is
// not said in its fields it does as servers do.
type ftpServer struct {
	dir      string
	port     string
	tls      *tls.Config     // nil: it does not encrypt
	implicit bool            // it encrypts from the beginning
	without  map[string]bool // commands that it does not know
	// instead gives the answer to a command in the server's place, "" for none.
	instead func(command, arg string) string
	// send sends a file in the server's place; nil: as it is.
	send func(w io.Writer, f *os.File) error

	talks // connections for commands
}

const ftpPassword = "s3cr3t-password"

// newFTP starts a server.
func newFTP(t *testing.T, s *ftpServer) *ftpServer {
	t.Helper()
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	if s.implicit {
		l = tls.NewListener(l, s.tls)
	}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { s.serve(c) })
		}
	})
	return s
}

// certificate is one that is good for 127.0.0.1, which nobody vouches for, with
// its fingerprint.
func certificate(t *testing.T) (*tls.Config, string) {
	t.Helper()
	web := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	sum := sha256.Sum256(web.Certificate().Raw)
	return &tls.Config{Certificates: web.TLS.Certificates}, "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func (s *ftpServer) url() string { return "ftp://ada:" + ftpPassword + "@127.0.0.1:" + s.port }

// ftpTalk is one connection for commands.
type ftpTalk struct {
	s      *ftpServer
	conn   net.Conn
	r      *bufio.Reader
	user   string
	in     bool
	hidden bool // data is encrypted
	data   net.Listener
	from   string
}

func (s *ftpServer) serve(c net.Conn) {
	s.change(1)
	k := &ftpTalk{s: s, conn: c, r: bufio.NewReader(c)}
	defer func() {
		k.conn.Close()
		if k.data != nil {
			k.data.Close()
		}
		s.change(-1)
	}()
	k.say("220 ready")
	for {
		line, err := k.r.ReadString('\n')
		if err != nil {
			return
		}
		command, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if s.instead != nil {
			if answer := s.instead(command, arg); answer != "" {
				k.say(answer)
				continue
			}
		}
		if command == "QUIT" {
			k.say("221 bye")
			return
		}
		k.do(command, arg)
	}
}

func (k *ftpTalk) say(line string) { io.WriteString(k.conn, line+"\r\n") }

// at is where a path is on disk.
func (k *ftpTalk) at(p string) string {
	return filepath.Join(k.s.dir, filepath.FromSlash(path.Clean("/"+p)))
}

func (k *ftpTalk) do(command, arg string) {
	if k.s.without[command] {
		k.say("502 not implemented")
		return
	}
	switch command {
	case "AUTH":
		if k.s.tls == nil || k.s.implicit {
			k.say("502 no encryption here")
			return
		}
		k.say("234 go on")
		secure := tls.Server(k.conn, k.s.tls)
		k.conn, k.r = secure, bufio.NewReader(secure)
		return
	case "USER":
		k.user = arg
		k.say("331 and the password?")
		return
	case "PASS":
		if k.in = k.user == "ada" && arg == ftpPassword; k.in {
			k.say("230 welcome")
		} else {
			k.say("530 Login incorrect.")
		}
		return
	}
	if !k.in {
		k.say("530 log in first")
		return
	}
	_, secure := k.conn.(*tls.Conn)
	info, err := os.Stat(k.at(arg))
	switch command {
	case "FEAT":
		k.say("211-Features:\r\n UTF8\r\n SIZE")
		if !k.s.without["MDTM"] {
			k.say(" MDTM")
		}
		if !k.s.without["MLST"] {
			k.say(" MLST type*;size*;modify*;")
		}
		k.say("211 End")
	case "OPTS", "TYPE", "NOOP":
		k.say("200 ok")
	case "PBSZ":
		k.say("200 PBSZ=0")
	case "PROT":
		if k.hidden = secure && arg == "P"; k.hidden {
			k.say("200 ok")
		} else {
			k.say("536 no")
		}
	case "EPSV", "PASV":
		if k.data != nil {
			k.data.Close()
		}
		k.data, _ = net.Listen("tcp", "127.0.0.1:0")
		port := k.data.Addr().(*net.TCPAddr).Port
		if command == "EPSV" {
			k.say(fmt.Sprintf("229 Entering Extended Passive Mode (|||%d|)", port))
		} else {
			// Another host: nobody is to go there.
			k.say(fmt.Sprintf("227 Entering Passive Mode (192,0,2,1,%d,%d)", port>>8, port&255))
		}
	case "MLST":
		if err != nil {
			k.say("550 no such file")
			return
		}
		k.say("250-Listing\r\n " + mlsx(info, path.Clean("/"+arg)) + "\r\n250 End")
	case "SIZE":
		if err != nil || info.IsDir() {
			k.say("550 no such file")
			return
		}
		k.say(fmt.Sprintf("213 %d", info.Size()))
	case "MDTM":
		if err != nil {
			k.say("550 no such file")
			return
		}
		k.say("213 " + info.ModTime().UTC().Format("20060102150405"))
	case "MLSD", "LIST":
		entries, err := os.ReadDir(k.at(arg))
		if err != nil {
			k.say("550 no such folder")
			return
		}
		k.transfer(func(c net.Conn) error {
			if command == "LIST" {
				io.WriteString(c, "total 7\r\n")
			}
			for _, e := range entries {
				info, err := e.Info()
				if err != nil {
					return err
				}
				line := mlsx(info, e.Name())
				if command == "LIST" {
					line = fmt.Sprintf("%s 1 ada ada %d %s %s", info.Mode(), info.Size(), info.ModTime().UTC().Format("Jan _2  2006"), e.Name())
				}
				io.WriteString(c, line+"\r\n")
			}
			return nil
		})
	case "RETR":
		f, err := os.Open(k.at(arg))
		if err != nil {
			k.say("550 no such file")
			return
		}
		defer f.Close()
		k.transfer(func(c net.Conn) error {
			if k.s.send != nil {
				return k.s.send(c, f)
			}
			_, err := io.Copy(c, f)
			return err
		})
	case "STOR":
		f, err := os.Create(k.at(arg))
		if err != nil {
			k.say("553 cannot be written")
			return
		}
		k.transfer(func(c net.Conn) error {
			_, err := io.Copy(f, c)
			f.Close()
			return err
		})
	case "RNFR":
		if err != nil {
			k.say("550 no such file")
			return
		}
		k.from = arg
		k.say("350 and to?")
	case "RNTO":
		if err == nil {
			k.say("553 there is one already")
			return
		}
		k.answer(os.Rename(k.at(k.from), k.at(arg)), "250 renamed")
	case "DELE":
		k.answer(os.Remove(k.at(arg)), "250 deleted")
	case "MKD":
		k.answer(os.Mkdir(k.at(arg), 0o755), "257 \"made\"")
	default:
		k.say("500 what?")
	}
}

func (k *ftpTalk) answer(err error, well string) {
	if err != nil {
		well = "550 no"
	}
	k.say(well)
}

// mlsx is a line of MLST and MLSD.
func mlsx(info os.FileInfo, name string) string {
	kind := "file"
	if info.IsDir() {
		kind = "dir"
	}
	return fmt.Sprintf("type=%s;size=%d;modify=%s; %s", kind, info.Size(), info.ModTime().UTC().Format("20060102150405"), name)
}

// transfer has f send or take data.
func (k *ftpTalk) transfer(f func(net.Conn) error) {
	if k.data == nil {
		k.say("425 no data connection")
		return
	}
	k.say("150 here it comes")
	k.data.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
	c, err := k.data.Accept()
	k.data.Close()
	k.data = nil
	if err == nil {
		if k.hidden {
			c = tls.Server(c, k.s.tls)
			err = c.(*tls.Conn).Handshake()
		}
		if err == nil {
			err = f(c)
		}
		c.Close()
	}
	if err != nil {
		k.say("426 the transfer broke off")
		return
	}
	k.say("226 done")
}
