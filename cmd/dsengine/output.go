package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/dsengine/dsengine/engine"
)

// writeWhole makes the file that a flag names: it appears when it is complete, and one
// that is there keeps its mode, and the links to it. What is no file, such as
// /dev/stdout or a pipe, is written to.
func writeWhole(env *Env, flag, name string, write func(w io.Writer) error) error {
	to, mode := env.path(name), fs.FileMode(0)
	info, err := os.Stat(to)
	switch {
	case err == nil && !info.Mode().IsRegular():
		file, err := os.OpenFile(to, os.O_WRONLY, 0)
		if err != nil {
			return cannotWrite(flag, name, to, err)
		}
		return writeAll(file, write)
	case err == nil:
		to, mode = realPath(to), info.Mode().Perm()
	}
	part := fmt.Sprintf("%s.%x.part", to, rand.Uint64())
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return cannotWrite(flag, name, to, err)
	}
	defer os.Remove(part) // unless it was renamed
	if mode != 0 {
		if err := file.Chmod(mode); err != nil {
			file.Close()
			return err
		}
	}
	if err := writeAll(file, write); err != nil {
		return err
	}
	return os.Rename(part, to)
}

// writeAll writes a file, and closes it.
func writeAll(file *os.File, write func(w io.Writer) error) error {
	defer file.Close()
	w := bufio.NewWriter(file)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}

// openNamed opens the file that a flag names to be read; a folder is none.
func openNamed(env *Env, flag, name string) (*os.File, error) {
	f, err := os.Open(env.path(name))
	if err != nil {
		return nil, engine.Wrapf(engine.CodeUsage, err, "--%s", flag)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, usage("--%s: %s is a folder", flag, name)
	}
	return f, nil
}

// cannotWrite says why a file cannot be made, without the name that it has while
// it is written.
func cannotWrite(flag, name, path string, err error) error {
	if _, serr := os.Stat(filepath.Dir(path)); errors.Is(serr, fs.ErrNotExist) {
		return usage("--%s %s: there is no folder %s", flag, name, filepath.Dir(name)).WithHint("make it: mkdir -p %s", filepath.Dir(name))
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return engine.Wrapf(engine.CodeUsage, err, "--%s %s", flag, name)
}
