package hostlib

import (
	"fmt"
	"slices"
	"time"
)

// remoteConnect is the connect of a module. params are those that only one kind of
// servers has.
func remoteConnect(kind, doc, url, example, lua string, params ...Param) *Func {
	return &Func{
		Name: "connect",
		Doc: doc + " What it is connected to is a name: the operator says in [connections.NAME] of dsengine.toml where that is and who logs in, and job() needs \"" + kind + ":NAME\". " +
			"Or it is a URL, and job() needs \"" + kind + ":HOST\". Paths are relative to the URL's folder, or to where the server puts the user, and cannot leave it. " +
			"Sessions serve the whole hook and are closed at its end.",
		Params: slices.Concat([]Param{
			{Name: "name", Type: String, Doc: "a connection's name, or a URL such as \"" + url + "\""},
			{Name: "password", Type: String, Default: None, Named: true, Doc: "with a URL: the password, such as secrets.get(\"files_password\")"},
		}, params, []Param{
			{Name: "timeout", Type: Duration, Default: 30 * time.Second, Named: true, Doc: "how long nothing may come from the server while it is waited for"},
		}),
		Returns: "server", Needs: kind, Effect: Read, Example: example, Lua: lua,
		Do: func(c *Call, a *Args) (Value, error) { return c.connect(kind, a) },
	}
}

// bank is how the examples of methods begin.
const (
	bank    = "bank = sftp.connect(\"bank\")\n"
	bankLua = "local bank = sftp.connect(\"bank\")\n"
)

