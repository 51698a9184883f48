package dbserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// signals end a server: cleanly, at once, and when its parent has died.
type signals struct{ clean, now, orphan syscall.Signal }

// process is a server program that was started.
type process struct {
	cmd    *exec.Cmd
	pid    int
	sigs   signals
	exited chan struct{} // closed once it has ended and was waited for
}

// startProcess starts a server with its output appended to the file log.
func startProcess(command []string, dir, log string, o *owner, sigs signals) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(command[0], command[1:]...)
	settle(cmd, dir, o)
	cmd.Stdout, cmd.Stderr = out, out
	dieWithParent(cmd.SysProcAttr, sigs.orphan)
	p := &process{cmd: cmd, sigs: sigs, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux takes the thread that started a child for its parent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// state says how the process ended; call it after exited was closed.
func (p *process) state() *os.ProcessState { return p.cmd.ProcessState }

// stop ends the server cleanly, or kills it when that takes too long.
func (p *process) stop() {
	p.cmd.Process.Signal(p.sigs.clean)
	late := time.NewTimer(stopTimeout)
	defer late.Stop()
	select {
	case <-p.exited:
	case <-late.C:
		p.kill()
	}
}

// kill ends the server at once.
func (p *process) kill() {
	if p.cmd.Process.Signal(p.sigs.now) != nil {
		p.cmd.Process.Kill()
	}
	<-p.exited
}

// runTool runs a program of a database to its end, as the server's owner.
func runTool(ctx context.Context, o *owner, dir string, command ...string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	settle(cmd, dir, o)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// settle makes a command run as the owner, with the server's folder as its
// only place to write to.
func settle(cmd *exec.Cmd, dir string, o *owner) {
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
	cmd.SysProcAttr = o.attributes()
}

// tail is the end of a text file.
func tail(file string) string {
	b, _ := os.ReadFile(file)
	return string(bytes.TrimSpace(b[max(0, len(b)-4000):]))
}
