package hostlib

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// session is one log-in to a server of files, over a line of its own: how SFTP
// or FTP is spoken. Paths are the server's. What is not there is fs.ErrNotExist.
type session interface {
	stat(p string) (fs.FileInfo, error)
	list(p string) ([]fs.FileInfo, error)
	// modified is when a file was last changed, where the list does not tell; the
	// zero time if nothing does.
	modified(p string) (time.Time, error)
	// open opens a file; its size is -1, and when it was modified zero, if the server
	// does not say.
	open(p string) (r io.ReadCloser, size int64, modified time.Time, err error)
	// store writes a file, in place of one that is there.
	store(p string, r io.Reader) error
	// rename gives a file another name. What it does where there is one already is
	// up to the server; replace asks for it to be replaced.
	rename(from, to string, replace bool) error
	remove(p string) error
	mkdir(p string) error
	alive() error // says whether the session can still be used
	shared() bool // says that files can be open in it while other things are done
	leave()       // is called before the line is cut
	// answered says whether an error is an answer of the server, after which the
	// session goes on.
	answered(err error) bool
}

// server is what sftp.connect and ftp.connect give. It lives as long as the hook.
type server struct {
	c    *Call
	at   address
	idle []*login // those that can be used, the one used last at the end
	all  map[*login]struct{}
}

// login is a session with its line.
type login struct {
	session
	line *line
	used time.Time // when an operation ended last
}

const (
	// maxLogins bounds how many sessions a hook has with one server. FTP needs one
	// for each file that is open.
	maxLogins = 16
	// A session that was idle for longer is asked whether it is still there.
	maxRemoteIdle = 10 * time.Second
	// maxListed bounds the files that a list has.
	maxListed = 1_000_000
)

// ObjectType is server.
func (s *server) ObjectType() *ObjectType { return serverType }

// Close ends all sessions.
func (s *server) Close() error {
	for l := range s.all {
		s.end(l)
	}
	delete(s.c.servers, s.at)
	delete(s.c.open, s)
	return nil
}

// take gives a session that can be used.
func (s *server) take() (*login, error) {
	for len(s.idle) > 0 {
		last := len(s.idle) - 1
		l := s.idle[last]
		if time.Since(l.used) >= cmp.Or(s.c.Host.remoteIdle, maxRemoteIdle) && l.line.do(s.c.Context(), l.alive) != nil {
			s.end(l)
			continue
		}
		if !l.shared() {
			s.idle = s.idle[:last]
		}
		return l, nil
	}
	if len(s.all) >= maxLogins {
		return nil, Errorf("usage", "%d files of %s are open at once: read each to its end before the next one", maxLogins, s.at.name)
	}
	l := &login{line: newLine(s.at.timeout)}
	ctx := s.c.Context()
	err := l.line.do(ctx, func() (err error) {
		l.session, err = logIns[s.at.kind](ctx, s, l.line)
		return err
	})
	if err != nil {
		l.line.cut(err)
		return nil, s.explain("", err)
	}
	s.all[l] = struct{}{}
	return l, nil
}

// give gives a session back, after an operation that ended with err.
func (s *server) give(l *login, err error) {
	_, there := s.all[l]
	switch {
	case !there:
		return
	case err != nil && !l.answered(err):
		s.end(l)
		return
	}
	l.used = time.Now()
	if !slices.Contains(s.idle, l) {
		s.idle = append(s.idle, l)
	}
}

// end ends a session.
func (s *server) end(l *login) {
	if _, there := s.all[l]; !there {
		return
	}
	delete(s.all, l)
	s.idle = slices.DeleteFunc(s.idle, func(o *login) bool { return o == l })
	l.leave()
	l.line.cut(net.ErrClosed)
}

// dial connects to the server, or to another port of it, if the script may.
func (s *server) dial(ctx context.Context, l *line, to string) (*wire, error) {
	check := s.at.reach.check(s.at.kind)
	ctx, cancel := context.WithTimeoutCause(ctx, s.at.timeout, errNoAnswer)
	defer cancel()
	dial := s.c.Host.Dial
	if dial == nil {
		dial = func(ctx context.Context, network, to string) (net.Conn, error) {
			return s.c.Host.network.dial(ctx, network, to, check)
		}
	}
	conn, err := dial(ctx, "tcp", to)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	s.c.tellInside(s.at.host, s.at.reach, conn.RemoteAddr())
	return l.add(conn), nil
}

