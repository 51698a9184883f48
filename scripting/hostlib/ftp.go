package hostlib

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/textproto"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dsengine/dsengine/engine"
	"github.com/jlaffaye/ftp"
)

var ftpModule = &Module{
	Name: "ftp",
	Doc: "Files on servers over FTP, which is encrypted unless tls = \"none\" says that everybody in between may read the password and the files. " +
		"Private addresses only where the operator names the server, or needs the host itself, and the port if it is not 21 or 990; this machine and its link only where the operator names the server, or needs the address.",
	Funcs: []*Func{remoteConnect("ftp", "Connects to an FTP server, as nobody in particular (\"anonymous\") if no user is given.", "ftp://ada@ftp.example.com/outgoing",
		"partner = ftp.connect(\"partner\")\n[f.path for f in partner.list(\"outgoing/*.csv\")]  # [\"outgoing/people.csv\"]",
		"local partner = ftp.connect(\"partner\")\npartner.list(\"outgoing/*.csv\")[1].path  -- \"outgoing/people.csv\"",
		Param{Name: "tls", Type: String, Default: None, Named: true, Choices: tlsModes, Doc: "with a URL: \"starttls\" (None is that, too) asks for encryption and goes on only with it; \"tls\" encrypts from the beginning, as ftps:// does; \"none\" does not"},
		Param{Name: "fingerprint", Type: String, Default: None, Named: true, Doc: "with a URL: that of the server's certificate, \"SHA256:...\", for one that nobody known vouches for; several are separated by spaces"},
	)},
}

// ftpSession speaks FTP.
type ftpSession struct {
	s    *server
	line *line
	conn *ftp.ServerConn
	base *wire        // the connection on which commands go
	tls  *tls.Config  // nil: nothing is encrypted
	now  *listedLines // counts what the list of a folder has; nil: none is read
}

// finalReplies are those after which the same command would fail again.
var finalReplies = []int{500, 501, 502, 503, 504, 522, 530, 532, 533, 534, 535, 536, 537, 553}

// ftpLogIn begins a session.
func ftpLogIn(ctx context.Context, s *server, l *line) (session, error) {
	if !slices.Contains(tlsModes, s.at.tls) {
		return nil, s.at.setting("tls: got %q, wanted %s%s", s.at.tls, quotedList(tlsModes), Suggest(s.at.tls, tlsModes))
	}
	f := &ftpSession{s: s, line: l}
	options := []ftp.DialOption{ftp.DialWithDialFunc(f.dial)}
	if s.at.tls != "none" {
		var err error
		if f.tls, err = s.tlsConfig(); err != nil {
			return nil, err
		}
		if s.at.tls == "tls" {
			options = append(options, ftp.DialWithTLS(f.tls))
		} else {
			options = append(options, ftp.DialWithExplicitTLS(f.tls))
		}
	}
	var err error
	if f.conn, err = ftp.Dial(s.at.dialled(), options...); err != nil {
		var answer *textproto.Error
		if errors.As(err, &answer) && s.at.tls == "starttls" && answer.Code >= 500 {
			return nil, s.refused("tls", "the server offers no encryption (%d %s): ask its people for it; tls = \"none\" in %s would let everybody in between read the password and the files", answer.Code, answer.Msg, s.at.place)
		}
		return nil, err
	}
	if err := f.conn.Login(s.at.user, s.at.password); err != nil {
		return nil, s.loginError(err)
	}
	return f, nil
}

// crowded fits answers to a log-in that may be another one later.
var crowded = regexp.MustCompile(`(?i)too many|maximum|limit|try again|later|busy`)

// loginError is an error of the log-in. Some have no code, as the library gives
// them.
func (s *server) loginError(err error) error {
	var answer *textproto.Error
	var netErr net.Error
	var cert *tls.CertificateVerificationError
	var alert tls.AlertError
	var own *engine.Failure
	switch {
	case errors.Is(err, ftp.ErrInvalidCommand):
		return s.at.setting("the user or the password has a line end in it")
	case errors.As(err, &own), errors.As(err, &cert), errors.As(err, &netErr), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &alert), strings.HasPrefix(err.Error(), "tls: "):
		return err
	case errors.As(err, &answer) && answer.Code != 530 && answer.Code != 430 && answer.Code != 331 && answer.Code != 332:
		return err
	}
	text := err.Error()
	if answer != nil {
		text = fmt.Sprintf("%d %s", answer.Code, answer.Msg)
	}
	if crowded.MatchString(text) {
		return s.failure("busy", "", "the server lets nobody else in now: %s", text)
	}
	return s.refused("auth", "the server refuses the user %q: %s", s.at.user, text)
}

