package main

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dsengine/dsengine/engine"
)

// writeWhole writes the file that a flag names. It appears when it is complete.
func writeWhole(env *Env, flag, name string, write func(w io.Writer) error) error {
	to := env.path(name)
	file, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.part")
	if err != nil {
		return cannotWrite(flag, name, to, err)
	}
	defer os.Remove(file.Name()) // unless it was renamed
	defer file.Close()
	w := bufio.NewWriter(file)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := file.Chmod(0o644); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), to)
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
