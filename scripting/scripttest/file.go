package scripttest

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// fileMethods put files into the files folder of a test, and look at what scripts have
// written there.
func fileMethods() []*hostlib.Func {
	return []*hostlib.Func{
		method("file", "Puts a file into the files folder. Without content it gives what is in a file that is there, such as one that the script has written.",
			"t.file(\"incoming/a.csv\", \"id,name\\n1,Ada\\n\")\nt.file(\"incoming/a.csv\")  # \"id,name\\n1,Ada\\n\"",
			"t.file(\"incoming/a.csv\", \"id,name\\n1,Ada\\n\")\nt.file(\"incoming/a.csv\")  -- \"id,name\\n1,Ada\\n\"",
			[]param{{Name: "path", Type: hostlib.String, Doc: "where, from the files folder"}, {Name: "content", Type: hostlib.Text, Default: hostlib.None, Doc: "what is in it; None: the file is read"}, hostlib.WriteEncoding}, "string, or bytes if it is no UTF-8; None if it was put there",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				charset := a.String("encoding")
				if !a.Given("content") {
					return t.read(a.String("path"), charset)
				}
				data, err := hostlib.Encode(contentOf(a.Value("content")), charset)
				if err != nil {
					return nil, err
				}
				return nil, t.write(a.String("path"), data)
			}),
		method("files", "Lists the paths of the files in the files folder, sorted: those that the test has put there, and what the script has made of them.", "t.files(\"incoming/*\")  # [\"incoming/a.csv\"]", "t.files(\"incoming/*\")  -- {\"incoming/a.csv\"}",
			[]param{{Name: "glob", Type: hostlib.String, Default: "**", Doc: "only those that it finds, such as \"out/*.csv\""}}, "list of string",
			func(_ *hostlib.Call, t *tester, a *hostlib.Args) (hostlib.Value, error) {
				glob := a.String("glob")
				if !doublestar.ValidatePattern(glob) {
					return nil, hostlib.Errorf("usage", "%q is no glob", glob)
				}
				clean, err := within(glob)
				if err != nil {
					return nil, err
				}
				names, err := t.found(clean)
				list := []hostlib.Value{}
				for _, n := range names {
					list = append(list, n)
				}
				return list, err
			}),
	}
}

// read is what is in a file of the files folder.
func (w *world) read(name, charset string) (hostlib.Value, error) {
	clean, err := within(name)
	if err != nil {
		return nil, err
	}
	if err := w.place(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(w.host.Files)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(clean)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		names, err := w.found("**")
		if err != nil {
			return nil, err
		}
		return nil, hostlib.Errorf("file.missing", "there is no file %q: %s", name, thereAre(names, "the files folder is empty"))
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, hostlib.Errorf("file.folder", "%q is a folder, not a file: t.files(%q) lists what is in it", name, path.Join(clean, "**"))
	}
	data, err := root.ReadFile(clean)
	if err != nil {
		return nil, err
	}
	if charset != "" {
		return hostlib.Decode(name, data, charset)
	}
	return textOrBytes(data), nil
}

// found are the files of the files folder that a glob finds, sorted; those that are not
// to stay are left out.
func (w *world) found(glob string) ([]string, error) {
	if err := w.place(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(w.host.Files)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	names, err := doublestar.Glob(root.FS(), glob, doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
	names = slices.DeleteFunc(names, hostlib.IsTemporary)
	slices.Sort(names)
	return slices.Compact(names), err
}

// write puts a file into the test's folder.
func (w *world) write(name string, data []byte) error {
	clean, err := within(name)
	if err != nil {
		return err
	}
	if err := w.place(); err != nil {
		return err
	}
	root, err := os.OpenRoot(w.host.Files)
	if err != nil {
		return err
	}
	defer root.Close()
	if folder := path.Dir(clean); folder != "." {
		if err := root.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := root.WriteFile(clean, data, 0o600); err != nil {
		return err
	}
	now := w.clock.Now()
	return root.Chtimes(clean, now, now)
}

// within is a path in the files folder.
func within(name string) (string, error) {
	clean := path.Clean(name)
	if !fs.ValidPath(clean) {
		return "", hostlib.Errorf("usage", "%q leads out of the files folder", name)
	}
	return clean, nil
}

// thereAre tells names, or that there is none.
func thereAre(names []string, none string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return none
	case len(names) > most:
		names = append(names[:most:most], "...")
	}
	return "there are: " + strings.Join(names, ", ")
}