// tlsConfig is how the server proves who it is. One session is gone on with in
// all connections: servers ask for that.
func (s *server) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{ServerName: s.at.host, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	pins, err := s.at.pins()
	if err != nil || len(pins) == 0 {
		return config, err
	}
	config.InsecureSkipVerify = true // its certificate is known instead
	config.VerifyConnection = func(state tls.ConnectionState) error {
		shown := certificatePrint(state.PeerCertificates[0])
		if slices.Contains(pins, shown) {
			return nil
		}
		return s.refused("certificate", "its certificate is %s, not %s: somebody may be in between, or the server has a new one; if its people say so, write fingerprint = %q in %s", shown, strings.Join(pins, " or "), shown, s.at.place)
	}
	return config, nil
}

func certificatePrint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// untrusted is the error about a certificate that nobody known vouches for.
func (s *server) untrusted(err *tls.CertificateVerificationError) *engine.Failure {
	shown := certificatePrint(err.UnverifiedCertificates[0])
	return s.refused("certificate", "its certificate cannot be trusted: %v; if its people say that it is %s, write fingerprint = %q in %s", err.Err, shown, shown, s.at.place)
}

// dial makes the connections of the session: the first one for commands, all
// others for data.
func (f *ftpSession) dial(_, to string) (net.Conn, error) {
	ctx := f.s.c.Context()
	if f.base == nil {
		w, err := f.s.dial(ctx, f.line, f.s.at.dialled())
		if err != nil {
			return nil, err
		}
		if f.base = w; f.s.at.tls == "tls" {
			return tls.Client(w, f.tls), nil
		}
		return w, nil
	}
	// Data comes from where the commands go, whatever the server says, and from
	// no port at which other services are.
	_, port, err := net.SplitHostPort(to)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1024 || n > 65535 {
		return nil, f.s.failure("error", "", "the server names port %s for data, which is none for that", port)
	}
	host, _, err := net.SplitHostPort(f.base.RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	w, err := f.s.dial(ctx, f.line, net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	var conn net.Conn = w
	if f.tls != nil {
		conn = tls.Client(conn, f.tls)
	}
	if f.now != nil {
		f.now.Conn, conn = conn, f.now
	}
	return conn, nil
}

// done takes an answer for one that says that all went well: some servers say so
// with other codes than the library waits for.
func done(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code/100 == 2 {
		return nil
	}
	return err
}

// refusedPath says whether an answer is that there is nothing at a path, or
// nothing that could be told.
func refusedPath(err error) bool {
	var answer *textproto.Error
	return errors.As(err, &answer) && (answer.Code == 550 || answer.Code == 450)
}

// unknownCommand says whether the server does not know how to do something.
func unknownCommand(err error) bool {
	var answer *textproto.Error
	return errors.As(err, &answer) && answer.Code >= 500 && answer.Code <= 504
}

// named is a path that cannot be taken for an option.
func named(p string) string {
	if strings.HasPrefix(p, "-") {
		return "./" + p
	}
	return p
}

func (f *ftpSession) stat(p string) (fs.FileInfo, error) {
	e, err := f.conn.GetEntry(named(p))
	switch {
	case err == nil:
		return entryInfo(path.Base(p), e), nil
	case refusedPath(err):
		return nil, fmt.Errorf("%w: %v", fs.ErrNotExist, err)
	case !unknownCommand(err):
		return nil, err
	}
	if size, err := f.conn.FileSize(named(p)); err == nil {
		return f.dated(p, remoteInfo{name: path.Base(p), size: size})
	} else if !f.answered(err) {
		return nil, err
	}
	if p == "" || p == "/" {
		return remoteInfo{name: p, mode: fs.ModeDir}, nil
	}
	above := path.Dir(p)
	if above == "." {
		above = ""
	}
	infos, err := f.list(above)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if info.Name() == path.Base(p) {
			return f.dated(p, info.(remoteInfo))
		}
	}
	return nil, fs.ErrNotExist
}

func (f *ftpSession) dated(p string, info remoteInfo) (_ fs.FileInfo, err error) {
	if !info.IsDir() && info.modified.IsZero() {
		info.modified, err = f.modified(p)
	}
	return info, err
}

// modified asks for the time of a file. What a list without MLSD has is none: it
// is another one when the file becomes half a year old, or clocks are changed.
func (f *ftpSession) modified(p string) (time.Time, error) {
	if !f.conn.IsGetTimeSupported() {
		return time.Time{}, nil
	}
	t, err := f.conn.GetTime(named(p))
	if err != nil && f.answered(err) {
		return time.Time{}, nil
	}
	return t, err
}

func entryInfo(name string, e *ftp.Entry) remoteInfo {
	info := remoteInfo{name: name, size: int64(min(e.Size, 1<<62)), modified: e.Time}
	switch e.Type {
	case ftp.EntryTypeFolder:
		info.mode = fs.ModeDir
	case ftp.EntryTypeLink:
		info.mode = fs.ModeSymlink
	}
	return info
}

func (f *ftpSession) list(p string) ([]fs.FileInfo, error) {
	f.now = &listedLines{}
	entries, err := f.conn.List(named(p))
	lines := f.now.count()
	f.now = nil
	if err = done(err); refusedPath(err) {
		// Some answer so where a folder has no files, and some where there is none.
		err = fmt.Errorf("%w: %v", fs.ErrNotExist, err)
	}
	if err != nil {
		return nil, err
	}
	if lines > len(entries) {
		f.s.c.Log(slog.LevelWarn, "some lines of a folder's list cannot be read, and their files are left out", map[string]any{
			"folder": p, "server": f.s.at.name, "lines": int64(lines - len(entries)),
		})
	}
	infos := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		if e.Type == ftp.EntryTypeFolder && strings.ContainsAny(e.Name, `/\`) {
			continue // the folder itself, as some servers name it
		}
		info := entryInfo(e.Name, e)
		if !f.conn.IsTimePreciseInList() {
			info.modified = time.Time{}
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// listedLines is a connection that counts the files whose list comes over it.
type listedLines struct {
	net.Conn
	lines int
	begun []byte // of the line that is read
}

// Read reads and counts.
func (l *listedLines) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	for _, c := range b[:n] {
		if c == '\n' {
			l.end()
		} else if len(l.begun) < 6 && c != '\r' {
			l.begun = append(l.begun, c)
		}
	}
	return n, err
}

func (l *listedLines) end() {
	if len(l.begun) > 0 && string(l.begun) != "total " {
		l.lines++
	}
	l.begun = l.begun[:0]
}

func (l *listedLines) count() int {
	l.end()
	return l.lines
}

func (f *ftpSession) open(p string) (r io.ReadCloser, size int64, modified time.Time, err error) {
	if size, err = f.conn.FileSize(named(p)); err != nil {
		if !f.answered(err) {
			return nil, 0, modified, err
		}
		size = -1
	}
	if modified, err = f.modified(p); err != nil {
		return nil, 0, modified, err
	}
	from, err := f.conn.Retr(named(p))
	if refusedPath(err) {
		if _, serr := f.stat(p); serr != nil {
			err = serr // there is none
		}
	}
	if err != nil {
		return nil, 0, modified, err
	}
	return &ftpFile{r: from}, size, modified, nil
}

// ftpFile is a file that comes.
type ftpFile struct {
	r   *ftp.Response
	end bool
}

// errLeft ends a session in which a file was not read to its end: what is left
// of it may still be on its way.
var errLeft = errors.New("a file was not read to its end")

// Read reads on.
func (r *ftpFile) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.end = r.end || err == io.EOF
	return n, err
}

// Close asks whether that was all.
func (r *ftpFile) Close() error {
	if !r.end {
		return errLeft
	}
	return done(r.r.Close())
}

func (f *ftpSession) store(p string, r io.Reader) error { return done(f.conn.Stor(named(p), r)) }

func (f *ftpSession) rename(from, to string, _ bool) error {
	return done(f.conn.Rename(named(from), named(to)))
}

func (f *ftpSession) remove(p string) error { return done(f.conn.Delete(named(p))) }

func (f *ftpSession) mkdir(p string) error { return done(f.conn.MakeDir(named(p))) }

func (f *ftpSession) alive() error { return done(f.conn.NoOp()) }

func (f *ftpSession) shared() bool { return false }

// leave says good-bye, if that can be said at once.
func (f *ftpSession) leave() {
	f.base.SetDeadline(time.Now().Add(time.Second))
	f.conn.Quit()
}

func (f *ftpSession) answered(err error) bool {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return answer.Code != ftp.StatusNotAvailable
	}
	return errors.Is(err, fs.ErrNotExist)
}
