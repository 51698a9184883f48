package hostlib

import (
	"fmt"
	"path"
	"strings"
)

// LoadError is why a script was not loaded. Line and Column count from 1; 0
// says that the error is about the whole file.
type LoadError struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// Error is file:line:column: message.
func (e *LoadError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// IsHelper says whether a file of the jobs folder is a helper, which other
// scripts load: it is below lib/, or its name begins with _.
func IsHelper(p string) bool {
	return strings.HasPrefix(p, "lib/") || strings.HasPrefix(path.Base(p), "_")
}
