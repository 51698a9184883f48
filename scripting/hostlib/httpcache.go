package hostlib

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/dsengine/dsengine/engine"
)

// What a cached request remembers of an answer is a value of the type's state,
// one for each URL and who asks in which way, so that hooks that ask for different
// ones do not meet, and nobody is told that nothing has changed of what another got.
const maxCached = 1000 // of one type and instance; then a tenth is forgotten, of the oldest jobs

// remembered is what is kept of an answer.
type remembered struct{ name string }

// cacheKey stands for all that an answer may depend on: the URL, the headers and who
// asks. It is a hash, from which no secret can be read.
func (rq *httpRequest) cacheKey() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n%s", rq.method, rq.url, rq.header.Get("Accept"))
	for _, name := range slices.Sorted(maps.Keys(rq.header)) {
		if name != "Accept" && name != "If-None-Match" && name != "If-Modified-Since" {
			fmt.Fprintf(h, "\n%s: %q", name, rq.header[name])
		}
	}
	if rq.auth != nil {
		fmt.Fprintf(h, "\nauth: %q", rq.auth.identity())
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// conditional asks for what has changed since the last time only.
func (c *Call) conditional(rq *httpRequest) (*remembered, error) {
	if c.after {
		return nil, Errorf("usage", "cache: a function given to ctx.on_commit runs after the commit: nothing commits what it remembers")
	}
	m := &remembered{engine.HiddenVariables + rq.cacheKey()}
	raw, err := c.Hook.Variable(false, m.name)
	if err != nil || raw == nil {
		return m, err
	}
	v, err := DecodeJSON(raw)
	d, ok := v.(*Dict)
	if err != nil || !ok {
		return m, nil // somebody else's value: asked as if there were none
	}
	if by, _ := d.Get("job"); by == int64(c.Hook.Job().ID) {
		return m, nil // it is done once more from its beginning: what it got then may have come to nothing
	}
	for name, header := range map[string]string{"etag": "If-None-Match", "modified": "If-Modified-Since"} {
		if v, _ := d.Get(name); v != nil && rq.header.Get(header) == "" {
			if text, ok := v.(string); ok {
				rq.header.Set(header, text)
			}
		}
	}
	return m, nil
}

// keep remembers an answer once the hook has ended well, with its last commit:
// a hook that is run again after a crash gets the same answer again.
func (m *remembered) keep(c *Call, resp *response) error {
	if resp.status != http.StatusOK {
		return nil
	}
	if err := c.Hook.Writing(); err != nil {
		return err
	}
	d := &Dict{}
	for _, h := range []struct{ name, header string }{{"etag", "Etag"}, {"modified", "Last-Modified"}} {
		if v := resp.header.Get(h.header); v != "" && len(v) <= 1000 {
			d.Set(h.name, v)
		}
	}
	c.atEnd(func() error {
		for _, v := range d.Values {
			if text := v.(string); c.Hook.Strike(text) != text { // it cannot be stored, nor asked with if it is changed
				d = &Dict{}
				break
			}
		}
		if len(d.Names) == 0 {
			old, err := c.Hook.Variable(false, m.name)
			if err == nil && old != nil {
				err = c.Hook.SetVariable(false, m.name, nil)
			}
			return err
		}
		d.Set("job", int64(c.Hook.Job().ID))
		d.Set("url", c.Hook.Strike(resp.rq.shown()))
		raw, err := EncodeJSON(d)
		if err != nil {
			return err
		}
		if err := c.makeRoom(m.name); err != nil {
			return err
		}
		return c.Hook.SetVariable(false, m.name, raw)
	})
	return nil
}

// makeRoom forgets answers if a new one would be too many.
func (c *Call) makeRoom(name string) error {
	old, err := c.Hook.Variable(false, name)
	if err != nil || old != nil {
		return err
	}
	names, err := c.Hook.VariableNames(false)
	if err != nil {
		return err
	}
	var cached []string
	for _, n := range names {
		if engine.HiddenVariable(n) {
			cached = append(cached, n)
		}
	}
	if len(cached) < maxCached {
		return nil
	}
	jobs := map[string]int64{}
	for _, n := range cached {
		raw, err := c.Hook.Variable(false, n)
		if err != nil {
			return err
		}
		if v, err := DecodeJSON(raw); err == nil {
			if d, ok := v.(*Dict); ok {
				by, _ := d.Get("job")
				jobs[n], _ = by.(int64)
			}
		}
	}
	slices.SortStableFunc(cached, func(a, b string) int { return cmp.Compare(jobs[a], jobs[b]) })
	for _, n := range cached[:len(cached)-maxCached+maxCached/10] {
		if err := c.Hook.SetVariable(false, n, nil); err != nil {
			return err
		}
	}
	return nil
}
