package hostlib

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/dsengine/dsengine/engine"
)

// Needs is what a script may touch, as its job() says. Nothing else can be
// touched.
type Needs struct {
	Lines  []string // as written
	files  []string // globs, with {instance} in them
	hosts  []hostNeed
	named  []namedNeed
	dbs    []string // of connections, with {instance} in them; ":write" follows some
	denied bool     // they are what the operator denies
	limits []*limit // by the operator
	// noted is told what was allowed, in a dry run, which may not have it.
	noted func(line string, has func(*Needs) bool) error
}

// namedNeed is a need of what has a name: a secret, a connection, an address.
type namedNeed struct {
	kind string
	glob string // "" for mail: to anybody
}

// NeedKind is a kind of needs: what is written before the colon.
type NeedKind struct {
	Name    string
	Example string   // a line of needs
	Forms   []string // all that is written
	Doc     string
}

// NeedKinds are the kinds of needs.
var NeedKinds = []NeedKind{
	{"files", "files:incoming/*.csv", []string{"files:GLOB"}, "Files below the files folder (--files), to read, write, move and remove, by their paths there. * stands for any characters but /, ** for any folders."},
	{"http", "http:api.example.com", []string{"http:HOST", "http:HOST:PORT"}, "Requests to a host, on any port, or on the one that is written. \"http:*.example.com\" is many hosts. Redirects lead only to hosts that are named, too."},
	{"secret", "secret:crm_token", []string{"secret:NAME"}, "A secret, which secrets.get gives."},
	{"db", "db:crm", []string{"db:CONNECTION", "db:CONNECTION:write"}, "Another database, to read from it, or to write to it, too. The job database needs none."},
	{"sftp", "sftp:bank", []string{"sftp:CONNECTION", "sftp:HOST", "sftp:HOST:PORT"}, "A server of files, by the name that the operator has given it, or by its host where the script has its URL."},
	{"ftp", "ftp:partner", []string{"ftp:CONNECTION", "ftp:HOST", "ftp:HOST:PORT"}, "The same over FTP."},
	{"s3", "s3:archive", []string{"s3:NAME", "s3:NAME/BUCKET"}, "A bucket, by the name that the operator has given it, with the bucket's own where the operator has not said which; or one that the script reaches by s3.bucket, by its own name: then the host of its endpoint is needed, too, as http:HOST."},
	{"mail", "mail:*@example.com", []string{"mail", "mail:ADDRESS"}, "Mail to these addresses; without one, to anybody."},
}

// NeedAddresses says where a host may be that needs name.
const NeedAddresses = "A host that is named in full, not by a glob, may also be at a private address of the organisation (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7), on the usual ports (80 and 443, 22, 21 and 990); others must be written, \"http:erp.internal:8080\", unless needs has the address itself. The job's log tells of it, once for each host. " +
	"Where this machine itself answers, its own link or a cloud's metadata (127.0.0.0/8, ::1, 169.254.0.0/16, fe80::/10 and all other special addresses), a name is not enough, wherever it leads: the address itself must be there too, such as \"http:127.0.0.1\", or \"http:localhost\" for this machine. " +
	"That is looked at when a connection is made, after redirects too. By the operator's proxy (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) it is the proxy that looks names up, and that must keep private addresses away."

var needKinds = func() (names []string) {
	for _, k := range NeedKinds {
		names = append(names, k.Name)
	}
	return names
}()

// ParseNeeds reads what a script says that it needs.
func ParseNeeds(lines []string) (*Needs, error) { return parseNeeds("needs", lines) }

func parseNeeds(what string, lines []string) (*Needs, error) {
	n := &Needs{Lines: lines}
	for _, line := range lines {
		kind, rest, given := strings.Cut(line, ":")
		switch {
		case !slices.Contains(needKinds, kind):
			return nil, Errorf("usage", "%s: %q is of no kind that there is%s; write it like \"files:incoming/*.csv\"", what, line, Suggest(kind, needKinds))
		case hostExamples[kind] != "":
			h, err := parseHostNeed(what, line, kind, rest)
			if err != nil {
				return nil, err
			}
			n.hosts = append(n.hosts, h)
		case kind == "mail" && !given:
			n.named = append(n.named, namedNeed{kind, ""})
		case kind == "db":
			if glob := strings.TrimSuffix(rest, ":write"); glob == "" || strings.Contains(glob, ":") || !doublestar.ValidatePattern(glob) {
				return nil, Errorf("usage", "%s: %q names no connection (write it like \"db:crm\", or \"db:crm:write\" to write)", what, line)
			}
			n.dbs = append(n.dbs, rest)
		case rest == "" || !doublestar.ValidatePattern(rest):
			return nil, Errorf("usage", "%s: %q has no glob after %s: (write it like %q)", what, line, kind, NeedExample(kind))
		case kind == "files":
			if err := checkRooted(rest); err != nil {
				return nil, Errorf("usage", "%s: %q: %v", what, line, err)
			}
			n.files = append(n.files, path.Clean(rest))
		default:
			n.named = append(n.named, namedNeed{kind, rest})
		}
	}
	return n, nil
}