// do carries out an operation on a path of the script; "" for none.
func (s *server) do(p string, f func(session) error) error {
	l, err := s.take()
	if err != nil {
		return err
	}
	err = l.line.do(s.c.Context(), func() error { return f(l.session) })
	s.give(l, err)
	return s.explain(p, err)
}

// path cleans a path of the script, which is below the connection's folder.
func (s *server) path(p string) (string, error) {
	if err := checkBelow("the folder of the connection", p); err != nil {
		return "", err
	}
	if strings.ContainsAny(p, "\\") || strings.ContainsFunc(p, isControl) {
		return "", Errorf("file.path", "%q has a backslash, a line end or another character that no path here can", p)
	}
	return path.Clean(p), nil
}

// glob cleans a glob of the script.
func (s *server) glob(g string) (string, error) {
	if !doublestar.ValidatePattern(g) {
		return "", Errorf("usage", "%q is no glob", g)
	}
	if err := checkBelow("the folder of the connection", g); err != nil {
		return "", err
	}
	if strings.ContainsFunc(g, isControl) {
		return "", Errorf("file.path", "%q has a line end or another character that no path here can", g)
	}
	return path.Clean(g), nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// full is a path as the server has it.
func (s *server) full(p string) string { return path.Join(s.at.folder, p) }

// stat tells of a file or a folder.
func (s *server) stat(p string) (info fs.FileInfo, err error) {
	err = s.do(p, func(ss session) (err error) {
		info, err = ss.stat(s.full(p))
		return err
	})
	return info, err
}

// file tells of a file; a folder is an error.
func (s *server) file(p string) (*remoteFile, error) {
	info, err := s.stat(p)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, s.failure("folder", p, "it is a folder, not a file")
	}
	return &remoteFile{s: s, path: p, size: info.Size(), modified: info.ModTime()}, nil
}

// isMissing says whether an error is that there is nothing at a path.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// list lists the files that a glob finds.
func (s *server) list(glob string) (Value, error) {
	glob, err := s.glob(glob)
	if err != nil {
		return nil, err
	}
	found := []Value{}
	err = doublestar.GlobWalk(tree{s}, glob, func(p string, d fs.DirEntry) error {
		info, err := d.Info()
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			if info, err = s.stat(p); isMissing(err) {
				return nil
			}
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		modified, err := s.modified(p, info)
		if err != nil {
			return err
		}
		if found = append(found, &remoteFile{s: s, path: p, size: info.Size(), modified: modified}); len(found) > maxListed {
			return s.failure("size", glob, "it finds more than %d files: use a narrower glob", maxListed)
		}
		return nil
	}, doublestar.WithNoHidden(), doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, err
	}
	byPath := func(a, b Value) int { return strings.Compare(a.(*remoteFile).path, b.(*remoteFile).path) }
	slices.SortFunc(found, byPath)
	return slices.CompactFunc(found, func(a, b Value) bool { return byPath(a, b) == 0 }), nil
}

// modified is when a file that was listed was last changed.
func (s *server) modified(p string, info fs.FileInfo) (t time.Time, err error) {
	if t = info.ModTime(); t.IsZero() {
		err = s.do(p, func(ss session) (err error) {
			t, err = ss.modified(s.full(p))
			return err
		})
	}
	return t, err
}

// tree is the connection's folder as globs walk it.
type tree struct{ s *server }

// Open is not needed for globs.
func (tree) Open(p string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrInvalid}
}

// Stat tells of a file or a folder.
func (t tree) Stat(p string) (fs.FileInfo, error) {
	if p == "." {
		return remoteInfo{name: ".", mode: fs.ModeDir}, nil
	}
	return t.s.stat(p)
}

