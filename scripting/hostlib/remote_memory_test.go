package hostlib_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/dsengine/dsengine/scripting/internal/world"
)

// endless is a file of as many lines as wanted, which is on no disk.
type endless struct{ lines int64 }

const lineLength = 16 << 10

var endlessLine = []byte(strings.Repeat(".", lineLength-1) + "\n")

// ReadAt reads, as sftp's server does.
func (e endless) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) && at < e.lines*lineLength {
		part := copy(b[n:], endlessLine[at%lineLength:])
		n, at = n+part, at+int64(part)
	}
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}

// Fileread and Filelist are asked by sftp's server.
func (e endless) Fileread(*sftp.Request) (io.ReaderAt, error)     { return e, nil }
func (e endless) Filelist(*sftp.Request) (sftp.ListerAt, error)   { return e, nil }
func (endless) Filecmd(*sftp.Request) error                       { return sftp.ErrSSHFxOpUnsupported }
func (endless) Filewrite(*sftp.Request) (io.WriterAt, error)      { return nil, sftp.ErrSSHFxOpUnsupported }
func (e endless) ListAt(list []fs.FileInfo, _ int64) (int, error) { list[0] = e; return 1, io.EOF }
func (e endless) Name() string                                    { return "endless.txt" }
func (e endless) Size() int64                                     { return e.lines * lineLength }
func (e endless) Mode() fs.FileMode                               { return 0o644 }
func (e endless) ModTime() time.Time                              { return time.Unix(1e9, 0) }
func (e endless) IsDir() bool                                     { return false }
func (e endless) Sys() any                                        { return nil }

// TestRemoteFilesStream reads large files of servers in a process of its own,
// which must stay small.
func TestRemoteFilesStream(t *testing.T) {
	if url := os.Getenv("DSENGINE_TEST_REMOTE"); url != "" {
		w := world.New(t)
		kind, _, _ := strings.Cut(url, ":")
		j := askAs(t, w, `"`+kind+`:127.0.0.1"`, url, fmt.Sprintf("n = 0\nfor line in files.lines(%s.connect(item, %s).open(\"endless.txt\")): n += 1\nreturn n", kind, os.Getenv("DSENGINE_TEST_ARGS")))
		fmt.Printf("result=%s resident=%d\n", outcome(j, "-"), resident(t))
		return
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not show how much memory a process held")
	}
	t.Parallel()
	e := endless{lines: 20 << 10} // 320 MB
	handlers := sftp.Handlers{FileGet: e, FilePut: e, FileCmd: e, FileList: e}
	s := newSFTP(t, &sftpServer{handlers: &handlers})
	config, print := certificate(t)
	f := newFTP(t, &ftpServer{
		tls: config,
		instead: func(command, _ string) string {
			switch command {
			case "MLST":
				return fmt.Sprintf("250-Listing\r\n type=file;size=%d; endless.txt\r\n250 End", e.Size())
			case "SIZE":
				return fmt.Sprintf("213 %d", e.Size())
			}
			return ""
		},
		send: func(w io.Writer, _ *os.File) error {
			_, err := io.Copy(w, io.NewSectionReader(e, 0, e.Size()))
			return err
		},
	})
	remote{dir: f.dir}.file(t, "endless.txt", "")
	for _, r := range []remote{
		{"sftp", "", s.url(), "fingerprint = " + quote(s.fingerprint()), nil},
		{"ftp", "", f.url(), "fingerprint = " + quote(print), nil},
	} {
		t.Run(r.kind, func(t *testing.T) {
			began := time.Now()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRemoteFilesStream$", "-test.timeout=10m")
			cmd.Env = append(os.Environ(), "DSENGINE_TEST_REMOTE="+r.url, "DSENGINE_TEST_ARGS="+r.args)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var result string
			var held int64
			for _, line := range strings.Split(string(out), "\n") {
				if _, err := fmt.Sscanf(line, "result=%s resident=%d", &result, &held); err == nil {
					break
				}
			}
			t.Logf("%d MB in %s, %s lines, %d MB resident at most", e.Size()>>20, time.Since(began).Round(time.Millisecond), result, held>>20)
			if result != fmt.Sprint(e.lines) {
				t.Errorf("got %s lines, want %d\n%s", result, e.lines, out)
			}
			if held > maxResident || held == 0 {
				t.Errorf("%d bytes were resident, want at most %d", held, maxResident)
			}
		})
	}
}