// NeedExample shows how a need of a kind is written.
func NeedExample(kind string) string {
	if i := slices.Index(needKinds, kind); i >= 0 {
		return NeedKinds[i].Example
	}
	return ""
}

// file says whether the script may touch a path, or all that a glob finds.
func (n *Needs) file(p, instance string) error {
	return n.permit("files:"+p, p, func(n *Needs) bool { return n.hasFile(p, instance) })
}

func (n *Needs) hasFile(p, instance string) bool {
	return slices.ContainsFunc(n.files, func(glob string) bool { return fits(glob, p, instance) })
}

// name says whether the script may touch what has a name: kind is that of the need.
func (n *Needs) name(kind, name, instance string) error {
	return n.permit(kind+":"+name, name, func(n *Needs) bool { return n.hasName(kind, name, instance) })
}

func (n *Needs) hasName(kind, name, instance string) bool {
	return slices.ContainsFunc(n.named, func(o namedNeed) bool {
		return o.kind == kind && (o.glob == "" || fits(o.glob, name, instance))
	})
}

// fits says whether a glob of needs, with {instance} in it, matches a text.
func fits(glob, text, instance string) bool {
	if glob == text {
		return true
	}
	return doublestar.MatchUnvalidated(strings.ReplaceAll(glob, "{instance}", escapeGlob(instance)), text)
}

// permit says whether the script may touch something: has looks for it in its
// own needs, and then in what the operator allows and denies. line is what job()
// would have to say, shown what is touched.
func (n *Needs) permit(line, shown string, has func(*Needs) bool) error {
	if !has(n) {
		return lacking(fmt.Sprintf("%q", shown), line)
	}
	for _, l := range n.limits {
		if err := l.refuse(line, has); err != nil {
			return err
		}
	}
	if n.noted != nil {
		return n.noted(line, has)
	}
	return nil
}

// lacking is the error about what the needs do not have.
func lacking(what, line string) error {
	return Errorf("needs", "%s is not among what job() says this script needs; add it there: needs = [%q]", what, line)
}

// db says whether the script may read from a connection, or write to it.
func (n *Needs) db(name, instance string, writes bool) error {
	line := "db:" + name
	if writes {
		line += ":write"
	}
	return n.permit(line, line, func(n *Needs) bool { return n.hasConnection(name, instance, writes) })
}

// reads says whether the script may read from a connection. It is asked before it is
// known whether the script writes there, so both lines are told.
func (n *Needs) reads(name, instance string) error {
	err := n.db(name, instance, false)
	if f := (*engine.Failure)(nil); errors.As(err, &f) && f.Code == "needs" {
		return Errorf("needs", "%v, or needs = [%q] if it writes there, too", err, "db:"+name+":write")
	}
	return err
}

func (n *Needs) hasConnection(name, instance string, writes bool) bool {
	return slices.ContainsFunc(n.dbs, func(glob string) bool {
		glob, forWriting := strings.CutSuffix(glob, ":write")
		if n.denied { // what may not be read is not written either
			return (writes || !forWriting) && fits(glob, name, instance)
		}
		return (forWriting || !writes) && fits(glob, name, instance)
	})
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
func checkRooted(p string) error { return checkBelow("the files folder", p) }

// checkBelow refuses what is no path below a folder, which is named for messages.
func checkBelow(folder, p string) error {
	switch {
	case p == "":
		return Errorf("file.path", "the path is empty")
	case strings.HasPrefix(p, "/") || len(p) > 1 && p[1] == ':':
		return Errorf("file.path", "%q: paths start in %s: leave out what is before it", p, folder)
	case !fs.ValidPath(path.Clean(p)):
		return Errorf("file.path", "%q leads out of %s", p, folder)
	}
	return nil
}
