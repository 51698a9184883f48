package engine

import "sort"

// scope is where the hook's state lives, or the shared variables.
func (c *Call) scope(shared bool) Scope {
	if shared {
		return Scope{}
	}
	return Scope{Type: c.srv.typeID(c.typ.Name), Instance: c.job.Instance}
}

// pendingWrite is the write of a variable that waits for the commit, or nil.
func (c *Call) pendingWrite(s Scope, name string) *VariableWrite {
	for i := range c.pend.writes {
		if w := &c.pend.writes[i]; w.Scope == s && w.Name == name {
			return w
		}
	}
	return nil
}

// Variable reads the type's state, or a shared variable; nil if it is not set.
func (c *Call) Variable(shared bool, name string) (Raw, error) {
	s := c.scope(shared)
	if w := c.pendingWrite(s, name); w != nil {
		return w.Value, nil
	}
	v, err := c.eng.store.Variable(c.ctx, s, name)
	if err != nil {
		return nil, err
	}
	if c.seen == nil {
		c.seen = map[seenKey]int64{}
	}
	k := seenKey{s, name}
	if _, ok := c.seen[k]; !ok {
		c.seen[k] = v.Version
	}
	return v.Value, nil
}

// SetVariable sets the type's state, or a shared variable, at the next commit;
// nil deletes it. If the hook has read it, and somebody else changes it before
// the commit, the hook runs again.
func (c *Call) SetVariable(shared bool, name string, value Raw) error {
	if err := c.Writing(); err != nil {
		return err
	}
	err := CheckVariable(name, value)
	if err == nil {
		err = c.eng.secrets.checkVariable(name, value)
	}
	if err != nil {
		return c.misuse("%v", err)
	}
	s := c.scope(shared)
	waiting := 0
	for i := range c.pend.writes {
		w := &c.pend.writes[i]
		if w.Scope != s {
			continue
		}
		if w.Name == name {
			w.Value = value
			return nil
		}
		if !HiddenVariable(w.Name) {
			waiting++
		}
	}
	// The store counts what is there, when this commits.
	if waiting >= MaxVariables && !HiddenVariable(name) {
		return TooManyVariables(s, name)
	}
	w := VariableWrite{Scope: s, Name: name, Value: value, Seen: -1}
	if v, ok := c.seen[seenKey{s, name}]; ok {
		w.Seen = v
	}
	c.pend.writes = append(c.pend.writes, w)
	return nil
}

// VariableNames lists the names that are set, in order.
func (c *Call) VariableNames(shared bool) ([]string, error) {
	s := c.scope(shared)
	stored, err := c.eng.store.VariableNames(c.ctx, s)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for _, n := range stored {
		set[n] = true
	}
	for _, w := range c.pend.writes {
		if w.Scope == s {
			set[w.Name] = w.Value != nil
		}
	}
	names := []string{}
	for n, is := range set {
		if is {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return names, nil
}

type seenKey struct {
	scope Scope
	name  string
}
