package hostlib

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Needs is what a script may touch, as its job() says.
type Needs struct {
	Lines []string // as written
	files []string // globs, with {instance} in them
	dbs   []string // likewise, of connections; ":write" follows some
}

// needKinds are the kinds of needs; those that are false come later.
var needKinds = map[string]bool{
	"files": true, "http": false, "secret": false, "db": true, "sftp": false, "ftp": false, "s3": false, "mail": false,
}

// ParseNeeds reads what a script says that it needs.
func ParseNeeds(lines []string) (*Needs, error) {
	n := &Needs{Lines: lines}
	for _, line := range lines {
		kind, rest, _ := strings.Cut(line, ":")
		there, known := needKinds[kind]
		switch {
		case !known:
			var kinds []string
			for k := range needKinds {
				kinds = append(kinds, k)
			}
			return nil, Errorf("usage", "needs: %q is of no kind that there is%s; write it like \"files:incoming/*.csv\"", line, Suggest(kind, kinds))
		case !there:
			return nil, notYet(fmt.Sprintf("needs: %q", line))
		case kind == "db":
			if glob := strings.TrimSuffix(rest, ":write"); glob == "" || strings.Contains(glob, ":") || !doublestar.ValidatePattern(glob) {
				return nil, Errorf("usage", "needs: %q names no connection (write it like \"db:crm\", or \"db:crm:write\" to write)", line)
			}
			n.dbs = append(n.dbs, rest)
			continue
		case rest == "" || !doublestar.ValidatePattern(rest):
			return nil, Errorf("usage", "needs: %q has no glob after files: (write it like \"files:incoming/*.csv\")", line)
		}
		if err := checkRooted(rest); err != nil {
			return nil, Errorf("usage", "needs: %q: %v", line, err)
		}
		n.files = append(n.files, path.Clean(rest))
	}
	return n, nil
}

// file says whether the script may touch a path, or all that a glob finds.
func (n *Needs) file(p, instance string) error {
	for _, glob := range n.files {
		glob = strings.ReplaceAll(glob, "{instance}", escapeGlob(instance))
		if glob == p || doublestar.MatchUnvalidated(glob, p) {
			return nil
		}
	}
	return Errorf("needs", "%q is not among what job() says this script needs; add it there: needs = [\"files:%s\"]", p, p)
}

// db says whether the script may read from a connection, or write to it.
func (n *Needs) db(name, instance string, writes bool) error {
	for _, glob := range n.dbs {
		glob, forWriting := strings.CutSuffix(glob, ":write")
		glob = strings.ReplaceAll(glob, "{instance}", escapeGlob(instance))
		if (forWriting || !writes) && (glob == name || doublestar.MatchUnvalidated(glob, name)) {
			return nil
		}
	}
	return Errorf("needs", "connection %q is not among what job() says this script needs; add it there: needs = [\"db:%s\"], or \"db:%s:write\" to write", name, name, name)
}

// escapeGlob makes a text match itself.
func escapeGlob(s string) string { return globMeta.ReplaceAllString(s, `\$0`) }

var globMeta = regexp.MustCompile(`[\\*?\[\]{}]`)

// cleanPath is a path, or a glob, below the files folder, or an error.
func cleanPath(p string) (string, error) {
	if err := checkRooted(p); err != nil {
		return "", err
	}
	return path.Clean(p), nil
}

// checkRooted refuses what is no path below the files folder.
func checkRooted(p string) error {
	switch {
	case p == "":
		return Errorf("file.path", "the path is empty")
	case strings.HasPrefix(p, "/") || len(p) > 1 && p[1] == ':':
		return Errorf("file.path", "%q: paths start in the files folder: leave out what is before it", p)
	case !fs.ValidPath(path.Clean(p)):
		return Errorf("file.path", "%q leads out of the files folder", p)
	}
	return nil
}
