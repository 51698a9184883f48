package hostlib

// Forget forgets what a process keeps in its memory from one hook to the next, as
// its end does: when requests of a rate were sent, open connections, when temporary
// files were looked for. Tokens live on: that another process asks for its own changes
// nothing. No hook may run. What is kept in Host and is to live on is what its maker
// gave it.
func (h *Host) Forget() {
	h.limits.mu.Lock()
	h.limits.m = nil
	h.limits.mu.Unlock()
	h.swept.Clear()
	h.network.forget()
}

// forget closes the connections that nobody uses.
func (n *network) forget() {
	n.start()
	n.mu.Lock()
	for _, t := range n.direct {
		t.CloseIdleConnections()
	}
	n.direct = nil
	n.mu.Unlock()
	n.proxied.CloseIdleConnections()
}
