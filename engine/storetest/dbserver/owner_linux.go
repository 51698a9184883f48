package dbserver

import "syscall"

// attributes make a child run as the owner, out of reach of a Ctrl-C that is
// meant for this program.
func (o *owner) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if o != nil {
		a.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return a
}

// dieWithParent works because the user is changed before the server's program
// is executed: Linux forgets the signal when a process changes its own user,
// as a server does that is given --user.
func dieWithParent(a *syscall.SysProcAttr, s syscall.Signal) { a.Pdeathsig = s }
