package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/scripttest"
)

// settleTime is how long nothing must change before tests run: editors write a
// file in several steps.
const settleTime = 50 * time.Millisecond

// watchTests runs tests, and again what changes touch, until ctx ends.
func watchTests(ctx context.Context, env *Env, g *globals, o testOptions, so scripttest.Options) error {
	w, err := newWatcher(env, g.Jobs)
	if err != nil {
		return err
	}
	defer w.Close()
	began, lost := time.Now(), false
	suite, err := scripttest.Find(so)
	if err != nil {
		return err
	}
	for {
		if !suite.Empty() {
			// How it went was told; what is wrong is mended while this runs on.
			var told *exitError
			if err := runSuite(ctx, env, g, o, suite, began); err != nil && !errors.As(err, &told) {
				tell(ctx, env, err, false)
			}
		} else if so.Before == nil {
			env.say("no test was found: a test is a function test_NAME(t) in NAME_test.star or NAME_test.lua, or in the script itself")
		}
		if ctx.Err() == nil && (so.Before == nil || !suite.Empty()) {
			env.say("watching %s; Ctrl-C ends", g.Jobs)
		}
		changed, all, err := w.next(ctx, suite)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if so.Before, so.Changed = suite, changed; all || lost {
			so.Changed = nil
		}
		began = time.Now()
		again, err := scripttest.Find(so)
		if lost = err != nil; lost { // such as a folder that is being replaced
			env.say("dsengine: %v", err)
			continue
		}
		if suite = again; !suite.Empty() {
			env.say("\nchanged: %s", clip(strings.Join(shownBelow(g.Jobs, changed), ", "), 200))
		}
	}
}

// shownBelow are files as they are called below a folder.
func shownBelow(dir string, files []string) []string {
	list := make([]string, len(files))
	base, err := filepath.Abs(dir)
	for i, f := range files {
		list[i] = f
		if rel, rerr := filepath.Rel(base, f); err == nil && rerr == nil {
			list[i] = filepath.Join(dir, rel)
		}
	}
	return list
}

// watcher tells of changes in a folder and in those below it.
type watcher struct {
	*fsnotify.Watcher
	env  *Env
	dir  string
	seen map[string]bool // files that are there, or were when somebody looked, and folders
}

func newWatcher(env *Env, dir string) (*watcher, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, usage("there is no jobs folder %s to watch", dir)
	}
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, engine.Wrapf("", err, "watch %s", dir)
	}
	w := &watcher{n, env, dir, map[string]bool{}}
	_ = w.Add(filepath.Dir(dir)) // where it may be made anew
	if err := w.add(dir); err != nil {
		n.Close()
		return nil, engine.Wrapf("", err, "watch %s", dir)
	}
	return w, nil
}

// walk goes through a folder, also one that a link leads to, and all below it.
func walk(dir string, each func(p string, d fs.DirEntry, err error) error) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		return each(filepath.Join(dir, filepath.FromSlash(p)), d, err)
	})
}

// add watches a folder and all below it, but hidden ones. What goes away
// meanwhile is no error.
func (w *watcher) add(dir string) error {
	return walk(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !d.IsDir():
			w.seen[p] = true
			return nil
		case p != dir && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		}
		w.seen[p] = true
		if err := w.Add(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// next waits until files have changed and then rest for a moment, and names
// them; all says that it is not known which. Golden files that the suite itself
// has written have not changed.
func (w *watcher) next(ctx context.Context, suite *scripttest.Suite) (changed []string, all bool, err error) {
	var quiet chan struct{}
	var timer engine.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for {
		noted := false
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-quiet:
			if changed = w.lasting(changed); len(changed) > 0 || all {
				return changed, all, nil
			}
			quiet = nil
		case err, ok := <-w.Errors:
			if !ok {
				return nil, false, errors.New("watch the jobs folder: it ended")
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return nil, false, engine.Wrapf("", err, "watch the jobs folder")
			}
			all, noted = true, true
		case e, ok := <-w.Events:
			switch {
			case !ok:
				return nil, false, errors.New("watch the jobs folder: it ended")
			case e.Op == fsnotify.Chmod:
				continue
			}
			for _, file := range w.files(e) {
				if content, err := os.ReadFile(file); err == nil && suite.Wrote(file, content) {
					continue
				}
				if noted = true; !slices.Contains(changed, file) {
					changed = append(changed, file)
				}
			}
		}
		if noted {
			if timer != nil {
				timer.Stop()
			}
			done := make(chan struct{})
			quiet, timer = done, w.env.Clock.After(settleTime, func() { close(done) })
		}
	}
}

// lasting are the files without those that came and went, as by which editors and tools
// replace others: they are not there, and were not when somebody looked.
func (w *watcher) lasting(files []string) []string {
	return slices.DeleteFunc(files, func(file string) bool {
		if _, err := os.Lstat(file); err != nil {
			return !w.seen[file]
		}
		w.seen[file] = true
		return false
	})
}

// ofEditor says whether a name is one of a file that editors make beside the one
// that they write: no script is called so.
func ofEditor(name string) bool {
	if name == "" || strings.ContainsAny(name[:1], ".#") || strings.HasSuffix(name, "~") || name == "4913" { // by which Vim tries the folder
		return true
	}
	switch filepath.Ext(name) {
	case ".swp", ".swx", ".tmp", ".bak", ".orig":
		return true
	}
	return strings.Contains(name, "___jb_")
}

// files are those that an event is about: of a folder that is new, or gone, all in it.
func (w *watcher) files(e fsnotify.Event) []string {
	whole := e.Name == w.dir // that one went is told, perhaps, when another is there
	if filepath.Dir(e.Name) == filepath.Dir(w.dir) && !whole {
		return nil
	}
	if e.Has(fsnotify.Rename) || whole { // else the watch goes with the folder, to where it is added next, and ends there
		for p := range w.seen {
			if p == e.Name || strings.HasPrefix(p, e.Name+string(filepath.Separator)) {
				_ = w.Remove(p)
			}
		}
	}
	info, err := os.Stat(e.Name)
	switch {
	case ofEditor(filepath.Base(e.Name)):
		return nil
	case err != nil:
		files := []string{e.Name}
		for p := range w.seen {
			if strings.HasPrefix(p, e.Name+string(filepath.Separator)) {
				files = append(files, p)
			}
		}
		slices.Sort(files)
		return files
	case !info.IsDir():
		return []string{e.Name}
	}
	if !e.Has(fsnotify.Create) && !whole || strings.HasPrefix(filepath.Base(e.Name), ".") {
		return nil
	}
	if err := w.add(e.Name); err != nil {
		w.env.say("dsengine: watch %s: %v", e.Name, err)
	}
	var files []string
	_ = walk(e.Name, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, p)
		}
		return nil
	})
	return files
}
