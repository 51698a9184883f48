package scripttest

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// TestAClosedFTPServerLeavesNobodyWaiting has lines for commands and for data that
// nobody has closed.
func TestAClosedFTPServerLeavesNobodyWaiting(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{kind: "ftp", dir: dir, root: root, number: 1, talks: map[*ftpTalk]struct{}{}, data: map[int]*pipes{1024: newPipes(), 1025: newPipes()}}
	waiting := s.data[1024]
	lines := map[string]net.Conn{}
	if lines["for commands"], err = s.dialFTP(21); err != nil {
		t.Fatal(err)
	}
	if lines["for data"], err = waiting.dial(); err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	accepting := s.data[1025]
	go func() {
		_, err := accepting.Accept()
		accepted <- err
	}()
	if err := s.close(); err != nil {
		t.Error(err)
	}
	for name, line := range lines {
		line.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.Copy(io.Discard, line); err != nil {
			t.Errorf("the line %s stays open: %v", name, err)
		}
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("who waits for a line is told %v", err)
	}
	if _, err := waiting.dial(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a line to where nobody listens any more: %v", err)
	}
}
