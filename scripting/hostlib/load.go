package hostlib

import (
	"errors"
	"fmt"
	"io/fs"
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
	// Via is where the script was on its way there, innermost first: calls, and
	// loads of helper files.
	Via string `json:"via,omitempty"`
}

// Error is file:line:column: message (by way of other places).
func (e *LoadError) Error() string {
	text := e.File + ": " + e.Message
	if e.Line > 0 {
		text = fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	}
	if e.Via != "" {
		text += " (by way of " + e.Via + ")"
	}
	return text
}

// Passing is the error with one more place on the way to it.
func (e *LoadError) Passing(place string) *LoadError {
	c := *e
	if c.Via != "" {
		c.Via += ", "
	}
	c.Via += place
	return &c
}

// ReadScript reads a file of the jobs folder.
func ReadScript(fsys fs.FS, p string) ([]byte, error) {
	source, err := fs.ReadFile(fsys, p)
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file in the jobs folder")
	case errors.As(err, &pe):
		return nil, fmt.Errorf("read it: %w", pe.Err)
	}
	return source, err
}

// IsHelper says whether a file of the jobs folder is a helper, which other
// scripts load: it is below lib/, or its name begins with _.
func IsHelper(p string) bool {
	return strings.HasPrefix(p, "lib/") || strings.HasPrefix(path.Base(p), "_")
}

// TwoOfAName is the error about a job type that has a script in each of two
// languages: that at p is not loaded.
func TwoOfAName(shown, p, other string) *LoadError {
	return &LoadError{File: path.Join(shown, p), Message: "it is not loaded: " + path.Join(shown, other) + " is the script of this job type"}
}
