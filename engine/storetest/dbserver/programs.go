package dbserver

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// NotInstalledError says that a database's programs are missing.
type NotInstalledError struct {
	Program string // one that was not found
	Install string // the command that installs it on Debian
}

// Error names the program and how to get it.
func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("%s is not installed; on Debian: %s", e.Program, e.Install)
}

// findProgram finds the first of the names in PATH or in one of the folders.
func findProgram(names []string, folders ...string) (string, bool) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
		for _, folder := range folders {
			if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				return path, true
			}
		}
	}
	return "", false
}
