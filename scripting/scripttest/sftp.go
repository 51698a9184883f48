package scripttest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// server is a server of files that scripts reach by sftp.connect(name), or by
// ftp.connect(name): a folder of the test's own, which speaks SFTP or FTP over a pipe.
type server struct {
	w      *world
	kind   string // "sftp" or "ftp"
	name   string
	dir    string
	root   *os.Root
	number int // among the servers of the test

	mu    sync.Mutex // of what follows: FTP's lines for commands, and ports for data
	talks map[*ftpTalk]struct{}
	data  map[int]*pipes
	ports int
}

// ObjectType is test_sftp or test_ftp.
func (s *server) ObjectType() *hostlib.ObjectType {
	if s.kind == "ftp" {
		return ftpType
	}
	return sftpType
}

var sftpType, ftpType = serverType("sftp"), serverType("ftp")

// serverType is the type of the servers that speak in one way.
func serverType(kind string) *hostlib.ObjectType {
	return &hostlib.ObjectType{
		Name: "test_" + kind, Doc: "A server of files, which scripts reach by " + kind + ".connect(name). It is empty at first.",
		Text:    func(v hostlib.Value) string { return "<" + kind + " server " + v.(*server).name + ">" },
		Methods: serverMethods("t." + kind + "(\"bank\")"),
	}
}

// serverMethods are their methods; bank is how examples call one.
func serverMethods(bank string) []*hostlib.Func {
	file := bank + ".file(\"out/a.csv\", \"id\\n1\\n\")"
	return []*hostlib.Func{
		method("file", "Puts a file on the server.", file, file,
			[]param{{Name: "path", Type: hostlib.String, Doc: "where, from the folder where scripts begin"}, {Name: "content", Type: hostlib.Text, Doc: "what is in it"}}, "",
			func(_ *hostlib.Call, s *server, a *hostlib.Args) (hostlib.Value, error) {
				return nil, s.put(a.String("path"), contentOf(a.Value("content")))
			}),
		method("read", "Gives what is in a file of the server.", file+"\n"+bank+".read(\"out/a.csv\")  # \"id\\n1\\n\"", file+"\n"+bank+".read(\"out/a.csv\")  -- \"id\\n1\\n\"",
			[]param{{Name: "path", Type: hostlib.String, Doc: "where, from the folder where scripts begin"}}, "string, or bytes if it is no UTF-8",
			func(_ *hostlib.Call, s *server, a *hostlib.Args) (hostlib.Value, error) {
				data, err := s.root.ReadFile(local(a.String("path")))
				if err != nil {
					return nil, hostlib.Errorf("file.missing", "the server %s has no file %q", s.name, a.String("path"))
				}
				return textOrBytes(data), nil
			}),
		method("files", "Lists the paths of all files of the server, sorted.", bank+".files()  # []", bank+".files()  -- {}", nil, "list of string",
			func(_ *hostlib.Call, s *server, _ *hostlib.Args) (hostlib.Value, error) {
				list := []hostlib.Value{}
				err := fs.WalkDir(s.root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
					if err == nil && !d.IsDir() {
						list = append(list, p)
					}
					return err
				})
				return list, err
			}),
	}
}

// contentOf is a text, or bytes.
func contentOf(v hostlib.Value) []byte {
	if b, ok := v.([]byte); ok {
		return b
	}
	return []byte(v.(string))
}

// local is a path of the server below its folder.
func local(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if p == "" {
		return "."
	}
	return filepath.FromSlash(p)
}

func (s *server) put(p string, data []byte) error {
	name := local(p)
	if err := s.root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if err := s.root.WriteFile(name, data, 0o600); err != nil {
		return err
	}
	return s.touch(name)
}

// touch has a file be of now, by the test's clock.
func (s *server) touch(name string) error {
	now := s.w.clock.Now()
	return s.root.Chtimes(name, now, now)
}

// server is the one of a name, made now if it is not there.
func (w *world) server(kind, name string) (*server, error) {
	if s := w.servers[name]; s != nil && s.kind != kind {
		return nil, hostlib.Errorf("usage", "name: %q is a server that speaks %s already, t.%s(%q): a connection has one name", name, s.kind, s.kind, name)
	} else if s != nil {
		return s, nil
	}
	if err := w.place(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(w.ground.dir.Path, kind+"-")
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	s := &server{w: w, kind: kind, name: name, dir: dir, root: root, number: len(w.servers) + 1, talks: map[*ftpTalk]struct{}{}, data: map[int]*pipes{}}
	w.servers[name] = s
	return s, nil
}

// close takes the server's files away, and ends all that speaks FTP.
func (s *server) close() error {
	s.mu.Lock()
	for k := range s.talks {
		k.conn.Close()
	}
	for port, data := range s.data {
		data.Close()
		delete(s.data, port)
	}
	s.mu.Unlock()
	return errors.Join(s.root.Close(), os.RemoveAll(s.dir))
}

// secret is every password of a server of tests. Nothing else has it: what scripts log in
// with is struck out of all that they tell.
const secret = "of-a-server-of-dsengine-test-3f9c1b7ae2d84c06"

// domain is where the servers of tests are; nobody else is there.
const domain = ".sftp.test"

// remote says how scripts reach a server that the test has made.
func (w *world) remote(name string) (*hostlib.Remote, error) {
	s := w.servers[name]
	if s == nil {
		message := "the script connects to " + name + ", which the test has not made: t.sftp(" + literal(name, 0) + ") or t.ftp(" + literal(name, 0) + ")"
		w.note(message)
		return nil, hostlib.Errorf("test.sftp", "%s", message)
	}
	if s.kind == "ftp" {
		return &hostlib.Remote{URL: "ftp://" + s.address() + "/", TLS: "none"}, nil
	}
	key, err := hostKey()
	if err != nil {
		return nil, err
	}
	return &hostlib.Remote{
		URL: "sftp://test@" + name + domain + "/", Fingerprint: ssh.FingerprintSHA256(key.PublicKey()),
		Password: func() (string, error) { return secret, nil },
	}, nil
}

// hostKey is that of all servers of tests.
var hostKey = sync.OnceValues(func() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
})

