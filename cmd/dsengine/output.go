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

// writeWhole makes the file that a flag names: it appears when it is complete. What is
// no file, such as /dev/stdout or a pipe, is written to.
func writeWhole(env *Env, flag, name string, write func(w io.Writer) error) error {
	to := env.path(name)
	if info, err := os.Stat(to); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(to, os.O_WRONLY, 0)
		if err != nil {
			return cannotWrite(flag, name, to, err)
		}
		return writeAll(file, write)
	}
	part, err := openPart(to)
	if err != nil {
		return cannotWrite(flag, name, to, err)
	}
	return takePlace(to, part, write)
}

// replaceFile gives a file another content, whole or not at all.
func replaceFile(file string, content []byte) error {
	part, err := openPart(file)
	if err != nil {
		return err
	}
	return takePlace(file, part, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// openPart makes a file beside another one, to take its place.
func openPart(of string) (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("%s.%x.part", realPath(of), rand.Uint64()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// takePlace writes a part, and puts it in the place of a file: that keeps its mode, and
// the symbolic links to it.
func takePlace(of string, part *os.File, write func(w io.Writer) error) error {
	defer os.Remove(part.Name()) // unless it was renamed
	if info, err := os.Stat(of); err == nil {
		if err := part.Chmod(info.Mode().Perm()); err != nil {
			part.Close()
			return err
		}
	}
	if err := writeAll(part, write); err != nil {
		return err
	}
	return os.Rename(part.Name(), realPath(of))
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