// ReadDir lists a folder. Names that are none are left out: nobody can say where
// they would lead.
func (t tree) ReadDir(p string) ([]fs.DirEntry, error) {
	var infos []fs.FileInfo
	if err := t.s.do(p, func(ss session) (err error) {
		infos, err = ss.list(t.s.full(p))
		return err
	}); err != nil {
		return nil, err
	}
	entries := make([]fs.DirEntry, 0, len(infos))
	for _, info := range infos {
		switch name := info.Name(); {
		case name == "." || name == "..":
		case name == "" || strings.ContainsAny(name, `/\`) || strings.ContainsFunc(name, isControl):
			t.s.c.Log(slog.LevelWarn, "a file is left out whose name is none", map[string]any{"folder": p, "name": name, "server": t.s.at.name})
		default:
			entries = append(entries, fs.FileInfoToDirEntry(info))
		}
	}
	return entries, nil
}

// remoteInfo is what a server tells of a file where its library has no such type.
type remoteInfo struct {
	name     string
	size     int64
	modified time.Time
	mode     fs.FileMode
}

// Name and its like are those of fs.FileInfo.
func (i remoteInfo) Name() string       { return i.name }
func (i remoteInfo) Size() int64        { return i.size }
func (i remoteInfo) Mode() fs.FileMode  { return i.mode }
func (i remoteInfo) ModTime() time.Time { return i.modified }
func (i remoteInfo) IsDir() bool        { return i.mode.IsDir() }
func (i remoteInfo) Sys() any           { return nil }

// get copies a file of the server into the files folder.
func (s *server) get(p, to string) (Value, error) {
	p, err := s.path(p)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(to, "/") {
		to += path.Base(p)
	}
	f, err := s.c.writeFile(to, false, func(w io.Writer) error {
		r, err := (&remoteFile{s: s, path: p}).raw()
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, &watched{c: s.c, r: r})
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// put copies a file of the files folder, or a stream, to the server.
func (s *server) put(p string, src Value, direct bool) (Value, error) {
	if strings.HasSuffix(p, "/") {
		from, ok := src.(string)
		if !ok {
			return nil, Errorf("usage", "path: %q ends with /, and a stream has no name: give the file's whole path", p)
		}
		p += path.Base(from)
	}
	p, err := s.path(p)
	if err != nil {
		return nil, err
	}
	r, close, err := s.c.plainSource(src)
	if err != nil {
		return nil, err
	}
	defer close()
	if err := s.makeFolder(path.Dir(p)); err != nil {
		return nil, err
	}
	if direct {
		return s.store(p, r)
	}
	temp := s.temp(p)
	f, err := s.store(temp, r)
	if err == nil {
		err = s.replace(temp, p)
	}
	if err != nil {
		_ = s.do(temp, func(ss session) error { return ss.remove(s.full(temp)) }) // what is left is swept later
		return nil, err
	}
	f.path = p
	s.sweep(path.Dir(p), f.modified)
	return f, nil
}

// store writes a file, and sees that it is whole.
func (s *server) store(p string, r io.Reader) (*remoteFile, error) {
	l, err := s.take()
	if err != nil {
		return nil, err
	}
	out := &outside{line: l.line, r: &watched{c: s.c, r: r}}
	err = l.line.do(s.c.Context(), func() error { return l.store(s.full(p), out) })
	s.give(l, errors.Join(err, out.err))
	if out.err != nil {
		return nil, out.err
	}
	if err != nil {
		return nil, s.explain(p, err)
	}
	f := &remoteFile{s: s, path: p, size: out.n}
	info, err := s.stat(p)
	switch {
	case err != nil && !isMissing(err) && !errors.Is(err, fs.ErrPermission):
		return nil, err
	case err != nil: // a server may let files be written that it does not show
	case info.Size() >= 0 && info.Size() != out.n:
		return nil, s.failure("truncated", p, "%d bytes were sent, and the server has %d", out.n, info.Size())
	default:
		f.modified = info.ModTime()
	}
	return f, nil
}

// makeFolder makes a folder that is missing, and those above it.
func (s *server) makeFolder(p string) error {
	if p == "." {
		return nil
	}
	if _, err := s.stat(p); !isMissing(err) {
		return nil // if it cannot be used, that is told by what comes next
	}
	if err := s.makeFolder(path.Dir(p)); err != nil {
		return err
	}
	err := s.do(p, func(ss session) error { return ss.mkdir(s.full(p)) })
	if err != nil {
		if info, again := s.stat(p); again == nil && info.IsDir() {
			return nil // somebody was faster
		}
	}
	return err
}

// rename gives a file another path.
func (s *server) rename(from, to string, replace bool) error {
	return s.do(from, func(ss session) error { return ss.rename(s.full(from), s.full(to), replace) })
}

// replace gives a file another path, in place of a file that may be there. Where
// the server lets nothing be replaced, the old file is put aside first.
func (s *server) replace(from, to string) error {
	err := s.rename(from, to, true)
	if err == nil || s.c.Context().Err() != nil || codeIs(err, s.at.kind+".unreachable") || codeIs(err, s.at.kind+".timeout") {
		return err
	}
	if _, none := s.file(to); none != nil {
		return err
	}
	aside := s.temp(to)
	if s.rename(to, aside, false) != nil {
		return err
	}
	if err = s.rename(from, to, false); err != nil {
		_ = s.rename(aside, to, false)
		return err
	}
	_ = s.do(aside, func(ss session) error { return ss.remove(s.full(aside)) })
	return nil
}

// temp is a name for a file that is not to stay, beside a path.
func (s *server) temp(p string) string {
	return path.Join(path.Dir(p), s.c.Host.tempName(path.Base(p)))
}

// sweep deletes what crashes left in a folder, by the server's own time.
func (s *server) sweep(folder string, now time.Time) {
	key := fmt.Sprint(s.at.kind, "://", s.at.user, "@", s.at.host, ":", s.at.port, "/", s.full(folder))
	if last, ok := s.c.Host.swept.Load(key); now.IsZero() || ok && now.Sub(last.(time.Time)) < sweepEvery {
		return
	}
	s.c.Host.swept.Store(key, now)
	entries, err := tree{s}.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !IsTemporary(e.Name()) {
			continue
		}
		p := path.Join(folder, e.Name())
		if t, err := s.modified(p, info); err == nil && !t.IsZero() && now.Sub(t) > staleAfter {
			_ = s.do(p, func(ss session) error { return ss.remove(s.full(p)) })
		}
	}
}

// move gives a file another path. exists says what to do when it is taken.
func (s *server) move(src, dst, exists string) (Value, error) {
	if strings.HasSuffix(dst, "/") {
		dst += path.Base(src)
	}
	src, err := s.path(src)
	if err != nil {
		return nil, err
	}
	if dst, err = s.path(dst); err != nil {
		return nil, err
	}
	if src == dst {
		return dst, nil
	}
	if _, err := s.file(src); err != nil {
		if isMissing(err) {
			// By an attempt of which we do not know that it came so far? Nothing is noted of
			// that on the servers of others.
			if to := movedTo(dst, exists, func(p string) bool { _, none := s.file(p); return none == nil }); to != "" {
				s.c.Log(slog.LevelWarn, fmt.Sprintf("%s.move: there is no file %q; %q is taken for it, as an earlier run of this job may have moved it there: if none has, the first path is wrong", s.at.kind, src, to), map[string]any{"server": s.at.name})
				return to, nil
			}
		}
		return nil, err
	}
	if err := s.makeFolder(path.Dir(dst)); err != nil {
		return nil, err
	}
	to := dst
	for n := 2; ; n++ {
		info, err := s.stat(to)
		switch {
		case isMissing(err):
		case err != nil:
			return nil, err
		case info.IsDir():
			return nil, s.failure("folder", to, "it is a folder: write %q", to+"/")
		case exists == "error":
			return nil, s.failure("exists", to, "there is a file already")
		case exists == "number":
			to = numbered(dst, n)
			continue
		}
		rename := func() error { return s.rename(src, to, false) }
		if exists == "replace" {
			rename = func() error { return s.replace(src, to) }
		}
		if err := rename(); err != nil {
			return nil, err
		}
		return to, nil
	}
}

// remove deletes a file, and says whether there was one.
func (s *server) remove(p string) (Value, error) {
	p, err := s.path(p)
	if err != nil {
		return nil, err
	}
	if _, err = s.file(p); err == nil {
		err = s.do(p, func(ss session) error { return ss.remove(s.full(p)) })
	}
	if isMissing(err) {
		return false, nil
	}
	if err != nil {
		return nil, err
	}
	return true, nil
}
