package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/luascript"
	"github.com/dsengine/dsengine/scripting/stubs"
)

// writeStubs writes the file for editors: to a file, into a folder under the name that
// editors look for, or to standard output. For Lua, a folder gets the editor's settings
// too, unless it has some.
func writeStubs(env *Env, g *globals, to string, lua bool) error {
	var text bytes.Buffer
	write, name := stubs.Write, stubs.FileName
	if lua = lua || filepath.Ext(to) == luascript.Ending; lua {
		write, name = stubs.WriteLua, stubs.LuaFileName
	}
	if err := write(&text); err != nil {
		return err
	}
	if to == "-" {
		_, err := env.Stdout.Write(text.Bytes())
		return err
	}
	files := []string{to}
	info, err := os.Stat(env.path(to))
	if err == nil && info.IsDir() || os.IsPathSeparator(to[len(to)-1]) {
		files[0] = filepath.Join(to, name)
	}
	if err := os.WriteFile(env.path(files[0]), text.Bytes(), 0o644); err != nil {
		return engine.Wrapf(engine.CodeUsage, err, "write the stubs").WithHint("--stubs PATH is a file or a folder; its folder must be there")
	}
	if settings := filepath.Join(to, stubs.LuaSettingsName); lua && files[0] != to {
		if _, err := os.Lstat(env.path(settings)); errors.Is(err, fs.ErrNotExist) {
			jobs, err := filepath.Rel(env.path(to), env.path(g.Jobs))
			if err != nil {
				jobs = g.Jobs
			}
			if err := makeFile(env.path(settings), stubs.LuaSettings(filepath.ToSlash(jobs))); err != nil {
				return err
			}
			files = append(files, settings)
		}
	}
	if g.json() {
		return printJSON(env.Stdout, map[string]any{"file": files[0], "files": files})
	}
	p := &printer{w: env.Stdout}
	for _, file := range files {
		p.line("%s", file)
	}
	return p.err
}
