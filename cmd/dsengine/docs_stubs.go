package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/stubs"
)

// writeStubs writes the file for editors: to a file, into a folder under the
// name that editors look for, or to standard output.
func writeStubs(env *Env, g *globals, to string) error {
	var text bytes.Buffer
	if err := stubs.Write(&text); err != nil {
		return err
	}
	if to == "-" {
		_, err := env.Stdout.Write(text.Bytes())
		return err
	}
	info, err := os.Stat(env.path(to))
	if err == nil && info.IsDir() || os.IsPathSeparator(to[len(to)-1]) {
		to = filepath.Join(to, stubs.FileName)
	}
	if err := os.WriteFile(env.path(to), text.Bytes(), 0o644); err != nil {
		return engine.Wrapf(engine.CodeUsage, err, "write the stubs").WithHint("--stubs PATH is a file or a folder; its folder must be there")
	}
	if g.json() {
		return printJSON(env.Stdout, map[string]string{"file": to})
	}
	p := &printer{w: env.Stdout}
	p.line("%s", to)
	return p.err
}
