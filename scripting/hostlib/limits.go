package hostlib

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Limits narrow what scripts may say that they need. The operator sets them.
type Limits struct {
	From  string             // where they are written: "dsengine.toml, [needs]"
	Allow []string           // lines as in needs; nil: whatever is not denied
	Deny  []string           // lines as in needs
	Types map[string]*Limits // more of them, by globs of type names
}

// limit is one Limits, read.
type limit struct {
	from        string
	allow, deny *Needs // allow is nil where nothing limits it
}

// Validate says whether the limits can be read.
func (l *Limits) Validate() error {
	if l == nil {
		return nil
	}
	if _, err := l.read(); err != nil {
		return err
	}
	for glob, t := range l.Types {
		if _, err := path.Match(glob, ""); err != nil {
			return Errorf("usage", "%s: %q is no glob of job types", l.From, glob)
		}
		if err := t.Validate(); err != nil {
			return err
		}
	}
	return nil
}

func (l *Limits) read() (*limit, error) {
	r := &limit{from: l.From}
	var err error
	if l.Allow != nil {
		if r.allow, err = parseNeeds(l.From+" allow", l.Allow); err != nil {
			return nil, err
		}
	}
	if r.deny, err = parseNeeds(l.From+" deny", l.Deny); err == nil {
		r.deny.denied = true
	}
	return r, err
}

// of are the limits for a job type.
func (l *Limits) of(typ string) ([]*limit, error) {
	if l == nil {
		return nil, nil
	}
	r, err := l.read()
	if err != nil {
		return nil, err
	}
	list := []*limit{r}
	for _, glob := range slices.Sorted(maps.Keys(l.Types)) {
		if ok, _ := path.Match(glob, typ); !ok {
			continue
		}
		more, err := l.Types[glob].of(typ)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// refuse says whether the operator lets a script touch something.
func (l *limit) refuse(line string, has func(*Needs) bool) error {
	if l.allow != nil && !has(l.allow) {
		return Errorf("needs.refused", "%q is refused: %s allow = %s does not have it", line, l.from, lineList(l.allow.Lines))
	}
	if has(l.deny) {
		return Errorf("needs.refused", "%q is refused: %s deny = %s has it", line, l.from, lineList(l.deny.Lines))
	}
	return nil
}

func lineList(lines []string) string {
	q := make([]string, len(lines))
	for i, l := range lines {
		q[i] = fmt.Sprintf("%q", l)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

// limitedTo has the needs obey the operator. A line that asks for more than is
// allowed, or for what is denied, is an error at once; of a glob that is only in
// part denied, the part is refused when it is touched.
func (n *Needs) limitedTo(limits []*limit) error {
	n.limits = limits
	for _, line := range n.Lines {
		one, err := ParseNeeds([]string{line})
		if err != nil {
			return err
		}
		for _, l := range limits {
			if err := l.refuse(line, one.within); err != nil {
				return Errorf("needs.refused", "needs: %v", err)
			}
		}
	}
	return nil
}

// within says whether all that one line asks for is among others: its globs are
// taken as the names that they would match.
func (n *Needs) within(others *Needs) bool {
	if len(n.files) > 0 {
		return others.hasFile(n.files[0], "{instance}")
	}
	if len(n.hosts) > 0 {
		_, ok, _ := others.findHost(n.hosts[0].kind, n.hosts[0].host, n.hosts[0].port, "{instance}")
		return ok
	}
	if len(n.dbs) > 0 {
		name, writes := strings.CutSuffix(n.dbs[0], ":write")
		return others.hasConnection(name, "{instance}", writes)
	}
	if len(n.named) == 0 {
		return false
	}
	if o := n.named[0]; o.glob != "" {
		return others.hasName(o.kind, o.glob, "{instance}")
	}
	return slices.Contains(others.named, n.named[0]) // mail to anybody
}
