package hostlib

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

// Dry has hooks run without effects: what they would do outside of their
// transactions is noted, and not done. What a function does then is its Func.Dry;
// files go to Files, requests to Send. The transactions are the caller's to roll
// back.
type Dry struct {
	// Files takes what would be changed in the files folder.
	Files *Overlay
	// Send answers a request in the place of http and notify; send sends it. login
	// says that it only asks for a token.
	Send func(r *http.Request, login bool, send func(*http.Request) (*http.Response, error)) (*http.Response, error)
	// Note is told of each effect that was not carried out.
	Note func(e Effected)
	// Touch is told what a hook may touch, as a line of needs, before it does. An error of
	// it is the function's. nil: nobody is told.
	Touch func(line string) error

	mu    sync.Mutex
	needs map[*Needs]*needsUsed
}

// Effected is an effect that was not carried out.
type Effected struct {
	Function string `json:"function"` // "notify.email"
	What     string `json:"what"`     // in words: "to ada@example.com: The feed is empty"
}

// skip notes an effect in the place of carrying it out.
func (d *Dry) skip(c *Call, function, format string, args ...any) {
	d.Note(Effected{Function: function, What: c.Hook.Strike(fmt.Sprintf(format, args...))})
}

// needsUsed is which needs of a script its hooks have asked for.
type needsUsed struct {
	of      *Needs
	mu      sync.Mutex
	singles []*Needs        // each line of the script's by itself
	used    map[string]bool // lines as declared
	asked   map[string]bool // what was touched, as a line
}

// NeedsUse says which needs were used: Used are the declared lines that allowed
// something, Unused the others, Touched what was touched.
type NeedsUse struct {
	Used    []string `json:"used"`
	Unused  []string `json:"unused"`
	Touched []string `json:"touched"`
}

// watch has the needs of a script noted.
func (d *Dry) watch(n *Needs) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n == nil || d.needs[n] != nil {
		return
	}
	u := &needsUsed{of: n, used: map[string]bool{}, asked: map[string]bool{}}
	for _, line := range n.Lines {
		single, err := ParseNeeds([]string{line})
		if err != nil {
			single = &Needs{} // it cannot be: the script has been loaded
		}
		u.singles = append(u.singles, single)
	}
	if d.needs == nil {
		d.needs = map[*Needs]*needsUsed{}
	}
	d.needs[n] = u
	n.noted = func(line string, has func(*Needs) bool) error {
		u.note(line, has)
		if d.Touch == nil {
			return nil
		}
		return d.Touch(line)
	}
}

// note is told what a script may touch.
func (u *needsUsed) note(line string, has func(*Needs) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	const most = 200
	if len(u.asked) < most {
		u.asked[line] = true
	}
	for i, n := range u.singles {
		if !u.used[u.of.Lines[i]] && has(n) {
			u.used[u.of.Lines[i]] = true
		}
	}
}

// Needs says which needs were used by the hooks that ran.
func (d *Dry) Needs() NeedsUse {
	d.mu.Lock()
	defer d.mu.Unlock()
	use := NeedsUse{Used: []string{}, Unused: []string{}, Touched: []string{}}
	for _, u := range d.needs {
		for _, line := range u.of.Lines {
			if u.used[line] {
				use.Used = append(use.Used, line)
			} else {
				use.Unused = append(use.Unused, line)
			}
		}
		for line := range u.asked {
			use.Touched = append(use.Touched, line)
		}
	}
	for _, list := range []*[]string{&use.Used, &use.Unused, &use.Touched} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return use
}

// loginKey marks the context of a request that only asks for a token.
type loginKey struct{}

func asLogin(ctx context.Context) context.Context { return context.WithValue(ctx, loginKey{}, true) }

// IsLogin says whether the context is of a request that only asks for a token.
func IsLogin(ctx context.Context) bool { return ctx.Value(loginKey{}) != nil }

// send sends one request, or has it answered.
func (c *Call) sendOrDry(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if d := c.Host.Dry; d != nil && d.Send != nil {
		return d.Send(r, IsLogin(r.Context()), send)
	}
	return send(r)
}

// What functions do in a dry run in place of their effect.

func dryPutRemote(c *Call, a *Args) (Value, error) {
	s, p := a.Self.(*server), a.String("path")
	if from, ok := a.Value("src").(string); ok && strings.HasSuffix(p, "/") {
		p += path.Base(from)
	}
	p, err := s.path(p)
	if err != nil {
		return nil, err
	}
	r, close, err := c.plainSource(a.Value("src"))
	if err != nil {
		return nil, err
	}
	defer close()
	n, err := io.Copy(io.Discard, &watched{c: c, r: r})
	if err != nil {
		return nil, err
	}
	c.Host.Dry.skip(c, s.at.kind+".put", "%s on %s, %d bytes", p, s.at.host, n)
	return &remoteFile{s: s, path: p, size: n, modified: c.Hook.Now()}, nil
}

func dryMoveRemote(c *Call, a *Args) (Value, error) {
	s, dst := a.Self.(*server), a.String("dst")
	if strings.HasSuffix(dst, "/") {
		dst += path.Base(a.String("src"))
	}
	src, err := s.path(a.String("src"))
	if err != nil {
		return nil, err
	}
	if dst, err = s.path(dst); err != nil {
		return nil, err
	}
	if _, err := s.file(src); err != nil {
		return nil, err
	}
	c.Host.Dry.skip(c, s.at.kind+".move", "%s to %s on %s", src, dst, s.at.host)
	return dst, nil
}

func dryRemoveRemote(c *Call, a *Args) (Value, error) {
	s := a.Self.(*server)
	p, err := s.path(a.String("path"))
	if err != nil {
		return nil, err
	}
	if _, err = s.file(p); isMissing(err) {
		return false, nil
	}
	if err != nil {
		return nil, err
	}
	c.Host.Dry.skip(c, s.at.kind+".remove", "%s on %s", p, s.at.host)
	return true, nil
}

func dryPutS3(c *Call, a *Args) (Value, error) {
	s, key, err := c.s3Object(a)
	if err != nil {
		return nil, err
	}
	u, close, err := c.upload(a)
	if err != nil {
		return nil, err
	}
	defer close()
	o := &object{bucket: s.b.shown, key: key, modified: c.Hook.Now()}
	for more := true; more; {
		var n int64
		if _, n, more, err = u.next(); err != nil {
			return nil, err
		}
		o.size += n
	}
	c.Host.Dry.skip(c, "s3.put", "%s, %d bytes", o.place(), o.size)
	return o, nil
}

func dryCopyS3(c *Call, a *Args) (Value, error) {
	s, key, err := c.s3Object(a)
	if err != nil {
		return nil, err
	}
	to := &object{bucket: s.b.shown, key: a.String("to"), modified: c.Hook.Now()}
	if err := checkKey("to", to.key); err != nil {
		return nil, err
	}
	if a.Given("to_bucket") {
		into, err := c.bucketOf(a.Value("to_bucket"))
		if err != nil {
			return nil, err
		}
		to.bucket = into.shown
	}
	from, err := s.stat(key)
	if err != nil {
		return nil, err
	}
	to.size, to.etag = from.size, from.etag
	c.Host.Dry.skip(c, "s3.copy", "%s to %s", from.place(), to.place())
	return to, nil
}

func dryDeleteS3(c *Call, a *Args) (Value, error) {
	s, key, err := c.s3Object(a)
	if err != nil {
		return nil, err
	}
	c.Host.Dry.skip(c, "s3.delete", "%s in %s", key, s.b.shown)
	return nil, nil
}