var serverType = &ObjectType{
	Name: "server", Doc: "A server of files, which sftp.connect and ftp.connect give. What is changed on it is changed at once, and no rollback undoes it: a hook that runs again does it again.",
	Text: func(v Value) string {
		return fmt.Sprintf("<%s server %s>", v.(*server).at.kind, v.(*server).at.name)
	},
	Attrs: []Attr{
		{Name: "name", Type: "string", Doc: "The connection's name, or the host.", Get: func(v Value) (Value, error) { return v.(*server).at.name, nil }},
	},
	Methods: []*Func{
		{
			Name: "list", Doc: "Lists the files that a glob finds, sorted by path, as files.list does. ** stands for any number of folders; names that begin with a dot are found only if the glob names the dot, and not on FTP servers that hide them.",
			Params:  []Param{{Name: "glob", Type: String, Doc: `such as "outgoing/*.csv"`}},
			Returns: "list of remote_file", Effect: Read,
			Example: bank + "[f.path for f in bank.list(\"outgoing/*.csv\")]  # [\"outgoing/people.csv\"]",
			Lua:     bankLua + "bank.list(\"outgoing/*.csv\")[1].path  -- \"outgoing/people.csv\"",
			Do:      func(_ *Call, a *Args) (Value, error) { return a.Self.(*server).list(a.String("glob")) },
		},
		{
			Name: "open", Doc: "Finds a file, which can then be read wherever a path can, through " + packedDoc + ". It is an error if there is none. Reading fails, rather than end early, if not all of it comes.",
			Params:  []Param{{Name: "path", Type: String, Doc: "the file"}},
			Returns: "remote_file", Effect: Read,
			Example: bank + "for row in csv.read(bank.open(\"outgoing/people.csv\")):\n    log.info(row[\"name\"])\nfiles.read(bank.open(\"outgoing/words.txt.gz\"))  # \"alpha\\nbeta\\n\"",
			Lua:     bankLua + "for row in csv.read(bank.open(\"outgoing/people.csv\")) do log.info(row.name) end\nfiles.read(bank.open(\"outgoing/words.txt.gz\"))  -- \"alpha\\nbeta\\n\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				s := a.Self.(*server)
				p, err := s.path(a.String("path"))
				if err != nil {
					return nil, err
				}
				f, err := s.file(p)
				if err != nil {
					return nil, err
				}
				return f, nil
			},
		},
		{
			Name: "exists", Doc: "Says whether there is a file or a folder.",
			Params:  []Param{{Name: "path", Type: String, Doc: "where"}},
			Returns: "bool", Effect: Read,
			Example: bank + "bank.exists(\"outgoing/people.csv\")  # True",
			Lua:     bankLua + "bank.exists(\"outgoing/people.csv\")  -- true",
			Do: func(_ *Call, a *Args) (Value, error) {
				s := a.Self.(*server)
				p, err := s.path(a.String("path"))
				if err != nil {
					return nil, err
				}
				if _, err = s.stat(p); isMissing(err) {
					return false, nil
				}
				return err == nil, err
			},
		},
		{
			Name: "get", Doc: "Copies a file of the server, just as it is, below the files folder. It appears there once it is complete; one that was there is replaced. It is done at least once: a hook that runs again fetches it again.",
			Params: []Param{
				{Name: "path", Type: String, Doc: "the file on the server"},
				{Name: "to", Type: String, Doc: "where it is put; with / at the end, the folder that it goes to"},
			},
			Returns: "file", Needs: "files", Effect: Outside,
			Example: bank + "bank.get(\"outgoing/people.csv\", \"data/fetched/\").path  # \"data/fetched/people.csv\"",
			Lua:     bankLua + "bank.get(\"outgoing/people.csv\", \"data/fetched/\").path  -- \"data/fetched/people.csv\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				return a.Self.(*server).get(a.String("path"), a.String("to"))
			},
		},
		{
			Name: "put", Doc: "Copies a file of the files folder, just as it is, or a stream to the server, and makes the folders that are missing. It is sent under another name, and gets its own once it is complete; one that was there is replaced. It is done at least once: a hook that runs again sends it again, in its place.",
			Params: []Param{
				{Name: "path", Type: String, Doc: "the file on the server; with / at the end, the folder that it goes to"},
				{Name: "src", Type: Source, Doc: "a path below the files folder, a stream, or strings (lines, without their ends)"},
				{Name: "direct", Type: Bool, Default: false, Named: true, Doc: "sends it under its own name, for servers that let no file be renamed: others may see it before it is complete"},
			},
			Returns: "remote_file", Needs: "files", Effect: Outside,
			Example: bank + "bank.put(\"incoming/\", \"data/people.csv\").path  # \"incoming/people.csv\"\nbank.put(\"incoming/note.txt\", [\"done\"]).size  # 5",
			Lua:     bankLua + "bank.put(\"incoming/\", \"data/people.csv\").path  -- \"incoming/people.csv\"\nbank.put(\"incoming/note.txt\", {\"done\"}).size  -- 5",
			Do: func(_ *Call, a *Args) (Value, error) {
				return a.Self.(*server).put(a.String("path"), a.Value("src"), a.Bool("direct"))
			},
			Dry: dryPutRemote,
		},
		{
			Name: "move", Doc: "Gives a file another path on the server, and makes the folders that are missing. It never overwrites one, unless told to. It gives the new path. A hook that runs again may find it moved already, which is no error: where there is no such file, and one at the new path, that one is taken for it, and the job's log has a warning, as the path may be wrong.",
			Params: []Param{
				{Name: "src", Type: String, Doc: "the file"},
				{Name: "dst", Type: String, Doc: "its new path; with / at the end, the folder that it goes to"},
				{Name: "exists", Type: String, Default: "number", Named: true, Choices: []string{"number", "error", "replace"}, Doc: "what happens if there is a file at the new path: \"number\" makes it done/a-2.csv, \"replace\" loses the one that is there"},
			},
			Returns: "string", Effect: Outside,
			Example: bank + "bank.put(\"incoming/old.csv\", \"data/people.csv\")\nbank.move(\"incoming/old.csv\", \"done/\")  # \"done/old.csv\"\nctx.on_commit(bank.move, \"outgoing/imported.csv\", \"done/\")",
			Lua:     bankLua + "bank.put(\"incoming/old.csv\", \"data/people.csv\")\nbank.move(\"incoming/old.csv\", \"done/\")  -- \"done/old.csv\"\nctx.on_commit(bank.move, \"outgoing/imported.csv\", \"done/\")",
			Do: func(_ *Call, a *Args) (Value, error) {
				return a.Self.(*server).move(a.String("src"), a.String("dst"), a.String("exists"))
			},
			Dry: dryMoveRemote,
		},
		{
			Name: "remove", Doc: "Deletes a file of the server. It says whether there was one: a hook that runs again may find it gone.",
			Params:  []Param{{Name: "path", Type: String, Doc: "the file"}},
			Returns: "bool", Effect: Outside,
			Example: bank + "bank.put(\"incoming/gone.csv\", \"data/people.csv\")\nbank.remove(\"incoming/gone.csv\")  # True",
			Lua:     bankLua + "bank.put(\"incoming/gone.csv\", \"data/people.csv\")\nbank.remove(\"incoming/gone.csv\")  -- true",
			Do:      func(_ *Call, a *Args) (Value, error) { return a.Self.(*server).remove(a.String("path")) },
			Dry:     dryRemoveRemote,
		},
	},
}

var remoteFileType = &ObjectType{
	Name: "remote_file", Doc: "A file on a server, which list and open give. It can be read wherever a path can: csv.read(f).", Record: true,
	Text: func(v Value) string { return "<remote_file " + v.(*remoteFile).label() + ">" },
	Attrs: []Attr{
		{Name: "path", Type: "string", Doc: "Where it is, from the connection's folder.", Get: func(v Value) (Value, error) { return v.(*remoteFile).path, nil }},
		{Name: "size", Type: "int", Doc: "Its size in bytes.", Get: func(v Value) (Value, error) { return v.(*remoteFile).size, nil }},
		{Name: "modified", Type: "string", Doc: "When it was last changed, as RFC 3339 text in UTC; None if the server does not tell, as FTP servers that know neither MLSD nor MDTM.", Get: func(v Value) (Value, error) {
			if t := v.(*remoteFile).modified; !t.IsZero() {
				return t.UTC().Format(time.RFC3339Nano), nil
			}
			return nil, nil
		}},
	},
}