// dial connects to a server of the test, and to nobody else.
func (w *world) dial(_ context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && host == mailHost {
		return w.office().lines.dial()
	}
	for _, s := range w.servers {
		if s.kind == "ftp" && s.address() == host {
			n, err := strconv.Atoi(port)
			if err != nil {
				return nil, err
			}
			return s.dialFTP(n)
		}
	}
	s := w.servers[strings.TrimSuffix(host, domain)]
	if err != nil || s == nil || s.kind != "sftp" || !strings.HasSuffix(host, domain) {
		return nil, hostlib.Errorf("test.network", "a test has no network: nobody is at %s", address)
	}
	key, err := hostKey()
	if err != nil {
		return nil, err
	}
	config := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(key)
	near, far := net.Pipe()
	go s.serve(newEager(far), config)
	return near, nil
}

// eager is a connection whose writes do not wait for the reader: both sides of SSH
// begin by writing.
type eager struct {
	net.Conn
	mu     sync.Mutex
	closed bool
	sent   chan []byte
}

func newEager(c net.Conn) *eager {
	e := &eager{Conn: c, sent: make(chan []byte, 64)}
	go func() {
		for b := range e.sent {
			_, _ = e.Conn.Write(b) // of a line that is cut, the reads tell
		}
	}()
	return e
}

// Write has the bytes sent.
func (e *eager) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return 0, net.ErrClosed
	}
	e.sent <- append([]byte(nil), b...)
	return len(b), nil
}

// Close cuts the line.
func (e *eager) Close() error {
	err := e.Conn.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		close(e.sent)
	}
	return err
}

// serve speaks SFTP until the other side ends it.
func (s *server) serve(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range asked {
				_ = r.Reply(r.Type == "subsystem" && len(r.Payload) > 4 && string(r.Payload[4:]) == "sftp", nil)
			}
		}()
		go func() {
			defer channel.Close()
			_ = sftp.NewRequestServer(channel, sftp.Handlers{FileGet: s, FilePut: s, FileCmd: s, FileList: s}).Serve()
		}()
	}
}

// Fileread opens a file.
func (s *server) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	return s.root.Open(local(r.Filepath))
}

// written is a file that is being written.
type written struct {
	*os.File
	s    *server
	name string
}

// Close ends it.
func (f *written) Close() error { return errors.Join(f.File.Close(), f.s.touch(f.name)) }

// Filewrite makes a file.
func (s *server) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	name := local(r.Filepath)
	flags := os.O_RDWR | os.O_CREATE
	if r.Pflags().Trunc {
		flags |= os.O_TRUNC
	}
	if r.Pflags().Excl {
		flags |= os.O_EXCL
	}
	f, err := s.root.OpenFile(name, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return &written{f, s, name}, nil
}

// Filecmd does what needs no open file.
func (s *server) Filecmd(r *sftp.Request) error {
	name := local(r.Filepath)
	switch r.Method {
	case "Setstat":
		return nil
	case "Rename":
		if _, err := s.root.Stat(local(r.Target)); err == nil {
			return fs.ErrExist
		}
		return s.root.Rename(name, local(r.Target))
	case "PosixRename":
		return s.root.Rename(name, local(r.Target))
	case "Remove", "Rmdir":
		return s.root.Remove(name)
	case "Mkdir":
		return s.root.Mkdir(name, 0o700)
	}
	return sftp.ErrSSHFxOpUnsupported
}

// PosixRename renames, in place of a file that is there.
func (s *server) PosixRename(r *sftp.Request) error {
	return s.root.Rename(local(r.Filepath), local(r.Target))
}

// infos is a list of files.
type infos []fs.FileInfo

// ListAt gives those from one on.
func (l infos) ListAt(into []fs.FileInfo, from int64) (int, error) {
	if from >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(into, l[from:])
	if n < len(into) {
		return n, io.EOF
	}
	return n, nil
}

// Filelist lists a folder, or looks at one file.
func (s *server) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	name := local(r.Filepath)
	if r.Method != "List" {
		info, err := s.root.Stat(name)
		return infos{info}, err
	}
	entries, err := fs.ReadDir(s.root.FS(), filepath.ToSlash(name))
	if err != nil {
		return nil, err
	}
	var list infos
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			list = append(list, info)
		}
	}
	return list, nil
}
