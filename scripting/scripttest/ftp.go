package scripttest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ftpNet is where the FTP servers of tests are: addresses that nobody has.
const ftpNet = "192.0.2."

// ftpLine is a line to an FTP server of a test, which knows where that is.
type ftpLine struct {
	net.Conn
	at *net.TCPAddr
}

// RemoteAddr is the server's.
func (l ftpLine) RemoteAddr() net.Addr { return l.at }

// dialFTP connects to the server: to its port for commands, or to one for data.
func (s *server) dialFTP(port int) (net.Conn, error) {
	at := &net.TCPAddr{IP: net.ParseIP(s.address()), Port: port}
	if port == 21 {
		near, far := net.Pipe()
		k := &ftpTalk{s: s, conn: far}
		s.mu.Lock()
		s.talks[k] = struct{}{}
		s.mu.Unlock()
		go k.serve()
		return ftpLine{near, at}, nil
	}
	s.mu.Lock()
	data := s.data[port]
	delete(s.data, port)
	s.mu.Unlock()
	if data == nil {
		return nil, net.ErrClosed
	}
	near, err := data.dial()
	if err != nil {
		return nil, err
	}
	return ftpLine{near, at}, nil
}

// address is where the server is.
func (s *server) address() string { return fmt.Sprintf("%s%d", ftpNet, s.number) }

// ftpTalk is one connection for commands.
type ftpTalk struct {
	s    *server
	conn net.Conn
	data *pipes // for the next transfer; nil: none was asked for
	port int
	from string // of a rename
}

func (k *ftpTalk) say(format string, args ...any) { fmt.Fprintf(k.conn, format+"\r\n", args...) }

// drop forgets the port for data.
func (k *ftpTalk) drop() {
	if k.data == nil {
		return
	}
	k.data.Close()
	k.s.mu.Lock()
	delete(k.s.data, k.port)
	k.s.mu.Unlock()
	k.data = nil
}

// serve speaks FTP until the other side ends it.
func (k *ftpTalk) serve() {
	defer func() {
		k.conn.Close()
		k.drop()
		k.s.mu.Lock()
		delete(k.s.talks, k)
		k.s.mu.Unlock()
	}()
	k.say("220 ready")
	lines := bufio.NewScanner(k.conn)
	for lines.Scan() {
		command, arg, _ := strings.Cut(strings.TrimRight(lines.Text(), "\r"), " ")
		if command == "QUIT" {
			k.say("221 bye")
			return
		}
		k.do(command, arg)
	}
}

func (k *ftpTalk) do(command, arg string) {
	root, name := k.s.root, local(arg)
	info, err := root.Stat(name)
	switch command {
	case "USER":
		k.say("331 and the password?")
	case "PASS":
		k.say("230 welcome")
	case "FEAT":
		k.say("211-Features:\r\n UTF8\r\n MDTM\r\n SIZE\r\n MLST type*;size*;modify*;\r\n211 End")
	case "OPTS", "TYPE", "NOOP":
		k.say("200 ok")
	case "EPSV":
		k.drop()
		k.data = newPipes()
		k.s.mu.Lock()
		k.s.ports++
		k.port = 1024 + k.s.ports%60_000
		k.s.data[k.port] = k.data
		k.s.mu.Unlock()
		k.say("229 Entering Extended Passive Mode (|||%d|)", k.port)
	case "MLST":
		if err != nil {
			k.say("550 no such file")
			return
		}
		k.say("250-Listing\r\n %s\r\n250 End", mlst(info, path.Clean("/"+arg)))
	case "SIZE":
		if err != nil || info.IsDir() {
			k.say("550 no such file")
			return
		}
		k.say("213 %d", info.Size())
	case "MLSD":
		entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(name))
		if err != nil {
			k.say("550 no such folder")
			return
		}
		k.transfer(func(c net.Conn) error {
			for _, e := range entries {
				if info, err := e.Info(); err == nil {
					if _, err := fmt.Fprintf(c, "%s\r\n", mlst(info, e.Name())); err != nil {
						return err
					}
				}
			}
			return nil
		})
	case "RETR":
		f, err := root.Open(name)
		if err != nil || info.IsDir() {
			k.say("550 no such file")
			return
		}
		defer f.Close()
		k.transfer(func(c net.Conn) error {
			_, err := io.Copy(c, f)
			return err
		})
	case "STOR":
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			k.say("553 it cannot be written")
			return
		}
		defer f.Close() // also if there was no connection for data
		k.transfer(func(c net.Conn) error {
			_, err := io.Copy(f, c)
			if err = cmp.Or(err, f.Close()); err == nil {
				err = k.s.touch(name)
			}
			return err
		})
	case "RNFR":
		if err != nil {
			k.say("550 no such file")
			return
		}
		k.from = name
		k.say("350 and to?")
	case "RNTO":
		if err == nil {
			k.say("553 there is one already")
			return
		}
		k.answer(root.Rename(k.from, name), "250 renamed")
	case "DELE":
		k.answer(root.Remove(name), "250 deleted")
	case "MKD":
		k.answer(root.Mkdir(name, 0o700), "257 \"made\"")
	default:
		k.say("502 not implemented")
	}
}

func (k *ftpTalk) answer(err error, well string) {
	if err != nil {
		well = "550 that cannot be done"
	}
	k.say("%s", well)
}

// mlst is what a server tells of a file.
func mlst(info fs.FileInfo, name string) string {
	kind := "file"
	if info.IsDir() {
		kind = "dir"
	}
	return fmt.Sprintf("type=%s;size=%d;modify=%s; %s", kind, info.Size(), info.ModTime().UTC().Format("20060102150405"), name)
}

// transfer has f send or take data.
func (k *ftpTalk) transfer(f func(net.Conn) error) {
	if k.data == nil {
		k.say("425 no connection for data")
		return
	}
	c, err := k.data.Accept()
	if err == nil {
		k.say("150 here it comes")
		err = f(c)
		c.Close()
	}
	k.drop()
	if err != nil {
		k.say("426 the transfer broke off")
		return
	}
	k.say("226 done")
}
